"""Convolution kernels against an oracle that walks over output pixels (the kernels walk over taps), and each other."""
import itertools
import os
import platform
import subprocess
import sys

import numba
import numpy as np
import pytest

from tinyattn import kernels
from tinyattn.kernels.cpu.conv import depthwise, direct, planes, weight_grad, winograd, winograd_weights

#         N   H   W   C   K   R  S  stride  padding dilation groups
CASES = {
    "full tiles": (2, 9, 28, 16, 32, 3, 3, (1, 1), (1, 1), (1, 1), 1),
    "short tiles": (3, 8, 8, 16, 16, 3, 3, (1, 1), (1, 1), (1, 1), 1),
    "many panels": (1, 5, 16, 9, 80, 3, 3, (1, 1), (1, 1), (1, 1), 1),
    "ragged everywhere": (1, 9, 33, 17, 40, 3, 5, (1, 1), (2, 3), (1, 1), 1),
    "first layer, grey": (3, 10, 12, 1, 16, 3, 3, (1, 1), (1, 1), (1, 1), 1),
    "first layer, colour": (2, 9, 14, 3, 17, 3, 3, (1, 1), (1, 1), (1, 1), 1),
    "no padding": (2, 8, 17, 4, 6, 3, 2, (1, 1), (0, 0), (1, 1), 1),
    "smaller than a tile": (2, 4, 3, 5, 7, 3, 3, (1, 1), (0, 0), (1, 1), 1),
    "1 x 1": (2, 7, 14, 5, 24, 1, 1, (1, 1), (0, 0), (1, 1), 1),
    "1 x 1, many images": (17, 3, 7, 5, 24, 1, 1, (1, 1), (0, 0), (1, 1), 1),
    "1 x 1 of one pixel": (1, 1, 1, 3, 2, 1, 1, (1, 1), (0, 0), (1, 1), 1),
    "1 x 1 that skips pixels": (1, 9, 9, 3, 5, 1, 1, (2, 3), (0, 0), (1, 1), 1),
    "stride 2": (2, 12, 13, 8, 16, 3, 3, (2, 2), (1, 1), (1, 1), 1),
    "stride beyond the filter": (1, 12, 13, 3, 5, 2, 3, (3, 5), (0, 1), (1, 1), 1),
    "dilation 2": (2, 11, 10, 4, 8, 3, 3, (1, 1), (2, 2), (2, 2), 1),
    "stride and dilation": (1, 15, 17, 8, 20, 3, 4, (2, 3), (1, 2), (3, 2), 1),
    "padding beyond the filter": (1, 4, 5, 3, 5, 2, 2, (1, 1), (3, 4), (1, 1), 1),
    "groups": (2, 9, 8, 6, 9, 3, 2, (2, 1), (1, 0), (1, 2), 3),
    "groups of whole vectors": (1, 6, 14, 32, 64, 3, 3, (1, 1), (1, 1), (1, 1), 2),
    "multiplier": (2, 6, 7, 3, 6, 3, 3, (1, 1), (1, 1), (1, 1), 3),
    "depthwise": (3, 6, 9, 17, 17, 3, 5, (1, 1), (1, 2), (1, 1), 17),
    "depthwise, stride and dilation": (2, 12, 20, 16, 16, 3, 3, (2, 1), (1, 1), (1, 2), 16),
    "depthwise, 3 x 3": (2, 5, 21, 20, 20, 3, 3, (1, 1), (1, 1), (1, 1), 20),
    "depthwise, stride 2": (18, 9, 37, 17, 17, 3, 3, (2, 2), (1, 1), (1, 1), 17),
    "spatial gate": (5, 14, 9, 2, 1, 7, 7, (1, 1), (3, 3), (1, 1), 1),
    "one channel of many": (3, 5, 9, 30, 1, 3, 3, (1, 1), (1, 1), (1, 1), 1),
    "few channels, stride": (2, 9, 9, 7, 2, 3, 3, (2, 1), (1, 1), (1, 2), 1),
    "few channels, far padding": (1, 3, 4, 2, 1, 3, 3, (1, 1), (4, 4), (1, 1), 1),
    "along one axis": (4, 1, 40, 1, 1, 1, 5, (1, 1), (0, 2), (1, 1), 1),
    "many images": (37, 4, 5, 3, 8, 3, 3, (1, 1), (1, 1), (1, 1), 1),
    "winograd": (13, 14, 14, 16, 32, 3, 3, (1, 1), (1, 1), (1, 1), 1),
    "winograd, wide": (24, 8, 8, 128, 48, 3, 3, (1, 1), (1, 1), (1, 1), 1),
    "winograd, ragged": (11, 13, 10, 48, 16, 3, 3, (1, 1), (2, 0), (1, 1), 1),
    "winograd, far padding": (20, 5, 6, 32, 32, 3, 3, (1, 1), (3, 4), (1, 1), 1),
    "bands of rows": (1, 64, 60, 16, 4, 3, 3, (1, 1), (1, 1), (1, 1), 1),
}
PLAIN_TOO = ("ragged everywhere", "groups", "stride and dilation", "depthwise", "padding beyond the filter")


def numbers(name, dtype, seed=0):
    N, H, W, C, K, R, S, *attributes = CASES[name]
    rng = np.random.default_rng(seed)
    x, w, b = (rng.standard_normal(shape).astype(dtype) for shape in ((N, H, W, C), (K, C // attributes[-1], R, S), K))
    return x, w, b, attributes


def oracle(x, w, b, stride, padding, dilation, groups, dy=None):
    """y, dx, dw, db in float64: one output pixel after the other, with the patch of the image that it sees."""
    x, w, b = (a.astype(np.float64) for a in (x, w, b))
    N, H, W, C = x.shape
    K, Cg, R, S = w.shape
    (sh, sw), (ph, pw), (dh, dw_) = stride, padding, dilation
    big = np.zeros((N, H + 2 * ph, W + 2 * pw, C))
    big[:, ph:ph + H, pw:pw + W] = x
    Ho, Wo = (big.shape[1] - dh * (R - 1) - 1) // sh + 1, (big.shape[2] - dw_ * (S - 1) - 1) // sw + 1
    y = np.zeros((N, Ho, Wo, K))
    dy = np.zeros_like(y) if dy is None else dy.astype(np.float64)
    dbig, dw = np.zeros_like(big), np.zeros_like(w)
    for n, i, j in np.ndindex(N, Ho, Wo):
        patch = (n, slice(i * sh, i * sh + dh * (R - 1) + 1, dh), slice(j * sw, j * sw + dw_ * (S - 1) + 1, dw_))
        for g in range(groups):
            k, c = slice(g * K // groups, (g + 1) * K // groups), slice(g * Cg, (g + 1) * Cg)
            y[n, i, j, k] = b[k] + np.einsum("kcrs,rsc->k", w[k], big[patch][..., c])
            dbig[patch + (c,)] += np.einsum("k,kcrs->rsc", dy[n, i, j, k], w[k])
            dw[k] += np.einsum("k,rsc->kcrs", dy[n, i, j, k], big[patch][..., c])
    return y, dbig[:, ph:ph + H, pw:pw + W], dw, dy.sum(axis=(0, 1, 2))


def widened(sums):
    """The greatest of `sums` within one tile and its neighbours: what a Winograd tile computes with, and rounds by."""
    for axis in (1, 2):
        sums = np.max([np.roll(np.pad(sums, [(0, 0)] * axis + [(6, 6)] + [(0, 0)] * (3 - axis)), shift, axis)
                       for shift in range(-5, 6)], axis=0).take(range(6, 6 + sums.shape[axis]), axis)
    return sums


_known = {}


def expected(name, dtype):
    """Inputs, oracle's results, and how much each may err: a few roundings of the sum of absolute values."""
    if (name, dtype) not in _known:
        x, w, b, attributes = numbers(name, dtype)
        dy = np.random.default_rng(1).standard_normal(oracle(x, w, b, *attributes)[0].shape).astype(dtype)
        results = oracle(x, w, b, *attributes, dy)
        sums = oracle(np.abs(x), np.abs(w), np.abs(b), *attributes, np.abs(dy))
        if name.startswith("winograd"):
            sums = (*map(widened, sums[:2]), *sums[2:])
        _known[name, dtype] = x, w, b, dy, attributes, results, [8 * np.finfo(dtype).eps * s for s in sums]
    return _known[name, dtype]


def check(k, name, dtype, suffix=""):
    x, w, b, dy, attributes, results, allowed = expected(name, dtype)
    forward, backward_input, backward_weight = (
        getattr(k, f"conv2d_{part}{suffix}") for part in ("forward", "backward_input", "backward_weight"))
    y, dx = np.full(dy.shape, np.nan, dtype), np.full(x.shape, np.nan, dtype)  # what is forgotten stays NaN
    assert forward(x, w, b, *attributes, out=y) is y
    assert backward_input(dy, w, x.shape, *attributes, out=dx) is dx
    got = (y, dx) + tuple(backward_weight(dy, x, w.shape, *attributes))
    for what, ours, theirs, error in zip(("y", "dx", "dw", "db"), got, results, allowed):
        assert ours.dtype == dtype and ours.shape == theirs.shape and ours.flags.c_contiguous, what
        assert (np.abs(ours - theirs) <= error).all(), f"{what} is off by up to {np.abs(ours - theirs).max()}"
    without = forward(x, w, None, *attributes)
    np.testing.assert_allclose(without, results[0] - b, rtol=0, atol=allowed[0].max())
    assert backward_input(dy, w, x.shape, *attributes).tobytes() == dx.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
def test_against_the_oracle(rung, name, dtype):
    check(kernels.rung(rung), name, dtype)


@pytest.mark.parametrize("name", PLAIN_TOO)
def test_plain_twins(name):
    check(kernels.rung("cpu"), name, np.float64, "_plain")


def test_plain_reference():
    check(kernels.rung("reference"), "groups", np.float64, "_plain")
    check(kernels.rung("reference"), "smaller than a tile", np.float32, "_plain")


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
def test_a_case_worked_by_hand(rung):
    """[1 2 3] with zeros around it, under the filter [1 10 100]: 1·0+10·1+100·2, 1·1+10·2+100·3, 1·2+10·3+100·0."""
    k = kernels.rung(rung)
    x, w = np.array([[[[1.0], [2], [3]]]]), np.array([[[[1.0, 10, 100]]]])
    how = (1, 1), (0, 1), (1, 1), 1
    assert k.conv2d_forward(x, w, np.array([0.5]), *how).ravel().tolist() == [210.5, 321.5, 32.5]
    dy = np.array([[[[1.0], [0], [2]]]])  # dx: every output hands its dy times the filter back
    assert k.conv2d_backward_input(dy, w, x.shape, *how).ravel().tolist() == [10, 100 + 2, 20]
    dw, db = k.conv2d_backward_weight(dy, x, w.shape, *how)
    assert dw.ravel().tolist() == [2 * 2, 1 + 2 * 3, 2] and db.tolist() == [3]


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_adjoints(name):
    """⟨dy, conv(x, w)⟩ = ⟨dx, x⟩ = ⟨dw, w⟩, since the convolution is linear in each."""
    k = kernels.rung("cpu")
    x, w, b, dy, attributes, _, _ = expected(name, np.float64)
    y = k.conv2d_forward(x, w, None, *attributes)
    dx = k.conv2d_backward_input(dy, w, x.shape, *attributes)
    dw, db = k.conv2d_backward_weight(dy, x, w.shape, *attributes)
    size = np.linalg.norm(dy) * np.linalg.norm(y)
    assert abs((dy * y).sum() - (dx * x).sum()) < 1e-13 * size
    assert abs((dy * y).sum() - (dw * w).sum()) < 1e-13 * size
    assert abs((dy @ b).sum() - (db * b).sum()) < 1e-13 * np.linalg.norm(dy) * np.linalg.norm(b) * dy.size ** 0.5


def test_the_cases_enter_every_path(monkeypatch):
    """Fast kernels choose among tiles and scratches by shape: each choice must be among the cases."""
    seen = set()

    def spy(module, describe):
        run = module.launch

        def record(body, jobs, given, *arrays, **options):
            if body.py_func.__qualname__.startswith("_one_"):  # not those that only lay numbers out
                seen.update(describe(body.py_func.__qualname__, list(given), jobs))
            return run(body, jobs, given, *arrays, **options)

        monkeypatch.setattr(module, "launch", record)

    def of_direct(body, given, jobs):
        lanes, K, G, tall, band, scratch = direct.lanes_of(np.dtype(np.float32)), given[7], given[3], *given[20:]
        panels = {"wide"} if K > lanes else set()
        if -(-K // lanes) % 2:
            panels.add("narrow")
        yield from (("direct", "tall" if tall else "short", panel) for panel in panels)
        yield "direct", "padded" if scratch else "in place"
        yield "direct", "one band" if band >= given[5] else "bands"
        yield "direct", "one run" if given[15] == 1 and G == 1 else "runs"
        yield "direct", "no taps" if given[8] == 0 else "taps"
        yield "direct", "whole vectors" if K % lanes == 0 else "part of a vector"

    def of_weights(body, given, jobs):
        few, by_rows, together, dy_size = *given[18:21], given[22]
        yield "weights", ("by rows" if by_rows else "by runs") if few else ("copied dy" if dy_size else "dy in place")
        yield "weights", "images together" if together > 1 else "one at a time"

    def of_winograd(body, given, jobs):
        K, lanes = given[6], direct.lanes_of(np.dtype(np.float32))
        if body == "_one_chunk":
            for panel in ["wide"] * int(K > lanes) + ["narrow"] * int(K // lanes % 2):
                yield "winograd", "tall" if given[13] else "short", panel
        else:
            yield "winograd", "one slice" if given[9] == K else "slices"

    spy(direct, of_direct)
    spy(winograd, of_winograd)
    spy(winograd_weights, of_winograd)
    spy(weight_grad, of_weights)
    spy(planes, lambda body, given, jobs: [("planes", "one" if given[6] == 1 else "some", given[3] > 1)])
    spy(depthwise, lambda body, given, jobs: [("depthwise", body, given[9] if given[7] == 3 and given[13] == 1 else "any")])
    for name in CASES:
        check(kernels.rung("cpu"), name, np.float32)
    wanted = {("direct", *p) for p in itertools.product(("tall", "short"), ("wide", "narrow"))}
    wanted |= {("direct", p) for p in ("padded", "in place", "one band", "bands", "one run", "runs", "no taps", "taps",
                                       "whole vectors", "part of a vector")}
    wanted |= {("weights", p) for p in ("by rows", "by runs", "copied dy", "dy in place", "images together",
                                        "one at a time")}
    wanted |= {("planes", "one", True), ("planes", "one", False)}
    wanted |= {("planes", "some", False)} if planes.suits(2, 9, (1, 1), 1, np.dtype(np.float32)) else set()  # not with short vectors
    of_16 = direct.lanes_of(np.dtype(np.float32)) == 16  # with shorter vectors the channels of all cases fill pairs of them
    wanted |= {("winograd", *p) for p in itertools.product(("tall", "short"), ("wide", "narrow") if of_16 else ("wide",))}
    wanted |= {("winograd", p) for p in ("one slice", "slices")}
    wanted |= {("depthwise", *p) for p in itertools.product(("_one_band", "_one_block"), (1, 2, "any"))}  # how far it slides
    assert wanted <= seen, f"no case enters {wanted - seen}"


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread only")
@pytest.mark.parametrize("case", [(37, 12, 12, 16, 32, 3, 1), (37, 12, 12, 17, 32, 3, 1), (19, 14, 14, 2, 1, 7, 1), (21, 9, 9, 24, 24, 3, 24)])
def test_same_bits_with_any_number_of_threads(case):
    N, H, W, C, K, R, groups = case
    rng = np.random.default_rng(2)
    x, w = rng.standard_normal((N, H, W, C), np.float32), rng.standard_normal((K, C // groups, R, R), np.float32)
    k, how, before = kernels.rung("cpu"), ((1, 1), (R // 2,) * 2, (1, 1), groups), numba.get_num_threads()
    bits = []
    try:
        for threads in (1, 2):
            numba.set_num_threads(threads)
            y = k.conv2d_forward(x, w, None, *how)
            bits.append([a.tobytes() for a in (
                y, k.conv2d_backward_input(y, w, x.shape, *how), *k.conv2d_backward_weight(y, x, w.shape, *how))])
    finally:
        numba.set_num_threads(before)
    assert bits[0] == bits[1]


@pytest.mark.parametrize("name", ["full tiles", "ragged everywhere", "spatial gate", "depthwise", "stride 2"])
def test_infinity_stays_where_it_is_seen(name):
    """Tiles compute beyond the edge and padding is read from a scratch: none of it may reach a result."""
    k = kernels.rung("cpu")
    x, w, b, dy, attributes, _, _ = expected(name, np.float32)
    x = x.copy()
    x[0, 0, 0, 0] = np.inf
    with np.errstate(invalid="ignore"):
        y = oracle(x, w, b, *attributes)[0]
    assert (np.isfinite(k.conv2d_forward(x, w, b, *attributes)) == np.isfinite(y)).all()
    assert 0 < np.isfinite(y).mean() < 1
    dy = dy.copy()
    dy[-1, -1, -1, -1] = np.inf
    with np.errstate(invalid="ignore"):
        _, dx, _, db = oracle(expected(name, np.float32)[0], w, b, *attributes, dy)
    assert (np.isfinite(k.conv2d_backward_input(dy, w, x.shape, *attributes)) == np.isfinite(dx)).all()
    assert (np.isfinite(k.conv2d_backward_weight(dy, x, w.shape, *attributes)[1]) == np.isfinite(db)).all()


def test_winograd_rounds_by_its_bound():
    """Typical errors in float32, relative to typical results: below 1.2·10⁻⁶ (points of 1 and 2 would give 2·10⁻⁶)."""
    k, rng = kernels.rung("cpu"), np.random.default_rng(3)
    x, w = rng.standard_normal((24, 16, 16, 64)), rng.standard_normal((64, 64, 3, 3)) / 24
    dy, how = rng.standard_normal((24, 16, 16, 64)), ((1, 1), (1, 1), (1, 1), 1)
    assert winograd.suits(x.shape, w.shape, *how, np.dtype(np.float32))

    def results(dtype):
        a, b, c = (z.astype(dtype) for z in (x, w, dy))
        return (k.conv2d_forward(a, b, None, *how), k.conv2d_backward_input(c, b, x.shape, *how),
                *k.conv2d_backward_weight(c, a, w.shape, *how))
    for what, single, double in zip(("y", "dx", "dw", "db"), results(np.float32), results(np.float64)):
        error = np.sqrt(np.square(single - double).mean() / np.square(double).mean())
        assert error < 1.2e-6, f"{what}: {error:.1e}"


def test_infinity_stays_near_with_winograd():
    """An infinite pixel spoils the tiles that see it, 5 pixels around at most."""
    k = kernels.rung("cpu")
    x, w, b, dy, attributes, _, _ = expected("winograd", np.float32)
    x = x.copy()
    x[3, 7, 6, 5] = np.inf
    spoilt = np.argwhere(~np.isfinite(k.conv2d_forward(x, w, b, *attributes)))
    assert len(spoilt) and (spoilt[:, 0] == 3).all() and (np.abs(spoilt[:, 1:3] - (7, 6)) <= 5).all()


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("C, w_shape, groups", [(3, (4, 3, 3, 3), 1), (2, (1, 2, 3, 3), 1), (3, (3, 1, 3, 3), 3)])
def test_an_empty_batch(rung, C, w_shape, groups):
    k, x_shape = kernels.rung(rung), (0, 5, 5, C)
    x, w, how = np.empty(x_shape, np.float32), np.ones(w_shape, np.float32), ((1, 1), (1, 1), (1, 1), groups)
    y = k.conv2d_forward(x, w, None, *how)
    assert y.shape == x_shape[:3] + w_shape[:1] and k.conv2d_backward_input(y, w, x_shape, *how).shape == x_shape
    dw, db = k.conv2d_backward_weight(y, x, w_shape, *how)
    assert not dw.any() and not db.any() and dw.shape == w_shape and db.shape == w_shape[:1]


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="pretends to be another x86 processor")
def test_another_processor_computes_the_same(tmp_path):
    """16 registers of 32 bytes (AVX2) where this machine may have more: other tiles, other paths, same results."""
    program = (
        "from tests.kernels import test_conv as t; from tinyattn import kernels; import numpy as np\n"
        "from tinyattn.kernels.cpu import simd; assert (simd.VECTOR_BYTES, simd.REGISTERS) == (32, 16)\n"
        "for name in ('full tiles', 'short tiles', 'ragged everywhere', 'first layer, colour', 'spatial gate'):\n"
        "    t.check(kernels.rung('cpu'), name, np.float32)\n")
    environment = {**os.environ, "NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "", "TINYATTN_CACHE": str(tmp_path)}
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    subprocess.run([sys.executable, "-c", program], cwd=root, env=environment, check=True, timeout=300)
