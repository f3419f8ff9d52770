"""One update of the weights, as every tutorial shows it, on the CPU or on a GPU; there also as a graph that is replayed.

A GPU is given work and not waited for. So an update returns its loss, and how many examples were right, as tensors; on the CPU they
are read at once, on a GPU now and then, many at a time (`Results`).
"""
import time

import tinyattn as ta

from .. import kernels
from ..nn import functional as F

EAGER_FIRST = 2
"""Updates before a graph is captured: they compile the kernels and make the optimizer's state."""


class Update:
    """``update(images, labels)`` → (loss, correct), tensors without axes: forward, loss, backward, optimizer."""

    def __init__(self, model, optimizer, label_smoothing):
        self.model, self.optimizer, self.label_smoothing = model, optimizer, label_smoothing

    def forward(self, images, labels):
        """(loss, correct); `backward` then takes it from there."""
        logits = self.model(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        return loss, (logits.detach().argmax(1) == labels).sum()

    def backward(self, loss):
        """The gradients, and the step."""
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def __call__(self, images, labels):
        loss, correct = self.forward(images, labels)
        self.backward(loss)
        return loss.detach(), correct


class Captured:
    """An `Update` that is captured as one CUDA graph at its third call, and replayed from then on.

    say: called with a line for the user if it cannot be captured; then it goes on as before, without a graph
    """

    def __init__(self, update, say):
        self.update, self.say = update, say
        self.calls, self.graph, self.inputs, self.outputs = 0, None, None, None

    def __call__(self, images, labels):
        self.calls += 1
        if self.calls == EAGER_FIRST + 1:
            self._capture(images, labels)
        self.update.optimizer.refresh()
        if self.graph is None or [(x.shape, x.dtype) for x in (images, labels)] != [(x.shape, x.dtype) for x in self.inputs]:
            return self.update(images, labels)
        for held, x in zip(self.inputs, (images, labels)):
            kernels.of(x.data).assign(held.data, x.data)
        self.graph.replay()
        return tuple(x.clone() for x in self.outputs)

    def _capture(self, images, labels):
        graph, inputs = ta.cuda.CUDAGraph(), (images.clone(), labels.clone())
        self.update.optimizer.hold()
        try:
            with ta.cuda.graph(graph):
                outputs = self.update(*inputs)
        except (RuntimeError, MemoryError) as error:
            self.say(f"--cuda-graph: the step cannot be captured, and runs without a graph: {error}")
            return
        self.graph, self.inputs, self.outputs = graph, inputs, outputs


class Results:
    """Losses and counts of updates that have not been read yet; `read` waits for them."""

    def __init__(self, at_once, every_seconds=0.2, most=200):
        self.at_once, self.every_seconds, self.most = at_once, every_seconds, most
        self._waiting, self._read_at = [], time.monotonic()

    def add(self, loss, correct, *about):
        """Note an update's results, and what is known `about` it."""
        self._waiting.append((loss, correct, about))

    def due(self):
        """Whether it is time to `read`."""
        return self.at_once or len(self._waiting) >= self.most or time.monotonic() - self._read_at > self.every_seconds

    def read(self):
        """(loss, correct, *about) of every update noted since the last time, as numbers."""
        waiting, self._waiting, self._read_at = self._waiting, [], time.monotonic()
        if self.at_once or not waiting:
            return [(loss.item(), int(correct), *about) for loss, correct, about in waiting]
        losses, counts = (ta.stack([w[i] for w in waiting]).tolist() for i in (0, 1))
        return [(loss, int(correct), *about) for loss, correct, (_, _, about) in zip(losses, counts, waiting)]
