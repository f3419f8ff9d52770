"""Optimizers, schedules and averages of weights, under PyTorch's names."""
from . import lr_scheduler, swa_utils
from .adam import Adam, AdamW
from .lion import Lion
from .lr_scheduler import *  # noqa: F401,F403
from .muon import Muon
from .optimizer import Optimizer
from .rmsprop import RMSprop
from .sgd import SGD

__all__ = ["Adam", "AdamW", "Lion", "Muon", "Optimizer", "RMSprop", "SGD", "lr_scheduler", "swa_utils", *lr_scheduler.__all__]
