"""Sphinx's settings for the site; its pages are written by `build`."""
project = "TinyAttn"
author = "TinyAttn"
copyright = "TinyAttn"
html_title = "TinyAttn"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.linkcode", "tinyattn.learn.site.extension"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
myst_enable_extensions = ["dollarmath", "attrs_inline"]
myst_heading_anchors = 3
myst_url_schemes = {"http": None, "https": None, "mailto": None, "site": None}     # site: a path from the site's root, see `extension`
html_math_renderer = "mathml"

smartquotes = False                     # H' is a height, no quotation

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_search_summary = False        # it would fetch the pages it found, which a browser forbids in an unzipped folder
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#2459b8", "color-brand-content": "#2459b8", "color-brand-visited": "#2459b8"},
    "dark_css_variables": {"color-brand-primary": "#8db4ff", "color-brand-content": "#8db4ff", "color-brand-visited": "#8db4ff"},
}
python_use_unqualified_type_names = True
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
add_module_names = False
toc_object_entries = False


def linkcode_resolve(domain, info):
    """Where the source of an object of the reference stands, from a page of the reference."""
    from tinyattn.learn.site.sources import place_of
    found = place_of(info["module"], info["fullname"])
    return found and f"../source/{found}"
