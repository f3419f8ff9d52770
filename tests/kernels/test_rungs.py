"""Every rung has the same functions: same names, same arguments, same defaults. What ends in `_plain` is extra."""
import inspect
import types

import pytest

from tinyattn import kernels

SPECIFICATION = "reference"
OF_A_DEVICE = {"check_available", "check_indices", "from_dlpack", "is_available", "synchronize", "write"}
"""What only a rung with arrays of its own has: is it there, has it finished, and ways to its memory."""


def public(rung):
    """The kernels of a rung by name."""
    return {name: value for name, value in vars(rung).items()
            if not name.startswith("_") and not name.endswith("_plain") and name not in OF_A_DEVICE and not isinstance(value, types.ModuleType)}


def differences(one, other):
    """What distinguishes two rungs, in words; empty if nothing does."""
    a, b = public(one), public(other)
    found = [f"only in {one.__name__}: {name}" for name in sorted(a.keys() - b.keys())]
    found += [f"only in {other.__name__}: {name}" for name in sorted(b.keys() - a.keys())]
    for name in sorted(a.keys() & b.keys()):
        mine, theirs = inspect.signature(a[name]), inspect.signature(b[name])
        if mine != theirs:
            found.append(f"{name}{mine} in {one.__name__}, {name}{theirs} in {other.__name__}")
    return found


@pytest.mark.parametrize("name", [name for name in kernels.RUNGS if name != SPECIFICATION])
def test_a_rung_has_the_names_and_signatures_of_the_specification(name):
    assert differences(kernels.rung(SPECIFICATION), kernels.rung(name)) == []


@pytest.mark.parametrize("name", kernels.RUNGS)
def test_every_kernel_says_what_it_does(name):
    rung = kernels.rung(name)
    assert len(public(rung)) > 60
    undocumented = [kernel for kernel, value in public(rung).items() if not (inspect.getdoc(value) or "").strip()]
    assert undocumented == []


@pytest.mark.parametrize("name", kernels.RUNGS)
def test_no_kernel_hides_another(name):
    """Families are exported flat: a name that two of them define would silently be the later one's."""
    package = kernels.rung(name).__name__
    modules = [value for value in vars(kernels.rung(name)).values() if isinstance(value, types.ModuleType)]
    families = [module for module in modules if module.__name__.startswith(package + ".") and hasattr(module, "__all__")]
    assert len(families) >= 6
    owners = {}
    for family in families:
        for kernel in family.__all__:
            owners.setdefault(kernel, []).append(family.__name__)
    assert {kernel: where for kernel, where in owners.items() if len(where) > 1} == {}


def test_the_comparison_finds_what_differs():
    def rung(name, **functions):
        module = types.ModuleType(name)
        vars(module).update(functions)
        return module

    def f(x, out=None):
        return x

    def g(x, out):
        return x
    assert differences(rung("a", f=f), rung("b", f=f, f_plain=g, _g=g, math=types)) == []
    assert len(differences(rung("a", f=f), rung("b", f=g))) == 1
    assert differences(rung("a", f=f, g=g), rung("b", f=f)) == ["only in a: g"]
    assert differences(rung("a"), rung("b", f=f)) == ["only in b: f"]
