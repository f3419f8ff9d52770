"""The kernels' gallery: one function on all its rungs, side by side: the specification, the plain twin, the fast one.

A rung is shown as far as its own file goes: the function, and what it calls there.
"""
import ast
import inspect
import pathlib
import textwrap

from ...kernels import cpu, reference
from .docstrings import convert, inline
from .sources import page_of, path_of


def pages():
    """{path of a page: its text}; a page a family of kernels that has a plain twin."""
    families = {}
    for name in sorted(n.removesuffix("_plain") for n in dir(cpu) if n.endswith("_plain")):
        families.setdefault(pathlib.Path(inspect.getsourcefile(getattr(reference, name))).stem, []).append(name)
    made = {"kernels/index.rst": _index(families)}
    for family, names in families.items():
        made[f"kernels/{family}.rst"] = _page(family, names)
    return made


def _index(families):
    from ... import kernels
    about = "\n".join(convert(inspect.cleandoc(kernels.__doc__).split("\n")))
    rows = "".join(f"   * - :doc:`{family}`\n     - {', '.join(f'``{name}``' for name in names)}\n" for family, names in families.items())
    pages = "\n".join(f"   {family}" for family in families)
    return (f"The kernels, rung beside rung\n=============================\n\n{about}\n\nEvery function here stands three times: as the specification, as loops "
            f"that anyone can read, compiled, and as the kernel that trains. Tests hold all three to the same numbers.\n\n"
            f".. list-table::\n   :widths: auto\n\n{rows}\n.. toctree::\n   :hidden:\n\n{pages}\n")


def _page(family, names):
    head = inspect.cleandoc(inspect.getmodule(getattr(reference, names[0])).__doc__).split("\n")
    title = family.replace("_", " ").capitalize()
    parts = [":hide-toc: 1\n\n", f"{title}\n{'=' * len(title)}\n\n", "\n".join(convert(head)), "\n\n"]
    fast = inspect.getmodule(inspect.unwrap(getattr(cpu, names[0])))
    if fast.__doc__ and "fast" in fast.__doc__:
        parts += [f"The fast one\n{'-' * 12}\n\n", "\n".join(convert(inspect.cleandoc(fast.__doc__).split("\n"))), "\n\n"]
    for name in names:
        parts.append(f"{name}\n{'-' * len(name)}\n\n.. container:: rungs\n\n")
        for kind, words, thing in (("specification", "The specification, in NumPy", getattr(reference, name)),
                                   ("plain", "The plain twin, compiled", getattr(cpu, f"{name}_plain")),
                                   ("fast", "The fast one", getattr(cpu, name))):
            parts.append(textwrap.indent(_rung(kind, words, thing), "   "))
    return "".join(parts)


def _rung(kind, words, thing):
    path, line, text = excerpt(thing)
    return (f".. container:: rung {kind}\n\n   **{words}**: `{inline(path)} <site:{page_of(path, line)}>`__\n\n"
            f"   .. code-block:: python\n\n{textwrap.indent(text, '      ')}\n\n")


def excerpt(thing):
    """(path in the repository, line of the function, its text with all that it uses of its own file, in the file's order)."""
    thing = inspect.unwrap(thing)
    file = pathlib.Path(inspect.getsourcefile(thing))
    path = path_of(file)
    text = file.read_text(encoding="utf-8")
    lines, tree = text.split("\n"), ast.parse(text)
    own = {name: node for node in tree.body for name in _named(node)}
    wanted, waiting = set(), [thing.__name__]
    while waiting:
        name = waiting.pop()
        if name in own and name not in wanted:
            wanted.add(name)
            waiting += [n.id for n in ast.walk(own[name]) if isinstance(n, ast.Name)]
    chosen = [node for node in tree.body if wanted & set(_named(node))]
    pieces = ["\n".join(lines[_first_line(node) - 1:node.end_lineno]) for node in chosen]
    joined = "\n\n\n".join(pieces)
    return path, own[thing.__name__].lineno, joined


def _named(node):
    """The names that a statement of a file defines, but for those it imports."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name) and n.id != "__all__"]
    return []


def _first_line(node):
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
