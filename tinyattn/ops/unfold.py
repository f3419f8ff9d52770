"""Images as lists of their windows and back: `unfold` and `fold`, each the other's transpose.

A window reads rows i·stride + r·dilation − padding and columns likewise: resampling with one tap an output, along each axis.

Chellapilla, Puri, Simard: High performance convolutional neural networks for document processing (2006): im2col.
"""
import math

from .arguments import pair, room, tensor_argument
from .resample import ResampleFunction
from .taps import window_taps


def _windows(caller, lengths, kernel_size, dilation, padding, stride, dtype):
    """Taps of the rows and of the columns, the window's size (R, S), and how many windows there are (H', W')."""
    kernel, dilation, padding, stride = (pair(value, caller, name, least) for value, name, least in (
        (kernel_size, "kernel_size", 1), (dilation, "dilation", 1), (padding, "padding", 0), (stride, "stride", 1)))
    counts = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, d, p, s in zip(lengths, kernel, dilation, padding, stride))
    for name, n, count, k, d, p in zip(("height", "width"), lengths, counts, kernel, dilation, padding):
        if count < 1:
            raise ValueError(f"{caller}: no window fits: it covers {d * (k - 1) + 1} in {name}, the padded image has {n + 2 * p} "
                             f"(image {lengths}, kernel_size {kernel}, dilation {dilation}, padding {padding})")
    if math.prod(kernel) * math.prod(counts) >= 2 ** 60:
        raise ValueError(f"{caller}: no memory holds {math.prod(counts)} windows of {kernel} pixels")
    room((math.prod(kernel) * math.prod(counts),), dtype, caller)
    taps = [window_taps(*numbers, dtype) for numbers in zip(lengths, counts, kernel, dilation, padding, stride)]
    return dict(zip((2, 3), taps)), kernel, counts


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """The windows of images: (N, C, H, W) → (N, C·R·S, L), one column a window, L of them; (C, H, W) → (C·R·S, L).

    With weight (K, C·R·S), ``weight @ unfold(x, …)`` is a convolution. ValueError where no window fits.
    """
    x = tensor_argument(input, "unfold")
    if x.ndim not in (3, 4) or 0 in x.shape[-3:]:
        raise ValueError(f"unfold: input has shape {x.shape}, expected (N, C, H, W) or (C, H, W), of which only N may be 0")
    single, x = x.ndim == 3, x.unsqueeze(0) if x.ndim == 3 else x
    taps, (r, s), (h, w) = _windows("unfold", x.shape[2:], kernel_size, dilation, padding, stride, x.dtype)
    n, c = x.shape[:2]
    y = ResampleFunction.apply(x, taps=taps).reshape(n, c, r, h, s, w)             # (N, C, R·H', S·W')
    y = y.permute(0, 1, 2, 4, 3, 5).reshape(n, c * r * s, h * w)
    return y.squeeze(0) if single else y


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Windows added up into images of `output_size`, where they overlap: (N, C·R·S, L) → (N, C, H, W); (C·R·S, L) → (C, H, W).

    The transpose of `unfold`, not its inverse: a pixel that three windows hold comes out three times as large.
    ValueError where the windows are not those of such an image.
    """
    x = tensor_argument(input, "fold")
    lengths = pair(output_size, "fold", "output_size", 1)
    taps, (r, s), (h, w) = _windows("fold", lengths, kernel_size, dilation, padding, stride, x.dtype)
    if x.ndim not in (2, 3) or not x.shape[-2] or x.shape[-2] % (r * s) or x.shape[-1] != h * w:
        raise ValueError(f"fold: input has shape {x.shape}, expected (N, C·{r * s}, {h * w}) or (C·{r * s}, {h * w}): windows of "
                         f"{r} × {s}, and {h} × {w} of them in an image of {lengths}")
    single, x = x.ndim == 2, x.unsqueeze(0) if x.ndim == 2 else x
    n, c = len(x), x.shape[1] // (r * s)
    x = x.reshape(n, c, r, s, h, w).permute(0, 1, 2, 4, 3, 5).reshape(n, c, r * h, s * w)
    y = ResampleFunction.apply(x, taps={axis: t.transposed for axis, t in taps.items()})
    return y.squeeze(0) if single else y
