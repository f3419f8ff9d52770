"""What this GPU can do at most, and what a launch costs, measured by kernels that do nothing else.

    fma_gflops   every thread multiplies and adds to eight numbers in its registers, again and again (a multiply-add counts 2)
    copy_gbs     256 MB copied to another place; bytes read and bytes written both count
    launch_us    a kernel of one thread that does nothing, launched again and again; with one array and with eight
    graph_us     the same in a captured graph of a hundred, for each
"""
import numpy as np

from ... import kernels
from ..timing import median
from .timing import turns


def _kernels():
    from ...kernels.cuda.runtime import cuda, jit, specialised

    @specialised
    def _multiply_adds(real, rounds):
        one = real(1)

        @jit
        def multiply_adds(x, y):
            i = cuda.grid(1)
            a, b = x[0], x[1]
            v0, v1, v2, v3 = one, a, b, one + one
            v4, v5, v6, v7 = a + b, a + one, b + one, a - b
            for _ in range(rounds):
                v0 = v0 * a + b
                v1 = v1 * a + b
                v2 = v2 * a + b
                v3 = v3 * a + b
                v4 = v4 * a + b
                v5 = v5 * a + b
                v6 = v6 * a + b
                v7 = v7 * a + b
            y[i] = v0 + v1 + v2 + v3 + v4 + v5 + v6 + v7
        return multiply_adds

    @specialised
    def _nothing(arrays):
        if arrays == 1:
            @jit
            def nothing(a):
                pass
        else:
            @jit
            def nothing(a, b, c, d, e, f, g, h):
                pass
        return nothing

    return _multiply_adds, _nothing


def measure(quick=False):
    """``{"fma_gflops", "copy_gbs", "launch_us", "launch_8_arrays_us", "graph_us"}`` of the GPU, now."""
    from ...kernels.cuda import runtime
    k, (multiply_adds, nothing) = kernels.rung("cuda"), _kernels()
    rounds, blocks, threads = (4, 2, 32) if quick else (4096, 4096, 256)
    x, y = k.full(2, 0.5, np.float32), k.empty(blocks * threads, np.float32)
    source = k.full((64 if quick else 64 << 20,), 1, np.float32)
    target = k.empty(source.shape, source.dtype)
    graph = runtime.Graph()
    runtime.launch(nothing(1), 1, 32, x)
    with graph.capture():
        for _ in range(100):
            runtime.launch(nothing(1), 1, 32, x)
    times = turns({name: (work, k.synchronize) for name, work in {
        "fma": lambda: runtime.launch(multiply_adds(np.float32, rounds), blocks, threads, x, y),
        "copy": lambda: k.copy(source, target),
        "launch": lambda: runtime.launch(nothing(1), 1, 32, x),
        "launch 8": lambda: runtime.launch(nothing(8), 1, 32, *[x] * 8),
        "graph": graph.replay,
    }.items()}, 2.0, quick)
    return {"fma_gflops": 16 * rounds * blocks * threads / min(times["fma"]) / 1e6, "copy_gbs": 2 * source.nbytes / min(times["copy"]) / 1e6,
            "launch_us": 1e3 * median(times["launch"]), "launch_8_arrays_us": 1e3 * median(times["launch 8"]),
            "graph_us": 10 * median(times["graph"])}
