"""Layers and models are built from here; names are PyTorch's. ``import tinyattn.nn.functional as F`` has the functions."""
from . import functional, init
from .activation import ELU, GELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh
from .container import ModuleList, Sequential
from .fused import ConvNormAct
from .layers import (AdaptiveAvgPool2d, AvgPool2d, BatchNorm1d, BatchNorm2d, Conv1d, Conv2d, Dropout, Embedding, Flatten,
                     GroupNorm, Identity, LayerNorm, Linear, MaxPool2d)
from .losses import BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss, NLLLoss, SmoothL1Loss
from .module import Module, Parameter, evaluating
from . import attention
from .attention import MultiheadAttention

__all__ = [name for name in globals() if not name.startswith("_")]
