"""What NVIDIA's assembler says of every kernel: registers, what it spills, shared memory, and how many warps a processor then holds.

``python tests/registers.py`` compiles and assembles them all for three generations of GPUs, without one (10 to 20 minutes; needs
``pip install -e '.[test,cuda]'``), and writes tests/recorded/registers.md. Spills in kernels of float32, and kernels of which no block
fits, are failures.
"""
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
RECORD = ROOT / "tests" / "recorded" / "registers.md"

PROCESSORS = {(7, 5): (65536, 65536, 32), (8, 0): (65536, 167936, 64), (9, 0): (65536, 233472, 64)}
"""Of a streaming multiprocessor: registers, bytes of shared memory, warps. (CUDA C++ Programming Guide, "Technical Specifications per
Compute Capability")"""


def takes(code, capability):
    """{"registers": of a thread, "spilled": bytes stored and loaded, "stack": bytes, "shared": bytes of a block} of a kernel in PTX."""
    from cuda.bindings import nvjitlink
    data, linker = code.encode(), nvjitlink.create(2, [f"-arch=sm_{capability[0]}{capability[1]}", "-verbose"])
    try:
        nvjitlink.add_data(linker, nvjitlink.InputType.PTX, data, len(data), "kernel")
        nvjitlink.complete(linker)
        log = bytearray(nvjitlink.get_info_log_size(linker))
        nvjitlink.get_info_log(linker, log)
    finally:
        nvjitlink.destroy(linker)
    return read(log.decode())


def read(log):
    """`takes`, of what the assembler printed. ValueError if it says nothing of registers."""
    def number(pattern):
        return max(map(int, re.findall(pattern, log)), default=0)
    if not re.search(r"Used \d+ registers", log):
        raise ValueError(f"the assembler says nothing of registers: {log[:500]}")
    return dict(registers=number(r"Used (\d+) registers"), spilled=number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads"),
                stack=number(r"(\d+) bytes stack frame"), shared=number(r"Used \d+ registers.*?(\d+) bytes smem"))


def blocks(row):
    """How many blocks of a kernel one multiprocessor holds at once: what there is of registers, shared memory and warps allows."""
    registers, shared, most = PROCESSORS[tuple(row["capability"])]
    warps = -(-row["threads"] // 32)
    each = -(-row["registers"] * 32 // 256) * 256                      # registers are given to whole warps, 256 at a time
    bytes_ = row["shared"] + row["dynamic"]
    return min(registers // each // warps, most // warps, shared // bytes_ if bytes_ else most)


def named(key):
    """A kernel's name, as module.function."""
    return ".".join([*key[0].split(".")[3:], key[1].lstrip("_")])


def table(rows):
    """Markdown: a line a kernel, over its types: registers from least to most, spills, and warps that a multiprocessor holds at least."""
    kernels = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in rows:
        kernels[row["kernel"]][tuple(row["capability"])].append(row)
    lines = ["| kernel | variants | " + " | ".join(f"{a}.{b} | warps" for a, b in PROCESSORS) + " | spilled |",
             "|---|---:|" + "---:|---:|" * len(PROCESSORS) + "---:|"]
    for name, found in sorted(kernels.items()):
        cells = []
        for capability, (_, _, most) in PROCESSORS.items():
            here = found[capability]
            least, largest = min(r["registers"] for r in here), max(r["registers"] for r in here)
            held = min(blocks(r) * -(-r["threads"] // 32) for r in here)
            cells += [f"{least}–{largest}" if least < largest else f"{least}", f"{held} of {most}"]
        spilled = sum(r["spilled"] for some in found.values() for r in some)
        lines.append(f"| {name} | {len(found[(9, 0)])} | " + " | ".join(cells) + f" | {spilled or '–'} |")
    return "\n".join(lines)


def main():
    """Compile, assemble, write the table; the exit status is that of the checks."""
    with tempfile.TemporaryDirectory() as folder:
        notes = pathlib.Path(folder, "registers.jsonl")
        status = subprocess.run([sys.executable, "-m", "pytest", "-n", "2", "--dist", "worksteal", str(ROOT / "tests" / "cuda" / "test_ptx.py"), *sys.argv[1:]],
                                env={**os.environ, "TINYATTN_REGISTERS": str(notes)}).returncode
        rows = [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []
    if not rows:
        return status or 1
    from importlib.metadata import version
    many = len({(row["kernel"], row["types"]) for row in rows})
    RECORD.write_text(f"""# What the GPU's kernels take

Registers of a thread, for three generations of GPUs, and how many warps a multiprocessor holds of those that it could: of each kernel's
variants (dtypes, options) the least and the most. {len(rows)} kernels for one generation, of {many} types of arguments, assembled by nvJitLink {version('nvidia-nvjitlink')}
from what numba-cuda {version('numba-cuda')} makes of them. Made by `python tests/registers.py`.

{table(rows)}
""", encoding="utf-8")
    print(f"wrote {RECORD.relative_to(ROOT)}: {len(rows)} kernels")
    return status


if __name__ == "__main__":
    sys.exit(main())
