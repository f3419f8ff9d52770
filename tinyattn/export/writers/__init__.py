"""Every operation in ONNX's standard operators, one file a family. `WRITERS` is the table."""
from . import attention, conv, elementwise, gates, index, matmul, norm, pool, reduce, resample, sample, shape  # noqa: F401  (they fill the table)
from .table import WRITERS, Written, writes

__all__ = ["WRITERS", "Written", "writes"]
