"""``tinyattn bench``: how fast, beside PyTorch, measured so that the comparison is fair.

Both sides run in one process, take turns, do the same work on the same data with the same number of threads, and are
compared by the median of their times: a shared machine's moods then hit both. Before anything is timed, the results are
compared. PyTorch is measured in its default layout and in channels_last, and the better of the two counts.
"""
from .command import main

__all__ = ["main"]
