"""Data: the data sets, the loader that keeps batches ready, and the transforms that vary them."""
from . import transforms
from .datasets import ImageDataset, load, names
from .loader import DataLoader, to_arrays, to_tensors
from .locate import DataNotFound
from .rng import Rng

__all__ = ["DataLoader", "DataNotFound", "ImageDataset", "Rng", "load", "names", "to_arrays", "to_tensors", "transforms"]
