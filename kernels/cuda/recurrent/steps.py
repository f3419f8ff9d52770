"""What recurrent kernels share: the way through the steps, what a step found, and the large products around them.

A step kernel has a thread for each number of the state of each sequence, numbers of one sequence side by side. Whatever it needs is an
argument that stays where it is from step to step; the step's number alone changes.
"""
import numpy as np

from ..array import THREADS, blocks, empty, full, zeros
from ..matmul import matmul
from ..runtime import cuda, jit, launch, specialised


def steps(T, reverse):
    """The steps in the order in which the state passes through them."""
    return range(T - 1, -1, -1) if reverse else range(T)


def lengths_of(lengths, x):
    """`lengths`, or the whole T for each sequence of x (T, N, I)."""
    return full((x.shape[1],), x.shape[0], np.int64) if lengths is None else lengths


def bias_of(b, w):
    """b, or zeros for the rows of w."""
    return zeros(w.shape[:1], w.dtype) if b is None else b


def step(kernel, count, *args):
    """Launch a step kernel with a thread for each of `count` numbers."""
    launch(kernel, blocks(count), THREADS, *args)


def projected(x, w_ih):
    """W_ih x_t of all steps: (T, N, rows of w_ih)."""
    T, N, I = x.shape
    return matmul(x.reshape(T * N, I), w_ih, transpose_b=True).reshape(T, N, w_ih.shape[0])


@specialised
def _states_before(real):
    """before[t, n, j]: the state before step t, of the states after each; `first` before a sequence's first step."""
    @jit
    def states_before(states, first, lengths, reverse, before):
        i = cuda.grid(1)
        N, H = first.shape
        if i < before.size:
            j, n, t = i % H, i // H % N, i // (H * N)
            s = t + 1 if reverse else t - 1
            if s >= 0 and s < lengths[n]:
                before[t, n, j] = states[s, n, j]
            else:
                before[t, n, j] = first[n, j]
    return states_before


def states_before(states, first, lengths, reverse):
    """(T, N, H) of the states after each step, and the first (N, H). Beyond a sequence's end it is of no use, but finite."""
    before = empty(states.shape, states.dtype)
    step(_states_before(states.dtype.type), before.size, states, first, lengths, int(reverse), before)
    return before


def rows(x):
    """(T, N, G) as (T·N, G)"""
    return x.reshape(x.shape[0] * x.shape[1], x.shape[2])


def weight_grads(dgx, dgh, x, before, w_ih, needs_dx):
    """dx (or None), dw_ih and dw_hh out of the gradients of W_ih x_t and of W_hh h, both (T, N, G)."""
    dx = matmul(rows(dgx), w_ih).reshape(x.shape) if needs_dx else None
    return dx, matmul(rows(dgx), rows(x), transpose_a=True), matmul(rows(dgh), rows(before), transpose_a=True)
