"""What is read from the assembler's report, and reckoned from it."""
import pytest
import registers

LOG = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'k' for 'sm_90'
ptxas info    : Function properties for k
ptxas         .     24 bytes stack frame, 40 bytes spill stores, 36 bytes spill loads
ptxas info    : Used 168 registers, used 1 barriers, 24 bytes cumulative stack size, 18432 bytes smem, 824 bytes cmem[0]
ptxas info    : Compile time = 105.191 ms
"""


def row(**changes):
    return dict(kernel="a.b", types="t", capability=[9, 0], threads=256, dynamic=0, registers=64, spilled=0, stack=0, shared=0) | changes


def test_what_the_assembler_says_is_read():
    assert registers.read(LOG) == dict(registers=168, spilled=76, stack=24, shared=18432)
    with pytest.raises(ValueError, match="says nothing of registers"):
        registers.read("info: 40 bytes gmem")


@pytest.mark.parametrize("changes, blocks", [
    (dict(), 4),                                                    # 8 warps of 32 · 64 registers, of 65,536
    (dict(registers=32), 8),
    (dict(registers=16), 8),                                        # 64 warps at most
    (dict(registers=41), 5),                                        # in units of 256: 1,536 for a warp, not 1,312
    (dict(registers=255, threads=288), 0),
    (dict(shared=100_000, dynamic=20_000), 1),
    (dict(capability=[7, 5], registers=32), 4),                     # 32 warps at most
    (dict(threads=33, registers=32), 32),                           # a warp that is not full is one
])
def test_blocks_of_a_multiprocessor(changes, blocks):
    assert registers.blocks(row(**changes)) == blocks


def test_the_table_has_a_line_for_each_kernel():
    rows = [row(capability=list(c), registers=n, types=str(n), spilled=s) for c in registers.PROCESSORS for n, s in ((40, 0), (64, 8))]
    lines = registers.table([*rows, *(row(kernel="a.a", capability=list(c)) for c in registers.PROCESSORS)]).splitlines()
    assert lines[2:] == ["| a.a | 1 | 64 | 32 of 32 | 64 | 32 of 64 | 64 | 32 of 64 | – |",
                         "| a.b | 2 | 40–64 | 32 of 32 | 40–64 | 32 of 64 | 40–64 | 32 of 64 | 24 |"]
