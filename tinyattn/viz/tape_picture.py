"""A graph as a picture in layers: inputs first, the loss last, each operation after all that it uses. SVG, with a mark on every node and edge.

The layers are those of longest paths; an edge that passes layers by has a point in each, so that nothing is drawn over a node; within layers the
order is that of the neighbours' mean places, forth and back a few times. (Sugiyama, Tagawa & Toda, IEEE Trans. SMC 11, 1981.)
"""
import html

import numpy as np

ACROSS = {"width": 116, "height": 46, "along": 146, "beside": 64}        # data flow from left to right
DOWN = {"width": 116, "height": 46, "along": 82, "beside": 130}          # from top to bottom
MOST_ACROSS = 8                                                            # layers that fit beside each other


def pictures(nodes, edges):
    """The SVG: from left to right for wide windows, where it fits, and from top to bottom."""
    places, count = _places(nodes, edges)
    if count <= MOST_ACROSS:
        return _svg(nodes, edges, places, ACROSS, "across") + _svg(nodes, edges, places, DOWN, "down narrow")
    return _svg(nodes, edges, places, DOWN, "down")


def _layers(nodes, edges):
    """The layer of each node: operations after all that they use; inputs just before their first use."""
    uses, users = {i: [] for i in range(len(nodes))}, {i: [] for i in range(len(nodes))}
    for a, b, _ in edges:
        uses[b].append(a)
        users[a].append(b)
    layer, waiting, left = {}, [i for i in uses if not uses[i]], {i: len(uses[i]) for i in uses}
    while waiting:
        i = waiting.pop()
        layer[i] = 1 + max((layer[j] for j in uses[i]), default=-1)
        for j in users[i]:
            left[j] -= 1
            if left[j] == 0:
                waiting.append(j)
    for i in layer:
        if not uses[i]:
            layer[i] = min(layer[j] for j in users[i]) - 1
    return layer


def _places(nodes, edges):
    """For each node (layer, place beside), and for each edge the points that it goes through; and the number of layers."""
    layer = _layers(nodes, edges)
    count = 1 + max(layer.values())
    rows = [[] for _ in range(count)]
    for i in sorted(layer):
        rows[layer[i]].append(i)
    chains, neighbours = [], {}
    for n, (a, b, _) in enumerate(edges):
        chain = [a, *((n, at) for at in range(layer[a] + 1, layer[b])), b]
        for at, each in zip(range(layer[a] + 1, layer[b]), chain[1:-1]):
            rows[at].append(each)
        for one, other in zip(chain, chain[1:]):
            neighbours.setdefault(one, []).append(other)
            neighbours.setdefault(other, []).append(one)
        chains.append(chain)
    at = {each: (float(i), float(k) - (len(row) - 1) / 2) for i, row in enumerate(rows) for k, each in enumerate(row)}
    for turn in range(8):
        for i in range(count) if turn % 2 else reversed(range(count)):
            aside = i - 1 if turn % 2 else i + 1
            wish = {each: np.mean([at[other][1] for other in neighbours.get(each, ()) if at[other][0] == aside] or [at[each][1]]) for each in rows[i]}
            rows[i].sort(key=wish.get)
            for k, each in enumerate(rows[i]):
                at[each] = float(i), float(k) - (len(rows[i]) - 1) / 2
    return (at, chains), count


def _svg(nodes, edges, places, size, kind):
    at, chains = places
    across = kind.startswith("across")
    width, height = size["width"], size["height"]
    low = min(beside for _, beside in at.values())
    most = max(along for along, _ in at.values())

    def point(each):
        along, beside = at[each]
        along, beside = along * size["along"], (beside - low) * size["beside"]
        x, y = (along, beside) if across else (beside, along)
        return x + width / 2 + 8, y + height / 2 + 8

    far = max(beside for _, beside in at.values()) - low
    full = (most * size["along"], far * size["beside"]) if across else (far * size["beside"], most * size["along"])
    full = full[0] + width + 16, full[1] + height + 16
    parts = [f'<svg class="graph {kind}" viewBox="0 0 {full[0]:g} {full[1]:g}" width="{full[0]:g}" height="{full[1]:g}" '
             f'style="min-width: {0.75 * full[0]:g}px" role="img" '
             f'aria-label="The graph: {len(nodes)} nodes, which the steps name in the order of the backward sweep">']
    for n, (chain, (_, _, carries)) in enumerate(zip(chains, edges)):
        line = _curve([point(each) for each in chain], size, across)
        parts.append(f'<path data-edge="{n}" class="{"edge" if carries else "edge bare"}" d="{line}"/>')
    for i, node in enumerate(nodes):
        x, y = point(i)
        shape = node["outputs"][0]["shape"] if node["kind"] == "operation" else node["value"]["shape"]
        called = node.get("called") or ""
        name = _short(f"{called} = {node['name']}" if called else node["name"])
        round_ = 8 if node["kind"] == "operation" else height / 2
        parts.append(f'<g data-node="{i}" class="node {node["kind"]}">'
                     f'<rect x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width}" height="{height}" rx="{round_:g}"/>'
                     f'<text class="name" x="{x:g}" y="{y - 3:g}">{html.escape(name)}</text>'
                     f'<text class="shape" x="{x:g}" y="{y + 14:g}">{_shape(shape)}</text>'
                     f'<text class="mark" x="{x + width / 2 - 5:g}" y="{y - height / 2 + 6:g}"></text></g>')
    return "".join(parts) + "</svg>"


def _curve(points, size, across):
    """A smooth line from the side of the first node through the points to the side of the last, which it leaves and meets straight on."""
    ends = [list(points[0]), list(points[-1])]
    axis, half = (0, size["width"] / 2) if across else (1, size["height"] / 2)
    ends[0][axis] += half
    ends[1][axis] -= half
    points = [tuple(ends[0]), *points[1:-1], tuple(ends[1])]
    made = f"M{points[0][0]:g} {points[0][1]:g}"
    for (x, y), (u, v) in zip(points, points[1:]):
        middle = (x + u) / 2, (y + v) / 2
        made += f"C{middle[0]:g} {y:g} {middle[0]:g} {v:g} {u:g} {v:g}" if across else f"C{x:g} {middle[1]:g} {u:g} {middle[1]:g} {u:g} {v:g}"
    return made


def _short(name):
    """The end of it tells more: stages.0.conv.weight and stages.1.conv.weight are told apart by their places."""
    return name if len(name) <= 14 else "…" + name[-13:]


def _shape(shape):
    return "scalar" if not shape else " × ".join(map(str, shape))
