"""Data: the data sets, the loader that keeps batches ready, and the transforms that vary or corrupt them."""
from . import corruptions, transforms
from .corruptions import Corruption, corrupt
from .datasets import ImageDataset, load, names
from .loader import DataLoader, to_arrays, to_tensors
from .locate import DataNotFound
from .rng import Rng

__all__ = ["Corruption", "DataLoader", "DataNotFound", "ImageDataset", "Rng", "corrupt", "corruptions", "load", "names", "to_arrays",
           "to_tensors", "transforms"]
