"""An average of the weights along the way: often better than the last step, and steadier.

    average ← average + w · (θ − average),   w = 1 − min(decay, (1 + t) / (10 + t)) at step t

The growing decay lets the first steps be forgotten quickly (as in TensorFlow's ExponentialMovingAverage). The
buffers of batch normalisation are averaged with the weights: the averaged weights make other activations than any
single step's, and the mean of the running statistics is close to theirs. Integer buffers (step counters) are copied.

Source: B. T. Polyak and A. B. Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
"""
import contextlib

import numpy as np

from ..placing import on_host, overwrite
from ..optim.swa_utils import AveragedModel, lerp_


class Average:
    """The exponential average of a model's weights and buffers. `update` after every optimizer step."""

    def __init__(self, model, decay):
        self._model, self._decay = model, decay
        self._averaged = AveragedModel(model, multi_avg_fn=self._move, use_buffers=True)
        overwrite(self._averaged.n_averaged, 1)  # the first weights count as the first step of the average

    def _move(self, averaged, current, steps):
        integers = not averaged[0].is_floating_point()
        lerp_(averaged, current, 1.0 if integers else 1.0 - min(self._decay, (1 + int(steps)) / (10 + int(steps))))

    def update(self):
        """Move the average towards the model as it is now."""
        self._averaged.update_parameters(self._model)

    @contextlib.contextmanager
    def applied(self):
        """``with average.applied():`` the model computes with the averaged weights; afterwards with its own again."""
        own = {name: tensor.clone() for name, tensor in self._model.state_dict().items()}
        self._model.load_state_dict(self._averaged.module.state_dict())
        try:
            yield
        finally:
            self._model.load_state_dict(own)

    def state_dict(self):
        """The averaged arrays and the number of updates."""
        weights = {name: np.array(on_host(tensor), order="C") for name, tensor in self._averaged.module.state_dict().items()}
        return {"step": int(self._averaged.n_averaged) - 1, "weights": weights}

    def load_state_dict(self, state):
        """Go on from `state`."""
        overwrite(self._averaged.n_averaged, state["step"] + 1)
        self._averaged.module.load_state_dict(state["weights"])
