"""Run in a process of its own by the doctor: do the kernels run, on which threads, and is there a GPU?

A processor that lacks an instruction, or a threading layer that aborts, ends only this process. Prints one line of JSON.
"""
import json
import os
import time


def kernels_run():
    """A small convolution on the cpu rung beside the reference, and what is known only after a parallel kernel ran."""
    started = time.perf_counter()
    import numba
    import numpy as np

    import tinyattn as ta
    from tinyattn import kernels
    imported = time.perf_counter() - started
    with kernels.use("cpu"):
        from tinyattn.kernels.cpu import cache, compiling, simd
        compiling.watch()
        x = ta.tensor(np.sin(np.arange(8 * 16 * 32 * 32, dtype=np.float32)).reshape(8, 16, 32, 32))
        w = ta.tensor(np.cos(np.arange(16 * 16 * 3 * 3, dtype=np.float32)).reshape(16, 16, 3, 3))
        began = time.perf_counter()
        y = ta.nn.functional.conv2d(x, w, padding=1).data
        first = time.perf_counter() - began
        began = time.perf_counter()
        ta.nn.functional.conv2d(x, w, padding=1)
        again = time.perf_counter() - began
    with kernels.use("reference"):
        expected = ta.nn.functional.conv2d(x, w, padding=1).data
    try:
        layer = numba.threading_layer()
    except ValueError:  # no parallel kernel ran
        layer = None
    return {"difference": float(np.abs(y - expected).max() / np.abs(expected).max()), "import_seconds": round(imported, 3),
            "compile_seconds": round(compiling.seconds(), 3), "compiled": compiling.count(), "first_seconds": round(first, 4),
            "again_seconds": round(again, 5), "threading_layer": layer, "threads": numba.get_num_threads(),
            "vector_bytes": simd.VECTOR_BYTES, "cache_folder": str(cache.FOLDER)}


def gpu_state():
    """What `kernels.diagnosis` looks at, and under "run_error" why a kernel does not run on the GPU; nothing is raised."""
    from ..kernels import diagnosis
    facts = diagnosis.facts()
    if not diagnosis.diagnose(facts):
        try:
            _run_on_the_gpu()
        except Exception as error:
            facts["run_error"] = diagnosis.said(error)
    return facts


def _run_on_the_gpu():
    """A thousand numbers there and back, doubled on the way. RuntimeError if they are wrong."""
    import numpy as np

    from ..kernels import cuda
    x = np.arange(1000, dtype=np.float32)
    y = cuda.to_host(cuda.add(cuda.from_host(x), cuda.from_host(x)))
    if not np.array_equal(y, x + x):
        raise RuntimeError("1000 sums were computed, and not all are right")


def main():
    """Print what was found; an exception becomes a line of it."""
    found = {}
    for name, function in (("kernels", kernels_run), ("gpu", gpu_state)):
        try:
            found[name] = function()
        except Exception as error:
            found[name] = None
            found[f"{name}_error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    try:
        found["tasks"] = len(os.listdir("/proc/self/task"))
    except OSError:
        pass
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
