"""Models for other programs: `onnx` writes one as an ONNX file.

    trace      the model runs twice, and every operation is noted
    writers    each operation in ONNX's standard operators, one file a family
    build      the notes become a graph with names that can be read
    check      onnxruntime computes beside us
    file       all of it, in order, and the file

For PyTorch no export is needed: ``model.safetensors`` of a run has PyTorch's names, and `safetensors.torch.load_file` reads it.
"""
from .errors import ExportError
from .file import Exported, onnx

__all__ = ["ExportError", "Exported", "onnx"]
