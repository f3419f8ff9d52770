"""Results that come in pairs, with PyTorch's names: ``x.max(1).indices``."""
import collections

ValuesIndices = collections.namedtuple("ValuesIndices", ("values", "indices"))
ValuesIndices.__doc__ = "What `max`, `min`, `sort` and `topk` give along an axis: the values, and where each was (int64)."
