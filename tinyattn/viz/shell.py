"""What our pages share: one HTML file that holds everything and loads nothing, in light and dark.

A page is a body, a style and a script (``name.html``, ``name.css``, ``name.js`` beside this file), and its numbers as JSON. Places in
a body are written ``{{name}}``; what is put there is not searched for further places.
"""
import html
import importlib.resources
import json
import math
import re


def compose(name, title, data, also="", **parts):
    """The page as text.

    name: of its files. title: plain text. data: what its script finds, plain values. also: the files that it shares with other pages, by
    their full names, as "stepper.css stepper.js"; they come before its own. parts: HTML for the places of the body.
    """
    # "<" is written as JSON may write it, so that nothing in the data can end the script
    held = json.dumps(_finite(data), ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    files = ["shell.css", "shell.js", *also.split(), f"{name}.css", f"{name}.js"]
    style, script = ("".join(_file(file) for file in files if file.endswith(ending)) for ending in (".css", ".js"))
    return fill("shell", title=html.escape(title), body=fill(name, **parts), data=held, style=style, script=script)


def _finite(value):
    """The same, but "NaN" and "Infinity" for numbers that JSON does not have; the page's `number` reads them."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value).replace("inf", "Infinity").replace("nan", "NaN")
    return value


def fill(name, **parts):
    """The text of ``name.html`` with its places filled."""
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _file(f"{name}.html"))


def _file(name):
    return importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
