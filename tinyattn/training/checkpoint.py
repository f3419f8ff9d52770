"""One file that holds everything a run needs to go on: a nested state, as safetensors and JSON, never pickle.

The state is a tree of dicts, lists and plain values with arrays (or Tensors) for leaves. The arrays become the
file's tensors under their path in the tree (``model/stem.weight``, ``optimizer/state/3/exp_avg``); the rest, with a
mark where each array was, is one JSON text in the file's metadata. Python writes floats to JSON so that they read
back to the same bit.

A checkpoint is checked before it is believed: its size, its form, its version, and a checksum over everything in it.
What it means is checked where it is used (saved.py).
"""
import json
import pathlib
import zlib

import numpy as np
import safetensors
from safetensors.numpy import save as to_bytes

from ..data.opening import open_file, size_of
from ..placing import on_host
from ..tensor import Tensor
from .files import write_atomically

FORMAT = "tinyattn-checkpoint-1"
MODEL_FORMAT = "tinyattn-model-1"
LARGEST_HEADER = 1 << 25
"""Most bytes of a file's header, which holds names, shapes, options and the log: 32 MB is the log of a thousand epochs."""

MOST_AXES = 16

# safetensors' names of the types that NumPy has, and the bytes of one element
_TYPES = {"BOOL": 1, "U8": 1, "I8": 1, "U16": 2, "I16": 2, "F16": 2, "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8}
_ARRAY, _ITEMS = "$array", "$items"  # marks in the JSON: "an array stood here", "a dict whose keys are not strings"


class CheckpointError(ValueError):
    """The file is missing, damaged, or not what was asked for. `str()` is one sentence for the user."""


def flatten(tree, path="", bare=None):
    """Split a nested state into its arrays and the rest.

    Returns ``(arrays, plain)``: a dict from path to C-contiguous ndarray, and a tree that `json` can write. Below the key `bare` of
    the root, paths begin anew: ``stem.weight`` instead of ``model/stem.weight``.
    """
    arrays = {}

    def walk(node, path):
        if isinstance(node, Tensor):
            node = on_host(node)
        if isinstance(node, (np.ndarray, np.generic)):
            arrays[path] = np.array(node, order="C")  # safetensors writes memory order under the logical shape
            return {_ARRAY: path}
        if isinstance(node, dict):
            below = {key: walk(value, f"{path}/{key}" if path else "" if key == bare and node is tree else str(key)) for key, value in node.items()}
            if all(isinstance(key, str) for key in below):
                return below
            return {_ITEMS: [[key, value] for key, value in below.items()]}
        if isinstance(node, (list, tuple)):
            return [walk(value, f"{path}/{i}" if path else str(i)) for i, value in enumerate(node)]
        if node is None or isinstance(node, (bool, int, float, str)):
            return node
        raise TypeError(f"a checkpoint cannot hold {type(node).__name__} (at {path or 'its root'})")

    return arrays, walk(tree, path)


def unflatten(arrays, plain):
    """Put the arrays back where `flatten` took them from. Tuples come back as lists. ValueError for a tree it did not make."""
    if isinstance(plain, dict):
        if _ARRAY in plain:
            name = plain[_ARRAY]
            if not isinstance(name, str) or name not in arrays:
                raise ValueError(f"it names an array {_shown(name)} that is not there")
            return arrays[name]
        if _ITEMS in plain:
            items = plain[_ITEMS]
            if not isinstance(items, list) or not all(isinstance(item, list) and len(item) == 2 and
                                                      not isinstance(item[0], (list, dict)) for item in items):
                raise ValueError("it holds a list of keys and values that is none")
            return {key: unflatten(arrays, value) for key, value in items}
        return {key: unflatten(arrays, value) for key, value in plain.items()}
    if isinstance(plain, list):
        return [unflatten(arrays, value) for value in plain]
    return plain


def _checksum(arrays):
    """CRC-32 over the bytes of every array, in the order of their names."""
    total = 0
    for name in sorted(arrays):
        array = arrays[name]
        total = zlib.crc32(f"{name} {array.dtype.str} {array.shape}".encode(), total)
        if array.size:
            total = zlib.crc32(array.reshape(-1).view(np.uint8), total)
    return f"{total:08x}"


def _text_checksum(text):
    return f"{zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x}"


def save(path, state, format=FORMAT, bare=None):
    """Write `state` (a nested dict) to `path` in one atomic step, or raise `files.SaveError`; the old file stays then. `bare`: see `flatten`."""
    arrays, plain = flatten(state, bare=bare)
    text = json.dumps(plain)
    metadata = {"format": format, "state": text, "checksum": _checksum(arrays), "state_checksum": _text_checksum(text)}
    return write_atomically(path, to_bytes(arrays, metadata=metadata))


def load(path, format=FORMAT):
    """Read what `save` wrote. Raises `CheckpointError` for anything that is not a whole file of that format.

    Nothing is reserved for what a header announces before it was compared with the size of the file.
    """
    path = pathlib.Path(path)
    if not path.exists() and not path.is_symlink():
        raise CheckpointError(f"{path} does not exist")
    _check_header(path)
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            _check_format(path, metadata.get("format"), format)
            arrays = {name: _array(path, file, name) for name in file.keys()}
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or cut short, or is no safetensors file ({error})") from error
    text = metadata.get("state")
    if text is None or _checksum(arrays) != metadata.get("checksum"):
        raise CheckpointError(f"{path} is damaged: its checksum does not match its contents")
    if metadata.get("state_checksum", _text_checksum(text)) != _text_checksum(text):  # the first version had none
        raise CheckpointError(f"{path} is damaged: the checksum of its options and log does not match them")
    try:
        return unflatten(arrays, json.loads(text))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: its state cannot be read ({str(error)[:150]})") from error


def _shown(text):
    """A name out of a file, fit to be printed: not too long, and without control characters."""
    text = str(text)
    return (text if text.isprintable() else ascii(text))[:60]


def _check_header(path):
    """Look at the first bytes of the file, before anybody else does, and say what it is if it is no safetensors file."""
    try:
        with open_file(path, "a safetensors file") as file:
            size, start = size_of(file), file.read(8)
            length = int.from_bytes(start, "little")
            told = "it is a zip archive or a pickle, as PyTorch saves; those can run code and are never opened" if (
                start[:2] == b"PK" or start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05") else (
                f"its {size:,} bytes are fewer than any has" if size < 10 else
                f"its header would take {length:,} bytes, the file has {size:,}" if length > size - 8 else
                f"its header takes {length:,} bytes; at most {LARGEST_HEADER:,} are read" if length > LARGEST_HEADER else "")
            if not told:
                _check_names(file.read(length))
    except OSError as error:
        raise CheckpointError(str(error)) from error
    except (ValueError, RecursionError) as error:
        told = str(error)[:150]
    if told:
        raise CheckpointError(f"{path} is damaged or cut short, or is no safetensors file ({told})")


def _check_names(header):
    """ValueError where a name stands twice in the header: which of the two is meant, every reader decides otherwise."""
    def pairs(items):
        names = [name for name, _ in items]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"its header holds {_shown(twice)} twice")
        return dict(items)
    json.loads(header.decode("utf-8"), object_pairs_hook=pairs)


def _check_format(path, found, expected):
    if found == expected:
        return
    family, _, version = expected.rpartition("-")
    older, _, newer = str(found).rpartition("-")
    if older == family and newer.isdecimal():
        raise CheckpointError(f"{path} has version {newer[:9]} of the format {family}, this TinyAttn reads version {version}: "
                              "use the TinyAttn it was written with, or a newer one")
    hint = {MODEL_FORMAT: "; name the folder of the run, or its checkpoint.safetensors",
            FORMAT: "; name the folder of the run, or its model.safetensors"}.get(found, "")
    raise CheckpointError(f"{path} is {_shown(found) if found else 'a safetensors file of another program'}, expected {expected}{hint}")


def _array(path, file, name):
    """One array of an opened file; its type and shape are looked at first."""
    part = file.get_slice(name)
    kind, shape = part.get_dtype(), part.get_shape()
    if kind not in _TYPES:
        raise CheckpointError(f"{path} holds {_shown(name)} as {kind}, expected one of {', '.join(_TYPES)}")
    if len(shape) > MOST_AXES or any(length >= 1 << 40 for length in shape):  # a length of 0 lets the others be anything
        raise CheckpointError(f"{path} holds {_shown(name)} with an impossible shape of {len(shape)} axes ({str(shape)[:60]})")
    try:
        return file.get_tensor(name)
    except ValueError as error:  # NumPy will not have it
        raise CheckpointError(f"{path} holds {_shown(name)} with an impossible shape ({error})") from error


def check_weights(model, weights, what):
    """CheckpointError, in one sentence on how the two differ, unless `weights` (dict of arrays) are the model's.

    what: where the weights came from, for the message
    """
    if not isinstance(weights, dict) or not all(isinstance(value, np.ndarray) for value in weights.values()):
        raise CheckpointError(f"the weights in {what} are no arrays under names, expected those of {type(model).__name__}")
    own = model.state_dict()
    expected = {name: tuple(value.shape) for name, value in own.items()}
    found = {name: tuple(np.shape(value)) for name, value in weights.items()}
    missing, extra = sorted(set(expected) - set(found)), sorted(map(_shown, set(found) - set(expected)))
    both = sorted(set(expected) & set(found))
    other = [f"{name} {found[name]} instead of {expected[name]}" for name in both if expected[name] != found[name]]
    kinds = [f"{name} {weights[name].dtype} instead of {own[name].dtype}" for name in both
             if weights[name].dtype != own[name].dtype]
    infinite = [name for name in both if weights[name].dtype.kind == "f" and not np.isfinite(weights[name]).all()]
    parts = [f"{label}: {', '.join(names[:3])}{' …' if len(names) > 3 else ''}" for label, names in
             (("missing", missing), ("unknown", extra), ("other shape", other), ("other dtype", kinds)) if names]
    if parts:
        raise CheckpointError(f"the weights in {what} do not fit {type(model).__name__} ({'; '.join(parts)}); "
                              "are they another model's?")
    if infinite:
        raise CheckpointError(f"the weights in {what} are not finite numbers (in {', '.join(infinite[:3])}): that run had "
                              "diverged; start a new one with a lower --lr")


def load_weights(model, weights, what):
    """Load `weights` (dict of arrays) into `model`, or say in one sentence how the two differ (see `check_weights`)."""
    check_weights(model, weights, what)
    model.load_state_dict(weights)
