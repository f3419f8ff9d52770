"""Every kernel compiled to PTX for three generations of GPUs, with no GPU: types, and what must not be in the code.

What is compiled is what was launched: the calls of `test_simulated` are run on the simulator, which notes each kernel with the
types of its arguments (or have been: see TINYATTN_LAUNCHES there). Of the loops of elementwise functions, every formula in every dtype
is compiled, and every way to walk through arrays, but not each with each: the parts are functions that do not know of each other.
Needs numba-cuda (``pip install 'tinyattn[cuda]'``).
"""
import collections
import json
import os
import pathlib
import pickle
import re

import cuda_calls
import more_cuda_calls
import pytest
import registers

pytest.importorskip("numba_cuda", reason="needs numba-cuda: pip install 'tinyattn[cuda]'")

from tinyattn.kernels import cuda  # noqa: E402
from tinyattn.kernels.cuda import runtime  # noqa: E402

CAPABILITIES = (7, 5), (8, 0), (9, 0)
MAY_USE_FLOAT64 = {("draw", "normal")}
"""Kernels, by name and first argument of their factory, that compute in float64 for float32 arrays, as the reference does: normal
numbers are to be the same on every rung."""


LIBRARY = {"sin", "cos"}
"""Formulas of `loops.loop` whose library function reduces arguments above 10⁵ with a table in local memory, and in float64; smaller
ones never come there."""


def _launched_now():
    calls = more_cuda_calls.by_kernel(cuda)
    runtime.launched = noted = set()
    try:
        for name in calls:
            for call in calls[name]:
                cuda_calls.replay(call, cuda, name)
    finally:
        runtime.launched = None
    return noted


def launches():
    """{key: {types: (threads of a block, bytes of dynamic shared memory), most of each}} of everything that the simulated calls launched."""
    before = pathlib.Path(os.environ.get("TINYATTN_LAUNCHES") or "/nowhere")
    noted = pickle.loads(before.read_bytes()) if before.exists() else _launched_now()
    found = {}
    for key, types, *takes in noted:
        kinds = found.setdefault(key, {})
        kinds[types] = tuple(map(max, kinds.get(types, takes), takes))
    return found


LAUNCHES = launches()


def parts_of_loop(key, types):
    """What a kernel of `loops.loop` is put together of: a formula in its dtypes, a walk through the arrays, and the access to each of them."""
    formula, real, result, kinds, axes, lanes, wide = key[2]
    return (formula, real, result), (kinds, axes, lanes, wide), *((kind, lanes, type_) for kind, type_ in zip(kinds, types))


def chosen():
    """{module: [(key, types)]} of what is compiled: all of `LAUNCHES`, but of the loops only those with a part that none before them had."""
    found, seen = collections.defaultdict(list), set()
    for key in sorted(LAUNCHES, key=str):
        for types in sorted(LAUNCHES[key], key=str):
            parts = {*parts_of_loop(key, types)} if key[1] == "loop" else {(key, types)}
            if not parts <= seen:
                found[key[0].rpartition(".")[2]].append((key, types))
            seen |= parts
    return found


AT_ONCE = 20
"""Kernels of one test: they are shared out evenly among processes."""
CHOSEN = {f"{module} {start // AT_ONCE + 1}": some[start:start + AT_ONCE] for module, some in chosen().items() for start in range(0, len(some), AT_ONCE)}


def ptx(key, types, *capabilities):
    """The code of a kernel for each capability."""
    return runtime.ptx(runtime.kernel_of(key), types, *capabilities)


def faults(key, types, code):
    """What is wrong with `code`, in words."""
    found = []
    if key[1] == "loop" and key[2][0] in LIBRARY:
        return found
    floats = {t for name in types for t in (name if isinstance(name, tuple) else (name,)) if t in ("float32", "float64")}
    allowed = "float64" in floats or "float64" in str(key[2]) or (key[1], *(key[2] or ())[:1]) in MAY_USE_FLOAT64
    if not allowed and re.search(r"\.f64", code):
        found.append("float64 in a kernel of float32")
    if re.search(r"\.local\b", code):
        found.append("local memory: an array of the thread's own is indexed by what the compiler does not know")
    names = runtime.kernel_of(key).py_func.__code__
    if {"load4", "store4"} & {*names.co_names, *names.co_freevars} and not re.search(r"\.v4\.(f32|u32|b32)|\.v2\.(f64|u64|b64)", code):
        found.append("no 16-byte access where one was meant")
    return found


def assembled(key, types, codes):
    """What is wrong with a kernel that is assembled, in words; what it takes is noted in the file that TINYATTN_REGISTERS names."""
    threads, shared = LAUNCHES[key][types]
    found = []
    with open(os.environ["TINYATTN_REGISTERS"], "a", encoding="utf-8") as file:
        for capability, code in zip(CAPABILITIES, codes):
            takes = registers.takes(code, capability)
            row = dict(kernel=registers.named(key), types=str(types), capability=list(capability), threads=threads, dynamic=shared, **takes)
            file.write(json.dumps(row) + "\n")
            if not registers.blocks(row):
                found.append(f"{key} {types} for {capability}: no block of {threads} threads fits: {takes}")
            if takes["spilled"] and "float64" not in f"{key} {types}":      # doubles are for checking gradients: they may
                found.append(f"{key} {types} for {capability}: {takes['spilled']} bytes of registers are spilled to memory")
    return found


@pytest.mark.parametrize("some", CHOSEN)
def test_compiles_clean(some):
    problems = []
    for key, types in CHOSEN[some]:
        codes = ptx(key, types, *CAPABILITIES)
        if os.environ.get("TINYATTN_REGISTERS"):
            problems += assembled(key, types, codes)
        for capability, code in zip(CAPABILITIES, codes):
            problems += [f"{key} {types} for {capability}: {fault}" for fault in faults(key, types, code)]
    assert problems == []


def test_every_part_of_a_loop_is_compiled():
    def parts(pairs):
        return {part for key, types in pairs if key[1] == "loop" for part in parts_of_loop(key, types)}
    assert parts(pair for some in CHOSEN.values() for pair in some) == parts((key, t) for key in LAUNCHES for t in LAUNCHES[key])


def test_every_kernel_was_launched():
    launched = {key[:2] for key in LAUNCHES}
    assert sorted(set(runtime.KERNELS) - launched) == []
