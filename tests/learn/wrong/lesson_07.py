"""Answers to lesson 07 that are wrong, each as a mistake that people make, and a word of the hint they should get."""
import numpy as np


def _dx(dy, w, x_shape, stride, padding):
    """Right, with the rim of the padding still on it."""
    N, C, H, W = x_shape
    padded = np.zeros((N, C, H + 2 * padding + 20, W + 2 * padding + 20))   # room for those who go astray
    for n, k, i, j in np.ndindex(*dy.shape):
        for c, r, s in np.ndindex(*w.shape[1:]):
            padded[n, c, i * stride + r, j * stride + s] += w[k, c, r, s] * dy[n, k, i, j]
    return padded


def _crop(padded, x_shape, padding):
    return padded[:, :, padding:padding + x_shape[2], padding:padding + x_shape[3]]


def dx_unflipped(dy, w, x_shape, stride, padding):
    """Gathers with the kernel as it is."""
    return _crop(_dx(dy, w[:, :, ::-1, ::-1], x_shape, stride, padding), x_shape, padding)


def dx_upside_down(dy, w, x_shape, stride, padding):
    return _crop(_dx(dy, w[:, :, ::-1], x_shape, stride, padding), x_shape, padding)


def dx_without_stride(dy, w, x_shape, stride, padding):
    return _crop(_dx(dy, w, x_shape, 1, padding), x_shape, padding)


def dx_not_cropped(dy, w, x_shape, stride, padding):
    return _dx(dy, w, x_shape, stride, padding)[:, :, :x_shape[2] + 2 * padding, :x_shape[3] + 2 * padding]


def dx_cropped_at_the_end(dy, w, x_shape, stride, padding):
    return _crop(_dx(dy, w, x_shape, stride, padding), x_shape, 0)


def dx_mean(dy, w, x_shape, stride, padding):
    return _crop(_dx(dy, w, x_shape, stride, padding), x_shape, padding) / len(dy)


def dx_channels_swapped(dy, w, x_shape, stride, padding):
    return _crop(_dx(dy, w.transpose(1, 0, 2, 3), x_shape, stride, padding), x_shape, padding)


def dx_assigns(dy, w, x_shape, stride, padding):
    dx = np.zeros(x_shape)
    for n, k, i, j in np.ndindex(*dy.shape):
        for c, r, s in np.ndindex(*w.shape[1:]):
            h, v = i * stride + r - padding, j * stride + s - padding
            if 0 <= h < x_shape[2] and 0 <= v < x_shape[3]:
                dx[n, c, h, v] = w[k, c, r, s] * dy[n, k, i, j]
    return dx


def dx_windows_assign(dy, w, x_shape, stride, padding):
    N, C, H, W = x_shape
    padded = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    Ho, Wo = dy.shape[2:]
    for r, s in np.ndindex(*w.shape[2:]):
        padded[:, :, r:r + stride * (Ho - 1) + 1:stride, s:s + stride * (Wo - 1) + 1:stride] = np.einsum("kc,nkij->ncij", w[:, :, r, s], dy)
    return _crop(padded, x_shape, padding)


def _dw(dy, x, w_shape, stride, padding):
    room = np.pad(x, ((0, 0), (0, 0), (padding, 20), (padding, 20)))
    dw = np.zeros(w_shape)
    for n, k, i, j in np.ndindex(*dy.shape):
        for c, r, s in np.ndindex(*w_shape[1:]):
            dw[k, c, r, s] += room[n, c, i * stride + r, j * stride + s] * dy[n, k, i, j]
    return dw, dy.sum(axis=(0, 2, 3))


def dw_flipped(dy, x, w_shape, stride, padding):
    dw, db = _dw(dy, x, w_shape, stride, padding)
    return dw[:, :, ::-1, ::-1], db


def dw_without_stride(dy, x, w_shape, stride, padding):
    return _dw(dy, x, w_shape, 1, padding)


def dw_without_padding(dy, x, w_shape, stride, padding):
    return _dw(dy, x, w_shape, stride, 0)


def dw_mean(dy, x, w_shape, stride, padding):
    dw, db = _dw(dy, x, w_shape, stride, padding)
    return dw / len(x), db / len(x)


def dw_last_image(dy, x, w_shape, stride, padding):
    return _dw(dy[-1:], x[-1:], w_shape, stride, padding)


def dw_channels_swapped(dy, x, w_shape, stride, padding):
    dw, db = _dw(dy, x, w_shape, stride, padding)
    return dw.transpose(1, 0, 2, 3), db


def db_mean(dy, x, w_shape, stride, padding):
    return _dw(dy, x, w_shape, stride, padding)[0], dy.mean(axis=(0, 2, 3))


def db_an_image(dy, x, w_shape, stride, padding):
    return _dw(dy, x, w_shape, stride, padding)[0], dy.sum(axis=(2, 3))


def dw_alone(dy, x, w_shape, stride, padding):
    return _dw(dy, x, w_shape, stride, padding)[0]


def _room(dy, w, x_shape, stride, top, left):
    (N, K), (R, S) = dy.shape[:2], w.shape[2:]
    images = np.zeros((N, K, x_shape[2] + R - 1 + 20, x_shape[3] + S - 1 + 20))
    images[:, :, top:top + stride * dy.shape[2]:stride, left:left + stride * dy.shape[3]:stride] = dy
    return images[:, :, :x_shape[2] + R - 1, :x_shape[3] + S - 1]


def _turned(w):
    return w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)


def not_turned(dy, w, x_shape, stride, padding):
    return _room(dy, w, x_shape, stride, w.shape[2] - 1 - padding, w.shape[3] - 1 - padding), w.transpose(1, 0, 2, 3)


def mirrored(dy, w, x_shape, stride, padding):
    return _room(dy, w, x_shape, stride, w.shape[2] - 1 - padding, w.shape[3] - 1 - padding), w[:, :, :, ::-1].transpose(1, 0, 2, 3)


def channels_not_swapped(dy, w, x_shape, stride, padding):
    return _room(dy, w, x_shape, stride, w.shape[2] - 1 - padding, w.shape[3] - 1 - padding), w[:, :, ::-1, ::-1]


def without_gaps(dy, w, x_shape, stride, padding):
    return _room(dy, w, x_shape, 1, w.shape[2] - 1 - padding, w.shape[3] - 1 - padding), _turned(w)


def padding_forgotten(dy, w, x_shape, stride, padding):
    return _room(dy, w, x_shape, stride, w.shape[2] - 1, w.shape[3] - 1), _turned(w)


def no_zeros_in_front(dy, w, x_shape, stride, padding):
    return _room(dy, w, x_shape, stride, 0, 0), _turned(w)


def last_row_missing(dy, w, x_shape, stride, padding):
    """The last row that the stride left unread is not appended."""
    images, kernels = not_turned(dy, w, x_shape, stride, padding)
    return images[:, :, :-1], _turned(w)


WRONG = {
    "conv2d_dx": [(dx_unflipped, "wrong way round"), (dx_upside_down, "rows lie the wrong way"), (dx_without_stride, "stride"),
                  (dx_not_cropped, "padding is still around"), (dx_cropped_at_the_end, "shifted"),
                  (dx_mean, "divided by the number of images"),
                  (dx_channels_swapped, "channels are swapped"), (dx_assigns, "effects add"), (dx_windows_assign, "effects add")],
    "conv2d_dw": [(dw_flipped, "nothing is flipped"), (dw_without_stride, "stride were 1"), (dw_without_padding, "no padding"),
                  (dw_mean, "mean over the images"), (dw_last_image, "only one image"), (dw_channels_swapped, "channels are swapped"),
                  (db_mean, "db is a mean"), (db_an_image, "row for each image"), (dw_alone, "pair")],
    "as_convolution": [(not_turned, "not turned"), (mirrored, "both read backward"), (channels_not_swapped, "channels are not swapped"),
                       (without_gaps, "no gaps"), (padding_forgotten, "too far down"), (no_zeros_in_front, "no zeros in front"),
                       (last_row_missing, "shape")],
}
