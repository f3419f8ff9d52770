"""Parameter: a tensor that its module owns and an optimizer moves."""
from .. import kernels
from ..tensor import FLOATS, Tensor, checked_device, checked_dtype, tensor


class Parameter(Tensor):
    """A Tensor that a Module registers as its own when it is assigned as an attribute; it requires a gradient.

    Wraps a Tensor or an array without a copy; lists and numbers are copied, as by `tinyattn.tensor`.
    """

    __slots__ = ()

    def __init__(self, data, requires_grad=True):
        if isinstance(data, Tensor):
            data = data.data
        elif not kernels.is_array(data):
            data = tensor(data).data
        super().__init__(kernels.of(data).contiguous(data), requires_grad)

    def __repr__(self):
        return "Parameter containing:\n" + super().__repr__()


def checked_options(caller, device, dtype):
    """What a layer was told of its parameters, as options of ``zeros``: None for a dtype is float32, for a device "cpu"."""
    device = checked_device(device, caller)
    dtype = FLOATS[0] if dtype is None else checked_dtype(dtype, caller)
    if dtype not in FLOATS:
        raise TypeError(f"{caller}: parameters can be float32 or float64, not {dtype}")
    return {"dtype": dtype, "device": device}
