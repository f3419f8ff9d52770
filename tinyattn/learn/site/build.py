"""`build` makes the site in a folder: writes Sphinx's sources, runs it, and puts the result in place when it is whole."""
import contextlib
import io
import pathlib
import posixpath
import re
import shutil
import tempfile

from .. import lessons, pages
from . import gallery, interactive, reference, sources
from .dark import dark

HERE = pathlib.Path(__file__).resolve().parent
MARK = ".made-by-tinyattn-docs"
LINK = re.compile(r"\]\(([^)\s]+)\)")
PICTURE = re.compile(r"^(!\[.*\])\((fig/\S+)\.svg\)$", re.M)


class SiteError(ValueError):
    """The site cannot be made so; `str()` is what the user should read."""


def build(out, run_lessons=True, say=print):
    """Make the site in the folder `out`. run_lessons: False takes the lessons' pages as they are kept. say: told of each step.

    `out` may be new, empty, or a site that was made before, which is replaced; `SiteError` where it holds anything else, and where a page has a
    fault. What is there stays until the new one is whole.
    """
    out = pathlib.Path(out).expanduser().resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir()) and not (out / MARK).is_file()):
        raise SiteError(f"{out} {'is not empty, and was not made by docs build' if out.is_dir() else 'is a file'}; name another folder with --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as somewhere:
        work = pathlib.Path(somewhere)
        write_sources(work / "source", run_lessons, say)
        say("the pages")
        _sphinx(work / "source", work / "html", work / "doctrees")
        say("the source, and what can be stepped through")
        sources.write(work / "html")
        interactive.write(work / "html")
        (work / "html" / MARK).write_text("tinyattn docs build replaces this folder.\n", encoding="utf-8")
        _put(work / "html", out, work / "before")


def _put(made, out, aside):
    """`made` takes the place of `out`; where that fails, what was there is there again."""
    if out.exists():
        out.rename(aside)
    try:
        made.rename(out)
    except BaseException:
        if aside.exists() and not out.exists():
            aside.rename(out)
        raise


def write_sources(folder, run_lessons, say):
    """Write what Sphinx reads into the new folder `folder`."""
    folder.mkdir(parents=True)
    every = lessons.all_lessons()
    for one in every:
        say(f"{one.name}{' runs' if run_lessons and one.key.isdigit() else ''}")
        for name, text in (pages.make(one, every) if run_lessons else pages.kept(one)).items():
            if name.endswith(".md"):
                text = by_night(interactive.announced(one.key, linked(text, f"tutorials/{one.name}")))
            elif name.endswith(".svg"):
                _write(folder / "lessons" / one.name / f"{name.removesuffix('.svg')}-dark.svg", dark(text))
            _write(folder / "lessons" / one.name / name, text)
    text = (lessons.folder() / "README.md").read_text(encoding="utf-8")
    contents = "\n".join(f"{one.name}/README" for one in every)
    _write(folder / "lessons" / "README.md", f"{linked(text, 'tutorials')}\n```{{toctree}}\n:hidden:\n\n{contents}\n```\n")
    for name, text in {**reference.pages(), **gallery.pages()}.items():
        _write(folder / name, text)
    shutil.copytree(HERE / "static", folder / "static")
    for name in ("index.md", "conf.py"):
        shutil.copy(HERE / name, folder / name)


def linked(text, place):
    """A lesson's page with its links to source files as links to the site's pages of them. place: of the page in the repository."""
    def change(found):
        target, _, line = found[1].partition("#")
        if not target or re.match(r"[a-z]+:", target) or target.endswith((".md", ".svg")):
            return found[0]
        path = posixpath.normpath(posixpath.join(place, target))
        if path not in sources.files():
            raise SiteError(f"{place}/README.md links to {found[1]}, and there is no {path}")
        return f"](site:{sources.page_of(path, line.partition('-')[0].removeprefix('L'))})"
    pieces = re.split(r"(^```.*?^```$)", text, flags=re.M | re.S)   # code may look like a link
    return "".join(re.sub(r"\A```(\w*)\n+", r"```\1\n", piece) if piece.startswith("```") else LINK.sub(change, piece) for piece in pieces)


def by_night(text):
    """A lesson's page with each of its pictures twice, the second for a dark page: furo shows the one that fits."""
    return PICTURE.sub(r"\1(\2.svg){.only-light}\1(\2-dark.svg){.only-dark}", text)


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _sphinx(source, out, doctrees):
    """Run Sphinx; `SiteError` with its words where it warns of anything."""
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils
    words = io.StringIO()
    with patch_docutils(str(source)), docutils_namespace(), contextlib.redirect_stdout(io.StringIO()):
        app = Sphinx(source, source, out, doctrees, "html", status=None, warning=words)
        app.build()
    if words.getvalue().strip() or app.statuscode:
        raise SiteError("Sphinx warned:\n" + re.sub(r"\x1b\[[\d;]*m", "", words.getvalue()).replace(str(source) + "/", ""))
    shutil.rmtree(out / ".doctrees", ignore_errors=True)
