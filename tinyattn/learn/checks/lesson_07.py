"""Checks the answers to lesson 07."""
import numpy as np

from ..exercise import Exercise, Wrong, same, slope

# (images, input channels, output channels, rows, columns of the kernel, stride, padding). Equal channel counts first: there swapped ones
# can be told by their numbers. Stride 2 leaves a last row or column unread where chance draws such a size.
CASES = [(2, 2, 2, 3, 3, 2, 1), (2, 3, 2, 3, 2, 2, 1), (2, 2, 3, 2, 3, 1, 0)]
STEP = 0.5      # of the central differences: a convolution is linear in pixels and weights, so a long step is exact and rounds least


def _drawn(rng, case):
    """x, w, dy and what else a case has, with an image that is not square."""
    N, C, K, R, S, stride, padding = case
    H = int(rng.integers(4, 6))
    W = H + int(rng.integers(1, 3))
    size = [(n + 2 * padding - t) // stride + 1 for n, t in ((H, R), (W, S))]
    return rng.normal(size=(N, C, H, W)), rng.normal(size=(K, C, R, S)), rng.normal(size=(N, K, *size)), stride, padding


def _windows(padded, taps, size, stride):
    """Yield (r, s, view of `padded` that tap (r, s) reads)."""
    for r, s in np.ndindex(*taps):
        yield r, s, padded[:, :, r:r + stride * (size[0] - 1) + 1:stride, s:s + stride * (size[1] - 1) + 1:stride]


def _padded(x, padding):
    return np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))


def _forward(x, w, size, stride, padding):
    return sum(np.einsum("kc,ncij->nkij", w[:, :, r, s], part) for r, s, part in _windows(_padded(x, padding), w.shape[2:], size, stride))


def _thrown(dy, w, x_shape, stride, padding, adds=True):
    """The gradient of the padded images; where not `adds`, what is left when each tap writes over the one before."""
    padded = _padded(np.zeros(x_shape), padding)
    for r, s, part in _windows(padded, w.shape[2:], dy.shape[2:], stride):
        product = np.einsum("kc,nkij->ncij", w[:, :, r, s], dy)
        part[...] = part + product if adds else product
    return padded


def _dx_last_wins(dy, w, x_shape, stride, padding):
    """What "=" in place of "+=" leaves when the loops run over outputs, then over the kernel."""
    dx = np.zeros(x_shape)
    for n, k, i, j in np.ndindex(*dy.shape):
        for c, r, s in np.ndindex(*w.shape[1:]):
            h, v = i * stride + r - padding, j * stride + s - padding
            if 0 <= h < x_shape[2] and 0 <= v < x_shape[3]:
                dx[n, c, h, v] = w[k, c, r, s] * dy[n, k, i, j]
    return dx


def _dx(answer, rng):
    for case in CASES:
        x, w, dy, stride, padding = _drawn(rng, case)
        N, C, H, W = x.shape
        inner = (slice(None), slice(None), slice(padding, padding + H), slice(padding, padding + W))
        nudged = slope(lambda x: _forward(x, w, dy.shape[2:], stride, padding), x, dy, STEP)
        whole = _thrown(dy, w, x.shape, stride, padding)
        written_over = "where several outputs reached the same pixel only one of them is left: their effects add"
        mistakes = [(_thrown(dy, w[:, :, ::-1, ::-1], x.shape, stride, padding)[inner],
                     "the kernel lies the wrong way round: ask for one pixel which outputs it reached and through which weights, as in the "
                     "table of the lesson, and compare with the order in which you read w"),
                    (_thrown(dy, w[:, :, ::-1], x.shape, stride, padding)[inner],
                     "the kernel's rows lie the wrong way round and its columns do not: the two go together"),
                    (_thrown(dy, w[:, :, :, ::-1], x.shape, stride, padding)[inner],
                     "the kernel's columns lie the wrong way round and its rows do not: the two go together"),
                    (_thrown(dy, w, x.shape, 1, padding)[inner],
                     "dy falls as if the stride were 1: the output (i, j) was not made at the pixel (i, j) when the stride is larger"),
                    (whole, f"dx has shape {whole.shape}: the padding is still around it; it belongs to no pixel"),
                    (whole[:, :, :H, :W], "dx is shifted: the padding was cut off at the wrong side, or forgotten in the index"),
                    (nudged / N, "dx is divided by the number of images: if the loss is a mean, that is in dy already"),
                    (_thrown(dy, w, x.shape, stride, padding, adds=False)[inner], written_over),
                    (_dx_last_wins(dy, w, x.shape, stride, padding), written_over)]
        if w.shape[0] == w.shape[1]:
            mistakes.append((_thrown(dy, w.transpose(1, 0, 2, 3), x.shape, stride, padding)[inner],
                             "the channels are swapped: the first axis of w is the output's channel, which dy has, and it is summed away"))
        same(answer(dy, w, x.shape, stride, padding), nudged, "dx", mistakes)


def _met(dy, x, w_shape, stride, padding):
    parts = _windows(_padded(x, padding), w_shape[2:], dy.shape[2:], stride)
    return np.stack([np.einsum("nkij,ncij->kc", dy, part) for _, _, part in parts],
                    axis=-1).reshape(w_shape)


def _dw_unpadded(dy, x, w_shape, stride):
    room = np.pad(x, ((0, 0), (0, 0), (0, dy.shape[2] * stride + w_shape[2]), (0, dy.shape[3] * stride + w_shape[3])))
    return _met(dy, room, w_shape, stride, 0)


def _dw(answer, rng):
    for case in CASES:
        x, w, dy, stride, padding = _drawn(rng, case)
        given = answer(dy, x, w.shape, stride, padding)
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            raise Wrong(f"conv2d_dw should return a pair, dw and db, and returned a {type(given).__name__}")
        nudged = slope(lambda w: _forward(x, w, dy.shape[2:], stride, padding), w, dy, STEP)
        one_image = "only one image of the batch has a say: the weights were shared by all, and their effects add"
        mistakes = [(nudged[:, :, ::-1, ::-1],
                     "dw is turned by half: nothing is flipped here. As i goes up, where does the pixel go that w[r] meets?"),
                    (_met(dy, x, w.shape, 1, padding),
                     "x is read as if the stride were 1: from one output to the next the kernel moves by `stride`"),
                    (_dw_unpadded(dy, x, w.shape, stride),
                     "x is read as if there were no padding: output 0 began `padding` pixels before the image"),
                    (nudged / len(x), "dw is a mean over the images: if the loss is a mean, that is in dy already, so add"),
                    (nudged / dy[:, 0].size, "dw is a mean over images and places: if the loss is a mean, that is in dy already, so add"),
                    (_met(dy[-1:], x[-1:], w.shape, stride, padding), one_image), 
                    (_met(dy[:1], x[:1], w.shape, stride, padding), one_image)]
        if w.shape[0] == w.shape[1]:
            mistakes.append((nudged.transpose(1, 0, 2, 3), "the channels are swapped: dw has the shape of w, output channel first"))
        same(given[0], nudged, "dw", mistakes)
        db = dy.sum(axis=(0, 2, 3))
        same(given[1], db, "db", [(db / dy[:, 0].size,
                                   "db is a mean: each 1 that the bias grows moves every output of its channel by 1, so add"),
                                  (db / len(x), "db is a mean over the images: if the loss is a mean, that is in dy already, so add"),
                                  (dy.sum(axis=(2, 3)), "db has a row for each image: one bias serves all images, so their effects add"),
                                  (dy.sum(axis=0), "db has a number for each place: one bias serves all places, so their effects add")])


def _room(dy, w_shape, x_shape, stride, before):
    """dy spread by `stride` into zeros, `before` rows and columns of them in front; cut or filled to the size that is asked."""
    (N, K), (H, W), (R, S) = dy.shape[:2], x_shape[2:], w_shape[2:]
    large = np.zeros((N, K, before[0] + stride * dy.shape[2] + H + R, before[1] + stride * dy.shape[3] + W + S))
    large[:, :, before[0]:before[0] + stride * dy.shape[2]:stride, before[1]:before[1] + stride * dy.shape[3]:stride] = dy
    return large[:, :, :H + R - 1, :W + S - 1]


def _as_convolution(answer, rng):
    for case in CASES:
        x, w, dy, stride, padding = _drawn(rng, case)
        H, W, R, S = *x.shape[2:], *w.shape[2:]
        given = answer(dy, w, x.shape, stride, padding)
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            raise Wrong(f"as_convolution should return a pair, images and kernels, and returned a {type(given).__name__}")
        images, kernels = (np.asarray(part, np.float64) for part in given)
        right = w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
        nudged = slope(lambda x: _forward(x, w, dy.shape[2:], stride, padding), x, dy, STEP)
        room = _room(dy, w.shape, x.shape, stride, (R - 1 - padding, S - 1 - padding))
        fits = images.shape == room.shape and kernels.shape == right.shape
        if fits and np.allclose(_forward(images, kernels, (H, W), 1, 0), nudged, 1e-6, 1e-9):
            continue                                               # whatever it is made of, it gives dx
        same(kernels, right, "kernels",
             [(w.transpose(1, 0, 2, 3),
               "the kernels are not turned: a gathering pixel meets the outputs in the order opposite to the weights"),
              (right[:, :, ::-1], "the kernels are mirrored only: rows and columns are both read backward"),
              (right[:, :, :, ::-1], "the kernels are upside down only: rows and columns are both read backward"),
              (w[:, :, ::-1, ::-1],
               "the kernels' channels are not swapped: this convolution reads the K channels of dy and makes the C of dx"),
              (w, "the kernels are neither turned nor are their channels swapped")])
        same(images, room, "images",
             [(_room(dy, w.shape, x.shape, 1, (R - 1 - padding, S - 1 - padding)),
               "dy has no gaps: outputs that were made `stride` pixels apart are to lie `stride` apart"),
              (_room(dy, w.shape, x.shape, stride, (R - 1, S - 1)),
               "dy lies too far down and right: the zeros in front are for taps beyond the first output, which padding had moved outwards"),
              (_room(dy, w.shape, x.shape, stride, (padding, padding)),
               "the zeros in front of dy are as many as the padding; how many does the first pixel need to meet output 0 through w[0]?"),
              (_room(dy, w.shape, x.shape, stride, (0, 0)),
               "there are no zeros in front of dy: the first pixel meets the first output through w[padding]")])
        raise Wrong("images and kernels look right one by one and do not give dx")


EXERCISES = [Exercise("conv2d_dx", "the gradient for the images, with stride and padding", _dx),
             Exercise("conv2d_dw", "the gradients for weights and bias", _dw),
             Exercise("as_convolution", "the gradient for the images as a forward convolution", _as_convolution)]
