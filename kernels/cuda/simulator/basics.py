"""What every part of the simulator knows: what a GPU has, what is an error, and which machine is running."""

WARP = 32
"""Threads of a warp."""
SHARED_BYTES = 48 * 1024
"""Shared memory of a block that asks for no more than what every GPU gives."""
LARGEST_BLOCK, LARGEST_GRID = (1024, 1024, 64), (2**31 - 1, 65535, 65535)


class SimulationError(RuntimeError):
    """A kernel did what a GPU would not survive, or would not do the same twice."""


class Dim3:
    """Three numbers: an index, or lengths."""
    __slots__ = ("x", "y", "z")

    def __init__(self, x=1, y=1, z=1):
        self.x, self.y, self.z = x, y, z


class Now:
    """The name `cuda` in translated functions: whichever machine runs now."""
    machine = None

    def __getattr__(self, name):
        return getattr(Now.machine, name)
