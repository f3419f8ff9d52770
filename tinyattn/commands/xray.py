"""Watch a GPU kernel at work, thread by thread, on tiny arrays: who reads and writes which cell, how often, and what a GPU would pay.

It runs on the simulator, in Python: no GPU is needed, and every access is seen. A table counts each array's reads and writes, and the
pieces of memory that warps touch beside the least possible. What is wrong is named with its line: races (two threads, one cell,
at least one write, no barrier between), uncoalesced accesses, bank conflicts. A picture shows it all.

examples:
  tinyattn xray --list                            the kernels, and the sizes of their arrays
  tinyattn xray matmul --against matmul_plain     the tiled kernel beside the plain one
  tinyattn xray conv2d_forward --size H=6 W=6     other sizes
  tinyattn xray copy --picture copy.svg           a transposed copy: see how it reads
"""
import json
import os
import sys


def add_arguments(parser):
    """The options of `tinyattn xray`."""
    parser.add_argument("kernel", nargs="?", metavar="KERNEL", help="its name, as in tinyattn.kernels.cuda; NAME_plain is the plain version")
    parser.add_argument("--list", action="store_true", help="print the kernels, and the sizes of their arrays")
    parser.add_argument("--size", nargs="+", metavar="NAME=N", help="sizes of the arrays, as M=64 (default: a tile or two)")
    parser.add_argument("--shape", nargs="+", type=int, metavar="N", help="the same without names, in the order that --list prints")
    parser.add_argument("--against", metavar="KERNEL", help="another kernel that takes the same arguments, to see beside it: plain is its plain version")
    parser.add_argument("--picture", metavar="FILE", help="draw to this file: .png, .svg or .pdf (default: KERNEL.png)")
    parser.add_argument("--no-picture", action="store_true", help="only the table")
    parser.add_argument("--thread", type=int, default=0, metavar="N", help="the thread that is marked, by its number in the block (default %(default)s)")
    parser.add_argument("--block", type=int, default=0, metavar="N", help="its block (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON, draw only where --picture says")


def run(args):
    """Watch, draw, print. The exit code is 1 if a kernel has a race."""
    if "tinyattn.kernels.cuda" not in sys.modules:
        os.environ["TINYATTN_CUDA"] = "simulator"
    from .. import xray
    from ..cli import Mistake
    from ..training.files import writing
    try:
        if args.list or args.kernel is None:
            if args.kernel is None and not args.list:
                raise Mistake("which kernel? tinyattn xray KERNEL, one of " + ", ".join(xray.names()))
            return _list(xray)
        sizes = _sizes(xray, args)
        seen = [xray.look(args.kernel, **sizes)]
        if args.against is not None:
            seen.append(xray.look(_other(xray, args), **sizes))
        for one in seen:
            _check_marks(one, args)
    except xray.XrayError as error:
        raise Mistake(f"xray: {error}") from error
    picture = None if args.no_picture else args.picture or (None if args.json else f"{args.kernel}.png")
    if picture is not None:
        with writing(picture, "--picture"):
            xray.draw(seen[0], picture, *seen[1:], thread=args.thread, block=args.block)
    if args.json:
        print(json.dumps([_plain(xray, one) for one in seen]))
    else:
        print("\n\n".join(map(xray.table, seen)))
        if len(seen) > 1:
            print(f"\n{xray.compared(*seen)}")
        if picture is not None:
            print(f"{picture}\n  each array: what one thread, its warp and its block touch; how often cells are read")
    return 1 if any(one.races for one in seen) else 0


def _sizes(xray, args):
    from ..cli import Mistake
    from ..xray import examples
    if args.kernel not in xray.names():
        return {}  # `look` says what there is
    known = list(examples.sizes_of(args.kernel))
    if args.shape and args.size:
        raise Mistake("--shape and --size are two ways to say one thing: use one of them")
    if args.shape:
        if len(args.shape) > len(known):
            raise Mistake(f"--shape: {len(args.shape)} numbers, and {args.kernel} has {len(known)} sizes: {' '.join(known)}")
        return dict(zip(known, args.shape))
    sizes = {}
    for word in args.size or ():
        name, _, value = word.partition("=")
        if not value.isdecimal():
            raise Mistake(f"--size {word!r}: expected NAME=NUMBER, as in --size {known[0]}=16")
        sizes[name] = int(value)
    return sizes


def _other(xray, args):
    """The name of the kernel to compare with."""
    from ..xray import XrayError, examples
    other = f"{examples.base(args.kernel)}_plain" if args.against == "plain" else args.against
    if args.against == "plain" and other not in xray.names():
        raise XrayError(f"--against plain: {args.kernel} has no plain version")
    if other in xray.names() and examples.base(other) != examples.base(args.kernel):
        raise XrayError(f"--against {other}: it takes other arguments than {args.kernel}")
    return other


def _check_marks(seen, args):
    from ..xray import XrayError
    import math
    threads, blocks = (max(math.prod(getattr(launch, of)) for launch in seen.launches) for of in ("block", "grid"))
    for option, number, most in (("--thread", args.thread, threads), ("--block", args.block, blocks)):
        if not 0 <= number < most and not (seen.name != args.kernel and number >= 0):
            raise XrayError(f"{option} is {number}, and {seen.name} has {most}: expected 0 to {most - 1}")


def _list(xray):
    from ..xray import examples
    print("kernels, and the sizes of their arrays (--size NAME=NUMBER)")
    for name in xray.names():
        print(f"  {name:<30} " + "  ".join(f"{size} {value}" for size, value in examples.sizes_of(name).items()))
    return 0


def _plain(xray, seen):
    """What was seen, as plain data."""
    from ..xray import report
    return {"kernel": seen.name, "sizes": seen.sizes, "totals": report.totals(seen),
            "launches": [{"kernel": launch.kernel, "grid": launch.grid, "block": launch.block, "arrays": report.per_array(seen, n)}
                         for n, launch in enumerate(seen.launches)],
            "races": [str(race) for race in seen.races], "wasteful": [str(spot) for spot in seen.wasteful]}
