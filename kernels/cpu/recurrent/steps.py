"""What recurrent kernels share: packed weights, products of states with them, and the way through the steps."""
import numpy as np

from .. import array
from ..jit import part
from ..launch import launch, unpack
from ..matmul import ROWS, add_packed, matmul, pack, packed_size
from ..simd import copy_run, lanes_of

HEAD = 8
"""Numbers that `given` has for a body before the lengths of the sequences."""


@part
def _pack_blocks(t, given, w, packed):
    """Block t of w, K × columns at t·K·columns, packed for `product`, each block in room of its own."""
    K, columns, step_k, step_n, room = unpack(given, 5)
    pack(w, t * K * columns, step_k, step_n, K, columns, packed[t * room:(t + 1) * room])


def packed_weights(w, blocks, transposed):
    """w, cut into `blocks` of rows, packed for products with it, or with each block transposed; and a block's size there."""
    R, C = w.shape[0] // blocks, w.shape[1]
    K, columns = (C, R) if transposed else (R, C)
    room = packed_size(columns, K, lanes_of(w.dtype))
    packed = array.empty((blocks * room,), w.dtype)
    launch(_pack_blocks, blocks, np.array([K, columns, *((1, C) if transposed else (C, 1)), room]), w, packed, work=w.size)
    return packed, room


@part
def whole_tiles(rows):
    """Rows of as many register tiles as `rows` rows need."""
    return (rows + ROWS - 1) // ROWS * ROWS


@part
def product(a, depth, b, bat, columns, y, yat, ldy, rows, add):
    """y (+)= a · b for the first `rows` of a's rows of `depth` numbers; a has room for whole tiles of them."""
    add_packed(a, np.int64(ROWS * depth), depth, np.int64(1), rows, depth, b, bat, columns, y, yat, ldy, add)


@part
def length_of(given, n, T):
    """Steps of sequence n."""
    return given[HEAD + n] if len(given) > HEAD else T


@part
def states_of(rows, size, first, begin):
    """Room for the states of a task's sequences, filled from row `begin` of `first`; 0 in rows that fill up a tile."""
    states = np.zeros(whole_tiles(rows) * size, first.dtype)
    copy_run(first, begin * size, states, np.int64(0), rows * size)
    return states


@part
def state_before(y, first, t, n, N, size, length, reverse):
    """The state before step t of sequence n: that after the step which came before, or the first."""
    t = t + 1 if reverse else t - 1
    if 0 <= t < length:
        return y[(t * N + n) * size:(t * N + n + 1) * size]
    return first[n * size:(n + 1) * size]


def plan(x, h0, H, gates, lengths, reverse, *more):
    """(tasks, what the body is given, nanoseconds of work)"""
    T, N, P = x.shape[0], *h0.shape
    block = min(64, max(1, N // (16 * ROWS)) * ROWS)
    given = np.array([T, N, H, P, block, reverse, *more] + [0] * (HEAD - 6 - len(more)), np.int64)
    if lengths is not None:
        given = np.concatenate([given, lengths])
    return -(-N // block), given, T * N * gates * H * (P // 32 + 1)


def projected(x, w_ih):
    """W_ih x_t of all steps: (T, N, rows of w_ih)."""
    y = array.empty(x.shape[:2] + w_ih.shape[:1], x.dtype)
    matmul(x.reshape(-1, x.shape[2]), w_ih, transpose_b=True, out=y.reshape(-1, y.shape[2]))
    return y


def bias_of(b_ih, b_hh, w_ih):
    """b_ih + b_hh, or zeros."""
    if b_ih is None:
        return array.zeros(w_ih.shape[:1], w_ih.dtype)
    return b_ih + b_hh


def weight_grads(dgx, dgh, x, y, h0, w_ih, lengths, reverse, needs_dx):
    """dx (or None), dw_ih and dw_hh out of the gradients of W_ih x_t and of W_hh h, both (T, N, G)."""
    G = dgx.shape[2]
    rows = dgx.reshape(-1, G)
    dx = matmul(rows, w_ih).reshape(x.shape) if needs_dx else None
    dw_ih = matmul(rows, x.reshape(-1, x.shape[2]), transpose_a=True)
    # each step's state is the one before the next; the first step of a sequence has h0 before it
    later, earlier, first = (dgh[:-1], y[1:], dgh[-1]) if reverse else (dgh[1:], y[:-1], dgh[0])
    if reverse and lengths is not None:
        first = dgh[lengths - 1, np.arange(len(lengths))]
    dw_hh = matmul(later.reshape(-1, G), earlier.reshape(-1, y.shape[2]), transpose_a=True)
    dw_hh += matmul(first, h0, transpose_a=True)
    return dx, dw_ih, dw_hh
