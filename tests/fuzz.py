"""Every reader of files, against files that were changed at random.

    python tests/fuzz.py [READER …] [--inputs N] [--seed S] [--seconds T] [--jobs J] [--keep DIR]

Valid files are made, then changed: bits and bytes, cut off, made longer, pieces taken out or doubled, two files joined,
numbers in headers replaced by the smallest and largest there are; checksums within (gzip, PNG, tar, our own) are made
right again in half of them, so that what lies behind is reached. Input i of a reader follows from the seed and i alone.

An input may be accepted, or refused by a ``raise`` of ours. Three things are failures: any other error (or a warning out
of the arithmetic), more than `PATIENCE` seconds, and a peak of memory more than the reader's bound above the start.
Pictures go through the entrance of ``tinyattn predict``. Exit code 1 if anything failed.
"""
import argparse
import collections
import concurrent.futures
import contextlib
import functools
import gzip
import hashlib
import io
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
import warnings
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from answers import is_ours  # noqa: E402

PATIENCE = 5.0
"""Seconds that one input may take."""

EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1,
            1 << 63, (1 << 64) - 1)


# ---- changing bytes ------------------------------------------------------------------------------------------------------

def _place(data, rng):
    """A place in `data`; every second time among the first bytes, where headers are."""
    return rng.randrange(min(len(data), 64) if rng.random() < 0.5 else len(data))


def flip(data, other, rng):
    """One to eight bits."""
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        data[_place(data, rng)] ^= 1 << rng.randrange(8)


def put(data, other, rng):
    """One to eight bytes."""
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[_place(data, rng)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def number(data, other, rng):
    """An integer of 1 to 8 bytes by an extreme one, or by itself and a little."""
    size, order, at = rng.choice((1, 2, 4, 8)), rng.choice(("big", "little")), _place(data, rng)
    at -= at % rng.choice((1, size))
    old = int.from_bytes(data[at:at + size], order)
    value = rng.choice((*EXTREMES, old + 1, old - 1, old * 2, old * 1000)) % (1 << 8 * size)
    data[at:at + size] = value.to_bytes(size, order)


def digits(data, other, rng):
    """A number written in digits (JSON, tar) by another one."""
    ends = [i for i in range(1, len(data) - 1) if 48 <= data[i] < 58 and not chr(data[i - 1]).isalnum()] if len(data) < 20_000 else []
    if not ends:
        return number(data, other, rng)
    at = stop = rng.choice(ends)
    while stop < len(data) and 48 <= data[stop] < 58:
        stop += 1
    data[at:stop] = rng.choice((b"-1", b"0", b"1e400", b"NaN", b"null", b"[]", b"{}", b'"x"', b"true", b"9" * 30,
                                b"7" * (stop - at), b"0.5"))


def cut(data, other, rng):
    """Cut off."""
    del data[_place(data, rng):]


def lengthen(data, other, rng):
    """Zeros, noise or more of the same behind the end."""
    count = rng.choice((1, 2, 100, 5000))
    data += rng.choice((bytes(count), rng.randbytes(count), bytes(data[:count])))


def take_out(data, other, rng):
    """A piece less."""
    at = _place(data, rng)
    del data[at:at + rng.choice((1, 2, 4, 16, 200))]


def double(data, other, rng):
    """A piece twice, or one from elsewhere."""
    at, start, size = _place(data, rng), _place(data, rng), rng.choice((1, 4, 16, 200))
    data[at:at] = data[start:start + size]


def splice(data, other, rng):
    """The beginning of this file and the end of another."""
    at = _place(data, rng)
    data[at:] = other[min(at, len(other)):] if rng.random() < 0.5 else other[rng.randrange(len(other)):]


CHANGES = (flip, flip, put, put, number, number, number, digits, cut, lengthen, take_out, double, splice)


def changed(data, others, rng):
    """`data` (bytes) after one to three changes."""
    data, other = bytearray(data), rng.choice(others)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not data:
            break
        rng.choice(CHANGES)(data, other, rng)
    return bytes(data)


# ---- making checksums right again ------------------------------------------------------------------------------------------

def png_sums(data):
    """A PNG whose chunks have the right CRC, as far as its lengths make sense."""
    data, at = bytearray(data), 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at:at + 4], "big")
        if at + 12 + length > len(data):
            break
        data[at + 8 + length:at + 12 + length] = zlib.crc32(data[at + 4:at + 8 + length]).to_bytes(4, "big")
        at += 12 + length
    return bytes(data)


def tar_sums(data):
    """A tar whose headers have the right sum, as far as its sizes make sense."""
    data, at = bytearray(data), 0
    while at + 512 <= len(data) and any(data[at:at + 512]):
        data[at + 148:at + 156] = b" " * 8
        data[at + 148:at + 156] = b"%06o\0 " % sum(data[at:at + 512])
        try:
            size = int(bytes(data[at + 124:at + 135]).strip(b"\0 ") or b"0", 8)
        except ValueError:
            size = 0
        at += 512 + (max(0, size) + 511) // 512 * 512
    return bytes(data)


def signed(data):
    """One of our safetensors files with the checksums of what it holds now, where it can still be taken apart."""
    import safetensors.numpy
    from tinyattn.training import checkpoint
    try:
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8:8 + length])["__metadata__"]
        arrays = safetensors.numpy.load(data)
        metadata["checksum"], metadata["state_checksum"] = checkpoint._checksum(arrays), checkpoint._text_checksum(metadata["state"])
        return safetensors.numpy.save(arrays, metadata)
    except Exception:
        return data


# ---- the readers -----------------------------------------------------------------------------------------------------------

class Reader:
    """`seeds`: valid files. `read(path)`. `mutate(data, seeds, rng)` → bytes. `most`: bytes of memory an input may take."""

    def __init__(self, seeds, read, mutate=changed, most=64 << 20, name="file"):
        self.seeds, self.read, self.mutate, self.most, self.name = seeds, read, mutate, most, name


def _idx():
    import numpy as np
    from tinyattn.data import idx
    arrays = [np.arange(6 * 28 * 28, dtype=np.uint8).reshape(6, 28, 28), np.arange(9, dtype=np.uint8), np.ones((2, 3), np.float64)]
    plain = [idx.header(array) + array.tobytes() for array in arrays]

    def mutate(data, seeds, rng):
        data = gzip.decompress(data) if (packed := data[:2] == b"\x1f\x8b") and rng.random() < 0.6 else data
        data = changed(data, seeds, rng)
        return gzip.compress(data, 1) if packed and rng.random() < 0.7 else data
    return Reader(plain + [gzip.compress(each, 1) for each in plain], lambda path: idx.read_idx(path, 1 << 25), mutate)


def _cifar():
    import tarfile

    from tinyattn.data import cifar
    folder, names = "cifar-10-batches-bin", ["a.bin", "b.bin"]
    record, out, long = bytes([3]) + bytes(range(256)) * 12, [], "long/" * 40
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=form) as file:
            for name in [f"{folder}/a.bin", *([long] if form != tarfile.USTAR_FORMAT else []), f"{folder}/b.bin", f"{folder}/readme.html"]:
                info = tarfile.TarInfo(name)
                info.size = len(record)
                file.addfile(info, io.BytesIO(record))
        out.append(packed.getvalue())

    def mutate(data, seeds, rng):
        data = gzip.decompress(data)
        if rng.random() < 0.75:
            data = changed(data, seeds, rng)
            data = tar_sums(data) if rng.random() < 0.6 else data
            return gzip.compress(data, 1)
        return changed(gzip.compress(data, 1), seeds, rng)
    return Reader([gzip.compress(each, 1) for each in out], lambda path: cifar.read_cifar(path, folder, names, 1, 10), mutate)


def _records():
    from tinyattn.data import cifar
    return Reader([bytes([3]) + bytes(3072), (bytes([9]) + bytes(range(256)) * 12) * 2],
                  lambda path: cifar.read_cifar(path.parent, "", [path.name], 1, 10))


@functools.cache
def _run():
    """A small unfinished run after one step (on the reference), and its files."""
    from tinyattn import kernels, training
    from tinyattn.training import session, setup
    from tinyattn.training.loop import Run
    folder = pathlib.Path(tempfile.mkdtemp())
    config = training.complete(model="lenet", limit_train=16, limit_test=8, batch_size=8, epochs=1)
    try:
        with kernels.use("reference"):
            run = Run(config, setup.load_data(config), folder, training.Progress(quiet=True))
            run._step(*next(iter(run.loader)))
            run._results_in(1, wait=True)
            run.save()
            session.save_model(folder / "model.safetensors", run.model, config, run.data.train)
        return run, {name: (folder / f"{name}.safetensors").read_bytes() for name in ("model", "checkpoint")}
    finally:
        shutil.rmtree(folder)


def _safetensors_mutate(data, seeds, rng):
    """Mostly the header and what it says, which is a hundredth of the file."""
    length = int.from_bytes(data[:8], "little")
    header = data[8:8 + length]
    if rng.random() < 0.5:  # the state: text within text
        outer = json.loads(header)
        text = bytearray(outer["__metadata__"]["state"].encode())
        if rng.random() < 0.5:  # still JSON, but other values
            digits(text, text, rng)
        else:
            text = changed(text, [text], rng)
        outer["__metadata__"]["state"] = text.decode("utf-8", "replace")
        header = json.dumps(outer).encode()
        header += b" " * (-len(header) % 8)
        return signed(struct.pack("<Q", len(header)) + header + data[8 + length:])
    if rng.random() < 0.6:
        header = changed(header, [header], rng)
        data = struct.pack("<Q", len(header)) + header + data[8 + length:]
    else:
        data = changed(data, seeds, rng)
    return signed(data) if rng.random() < 0.5 else data


def _model():
    from tinyattn import kernels, training
    _, files = _run()

    def read(path):
        with kernels.use("reference"):
            training.open_run(path)
    return Reader([files["model"]], read, _safetensors_mutate, 128 << 20, "model.safetensors")


def _checkpoint():
    from tinyattn import kernels
    from tinyattn.training import checkpoint, saved, setup
    run, files = _run()

    def read(path):
        with kernels.use("reference"):
            state = checkpoint.load(path)
            config = saved.config(*saved.parts(state, ("config",), path), path)
            saved.progress(state, config, path)
            run.folder = path.parent  # a state that is refused half-way leaves its run spoilt: the next one gets new parts
            run.optimizer = setup.build_optimizer(run.config, run.model)
            run.schedule = setup.build_schedule(run.config, run.optimizer, run.total)
            run.load_state(state)
    return Reader([files["checkpoint"]], read, _safetensors_mutate, 128 << 20, "checkpoint.safetensors")


def _json():
    from tinyattn.training import files, session
    good = json.dumps({"test_accuracy": 0.5, "train_seconds": 1.5, "compile_seconds": 0, "images_per_second": 7, "run": "runs/x",
                       "é": [1, {}]})
    return Reader([good.encode(), good.replace("0.5", "[NaN, null]", 1).replace('"run"', '"test_accuracy": 1, "run"').encode()],
                  lambda path: (files.read_json(path), session._read_result(path)))


def _picture(form, *modes, **options):
    """Pictures of one format in several modes, read as `tinyattn predict` reads them, for figures and for photographs."""
    def make():
        import numpy as np
        from PIL import Image
        from tinyattn.training import pictures
        seeds = []
        pixels = np.add.outer(np.arange(30) * 5, np.arange(40) * 3).astype(np.uint8)
        pixels[8:20, 15:19] = 250
        for mode in modes:
            image = Image.fromarray(pixels.astype(np.uint16) * 200) if mode == "I;16" else Image.fromarray(pixels).convert(mode)
            for more in ({}, *options.get("also", ())):
                out = io.BytesIO()
                image.save(out, form, **more)
                seeds.append(out.getvalue())
        figure = {"data": "mnist", "channels": 1, "image_size": [28, 28]}
        photo = {"data": "cifar10", "channels": 3, "image_size": [32, 32]}

        def mutate(data, seeds, rng):
            data = changed(data, seeds, rng)
            return png_sums(data) if form == "PNG" and rng.random() < 0.6 else data

        def read(path):
            pictures.prepare(path, figure)
            pictures.prepare(path, photo)
        return Reader(seeds, read, mutate, 600 << 20)
    return make


def _exif():
    from PIL import Image
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8769] = 6, "camera", {0x9000: b"0230"}
    return exif.tobytes()


READERS = {
    "idx": (_idx, 4), "cifar": (_cifar, 3), "records": (_records, 2), "model": (_model, 3), "checkpoint": (_checkpoint, 3),
    "result": (_json, 1),
    "png": (_picture("PNG", "L", "RGB", "RGBA", "P", "1", "LA", "I;16", also=({"optimize": True}, {"exif": _exif()})), 4),
    "jpeg": (_picture("JPEG", "L", "RGB", "CMYK", also=({"exif": _exif()}, {"progressive": True})), 3),
    "gif": (_picture("GIF", "L", "P", "RGB"), 3),
    "bmp": (_picture("BMP", "1", "L", "RGB", "P"), 3), "webp": (_picture("WEBP", "RGB", "RGBA", also=({"lossless": True},)), 3),
    "tiff": (_picture("TIFF", "L", "RGB", "I;16", "F", also=({"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"})), 3),
    "ppm": (_picture("PPM", "L", "RGB", "1"), 2), "jpeg2000": (_picture("JPEG2000", "L", "RGB"), 2), "avif": (_picture("AVIF", "RGB"), 1),
}
"""Name → (maker of its `Reader`, its share of the inputs)."""


# ---- trying ----------------------------------------------------------------------------------------------------------------

class Hang(BaseException):
    """The alarm rang."""


def _ring(*_):
    raise Hang


def _peak(fresh=False):
    """The most bytes of memory this process has had; with `fresh`, from now on (Linux; elsewhere from its start)."""
    import resource
    if fresh:
        with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def tmpfs():
    """A folder in memory, where the system has one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@functools.cache
def reader_of(name):
    """The reader, made once a process."""
    return READERS[name][0]()


def content(name, seed, i):
    """Input `i`: bytes that follow from the name, the seed and i."""
    reader, rng = reader_of(name), random.Random(f"{seed} {name} {i}")
    return reader.mutate(rng.choice(reader.seeds), reader.seeds, rng)


def attempt(reader, path, patience=PATIENCE):
    """Read the file at `path`: ("accepted" or "refused" or "bare" or "hang" or "memory", what was said)."""
    began, before = time.monotonic(), _peak(fresh=True)
    try:
        signal.setitimer(signal.ITIMER_REAL, patience)
        try:
            reader.read(path)
            outcome = "accepted", ""
        except Exception as error:
            outcome = ("refused" if is_ours(error) else "bare"), f"{type(error).__name__}: {str(error).replace(str(path), 'FILE')[:200]}"
        signal.setitimer(signal.ITIMER_REAL, 0)
    except Hang:  # it can ring in the lines above, too
        outcome = "hang", f"more than {patience} s"
    if outcome[0] != "hang" and time.monotonic() - began > patience:  # in compiled code the alarm is heard late
        outcome = "hang", f"{time.monotonic() - began:.1f} s"
    if _peak() - before > reader.most:
        outcome = "memory", f"{(_peak() - before) >> 20} MB more ({outcome[1]})"
    return outcome


def trial(name, seed, first, last, until=None, keep=None, patience=PATIENCE):
    """Inputs first … last − 1 of a reader: (counts, answers, failures as (i, kind, words)). Stops at the clock time `until`."""
    import faulthandler
    counts, answers, failures = collections.Counter(), collections.Counter(), []
    folder = pathlib.Path(tempfile.mkdtemp(dir=tmpfs()))
    previous = signal.signal(signal.SIGALRM, _ring)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", RuntimeWarning)
            reader = reader_of(name)
            path = folder / reader.name
            for seed_file in reader.seeds:  # what is valid is accepted, and what is loaded once is loaded
                path.write_bytes(seed_file)
                reader.read(path)
            for i in range(first, last):
                if until is not None and time.time() > until:
                    break
                made = content(name, seed, i)
                path.write_bytes(made)
                if patience == PATIENCE:
                    faulthandler.dump_traceback_later(20 * PATIENCE, exit=True, file=_errors())  # compiled code that never returns
                kind, words = attempt(reader, path, patience)
                faulthandler.cancel_dump_traceback_later()
                counts[kind] += 1
                counts["inputs"] += 1
                if kind == "refused":
                    answers[words.translate({ord(d): "0" for d in "123456789"})[:60]] += 1
                elif kind != "accepted":
                    failures.append((i, kind, words))
                    if keep:
                        pathlib.Path(keep).mkdir(parents=True, exist_ok=True)
                        (pathlib.Path(keep) / f"{name}-{seed}-{i}-{hashlib.sha256(made).hexdigest()[:8]}").write_bytes(made)
    finally:
        signal.signal(signal.SIGALRM, previous)
        shutil.rmtree(folder, ignore_errors=True)
    return counts, answers, failures


_KEPT = []


def _errors():
    return _KEPT[0] if _KEPT else sys.stderr


def limited(gigabytes=6):
    """Give this process a limit of address space, so that a reader's mistake does not take the machine with it.

    What libtiff writes to standard error by itself is dropped; a crash of this process is still told there.
    """
    import faulthandler
    import resource
    _KEPT.append(os.fdopen(os.dup(2), "w"))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    faulthandler.enable(_KEPT[0])
    resource.setrlimit(resource.RLIMIT_AS, (gigabytes << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))


def parts(names, inputs, size=500):
    """(name, first, last) pieces of work that share `inputs` among the readers."""
    whole = sum(READERS[name][1] for name in names)
    work = []
    for name in names:
        count = -(-inputs * READERS[name][1] // whole)
        work += [(name, first, min(first + size, count)) for first in range(0, count, size)]
    return work


def main(argv=None):
    """The command: a row a reader; 1 where something failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readers", nargs="*", metavar="READER", help=", ".join(READERS) + " (default: all)")
    parser.add_argument("--inputs", type=int, default=100_000, help="changed files in all (default: %(default)s)")
    parser.add_argument("--seed", default="0", help="another seed, other files (default: %(default)s)")
    parser.add_argument("--seconds", type=float, help="stop after this time")
    parser.add_argument("--jobs", type=int, default=min(8, os.cpu_count() or 1), help="processes (default: %(default)s)")
    parser.add_argument("--keep", metavar="DIR", help="keep the files that failed")
    args = parser.parse_args(argv)
    for name in args.readers:
        if name not in READERS:
            parser.error(f"unknown reader {name!r}, choose from {', '.join(READERS)}")
    names, started = args.readers or list(READERS), time.time()
    until = started + args.seconds if args.seconds else None
    counts, answers, failures = (collections.defaultdict(make) for make in (collections.Counter, collections.Counter, list))
    with concurrent.futures.ProcessPoolExecutor(args.jobs, multiprocessing.get_context("spawn"), initializer=limited) as pool:
        futures = {pool.submit(trial, name, args.seed, first, last, until, args.keep): name for name, first,
                   last in parts(names, args.inputs)}
        for future in concurrent.futures.as_completed(futures):
            name = futures[future]
            try:
                more = future.result()
            except concurrent.futures.process.BrokenProcessPool:
                print("a process ended: a reader crashed, or hung in compiled code", file=sys.stderr)
                return 1
            counts[name].update(more[0])
            answers[name].update(more[1])
            failures[name] += more[2]
    columns = ("inputs", "accepted", "refused", "bare", "hang", "memory")
    print(f"{'reader':<12}" + "".join(f"{column:>10}" for column in columns) + f"{'answers':>10}")
    for name in names:
        print(f"{name:<12}" + "".join(f"{counts[name][column]:>10,}" for column in columns) + f"{len(answers[name]):>10}")
    total = sum(counts.values(), collections.Counter())
    print(f"{'all':<12}" + "".join(f"{total[column]:>10,}" for column in columns) + f"   {time.time() - started:.0f} s, seed {args.seed}")
    for name in names:
        seen = set()
        for i, kind, words in failures[name]:
            if (kind, words[:40]) not in seen:
                seen.add((kind, words[:40]))
                print(f"\n{kind}: {name} input {i}: {words}")
    return 1 if any(failures.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
