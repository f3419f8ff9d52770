"""The kernels on lesser machines: ``python tests/portability.py [haswell] [x86-64]``.

For each of these processors a process of its own, with an empty cache, one beside the other: Numba compiles for that processor,
the tests of the kernels pass, and the assembly of everything that was compiled on the way names no register wider than it
has, and does name the widest it has. Code for the lesser one runs on the better one, so any x86-64 will do. What NumPy computes is
left to the usual tests.
"""
import concurrent.futures
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
MACHINES = {
    # NUMBA_CPU_NAME: registers it lacks, the widest it has
    "haswell": (("zmm",), "ymm"),  # AVX2
    "x86-64": (("zmm", "ymm"), "xmm"),  # SSE2 alone: not even a fused multiply-add
}
FAMILIES = ("conv", "matmul", "attention", "pool", "norm", "gates", "energy", "additive", "weighted_sum", "recurrent", "softmax", "loss",
            "optimizer_kernels", "resample")
CHOSEN = "not reference and not another_processor"  # of their tests, as pytest's -k
LEAST = 60  # functions that must have been looked at


def compiled():
    """Every compiled function of this process: name and assembly."""
    from tinyattn.commands.warmup_list import bodies
    for (module, name), function in sorted(bodies().items()):
        if module.startswith("tinyattn.kernels."):
            for made in function.overloads.values():
                yield f"{module}.{name}", made.library.get_asm_str()


def run(machine):
    """In a process that pretends to be `machine`: the tests, then the assembly. Returns the exit status."""
    import pytest
    lacking, widest = MACHINES[machine]
    folder = ROOT / "tests" / "kernels"
    status = pytest.main(["-q", "-p", "no:cacheprovider", "-k", CHOSEN, *(str(folder / f"test_{family}.py") for family in FAMILIES)])
    if status:
        return int(status)
    from tinyattn.kernels.cpu import simd
    looked, wide = 0, 0
    for name, text in compiled():
        found = [register for register in lacking if f"%{register}" in text]
        if found:
            print(f"{machine}: {name} uses {', '.join(found)}, which that processor lacks")
            status = 1
        looked, wide = looked + 1, wide + (f"%{widest}" in text)
    print(f"{machine}: vectors of {simd.VECTOR_BYTES} bytes; {looked} functions looked at, {wide} use {widest}, {'some' if status else 'none'} a wider one")
    return int(status or looked < LEAST or wide < LEAST // 2)


def start(machine):
    """Run a fresh process for `machine`; returns (exit status, what it said)."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "NUMBA_CPU_NAME": machine, "NUMBA_CPU_FEATURES": "", "TINYATTN_CACHE": cache,
                       "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
        environment.pop("TINYATTN_VECTOR_BYTES", None)
        done = subprocess.run([sys.executable, __file__, "--as", machine], cwd=ROOT, env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


if __name__ == "__main__":
    if sys.argv[1:2] == ["--as"]:
        sys.exit(run(sys.argv[2]))
    if platform.machine().lower() not in ("x86_64", "amd64"):
        sys.exit(print("only an x86-64 processor can run the code of lesser ones: nothing was tried"))
    chosen = sys.argv[1:] or list(MACHINES)
    if unknown := set(chosen) - set(MACHINES):
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(MACHINES)}")
    with concurrent.futures.ThreadPoolExecutor(len(chosen)) as pool:
        results = list(pool.map(start, chosen))
    for _, said in results:
        print(said)
    sys.exit(max(status for status, _ in results))
