"""What was seen, as text: each array's reads and writes, and what is wrong, with its line."""
import collections
import math


def per_array(seen, launch):
    """Rows of a launch's arrays: dicts of name, where, shape, reads, writes, cells read and written, most reads of one cell, and the traffic."""
    rows = []
    for name, watched in seen.launches[launch].arrays.items():
        reads, writes = counts(seen, launch, name)
        spots = [s for s in seen.spots if s.launch == launch and s.array == name]
        rows.append({"name": name.removeprefix("shared "), "where": "shared" if watched.shared else "global", "shape": seen.shape(watched),
                     "reads": sum(reads.values()), "writes": sum(writes.values()), "cells_read": len(reads), "cells_written": len(writes),
                     "most": max(reads.values(), default=0), "requests": sum(s.count for s in spots),
                     "pieces": sum(s.turns if s.shared else s.sectors for s in spots),
                     "least": sum(s.least_turns if s.shared else s.least_sectors for s in spots)})
    return rows


def counts(seen, launch, name):
    """(cell → reads, cell → writes) of an array; an atomic change is both."""
    reads, writes = collections.Counter(), collections.Counter()
    for a in seen.accesses:
        if a.launch == launch and a.array.name == name:
            for counter, of in ((reads, ("reads", "changes atomically")), (writes, ("writes", "changes atomically"))):
                if a.kind in of:
                    counter.update(range(a.start, a.start + a.count))
    return reads, writes


def barriers(seen, launch):
    """How often a block waited for all its threads."""
    return max((a.phase for a in seen.accesses if a.launch == launch), default=0)


def table(seen):
    """The report on one kernel."""
    lines = [f"{seen.name}  " + "  ".join(f"{size} {value}" for size, value in seen.sizes.items())]
    for number, launch in enumerate(seen.launches):
        waits = barriers(seen, number)
        lines += ["", f"launch {number + 1} of {len(seen.launches)}: {launch.kernel}, {_by(launch.grid)} blocks of {_by(launch.block)} threads, "
                  f"{waits} barrier{'s' * (waits != 1)}",
                  f"  {'array':<12}{'memory':<8}{'shape':<16}{'reads':>9}{'a cell':>8}{'writes':>9}   pieces of memory touched by warps, and the least"]
        for row in per_array(seen, number):
            reuse = f"{row['reads'] / row['cells_read']:.3g}" if row["cells_read"] else ""
            pieces = "turns" if row["where"] == "shared" else "sectors"
            lines.append(f"  {row['name']:<12}{row['where']:<8}{'×'.join(map(str, row['shape'])):<16}{row['reads']:>9,}{reuse:>8}{row['writes']:>9,}   "
                         f"{row['pieces']:,} {pieces}, {row['least']:,} at least" + (f" ({row['pieces'] / row['least']:.3g} times)"
                                                                               if row["pieces"] > row["least"] else ""))
    return "\n".join([*lines, "", *complaints(seen)])


def complaints(seen):
    """What is wrong, a line or two each; or that nothing is."""
    found = [f"RACE  {str(race).removeprefix('race ')}\n      {_source(race.first.place)}\n      {_source(race.second.place)}" for race in seen.races]
    for shared, title in ((False, "UNCOALESCED"), (True, "BANKS")):
        found += [f"{title}  {str(spot).partition(' at ')[2]}\n      {spot.source}" for spot in seen.wasteful if spot.shared == shared]
    said = "races: none found" if not seen.races else f"races: {len(seen.races)}"
    uncoalesced = sum(not s.shared for s in seen.wasteful)
    conflicts = len(seen.wasteful) - uncoalesced
    return [*found, f"{said}; uncoalesced accesses: {uncoalesced or 'none'}; bank conflicts: {conflicts or 'none'}"]


def _source(place):
    import linecache
    return f"{place}  {linecache.getline(place.file, place.line).strip()}"


TOTALS = (("launches", lambda s: len(s.launches)), ("threads", lambda s: sum(math.prod(l.grid) * math.prod(l.block) for l in s.launches)),
          ("barriers", lambda s: sum(barriers(s, n) for n in range(len(s.launches)))),
          ("global reads", lambda s: _count(s, False, "reads")), ("global writes", lambda s: _count(s, False, "writes")),
          ("reads of a global cell, at most", lambda s: max((r["most"] for n in range(len(s.launches)) for r in per_array(s, n)
                                                             if r["where"] == "global"), default=0)),
          ("sectors of 32 bytes", lambda s: sum(p.sectors for p in s.spots)), ("lines of 128 bytes", lambda s: sum(p.lines for p in s.spots)),
          ("shared reads", lambda s: _count(s, True, "reads")), ("shared writes", lambda s: _count(s, True, "writes")),
          ("turns at shared memory", lambda s: sum(p.turns for p in s.spots)))


def totals(seen):
    """Everything that a kernel did, in a few numbers: name → number."""
    return {name: of(seen) for name, of in TOTALS}


def _count(seen, shared, kind):
    return sum(a.count for a in seen.accesses if a.array.shared == shared and a.kind in (kind, "changes atomically"))


def compared(one, other):
    """Two kernels beside each other, in totals."""
    a, b = totals(one), totals(other)
    width = max(10, len(one.name), len(other.name)) + 2
    lines = [f"{'':<34}{one.name:>{width}}{other.name:>{width}}"]
    for name in a:
        times = f"{b[name] / a[name]:>9.3g} times" if a[name] and a[name] != b[name] else ""
        lines.append(f"{name:<34}{a[name]:>{width},}{b[name]:>{width},}{times}")
    return "\n".join(lines)


def _by(lengths):
    return "×".join(map(str, lengths[:max((k + 1 for k in range(3) if lengths[k] > 1), default=1)]))
