"""What our site needs of Sphinx beside the usual: formulas as MathML, links into the site's own files, docstrings as plain text."""
import inspect
import re

from .docstrings import convert
from .sources import page_of, repository_path

LINE_ABOVE = re.compile(r'<mover>((?:(?!<mover>).)*?)<mo accent="true">&#x02015;</mo></mover>')


def setup(app):
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (_inline_formula, None), (_formula, None))
    app.connect("doctree-resolved", _links)
    app.connect("autodoc-process-docstring", _docstring)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def mathml(latex, display):
    """A formula in LaTeX as MathML, which browsers show and read aloud without help; its LaTeX is its alternative text."""
    from html import escape

    from latex2mathml.converter import convert as to_mathml
    made = LINE_ABOVE.sub(r'<mrow class="line-above">\1</mrow>', to_mathml(latex, display=display))     # browsers do not stretch the line
    return made.replace("<math ", f'<math alttext="{escape(latex.strip())}" ', 1)


def _inline_formula(visitor, node):
    from docutils.nodes import SkipNode
    visitor.body.append(mathml(node.astext(), "inline"))
    raise SkipNode


def _formula(visitor, node):
    from docutils.nodes import SkipNode
    visitor.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>')
    raise SkipNode


def _docstring(app, what, name, thing, options, lines):
    try:
        arguments = set(inspect.signature(thing).parameters)
    except (TypeError, ValueError):     # no callable, or one without a signature
        arguments = set()
    lines[:] = convert(lines, arguments)


def _links(app, tree, page):
    """``site:a/b.html`` leads to that file from any page; code that is the name of a source file leads to it."""
    from docutils import nodes
    depth = app.builder.get_target_uri(page).count("/")
    for reference in tree.findall(nodes.reference):
        target = reference.get("refuri", "")
        if target.startswith("site:"):
            reference["refuri"] = "../" * depth + target[len("site:"):]
            reference["classes"] = ["own"]
    _keep_marks(tree)
    for literal in list(tree.findall(nodes.literal)):
        path = repository_path(literal.astext())
        if path and not isinstance(literal.parent, nodes.reference):
            link = nodes.reference("", "", refuri="../" * depth + page_of(path), internal=True)
            literal.replace_self(link)
            link += literal


def _keep_marks(tree):
    """A formula in a line and the full stop or bracket at it stay on one line; browsers would break between them."""
    from docutils import nodes
    for formula in list(tree.findall(nodes.math)):
        parent, at = formula.parent, formula.parent.index(formula)
        before, after = (parent[i] if 0 <= i < len(parent) and isinstance(parent[i], nodes.Text) else nodes.Text("") for i in (at - 1, at + 1))
        opening, closing = re.search(r"[(\[]?\Z", before)[0], re.match(r"[.,:;?!)\]]*", after)[0]
        if not opening and not closing:
            continue
        together = nodes.inline("", "", nodes.Text(opening), formula.deepcopy(), nodes.Text(closing), classes=["together"])
        parent[at] = together
        if closing:
            parent[at + 1] = nodes.Text(after[len(closing):])
        if opening:
            parent[at - 1] = nodes.Text(before[:-1])
