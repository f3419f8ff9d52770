"""The figures to step through: pages of their own, made by `tinyattn.viz`, that lessons of the site lead to."""

DIRECTORY = "interactive"


def convolution(path):
    """Lesson 07's subject, product by product."""
    import tinyattn as ta
    ta.viz.conv_stepper(path)


def tape(path):
    """Lesson 01's machine, with a loss around it, as the engine sweeps it."""
    import tinyattn as ta
    a, b = (ta.tensor(value, dtype=ta.float64, requires_grad=True) for value in (2.0, -3.0))
    c = a * b
    d = c + a
    y = d * d
    ta.viz.tape(y, path, names={"a": a, "b": b, "c": c, "d": d, "y": y}, title="The tape of lesson 01's first machine")


FIGURES = {
    "01": ("tape.html", tape, "The machine of this lesson as the framework sweeps it, node by node"),
    "07": ("convolution.html", convolution, "A convolution and its backward pass, product by product"),
}
"""Lesson: (file, what writes it, the words of the link)."""


def write(out):
    """Write them below ``out/interactive``."""
    (out / DIRECTORY).mkdir(exist_ok=True)
    for name, make, _ in FIGURES.values():
        make(out / DIRECTORY / name)


def announced(key, text):
    """The page of the lesson `key` with a link to its figure before its foot."""
    if key not in FIGURES:
        return text
    name, _, words = FIGURES[key]
    body, line, foot = text.rpartition("\n---\n")
    return f"{body}\n**To step through.** [{words}](site:{DIRECTORY}/{name}): values, formulas and sums at every step, in your browser.\n{line}{foot}"
