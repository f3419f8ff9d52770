"""The exported model beside ours: onnxruntime computes, and the largest difference is named."""
import importlib.util

import numpy as np

import tinyattn as ta
from ..autograd import no_grad
from ..nn.module import evaluating
from .errors import ExportError, needed

TOLERANCE = 1e-4
"""Of the largest output, or of 1 where all are smaller."""


def can_check():
    """Whether onnxruntime is installed."""
    return importlib.util.find_spec("onnxruntime") is not None


def open_session(data):
    """onnxruntime with the model file `data` (bytes) loaded, on the CPU."""
    runtime = needed("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:                                              # its classes of errors are none of its public names
        raise ExportError(f"export: onnxruntime {runtime.__version__} cannot read the model ({' '.join(str(error).split())[:160]}); use an older opset or a "
                          "newer onnxruntime, or leave out the comparison (--no-check, or check_outputs=False)") from error


def difference(data, model, function, batches):
    """The largest |ours − onnxruntime's| over all outputs, divided by the largest output where that is above 1.

    data: the bytes of the model file. batches: lists of arrays, one list for each run. ExportError if a shape differs.
    """
    session, most = open_session(data), 0.0
    names = [x.name for x in session.get_inputs()]
    for arrays in batches:
        with evaluating(model), no_grad():
            ours = function(*[ta.Tensor(a) for a in arrays])
        ours = ours if isinstance(ours, (tuple, list)) else (ours,)
        theirs = session.run(None, dict(zip(names, arrays)))
        for y, z in zip(ours, theirs, strict=True):
            if y.shape != z.shape:
                raise ExportError(f"export: for inputs of shapes {[a.shape for a in arrays]} onnxruntime gives an output of shape {z.shape}, "
                                  f"and TinyAttn of {y.shape}; this is a fault of the export, please report it")
            if y.data.size:
                y, z = y.data.astype(np.float64), z.astype(np.float64)
                same = (y == z) | np.isnan(y) & np.isnan(z)                  # infinities too
                most = max(most, float(np.max(np.where(same, 0, np.abs(y - z)))) / max(1.0, float(np.max(np.abs(y[np.isfinite(y)]), initial=0))))
    return most


def check(data, model, function, batches):
    """`difference`, or ExportError if it is above the tolerance."""
    most = difference(data, model, function, batches)
    if not most <= TOLERANCE:
        raise ExportError(f"export: onnxruntime's outputs differ from TinyAttn's by {most:.2g}, more than {TOLERANCE:g}; nothing was written. (A model that "
                          "chooses with if, by values, must choose with ta.where)")
    return most
