"""Scaling against PyTorch, many lengths and factors: which places are read is decided by rounding, in float32 and in float64."""
import numpy as np
import pytest

import tinyattn as ta
import tinyattn.nn.functional as F

torch = pytest.importorskip("torch")
TF = torch.nn.functional

MODES = {"nearest": (3, {}), "nearest-exact": (3, {}), "area": (3, {}), "linear": (3, {}), "linear corners": (3, {"align_corners": True}),
         "bicubic": (4, {}), "bicubic corners": (4, {"align_corners": True}), "bilinear antialias": (4, {"antialias": True}),
         "bicubic antialias": (4, {"antialias": True})}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("title", MODES)
def test_places_and_weights(title, dtype):
    """The image is the identity: what comes out are the taps. Rows keep their number, so that each column list stands alone."""
    rank, options = MODES[title]
    random = np.random.default_rng([*map(ord, title)])
    for trial in range(60):
        n = int(random.integers(1, 70))
        options = {k: v for k, v in options.items() if k not in ("size", "scale_factor", "recompute_scale_factor")}
        if trial % 2:
            options["size"] = (n,) * (rank - 3) + (int(random.integers(2, 90)),)
        else:
            options["scale_factor"] = (1.0,) * (rank - 3) + (float(random.choice([0.3, 0.6, 0.7, 1.1, 1.3, 2.0, 2.3, 1 / 3, 3.7])),)
            options["recompute_scale_factor"] = bool(trial % 4)
            n += 6
        x = np.eye(n, dtype=dtype)[(None,) * (rank - 2)]
        ours = F.interpolate(ta.Tensor(x), mode=title.split()[0], **options).data
        theirs = TF.interpolate(torch.tensor(x), mode=title.split()[0], **options).numpy()
        assert ours.dtype == dtype and ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-13 if dtype == np.float64 else 1e-5, err_msg=f"{n} {options}")


def test_a_place_just_short_of_a_pixel_is_that_pixel():
    """In float64 i · n/m may fall short of a whole number by the last bit; float32 rounds it up, here as there."""
    short = [(n, m) for n in range(2, 70) for m in range(2, 90) if (np.floor(n / m * np.arange(m)) != np.arange(m) * n // m).any()]
    assert len(short) >= 10
    for n, m in short:
        x = np.arange(n, dtype=np.float64)[None, None]
        ours = F.interpolate(ta.Tensor(x), m, mode="nearest").data
        assert np.array_equal(ours, TF.interpolate(torch.tensor(x), m, mode="nearest").numpy()), (n, m)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_bytes_move_too(mode):
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 7)).astype(np.uint8)
    y = F.interpolate(ta.Tensor(x), (9, 4), mode=mode)
    assert y.dtype == np.uint8 and np.array_equal(y.data, TF.interpolate(torch.tensor(x), (9, 4), mode=mode).numpy())


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_points_on_pixels_and_edges(mode, padding_mode):
    """Where weights have kinks: at corners, on pixels, half-way between: values and gradients as PyTorch's."""
    line = np.linspace(-1.5, 1.5, 13)                                          # of 5 pixels: centres, edges, halves
    grid = np.stack(np.meshgrid(line, line), -1)[None].repeat(2, 0)
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 5))
    for corners in (False, True):
        ours, theirs = [ta.Tensor(a, requires_grad=True) for a in (x, grid)], [torch.tensor(a, requires_grad=True) for a in (x, grid)]
        y, t = F.grid_sample(*ours, mode, padding_mode, corners), TF.grid_sample(*theirs, mode, padding_mode, corners)
        np.testing.assert_allclose(y.data, t.detach().numpy(), rtol=0, atol=1e-12)
        for a, b in zip(ta.grad((y * y).sum(), ours), torch.autograd.grad((t * t).sum(), theirs)):
            np.testing.assert_allclose(a.data, b.numpy(), rtol=0, atol=1e-11)


def test_names_of_layers():
    for make in (lambda nn: nn.Upsample(scale_factor=2), lambda nn: nn.Upsample((3, 4), mode="bilinear", align_corners=True),
                 lambda nn: nn.UpsamplingNearest2d(5), lambda nn: nn.UpsamplingBilinear2d(scale_factor=(2, 3)), lambda nn: nn.Fold((4, 5), 2),
                 lambda nn: nn.Unfold((2, 3), stride=2), lambda nn: nn.ConstantPad1d(1, 2.5), lambda nn: nn.ZeroPad2d((1, 2, 3, 4)),
                 lambda nn: nn.CircularPad3d(1), lambda nn: nn.ReflectionPad2d(2)):
        assert repr(make(ta.nn)) == repr(make(torch.nn))
