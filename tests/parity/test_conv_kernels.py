"""Convolution and matrix product kernels against PyTorch's, values and gradients."""
import numpy as np
import pytest

from tinyattn import kernels

torch = pytest.importorskip("torch")

CASES = [  # N H W C K R S stride padding dilation groups
    (4, 28, 28, 16, 32, 3, 3, (1, 1), (1, 1), (1, 1), 1),
    (3, 14, 14, 32, 20, 3, 3, (1, 1), (1, 1), (1, 1), 1),
    (2, 15, 12, 3, 17, 5, 3, (2, 1), (2, 0), (1, 2), 1),
    (2, 28, 28, 2, 1, 7, 7, (1, 1), (3, 3), (1, 1), 1),
    (2, 9, 11, 24, 24, 3, 3, (2, 2), (1, 1), (1, 1), 24),
    (2, 9, 11, 8, 12, 3, 3, (1, 1), (2, 1), (2, 1), 4),
    (3, 7, 7, 20, 33, 1, 1, (1, 1), (0, 0), (1, 1), 1),
]


def close(ours, theirs, dtype):
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape
    scale = max(np.abs(theirs).max(), 1)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=scale * (1e-5 if dtype == np.float32 else 1e-13))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
def test_convolution(rung, case, dtype):
    N, H, W, C, K, R, S, *attributes = case
    k, rng = kernels.rung(rung), np.random.default_rng(0)
    x, b = rng.standard_normal((N, H, W, C)).astype(dtype), rng.standard_normal(K).astype(dtype)
    w = rng.standard_normal((K, C // attributes[-1], R, S)).astype(dtype)
    x_t, w_t, b_t = (torch.from_numpy(a).requires_grad_() for a in (x, w, b))
    y_t = torch.nn.functional.conv2d(x_t.permute(0, 3, 1, 2), w_t, b_t, *attributes).permute(0, 2, 3, 1)
    dy = rng.standard_normal(tuple(y_t.shape)).astype(dtype)
    y_t.backward(torch.from_numpy(dy))
    close(k.conv2d_forward(x, w, b, *attributes), y_t, dtype)
    close(k.conv2d_backward_input(dy, w, x.shape, *attributes), x_t.grad, dtype)
    dw, db = k.conv2d_backward_weight(dy, x, w.shape, *attributes)
    close(dw, w_t.grad, dtype)
    close(db, b_t.grad, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
def test_matrix_product(rung, dtype):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, 37, 65)).astype(dtype), rng.standard_normal((3, 90, 65)).astype(dtype)
    theirs = torch.from_numpy(a) @ torch.from_numpy(b).transpose(1, 2)
    close(kernels.rung(rung).matmul(a, b, transpose_b=True), theirs, dtype)
