"""All schedules, under the name of PyTorch's module: ``optim.lr_scheduler.StepLR(optimizer, 30)``."""
from .combined import ChainedScheduler, ReduceLROnPlateau, SequentialLR
from .cycles import CosineAnnealingWarmRestarts, OneCycleLR
from .schedule import (ConstantLR, CosineAnnealingLR, ExponentialLR, LambdaLR, LinearLR, LinearWarmupCosine, LRScheduler, MultiStepLR,
                       PolynomialLR, StepLR)

__all__ = ["ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "ExponentialLR", "LambdaLR", "LinearLR",
           "LinearWarmupCosine", "LRScheduler", "MultiStepLR", "OneCycleLR", "PolynomialLR", "ReduceLROnPlateau", "SequentialLR", "StepLR"]
