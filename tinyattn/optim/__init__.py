"""Optimizers and schedules, under PyTorch's names."""
from .adam import Adam, AdamW
from .optimizer import Optimizer
from .schedule import (ConstantLR, CosineAnnealingLR, LambdaLR, LinearWarmupCosine, LRSchedule, OneCycleLR, StepLR)
from .sgd import SGD

__all__ = ["Adam", "AdamW", "ConstantLR", "CosineAnnealingLR", "LambdaLR", "LinearWarmupCosine", "LRSchedule", "OneCycleLR",
           "Optimizer", "SGD", "StepLR"]
