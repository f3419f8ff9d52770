"""A lesson's page, ``README.md``, made from the lesson as it ran: prose, code, what was printed, pictures.

Nothing on it is typed by hand, and `differences` holds a page against one made anew: words exactly, numbers to a tolerance, pictures by
the data that they plot (``fig/figures.json``), not by their pixels.
"""
import html
import json
import math
import re

from .page import FIGURE

NUMBER = re.compile(r"(?<![\w.])[-−+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w])")
PLACE = re.compile(r"#L\d+(-L\d+)?")   # where a quoted piece of source stands: it moves when something above it is written
TOLERANCE = 1e-6
"""Relative, of the numbers that a lesson prints or plots, where its first lines do not say otherwise (``# tolerance: 0.02``)."""


def page(lesson, notebook, before=None, after=None):
    """{name of a file below the lesson's folder: its text} for the executed `notebook`; before, after: the neighbouring lessons."""
    parts, figures, files = ["<!-- Made from lesson.py by: tinyattn docs pages. Change lesson.py, not this. -->"], {}, {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source.strip())
        elif not all(line.startswith("#") for line in cell.source.strip().splitlines()):   # more than the tolerance above the first cell
            code = f"```python\n{cell.source.rstrip()}\n```"
            if "aside" in cell.metadata.get("tags", ()):  # needed to run, beside the point to read
                code = f"<details>\n<summary>the code of this picture</summary>\n\n{code}\n\n</details>"
            parts.append(code)
            parts += [_output(output, figures, files) for output in _joined(cell.outputs)]
    parts.append(_foot(lesson, before, after))
    files["README.md"] = "\n\n".join(part for part in parts if part) + "\n"
    files["fig/figures.json"] = figures_file(figures)
    return files


def figures_file(figures):
    """The text of ``fig/figures.json``: {file: {"alt", "data"}} of the pictures of a page, one a line."""
    lines = (f"{json.dumps(name)}: {json.dumps(about, ensure_ascii=False)}" for name, about in figures.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _joined(outputs):
    """Outputs with neighbouring pieces of printed text as one."""
    joined = []
    for output in outputs:
        if output.output_type == "stream" and joined and joined[-1].output_type == "stream":
            joined[-1] = type(output)({**joined[-1], "text": joined[-1].text + output.text})
        else:
            joined.append(output)
    return joined


def _output(output, figures, files):
    if output.output_type == "stream":
        return f"```text\n{output.text.rstrip()}\n```"
    data = output.get("data", {})
    if FIGURE in data:
        about = data[FIGURE]
        files[f"fig/{about['name']}.svg"] = data["image/svg+xml"]
        figures[f"fig/{about['name']}.svg"] = {"alt": about["alt"], "data": about["data"]}
        return f"![{html.escape(about['alt'], quote=False)}](fig/{about['name']}.svg)"
    if "text/markdown" in data:
        return data["text/markdown"].strip()
    return f"```text\n{data.get('text/plain', '').rstrip()}\n```" if data.get("text/plain") else ""


def _foot(lesson, before, after):
    lines = ["---", ""]
    if lesson.exercises:
        lines += ["**Exercises.** " + " ".join(f"`{e.name}`: {e.asks}." for e in lesson.exercises), "",
                  f"`tinyattn learn new my-answers` copies the stubs ([exercise.py](exercise.py)), `tinyattn learn check {lesson.key}` checks what "
                  "you wrote.", ""]
    links = ["[all lessons](../README.md)"]
    if before:
        links.insert(0, f"← [{before.key} {before.title}](../{before.name}/README.md)")
    if after:
        links.append(f"[{after.key} {after.title}](../{after.name}/README.md) →")
    lines.append(" · ".join(links))
    return "\n".join(lines)


def tolerance(lesson):
    """How far the numbers of `lesson` may be from those on its page, relatively: what its first lines say, else `TOLERANCE`."""
    found = re.search(r"^# *tolerance: *(\S+)", (lesson.folder / "lesson.py").read_text(encoding="utf-8"), re.M)
    return float(found[1]) if found else TOLERANCE


def differences(made, kept, within):
    """What differs, in words, between two results of `page` ({name: text}); nothing where they agree. within: relative tolerance of numbers."""
    found = []
    for name in sorted({*made, *kept}):
        if name.endswith(".svg"):
            found += [f"{name}: is {'made but not kept' if name in made else 'kept but not made'}"] * ((name in made) != (name in kept))
            continue
        found += [f"{name}: {words}" for words in _text_differences(made.get(name, ""), kept.get(name, ""), within)]
    return found


def places(text):
    """The lines of source files that a page points to, in its order."""
    return [found[0] for found in PLACE.finditer(text)]


def _text_differences(made, kept, within):
    made, kept = (PLACE.sub("", text) for text in (made, kept))
    a, b = NUMBER.split(made), NUMBER.split(kept)
    for mine, theirs in zip(a, b):
        if mine.split() != theirs.split():  # widths of columns may move with a digit
            return [f"made {mine.strip()[-200:]!r}, kept {theirs.strip()[-200:]!r}"]
    if len(a) != len(b):
        return [f"{len(a) - 1} numbers made, {len(b) - 1} kept"]
    found = []
    for mine, theirs in zip(NUMBER.findall(made), NUMBER.findall(kept)):
        x, y = (float(v.replace("−", "-")) for v in (mine, theirs))
        if not math.isclose(x, y, rel_tol=within, abs_tol=max(_last_digit(mine), _last_digit(theirs)) * 1.01):
            found.append(f"made {mine}, kept {theirs}")
    return found[:5]


def _last_digit(text):
    """What one step of the last digit is worth, of numbers with a fraction: rounding may fall on either side. Whole numbers are exact."""
    mantissa, _, exponent = text.partition("e")
    digits = len(mantissa.partition(".")[2])
    return 10.0 ** (int(exponent or 0) - digits) if digits else 0.0
