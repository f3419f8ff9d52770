"""Repairs of the museum's exhibits that are none, each with a word of the hint it should get. `as_it_stands` is the exhibit itself."""
import importlib.util

import numpy as np

from tinyattn.learn.checks.museum import EXERCISES
from tinyattn.learn.lessons import folder

MUSEUM = folder() / "museum"


def loaded(path, name):
    spec = importlib.util.spec_from_file_location(f"museum_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


def others(name, words, *changes):
    """[(class, words)]: the exhibit as it stands, then the repaired one with `backward(self, dy, right)` in place of its own, for each of `changes`."""
    (file,) = [e.file for e in EXERCISES if e.name == name]
    repaired = loaded(MUSEUM / "repaired" / file, name)

    def changed(backward):
        return type(backward.__name__, (repaired,), {"backward": lambda self, dy: backward(self, dy, repaired.backward(self, dy))})
    return [(loaded(MUSEUM / file, name), words), *((changed(backward), said) for backward, said in changes)]


def named(name, function):
    function.__name__ = name
    return function


def times(factor):
    """All gradients multiplied."""
    return named(f"times_{factor}", lambda self, dy, right: tuple(g * factor for g in right) if isinstance(right, tuple) else right * factor)


def replaced(at, change):
    """The gradient number `at` as ``change(self, dy)`` has it."""
    return lambda self, dy, right: (*right[:at], change(self, dy), *right[at + 1:])


def in_place(self, dy, right):
    dy *= 2
    return right


def nothing(self, dy, right):
    return np.zeros_like(right)


def unflipped_rows(self, dy, right):
    r, s = self.w.shape[2:]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(dy, ((0, 0), (0, 0), (r - 1,) * 2, (s - 1,) * 2)), (r, s), (2, 3))
    return np.einsum("nkhwrs,kcrs->nchw", windows, self.w[..., ::-1]), right[1]


def strided(offset, add):
    def backward(self, dy, right):
        dx, (p, q) = np.zeros_like(self.x), dy.shape[2:]
        for r, s in np.ndindex(*self.w.shape[2:]):
            part = np.einsum("nkpq,kc->ncpq", dy, self.w[:, :, r, s])
            place = (..., slice(offset * r, offset * r + 2 * p, 2), slice(offset * s, offset * s + 2 * q, 2))
            dx[place] = dx[place] + part if add else part
        return dx, right[1]
    return backward


def pooled(winners):
    def backward(self, dy, right):
        n, c, h, w = self.shape
        d = winners(self.windows, self.windows.max(-1, keepdims=True)) * dy[..., None]
        return d.reshape(n, c, h // 2, w // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h, w)
    return backward


def formula_of_gelu(inner):
    def backward(self, dy, right):
        c, x = np.sqrt(2 / np.pi), self.x
        u = c * (x + 0.044715 * x ** 3)
        return dy * ((1 + np.tanh(u)) / 2 + x / 2 * (1 - np.tanh(u) ** 2) * inner(c))
    return backward


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def mean_of_ways(self, dy, right):
    return right / np.maximum(np.bincount(self.ids, minlength=self.shape[0]), 1)[:, None]


def rows_by_number(self, dy, right):
    dw = np.zeros(self.shape)
    dw[:len(dy)] = dy
    return dw


def sum_of_rows(axis):
    return replaced(1, lambda self, dy: (dy * self.x).sum(axis))


def without_mean(self, dy, right):
    d = dy * self.gamma
    return self.scale * (d - self.normal * (d * self.normal).mean(0)), *right[1:]


def only_mean(self, dy, right):
    d = dy * self.gamma
    return self.scale * (d - d.mean(0)), *right[1:]


WRONG = {
    "Scale": others("Scale", "da has shape", (sum_of_rows(None), "da has shape"),
                    (replaced(1, lambda self, dy: (dy * self.x).mean(0)), "times 0.2"), (replaced(0, lambda self, dy: dy), "dx, where it is wrong")),
    "MeanSquaredError": others("MeanSquaredError", "times 12", (times(0.5), "times 0.5"), (times(-1), "times -1"), (times(3), "times 3")),
    "Conv2d": others("Conv2d", "kernel as it stands", (unflipped_rows, "along one axis"),
                     (replaced(1, lambda self, dy: None), "is there a return"), (times(2), "times 2"),
                     (lambda self, dy, right: (right[0], right[1][:, :, ::-1, ::-1]), "right numbers in wrong places")),
    "StridedConv2d": others("StridedConv2d", "first corner only", (strided(1, False), "arrived last"), (strided(0, True), "met another place"),
                            (lambda self, dy, right: right[0], "expected 2: dx, dw")),
    "MaxPool2d": others("MaxPool2d", "which is more", (pooled(lambda x, top: (x == top) / 4), "which is less"),
                        (pooled(lambda x, top: x == x.min(-1, keepdims=True)), "not the largest"), (nothing, "which is less")),
    "Softmax": others("Softmax", "add up to 0", (lambda self, dy, right: self.y * dy, "takes each y for itself"),
                      (lambda self, dy, right: self.y * (dy - np.sum(dy * self.y)), "other images"),
                      (lambda self, dy, right: self.y * (dy - np.sum(dy * self.y, 1)[:, None]), "each column")),
    "BatchNorm": others("BatchNorm", "Which numbers of forward move", (only_mean, "stretch"), (without_mean, "should add up to 0"),
                        (replaced(2, lambda self, dy: dy), "dbeta has shape")),
    "SiLU": others("SiLU", "print self.x", (lambda self, dy, right: dy * sigmoid(self.x), "two ways back"),
                   (lambda self, dy, right: dy * sigmoid(self.x) * (1 - sigmoid(self.x)), "alone"), (in_place, "changed in place")),
    "ResidualBlock": others("ResidualBlock", "through the weights", (replaced(0, lambda self, dy: dy), "way around"),
                            (replaced(0, lambda self, dy: dy + dy @ self.w.T), "as if it were not there"), (in_place, "changed in place")),
    "Dropout": others("Dropout", "were dropped", (lambda self, dy, right: dy * self.mask, "times 0.6"),
                      (lambda self, dy, right: dy / (1 - self.p), "were dropped"), (nothing, "0 everywhere")),
    "Linear": others("Linear", "times 0.2", (replaced(2, lambda self, dy: dy), "db has shape"),
                     (replaced(2, lambda self, dy: dy.sum()), "db has shape"), (replaced(1, lambda self, dy: self.x.T @ dy / len(dy)), "dw is the true")),
    "GELU": others("GELU", "straight or flat", (formula_of_gelu(lambda c: 1), "one link more"), (formula_of_gelu(lambda c: c), "cube"), (in_place, "changed")),
    "LogSoftmax": others("LogSoftmax", "adds up to −1", (lambda self, dy, right: dy - np.exp(self.y), "adds up to 1"), (lambda self, dy, right: dy, "leaves the"),
                         (lambda self, dy, right: dy - np.exp(self.y) * dy.sum(), "other rows")),
    "Embedding": others("Embedding", "what became of the others", (mean_of_ways, "the mean of three"), (rows_by_number, "dw, where it is wrong"),
                        (times(-1), "times -1")),
    "Scores": others("Scores", "a sum over i", (times(np.sqrt(3)), "times 1.732"),
                     (replaced(0, lambda self, ds: ds.transpose(0, 2, 1) @ self.k / np.sqrt(3)), "a sum over j"), (times(-1), "times -1")),
    "SplitHeads": others("SplitHeads", "right numbers in wrong places", (times(4), "times 4"), (lambda self, dy, right: right[..., ::-1], "wrong places"),
                         (lambda self, dy, right: dy, "dx has shape")),
}
