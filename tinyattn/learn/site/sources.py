"""The source, file by file, as pages with a place for every line: where the lessons' and the reference's links lead."""
import functools
import html
import importlib
import inspect
import pathlib

from ... import kernels
from ..lessons import folder

PACKAGE = pathlib.Path(__file__).resolve().parents[2]


@functools.cache
def files():
    """{path in the repository: the file}, of all Python files of the framework, the kernels and the lessons."""
    found = {}
    for name, place in (("tinyattn", PACKAGE), ("kernels", pathlib.Path(kernels.__file__).resolve().parent), ("tutorials", folder())):
        for path in sorted(place.rglob("*.py")):
            inside = path.relative_to(place).parts
            if not (name == "tinyattn" and inside[0] in ("kernels", "tutorials")) and "__pycache__" not in inside:  # installed, they lie in it
                found["/".join((name, *inside))] = path
    return found


def path_of(file):
    """The path in the repository of `file`; None where it is none of ours."""
    return _paths().get(pathlib.Path(file).resolve())


@functools.cache
def _paths():
    return {file.resolve(): path for path, file in files().items()}


def repository_path(text):
    """The path in the repository that `text` names (a file, or a folder that is a package); None where it names none."""
    text = text.strip().rstrip("/")
    return text if text in files() else f"{text}/__init__.py" if "/" in text and f"{text}/__init__.py" in files() else None


def page_of(path, line=None):
    """The page of the file `path`, from the root of the site."""
    return f"source/{path}.html" + (f"#L{line}" if line else "")


def place_of(module, name):
    """Where the object `name` of `module` stands, as "tinyattn/ops/conv.py.html#L12"; None where it has no source of its own."""
    try:
        thing = importlib.import_module(module)
        for part in name.split("."):
            thing = inspect.getattr_static(thing, part) if isinstance(thing, type) else getattr(thing, part)
        thing = thing.fget if isinstance(thing, property) else getattr(thing, "__func__", thing)
        thing = inspect.unwrap(thing)
        path, line = path_of(inspect.getsourcefile(thing)), inspect.getsourcelines(thing)[1]
    except (ImportError, AttributeError, TypeError, OSError):
        return None
    return path and page_of(path, line).removeprefix("source/")


PAGE = """<!doctype html>
<html lang="en" data-theme="auto">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{path} · TinyAttn</title>
<link rel="stylesheet" href="{up}_static/source.css">
<script>
try {{ document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto"; }} catch {{}}
</script>
</head>
<body>
<header><a href="{up}index.html">TinyAttn</a> <span>/</span> <h1>{path}</h1></header>
<main><pre tabindex="0" aria-label="{path}">{lines}</pre></main>
</body>
</html>
"""


def write(out):
    """Write a page for every file below ``out/source``, and their colours, ``out/_static/source.css``."""
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer
    lexer, formatter = PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)
    for path, file in files().items():
        target = out / page_of(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = file.read_text(encoding="utf-8")
        lines = _highlighted(text, lexer, formatter).split("\n")
        marked = "".join(f'<span id="L{n}"><a href="#L{n}">{n}</a>{line}\n</span>' for n, line in enumerate(lines[:text.rstrip().count("\n") + 1], 1))
        target.write_text(PAGE.format(path=html.escape(path), up="../" * (path.count("/") + 1), lines=marked), encoding="utf-8")
    (out / "_static" / "source.css").write_text(_colours() + (pathlib.Path(__file__).parent / "source.css").read_text(encoding="utf-8"), encoding="utf-8")


def _highlighted(text, lexer, formatter):
    from pygments import highlight
    return highlight(text, lexer, formatter)


def _colours():
    """Pygments' classes in light and in dark."""
    from pygments.formatters import HtmlFormatter
    light, dark = (HtmlFormatter(style=f"a11y-high-contrast-{mode}") for mode in ("light", "dark"))
    return "\n".join([light.get_style_defs("pre"), dark.get_style_defs('[data-theme="dark"] pre'),
                      "@media (prefers-color-scheme: dark) {", dark.get_style_defs('[data-theme="auto"] pre'), "}", ""])
