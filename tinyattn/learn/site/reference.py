"""The reference: a page a room of the framework, with every public name, from the docstrings."""
import importlib
import inspect
import textwrap

from .docstrings import inline

ROOMS = [
    ("tensor", "Tensors", "tinyattn", "Tensors, and the functions that work on them: `import tinyattn as ta`."),
    ("functional", "Operations of networks", "tinyattn.nn.functional", "The operations of a network as functions: `import tinyattn.nn.functional as F`."),
    ("nn", "Layers", "tinyattn.nn", "What models are built of."),
    ("attention", "Attention", "tinyattn.nn.attention", None),
    ("init", "Initialisation", "tinyattn.nn.init", None),
    ("optim", "Optimizers", "tinyattn.optim", None),
    ("data", "Data", "tinyattn.data", None),
    ("transforms", "Transforms", "tinyattn.data.transforms", None),
    ("models", "Models", "tinyattn.models", None),
    ("training", "Training", "tinyattn.training", None),
    ("gradcheck", "The gradient checker", "tinyattn.gradcheck", None),
    ("viz", "Pictures", "tinyattn.viz", None),
]


def public(module):
    """{name: thing} of the functions and classes that `module` shows: those of ``__all__``, else all without an underscore. Of a class that
    two rooms show, the inner one has it; a file without ``__all__`` shows what it defines."""
    names = getattr(module, "__all__", None) or [name for name in dir(module) if not name.startswith("_")]
    home, found = module.__name__, {}
    for name in sorted(names, key=lambda name: (name[0].islower(), name.lower())):
        thing = getattr(module, name)
        where = getattr(thing, "__module__", None) or ""
        if not (inspect.isclass(thing) or inspect.isroutine(thing)) or not where.startswith("tinyattn"):
            continue
        inner = inspect.isclass(thing) and any(where.startswith(room) and room.startswith(f"{home}.") for _, _, room, _ in ROOMS if home != "tinyattn")
        if not inner and (where == home or hasattr(module, "__all__") or hasattr(module, "__path__")):
            found[name] = thing
    return found


def pages():
    """{path of a page: its text}."""
    made = {"api/index.rst": _index()}
    for page, title, name, words in ROOMS:
        made[f"api/{page}.rst"] = _room(title, importlib.import_module(name), words)
    return made


def _index():
    rooms = "\n".join(f"   {page}" for page, *_ in ROOMS)
    return (f"{_title('Reference')}Every public function and class, from its docstring. Names, arguments and defaults are PyTorch's wherever PyTorch has "
            f"them.\n\n.. toctree::\n   :maxdepth: 1\n\n{rooms}\n")


def _title(text, line="="):
    return f"{text}\n{line * len(text)}\n\n"


def _room(title, module, words):
    from .docstrings import convert
    things = public(module)
    name = module.__name__
    about = [inline(words)] if words else convert(inspect.cleandoc(module.__doc__).split("\n"))
    kinds = [("Classes", [n for n, t in things.items() if inspect.isclass(t)]), ("Functions", [n for n, t in things.items() if not inspect.isclass(t)])]
    parts = [_title(title), "\n".join(about), f"\n\n.. currentmodule:: {name}\n\n"]
    for kind, names in kinds:
        if names:
            parts.append(_title(kind, "-"))
            parts.append(_table(things, names))
            for one in names:
                directive = "autoclass" if inspect.isclass(things[one]) else "autofunction"
                members = "   :members:\n" if directive == "autoclass" else ""
                parts.append(f".. {directive}:: {name}.{one}\n{members}\n")
    return "".join(parts)


def _table(things, names):
    """The names with the first sentence of each, as a table of links."""
    rows = [f"   * - :py:obj:`{name}`\n     - {_first(things[name])}\n" for name in names]
    return ".. list-table::\n   :class: names\n   :widths: auto\n\n" + "".join(rows) + "\n"


def _first(thing):
    from .docstrings import _start
    text = inspect.cleandoc(thing.__doc__ or "").split("\n\n")[0]
    return _start(inline(textwrap.shorten(text, 140, placeholder=" …"))) if text and text.count("`") % 2 == 0 else ""
