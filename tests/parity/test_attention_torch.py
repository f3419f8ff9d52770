"""Attention, tables and einsum against PyTorch, where its own samples do not go: masks of every shape, shared heads, nobody to see."""
import itertools

import numpy as np
import pytest
from op_samples import close

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn import kernels

torch = pytest.importorskip("torch")
TF = torch.nn.functional
rng = np.random.default_rng(0)


def both(arrays, call, grads=True, tolerance=1e-12):
    """Values and gradients of one call on both libraries; NaN of PyTorch's where a row sees nothing is not expected."""
    ours = [ta.Tensor(a.copy(), requires_grad=grads and a.dtype.kind == "f") for a in arrays]
    theirs = [torch.tensor(a, requires_grad=grads and a.dtype.kind == "f") for a in arrays]
    y, ty = call(ta, F, *ours), call(torch, TF, *theirs)
    close(y.data, ty.detach().numpy(), tolerance, "values")
    if grads and ty.requires_grad:
        wanted, their_wanted = [x for x in ours if x.requires_grad], [x for x in theirs if x.requires_grad]
        g = ta.grad((y * y).sum(), wanted, allow_unused=True)
        tg = torch.autograd.grad((ty * ty).sum(), their_wanted, allow_unused=True)
        for a, b in zip(g, tg, strict=True):
            close(None if a is None else a.data, None if b is None else b.numpy(), 10 * tolerance, "gradient")


def normal(*shape):
    return rng.normal(size=shape)


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_masks_of_every_shape(kind, rung):
    B, H, T, S = 2, 3, 4, 5
    with kernels.use(rung):
        for b, h, t, s in itertools.product((1, B), (1, H), (1, T), (1, S)):
            for shape in {(b, h, t, s), (h, t, s), (t, s)} if b == 1 else {(b, h, t, s)}:
                mask = rng.random(shape) < 0.7 if kind == "bool" else normal(*shape)
                both([normal(B, H, T, 6), normal(B, H, S, 6), normal(B, H, S, 2), mask],
                     lambda t, f, q, k, v, m: f.scaled_dot_product_attention(q, k, v, m))


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
def test_nobody_to_see(rung):
    """A query whose keys are all hidden gets 0, and gives no gradient; no tokens at all give nothing, or zeros."""
    with kernels.use(rung):
        mask = np.ones((4, 5), bool)
        mask[1] = False
        def call(t, f, q, k, v, m):
            return f.scaled_dot_product_attention(q, k, v, m)
        both([normal(2, 4, 3), normal(2, 5, 3), normal(2, 5, 3), mask], call)
        both([normal(2, 4, 3), normal(2, 5, 3), normal(2, 5, 3), np.where(mask, 0.0, -np.inf)], call, grads=False)
        q = ta.Tensor(normal(2, 4, 3))
        assert not call(ta, F, q, q[:, :0], q[:, :0], None).data.any() and call(ta, F, q[:, :0], q, q, None).shape == (2, 0, 3)
        both([normal(2, 4, 3), normal(2, 0, 3), normal(2, 0, 3)], lambda t, f, q, k, v: f.scaled_dot_product_attention(q, k, v))
        both([normal(2, 0, 3), normal(2, 4, 3), normal(2, 4, 3)], lambda t, f, q, k, v: f.scaled_dot_product_attention(q, k, v))
        both([normal(0, 2, 3), normal(0, 4, 3), normal(0, 4, 3)], lambda t, f, q, k, v: f.scaled_dot_product_attention(q, k, v))


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("T, S", [(3, 3), (2, 5), (5, 2), (1, 4)])
def test_causal(T, S, rung):
    with kernels.use(rung):
        both([normal(2, 2, T, 4), normal(2, 2, S, 4), normal(2, 2, S, 3)], lambda t, f, q, k, v: f.scaled_dot_product_attention(q, k, v, is_causal=True))


@pytest.mark.parametrize("heads, shared", [(4, 2), (4, 1), (3, 3), (6, 3)])
@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"scale": 0.2}])
def test_shared_heads(heads, shared, options):
    both([normal(2, heads, 3, 4), normal(2, shared, 5, 4), normal(2, shared, 5, 2)],
         lambda t, f, q, k, v: f.scaled_dot_product_attention(q, k, v, enable_gqa=True, **options))


@pytest.mark.parametrize("options", [dict(padding_idx=2), dict(padding_idx=-1), dict(scale_grad_by_freq=True), dict(max_norm=1.0),
                                     dict(max_norm=0.8, norm_type=1.0), dict(padding_idx=0, max_norm=1.5, norm_type=3.0, scale_grad_by_freq=True)])
def test_embedding(options):
    index, table = rng.integers(0, 5, (3, 4)), 0.7 * normal(6, 3)
    w, tw = ta.Tensor(table.copy(), requires_grad=True), torch.tensor(table, requires_grad=True)
    y, ty = F.embedding(ta.Tensor(index), w, **options), TF.embedding(torch.tensor(index), tw, **options)
    close(y.data, ty.detach().numpy(), 1e-12, "values")
    close(w.data, tw.detach().numpy(), 1e-12, "the table, its rows shortened")
    (y * y).sum().backward()
    (ty * ty).sum().backward()
    close(w.grad.data, tw.grad.numpy(), 1e-12, "gradient")


def test_table_layer():
    table = normal(6, 3).astype(np.float32)
    ours, theirs = ta.nn.Embedding.from_pretrained(ta.Tensor(table), padding_idx=1), torch.nn.Embedding.from_pretrained(torch.tensor(table), padding_idx=1)
    assert repr(ours) == repr(theirs) and not ours.weight.requires_grad and ours.weight.data is table
    assert repr(ta.nn.Embedding(4, 2, -1, 2.0, 1.0, True, True)) == repr(torch.nn.Embedding(4, 2, -1, 2.0, 1.0, True, True))
    layer = ta.nn.Embedding(4, 2, padding_idx=-2, dtype=np.float64)
    assert not layer.weight.data[2].any() and layer.weight.data[[0, 1, 3]].all() and layer.weight.dtype == np.float64
    assert ta.nn.Embedding.from_pretrained(ta.Tensor(table), freeze=False).weight.requires_grad


EQUATIONS = {"ij,jk->ik": 2, "ij,jk": 2, "ii": 1, "ii->i": 1, "iij->ji": 1, "iii->i": 1, "ij->": 1, "ji": 1, "ba": 1, "aB,Bc": 2, "i,j,k->kji": 3,
             "ij,jk,kl->il": 3, "ij,jk,kl,lm": 4, "...ij,...jk->...ik": 2, "i...,i...->...": 2, "...,...": 2, "i...->i": 1, "...i->...": 1,
             "b n h w , n d -> b d h w": 2, "abc,cd,abd->": 3, "ij,ij->ij": 2, "ij,ij->j": 2, "ij,ik->": 2, "i...j->j...i": 1, "ij,->ij": 2, ",": 2,
             "bij,bjk->bki": 2, "ij,kl->ijkl": 2, "i,ij,j->": 3, "iji,j->i": 2}
LENGTHS = dict(zip("abcdhijklmnwB", (2, 3, 4, 5, 2, 3, 4, 2, 5, 3, 2, 4, 6)))


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum(equation):
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    assert len(terms) == EQUATIONS[equation]
    for ones in (False, True):                                # the second time, axes of the first operand have length 1
        arrays = []
        for number, term in enumerate(terms):
            before, dots, after = term.partition("...")
            middle = (2, 3)[number:] if dots else ()
            shape = [LENGTHS[c] for c in before] + list(middle) + [LENGTHS[c] for c in after]
            arrays.append(normal(*[1 if ones and number == 0 else n for n in shape]))
        both(arrays, lambda t, f, *xs: t.einsum(equation, *xs))
        both([np.round(3 * a).astype(np.int64) for a in arrays], lambda t, f, *xs: t.einsum(equation, list(xs)), grads=False)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_products_of_integers(dtype):
    a, b = (rng.integers(0, np.iinfo(dtype).max, shape).astype(dtype) for shape in ((3, 4), (4, 2)))
    for rung in kernels.HOST_RUNGS:
        with kernels.use(rung):
            for call in (lambda t, a, b: a @ b, lambda t, a, b: t.mm(a, b), lambda t, a, b: a[0] @ b, lambda t, a, b: a @ b[:, 0],
                         lambda t, a, b: t.dot(a[0], b[:, 0]), lambda t, a, b: t.stack([a, a]) @ b, lambda t, a, b: t.outer(a[0], b[0])):
                y, ty = call(ta, ta.Tensor(a), ta.Tensor(b)), call(torch, torch.tensor(a), torch.tensor(b))
                assert y.dtype == ty.numpy().dtype and np.array_equal(y.data, ty.numpy())
