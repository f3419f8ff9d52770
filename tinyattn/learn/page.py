"""What a lesson puts on its page besides printed text: pictures, pieces of the framework's source, recorded measurements.

The same calls work wherever a lesson runs. In a notebook (and when the page is made) a picture appears under its cell; as a plain
script, `show` writes it into the folder ``figures/`` below the current one and says so.
"""
import inspect
import json
import os
import pathlib
import sys
import textwrap

FIGURE = "application/vnd.tinyattn.figure+json"   # beside each picture of a notebook: its name, its words, the data it plots


def figure(width=6.4, height=2.8, rows=1, columns=1, **layout):
    """An empty picture in the house's style: (figure, axes), `axes` as from Matplotlib's ``subplots``.

    width, height: in inches, of the whole; layout: more of what ``Figure.subplots`` takes (``sharex=True``, ``width_ratios=…``).
    """
    from ..viz import style
    style.use()
    made = style.figure(width, height)
    return made, made.subplots(rows, columns, **layout)


def show(made, name, alt):
    """Put the picture `made` on the page.

    name: of its file, ``fig/<name>.svg``. alt: one sentence that states what is to be seen (not what kind of plot it is); it stands in
    for the picture where none can be shown, and is read aloud.
    """
    if len(alt.split()) < 4:
        raise ValueError(f"show: alt is {alt!r}, expected a sentence that says what the picture shows")
    from ..viz import vector
    svg = vector.svg(made)
    if _in_notebook():
        from IPython.display import display
        about = {"name": name, "alt": alt, "data": vector.plotted(made)}
        display({"image/svg+xml": svg, "text/plain": alt, FIGURE: about}, raw=True)
        return
    path = pathlib.Path("figures") / f"{name}.svg"
    path.parent.mkdir(exist_ok=True)
    path.write_text(svg, encoding="utf-8")
    print(f"[picture {path}: {alt}]")


def source(thing, note=None):
    """Put the source of a function, a class or a method of the framework on the page, with its place; without its docstring where it is
    longer than a line, for the lesson says what it does.

    note: a few words before it, default "in the framework".
    """
    lines, first = inspect.getsourcelines(thing)
    path = pathlib.Path(inspect.getsourcefile(thing)).as_posix()
    path = path[path.rindex("/kernels/" if "/kernels/" in path else "/tinyattn/") + 1:]
    text = _without_long_docstring(textwrap.dedent("".join(lines)))
    if _in_notebook():
        from IPython.display import Markdown, display
        link = f"[{path}](../../{path}#L{first}-L{first + len(lines) - 1})"
        display(Markdown(f"{note or 'In the framework'}: {link}\n\n```python\n{text.rstrip()}\n```"))
    else:
        print(f"{note or 'In the framework'}: {path}, line {first}\n\n{textwrap.indent(text.rstrip(), '    ')}\n")


def _without_long_docstring(text):
    import ast
    (node,) = ast.parse(text).body
    body = node.body[0]
    if not (isinstance(body, ast.Expr) and isinstance(body.value, ast.Constant) and isinstance(body.value.value, str)):
        return text
    if body.end_lineno == body.lineno or len(node.body) == 1:
        return text
    lines = text.splitlines()
    return "\n".join(lines[:body.lineno - 1] + lines[body.end_lineno:])


def recorded(name, measure):
    """What ``measure()`` gave when it was last recorded; timings differ from machine to machine and have no place on a page as they come.

    It is kept in the lesson's ``recorded.json`` together with the machine's name. ``python lesson.py --measure`` measures anew and keeps
    nothing, ``--record`` measures and keeps it, and ``--record NAME …`` only what is named. Returns (result, machine).
    """
    path = _lesson_folder() / "recorded.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    keep = _to_record(name)
    if not keep and "--measure" not in sys.argv:
        if name not in known:
            raise LookupError(f"recorded: {path} holds no {name!r}; run python lesson.py --record once")
        return known[name]["result"], known[name]["machine"]
    from ..bench.machine import describe
    result, machine = json.loads(json.dumps(measure())), describe()
    if keep:
        known[name] = {"machine": machine, "result": result}
        path.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return result, machine


def _to_record(name):
    """Whether the command line asks to keep this measurement: ``--record`` asks for all, ``--record NAME …`` for those."""
    words = sys.argv[sys.argv.index("--record") + 1:] if "--record" in sys.argv else None
    return words == [] or words is not None and name in words


def _lesson_folder():
    """The folder of the lesson that runs: told by who makes its page, or that of the script."""
    given = os.environ.get("TINYATTN_LESSON")
    script = getattr(sys.modules["__main__"], "__file__", None)
    return pathlib.Path(given) if given else pathlib.Path(script).resolve().parent if script else pathlib.Path.cwd()


def _in_notebook():
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and getattr(shell, "kernel", None) is not None
