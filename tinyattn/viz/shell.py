"""What our pages share: one HTML file that holds everything and loads nothing, in light and dark.

A page is a body, a style and a script (``name.html``, ``name.css``, ``name.js`` beside this file), and its numbers as JSON. Places in
a body are written ``{{name}}``; what is put there is not searched for further places.
"""
import html
import importlib.resources
import json
import math
import re


def compose(names, title, data, **parts):
    """The page as text.

    names: of the files, as "stepper conv_stepper": styles and scripts of all, after those of every page; the body of the last.
    title: the page's, plain text. data: what its script finds, plain values. parts: HTML for the places of the body.
    """
    names = ["shell", *names.split()]
    # "<" is written as JSON may write it, so that nothing in the data can end the script
    held = json.dumps(_finite(data), ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return fill("shell", title=html.escape(title), body=fill(names[-1], **parts), data=held,
                style="".join(_file(name, "css") for name in names), script="".join(_file(name, "js") for name in names))


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
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _file(name, "html"))


def _file(name, ending):
    return importlib.resources.files(__package__).joinpath(f"{name}.{ending}").read_text(encoding="utf-8")
