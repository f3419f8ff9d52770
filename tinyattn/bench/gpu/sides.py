"""The two sides on a GPU: like the CPU's (see `..sides`), with their tensors on the device, and a way to wait for it."""
import numpy as np

from ... import cuda
from .. import sides as on_cpu


class Ours(on_cpu.Ours):
    """This library, on its device "cuda"."""

    def tensor(self, array, grad=True):
        return super().tensor(array, False).to("cuda").requires_grad_(grad)

    weight = tensor

    def image(self, array, grad=True):
        return super().image(array, False).to("cuda").requires_grad_(grad)

    def layer(self, ours, torch, random):
        return super().layer(ours, torch, random).to("cuda")

    def array(self, tensor):
        return np.array(tensor.detach().cpu().data)

    def wait(self):
        """Until the GPU is done."""
        cuda.synchronize()


class Torch(on_cpu.Torch):
    """PyTorch in one of its layouts, in float32 all through or with products in tf32. On our simulator's side it computes on the CPU."""

    def __init__(self, channels_last=False, tf32=False):
        super().__init__(channels_last)
        self.tf32 = tf32
        self.column = "torch_tf32_ms" if tf32 else self.column
        self.device = "cuda" if self.t.cuda.is_available() else "cpu"

    def tensor(self, array, grad=True):
        return super().tensor(array, False).to(self.device).requires_grad_(grad)

    def image(self, array, grad=True):
        return super().image(array, False).to(self.device).requires_grad_(grad)

    weight = image

    def layer(self, ours, torch, random):
        return super().layer(ours, torch, random).to(self.device)

    def array(self, tensor):
        return tensor.detach().cpu().numpy().copy()

    def wait(self):
        if self.device == "cuda":
            self.t.cuda.synchronize()

    def precise(self):
        """Let products be rounded to tf32, or not, from now on: a switch of the whole process."""
        if self.device == "cuda":
            self.t.backends.cuda.matmul.allow_tf32 = self.t.backends.cudnn.allow_tf32 = self.tf32


def sides(against, images):
    """PyTorch's, if it is the opponent, then ours."""
    if against != "torch":
        return [Ours()]
    return [Torch(), *([Torch(channels_last=True)] if images else []), Torch(channels_last=images, tf32=True), Ours()]
