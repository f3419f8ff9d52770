"""The table of `tinyattn list attention`: each gate's formula, its paper, and what it costs on a map of a given size."""
import re
import sys

from .. import kernels
from ..cli import Mistake
from ..nn.attention import GATES, MOST_PIXELS
from ..summary import summary

MOST = {"channels": 4096, "size": 512}
MOST_NUMBERS = 2 ** 24
"""Larger maps are not sent through the gates to be counted: they would take gigabytes."""


def formula(gate):
    """The first paragraph of the gate's docstring."""
    return " ".join((gate.__doc__ or "").partition("\n\n")[0].split())


def paper(gate):
    """What stands in the last parentheses of the first line of the gate's file."""
    first = (sys.modules[gate.__module__].__doc__ or "").partition("\n")[0]
    found = re.findall(r"\(([^()]*)\)", first)
    return found[-1] if found else ""


def cost(gate, channels, size):
    """(parameters, multiply-adds) for one map (channels, size, size)."""
    made = gate(channels, (size, size)) if gate.sized else gate(channels)
    with kernels.use("reference"):                  # nothing to compile, and one small map is soon computed
        return sum(p.numel() for p in made.parameters()), summary(made, (1, channels, size, size)).multiply_adds


def table(channels, size, words):
    """The table as text; `words`: name → what it is, in words. Mistake for a map that cannot be."""
    for name, value in (("channels", channels), ("size", size)):
        if not 1 <= value <= MOST[name]:
            raise Mistake(f"--{name} is {value}, expected 1 to {MOST[name]}")
    if channels * size * size > MOST_NUMBERS:
        raise Mistake(f"a map of {channels} channels and {size}×{size} pixels is too large to be counted; take fewer of one of them")
    lines = [f"attention (--attention), for a map of {channels} channels and {size}×{size} pixels", "",
             f"{'name':<13}{'parameters':>11}{'multiply-adds':>15}  paper"]
    for name, gate in GATES.items():
        if gate is None:
            lines.append(f"{name:<13}{0:>11}{0:>15}  {words[name]}")
            continue
        left_out = gate.quadratic and size * size > MOST_PIXELS
        numbers = ("–", "–") if left_out else [f"{n:,}" for n in cost(gate, channels, size)]
        lines += [f"{name:<13}{numbers[0]:>11}{numbers[1]:>15}  {paper(gate)}", f"    {words[name]}", f"    {formula(gate)}"]
    quadratic = ", ".join(name for name, gate in GATES.items() if gate is not None and gate.quadratic)
    return "\n".join([*lines, "", "Multiply-adds are those of layers and of products between places; norms, poolings and the gate's own product",
                      f"with the map grow with the map only. {quadratic} grow with the square of the pixels:", f"models leave them out above {MOST_PIXELS} pixels."])
