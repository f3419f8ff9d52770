"""Our docstrings, which are plain text with formulas, as reStructuredText that shows them as they are meant.

A paragraph stays one. What is indented (formulas, tables), or written in columns, keeps its lines. ``code`` and `names` are set as code, and names
that stand in the reference are links. No other sign has a meaning: a star is a star.
"""
import re

CODE = re.compile(r"(``.+?``|`[^`]+`)", re.S)
EMPHASIS = re.compile(r"((?<![^\s(])\*[A-Za-z][A-Za-z ]*[a-z]\*(?![^\s,.;:)]))")


def convert(lines, arguments=()):
    """Lines of reStructuredText for the lines of a docstring (dedented). arguments: names that are the function's own, and no links."""
    made = []
    for block in _blocks(lines):
        if block[0].lstrip().startswith(">>>"):
            made += [".. code-block:: pycon", "", *("   " + line for line in _dedented(block)), ""]
        elif block[0].startswith(" ") or _in_columns(block):
            made += [".. code-block:: text", "   :class: plain", "", *("   " + line for line in _dedented(block)), ""]
        elif all(line.startswith(("- ", "  ")) for line in block):
            made += _list(block, arguments)
        else:
            made += [_start(inline(" ".join(" ".join(block).split()), arguments)), ""]
    return made


def _blocks(lines):
    """Runs of lines that are not empty; a change between indented and not begins a new one, and indented runs may have empty lines inside."""
    runs, current = [], []
    for line in [*lines, ""]:
        indented = line.startswith("  ")
        if current and (not line.strip() or (indented != current[0].startswith("  ") and not current[0].startswith("- "))):
            runs.append(current)
            current = []
        if line.strip():
            current.append(line.rstrip())
    joined = []
    for run in runs:
        if joined and run[0].startswith("  ") and joined[-1][0].startswith("  "):
            joined[-1] += ["", *run]
        else:
            joined.append(run)
    return joined


def _in_columns(block):
    return len(block) > 1 and sum(bool(re.search(r"\S {3,}\S", line)) for line in block) * 2 > len(block)


def _dedented(block):
    import textwrap
    return textwrap.dedent("\n".join(block)).split("\n")


def _list(block, arguments):
    items = []
    for line in block:
        if line.startswith("- "):
            items.append(line[2:])
        else:
            items[-1] += " " + line.strip()
    return [*(f"- {_start(inline(item, arguments))}" for item in items), ""]


def inline(text, arguments=()):
    """A paragraph's text with every sign that reStructuredText would read as its own taken as it is, but for words in ``*stars*``."""
    made, link = "", re.compile(r"[A-Za-z_][\w.]*(\(\))?")
    for part in CODE.split(text):
        if part.startswith("``"):
            made += _code(part[2:-2], made)
        elif part.startswith("`"):
            name = part.strip("`")
            made += f"{_apart(made)}:py:obj:`{name}`\\ " if link.fullmatch(name) and name not in arguments else _code(name, made)
        else:
            made += "".join(piece if EMPHASIS.fullmatch(piece) else _escaped(piece) for piece in EMPHASIS.split(part))
    return made.strip().removesuffix("\\")


def _escaped(text):
    return re.sub(r"([\\*`|_])", r"\\\1", text).replace("::", ":\\ :")


def _code(text, before):
    text = text.strip()
    return f"{_apart(before)}``{text}``\\ " if text else ""


def _apart(before):
    return "" if not before or before.endswith((" ", "\\ ")) else "\\ "


def _start(text):
    """`text` as the start of a paragraph, and not of a list, a field or a comment."""
    if re.match(r"(\w{1,4}[.)]|\(\w{1,4}\)|[-+•‣⁃*:.=~^\"'#<>]|__)", text) or re.match(r"\W{2,}$", text):
        return "\\" + text if not text.startswith((":py:", "``", "\\")) else text
    return text
