"""Convolutions: Conv and ConvTranspose have our weights' order and options already."""
from ..graph import fixed
from .table import writes


def _geometry(call):
    (top, left), groups = call["padding"], call["groups"]
    return dict(strides=list(call["stride"]), pads=[top, left, top, left], dilations=list(call["dilation"]), group=groups)


@writes("conv2d")
def conv2d(graph, call):
    """Conv: x (N, C, H, W), w (K, C/groups, R, S), b (K,)"""
    return graph.add("Conv", *call.inputs, **_geometry(call))


@writes("conv_transpose2d")
def conv_transpose2d(graph, call):
    """ConvTranspose; what its size exceeds the smallest possible by is its output_padding."""
    sizes, lengths = fixed(call.shapes[0][2:], "the size of an image"), call["x_shape"][2:]
    kernel = call.shapes[1][2:]
    extra = [n - ((m - 1) * s - 2 * p + d * (r - 1) + 1) for n, m, s, p, d, r in zip(
        lengths, sizes, call["stride"], call["padding"], call["dilation"], kernel)]
    return graph.add("ConvTranspose", *call.inputs, output_padding=extra, **_geometry(call))
