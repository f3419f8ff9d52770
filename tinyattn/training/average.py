"""An average of the weights along the way: often better than the last step, and steadier.

    average ← average + w · (θ − average),   w = 1 − min(decay, (1 + t) / (10 + t)) at step t

The growing decay lets the first steps be forgotten quickly (as in TensorFlow's ExponentialMovingAverage). The
buffers of batch normalisation are averaged with the weights: the averaged weights make other activations than any
single step's, and the mean of the running statistics is close to theirs. Integer buffers (step counters) are copied.

Source: B. T. Polyak and A. B. Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
"""
import contextlib

import numpy as np

from tinyattn import kernels


class Average:
    """The exponential average of a model's weights and buffers. `update` after every optimizer step."""

    def __init__(self, model, decay):
        self._model = model
        self._average = {name: np.array(tensor.data, order="C") for name, tensor in model.state_dict().items()}
        self._decay, self._step = decay, 0

    def update(self):
        """Move the average towards the model as it is now."""
        self._step += 1
        weight = 1.0 - min(self._decay, (1 + self._step) / (10 + self._step))
        rung = kernels.rung()
        for name, tensor in self._model.state_dict().items():
            average, now = self._average[name], tensor.data
            if average.dtype.kind == "f":
                rung.lerp_step(average.reshape(-1), np.ascontiguousarray(now).reshape(-1), weight)
            else:
                average[...] = now

    @contextlib.contextmanager
    def applied(self):
        """``with average.applied():`` the model computes with the averaged weights; afterwards with its own again."""
        own = {name: tensor.data.copy() for name, tensor in self._model.state_dict().items()}
        self._model.load_state_dict(self._average)
        try:
            yield
        finally:
            self._model.load_state_dict(own)

    def state_dict(self):
        """The averaged arrays and the number of updates."""
        return {"step": self._step, "weights": dict(self._average)}

    def load_state_dict(self, state):
        """Go on from `state`."""
        self._step = state["step"]
        for name, value in state["weights"].items():
            self._average[name][...] = value
