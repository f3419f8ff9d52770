"""The engine: what is recorded, how gradients travel back, what is freed, and what every mistake is answered with."""
import gc
import threading
import time
import weakref

import numpy as np
import pytest

import tinyattn as ta
from tinyattn import kernels
from tinyattn.sweep import GradientShapeError


@pytest.fixture(autouse=True)
def plain_kernels():
    """The engine is the same on every rung; on this one nothing needs compiling."""
    with kernels.use("reference"):
        yield


def leaf(*values):
    return ta.tensor(np.array(values, np.float64), requires_grad=True)


def given(*shape, seed=0):
    return ta.tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True)


# --- paths that meet -------------------------------------------------------------------------------------------------

def test_uses_add_up():
    x = leaf(3.0)
    y = x * x + x * 2 + x              # fan-out: 2x + 2 + 1
    y.backward()
    assert x.grad.tolist() == [9.0]


def test_diamonds_are_swept_once():
    calls = []

    class Counted(ta.Function):
        def forward(ctx, x):
            return x * 1

        def backward(ctx, dy):
            calls.append(1)
            return dy

    x = leaf(1.0)
    y = Counted.apply(x)
    for _ in range(12):                # 2¹² paths, 12 + 1 nodes
        y = y + y
    y.backward()
    assert x.grad.tolist() == [4096.0] and calls == [1]


def test_un_broadcasting():
    a, b, c = given(3, 1, 4), given(2, 1), given()
    (a * b + c).sum().backward()
    full = np.broadcast_shapes(a.shape, b.shape)
    np.testing.assert_allclose(a.grad.data, np.broadcast_to(b.data, full).sum(1, keepdims=True))
    np.testing.assert_allclose(b.grad.data, np.broadcast_to(a.data, full).sum((0, 2), keepdims=True)[0])
    assert c.grad.shape == () and c.grad.item() == 24


def test_gradients_add_up_over_sweeps_and_are_copies():
    x, y = leaf(1.0, 2.0), leaf(5.0, 6.0)
    (x + y).sum().backward()
    assert x.grad.data is not y.grad.data and not np.may_share_memory(x.grad.data, y.grad.data)
    (x * 3).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0] and y.grad.tolist() == [1.0, 1.0]


def test_a_gradient_is_taken_over_only_from_nobody():
    """`.grad` is the very array that a backward made, unless anybody else can see its memory; and it lies as its leaf lies."""
    def swept(keep=lambda g: None, make=lambda dy: dy * 2.0, shape=(2, 3, 4, 5), last=False):
        class Given(ta.Function):
            def forward(ctx, x):
                return x * 1

            def backward(ctx, dy):
                g = make(dy)
                address.append(g.data.__array_interface__["data"][0])
                return g

        address, x = [], np.zeros(shape)
        x = ta.tensor(np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) if last else x, requires_grad=True)
        if keep is not None:
            x.register_hook(keep)
        Given.apply(x).backward(ta.tensor(np.ones(shape)))
        assert (x.grad.data == 2).all() and x.grad.data.strides == x.data.strides
        return x.grad.data.__array_interface__["data"][0] == address[0]

    def channels_last(dy):
        return ta.tensor(np.full((2, 4, 5, 3), 2.0)).permute(0, 3, 1, 2)

    kept, twos = [], ta.tensor(np.full((2, 3, 4, 5), 2.0))
    assert swept() and swept(keep=None)
    assert swept(make=lambda dy: (dy * 2.0).reshape(-1).reshape(2, 3, 4, 5))             # views of views, which nobody else knows
    assert swept(make=channels_last, last=True) and not swept(make=channels_last) and not swept(last=True)
    assert not swept(kept.append)
    assert not swept(lambda g: kept.append(g.data))
    assert not swept(lambda g: kept.append(g.data[:1]))
    assert not swept(lambda g: kept.append(g.reshape(-1).detach()))
    assert not swept(make=lambda dy: twos) and not swept(make=lambda dy: ta.Tensor(twos.data))
    assert not swept(make=lambda dy: twos.reshape(-1).reshape(2, 3, 4, 5))
    assert not swept(make=lambda dy: ta.Tensor(np.full((2, 3, 4, 10), 2.0)).split(5, 3)[0])      # strided, part of more
    assert not swept(make=lambda dy: ta.Tensor(np.full(1, 2.0)).expand(2, 3, 4, 5))
    assert not swept(make=lambda dy: ta.Tensor(np.frombuffer(bytearray(np.full(120, 2.0))).reshape(2, 3, 4, 5)))


def test_gradient_argument_and_vector_output():
    x = leaf(1.0, 2.0)
    (x * x).backward(ta.tensor(np.array([10.0, 100.0])))
    assert x.grad.tolist() == [20.0, 400.0]


def test_functions_of_several_outputs():
    class SumAndDifference(ta.Function):
        def forward(ctx, a, b):
            return a + b, a - b, np.arange(3)

        def backward(ctx, ds, dd, di):
            assert di is None                                  # integers carry no gradient
            return ds + dd, ds - dd

    a, b = leaf(1.0), leaf(2.0)
    s, d, i = SumAndDifference.apply(a, b)
    assert not i.requires_grad
    d.backward()                                               # s unused: zeros arrive for it
    assert a.grad.tolist() == [1.0] and b.grad.tolist() == [-1.0]
    s, d, _ = SumAndDifference.apply(a, b)
    assert [g.tolist() for g in ta.grad((s, d), (a, b))] == [[2.0], [0.0]]


def test_integer_and_unneeded_inputs_get_nothing():
    x, w = leaf(1.0, 2.0), ta.tensor([1.0, 2.0], dtype=np.float64)
    (x * w).sum().backward()
    assert w.grad is None and x.grad.tolist() == [1.0, 2.0]


# --- switches --------------------------------------------------------------------------------------------------------

def test_no_grad_enable_grad_detach():
    x = leaf(2.0)
    with ta.no_grad():
        assert not (x * 2).requires_grad and not ta.is_grad_enabled()
        with ta.enable_grad():
            assert (x * 2).requires_grad
        assert not ta.is_grad_enabled()
    assert not x.detach().requires_grad and x.detach().data is x.data

    @ta.no_grad()
    def f(n):
        return f(n - 1) if n else ta.is_grad_enabled()

    @ta.no_grad
    def g():
        return ta.is_grad_enabled()

    assert f(3) is False and g() is False and ta.is_grad_enabled()
    with pytest.raises(ZeroDivisionError), ta.no_grad():
        1 / 0
    assert ta.is_grad_enabled()


def test_set_grad_enabled_as_a_call_a_block_and_a_decorator():
    ta.set_grad_enabled(False)
    assert not ta.is_grad_enabled()
    ta.set_grad_enabled(True)
    assert ta.is_grad_enabled()
    with ta.set_grad_enabled(False):
        assert not ta.is_grad_enabled()
    assert ta.is_grad_enabled()

    @ta.set_grad_enabled(False)
    def f():
        return ta.is_grad_enabled()

    assert ta.is_grad_enabled() and f() is False and ta.is_grad_enabled()


def test_modes_belong_to_a_thread():
    seen, barrier = {}, threading.Barrier(2)

    @ta.no_grad()
    def inside(name, first, second):
        barrier.wait(5)
        seen[name, "in"] = ta.is_grad_enabled()
        time.sleep(0.02 * first)
        return second

    def work(name, enabled, first):
        ta.set_grad_enabled(enabled)
        inside(name, first, None)          # one decorated function, entered by both, left in another order
        seen[name, "out"] = ta.is_grad_enabled()

    threads = [threading.Thread(target=work, args=a) for a in (("a", True, 1), ("b", False, 2))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert seen == {("a", "in"): False, ("b", "in"): False, ("a", "out"): True, ("b", "out"): False}
    assert ta.is_grad_enabled()


def test_sweeps_in_several_threads():
    results = [None] * 6

    def work(i):
        x = leaf(float(i), 1.0)
        y = x
        for _ in range(50):
            y = y * 1.01 + x
        y.sum().backward()
        results[i] = x.grad.tolist()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(r == results[0] for r in results) and results[0] is not None


# --- ta.grad, graphs of graphs ---------------------------------------------------------------------------------------

def test_grad_touches_no_grad_and_names_what_is_unused():
    x, y, z = leaf(2.0), leaf(3.0), leaf(4.0)
    loss = (x * x * y).sum()
    gx, gy = ta.grad(loss, (x, y), retain_graph=True)
    assert gx.tolist() == [12.0] and gy.tolist() == [4.0] and x.grad is None and y.grad is None
    assert ta.grad(loss, (x, z), retain_graph=True, allow_unused=True)[1] is None
    with pytest.raises(RuntimeError, match=r"input 1 of shape \(1,\) took no part.*allow_unused"):
        ta.grad(loss, (x, z), retain_graph=True)
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        ta.grad(loss, ta.ones(1))
    with pytest.raises(ValueError, match="2 grad_outputs given for 1 outputs"):
        ta.grad(loss, x, (None, None))


def test_grad_of_intermediate_values_and_several_outputs():
    x = leaf(2.0, 3.0)
    h = x * x
    a, b = h.sum(), (h * h).sum()
    gh, gx = ta.grad((a, b), (h, x), (ta.tensor(1.0, dtype=np.float64), ta.tensor(10.0, dtype=np.float64)), retain_graph=True)
    np.testing.assert_allclose(gh.data, 1 + 20 * x.data**2)
    np.testing.assert_allclose(gx.data, (1 + 20 * x.data**2) * 2 * x.data)
    (only,) = ta.grad(b, h, retain_graph=True)
    np.testing.assert_allclose(only.data, 2 * x.data**2)
    assert [g.tolist() for g in ta.grad(a, (a, x, x))] == [1.0, [4.0, 6.0], [4.0, 6.0]]


def test_hessian_vector_product():
    """f = Σ x³ + (Σ x)²  has the Hessian  diag(6x) + 2."""
    x, v = leaf(1.0, 2.0, -1.0), np.array([0.5, -1.0, 2.0])
    f = (x ** 3).sum() + x.sum() ** 2
    (g,) = ta.grad(f, x, create_graph=True)
    (hv,) = ta.grad(g, x, ta.tensor(v))
    np.testing.assert_allclose(hv.data, 6 * x.data * v + 2 * v.sum())


def test_third_derivative_and_backward_with_create_graph():
    x = leaf(2.0)
    y = x ** 4
    for expected in (32.0, 48.0, 48.0, 24.0):
        (y,) = ta.grad(y.sum(), x, create_graph=True)
        assert y.tolist() == [pytest.approx(expected, rel=1e-12)]
    z = (x ** 3).sum()
    z.backward(create_graph=True)
    assert x.grad.requires_grad
    (second,) = ta.grad(x.grad.sum(), x)
    assert second.tolist() == [pytest.approx(12.0)]
    x.grad = None


def test_a_detached_twin_of_an_input_stays_detached_in_the_second_order():
    x = leaf(2.0, 3.0)
    (g,) = ta.grad((x.detach() * x).sum(), x, create_graph=True)
    assert not g.requires_grad
    (g,) = ta.grad((x * ta.Tensor(x.data) * x.detach()).sum(), x, create_graph=True)
    assert not g.requires_grad and g.tolist() == [4.0, 9.0]


# --- what is freed, and when -----------------------------------------------------------------------------------------

def test_second_backward_is_explained():
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="mul saved were freed.*retain_graph=True"):
        y.backward()
    assert x.grad.tolist() == [4.0]
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12.0]
    with pytest.raises(RuntimeError, match="freed"):
        y.backward()


def test_a_failed_sweep_leaves_no_half_gradients():
    class Broken(ta.Function):
        def forward(ctx, x):
            return x * 1

        def backward(ctx, dy):
            raise ValueError("broken on purpose")

    x, y = leaf(1.0), leaf(1.0)
    with pytest.raises(ValueError, match="on purpose"):
        (y * 2 + Broken.apply(x)).sum().backward()
    assert x.grad is None and y.grad is None and ta.is_grad_enabled()


def test_a_chain_of_100000_operations():
    x = leaf(1.0)
    started, y = time.perf_counter(), x
    for _ in range(100_000):
        y = y + 1.0
    y.sum().backward()
    assert x.grad.tolist() == [1.0] and y.tolist() == [100_001.0]
    del y
    gc.collect()
    assert time.perf_counter() - started < 60
    y = x
    for _ in range(100_000):           # with saved values, and let go of without a sweep
        y = y * 1.0
    del y
    gc.collect()


class _Alive:
    """Counts the bytes of arrays that are alive, by the arrays that the operations below make."""

    def __init__(self):
        self.now = self.peak = 0

    def made(self, array):
        self.now += array.nbytes
        self.peak = max(self.peak, self.now)
        weakref.finalize(array, self._gone, array.nbytes)
        return array

    def _gone(self, size):
        self.now -= size


def test_saved_values_are_freed_as_the_sweep_passes():
    """The backward pass of a long chain needs room for a few values, not for as many gradients as there are values."""
    alive, size, length = _Alive(), 1000, 50

    class Scale(ta.Function):
        def forward(ctx, x):
            y = alive.made(np.multiply(x, 1.01))
            ctx.save(y)
            return y

        def backward(ctx, dy):
            (y,) = ctx.saved
            return ta.Tensor(alive.made(dy.data * 1.01 + 0 * y.data))

    def chain(retain):
        x = ta.tensor(np.ones(size), requires_grad=True)
        y = x
        for _ in range(length):
            y = Scale.apply(y)
        y = y.sum()
        gc.collect()
        before = alive.now
        alive.peak = before
        y.backward(retain_graph=retain)
        return before, alive.peak, alive.now

    before, peak, after = chain(False)
    assert before == length * size * 8
    assert peak - before <= size * 8, "gradients pile up during the sweep"
    assert after <= 2 * size * 8, "saved values outlive the sweep"
    del before, peak, after
    gc.collect()
    before, peak, after = chain(True)
    assert after >= before


def test_no_cycles_keep_the_graph_alive():
    gc.collect()
    gc.disable()
    try:
        x = given(4, 4)
        h = (x @ x.T).softmax(-1)              # saves its own output
        node = weakref.ref(h.grad_fn)
        y = h.relu().sum()
        del y, h
        assert node() is None
        h = x.exp()
        node = weakref.ref(h.grad_fn)
        y = h.sum()
        y.backward()
        del y, h
        assert node() is None
    finally:
        gc.enable()


# --- hooks -----------------------------------------------------------------------------------------------------------

def test_hooks_of_leaves_and_others():
    x, seen = leaf(1.0, 2.0), []
    h = x * 3
    first = h.register_hook(lambda g: seen.append(("h", g.tolist())))
    second = h.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: seen.append(("x", g.tolist())))
    (h + h).sum().backward(retain_graph=True)      # called once, with the whole gradient
    assert seen == [("h", [2.0, 2.0]), ("x", [60.0, 60.0])] and x.grad.tolist() == [60.0, 60.0]
    first.remove()
    first.remove()
    second.remove()
    seen.clear()
    (h * 1).sum().backward(retain_graph=True)
    assert seen == [("x", [3.0, 3.0])]
    with h.register_hook(lambda g: g * 2):
        assert [g.tolist() for g in ta.grad(h.sum(), (h, x), retain_graph=True)] == [[2.0, 2.0], [6.0, 6.0]]
        assert ta.grad(h.sum(), h, retain_graph=True)[0].tolist() == [2.0, 2.0]
    h.register_hook(lambda g: g.sum())
    with pytest.raises(TypeError, match=r"hook: a gradient of shape \(2,\) can only be replaced"):
        h.sum().backward()
    with pytest.raises(RuntimeError, match="requires no gradient"):
        ta.ones(2).register_hook(print)


def test_retain_grad():
    x = leaf(1.0, 2.0)
    h = x * 3
    h.retain_grad()
    (h * h).sum().backward()
    assert h.grad.tolist() == [6.0, 12.0] and x.grad.tolist() == [18.0, 36.0]


# --- changes in place ------------------------------------------------------------------------------------------------

def test_in_place_arithmetic_is_recorded():
    x, w = leaf(1.0, 2.0, 3.0), leaf(2.0, 3.0, 4.0)
    y = x * 1
    y += 1
    y *= w                               # keeps the value that w multiplied
    y -= w
    y /= 2.0
    y **= 2
    y[0] = w[2] * 5
    y.sum().backward()
    inner = ((x.data + 1) * w.data - w.data) / 2          # = x·w/2
    dx, dw = inner * w.data, inner * x.data
    dx[0] = dw[0] = 0
    dw[2] += 5
    np.testing.assert_allclose(x.grad.data, dx)
    np.testing.assert_allclose(w.grad.data, dw)
    assert y.data[0] == 20.0


def test_in_place_into_a_buffer():
    w, buffer = leaf(2.0, 3.0), ta.zeros(3, dtype=np.float64)
    same = buffer
    buffer[1:] = w * w
    buffer[0] = buffer[1] * 1
    assert buffer is same and not buffer.is_leaf
    buffer.sum().backward()
    assert w.grad.tolist() == [8.0, 6.0]
    for place, value in ((Ellipsis, (1, 3)), (1, (1, 1)), (slice(1, 3), (1,)), ((slice(None),), ())):
        buffer, v = ta.zeros(3, dtype=np.float64), given(*value)
        buffer[place] = v
        buffer.sum().backward()
        assert v.grad.shape == value and v.grad.data.sum() == np.size(np.zeros(3)[place])
    with pytest.raises(TypeError, match="must keep the dtype"):
        i = ta.arange(3)
        i += 0.5
    with pytest.raises(ValueError, match="must keep the shape"):
        b = ta.zeros(3)
        b += ta.zeros(2, 3)


def test_in_place_times_itself():
    x = leaf(3.0)
    y = x * 1
    y *= y
    y.backward()
    assert x.grad.tolist() == [6.0]


def test_changed_saved_values_are_found():
    cases = {
        "itself": lambda h: h.__iadd__(1),
        "by assignment": lambda h: h.__setitem__(0, 5.0),
        "through a view": lambda h: h.detach()[:1].__setitem__(0, 5.0),
        "through a reshaped view": lambda h: h.detach().reshape(2, 1).transpose(0, 1).__setitem__(Ellipsis, 0.0),
    }
    for name, change in cases.items():
        x = leaf(1.0, 2.0)
        h = x * 2
        y = (h * h).sum()
        change(h)
        with pytest.raises(RuntimeError, match=r"value of shape \(2,\) that mul saved.*changed in place 1 time"):
            y.backward()
        assert x.grad is None, name
    x = leaf(1.0)
    y = x.exp()                           # saves its output
    z = y.sum()
    y += 1
    with pytest.raises(RuntimeError, match="exp saved"):
        z.backward()
    h = leaf(1.0) * 2                     # an addition saves nothing, so this is no mistake
    y = (h + 1).sum()
    h += 1
    y.backward()


def test_an_optimizer_step_between_forward_and_backward_is_found():
    w = ta.nn.Parameter(np.ones(3))
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    for optimizer in (ta.optim.SGD([w], lr=0.1), ta.optim.AdamW([w])):
        optimizer.step()
        with pytest.raises(RuntimeError, match="mul saved for its backward pass was changed in place"):
            loss.backward(retain_graph=True)
    loss = (w * w).sum()
    ta.nn.Module.load_state_dict(_Holder(w), {"w": np.zeros(3)})
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


class _Holder(ta.nn.Module):
    def __init__(self, w):
        super().__init__()
        self.w = w


def test_views_share_memory_and_versions():
    x = ta.zeros(2, 3)
    for view in (x[0], x[:, 1:], x.reshape(6), x.T, x.unsqueeze(0), x[0].reshape(3, 1), x.expand(2, 3), x.detach()):
        before = x._version[0]
        with ta.no_grad():
            view[...] = 1.0
        assert x._version[0] == before + 1 and x.data.any()
        x[...] = 0
    copy = x[[0, 1]]
    copy[...] = 1
    assert not x.data.any()


def test_writing_into_views_with_history_is_refused():
    w, base = leaf(1.0, 2.0), ta.zeros(2, 2, dtype=np.float64)
    row = base[0]
    with pytest.raises(RuntimeError, match=r"this is a view.*base\[i, j\]"):
        row[...] = w
    base[0] = w
    with pytest.raises(RuntimeError, match=r"view of shape \(2,\) was made before its base of shape \(2, 2\) was changed"):
        row * w
    assert base[0].tolist() == [1.0, 2.0]
    with pytest.raises(RuntimeError, match="this leaf requires a gradient"):
        w += 1
    with pytest.raises(RuntimeError, match="this leaf requires a gradient"):
        w *= 2
    with ta.no_grad():
        w += 1
    assert w.tolist() == [2.0, 3.0]
    wide = ta.zeros(2, 1).expand(2, 3)
    with pytest.raises(RuntimeError, match="read-only.*expand.*clone"):
        wide[0, 0] = 1


# --- mistakes --------------------------------------------------------------------------------------------------------

def test_backward_is_refused_with_a_reason():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"only a scalar.*shape \(2,\).*y.sum\(\)"):
        (x * 2).backward()
    with pytest.raises(RuntimeError, match="needs no gradient and has no history"):
        ta.ones(1).backward()
    with ta.no_grad():
        y = (x * 2).sum()
    with pytest.raises(RuntimeError, match="no_grad"):
        y.backward()
    with pytest.raises(ValueError, match=r"gradient has shape \(3,\), expected that of the tensor, \(2,\)"):
        (x * 2).backward(ta.ones(3, dtype=np.float64))
    with pytest.raises(TypeError, match="gradient is float32, expected the tensor's float64"):
        (x * 2).backward(ta.ones(2))
    with pytest.raises(TypeError, match="must be a Tensor, got list"):
        (x * 2).backward([1.0, 1.0])
    with pytest.raises(TypeError, match="only float32 and float64.*int64"):
        ta.arange(3).requires_grad_()
    with pytest.raises(RuntimeError, match="use detach"):
        (x * 2).requires_grad_(False)
    with pytest.raises(RuntimeError, match=r"x.detach\(\).numpy"):
        x.numpy()


def _function(backward, forward=lambda ctx, x, y: x * y):
    return type("Custom", (ta.Function,), {"forward": forward, "backward": backward})


def test_wrong_custom_functions_are_explained():
    x, y = given(2, 3), given(3)
    wrong = {
        GradientShapeError: (lambda ctx, dy: (dy, dy), r"custom: its backward gave input 1 a gradient of shape \(2, 3\), expected.*\(3,\)"),
        RuntimeError: (lambda ctx, dy: dy, "custom: its backward gave 1 gradients, expected 2"),
        TypeError: (lambda ctx, dy: (dy, dy.data), "input 1 a gradient of type ndarray, expected a Tensor"),
    }
    for error, (backward, message) in wrong.items():
        with pytest.raises(error, match=message):
            _function(backward).apply(x, y).sum().backward()
    with pytest.raises(TypeError, match="gradient of dtype float32"):
        _function(lambda ctx, dy: (dy.float(), None)).apply(x, y).sum().backward()
    with pytest.raises(TypeError, match="input 1 is of type float, expected a Tensor.*keyword"):
        _function(None).apply(x, 2.0)
    with pytest.raises(TypeError, match="custom: its forward returned list"):
        _function(None, lambda ctx, x: [1]).apply(x)
    scalar = _function(lambda ctx, dy: dy.expand(2, 3), lambda ctx, x: x.sum()).apply(x)    # NumPy gives a scalar, no array
    assert isinstance(scalar.data, np.ndarray) and scalar.shape == ()
    scalar.backward()


def test_the_example_of_the_documentation():
    class Cube(ta.Function):
        def forward(ctx, x):
            ctx.save(x)
            return x * x * x

        def backward(ctx, dy):
            (x,) = ctx.saved
            return dy * 3 * x * x

    from tinyattn.gradcheck import gradcheck, gradgradcheck
    x = given(4)
    assert gradcheck(Cube.apply, x) and gradgradcheck(Cube.apply, x)
    assert Cube.apply(x).grad_fn.name == "cube" and "grad_fn=<cube>" in repr(Cube.apply(x))
    assert "class Cube(ta.Function)" in ta.Function.__doc__


# --- anomaly ---------------------------------------------------------------------------------------------------------

@pytest.mark.filterwarnings("ignore:overflow")
def test_detect_anomaly_names_the_operation_and_its_line():
    x = leaf(1.0, 0.0)
    with ta.detect_anomaly():
        with pytest.raises(FloatingPointError, match=r"^log made a NaN or Inf.*test_autograd.py:\d+: bad = x\.log\(\)"):
            bad = x.log()
        root = x.sqrt()                # finite, but its slope at 0 is not
        with pytest.raises(FloatingPointError, match=r"backward pass of sqrt.*test_autograd.py:\d+: root = x\.sqrt\(\)"):
            root.sum().backward()
        inside = ta.nn.Linear(2, 2, bias=False)
        inside.weight.data[...] = 3e38
        with pytest.raises(FloatingPointError, match=r"matmul made a NaN.*y = inside\(ta\.ones\(1, 2\) \* 2\)"):
            y = inside(ta.ones(1, 2) * 2)
        infinite = ta.tensor([np.inf, 1.0])
        infinite + 1                   # passes on what was there before
        with pytest.raises(FloatingPointError, match="sub made"):
            infinite - infinite        # but a NaN is new
        ta.where(ta.tensor([True, False]), -np.inf, x)   # a mask is made of infinities on purpose
    assert not np.isfinite(x.log().data).all()
    late = x.sqrt().sum()
    with ta.detect_anomaly(), pytest.raises(FloatingPointError, match="backward pass of sqrt.*a line outside detect_anomaly"):
        late.backward()


def test_anomaly_in_a_second_sweep_names_the_forward_line():
    x = leaf(0.0, 1.0)
    with ta.detect_anomaly():
        power = x ** 1.5                       # slope 1.5 √x: finite at 0, but its own slope is not
        (g,) = ta.grad(power.sum(), x, create_graph=True)
        with pytest.raises(FloatingPointError, match=r"backward pass of pow.*test_autograd.py:\d+: power = x \*\* 1.5"):
            g.sum().backward()


def test_anomaly_looks_at_results_of_a_backward_not_at_its_steps():
    x = leaf(0.0, 2.0)
    with ta.detect_anomaly():
        (x ** 2.0).sum().backward()
        (ta.where(x > 0, x, 1.0).log()).sum().backward()
        (g,) = ta.grad((x ** 3).sum(), x, create_graph=True)
        g.sum().backward()


# --- against PyTorch -------------------------------------------------------------------------------------------------

def test_tricky_graphs_as_pytorch_has_them():
    torch = pytest.importorskip("torch")

    def program(t, x, w):
        h = (x * 1).reshape(2, 3)
        h = h.clone()
        h[0] = h[1].clone() * w.sum()
        k = h.T * h.T
        k += w.reshape(3, 1)
        m = t.where(k > 0, k, 0.1 * k)
        m = m.expand(2, 3, 2)
        return (m * t.cat([h.T, h.T], 0).reshape(2, 3, 2)).sum(0).amax(1).sum() + m.detach().sum() * w[1]

    random = np.random.default_rng(0)
    arrays = random.normal(size=6), random.normal(size=3)
    ours = [ta.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, z = program(ta, *ours), program(torch, *theirs)
    assert y.item() == pytest.approx(z.item(), rel=1e-12)
    g, r = ta.grad(y, ours, create_graph=True), torch.autograd.grad(z, theirs, create_graph=True)
    for a, b in zip(g, r):
        np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-12, atol=1e-12)
    gg = ta.grad(sum((a * a).sum() for a in g), ours)
    rr = torch.autograd.grad(sum((b * b).sum() for b in r), theirs)
    for a, b in zip(gg, rr):
        np.testing.assert_allclose(a.data, b.numpy(), rtol=1e-11, atol=1e-11)


def test_the_worked_example_of_grad():
    import doctest

    import tinyattn.autograd
    tried = doctest.DocTestFinder().find(tinyattn.autograd.grad, globs={})
    results = [doctest.DocTestRunner().run(test) for test in tried]
    assert results[0].attempted == 7 and not results[0].failed


def test_an_operation_without_backward_says_so():
    class Bare(ta.Function):
        def forward(ctx, x):
            return x * 2

    y = Bare.apply(ta.ones(2, requires_grad=True))
    with pytest.raises(RuntimeError, match="bare: it has no backward, so nothing that was computed with it can be differentiated"):
        y.sum().backward()
    with pytest.raises(TypeError, match="Empty has no forward"):
        type("Empty", (ta.Function,), {}).apply(ta.ones(2))
