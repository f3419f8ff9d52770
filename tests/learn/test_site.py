"""The site: built without a warning, whole, asking no network for anything, searchable, and readable on a telephone.

It is built once, with the lessons' pages as they are kept (`test_pages` holds those against the lessons as they run).
"""
import html.parser
import importlib.util
import json
import pathlib
import posixpath
import re
import signal
import subprocess
import sys
import time
import urllib.parse

import pytest

from tinyattn.cli import main
from tinyattn.learn.lessons import all_lessons
from tinyattn.learn.lessons import folder as lesson_folder
from tinyattn.learn.site import docstrings, sources
from tinyattn.learn.site.build import MARK, SiteError, build, by_night, linked
from tinyattn.learn.site.dark import WORDS, dark, night

needs_docs = pytest.mark.skipif(any(importlib.util.find_spec(m) is None for m in ("sphinx", "myst_parser", "furo", "latex2mathml")),
                                reason="pip install -e '.[docs]'")


class Page(html.parser.HTMLParser):
    """What a page points to: `resources` that a browser would fetch, `links` that a reader may follow; and the `ids` that links may name."""

    def __init__(self, path):
        super().__init__()
        self.resources, self.links, self.ids, self.text = [], [], set(), path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, pairs):
        found = dict(pairs)
        self.ids |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a":
            self.links += [found["href"]] * ("href" in found)
        elif tag == "link" and found.get("rel") in ("next", "prev", "index", "search", "genindex", "canonical"):
            self.links.append(found["href"])
        else:
            self.resources += [found[name] for name in ("src", "href", "data", "poster", "action", "xlink:href") if found.get(name)]
            self.resources += [part.split()[0] for part in (found.get("srcset") or "").split(",") if part.strip()]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("docs") / "site"
    assert main(["docs", "build", "--kept", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def pages(site):
    return {path.relative_to(site).as_posix(): Page(path) for path in sorted(site.rglob("*.html"))}


def far(target):
    return bool(re.match(r"(https?:)?//", target))


@needs_docs
def test_every_lesson_exhibit_kernel_and_function_is_there(site, pages):
    for lesson in all_lessons():
        assert f"lessons/{lesson.name}/README.html" in pages
        for exercise in lesson.exercises:
            assert f"source/tutorials/{lesson.name}/{exercise.file}.html" in pages
    text = pages["api/functional.html"].text
    assert "tinyattn.nn.functional.conv2d" in pages["api/functional.html"].ids and "as in PyTorch" in text
    assert {"tinyattn.Tensor.backward", "tinyattn.einsum"} <= pages["api/tensor.html"].ids
    for kernel in ("conv", "softmax", "attention", "pool"):
        assert "The specification" in pages[f"kernels/{kernel}.html"].text and "plain twin" in pages[f"kernels/{kernel}.html"].text


@needs_docs
def test_nothing_is_fetched_from_anywhere(site, pages):
    for name, page in pages.items():
        assert not [target for target in page.resources if far(target)], name
        assert not re.search(r"""@import\s+url\(["']?(https?:)?//|fetch\(["']https?:""", page.text), name
    for path in site.rglob("*.css"):
        assert not re.search(r"""url\(["']?(https?:)?//""", path.read_text(encoding="utf-8")), path.name


@needs_docs
def test_every_link_leads_somewhere(site, pages):
    there, broken, count = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}, set(), 0
    for name, page in pages.items():
        for target in {*page.links, *page.resources}:
            if far(target) or re.match(r"(mailto|data|javascript):", target):
                continue
            path, _, place = map(urllib.parse.unquote, target.partition("#"))
            path, count = posixpath.normpath(posixpath.join(posixpath.dirname(name), path.partition("?")[0])) if path else name, count + 1
            if path not in there:
                broken.add(f"{name}: {target}")
            elif place and path in pages and place not in pages[path].ids and not path.startswith("interactive/"):
                broken.add(f"{name}: {target} (no such place)")
    assert count > 1000 and not broken, "\n".join(sorted(broken)[:20])


@needs_docs
def test_search_knows_the_lessons_words(site):
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text[text.index("{"):text.rindex("}") + 1])
    for word, page in (("nudg", "lessons/01_scalar/README"), ("museum", "lessons/museum/README"), ("symmetr", "lessons/museum/README")):
        found = [index[kind].get(word, []) for kind in ("terms", "titleterms")]
        numbers = [number for one in found for number in (one if isinstance(one, list) else [one])]
        assert page in [index["docnames"][number] for number in numbers], word
    assert "fetch" not in (site / "search.html").read_text(encoding="utf-8")


@needs_docs
def test_formulas_are_mathml_and_code_links_to_its_source(pages):
    page = pages["lessons/01_scalar/README.html"]
    assert re.search(r'class="together">.{0,900}?</math>[.,]</span>', page.text), "a full stop stays at its formula"
    assert page.text.count("<math ") > 20 and "$" not in re.sub(r"<(code|pre|script).*?</\1>", "", page.text, flags=re.S)
    assert any(link.startswith("../../source/tinyattn/sweep.py.html#L") for link in page.links)
    assert "../../interactive/tape.html" in page.links
    assert any(link.startswith("../source/tinyattn/ops/conv.py.html#L") for link in pages["api/functional.html"].links)


@needs_docs
def test_a_built_site_is_replaced_and_a_strangers_folder_is_not(site, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    assert main(["docs", "build", "--kept", "--out", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err and (tmp_path / "mine.txt").read_text(encoding="utf-8") == "mine"
    assert main(["docs", "build", "--kept", "--out", str(tmp_path / "mine.txt")]) == 2
    assert (site / MARK).is_file()
    assert sorted(p.name for p in site.parent.iterdir()) == ["site"], "nothing is left beside it"


@needs_docs
def test_a_fault_leaves_what_was_there(tmp_path, monkeypatch):
    from tinyattn.learn.site import build as builder
    out = tmp_path / "site"
    out.mkdir()
    (out / MARK).write_text("", encoding="utf-8")
    (out / "old.html").write_text("old", encoding="utf-8")

    def sources_with_a_fault(folder, run_lessons, say):
        folder.mkdir(parents=True)
        (folder / "conf.py").write_bytes((builder.HERE / "conf.py").read_bytes())
        (folder / "static").mkdir()
        (folder / "static" / "site.css").write_text("", encoding="utf-8")
        (folder / "index.md").write_text("# A\n\n[nowhere](nowhere.md)\n", encoding="utf-8")
    monkeypatch.setattr(builder, "write_sources", sources_with_a_fault)
    with pytest.raises(SiteError, match="index.md:3.*nowhere"):
        build(out, False, lambda words: None)
    assert [p.name for p in tmp_path.iterdir()] == ["site"] and (out / "old.html").read_text(encoding="utf-8") == "old"


@needs_docs
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child")
def test_ctrl_c_leaves_nothing(tmp_path):
    child = subprocess.Popen([sys.executable, "-m", "tinyattn", "docs", "build", "--kept", "--out", str(tmp_path / "site")], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, cwd=pathlib.Path(__file__).resolve().parents[2],
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # what runs in the background ignores it
    while "the pages" not in child.stdout.readline():
        assert child.poll() is None, child.stderr.read()
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    assert child.wait(60) == 130 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words, hint", [(["build", "07"], "whole site"), (["pages", "--kept"], "belongs to build"), (["check", "--out", "x"], "belongs to build")])
def test_mistakes_are_explained(capsys, words, hint):
    assert main(["docs", *words]) == 2 and hint in capsys.readouterr().err


def test_without_the_extra_it_says_what_to_install(capsys, monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "furo" else there(name, *more))
    assert main(["docs", "build"]) == 2
    said = capsys.readouterr().err
    assert "furo" in said and "pip install 'tinyattn[docs]'" in said


def test_pages_of_an_installation_that_is_read_only(capsys, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: name)
    assert main(["docs", "pages", "01"]) == 2
    assert "may not be written to; docs build --out DIR" in capsys.readouterr().err


def test_a_link_to_no_file_is_a_fault():
    assert linked("[a](exercise.py) [b](../../tinyattn/sweep.py#L3-L9) [c](fig/x.svg)", "tutorials/01_scalar") == (
        "[a](site:source/tutorials/01_scalar/exercise.py.html) [b](site:source/tinyattn/sweep.py.html#L3) [c](fig/x.svg)")
    assert linked("```python\n\n\nf[a](*b)\n```\n", "tutorials/01_scalar") == "```python\nf[a](*b)\n```\n"
    with pytest.raises(SiteError, match="no_such.py"):
        linked("[a](no_such.py)", "tutorials/01_scalar")


def light(colour):
    """The relative luminance of WCAG 2.2."""
    rgb = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    return sum(part * (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4) for part, v in zip((0.2126, 0.7152, 0.0722), rgb))


def test_words_of_pictures_can_be_read_on_dark_pages():
    words = {found[0].partition("style=\"fill: ")[2][:7] for path in sorted(lesson_folder().glob("*/fig/*.svg"))
             for found in WORDS.finditer(path.read_text(encoding="utf-8"))}
    on_paper = [colour for colour in words if light(colour) < 0.5]      # the others lie on something dark already
    assert len(on_paper) >= 5
    poor = {colour: night(colour) for colour in on_paper if (light(night(colour)) + 0.05) / (light(night("#ffffff")) + 0.05) < 4.5}
    assert not poor


def test_a_dark_picture_leaves_images_alone():
    word = '<g style="fill: #1d2330" transform="translate({} {}) scale(0.1 -0.1)"></g>'
    image = '<image xlink:href="x" transform="scale(1 -1) translate(0 -100)" x="10" y="-20" width="50" height="100"/>'     # from (10, 20) to (60, 120)
    made = dark('<svg a="b"><g id="axes_1"><path style="fill: #ffffff; stroke: #2f6fdb"/>' + image + word.format(30, 50) + word.format(30, 150)
                + '</g><g id="axes_2">' + word.format(30, 50) + "</g></svg>")
    assert re.findall("fill: (#[0-9a-f]+)", made) == [night("#ffffff"), "#1d2330", night("#1d2330"), night("#1d2330")]
    assert image in made and f"stroke: {night('#2f6fdb')}" in made and f'<svg fill="{night("#000000")}" a="b">' in made
    assert by_night("![It [is] so](fig/a.svg)\n") == "![It [is] so](fig/a.svg){.only-light}![It [is] so](fig/a-dark.svg){.only-dark}\n"


@pytest.mark.parametrize("text, made", [
    ("y = x*w, a_b and |x|", r"y = x\*w, a\_b and \|x\|"),
    ("see ``x = 1`` and `max_pool2d`.", "see ``x = 1``\\ " + " and :py:obj:`max_pool2d`\\ ."),
    ("it is *not* 2*x*y", r"it is *not* 2\*x\*y"), ("1. is no list", r"\1. is no list"), ("- is one\n  with more\n- and two", "- is one with more\n- and two"),
    ("A sentence\nover lines.\n\n    H' = 2·H", "A sentence over lines.\n\n.. code-block:: text\n   :class: plain\n\n   H' = 2·H"),
    ("data     the array\ngrad     its gradient", ".. code-block:: text\n   :class: plain\n\n   data     the array\n   grad     its gradient"),
    (">>> 1 + 1\n2", ".. code-block:: pycon\n\n   >>> 1 + 1\n   2"),
])
def test_docstrings_mean_what_they_say(text, made):
    assert "\n".join(docstrings.convert(text.split("\n"))).strip() == made


def test_source_pages_know_where_things_stand():
    path, _, line = sources.place_of("tinyattn", "Tensor.backward").partition("#L")
    text = sources.files()[path.removesuffix(".html")].read_text(encoding="utf-8").split("\n")
    assert text[int(line) - 1].strip().startswith("def backward(")
    assert sources.place_of("tinyattn", "float32") is None and sources.repository_path("nothing/here.py") is None
    assert sources.repository_path("tinyattn/viz/") == "tinyattn/viz/__init__.py"


SHOWN = ["index.html", "lessons/README.html", "lessons/museum/README.html", "api/functional.html", "api/nn.html", "kernels/index.html", "kernels/conv.html",
         "kernels/attention.html", "source/tinyattn/sweep.py.html", "search.html", "genindex.html",
         *(f"lessons/{lesson.name}/README.html" for lesson in all_lessons())]


@needs_docs
@pytest.mark.parametrize("scheme, width", [("light", 390), ("dark", 390), ("light", 1280), ("light", 1500)])
def test_pages_fit_and_complain_of_nothing(site, chromium, scheme, width):
    context = chromium.new_context(viewport={"width": width, "height": 900}, offline=True, color_scheme=scheme)
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))
    page.on("request", lambda asked: None if asked.url.startswith("file:") else said.append(f"{page.url} asks for {asked.url}"))
    for name in dict.fromkeys(SHOWN):
        page.goto((site / name).as_uri())
        shown = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth, getComputedStyle(document.body).backgroundColor]")
        assert shown[0] <= shown[1], f"{name} scrolls sideways: {shown[0]} of {shown[1]}"
        assert (sum(map(int, re.findall(r"\d+", shown[2])[:3])) < 200) == (scheme == "dark"), f"{name} in {scheme}: {shown[2]}"
        pictures = page.evaluate("[...document.images].filter(i => i.offsetWidth).map(i => i.currentSrc)")
        assert all(bool(re.search(r"-dark\d*\.svg$", source)) == (scheme == "dark") for source in pictures), pictures
        broken = page.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)")
        assert not broken
    context.close()
    assert not said, "\n".join(said)


@needs_docs
def test_search_works_from_a_folder(site, chromium):
    page = chromium.new_page()
    page.goto((site / "search.html").as_uri() + "?q=nudge")
    page.wait_for_selector("#search-results li a", timeout=30_000)
    found = page.eval_on_selector_all("#search-results li a", "links => links.map(a => a.getAttribute('href'))")
    page.close()
    assert any(link.startswith("lessons/01_scalar/README.html") for link in found), found


@needs_docs
def test_on_paper_there_is_only_the_text(site, chromium):
    page = chromium.new_page()
    page.goto((site / "lessons" / "01_scalar" / "README.html").as_uri())
    page.emulate_media(media="print")
    shown = page.evaluate("""['.sidebar-drawer', '.toc-drawer', '.mobile-header', '.related-pages', '.theme-toggle-container'].filter(
        s => [...document.querySelectorAll(s)].some(e => getComputedStyle(e).display !== 'none'))""")
    wrapped = page.evaluate("getComputedStyle(document.querySelector('pre')).whiteSpace")
    page.close()
    assert shown == [] and wrapped == "pre-wrap"
