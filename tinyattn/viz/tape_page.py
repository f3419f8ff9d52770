"""A page to step through the backward sweep of one's own graph: what `tape_record` wrote down, beside the picture of the graph.

The page is `tape_page.html` in the `shell` of all our pages, with the steps of `stepper.html`.
"""
import html

import numpy as np

from . import shell
from .static_tables import number, table
from .tape_picture import pictures
from .tape_record import recorded


def write(path, loss, gradient=None, names=None, values=24, title=""):
    """Write the page to `path`; returns its size in bytes. See `tinyattn.viz.tape`."""
    from ..training.files import write_atomically
    return write_atomically(path, page(loss, gradient, names, values, title).encode())


def page(loss, gradient=None, names=None, values=24, title=""):
    """The page as text."""
    data = recorded(loss, gradient, names, values)
    graph = pictures(data["nodes"], data["edges"])
    operations = sum(node["kind"] == "operation" for node in data["nodes"])
    heading = title or (f"A computation was recorded as {operations} operations. Backward, each waits until the gradients of all that used its "
                        "output have arrived, multiplies by its local derivative, and sends the products on to its inputs.")
    return shell.compose("tape_page", "The tape, step by step", data, "stepper.css stepper.js", heading=html.escape(heading), graph=graph,
                         still=_still(data), layout="wide" if "across" in graph else "tall", transport=shell.fill("stepper"))


def _still(data):
    """The sweep as a list: what is to be seen without a script."""
    items = []
    for step in data["steps"]:
        node = None if step["node"] is None else data["nodes"][step["node"]]
        figures = [] if node is None else [_tensor("arrives", held) for held in step["incoming"] if held]
        figures += [_tensor(f"to {data['nodes'][send['to']]['name']}", send["gradient"]) for send in step["sends"]]
        head = "<b>start</b>" if node is None else f"<b>{html.escape(node['name'])}</b> {html.escape(node['formula'])}"
        items.append(f'<li>{head}<div class="grids">{"".join(figures)}</div></li>')
    return f"<ol>{''.join(items)}</ol>"


def _tensor(name, held):
    shape = f"shape {' × '.join(map(str, held['shape']))}" if held["shape"] else "a scalar"
    if "values" in held:
        return table(name, shape, np.reshape(held["values"], held["shape"]))
    words = ", ".join(f"{word} {number(held[word])}" for word in ("least", "mean", "most"))
    return f'<figure class="grid"><figcaption><b>{html.escape(name)}</b> {shape}: {words}</figcaption></figure>'
