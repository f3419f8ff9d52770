"""The two sides of a comparison: how each makes its tensors and layers, and how its results are read.

A case is written once, for a side: ``side.t`` is the library, ``side.nn`` and ``side.F`` its layers and functions, whose
names are the same on both. Where a user of PyTorch would write it otherwise, the case says so with `side.pick`.

A case makes a *job*: ``job.run()`` does the work that is timed, ``job.results()`` does it once and gives the arrays.
"""
import os

import numpy as np

import tinyattn


class Ours:
    """This library. Images lie channels-last, as its kernels want them."""

    column = "ours_ms"
    t, nn, F = tinyattn, tinyattn.nn, tinyattn.nn.functional

    def tensor(self, array, grad=True):
        """A contiguous tensor of a copy of `array`."""
        return tinyattn.tensor(np.array(array, order="C"), requires_grad=grad)

    weight = tensor

    def image(self, array, grad=True):
        """A tensor of a copy of `array`, (N, C, H, W), in this side's layout."""
        return tinyattn.tensor(np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2), requires_grad=grad)

    def pick(self, ours, torch):
        """What this side uses where the two differ."""
        return ours

    def layer(self, ours, torch, random):
        """The layer that ``ours()`` makes, with random parameters: the same ones on both sides."""
        made = ours()
        for _, p in sorted(made.named_parameters()):
            p.data[...] = 0.2 * random.standard_normal(p.shape, np.float32)
        return made

    def array(self, tensor):
        """The numbers of a tensor, a copy."""
        return np.array(tensor.data)


class Torch:
    """PyTorch, in one of its two layouts of images and filters."""

    def __init__(self, channels_last=False):
        torch = import_torch()
        self.column = "torch_channels_last_ms" if channels_last else "torch_ms"
        self.t, self.nn, self.F = torch, torch.nn, torch.nn.functional
        self._layout = torch.channels_last if channels_last else torch.contiguous_format

    def tensor(self, array, grad=True):
        return self.t.from_numpy(np.array(array, order="C")).requires_grad_(grad)

    def image(self, array, grad=True):
        return self.t.from_numpy(np.array(array, order="C")).to(memory_format=self._layout).requires_grad_(grad)

    weight = image

    def pick(self, ours, torch):
        return torch

    def layer(self, ours, torch, random):
        made = torch()
        for _, p in sorted(made.named_parameters()):
            p.data.copy_(self.t.from_numpy(0.2 * random.standard_normal(tuple(p.shape), np.float32)))
        return made.to(memory_format=self._layout)

    def array(self, tensor):
        return tensor.detach().numpy().copy()


def sides(against, images):
    """PyTorch's layouts if it is the opponent (the second only where there are images), then ours."""
    others = [Torch(), Torch(channels_last=True)] if against == "torch" else []
    return [*others[:2 if images else 1], Ours()]


def import_torch():
    """PyTorch as its user would have it: our own setting of how OpenMP's threads wait is not for it."""
    ours = os.environ.pop("GOMP_SPINCOUNT", None)
    import torch
    if ours is not None:
        os.environ["GOMP_SPINCOUNT"] = ours
    return torch


class Gradients:
    """The job of most cases: y = f(inputs) and, for a fixed dy, the gradient of every input and parameter that wants one."""

    def __init__(self, side, function, *inputs, parameters=(), image=False):
        self._side, self._function, self._inputs = side, function, inputs
        self._leaves = [x for x in (*inputs, *parameters) if x.requires_grad]
        with side.t.no_grad():
            shape = tuple(function(*inputs).shape)
        dy = np.random.default_rng(1).standard_normal(shape, np.float32) if shape else np.ones((), np.float32)
        self._dy = (side.image if image else side.tensor)(dy, False)

    def run(self):
        for leaf in self._leaves:
            leaf.grad = None
        y = self._function(*self._inputs)
        y.backward(self._dy)
        return y

    def results(self):
        y = self.run()
        return [self._side.array(y), *(self._side.array(leaf.grad) for leaf in self._leaves)]


class Forward:
    """The job of a forward pass alone, without a tape."""

    def __init__(self, side, function, *inputs):
        self._side, self._function, self._inputs = side, function, inputs

    def run(self):
        with self._side.t.no_grad():
            return self._function(*self._inputs)

    def results(self):
        return [self._side.array(self.run())]


class Update:
    """The job of an optimizer: one step with gradients that stay."""

    def __init__(self, side, make, parameters, gradients):
        self._side, self._parameters = side, parameters
        for p, g in zip(parameters, gradients):
            p.grad = g
        self._optimizer = make(parameters)

    def run(self):
        self._optimizer.step()

    def results(self):
        self.run()
        return [self._side.array(p) for p in self._parameters]
