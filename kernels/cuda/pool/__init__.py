"""Pooling: a window slides over an image (N, H, W, C) and keeps its largest value, or its mean; as in `reference/pool.py`.

    maxima.py    largest values, with padding and dilation, or of nearly equal parts
    means.py     means of both kinds of windows
    windows.py   where windows lie

A thread has one output, or four neighbouring channels of it, and walks over its window: neighbouring threads read neighbouring
channels, so memory passes by in whole lines, and what windows share comes from the cache. Backward, each number of dx is written by
one thread, which collects (gathers) what windows hand back: no two threads add into the same place, and sums have one order.

Scherer, Müller, Behnke: Evaluation of pooling operations in convolutional architectures (ICANN 2010).
"""
from ...reference.pool import __all__  # noqa: F401
from .maxima import *  # noqa: F401,F403
from .means import *  # noqa: F401,F403
