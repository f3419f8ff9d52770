"""What accesses cost a GPU: the lanes of a warp reach for memory together, and what counts is how many pieces they reach for.

**Global memory** comes in sectors of 32 bytes, four to a line of 128. A warp that reads 32 neighbouring float32 touches 4 sectors; one
that reads a column of a wide matrix touches 32, of which it uses an eighth. **Shared memory** has 32 banks of 4 bytes, side by
side; lanes that reach for different words of one bank take turns. (The same word is no conflict: it is handed to all.) Accesses of
8 or 16 bytes a lane are done in halves or quarters of a warp.

Lanes are taken to go in step: what they do at the same place for the k-th time, they do together. (NVIDIA, CUDA C++ Best Practices
Guide, "Coalesced Access to Global Memory" and "Shared Memory and Memory Banks".)
"""
import dataclasses
import linecache

SECTOR, LINE, BANKS, WORD = 32, 128, 32, 4
WARP = 32
WASTEFUL = 2
"""An access is flagged from this many times the least possible on."""


@dataclasses.dataclass
class Spot:
    """Everything that one access in the source did, in all warps: `count` accesses of whole warps.

    Global memory: sectors and lines touched, and the least number of sectors that could have held those bytes. Shared memory:
    turns taken, and the least.
    """
    launch: int
    kernel: str
    place: object
    array: str
    kind: str
    shared: bool
    count: int = 0
    lanes: int = 0
    sectors: int = 0
    lines: int = 0
    least_sectors: int = 0
    turns: int = 0
    least_turns: int = 0

    @property
    def waste(self):
        """How many times the least it took."""
        return self.turns / self.least_turns if self.shared else self.sectors / self.least_sectors

    @property
    def wasteful(self):
        """True if it is worth a word: uncoalesced, or in conflict over banks."""
        return self.waste >= WASTEFUL

    @property
    def source(self):
        """Its line in the source."""
        return linecache.getline(self.place.file, self.place.line).strip()

    def __str__(self):
        if self.shared:
            return (f"bank conflict at {self.place}: a warp that {self.kind} {self.array} takes {self.turns / self.count:.3g} turns, "
                    f"{self.least_turns / self.count:.3g} would do")
        return (f"uncoalesced at {self.place}: a warp that {self.kind} {self.array} touches {self.sectors / self.count:.3g} sectors of "
                f"{SECTOR} bytes, {self.least_sectors / self.count:.3g} could hold them")


def spots(seen):
    """The `Spot` of each place in what a witness has logged, in the order of the source."""
    together = {}
    for a in seen.accesses:
        together.setdefault((a.launch, a.block, a.rank // WARP, a.place, a.time, a.kind, a.array.name), []).append(a)
    found = {}
    for (launch, _, _, place, _, kind, name), lanes in together.items():
        key = launch, place, kind, name
        if key not in found:
            found[key] = Spot(launch, seen.launches[launch].kernel, place, name, kind, lanes[0].array.shared)
        _add(found[key], lanes)
    return sorted(found.values(), key=lambda s: (s.launch, s.place.file, s.place.line, str(s.place.position), s.kind))


def _add(spot, lanes):
    """One access of a warp: the lanes' own accesses."""
    size = lanes[0].array.array.itemsize
    ranges = [(a.array.aligned + a.start * size, a.count * size) for a in lanes]
    spot.count += 1
    spot.lanes += len(lanes)
    if not spot.shared:
        sectors, lines, used = touched(ranges)
        spot.sectors, spot.lines, spot.least_sectors = spot.sectors + sectors, spot.lines + lines, spot.least_sectors + -(-used // SECTOR)
        return
    width = lanes[0].count * size
    at_once = WARP if width <= WORD else WARP * WORD // width
    groups = {}
    for a, span in zip(lanes, ranges):
        groups.setdefault(a.rank % WARP // at_once, []).append(span)
    spot.turns += sum(map(turns, groups.values()))
    spot.least_turns += len(groups)


def touched(ranges):
    """(sectors, lines, bytes) that the `ranges`, pairs of first byte and length, touch."""
    sectors, lines, used = set(), set(), set()
    for first, length in ranges:
        sectors.update(range(first // SECTOR, (first + length - 1) // SECTOR + 1))
        lines.update(range(first // LINE, (first + length - 1) // LINE + 1))
        used.update(range(first, first + length))
    return len(sectors), len(lines), len(used)


def turns(ranges):
    """How often the busiest bank is asked for another word."""
    words = {word for first, length in ranges for word in range(first // WORD, (first + length - 1) // WORD + 1)}
    asked = [0] * BANKS
    for word in words:
        asked[word % BANKS] += 1
    return max(asked)
