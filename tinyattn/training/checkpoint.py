"""One file that holds everything a run needs to go on: a nested state, as safetensors and JSON, never pickle.

The state is a tree of dicts, lists and plain values with arrays (or Tensors) for leaves. The arrays become the
file's tensors under their path in the tree (``model/stem.weight``, ``optimizer/state/3/exp_avg``); the rest, with a
mark where each array was, is one JSON text in the file's metadata. Python writes floats to JSON so that they read
back to the same bit.

A checkpoint is checked before it is believed: its form, its version, and a checksum over every array.
"""
import json
import pathlib
import zlib

import numpy as np
import safetensors
from safetensors.numpy import save as to_bytes

from .files import write_atomically

FORMAT = "tinyattn-checkpoint-1"
MODEL_FORMAT = "tinyattn-model-1"
_ARRAY, _ITEMS = "$array", "$items"  # marks in the JSON: "an array stood here", "a dict whose keys are not strings"


class CheckpointError(ValueError):
    """The file is missing, damaged, or not what was asked for. `str()` is one sentence for the user."""


def flatten(tree, path=""):
    """Split a nested state into its arrays and the rest.

    Returns ``(arrays, plain)``: a dict from path to C-contiguous ndarray, and a tree that `json` can write.
    """
    arrays = {}

    def walk(node, path):
        if hasattr(node, "data") and isinstance(node.data, np.ndarray) and not isinstance(node, np.ndarray):
            node = node.data  # a Tensor
        if isinstance(node, (np.ndarray, np.generic)):
            arrays[path] = np.array(node, order="C")  # safetensors writes memory order under the logical shape
            return {_ARRAY: path}
        if isinstance(node, dict):
            below = {key: walk(value, f"{path}/{key}" if path else str(key)) for key, value in node.items()}
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
    """Put the arrays back where `flatten` took them from. Tuples come back as lists."""
    if isinstance(plain, dict):
        if _ARRAY in plain:
            return arrays[plain[_ARRAY]]
        if _ITEMS in plain:
            return {key: unflatten(arrays, value) for key, value in plain[_ITEMS]}
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


def save(path, state, format=FORMAT):
    """Write `state` (a nested dict) to `path` in one atomic step, or raise `files.SaveError`; the old file stays then."""
    arrays, plain = flatten(state)
    metadata = {"format": format, "state": json.dumps(plain), "checksum": _checksum(arrays)}
    return write_atomically(path, to_bytes(arrays, metadata=metadata))


def load(path, format=FORMAT):
    """Read what `save` wrote. Raises `CheckpointError` for anything that is not a whole file of that format."""
    path = pathlib.Path(path)
    if not path.exists():
        raise CheckpointError(f"{path} does not exist")
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or cut short, or is no safetensors file ({error})") from error
    if metadata.get("format") != format:
        found = metadata.get("format", "a safetensors file of another program")
        raise CheckpointError(f"{path} is {found}, expected {format}")
    if _checksum(arrays) != metadata.get("checksum"):
        raise CheckpointError(f"{path} is damaged: its checksum does not match its contents")
    return unflatten(arrays, json.loads(metadata["state"]))


def load_weights(model, weights, what):
    """Load `weights` (dict of arrays) into `model`, or say in one sentence how the two differ.

    what: where the weights came from, for the message.
    """
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: tuple(np.shape(value)) for name, value in weights.items()}
    if expected != found:
        missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
        other = [f"{name} {found[name]} instead of {expected[name]}"
                 for name in sorted(set(expected) & set(found)) if expected[name] != found[name]]
        parts = [f"{label}: {', '.join(names[:3])}{' …' if len(names) > 3 else ''}"
                 for label, names in (("missing", missing), ("unknown", extra), ("other shape", other)) if names]
        raise CheckpointError(f"the weights in {what} do not fit {type(model).__name__} ({'; '.join(parts)})")
    model.load_state_dict(weights)
