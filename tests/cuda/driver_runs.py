"""What `test_driver` runs in processes of their own: numba-cuda on the driver of driver.c, where kernels leave memory as it is, all 0."""
import sys

import numpy as np

import tinyattn as ta
from tinyattn import nn
from tinyattn.kernels import cuda
from tinyattn.kernels.cuda import array, runtime
from tinyattn.training.update import EAGER_FIRST, Captured, Update


def train():
    """A training with a graph; then one more batch, of another size."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Dropout(0.25), nn.Linear(8, 4)).to("cuda")
    captured = Captured(Update(model, ta.optim.AdamW(model.parameters(), lr=1e-3), 0.1), print)
    for count in [4] * (EAGER_FIRST + 3) + [2]:
        images, labels = np.zeros((count, 1, 4, 4), np.float32), np.zeros(count, np.int64)
        loss, correct = captured(ta.tensor(images).to("cuda"), ta.tensor(labels).to("cuda"))
    assert loss.item() == 0 and captured.graph is not None
    print(ta.cuda.memory_summary())


def refuse():
    """A graph that waits is refused; what comes after it is launched as before."""
    x = ta.ones(1, device="cuda")
    try:
        with ta.cuda.graph(ta.cuda.CUDAGraph()):
            (x + x).item()
    except runtime.CaptureError:
        (x + x).item()


def fill():
    """Memory runs out: idle blocks make room, and if there are none an error says so; NumPy's integers are a grid, too."""
    for _ in range(3):
        held = [cuda.zeros((1 << 20) + k, np.float32) for k in range(3)]  # 12 MiB, of sizes that serve no other
        del held
        cuda.zeros(5 << 20, np.float32)
    try:
        cuda.empty(1 << 40, np.float32)
    except MemoryError as error:
        print(error)
    runtime.launch(array._count, np.int64(2), 32, cuda.empty(40, np.int64))
    assert cuda.to_host(cuda.empty((0, 3), np.float32)).shape == (0, 3)
    for empty in (0, 3), (3, 0):
        assert str(cuda.empty(empty, np.float32).handle()._numba_type_) == "array(float32, 2d, C)"


if __name__ == "__main__":
    globals()[sys.argv[1]]()
