"""Checks the answers to lesson 09."""
import numpy as np

from ..exercise import Exercise, Wrong, same


def _windows(x, size, stride, padding):
    """(N, Ho, Wo, R, S, C): what every output pixel reads."""
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    whole = np.lib.stride_tricks.sliding_window_view(padded, size, (1, 2))          # (N, Ho, Wo, C, R, S)
    return whole[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)


def _conv(x, w, stride, padding):
    return np.einsum("nijrsc,rsck->nijk", _windows(x, w.shape[:2], stride, padding), w)


def _images(rng):
    """x (2, H, W, C), not square, with sides for which stride 2 leaves a row over, and ones for which it does not."""
    return rng.normal(size=(2, rng.integers(5, 7), rng.integers(7, 9), rng.integers(2, 4)))


def _im2col(answer, rng):
    for stride, padding in ((1, 1), (2, 1), (2, 0), (1, 0)):
        x = _images(rng)
        taps = _windows(x, (3, 3), stride, padding)
        rows = int(np.prod(taps.shape[:3]))
        edge = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)), "edge")
        same(answer(x, 3, stride, padding), taps.reshape(rows, -1), f"the columns, with stride {stride} and padding {padding}",
             [(taps.transpose(0, 1, 2, 5, 3, 4).reshape(rows, -1), "a row has its numbers in the order (c, r, s): the channels of a tap belong side by side"),
              (taps.transpose(0, 1, 2, 4, 3, 5).reshape(rows, -1), "the taps are in the order (s, r): a row of the filter first, then the next"),
              (taps.transpose(0, 2, 1, 3, 4, 5).reshape(rows, -1), "the output pixels go down the columns; they should go along the rows"),
              (taps[:, :, :, ::-1, ::-1].reshape(rows, -1), "the taps are turned; a forward convolution of this course does not turn its filter"),
              (taps.reshape(rows, -1).T, "rows and columns are exchanged: a row for each output pixel"),
              (_windows(edge, (3, 3), stride, 0).reshape(rows, -1), "the border repeats the image's edge; it should be 0")])


def _conv_numba(answer, rng):
    if not hasattr(getattr(answer, "__wrapped__", answer), "inspect_asm"):
        raise Wrong("conv_numba runs as Python: keep @numba.njit over it, that is what it is about")
    for stride, padding in ((1, 1), (2, 1), (2, 0)):
        x = _images(rng)
        w = rng.normal(size=(3, rng.integers(2, 4), x.shape[3], rng.integers(4, 6)))
        right = _conv(x, w, stride, padding)
        around = np.pad(x, ((0, 0), (0, 3), (0, 3), (0, 0)))
        wrapped = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)), "wrap")
        same(answer(x, w, stride, padding), right, f"y, with stride {stride} and padding {padding}",
             [(_conv(x, w[::-1, ::-1], stride, padding), "the filter is turned: tap (r, s) reads r rows below and s columns to the right"),
              (_conv(around, w, stride, 0)[:, :right.shape[1], :right.shape[2]], "the window begins at the pixel itself: the padding is not taken off the index"),
              (_conv(wrapped, w, stride, 0), "reads outside the image come out at its other side: a negative index counts from the end, and no error says so")],
             rtol=1e-9)


def _intensity(answer, rng):
    n, h, w, c, k, size, number = (int(rng.integers(*span)) for span in ((2, 9), (5, 30), (31, 60), (3, 40), (41, 80), (2, 6), (2, 9)))
    pixels, taps = n * h * w, size * size
    flops, images, filters, outputs = 2 * pixels * k * taps * c, pixels * c, taps * c * k, pixels * k
    moved = images + filters + outputs
    same(answer(n, h, w, c, k, size, number), flops / (number * moved), "operations a byte",
         [(flops / 2 / (number * moved), "a multiply-add is two operations"),
          (flops / moved, "these are operations for each number; how many bytes has a number?"),
          (flops / (number * (images + filters)), "the outputs must be moved, too: they are written"),
          (flops / (number * (images + outputs)), "the filters must be moved, too"),
          (flops / (number * (filters + outputs)), "the images must be moved, too"),
          (flops / (number * (taps * images + filters + outputs)), "every pixel is counted once for each tap that reads it; it must be moved *once*"),
          (flops / (number * (images + n * filters + outputs)), "the filters are counted once for each image; they are the same ones"),
          (flops * number / moved, "more bytes a number mean fewer operations a byte, not more"),
          (number * moved / flops, "these are bytes for each operation")])


EXERCISES = [Exercise("im2col", "a convolution as one matrix product, for any stride and padding", _im2col),
             Exercise("conv_numba", "the loop nest, compiled, right at the borders", _conv_numba),
             Exercise("arithmetic_intensity", "operations for each byte that is moved", _intensity)]
