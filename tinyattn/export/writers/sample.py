"""Images read at any points. Our two steps, taps of each point and their sum, are one operator, GridSample."""
from ..errors import ExportError
from .table import writes

MODES = {"bilinear": ("bilinear", "linear"), "nearest": ("nearest", "nearest"), "bicubic": ("bicubic", "cubic")}
"""Our name → ONNX's before opset 20, and since."""


@writes("grid_taps")
def grid_taps(graph, call):
    """Nothing yet: what the points are is noted for `sample`"""
    if any(call["orders"]):
        raise ExportError("export: derivatives of grid_sample have no ONNX translation")
    name = graph.name("taps")
    graph.notes[name] = call.inputs[0], call.shapes[0], call.attributes
    return name, name


@writes("sample")
def sample(graph, call):
    """GridSample of the pixels (N, P, C) as an image again, at points (N, Q, axes) → (N, Q, C)"""
    x, taps = call.inputs
    if taps not in graph.notes:
        raise ExportError("export: sampling with weights that were changed after grid_sample computed them has no ONNX translation")
    grid, (n, points, axes), options = graph.notes[taps]
    if axes == 3 and graph.opset < 20:
        raise ExportError(f"export: grid_sample of volumes needs opset 20 or newer, got {graph.opset}")
    channels = call.shapes[0][2]
    image = graph.reshape(graph.transpose(x, 0, 2, 1), (n, channels, *options["lengths"]))
    grid = graph.reshape(grid, (n, *(1,) * (axes - 1), points, axes))
    y = graph.add("GridSample", image, grid, mode=MODES[options["mode"]][graph.opset >= 20], padding_mode=options["padding_mode"],
                  align_corners=int(options["align_corners"]))                                               # (N, C, 1, Q)
    return graph.transpose(graph.reshape(y, (n, channels, points)), 0, 2, 1)
