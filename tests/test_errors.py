"""Bad input is answered with what was given, what was expected, and the likely repair; never with a compiler's trace."""
import numpy as np
import pytest
from answers import expect

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn import nn
from tinyattn.tensor import Tensor

Z = ta.zeros


def ints(*shape):
    return ta.zeros(*shape, dtype=np.int64)


X, W = Z(2, 3, 8, 8), Z(4, 3, 3, 3)

CASES = [
    # convolution
    (lambda: F.conv2d(Z(28, 28), Z(32, 16, 3, 3)), ValueError,
     "conv2d: input has shape (28, 28), expected (N, C, H, W) or (C, H, W) with C = 16 to match weight (32, 16, 3, 3); a single grey "
     "image is x[None, None]"),
    (lambda: F.conv2d(Z(2, 8, 8, 3), W), ValueError, "the channels seem to be last: use x.permute(0, 3, 1, 2)"),
    (lambda: F.conv2d(Z(2, 5, 8, 8), W), ValueError, "input has shape (2, 5, 8, 8), expected (N, C, H, W) or (C, H, W) with C = 3"),
    (lambda: F.conv2d(Z(2, 3, 8, 8), Z(4, 3, 3)), ValueError, "weight has shape (4, 3, 3), expected (K, C/groups, R, S)"),
    (lambda: F.conv2d(X, W, Z(3)), ValueError, "bias has shape (3,), expected (4,) to match weight"),
    (lambda: F.conv2d(Z(2, 3, 2, 8), W), ValueError, "the output would be empty: the kernel covers 3 in height, the padded input has 2"),
    (lambda: F.conv2d(X, W, dilation=9), ValueError, "the kernel covers 19 in height"),
    (lambda: F.conv2d(X, W, groups=3), ValueError, "groups must be a positive int that divides the 4 output channels, got 3"),
    (lambda: F.conv2d(X, W, stride=0), ValueError, "stride must be at least 1, got 0"),
    (lambda: F.conv2d(X, W, stride=1.5), TypeError, "stride must be an int or a pair of ints, got 1.5"),
    (lambda: F.conv2d(X, W, padding=(1, 2, 3)), TypeError, "padding must be an int or a pair of ints, got (1, 2, 3)"),
    (lambda: F.conv2d(X, W, padding=-1), ValueError, "padding must be at least 0"),
    (lambda: F.conv2d(X, W, padding="full"), ValueError, "padding must be ints, 'same' or 'valid', got 'full'"),
    (lambda: F.conv2d(X, W, stride=2, padding="same"), ValueError, "padding='same' needs stride 1"),
    (lambda: F.conv2d(X, W.double()), TypeError, "all tensors must have one dtype, got input float32, weight float64; convert with"),
    (lambda: F.conv2d(ints(1, 3, 8, 8), W), TypeError, "input must be float32 or float64, got int64; convert with input.to(np.float32)"),
    (lambda: F.conv2d(np.zeros((1, 3, 8, 8)), W), TypeError, "input must be a Tensor, got ndarray; wrap it with ta.tensor"),
    (lambda: F.conv1d(Z(3, 3, 8, 8), Z(4, 3, 3)), ValueError, "conv1d: input has shape (3, 3, 8, 8), expected (N, C, L) or (C, L)"),
    (lambda: nn.Conv2d(3, 4, 3)(Z(1, 28, 28)), ValueError, "with C = 3 to match weight (4, 3, 3, 3)"),
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "Conv2d: groups = 2 must divide in_channels = 3 and out_channels = 4"),
    # pooling
    (lambda: F.max_pool2d(Z(8, 8), 2), ValueError, "max_pool2d: input has shape (8, 8), expected (N, C, H, W) or (C, H, W)"),
    (lambda: F.max_pool2d(X, 0), ValueError, "kernel_size must be at least 1, got 0"),
    (lambda: F.max_pool2d(X, 2, padding=2), ValueError, "padding may be at most half of kernel_size"),
    (lambda: F.avg_pool2d(X, 9), ValueError, "avg_pool2d: the output would be empty: the window covers 9 in height"),
    (lambda: F.avg_pool2d(X, 2, divisor_override=0), ValueError, "divisor_override must not be 0"),
    (lambda: F.adaptive_avg_pool2d(X, 0), ValueError, "output_size must be at least 1"),
    (lambda: F.adaptive_avg_pool2d(X, (1, 2, 3)), TypeError, "output_size must be an int or a pair"),
    # linear, matmul, einsum
    (lambda: F.linear(X, Z(10, 192)), ValueError, "flatten the images first: x.flatten(1)"),
    (lambda: F.linear(Z(2, 5), Z(10, 4)), ValueError, "linear: input has shape (2, 5), expected (…, 4) to match weight (10, 4)"),
    (lambda: F.linear(Z(2, 5), Z(10, 5), Z(9)), ValueError, "bias has shape (9,), expected (10,)"),
    (lambda: nn.Linear(5, 2)(Z(2, 4)), ValueError, "expected (…, 5) to match weight (2, 5)"),
    (lambda: Z(2, 3) @ Z(2, 3), ValueError,
     "matmul: shapes (2, 3) and (2, 3) do not fit: the last axis of the first has length 3, axis -2 of the second has 2"),
    (lambda: Z(2, 2, 3) @ Z(3, 3, 4), ValueError, "matmul: shapes (2,) and (3,) do not broadcast"),
    (lambda: Z(()) @ Z(3), ValueError, "use a * b for scalars"),
    (lambda: ints(2, 2) @ ints(2, 2), TypeError, "must be float32 or float64, got int64"),
    (lambda: ta.einsum("ij,jk->ik", Z(2, 3)), ValueError, "has 2 terms, but 1 operands were given"),
    (lambda: ta.einsum("ij,jk->ik", Z(2, 3), Z(4, 5)), ValueError, "axis 'j' has length 3 in one operand and 4 in another"),
    (lambda: ta.einsum("ij->ik", Z(2, 3)), ValueError, "the result 'ik' of 'ij->ik' must name axes of the operands"),
    # losses
    (lambda: F.cross_entropy(Z(4, 10), ta.tensor([1, 2, 3, 10])), ValueError,
     "target holds labels from 1 to 10, expected 0 to 9 for 10 classes (or ignore_index = -100)"),
    (lambda: F.cross_entropy(Z(4, 10), ta.tensor([1, 2, 3, -1])), ValueError, "labels from -1 to 3"),
    (lambda: F.cross_entropy(Z(4, 10), ints(3)), ValueError, "cross_entropy: target has shape (3,), expected (4,) to match input (4, 10)"),
    (lambda: F.cross_entropy(Z(4, 10), ints(4, 1)), ValueError, "target has shape (4, 1), expected (4,)"),
    (lambda: F.cross_entropy(Z(4, 10), Z(4)), ValueError, "target of probabilities has shape (4,), expected that of input, (4, 10)"),
    (lambda: F.cross_entropy(Z(4, 10), ta.zeros(4, dtype=bool)), TypeError, "target must hold integer class numbers, got bool"),
    (lambda: F.cross_entropy(Z(4, 10), ints(4), weight=Z(9)), ValueError, "weight has shape (9,), expected (10,)"),
    (lambda: F.cross_entropy(Z(4, 10), ints(4), reduction="avg"), ValueError, "reduction must be one of 'mean', 'sum', 'none', got 'avg'"),
    (lambda: F.cross_entropy(Z(4, 10), ints(4), label_smoothing=1.5), ValueError, "label_smoothing must be between 0 and 1, got 1.5"),
    (lambda: F.cross_entropy(Z(4, 10), [1, 2, 3, 4]), TypeError, "target must be a Tensor, got list"),
    (lambda: F.nll_loss(Z(4, 10), ints(4), weight=Z(9)), ValueError, "nll_loss: weight has shape (9,)"),
    (lambda: F.mse_loss(Z(4, 10), Z(3)), ValueError, "mse_loss: shapes (4, 10) and (3,) do not broadcast"),
    (lambda: F.smooth_l1_loss(Z(3), Z(3), beta=-1), ValueError, "beta must not be negative, got -1"),
    (lambda: F.binary_cross_entropy_with_logits(Z(3), Z(3, 1)), ValueError, "target has shape (3, 1), expected that of input, (3,)"),
    # norms, softmax, dropout
    (lambda: F.batch_norm(Z(1, 3), None, None, training=True), ValueError, "training needs more than one value a channel"),
    (lambda: F.batch_norm(Z(4, 3), Z(2), Z(2)), ValueError, "running_mean has shape (2,), expected (3,), one for each channel"),
    (lambda: F.batch_norm(Z(4, 3), None, None), ValueError, "without training=True it needs running_mean and running_var"),
    (lambda: nn.BatchNorm2d(3)(Z(4, 3)), ValueError, "BatchNorm2d: input has shape (4, 3), expected (N, C, H, W)"),
    (lambda: nn.BatchNorm2d(4)(X), ValueError, "BatchNorm2d: input has shape (2, 3, 8, 8), expected (N, C, H, W) with C = 4"),
    (lambda: F.layer_norm(Z(2, 5), (4,)), ValueError, "layer_norm: input has shape (2, 5), expected its last axes to be (4,)"),
    (lambda: F.layer_norm(Z(2, 5), (5,), Z(4)), ValueError, "weight has shape (4,), expected (5,)"),
    (lambda: F.group_norm(Z(2, 5, 3), 2), ValueError, "C divisible by 2 groups"),
    (lambda: F.softmax(Z(2, 3)), TypeError, "dim is missing"),
    (lambda: F.softmax(Z(2, 3), 2), IndexError, "softmax: dim 2 is out of range for a tensor with 2 axes (expected -2 to 1)"),
    (lambda: F.dropout(Z(3), 1.5), ValueError, "dropout: p must be between 0 and 1, got 1.5"),
    (lambda: F.embedding(ta.tensor([0, 7]), Z(5, 2)), IndexError, "embedding: index holds values from 0 to 7, expected 0 to 4"),
    (lambda: F.embedding(Z(2), Z(5, 2)), TypeError, "index must hold integers, got float32"),
    # attention
    (lambda: F.scaled_dot_product_attention(Z(2, 3, 4), Z(2, 5, 3), Z(2, 5, 4)), ValueError, "shapes do not fit: query (2, 3, 4), key (2, 5, 3)"),
    (lambda: F.scaled_dot_product_attention(Z(2, 3, 4), Z(2, 5, 4), Z(2, 5, 4), Z(4, 5)), ValueError, "attn_mask"),
    (lambda: F.scaled_dot_product_attention(Z(3, 4), Z(3, 4), Z(3, 4), Z(3, 3), is_causal=True), ValueError, "give attn_mask or is_causal"),
    (lambda: F.apply_gates(X, channel=Z(2, 4)), ValueError, "channel has shape (2, 4), expected (2, 3) to match input (2, 3, 8, 8)"),
    (lambda: F.pool_pixels(Z(2, 3, 0, 4)), ValueError, "is empty"),
    (lambda: F.max_pool2d(Z(2, 0, 4, 4), 2), ValueError, "only the batch axis may have length 0"),
    (lambda: F.conv2d(Z(2, 3, 0, 8), W, padding=2), ValueError, "only the batch axis may have length 0"),
    (lambda: F.group_norm(Z(2, 4, 0), 2), ValueError, "only the batch axis may have length 0"),
    # arithmetic and reductions
    (lambda: Z(2, 3) + Z(2), ValueError, "add: shapes (2, 3) and (2,) do not broadcast: counted from the last axis"),
    (lambda: Z(2) + "1", TypeError, "add: expected a Tensor or a number, got str"),
    (lambda: Z(2) + [1, 2], TypeError, "wrap lists and arrays with ta.tensor"),
    (lambda: F.gelu(ints(2)), TypeError, "gelu: input must be float32 or float64, got int64"),
    (lambda: ta.eq(2, Z(3)), TypeError, "eq: input must be a Tensor, got int"),
    (lambda: ta.maximum(Z(3), 2), TypeError, "maximum: other must be a Tensor, got int"),
    (lambda: Z(3) & ints(3), TypeError, "&: expected boolean tensors, got float32; compare first, as in (x > 0) & (x < 1)"),
    (lambda: Z(2, 2).masked_fill(Z(2, 2) > 0, Z(1)), ValueError, "value must be a number or a tensor without axes, got shape (1,)"),
    (lambda: ints(2).masked_fill(ints(2) > 0, 0.5), TypeError, "a value of float32 does not fit into an input of int64"),
    (lambda: ta.div(Z(2), 2, rounding_mode="up"), ValueError, "rounding_mode must be None, 'trunc' or 'floor', got 'up'"),
    (lambda: ints(2) // 0, ValueError, "div: an integer was divided by 0"),
    (lambda: ta.add(ints(2), ints(2), alpha=0.5), TypeError, "add: alpha must be an int for tensors of int64, got 0.5"),
    (lambda: ta.arange(0, -3, 2), ValueError, "a step of 2 never leads from 0 to -3; give a step of the other sign"),
    (lambda: ta.var(Z(3), unbiased=True, correction=1), TypeError, "var: give unbiased or correction, not both"),
    (lambda: ta.randint(5, 2, (3,)), ValueError, "randint: expected low < high, got 5 and 2"),
    (lambda: ta.mean(ints(3)), TypeError, "mean: input must be float32 or float64, got int64"),
    (lambda: F.gelu(Z(3), approximate="erf"), ValueError, "approximate must be one of 'none', 'tanh', got 'erf'"),
    (lambda: F.softplus(Z(3), beta=0), ValueError, "softplus: beta must not be 0"),
    (lambda: F.mse_loss(Z(3), Z(3), weight=Z(2)), ValueError, "mse_loss: weight has shape (2,), expected that of input, (3,)"),
    (lambda: ta.zeros(2, size=(3,)), TypeError, "zeros: the size was given twice"),
    (lambda: Z(2, 3).sum(2), IndexError, "sum: dim 2 is out of range for a tensor with 2 axes"),
    (lambda: Z(2, 3).sum((0, -2)), ValueError, "names an axis twice"),
    (lambda: Z(2, 3).mean(0.5), TypeError, "dim must be an int, got 0.5"),
    (lambda: ints(3).mean(), TypeError, "mean: input must be float32"),
    (lambda: Z(0, 3).amax(0), ValueError, "axis 0 of shape (0, 3) is empty"),
    (lambda: Z(0).argmax(), ValueError, "is empty"),
    (lambda: Z(3).clamp(), ValueError, "give min, max, or both"),
    (lambda: ta.where(Z(3), Z(3), Z(3)), TypeError, "condition must be boolean, got float32; compare first, as in x > 0"),
    (lambda: bool(Z(3)), ValueError, "ambiguous"),
    (lambda: Z(3).item(), ValueError, "3 elements (shape (3,)), expected one"),
    # shapes
    (lambda: Z(2, 3).reshape(4, 2), ValueError, "reshape: cannot give the 6 elements of shape (2, 3) the shape (4, 2)"),
    (lambda: Z(2, 3).reshape(-1, -1), ValueError, "may have one −1"),
    (lambda: Z(2, 3).reshape(2.0, 3), TypeError, "a shape is made of ints, got 2.0"),
    (lambda: Tensor(np.zeros((1, 4, 4, 3)).transpose(0, 3, 1, 2)).view(1, -1), ValueError, "channels-last), so (1, 48) needs a copy: use reshape"),
    (lambda: Z(2, 3).T.view(6), ValueError, "use reshape or flatten"),
    (lambda: Z(2, 3).permute(0, 0), ValueError, "must name each of the 2 axes of shape (2, 3) once"),
    (lambda: Z(2, 3).transpose(0, 2), IndexError, "transpose: dim 2 is out of range"),
    (lambda: Z(2, 3).expand(2, 4), ValueError, "shape (2, 3) cannot be expanded to (2, 4); only axes of length 1 can grow"),
    (lambda: Z(2, 3).flatten(1, 0), ValueError, "start_dim 1 comes after end_dim 0"),
    (lambda: ta.cat([Z(2, 3), Z(3, 3)], 1), ValueError, "tensors[1] has shape (3, 3), tensors[0] has (2, 3)"),
    (lambda: ta.cat([Z(()), Z(())]), ValueError, "tensors without axes cannot be joined; use ta.stack"),
    (lambda: ta.cat([]), ValueError, "at least one tensor"),
    (lambda: ta.cat([Z(2), ints(2)]), TypeError, "tensors[1] is int64, tensors[0] is float32"),
    (lambda: ta.stack([Z(2), Z(3)]), ValueError, "tensors[1] has shape (3,), expected that of tensors[0], (2,)"),
    (lambda: Z(5).split([2, 2]), ValueError, "add up to 4, expected 5"),
    (lambda: Z(5).chunk(0), ValueError, "chunks must be positive"),
    (lambda: len(Z(())), TypeError, "0-d"),
    # indices
    (lambda: Z(3)[3], IndexError, "index 3 does not fit a tensor of shape (3,)"),
    (lambda: Z(3)[0, 0], IndexError, "does not fit a tensor of shape (3,)"),
    (lambda: Z(3)[1.0], TypeError, "an index must be made of ints, slices"),
    (lambda: Z(3)[Z(3)], TypeError, "integer or boolean arrays"),
    (lambda: Z(3)[ta.tensor([3])], IndexError, "does not fit a tensor of shape (3,)"),
    (lambda: Z(3).__setitem__(slice(2), Z(3)), ValueError, "value of shape (3,) does not fit into a place of shape (2,)"),
    (lambda: Z(3).gather(0, ta.tensor([5])), IndexError, "gather: index holds values from 5 to 5, expected 0 to 2"),
    (lambda: Z(3, 2).gather(0, ints(1, 3)), ValueError, "index has shape (1, 3), expected that of input, (3, 2), in every axis but 0"),
    (lambda: ta.index_select(Z(3, 2), 0, ints(1, 1)), ValueError, "index must have one axis"),
    (lambda: F.one_hot(ta.tensor([3]), 3), IndexError, "values from 3 to 3, expected 0 to 2"),
    # making tensors
    (lambda: ta.tensor(["a"]), TypeError, "cannot hold values of dtype"),
    (lambda: ta.tensor([1.0], dtype="complex64"), TypeError, "unsupported dtype"),
    (lambda: ta.tensor([1, 2], requires_grad=True), TypeError, "only float32 and float64 tensors can require a gradient, got int64"),
    (lambda: ta.zeros(2, -1), ValueError, "must not be negative"),
    (lambda: ta.zeros(2, device="cuda"), ValueError, "unknown device 'cuda'"),
    (lambda: ta.arange(0, 3, 0), ValueError, "step must not be 0"),
    (lambda: ta.manual_seed("0"), TypeError, "seed must be an int, got '0'"),
    (lambda: ta.set_num_threads(0), ValueError, "set_num_threads: expected 1 to"),
    (lambda: ta.kernels.use("gpu").__enter__(), ValueError, "unknown rung 'gpu'"),
    (lambda: ta.models.create("resnet9"), ValueError, "unknown model 'resnet9'; did you mean 'resnet"),
    (lambda: ta.optim.SGD([Z(2, requires_grad=True)], lr=-1), ValueError, "SGD: lr must be at least 0, got -1"),
    (lambda: ta.nothing, AttributeError, "has no attribute 'nothing'"),
]


@pytest.mark.parametrize("i", range(len(CASES)))
def test_answers(i):
    expect(*CASES[i])


def test_a_failed_call_leaves_no_trace():
    w = nn.Parameter(np.zeros((4, 3, 3, 3), np.float32))
    version = w._version[0]
    with pytest.raises(ValueError):
        F.conv2d(Z(1, 2, 8, 8), w)
    assert w.grad is None and w._version[0] == version and ta.is_grad_enabled()
