"""Cross entropy between a class label and the softmax of the logits, one loss a sample.

    loss_b = −Σ_c q_bc · log softmax(logits_b)_c,    q_bc = (1 − ε)·w_t·[c = t] + ε/C·w_c

t is the target, ε the label smoothing, w the class weights (1 without). A sample whose target is `ignore_index` has
loss 0 and gradient 0.

Why it is fast. Loss and softmax come from one kernel that visits a row twice (see `softmax`): the way back then has no exponential
to take, and reads and writes each number once. Nothing looks a label up: the thread that comes to column c asks whether c = t, so
that a label out of range reads nothing that is not there, and counts as a class that nobody has; it is noted, and raised when the
host next waits for the GPU (see `errors`).

Szegedy et al.: Rethinking the Inception architecture, section 7 (arXiv 1512.00567).
"""
import math

from ..reference.loss import __all__  # noqa: F401
from . import array
from .errors import check_indices
from .rows import WARPS, grid_for, lanes_for, rows
from .runtime import cuda, jit, launch, specialised
from .softmax import running


@specialised
def _forward(real, lanes, weighted):
    """losses[b] and probs[b, :], with the threads of a row as in `rows`."""
    place, total, _ = rows(lanes)
    run = running(real, lanes)
    one, none = real(1), real(0)

    @jit
    def cross_entropy(logits, target, weight, losses, probs, C, ignore_index, smoothing):
        scratch = cuda.shared.array(WARPS, real)
        B = target.size
        row, lane = place()
        b = min(row, B - 1)
        start = b * C
        shift, powers = run(logits, start, lane, C, scratch)
        log_powers, inverse = math.log(powers), one / powers
        kept, spread, label = one - smoothing, smoothing / real(C), target[b]
        loss = none
        for c in range(lane, C, lanes):
            z = logits[start + c] - shift
            q = spread + kept if c == label else spread
            if weighted:
                q *= weight[c]
            if q != none:  # 0 · −∞ counts as 0
                loss -= q * (z - log_powers)
            if row < B:
                probs[start + c] = math.exp(z) * inverse
        loss = total(loss, scratch)
        if row < B and lane == 0:
            losses[b] = none if label == ignore_index else loss
    return cross_entropy


@specialised
def _backward(real, lanes, weighted):
    """dlogits[b, c] = dlosses[b] / total · (probs[b, c] · Σ_k q[b, k] − q[b, c])."""
    place, total, _ = rows(lanes)
    one, none = real(1), real(0)

    @jit
    def cross_entropy_gradient(dlosses, probs, target, weight, dlogits, C, ignore_index, smoothing, divisor):
        scratch = cuda.shared.array(WARPS, real)
        B = target.size
        row, lane = place()
        b = min(row, B - 1)
        start = b * C
        kept, spread, label = one - smoothing, smoothing / real(C), target[b]
        dloss = dlosses[b if dlosses.size > 1 else 0] / divisor
        whole = none
        for c in range(lane, C, lanes):
            q = spread + kept if c == label else spread
            whole += q * weight[c] if weighted else q
        whole = total(whole, scratch)
        if row < B:
            for c in range(lane, C, lanes):
                q = spread + kept if c == label else spread
                if weighted:
                    q *= weight[c]
                dlogits[start + c] = none if label == ignore_index else dloss * (probs[start + c] * whole - q)
    return cross_entropy_gradient


def cross_entropy_forward(logits, target, weight, ignore_index, label_smoothing):
    """Losses of B samples. logits (B, C), target int64 (B,), weight (C,) or None, label_smoothing in [0, 1].

    Returns losses (B,), not averaged and already multiplied by the class weights, and probs (B, C), the softmax.
    """
    (B, C), real = logits.shape, logits.dtype.type
    losses, probs, lanes = array.empty(B, logits.dtype), array.empty(logits.shape, logits.dtype), lanes_for(C)
    if B:
        check_indices(target, 0, C - 1, int(ignore_index))
        launch(_forward(real, lanes, weight is not None), *grid_for(B, lanes), logits.flat, target, losses if weight is None else weight,
               losses, probs.flat, C, int(ignore_index), real(label_smoothing))
    return losses, probs


def cross_entropy_backward(dlosses, probs, target, weight, ignore_index, label_smoothing, total=1):
    """dlogits_bc = dlosses_b / total · (softmax_bc · Σ_k q_bk − q_bc).

    dlosses (B,), or (1,) for all samples, probs (B, C) from the forward pass, the rest as there. Returns dlogits (B, C).
    """
    (B, C), real = probs.shape, probs.dtype.type
    dlogits, lanes = array.empty(probs.shape, probs.dtype), lanes_for(C)
    if B:
        launch(_backward(real, lanes, weight is not None), *grid_for(B, lanes), dlosses, probs.flat, target,
               dlosses if weight is None else weight, dlogits.flat, C, int(ignore_index), real(label_smoothing), real(total))
    return dlogits
