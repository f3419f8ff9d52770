"""A page to step through a convolution and its backward pass, product by product.

Forward and backward are one list of index triples, read three times. With h = i·stride + r·dilation − padding, and w likewise,

    y[k,i,j]    += w[k,c,r,s] · x[c,h,w]        the forward pass
    dx[c,h,w]   += dy[k,i,j] · w[k,c,r,s]       the gradient to the input
    dw[k,c,r,s] += dy[k,i,j] · x[c,h,w]         the gradient to the weight
    db[k]       += dy[k,i,j]                    the gradient to the bias

Every number on the page is `tinyattn`'s own: a pass is linear in w (forward) or in dy (backward), so the operation, run on an array that is 0
but for one cell, gives that cell's products; 0 but for the first t cells, the sum so far. The page's script walks and adds nothing up.
(Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.)
"""
import html
import itertools

import numpy as np

from . import shell
from .static_tables import table

MOST_CELLS = 100
"""Of x, of y, and of the weights; more would not fit beside each other, and each cell of y and w is a run of the operation."""


def write(path, x=None, weight=None, bias=None, stride=(1, 2), padding=(0, 1), dilation=(1, 2)):
    """Write the page to `path`; returns its size in bytes. See `tinyattn.viz.conv_stepper`."""
    from ..training.files import write_atomically
    return write_atomically(path, page(x, weight, bias, stride, padding, dilation).encode())


def page(x=None, weight=None, bias=None, stride=(1, 2), padding=(0, 1), dilation=(1, 2)):
    """The page as text."""
    data = contents(x, weight, bias, stride, padding, dilation)
    return shell.compose("conv_page", "A convolution and its backward pass, step by step", data, "stepper.css stepper.js conv_walk.js",
                         transport=shell.fill("stepper"), still=_still(data))


def contents(x=None, weight=None, bias=None, stride=(1, 2), padding=(0, 1), dilation=(1, 2)):
    """What the page knows, as plain values: the arrays, flat, and for each setting the products and the sums so far."""
    rng = np.random.default_rng(7)
    x = rng.integers(-3, 4, (1, 5, 5)) if x is None else _array(x, "x", "(C, H, W)", 3)
    weight = _halves(rng, (1, len(x), 3, 3)) if weight is None else _array(weight, "weight", "(K, C, R, S)", 4)
    bias = _halves(rng, len(weight)) if bias is None else _array(bias, "bias", "(K,)", 1)
    x, weight, bias = (np.asarray(each, np.float64) for each in (x, weight, bias))
    choices = list(itertools.product(_choices(stride, "stride", 1), _choices(padding, "padding", 0), _choices(dilation, "dilation", 1)))
    fitting = [choice for choice in choices if all(n + 2 * choice[1] > choice[2] * (r - 1) for n, r in zip(x.shape[1:], weight.shape[2:]))]
    settings = [_setting(x, weight, bias, *choice) for choice in fitting or choices]   # where none fits, conv2d says why
    return {"x": x.ravel().tolist(), "w": weight.ravel().tolist(), "b": bias.tolist(), "size": list(x.shape), "kernel": list(weight.shape),
            "settings": settings}


def _array(given, name, shape, ndim):
    array = np.asarray(given)
    if array.ndim != ndim or not array.size or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise ValueError(f"conv_stepper: {name} has shape {array.shape} and dtype {array.dtype}, expected finite numbers of shape {shape}, "
                         "one at least")
    if array.size > MOST_CELLS:
        raise ValueError(f"conv_stepper: {name} of shape {array.shape} has {array.size} cells, more than the {MOST_CELLS} that a page can "
                         "show: take a small piece of it")
    return array


def _choices(given, name, least):
    values = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    if not values or not all(isinstance(v, int) and not isinstance(v, bool) and v >= least for v in values):
        raise ValueError(f"conv_stepper: {name} must be an int of at least {least} or several to choose from, got {given!r:.60}")
    return sorted(set(values))


def _halves(rng, shape):
    """Numbers that are easy to follow, none of them 0: halves between −2 and 2."""
    return rng.choice([-2, -1.5, -1, -0.5, 0.5, 1, 1.5, 2], shape)


def _setting(x, weight, bias, stride, padding, dilation):
    """All passes of one convolution. "parts"[t]: what source cell t alone gives (of w forward, of dy backward); "sums"[t]: the first t."""
    from ..nn.functional import conv2d
    from ..tensor import tensor
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    image = tensor(x[None])

    def forward(w, b):
        return conv2d(image, tensor(w), None if b is None else tensor(b), **options).data[0]

    y = forward(weight, bias)
    if y.size > MOST_CELLS:
        raise ValueError(f"conv_stepper: y would have shape {y.shape}, {y.size} cells, more than the {MOST_CELLS} that a page can show: "
                         "take a smaller x or weight, or a larger stride")
    dy = _halves(np.random.default_rng([stride, padding, dilation]), y.shape)

    def backward(dy):
        leaves = [tensor(each, requires_grad=True) for each in (x[None], weight, bias)]
        conv2d(*leaves, **options).backward(tensor(dy[None]))
        return [leaf.grad.data for leaf in leaves]

    parts = [backward(one) for one in _alone(dy)]
    sums = [backward(some) for some in _so_far(dy)]
    passes = {"y": {"parts": _lists(forward(one, None) for one in _alone(weight)),
                    "sums": _lists(forward(some, bias) for some in _so_far(weight))}}
    for i, name in enumerate(("dx", "dw", "db")):
        passes[name] = {"parts": _lists(part[i] for part in parts), "sums": _lists(some[i] for some in sums)}
    for name, final in zip(("y", "dx", "dw", "db"), (y, *backward(dy))):
        passes[name]["final"] = final.ravel().tolist()
    return {**options, "out": list(y.shape), "dy": dy.ravel().tolist(), "passes": passes}


def _alone(array):
    """For each cell, the array that is 0 everywhere else."""
    for cell in np.ndindex(array.shape):
        one = np.zeros_like(array)
        one[cell] = array[cell]
        yield one


def _so_far(array):
    """For t = 0, 1 … all, the array with its first t cells, and 0 after them."""
    for t in range(array.size + 1):
        yield np.where(np.arange(array.size) < t, array.ravel(), 0).reshape(array.shape)


def _lists(arrays):
    return [array.ravel().tolist() for array in arrays]


def _still(data):
    """The arrays of the first setting as tables: what is to be seen without a script."""
    setting = data["settings"][0]
    options = ", ".join(f"{name} {setting[name]}" for name in ("stride", "padding", "dilation"))
    passes, bias, image, kernel = setting["passes"], [len(data["b"])], data["size"], data["kernel"]
    arrays = [("x", "the image", image, data["x"]), ("w", "the kernel", kernel, data["w"]), ("b", "the bias", bias, data["b"]),
              ("y", "the output", setting["out"], passes["y"]["final"]), ("dy", "the gradient that arrives", setting["out"], setting["dy"])]
    arrays += [(name, f"the gradient to the {to}", shape, passes[name]["final"])
               for name, to, shape in (("dx", "input", image), ("dw", "weight", kernel), ("db", "bias", bias))]
    tables = "".join(table(name, words, np.reshape(values, shape)) for name, words, shape, values in arrays)
    return f"<p>With {html.escape(options)}:</p><div class=\"grids\">{tables}</div>"
