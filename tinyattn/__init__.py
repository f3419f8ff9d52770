"""TinyAttn: convolution and attention from scratch, readable line by line and fast enough to train with."""
import importlib
import importlib.util
import pathlib
import sys


def _open_kernels_of_a_checkout():
    """Make ``import tinyattn.kernels`` find the ``kernels/`` that stands beside this folder in a checkout.

    Installed, it is an ordinary subpackage. In a checkout it stands at the top, because it is half of what people come
    to read, and the folder ``./tinyattn`` would hide the installed one.
    """
    here = pathlib.Path(__file__).resolve().parent
    beside = here.parent / "kernels" / "__init__.py"
    if (here / "kernels").is_dir() or not beside.is_file():
        return
    spec = importlib.util.spec_from_file_location(
        "tinyattn.kernels", beside, submodule_search_locations=[str(beside.parent)])
    module = importlib.util.module_from_spec(spec)
    sys.modules["tinyattn.kernels"] = module
    spec.loader.exec_module(module)
    globals()["kernels"] = module


_open_kernels_of_a_checkout()

if sys.argv[1:2] == ["doctor"]:  # it must answer even where nothing below can be imported
    from . import first_aid
    first_aid.stand_by()

from . import kernels, ops, random  # noqa: E402
from .autograd import (Function, detect_anomaly, enable_grad, grad, is_grad_enabled, no_grad,  # noqa: E402
                       set_grad_enabled)
from .dtypes import (bool, double, float, float32, float64, int, int8, int16, int32, int64, long, short,  # noqa: E402
                     uint8)
from .ops.activation import relu  # noqa: E402
from .ops.axes import (diagonal, moveaxis, movedim, narrow, permute, select, squeeze, swapaxes, swapdims, t, transpose,  # noqa: E402
                       unbind, unsqueeze)
from .ops.compare import (allclose, clamp, eq, equal, ge, gt, isclose, isfinite, isinf, isnan, le, logical_and, logical_not, logical_or,  # noqa: E402
                          logical_xor, lt, masked_fill, maximum, minimum, ne, where)
from .ops.creation import (arange, empty, eye, full, full_like, linspace, ones, ones_like, tril, triu, zeros,  # noqa: E402
                           zeros_like)
from .ops.einsum import einsum  # noqa: E402
from .ops.elementwise import (abs, add, ceil, cos, div, erf, exp, floor, floor_divide, log, log1p, mul, neg, pow,  # noqa: E402
                              reciprocal, remainder, round, rsqrt, sigmoid, sign, sin, sqrt, square, sub, tanh, trunc)
from .ops.gather import gather, index_select, scatter, scatter_add  # noqa: E402
from .ops.index import masked_select  # noqa: E402
from .ops.length import cosine_similarity, norm  # noqa: E402
from .ops.matmul import bmm, dot, matmul, mm, mv, outer  # noqa: E402
from .ops.random import rand, rand_like, randint, randn, randn_like, randperm  # noqa: E402
from .ops.reduce import (all, amax, amin, any, argmax, argmin, cumsum, logsumexp, max, mean, min, prod, std, sum, var)  # noqa: E402
from .ops.shape import (broadcast_to, cat, chunk, clone, contiguous, expand, expand_as, flatten, flip, ravel, repeat,  # noqa: E402
                        reshape, reshape_as, split, stack, tile, unflatten, view, view_as)
from .ops.sort import argsort, sort, topk  # noqa: E402
from .ops.softmax import log_softmax, softmax  # noqa: E402
from .random import get_rng_state, manual_seed, set_rng_state  # noqa: E402
from .tensor import Tensor, as_tensor, from_dlpack, from_numpy, is_tensor, tensor  # noqa: E402
from .threads import get_num_threads, set_num_threads  # noqa: E402

__version__ = "0.1.0"
_LAZY = ("cuda", "nn", "optim", "data", "models", "training", "viz", "bench", "gradcheck", "export")


def __getattr__(name):
    """Load what an ``import tinyattn`` need not wait for when it is first asked for."""
    if name in _LAZY:
        return importlib.import_module(f"{__name__}.{name}")
    from .nearest import absent
    raise absent(__name__, name, __dir__())


def __dir__():
    return sorted(set(globals()) | set(_LAZY))
