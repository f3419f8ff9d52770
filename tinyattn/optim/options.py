"""Checks of options that several optimizers share."""
import numbers

from ..tensor import Tensor


def betas(value, caller):
    """ValueError unless `value` is two numbers in [0, 1)."""
    if not isinstance(value, (tuple, list)) or len(value) != 2 or not all(
            isinstance(b, numbers.Real) and not isinstance(b, bool) and 0 <= b < 1 for b in value):
        raise ValueError(f"{caller}: betas must be two numbers in [0, 1), got {value!r:.60}")


def rate(value, caller, name="lr"):
    """A one-element Tensor as a Python number; anything else as it is. ValueError for more elements."""
    if not isinstance(value, Tensor):
        return value
    if value.data.size != 1:
        raise ValueError(f"{caller}: a Tensor as {name} must have one element, got shape {value.shape}")
    return value.item()


def one_implementation(caller, **flags):
    """PyTorch's flags that choose how it computes: ValueError for one that is set, since there is one way here."""
    for name, value in flags.items():
        if value is not None and value is not False:
            raise ValueError(f"{caller}: {name}={value!r:.40} is a choice among PyTorch's implementations, and there is one here: "
                             f"leave {name} out")
