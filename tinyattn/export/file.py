"""`onnx`: a model and a sample of its input become a file that other programs can run."""
import dataclasses
import os
import pathlib

import numpy as np

from .. import ops
from ..dtypes import float32
from ..nn.module import Module
from ..tensor import Tensor
from .build import build
from .check import can_check, check
from .errors import ExportError, needed
from .trace import trace
from .writers import WRITERS

OPSETS = range(17, 23)
"""What can be written. 17 is the first with LayerNormalization, and what onnxruntime has read since 1.12 (2022)."""


@dataclasses.dataclass
class Exported:
    """What was written: `path`, `bytes`, `nodes`, `opset`, `inputs` and `outputs` (name → shape as text), `difference` (None if unchecked)."""

    path: pathlib.Path
    bytes: int
    nodes: int
    opset: int
    inputs: dict
    outputs: dict
    difference: float


def check_path(path):
    """`path` as a Path; ExportError if no model file can be written there."""
    path = pathlib.Path(path)
    if path.suffix != ".onnx":
        raise ExportError(f"export: {path} must end in .onnx: by that other programs know what is in it" + (f"; call it {path.with_suffix('.onnx').name}" if path.name else ""))
    if path.is_dir():
        raise ExportError(f"export: {path} is a folder; name a file to write")
    if not path.parent.is_dir():
        raise ExportError(f"export: there is no folder {path.parent} to write {path.name} into; make it first")
    if not os.access(path.parent, os.W_OK):
        raise ExportError(f"export: the folder {path.parent} cannot be written to; choose another place")
    return path


def _arrays(sample):
    sample = sample if isinstance(sample, (tuple, list)) else (sample,)
    arrays = [x.data if isinstance(x, Tensor) else x for x in sample]
    if not arrays:
        raise ExportError("export: sample is empty; it must hold what the model is called with, Tensors or arrays")
    for a in arrays:
        if not isinstance(a, np.ndarray):
            raise ExportError(f"export: sample must be a Tensor or an array, or a tuple of them, got {type(a).__name__}")
        if a.dtype == np.float64:
            raise ExportError("export: sample is float64; models are exported in float32, as other programs run them: model.float() and a float32 sample")
        if 0 in a.shape:
            raise ExportError(f"export: sample of shape {a.shape} is empty; one image is enough, and it may be all zeros")
    return arrays


def _names(given, count, base):
    names = [base if count == 1 else f"{base}{i}" for i in range(count)] if given is None else [given] if isinstance(given, str) else list(given)
    if len(names) != count or not all(isinstance(n, str) and n for n in names) or len(set(names)) != count:
        raise ExportError(f"export: {base}_names must be {count} different names, got {names}")
    return names


def onnx(model, sample, path, *, input_names=None, output_names=None, opset_version=17, batch="dynamic", normalise=None, check_outputs=None, doc="",
         metadata=None):
    """Write `model` to `path` as ONNX, in standard operators of `opset_version`; returns an `Exported`.

    sample         what the model is called with: a Tensor or an array, or a tuple of them, in float32 (or integers)
    batch          "dynamic": the first axis of every input may have any length, N; or a number, and the file is for batches of that many;
                   or "fixed": every shape is as in `sample`
    normalise      (mean, std) of the channels: the file takes pixels from 0 to 1 and begins with (x − mean) / std
    check_outputs  compare with onnxruntime, on other numbers and other batches than those traced; None: if onnxruntime is installed
    doc, metadata  text that the file carries; metadata is a dict of strings

    Parameters have the names of the state dict, nodes the path of their layer. The model runs in evaluation mode: batch norms use their running
    statistics, dropout does nothing. Nothing is written if an operation has no translation, or the outputs differ by more than 1e-4 of the
    largest: ExportError (a ValueError) says which layer or how much. OSError if the file cannot be written.

    >>> ta.export.onnx(model, ta.zeros(1, 1, 28, 28), "model.onnx")
    """
    if not isinstance(model, Module):
        raise ExportError(f"export: model must be a Module, got {type(model).__name__}")
    if not isinstance(opset_version, int) or opset_version not in OPSETS:
        raise ExportError(f"export: opset_version must be {OPSETS[0]} to {OPSETS[-1]}, got {opset_version!r}")
    path, arrays = check_path(path), _arrays(sample)
    for value in model.parameters():
        if value.dtype != float32:
            raise ExportError(f"export: the model's parameters are {value.dtype}; call model.float() first")
    arrays, dynamic = _batch(arrays, batch)
    needed("onnx")
    function = model if normalise is None else _normalising(model, normalise, arrays)
    checked = can_check() if check_outputs is None else check_outputs
    names = _names(input_names, len(arrays), "input")
    traced = trace(model, arrays, names, WRITERS, dynamic, function)
    made = build(traced, opset_version, _names(output_names, len(traced.outputs), "output"), doc, {key: str(value) for key, value in (metadata or {}).items()})
    data = made.SerializeToString()
    most = check(data, model, function, _trials(arrays, dynamic)) if checked else None
    from ..training.files import write_atomically
    size = write_atomically(path, data)
    shapes = ({x.name: _shape(x) for x in side} for side in (made.graph.input, made.graph.output))
    return Exported(path, size, len(made.graph.node), opset_version, *shapes, most)


def _shape(info):
    return " × ".join(d.dim_param or str(d.dim_value) for d in info.type.tensor_type.shape.dim)


def _batch(arrays, batch):
    """The sample with as many images as `batch` asks for, and whether the batch may have any length."""
    if batch == "fixed":
        return arrays, False
    if batch != "dynamic" and (not isinstance(batch, int) or isinstance(batch, bool) or batch < 1):
        raise ExportError(f"export: batch must be \"dynamic\", \"fixed\" or a number of images, at least 1, got {batch!r}")
    if any(a.ndim == 0 or len(a) != len(arrays[0]) for a in arrays):
        raise ExportError(f"export: the first axis of every input must be the batch, got shapes {[a.shape for a in arrays]}; export with batch=\"fixed\"")
    if batch == "dynamic":
        return arrays, True
    return [np.concatenate([a] * -(-batch // len(a)))[:batch] for a in arrays], False


def _normalising(model, normalise, arrays):
    """The function that normalises images and calls `model`."""
    try:
        mean, std = (np.asarray(v, np.float32) for v in normalise)
    except (TypeError, ValueError):
        raise ExportError(f"export: normalise must be (mean, std), numbers or one for each channel, got {normalise!r:.60}") from None
    channels = arrays[0].shape[1] if arrays[0].ndim == 4 else 0
    for v in (mean, std):
        if v.shape not in ((), (channels,)) or not np.isfinite(v).all() or v is std and not (v > 0).all():
            raise ExportError(f"export: normalise must hold mean and std for the {channels} channels of sample {arrays[0].shape}, got {normalise!r:.60}")
    shape = (1, -1, 1, 1)
    mean, std = Tensor(mean.reshape(shape)), Tensor(std.reshape(shape))
    return lambda x, *others: model(ops.elementwise.div(ops.elementwise.sub(x, mean), std), *others)


def _trials(arrays, dynamic):
    """Batches to compare on: other numbers than were traced, and other lengths."""
    rng, trials = np.random.default_rng(1), []
    for count in (1, 4, 7) if dynamic else (None, None):
        batch = [a if count is None else np.concatenate([a] * -(-count // len(a)))[:count] for a in arrays]
        trials.append([rng.normal(size=a.shape).astype(a.dtype) if a.dtype.kind == "f" else rng.permutation(a.reshape(-1)).reshape(a.shape) for a in batch])
    return trials
