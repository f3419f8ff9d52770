"""Calls of kernels that no operation sample makes, or not in the sizes that enter every path of the GPU's rung.

Each family adds a function to `FAMILIES`: it gets the reference rung, and calls on it what should be played again.
"""
import collections
import functools

import numpy as np
from cuda_calls import of_samples, recorded

from tinyattn import kernels

FAMILIES = []


def family(function):
    """Note a function of calls."""
    FAMILIES.append(function)
    return function


def calls():
    """The calls that all families make."""
    def run():
        for function in FAMILIES:
            for dtype in (np.float32, np.float64):
                function(kernels.rung("reference"), dtype, np.random.default_rng(0))
    return recorded(run, largest=20_000, per_kernel=None)


@functools.cache
def by_kernel(rung):
    """All calls there are of the kernels of `rung`, by name; a plain twin is called as the kernel that it explains."""
    found = collections.defaultdict(list)
    for call in [*of_samples(), *calls()]:
        for name in (call.name, f"{call.name}_plain"):
            if hasattr(rung, name):
                found[name].append(call)
    return dict(found)


@family
def array(k, dtype, random):
    """Strides of every kind, and conversions between kinds of numbers."""
    x = random.normal(size=(3, 4, 5)).astype(dtype) * 10
    k.fill(x.copy(), 3.5)
    for view in (x, x.transpose(2, 0, 1), x[::-1, 1:, ::2], x[:, None, 0], np.broadcast_to(x[:1], (3, 4, 5)), x[0, 0, 0, ...], x[:0]):
        k.copy(view)
    for to in (np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_):
        k.cast(abs(x), to)
        k.cast(abs(x).astype(to), dtype)
    k.cat([x, x[:, :1], x[:, ::-1]], 1)
    k.cat([abs(x) > 1, abs(x) > 9], -1)
    k.arange(300)
    for value in (x[:1], x[..., :1], 2.5, np.array(7, dtype)):
        k.assign(x.copy(), value)
    k.assign(np.zeros((4, 6, 5), dtype)[:, 1:4].transpose(1, 0, 2)[:, ::-1], x)
    k.assign(abs(x) > 5, True)
    for shape in ((3, 4, 5), (2, 3, 4, 5)):
        k.broadcast_to(x, shape)
        k.broadcast_to(x[:, :1], shape)
    for offset in (-2, 0, 3, 5):
        k.diagonal(x, offset)
    k.may_share_memory(x, x.copy())


@family
def elementwise(k, dtype, random):
    """Formulas at the numbers where they are hard; then every way that arrays can lie, with one formula."""
    x = np.concatenate([random.normal(size=40) * 4, [0, -0.0, 1, -1, 2.5, -2.5, 3.5, 100, -100, np.inf, -np.inf, np.nan]]).astype(dtype)
    y = random.permutation(x)
    for name in ("neg abs sign exp log log1p sqrt rsqrt reciprocal square sin cos tanh sigmoid erf floor ceil round "
                 "relu gelu silu softplus elu logical_not").split():
        getattr(k, name)(x)
    for name in "add sub mul div floor_divide pow maximum minimum add_relu eq ne lt le gt ge logical_and logical_or".split():
        getattr(k, name)(x, y)
        getattr(k, name)(x, 3)
        getattr(k, name)(np.array(-1.5, dtype), y)
    for name in "relu_backward sigmoid_backward tanh_backward gelu_backward silu_backward".split():
        getattr(k, name)(random.normal(size=x.size).astype(dtype), x)
    for exponent in (2, 0.5, -1, 0.3):
        k.pow(x, exponent)
    k.leaky_relu(x, 0.1), k.elu(x, 0.7)
    for limits in ((None, 2), (-1, None), (-1, 2), (2, -1), (y, None), (None, y), (-1, y)):
        k.clamp(x, *limits)
    for a, b in ((x, y), (x, 2), (-1.5, y), (np.array(3, dtype), np.array(4, dtype))):
        k.where(y > 0, a, b)
    k.where(np.array(True), x, 2), k.where(np.array(False), x, y)
    for array in (x, x[:40], x[:0]):
        k.all_finite(array)
    _layouts(k, dtype, random)
    _integers(k, random)


def _layouts(k, dtype, random):
    def made(*shape):
        return random.normal(size=shape).astype(dtype)
    k.add(made(1200), made(1200)), k.add(made(1030), made(1030)), k.exp(made(1)), k.exp(made(1, 1)), k.exp(made())
    wide, image = made(6, 2, 8), made(2, 3, 5, 8)
    k.add(wide, made(8)), k.add(wide, made(6, 1, 1)), k.add(made(1, 2, 8), wide), k.add(made(8), wide), k.sub(wide, made(1))
    k.mul(image, made(2, 1, 1, 8)), k.mul(image, made(2, 3, 5, 1))
    k.mul(image, made(3, 1, 8)), k.mul(made(4, 1, 3), made(2, 1)), k.mul(wide, made())
    k.gt(image, made(8)), k.where(image > 0, made(8), image), k.where(made(3, 5, 8) > 0, image, made(1)), k.where(made(5, 1) > 0, image, 2)
    k.add(wide.T, made(6)), k.exp(wide[::-1]), k.exp(wide[:, :, ::2])
    k.add(wide[1:], wide[:-1]), k.add(wide[:, :, 1:], made(7)), k.exp(wide[:, 1])
    k.add(wide.reshape(-1)[1:], wide.reshape(-1)[:-1]), k.add(wide[..., :4], wide[..., 4:])
    k.add(made(0, 3), made(3)), k.relu(made(2, 0))
    out, strided = made(6, 2, 8), made(8, 2, 6)
    k.add(wide, 1, out), k.add(out, wide, out), k.exp(wide, strided.T)
    k.exp(out, out), k.where(wide > 0, wide, 0, out), k.clamp(out, 0, None, out)
    k.gt(wide, 0, np.empty(wide.shape, bool)), k.relu_backward(wide, out, wide)


def _integers(k, random):
    for dtype in (np.int64, np.int32, np.uint8):
        a, b = random.integers(1, 9, (2, 9)).astype(dtype)
        c = (a - 4).astype(dtype)
        for name in "add sub mul div floor_divide pow maximum minimum add_relu eq ne lt le gt ge logical_and logical_or".split():
            getattr(k, name)(c, b)
            getattr(k, name)(c, 3)
        for name in "neg abs sign square relu logical_not floor".split():
            getattr(k, name)(c)
        k.where(a > 3, a, b), k.where(a > 3, a, 0), k.clamp(a, 3, 5)
        k.clamp(a, None, 5), k.clamp(a, 3, None), k.floor_divide(a, a - a), k.all_finite(a)
    k.exp(np.arange(5)), k.div(np.arange(5), 2)
    p, q = np.array([[True, True, False, False, True], [True, False, True, False, True]])
    for name in "add mul maximum minimum eq ne lt le gt ge logical_and logical_or".split():
        getattr(k, name)(p, q)
    k.logical_not(p), k.logical_and(p, True), k.where(p, q, p), k.where(p, q, False), k.where(p, 1.5, a[:5].astype(np.float32))


@family
def norm(k, dtype, random):
    """One block and several, few threads and many, more channels than threads, pixels left over; long rows, which have a block each."""
    def numbers(*shape):
        return random.normal(2, 3, size=shape).astype(dtype)

    for shape, relu in (((300, 3), True), ((7, 70), False), ((1, 2), True)):
        C = shape[1]
        x, dy, weight, bias = numbers(*shape), numbers(*shape), numbers(C), numbers(C)
        for w, b in (weight, bias), (None, bias), (weight, None):
            _, mean, var, rstd = k.batch_norm_forward(x, w, b, 1e-5, relu)
            k.batch_norm_inference(x, mean, var, w, b, 1e-5, relu)
            k.batch_norm_backward(dy, x, mean, rstd, w, b, relu)
    x, dy = numbers(8200, 1), numbers(8200, 1)
    _, mean, _, rstd = k.batch_norm_forward(x, None, None, 1e-5)
    k.batch_norm_backward(dy, x, mean, rstd, None, None)
    k.batch_norm_forward(numbers(2100, 1), None, None, 1e-5)
    k.batch_norm_forward(numbers(40, 3) + 300, None, None, 1e-5)
    for shape in (130, 5), (1, 1100), (9, 40):
        x, dy, weight, bias = numbers(*shape), numbers(*shape), numbers(shape[1]), numbers(shape[1])
        for w, b in ((weight, bias),) if len(x) != 9 else ((weight, None), (None, bias), (None, None)):
            _, mean, rstd = k.layer_norm_forward(x, w, b, 1e-5)
            k.layer_norm_backward(dy, x, mean, rstd, w)
    for shape, groups in ((2, 100, 6), 2), ((2, 60, 6), 6), ((1, 3, 70), 7), ((12, 1, 4), 1), ((40, 1, 4), 2):
        x, dy, weight, bias = numbers(*shape), numbers(*shape), numbers(shape[2]), numbers(shape[2])
        _, mean, rstd = k.group_norm_forward(x, weight, bias, groups, 1e-5)
        k.group_norm_backward(dy, x, mean, rstd, weight)
        k.group_norm_forward(x, None, bias, groups, 1e-5)


@family
def matmul(k, dtype, random):
    """Every shape of tile, whole and cut; rows of a multiple of 4 numbers and others; parts of k; a product of nothing."""
    def product(a, b, transpose_a=False, transpose_b=False):
        k.matmul(random.normal(size=a).astype(dtype), random.normal(size=b).astype(dtype), transpose_a, transpose_b)

    single = dtype == np.float32
    product((8, 136), (8, 124), True)               # "large", in float32
    product((40, 20), (20, 64))                     # "medium"
    if single:
        product((130, 9), (9, 126))
        product((17, 50), (17, 61), True)
        product((2, 49, 16), (2, 60, 16), False, True)
    product((3, 8, 12), (12, 8))                    # "small"
    product((3, 5, 7), (3, 9, 5), True, True)
    if single:
        product((8, 12), (3, 12, 8))
        product((3, 900), (4, 900), False, True)    # two parts of k
    product((3, 0), (0, 2))
    product((0, 3), (3, 2))
    k.matmul(np.arange(12).reshape(3, 4), np.arange(8).reshape(4, 2))
    k.matmul(np.full((2, 2), 200, np.uint8), np.full((2, 2), 2, np.uint8))
    y = np.zeros((3, 2), dtype)
    k.matmul(np.ones((3, 4), dtype), np.ones((4, 2), dtype), out=y)


@family
def attention(k, dtype, random):
    """Small tiles, and large ones with and without 16-byte accesses, in one slice and several; edges, masks, nothing to see."""
    def given(B, H, T, S, D, E):
        return [random.normal(size=(B, H, n, d)).astype(dtype) for n, d in ((T, D), (S, D), (S, E))]

    def both(qkv, mask, causal):
        scale = 0.7
        o, lse = k.attention_forward(*qkv, mask, causal, scale)
        k.attention_backward(random.normal(size=o.shape).astype(dtype), *qkv, o, lse, mask, causal, scale)

    both(given(1, 1, 5, 18, 20, 17), None, False)                     # float64, and few tokens: slices of 16
    both(given(1, 1, 0, 3, 2, 2), None, False)
    both(given(1, 2, 2, 0, 2, 2), None, False)                        # queries without keys
    mask = np.where(random.random((2, 1, 3, 4)) < 0.4, -np.inf, random.normal(size=(2, 1, 3, 4))).astype(dtype)
    mask[:, :, 1] = -np.inf
    both(given(2, 2, 3, 4, 3, 3), mask, False)
    if dtype == np.float32:
        both(given(1, 1, 66, 34, 16, 12), None, False)                # two large tiles each way, the second with 2 tokens
        both(given(1, 1, 34, 65, 8, 8), random.normal(size=(1, 1, 34, 65)).astype(dtype), True)
        both(given(1, 1, 18, 5, 18, 30), None, False)                 # width 32, number by number
        both(given(1, 1, 17, 9, 68, 72), None, True)                  # two slices of 64
    for T in (3, 17) if dtype == np.float32 else (3,):
        qkv = random.normal(size=(2, T, 3 * 2 * 4)).astype(dtype)
        for mask in (None, random.normal(size=(1, 2, T, T)).astype(dtype))[:2 if T == 3 else 1]:
            o, lse = k.self_attention_forward(qkv, 2, mask, mask is None, 0.5)
            k.self_attention_backward(random.normal(size=o.shape).astype(dtype), qkv, o, lse, 2, mask, mask is None, 0.5)


@family
def conv(k, dtype, random):
    """Full tiles and their edges in both sizes, phases of strides, groups, channels that fill no quad, several parts of a sum."""
    def arrays(*shapes):
        return [random.normal(size=shape).astype(dtype) for shape in shapes]

    simple = (1, 1), (0, 0), (1, 1), 1
    k.conv2d_forward(*arrays((1, 12, 11, 17), (36, 17, 1, 1), (36,)), *simple)          # "tall", two tiles of pixels; channels to fill up
    k.conv2d_backward_input(*arrays((1, 12, 11, 18), (18, 36, 1, 1)), (1, 12, 11, 36), *simple)
    k.conv2d_backward_weight(*arrays((1, 3, 3, 68), (1, 3, 3, 130)), (68, 130, 1, 1), *simple)  # "tall", two tiles both ways
    for N, H, W, C, K, R, S, stride, padding, dilation, groups, biased in (
            (1, 5, 6, 8, 36, 3, 2, (2, 3), (1, 0), (1, 1), 1, True),      # phases, some with fewer pixels; two tiles of filters
            (1, 5, 5, 6, 10, 3, 3, (2, 2), (2, 2), (2, 2), 1, True),      # phases that no tap meets
            (1, 9, 8, 8, 5, 4, 2, (4, 3), (1, 1), (2, 2), 1, False),      # every second phase, and taps two by two
            (1, 3, 5, 10, 32, 3, 1, (1, 2), (1, 0), (1, 1), 2, True),     # groups that fill a tile, their channels none
            (1, 5, 5, 8, 12, 3, 3, (2, 1), (1, 1), (1, 1), 2, True),      # groups of few channels: one by one
            (1, 5, 4, 8, 8, 3, 3, (1, 1), (1, 1), (1, 2), 8, True),       # depthwise, by quads
            (2, 12, 8, 20, 5, 1, 1, (1, 1), (0, 0), (1, 1), 1, True),     # several parts of the sum over pixels
            (2, 12, 8, 2, 3, 2, 1, (1, 1), (0, 0), (1, 1), 1, True)):     # the same, one by one
        x, w, b = arrays((N, H, W, C), (K, C // groups, R, S), (K,))
        options = stride, padding, dilation, groups
        dy, = arrays(k.conv2d_forward(x, w, b if biased else None, *options).shape)
        k.conv2d_backward_input(dy, w, x.shape, *options)
        k.conv2d_backward_weight(dy, x, w.shape, *options)
    k.conv2d_forward(x, w, b, *options, np.empty_like(dy))
    k.conv2d_backward_input(dy, w, x.shape, *options, np.empty_like(x))
    k.conv2d_forward(x[:0], w, b, *options)
    k.conv2d_backward_input(dy[:0], w, (0, *x.shape[1:]), *options)
    k.conv2d_backward_weight(dy[:0], x[:0], w.shape, *options)


@family
def softmax(k, dtype, random):
    """A few lanes a row, a warp, a block; rows of several blocks; numbers far from 0, infinite ones, and none."""
    hard = random.normal(size=(7, 9)) * 10_000
    hard[1, 3], hard[2], hard[3, 5], hard[4, :8], hard[5, 0] = -np.inf, -np.inf, np.inf, -np.inf, np.nan
    long = random.normal(size=(2, 2100)) * 9
    long[0, ::2], long[0, 5] = -np.inf, 40
    for x in (hard, long, random.normal(size=(5, 140)), random.normal(size=(130, 3)), np.zeros((3, 1)), np.zeros((0, 3)), np.zeros((3, 0))):
        x = x.astype(dtype)
        y, z = k.softmax_forward(x), k.log_softmax_forward(x)
        dy = random.normal(size=x.shape).astype(dtype)
        k.softmax_backward(dy, y), k.log_softmax_backward(dy, z)


@family
def loss(k, dtype, random):
    """Every option, with short rows and long ones, an ignored label, and a weight of 0 at a logit of −∞."""
    for B, C in ((5, 10), (2, 2100), (3, 70), (0, 4))[:4 if dtype == np.float32 else 1]:
        logits, target = (random.normal(size=(B, C)) * 5).astype(dtype), random.integers(0, C, B)
        weight = random.uniform(size=C).astype(dtype)
        weight[1], logits[:, 1], target[1:2], target[:1] = 0, -np.inf, -100, 0
        for w, smoothing in ((None, 0), (weight, 0.1), (None, 0.1), (weight, 1)):
            finite = np.where(np.isfinite(logits) | (w is not None), logits, 0)
            _, probs = k.cross_entropy_forward(finite, target, w, -100, smoothing)
            k.cross_entropy_backward(random.normal(size=B).astype(dtype), probs, target, w, -100, smoothing)
            k.cross_entropy_backward(np.ones(1, dtype), probs, target, w, -100, smoothing, B)


@family
def tokens(k, dtype, random):
    """Pools of more tokens than warps, additive scores of several tiles and slices, weighted sums of several pieces."""
    for N, T, C in ((2, 11, 35), (3, 1, 2)):
        x, w, b = (random.normal(size=s).astype(dtype) for s in ((N, T, C), C, 1))
        y, a = k.attention_pool_forward(x, w, b)
        k.attention_pool_backward(random.normal(size=y.shape).astype(dtype), x, w, a)
    for N, T, S, D in ((1, 17, 3, 19), (2, 5, 9, 4), (2, 3, 0, 2)):
        q, key, v = (random.normal(size=s).astype(dtype) for s in ((N, T, D), (N, S, D), D))
        e = k.additive_scores_forward(q, key, v)
        k.additive_scores_backward(random.normal(size=e.shape).astype(dtype), q, key, v)
    for shape, L in (((2, 3, 2), 4), ((2, 2, 100), 3), ((1, 8200), 1), ((0, 3), 2)):
        w, *xs = (random.normal(size=s).astype(dtype) for s in ((shape[0], L), *[shape] * L))
        k.weighted_sum_backward(k.weighted_sum_forward(w, xs), w, xs)


@family
def gates(k, dtype, random):
    """Several blocks over the pixels, more channels than a warp has lanes, few and many threads; ties, and NaN, which wins."""
    x = random.integers(-3, 4, size=(2, 120, 5)).astype(dtype)
    x[0, 7, 1] = x[0, 90, 1] = x[1, 3, 2] = np.nan
    k.pool_pixels_forward(x)
    k.pool_channels_forward(x, None)
    shape = N, P, C = 2, 60, 40
    x, dy = random.normal(size=shape).astype(dtype), random.normal(size=shape).astype(dtype)
    channel, pixel = random.normal(size=(N, C)).astype(dtype), random.normal(size=(N, P)).astype(dtype)
    mean, most, where = k.pool_pixels_forward(x)
    k.pool_pixels_backward(mean, most, where, P)
    maps, winner = k.pool_channels_forward(x, channel)
    k.pool_channels_backward(maps, winner, x, channel)
    k.apply_gates_forward(x, channel, pixel)
    k.apply_gates_forward(x, channel, None, out=np.empty_like(x))
    k.apply_gates_backward(dy, x, channel, pixel)
    k.energy_gate_forward(x, 0.1, out=np.empty_like(x))
    k.energy_gate_backward(dy, x, k.energy_gate_forward(x, 0.1)[1])
    few = x[:, :, :3].copy(), dy[:, :, :3].copy()
    k.energy_gate_backward(*few[::-1], k.energy_gate_forward(few[0], 0.1)[1])
    k.pool_pixels_forward(random.normal(size=(1, 900, 10)).astype(dtype))  # many threads
    for b1, b2, filters, with_max in ((3, 40, (1, 2, 3, 3), True), (None, 40, None, True), (3, None, (1, 2, 5, 1), False)):
        x, dy = (random.normal(size=(2, 3, 4, 40)).astype(dtype) for _ in range(2))
        weights = [None if s is None else random.normal(size=s).astype(dtype) for s in ((3, 40), b1, (40, 3), b2, filters)]
        _, notes = k.attention_gate_forward(x, *weights, with_max)
        k.attention_gate_backward(dy, x, *weights, with_max, notes)


@family
def recurrent(k, dtype, random):
    """Both directions, sequences of one length and of several, without biases, with and without a projection."""
    T, N, I, H, P = 3, 3, 2, 4, 3

    def arrays(*shapes):
        return [random.normal(size=shape).astype(dtype) for shape in shapes]

    for lengths, reverse, biased in ((None, False, True), (np.array([3, 1, 2]), True, True), (np.array([1, 3, 2]), False, False)):
        options = {"lengths": lengths, "reverse": reverse}
        x, h0, c0, dy, dc = arrays((T, N, I), (N, H), (N, H), (T, N, H), (T, N, H))
        for gates, forward, backward in ((1, k.rnn_forward, k.rnn_backward), (3, k.gru_forward, k.gru_backward)):
            w_ih, w_hh, b_ih, b_hh = arrays((gates * H, I), (gates * H, H), gates * H, gates * H)
            more = options if gates == 3 else {"relu": biased, **options}
            saved = forward(x, h0, w_ih, w_hh, *((b_ih, b_hh) if biased else (None, None)), **more)
            backward(dy, x, h0, w_ih, w_hh, *(saved if gates == 3 else (saved,)), **more, needs_dx=biased)
        for size, w_hr in ((H, None), (P, *arrays((P, H)))):
            w_ih, w_hh, b_ih, b_hh = arrays((4 * H, I), (4 * H, size), 4 * H, 4 * H)
            saved = k.lstm_forward(x, h0[:, :size].copy(), c0, w_ih, w_hh, *((b_ih, b_hh) if biased else (None, None)), w_hr, **options)
            k.lstm_backward(dy[:, :, :size].copy(), dc, x, h0[:, :size].copy(), c0, w_ih, w_hh, w_hr, *saved, **options, needs_dx=biased)


@family
def pool(k, dtype, random):
    """Quads of channels and single ones, windows that overlap, padding, dilation, ties and NaN, large windows, channels beyond a block's."""
    for C in (8, 3):
        x = random.integers(0, 4, (2, 7, 6, C)).astype(dtype)  # ties
        x[0, 2, 3:5, 1] = np.nan
        for given in (((3, 2), (2, 1), (1, 0), (1, 2), True), ((2, 2), (2, 2), (0, 0), (1, 1), False)):
            y, indices = k.max_pool2d_forward(x, *given)
            dy = random.normal(size=y.shape).astype(dtype)
            k.max_pool2d_backward(dy, indices, x.shape), k.max_pool2d_gather(x, indices)
        k.adaptive_max_pool2d_forward(x, (3, 4))
        z = random.normal(size=x.shape).astype(dtype)
        for given in (((3, 2), (2, 1), (1, 0), True, True), ((2, 3), (2, 2), (1, 1), False, False), ((2, 2), (3, 3), (0, 0), False, True, 5)):
            dy = random.normal(size=k.avg_pool2d_forward(z, *given).shape).astype(dtype)
            k.avg_pool2d_backward(dy, z.shape, *given)
        for size in ((3, 4), (9, 2), (1, 1)):
            k.adaptive_avg_pool2d_backward(k.adaptive_avg_pool2d_forward(z, size), z.shape)
    wide = random.normal(size=(1, 10, 9, 34)).astype(dtype)
    k.adaptive_avg_pool2d_forward(wide, (1, 1)), k.avg_pool2d_forward(wide, (8, 9), (2, 3), (1, 4), False, False)
    y, indices = k.max_pool2d_forward(x[:0], *((2, 2),) * 2, (0, 0), (1, 1), False)
    k.adaptive_avg_pool2d_forward(x[:0], (2, 2))


@family
def pool_tiles(k, dtype, random):
    """Quads of channels and single ones; windows that leave a rest of the image; ties, NaN, no weight, nothing positive."""
    for C, kernel_size in ((8, (2, 2)), (3, (3, 2))):
        x = random.integers(0, 4, (2, 7, 5, C)).astype(dtype)
        x[0, 1, 0, 1] = np.nan
        y, places = k.max_pool2d_tiles_forward(x, kernel_size)
        dy = random.normal(size=y.shape).astype(dtype)
        k.max_pool2d_tiles_backward(dy, places, x.shape, kernel_size), k.max_pool2d_tiles_gather(x, places, kernel_size)
        x = random.normal(size=x.shape).astype(dtype)
        for weight, bias in ((None, None), random.normal(size=(2, C)).astype(dtype), (None, np.full(C, -0.4, dtype))):
            _, winners, places, mean, _, rstd = k.batch_norm_pool_forward(x, weight, bias, 1e-5, kernel_size)
            k.batch_norm_pool_backward(dy, x, winners, places, mean, rstd, weight, bias, kernel_size)
    y, places = k.max_pool2d_tiles_forward(x[:0], (2, 2))
    k.max_pool2d_tiles_backward(y, places, (0, 7, 5, 3), (2, 2)), k.max_pool2d_tiles_gather(x[:0], places, (2, 2))

@family
def reduce(k, dtype, random):
    """Rows and columns, short, long, cut into pieces, aligned or not; axes that do not lie together; NaN, ties and integers."""
    def made(*shape):
        return random.normal(size=shape).astype(dtype)
    few = [(made(3, 5), (1,)), (made(2, 37), (1,)), (made(40, 3), (0,)), (made(2, 3, 4, 5), (0, 2)), (made(2, 3, 1), (2,)), (made(), ())]
    more = [(made(2, 40), (1,)), (made(1, 1100), (1,)), (made(4500), (0,)), (made(5, 3), (0,)), (made(2, 30, 9), (1,)), (made(2300, 3), (0,)),
            (made(2, 20, 40), (1,)), (made(2, 20, 3, 20), (1, 3)), (made(2, 3, 4), (0, 1, 2)), (made(3, 2), ()), (made(2, 3, 4, 5), (0, 2), True)]
    for name, cases in (("sum", few + more), ("mean", few), ("amax", few), ("amin", few), ("prod", few)):
        for x, *axes in cases:
            getattr(k, name)(x, *axes)
    k.mean(made(4100), (0,))
    for name in ("sum", "mean", "prod"):
        getattr(k, name)(made(0, 3), (0,)), getattr(k, name)(made(2, 0, 3), (0, 1), True)
    hard = np.array([[1, np.nan, 3, -1], [np.inf, 2, -np.inf, 2], [0, -0.0, 0, -0.0], [5, 1, 5, 1]], dtype)
    for name in ("sum", "amax", "amin"):
        for axis in (0, 1):
            getattr(k, name)(hard, (axis,)), getattr(k, name)(np.repeat(hard, 5, axis), (axis,))
    for name in ("argmax", "argmin"):
        for x in (hard, np.repeat(hard, 9, 1), np.array([[2, 7, 7], [1, 1, 0]])):
            getattr(k, name)(x, 0), getattr(k, name)(x, 1)
        getattr(k, name)(made(1, 1030), 1), getattr(k, name)(made(2, 3, 5), 1, True), getattr(k, name)(made(3, 9), -1, True)
    for x in (hard, np.repeat(hard, 9, 1), made(9, 70), made(3, 40, 5), made(0, 2), np.arange(12).reshape(3, 4), np.arange(12).reshape(3, 4) % 3 > 0):
        k.cumsum(x, 0), k.cumsum(x, 1)
    k.cumsum(made(4, 5), 1, made(4, 5))
    for x in (np.arange(-5, 67).reshape(2, 36), np.arange(72, dtype=np.uint8).reshape(2, 36), np.arange(72).reshape(2, 36) % 5 > 0):
        for name in ("sum", "amax", "amin", "prod"):
            getattr(k, name)(x[:, :3].copy(), (1,)), getattr(k, name)(x[:, :33].copy(), (1,))


@family
def random(k, dtype, random):
    """Whole blocks of words and parts of them, seeds and offsets with high bits, every p."""
    def one(value):
        return np.array([value], np.uint64)
    for shape in ((5,), (2, 4), (300,), (), (0, 3)):
        for draw in (k.random_uniform, k.random_normal):
            draw(shape, one(7), one(0), dtype)
            draw(shape, one(2**63 + 12345), one(2**32 - 1), dtype)
    for p in (0, 0.3, 1):
        k.dropout(random.normal(size=(3, 9)).astype(dtype), p, one(2**40), one(11))
    k.dropout(random.normal(size=8).astype(dtype), 0.5, one(1), one(2), np.empty(8, dtype))


@family
def index(k, dtype, random):
    """Rows of a multiple of 4 and others; indices that point at one place; few columns of many, and many of few."""
    def picks(most, *shape):
        return random.integers(0, most, shape)
    for x in (random.normal(size=(5, 8)).astype(dtype), random.normal(size=(5, 3)).astype(dtype), np.arange(15).reshape(5, 3), np.eye(5) > 0):
        k.take_rows(x, picks(5, 7)), k.take_rows(x, picks(5, 0))
    k.take_rows(random.normal(size=(5, 8)).astype(dtype), picks(5, 7), np.empty((7, 8), dtype))
    k.add_rows(random.normal(size=(40, 3)).astype(dtype), picks(5, 40), 6)
    k.add_rows(random.normal(size=(0, 3)).astype(dtype), picks(5, 0), 2)
    x = random.normal(size=(3, 4, 5)).astype(dtype)
    for axis in (0, 1, -1):
        k.gather(x, axis, picks(3, 2, 4, 5)), k.gather(np.arange(60).reshape(3, 4, 5), axis, picks(3, 3, 4, 2))
        k.scatter_add(x, axis, picks(6, 3, 4, 5), 6)
    k.gather(x, 1, picks(4, 3, 2, 5), np.empty((3, 2, 5), dtype))
    k.scatter_add(random.normal(size=(70, 2)).astype(dtype), 0, picks(9, 70, 2), 9)
    for kind in (dtype, np.int64, np.bool_):
        k.one_hot(picks(4, 6), 4, kind)


@family
def sort(k, dtype, random):
    """One tile and several, ties, NaN and infinities, integers and booleans; few of many."""
    hard = np.array([[1, np.nan, 3, -np.inf, 3, np.nan, 0], [2, 2, np.inf, -0.0, 0, 2, 1]], dtype)
    ties = random.integers(0, 9, (2, 40))
    for x in (hard, ties.astype(dtype), ties > 4, hard[:, :1].copy(), hard[:, :0], hard[:0]):
        for descending in (False, True):
            k.sort(x, descending)
    k.sort(ties, False), k.topk(ties.astype(np.uint8), 3, True)
    for few in (0, 1, 7):
        k.topk(hard, few, True), k.topk(hard, few, False)
    long = random.integers(0, 300, (1, 1100)).astype(dtype)
    k.sort(long, True), k.topk(long, 5, True), k.topk(long[:, :600].copy(), 130, False)


@family
def optimizer(k, dtype, random):
    """Every formula, over members of many sizes, also of none and of several blocks; norms of every order, of one block and of several."""
    def numbers(positive=False):
        made = [random.normal(size=s).astype(dtype) for s in ((3, 4), (1500,), (0, 2), (1,), (2, 2, 2))]
        return [abs(x) for x in made] if positive else made

    lr, step = np.array([0.1], dtype), np.array([3])
    for uphill in (False, True):
        k.sgd_step(numbers(), numbers(), None, lr, 0, 0, 0.1, False, False, uphill)
        k.adam_step(numbers(), numbers(), numbers(), numbers(True), lr, step, 0.9, 0.99, 1e-8, 0.1, uphill, uphill)
        k.rmsprop_step(numbers(), numbers(), numbers(True), None, None, lr, 0.9, 1e-8, 0.1, 0, uphill)
        k.lion_step(numbers(), numbers(), numbers(), lr, 0.9, 0.99, 0.1, uphill)
    for nesterov, first in ((False, False), (True, False), (True, True)):
        buffers = [np.full_like(x, np.nan) for x in numbers()] if first else numbers()
        k.sgd_step(numbers(), numbers(), buffers, lr, 0.9, 0 if nesterov else 0.2, 0.1, nesterov, first)
    k.adam_step(numbers(), numbers(), numbers(), numbers(True), lr, step, 0.9, 0.99, 1e-8, 0.1, False, False, numbers(True))
    k.rmsprop_step(numbers(), numbers(), numbers(True), None, numbers(), lr, 0.9, 1e-8, 0.1, 0.8)
    small = [x * 0.1 for x in numbers()]
    k.rmsprop_step(numbers(), numbers(), numbers(True), small, None, lr, 0.9, 1e-2, 0.1, 0)
    k.rmsprop_step(numbers(), numbers(), numbers(True), small, numbers(), lr, 0.9, 1e-2, 0.1, 0.8)
    k.lerp_step(numbers(), numbers(), 0.25)
    k.sgd_step([], [], None, lr, 0, 0, 0.1, False, False)
    coefficients = 3.4445, -4.775, 2.0315
    for shape, nesterov in (((5, 3), True), ((3, 6), False)):
        p, g, b = random.normal(size=(3, *shape)).astype(dtype)
        k.newton_schulz(g, coefficients, 2, 1e-7)
        k.muon_step(p, g, b, lr, 0.1, 0.9, nesterov, coefficients, 1e-7, 2, 0.7)
    x = random.normal(size=2100).astype(dtype)
    x[7] = 0
    for order in (2, 1, 0, 3.5, -1, np.inf, -np.inf):
        k.power_norm(x, order)
    k.power_norm(x[:30].reshape(5, 6), 2), k.power_norm(x[:0], np.inf)
    k.power_norm(np.array([1, np.nan, 2], dtype), np.inf), k.power_norm(np.array([1, np.nan, 2], dtype), 2)


@family
def resample(k, dtype, random):
    """Either axis alone and both, quads of channels and single ones, outputs without taps, whole numbers."""
    def taps(length, outputs, kind=dtype):
        counts = random.integers(0, 4, outputs)
        weight = random.normal(size=counts.sum()) * 3
        return np.concatenate([[0], np.cumsum(counts)]), random.integers(0, length, counts.sum()), weight.astype(kind)

    for B in (8, 3):
        x = random.normal(size=(2, 4, 5, B)).astype(dtype)
        k.resample_axes(x, taps(4, 3), taps(5, 6)), k.resample_axes(x, None, taps(5, 6)), k.resample_axes(x, taps(4, 3), None)
    k.resample_axes(x, None, None), k.resample_axes(x[:0], taps(4, 3), None)
    k.resample_axes(np.arange(60).reshape(1, 4, 5, 3), taps(4, 3, np.int64), taps(5, 2, np.int64))


@family
def sample(k, dtype, random):
    """Every mode, padding and derivative in two and three axes, far points and no numbers; pixels where many taps meet; wide and narrow."""
    for number, (mode, padding) in enumerate((m, p) for m in ("nearest", "bilinear", "bicubic") for p in ("zeros", "border", "reflection")):
        grid = (random.random((6, 2)) * 4 - 2).astype(dtype)
        grid[0], grid[1] = (np.nan, 0.5), (-np.inf, 1e12)
        k.grid_taps(grid, (4, 5), mode, padding, number % 2 == 0, (number % 3, number // 3 % 2))
    k.grid_taps((random.random((4, 3)) * 3 - 1.5).astype(dtype), (3, 1, 4), "bilinear", "reflection", False, (0, 1, 0))
    for N, P, Q, T, C in ((2, 5, 4, 3, 8), (1, 2, 6, 5, 3), (1, 4, 2, 2, 34)):
        x, dy, weight = (random.normal(size=s).astype(dtype) for s in ((N, P, C), (N, Q, C), (N, Q, T)))
        index = random.integers(-1, P, (N, Q, T))
        k.sample_points(x, index, weight), k.sample_points_backward_input(dy, index, weight, P), k.sample_points_backward_weight(dy, x, index)
    k.sample_points(x[:0], index[:0], weight[:0]), k.sample_points_backward_input(dy, np.full_like(index, -1), weight, P)
