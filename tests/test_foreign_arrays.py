"""The operations touch no array outside the kernels: each runs on arrays of a device that allows nothing else, bit for bit."""
import copy

import numpy as np
import pytest
from foreign import ForeignArray, installed
from op_samples import BY_ID, PLAIN, F, listed, weights_of

import tinyattn as ta
from tinyattn import kernels


@pytest.fixture(autouse=True)
def device():
    with kernels.use("reference"), installed():
        yield


def run(sample, device, second):
    """Outputs, gradients, and gradients of gradients (where asked for) of a sample, as arrays here."""
    ta.manual_seed(3)
    xs = [ta.tensor(np.asarray(a), device=device, requires_grad=spec.grad) for a, spec in zip(sample.arrays(), sample.inputs)]
    outputs = listed(sample.call(ta, F, *xs))
    graded = [(y, ta.tensor(w.astype(y.dtype), device=device)) for y, w in zip(outputs, weights_of(outputs)) if y.requires_grad]
    wanted = [x for x in xs if x.requires_grad]
    firsts, seconds = [], []
    if graded and wanted:
        ys, ws = zip(*graded)
        firsts = ta.grad(ys, wanted, ws, allow_unused=True, create_graph=second)
    again = [g for g in firsts if g is not None and g.requires_grad]
    if second and again:
        seconds = ta.grad(again, wanted, [ta.tensor(w, device=device) for w in weights_of(again, 2)], allow_unused=True)
    for x in (*outputs, *firsts, *seconds):
        assert x is None or x.device == device
    return [None if x is None else np.array(x.cpu().detach().numpy()) for x in (*outputs, *firsts, *seconds)]


def same(got, expected):
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype and a.shape == b.shape
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", BY_ID)
def test_samples(name):
    sample = BY_ID[name]
    same(run(sample, "cuda", sample.smooth), run(sample, "cpu", sample.smooth))


@pytest.mark.parametrize("name", PLAIN)
def test_samples_without_gradient(name):
    call, *inputs = PLAIN[name]
    made = {}
    for device in ("cpu", "cuda"):
        random = np.random.default_rng(0)
        ys = call(ta, F, *[ta.tensor(np.asarray(i.make(random)), device=device, requires_grad=i.grad) for i in inputs])
        made[device] = [y.cpu().detach().numpy() for y in (ys if isinstance(ys, list) else [ys])]
        assert not inputs or name == "allclose" or all(y.device == device for y in (ys if isinstance(ys, list) else [ys]))
    same(made["cuda"], made["cpu"])


def test_a_foreign_array_allows_nothing_else():
    x = ForeignArray(np.ones((2, 3)))
    for touch in (lambda: np.sum(x), lambda: np.asarray(x), lambda: x + 1, lambda: 1 + x, lambda: np.ones(2) * x, lambda: x.sum(), lambda: x.copy(),
                  lambda: x.astype(np.float32), lambda: bool(x), lambda: float(x), lambda: x.__setitem__(0, 1), lambda: x[[0, 1]], lambda: x == x,
                  lambda: kernels.rung("cuda").add(x, np.ones((2, 3)))):
        with pytest.raises((TypeError, AttributeError, AssertionError)):
            touch()


def test_there_and_back():
    x = ta.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = x.to("cuda")
    assert y.device == "cuda" and y.is_cuda and not x.is_cuda and x.device == "cpu" and type(y.data) is ForeignArray
    assert y.to("cuda:0") is y and x.to("cpu") is x and x.cpu() is x and y.cuda() is y
    assert y.to("cuda", np.float64).dtype == np.float64 and x.to(y).device == "cuda" and y.to(np.float64).device == "cuda"
    (y * y).sum().backward()
    assert x.grad.device == "cpu" and x.grad.tolist() == [[2.0, 4.0], [6.0, 8.0]]
    leaf = ta.ones(2, device="cuda", requires_grad=True)
    (leaf.cpu() * x[0]).sum().backward()
    assert leaf.grad.device == "cuda" and leaf.grad.tolist() == [1.0, 2.0]


def test_images_keep_their_memory_order_on_the_way():
    images = ta.Tensor(np.arange(24.0).reshape(1, 3, 4, 2).transpose(0, 3, 1, 2))
    there = images.cuda()
    assert there.stride() == images.stride() and there.cpu().stride() == images.stride() and there.tolist() == images.tolist()


def test_what_a_tensor_on_a_device_says():
    x = ta.tensor([1.5, 2.0], device="cuda")
    assert repr(x) == "tensor([1.5, 2. ], device='cuda')" and x.tolist() == [1.5, 2.0] and x[1].item() == 2.0 and float(x[0]) == 1.5
    assert bool(x[0] > 1) and int(x[1]) == 2 and [1, 2, 3][ta.tensor(1, device="cuda")] == 2 and len(x) == 2
    for touch in (x.numpy, lambda: np.asarray(x), lambda: np.add(x, 1)):
        with pytest.raises(TypeError, match="cpu()"):
            touch()
    with pytest.raises(RuntimeError, match="detach"):
        x.requires_grad_().numpy()
    with pytest.raises(AttributeError, match="cuda()"):
        ta.ones(2).__cuda_array_interface__


def test_devices_are_not_mixed_but_numbers_are():
    x, y = ta.ones(2, 3, device="cuda"), ta.ones(3)
    with pytest.raises(ValueError, match=r"add: all tensors must be on one device, got input 1 of shape \(3,\) on 'cpu' and input 0 of shape "
                                         r"\(2, 3\) on 'cuda'; bring them together with x.to\('cuda'\)"):
        x + y
    with pytest.raises(ValueError, match="matmul: all tensors must be on one device"):
        ta.ones(2, 3) @ x.T
    number = ta.tensor(2.0, requires_grad=True)
    for z in (number * x, x * number, ta.where(x > 0, number, x), 1 + number * x, x ** number, ta.maximum(x * 0, number)):
        assert z.device == "cuda"
        (grad,) = ta.grad(z.sum(), number)
        assert grad.device == "cpu" and grad.shape == ()
    assert ((x + 1) / 2 - 3).tolist() == [[-2.0] * 3] * 2 and (np.float64(2) * x).dtype == np.float32
    assert ta.cat([x, x * 2]).device == "cuda" and (x @ ta.ones(3, 2, device="cuda")).device == "cuda"


def test_in_place():
    def changed(device):
        x = ta.arange(12, dtype=np.float32, device=device).reshape(3, 4).clone()
        x[0] = 7
        x[1, 1:3] = ta.tensor([1.0, 2.0], device=device)
        x[:, 1:] = x[:, :-1]
        x[ta.tensor([0, 2, 2]), ta.tensor([1, 3, 3], device=device)] = ta.tensor([5.0, 6.0, 8.0], device=device)
        x[x > 7] = -1.0
        x[[2, 1]] += 1
        x -= 0.5
        x.clamp_(max=6)
        x[2].copy_(ta.ones(4))
        x.diagonal()[1:] = 3
        w = ta.ones(3, 4, device=device, requires_grad=True)
        z = w * 2
        z[1] = x[0]
        z[[0, 2], 1] = 9
        (z * z).sum().backward()
        first = w.grad
        (w * 3).sum().backward()
        assert w.grad.device == device
        with pytest.raises(RuntimeError, match="read-only"):
            ta.ones(3, device=device).expand(2, 3)[0] = 1
        return [y.cpu().detach().numpy() for y in (x, z, first, w.grad)]
    same(changed("cuda"), changed("cpu"))


def test_a_change_in_place_is_noticed_through_a_view():
    x = ta.ones(3, device="cuda", requires_grad=True)
    y = x * 1
    z = y * y
    y.detach().reshape(3, 1)[0] = 5
    with pytest.raises(RuntimeError, match="changed in place"):
        z.sum().backward()


MADE = {"tensor": lambda d: ta.tensor([1, 2], device=d), "zeros": lambda d: ta.zeros(2, device=d), "ones": lambda d: ta.ones(2, 2, device=d),
        "empty": lambda d: ta.empty(2, device=d) * 0, "full": lambda d: ta.full((2,), 3.5, device=d), "eye": lambda d: ta.eye(2, 3, device=d),
        "arange": lambda d: ta.arange(1, 9, 3, device=d), "steps": lambda d: ta.arange(0, 1, 0.3, device=d), "linspace": lambda d: ta.linspace(0, 1, 5, device=d),
        "rand": lambda d: ta.rand(5, device=d), "randn": lambda d: ta.randn(5, device=d), "randint": lambda d: ta.randint(-3, 4, (9,), device=d),
        "randperm": lambda d: ta.randperm(9, device=d), "as_tensor": lambda d: ta.as_tensor([1.0], device=d),
        **{name: (lambda name: lambda d: getattr(ta, name)(ta.ones(2, device=d)))(name) for name in ("zeros_like", "ones_like", "rand_like", "randn_like")},
        "full_like": lambda d: ta.full_like(ta.ones(2, device=d), 3), "like": lambda d: ta.ones_like(ta.ones(2), device=d),
        "dropout": lambda d: F.dropout(ta.ones(9, device=d)), "dropout2d": lambda d: F.dropout2d(ta.ones(2, 3, 1, 1, device=d))}


@pytest.mark.parametrize("name", MADE)
def test_what_is_made_there_is_what_is_made_here(name):
    found = []
    for device in ("cuda", "cpu"):
        ta.manual_seed(1)
        y = MADE[name](device)
        assert y.device == device and MADE[name]({"cuda": "cuda:0"}.get(device, device)).device == device
        found.append([y.cpu().numpy()])
    same(*found)


def test_a_device_that_is_not_there():
    with pytest.raises(ValueError, match="zeros: unknown device 'cuda:1'"):
        ta.zeros(2, device="cuda:1")

    def missing():
        raise RuntimeError("no GPU was found")
    kernels.rung("cuda").check_available = missing
    for touch in (lambda: ta.zeros(2, device="cuda"), lambda: ta.ones(2).cuda(), lambda: ta.nn.Linear(2, 2).to("cuda"), lambda: ta.nn.Linear(2, 2, device="cuda")):
        with pytest.raises(RuntimeError, match=": no GPU was found"):
            touch()
    with pytest.raises(ValueError, match="x.to"):
        with kernels.use("cuda"):
            pass


def test_anomalies_and_hooks():
    x = ta.tensor([1.0, -1.0], device="cuda", requires_grad=True)
    seen = []
    x.register_hook(lambda g: seen.append(g.device) or g * 2)
    with ta.detect_anomaly():
        (x * 3).sum().backward()
        assert seen == ["cuda"] and x.grad.tolist() == [6.0, 6.0]
        with pytest.raises(FloatingPointError, match="log made a NaN"):
            x.log()


def test_dlpack_shares_memory():
    a = np.ones((2, 3))
    x = ta.from_dlpack(a)
    a[0, 0] = 5
    assert x.data[0, 0] == 5 and x.shape == (2, 3)
    with pytest.raises(TypeError, match="from_dlpack"):
        ta.from_dlpack([1.0])


def test_a_model_moves():
    net = ta.nn.Sequential(ta.nn.Conv2d(1, 2, 3), ta.nn.BatchNorm2d(2), ta.nn.Flatten(), ta.nn.Linear(2 * 36, 3))
    before = list(net.parameters())
    x, t = ta.randn(4, 1, 8, 8), ta.tensor([0, 1, 2, 1])
    F.cross_entropy(net(x), t).backward()
    here = [p.grad.numpy() for p in before]
    assert net.cuda() is net and all(a is b for a, b in zip(net.parameters(), before))
    assert all(v.device == "cuda" for v in [*net.parameters(), *net.buffers()]) and all(p.grad.device == "cuda" for p in before)
    net.zero_grad()
    F.cross_entropy(net(x.cuda()), t.cuda()).backward()
    for p, g in zip(before, here):
        np.testing.assert_allclose(p.grad.cpu().numpy(), g, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="one device"):
        net(x)
    net.cpu()
    assert all(v.device == "cpu" for v in [*net.parameters(), *net.buffers()])


def test_numbers_that_are_on_the_device_stay_there(monkeypatch):
    def done(device):
        def there(values):
            return ta.tensor(values, device=device)
        x = ta.tensor(np.arange(60.0).reshape(3, 4, 5), device=device, requires_grad=True)
        i, j = there([[-1, 0], [2, 2]]), there([3, 1])
        found = [x[i], x[:, j], x[i, j], x[:, j, there([-5])], x[i, :, j], x[0, j], x[j[1:]], x[i, [0, 3]], x[:, :, i[:0]]]
        y = x * 1
        y[i, j] = there([[1.0], [2.0]])[:, None] * x[0, 0]
        y[:, there([0, 0, 2]), there([4, 4, -1])] = there([7.0, 8.0, 9.0]) * x[:, :1, 0]
        y[y > 30] = x[0, 0, 1] * -1
        z = x.scatter(1, there([[[0, 1], [1, 1], [1, 3]], [[2, 2], [2, 0], [0, 2]]]), x[:2, :3, 3:] * 100)
        z = z.scatter(2, there([[[4]]]), -5)
        found += [y, z]
        total = sum((f * f).sum() for f in found)
        (first,) = ta.grad(total, x, create_graph=True)
        found += [first, *ta.grad((first * first).sum(), x)]
        return found
    here = done("cpu")
    monkeypatch.setattr(kernels.rung("cuda"), "to_host", None)     # nobody may look
    there = done("cuda")
    monkeypatch.undo()
    same([y.detach().cpu().numpy() for y in there], [y.detach().numpy() for y in here])


def test_whole_models_are_copied():
    net = ta.nn.Linear(3, 2).cuda()
    other = copy.deepcopy(net)
    other.weight.data = (other.weight * 0).data
    assert other.weight.device == "cuda" and net.weight.abs().sum().item() > 0 == other.weight.abs().sum().item()
