"""How much memory an array may ask for.

A system may promise more memory than it has, and end the process that comes to use it. So whoever asks for much is refused
here, before, by an error that names both numbers.
"""
import pathlib

MUCH = 1 << 28
"""Bytes from which it is worth looking how much is free; that takes some 50 microseconds."""


def _number(path):
    try:
        return int(pathlib.Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def state():
    """Bytes: "free" for us, free "swap" besides, and "total", with a container's limit in mind; None where the system does not say."""
    there = {}
    try:
        for line in pathlib.Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            name, _, rest = line.partition(":")
            there[name] = int(rest.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    found = {"free": there.get("MemAvailable"), "swap": there.get("SwapFree", 0), "total": there.get("MemTotal")}
    limit, used = _number("/sys/fs/cgroup/memory.max"), _number("/sys/fs/cgroup/memory.current")
    if limit is not None and (found["total"] is None or limit < found["total"]):
        left = max(limit - (used or 0), 0)
        found = {"free": left if found["free"] is None else min(found["free"], left), "swap": 0, "total": limit}
    return found


def free():
    """Bytes that can still be had, swap included; None where the system does not say."""
    found = state()
    return None if found["free"] is None else found["free"] + found["swap"]


def told(size):
    """A number of bytes, to be read."""
    power = min((max(size, 1).bit_length() - 1) // 10, 6)
    return f"{size / 1024 ** power:.{1 if power else 0}f} {('bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB')[power]}"


def lacking(size):
    """"" if `size` bytes can be had, else what is wrong."""
    if size < MUCH:
        return ""
    left = free()
    return "" if left is None or size <= left else f"would need {told(size)} of memory, and {told(left)} are free"
