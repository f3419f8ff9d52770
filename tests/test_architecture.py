"""Who may import whom: the plan of the house, read from the import statements.

    kernels  ←  autograd, tensor  ←  ops  ←  nn  ←  models  ←  training  ←  cli

An arrow is a wall with a door in one direction. Imports count wherever they stand: inside a function too.
"""
import ast
import configparser
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLOORS = [["kernels"], ["autograd", "sweep", "grad_mode", "tensor"], ["ops"], ["nn"], ["models"], ["training"], ["cli"]]
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
SERVANTS = {"data", "viz", "bench", "export", "learn"}  # whoever computes has no use for them
MAY_DRAW = {"viz", "bench"}  # the only rooms that import matplotlib


def package_of(path, root):
    """The dotted name of the package that the file `path` belongs to, and of its room within it."""
    parts = list(path.relative_to(root).with_suffix("").parts)
    if parts[0] == "kernels":
        parts.insert(0, "tinyattn")
    return parts[:-1], parts[1] if len(parts) > 1 and parts[1] != "__init__" else "tinyattn"


def imports_of(source, package):
    """Absolute dotted names of all that `source` imports; ``from a import b`` gives a and a.b."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return found


def rooms_of(names):
    """The rooms of tinyattn among imported names."""
    return {name.split(".")[1] for name in names if name.startswith("tinyattn.")} - {"*"}


def complaints(source, package, room):
    """What a file of `room` imports although it may not."""
    names = imports_of(source, package)
    found = []
    for other in sorted(rooms_of(names)):
        if room in LEVEL and other != room and LEVEL.get(other, -1) > LEVEL[room]:
            found.append(f"{room} imports {other}, which stands above it")
        if room == "kernels" and other != "kernels":
            found.append(f"kernels imports tinyattn.{other}")
    if room == "kernels" and "tinyattn" in names:
        found.append("kernels imports tinyattn")
    if room not in MAY_DRAW and any(name.split(".")[0] == "matplotlib" for name in names):
        found.append(f"{room} imports matplotlib")
    if LEVEL.get(room, 9) < LEVEL["training"]:
        found += [f"{room} imports {other}, which serves the rooms above" for other in rooms_of(names) & SERVANTS]
    return sorted(set(found))


def files():
    return sorted([*(ROOT / "kernels").rglob("*.py"), *(ROOT / "tinyattn").rglob("*.py")])


@pytest.mark.parametrize("path", files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_one_way(path):
    package, room = package_of(path, ROOT)
    assert complaints(path.read_text(encoding="utf-8"), package, room) == []


def test_every_folder_of_code_is_installed():
    """A package that setup.cfg does not name is in a checkout and missing after a plain installation."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    named = set(setup.get("options", "packages").split())
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in files() if path.name == "__init__.py"}
    named.remove("tinyattn.tutorials")  # scripts to read and to run, installed as they are; no package
    assert named == {f"tinyattn.{name}" if name.startswith("kernels") else name for name in there}


def test_the_house_is_there():
    rooms = {package_of(path, ROOT)[1] for path in files()}
    assert {"kernels", "autograd", "tensor", "ops", "nn", "models", "training"} <= rooms


@pytest.mark.parametrize("room, source, wrong", [
    ("kernels", "import tinyattn", True), ("kernels", "from tinyattn.tensor import Tensor", True),
    ("kernels", "from ...ops import math", True), ("kernels", "from ..reference import array\nimport numba", False),
    ("ops", "from .. import nn", True), ("ops", "from ..nn.module import Module", True),
    ("ops", "def f():\n    from ..nn import x", True),
    ("ops", "from .. import kernels\nfrom ..tensor import Tensor", False), ("nn", "from ..models import resnet", True),
    ("nn", "from ..ops import conv\nimport numpy", False), ("models", "from ..training import loop", True),
    ("training", "from ..models import cnn", False), ("training", "def f():\n    import matplotlib.pyplot", True),
    ("tensor", "from .ops import math", True), ("tensor", "from . import autograd", False),
    ("viz", "from matplotlib import figure", False),
    ("nn", "from .. import viz", True)])
def test_the_rule_can_fail(room, source, wrong):
    package = {"kernels": ["tinyattn", "kernels", "cpu"], "tensor": ["tinyattn"]}.get(room, ["tinyattn", room])
    assert bool(complaints(source, package, room)) == wrong
