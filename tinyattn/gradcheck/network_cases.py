"""The cases of what networks are made of: convolution, pooling, norms, softmax, losses, attention, gates, dropout."""
import itertools

import numpy as np

from .cases import CASES, B, D, I, N, P, V, case, const

# --- convolution: x, weight, bias; every path: full tiles and edges, one channel, depthwise, groups, steps, holes ----

CONVOLUTIONS = [
    # x, weight, options
    (N(2, 3, 6, 5), N(4, 3, 3, 3), dict(padding=1)),
    (N(1, 1, 5, 4), N(1, 1, 3, 2), dict()),
    (N(2, 4, 7, 6), N(4, 1, 3, 3), dict(padding=1, groups=4)),
    (N(2, 4, 5, 5), N(8, 1, 3, 3), dict(groups=4, stride=2)),
    (N(2, 4, 6, 6), N(6, 2, 3, 3), dict(groups=2, padding=(1, 0))),
    (N(2, 3, 7, 8), N(5, 3, 3, 3), dict(stride=2, padding=1)),
    (N(1, 2, 9, 8), N(3, 2, 3, 2), dict(stride=(1, 3), padding=(2, 1), dilation=(2, 1))),
    (N(2, 5, 4, 3), N(7, 5, 1, 1), dict()),
    (N(2, 5, 5, 4), N(7, 5, 1, 1), dict(stride=2)),
    (N(1, 2, 3, 3), N(2, 2, 3, 3), dict()),
    (N(3, 2, 5, 5), N(3, 2, 5, 5), dict(padding="same")),
    (N(1, 2, 8, 8), N(1, 2, 7, 7), dict(padding=3)),
    (N(2, 16, 9, 11), N(32, 16, 3, 3), dict(padding=1)),
    (N(1, 17, 10, 10), N(33, 17, 3, 3), dict(padding=1)),
    (N(2, 64, 4, 5), N(48, 64, 1, 1), dict()),
    (N(4, 1, 28, 28), N(16, 1, 3, 3), dict(padding=1)),
]
for x, w, options in CONVOLUTIONS:
    words = " ".join(f"{k}={v}" for k, v in options.items())
    case("conv2d", lambda t, F, x, w, b, o=options: F.conv2d(x, w, b, **o), x, w, N(w.shape[0]),
         label=f"{'×'.join(map(str, x.shape))} {'×'.join(map(str, w.shape))} {words}".strip())
case("conv2d", lambda t, F, x, w: F.conv2d(x, w), N(3, 5, 5), N(2, 3, 3, 3), label="one image, no bias")
case("conv2d", lambda t, F, x, w: F.conv2d(x, w, padding=1), const(N(2, 3, 5, 5)), N(2, 3, 3, 3), label="weight alone")
case("conv2d", lambda t, F, x, w: F.conv2d(x, w, padding=1), N(2, 3, 5, 5), const(N(2, 3, 3, 3)), label="input alone")
case("conv2d", lambda t, F, x, w, b: F.conv2d(x, w, b), N(2, 3, 4, 5), const(N(2, 3, 3, 3)), N(2), label="input and bias alone")
case("conv1d", lambda t, F, x, w, b: F.conv1d(x, w, b, 2, 1, 2), N(2, 3, 9), N(4, 3, 3), N(4))
case("conv1d", lambda t, F, x, w: F.conv1d(x, w, padding=1), N(1, 7), N(1, 1, 3))
case("conv1d", lambda t, F, x, w: F.conv1d(x, w, padding="same", dilation=3), N(2, 2, 7), N(3, 2, 4), label="same, uneven")
case("conv2d", lambda t, F, x, w: F.conv2d(x, w, padding="same"), N(2, 3, 5, 4), N(2, 3, 2, 4), label="same, uneven")
case("conv2d", lambda t, F, x, w: F.conv2d(x, w, stride=(2,), padding=[1]), N(1, 2, 5, 4), N(2, 2, 3, 3), label="tuples of one")

TRANSPOSED = [
    # x, weight, options: the same paths, entered from the other side
    (N(2, 4, 3, 4), N(4, 3, 3, 3), dict()),
    (N(2, 5, 4, 3), N(5, 7, 3, 2), dict(stride=2, padding=1, output_padding=(1, 0))),
    (N(1, 3, 4, 4), N(3, 1, 4, 4), dict(padding=(2, 3))),
    (N(2, 4, 4, 3), N(4, 1, 3, 3), dict(groups=4, stride=2, padding=1, output_padding=1)),
    (N(2, 4, 3, 3), N(4, 3, 2, 2), dict(groups=2, stride=2)),
    (N(1, 2, 4, 3), N(2, 3, 2, 3), dict(stride=(1, 2), dilation=(3, 4), output_padding=(2, 3))),
    (N(2, 16, 5, 6), N(16, 32, 3, 3), dict(padding=1)),
    (N(2, 17, 4, 4), N(17, 33, 2, 2), dict(stride=2)),
    (N(2, 3, 3, 4), N(3, 5, 1, 1), dict(stride=3, output_padding=2)),
    (N(4, 16, 20, 20), N(16, 1, 3, 3), dict(padding=1)),
]
for x, w, options in TRANSPOSED:
    words = " ".join(f"{k}={v}" for k, v in options.items())
    case("conv_transpose2d", lambda t, F, x, w, b, o=options: F.conv_transpose2d(x, w, b, **o), x, w,
         N(w.shape[1] * options.get("groups", 1)), label=f"{'×'.join(map(str, x.shape))} {'×'.join(map(str, w.shape))} {words}".strip())
case("conv_transpose2d", lambda t, F, x, w: F.conv_transpose2d(x, w), N(3, 4, 5), N(3, 2, 2, 2), label="one image, no bias")
case("conv_transpose2d", lambda t, F, x, w: F.conv_transpose2d(x, w, stride=2), const(N(2, 3, 3, 2)), N(3, 2, 3, 3), label="weight alone")
case("conv_transpose1d", lambda t, F, x, w, b: F.conv_transpose1d(x, w, b, 2, 1, 1, 2), N(2, 4, 5), N(4, 3, 3), N(6))
case("conv_transpose1d", lambda t, F, x, w: F.conv_transpose1d(x, w, dilation=2, output_padding=1), N(2, 5), N(2, 3, 3))

# --- pooling: overlaps, padding, holes, windows over the edge, ties --------------------------------------------------

for label, shape, options in [
        ("2", (2, 3, 6, 4), dict(kernel_size=2)), ("odd", (1, 2, 7, 5), dict(kernel_size=2)),
        ("overlapping", (2, 2, 7, 6), dict(kernel_size=3, stride=1, padding=1)),
        ("3, stride 2, padded", (2, 2, 7, 7), dict(kernel_size=3, stride=2, padding=1)),
        ("ceil", (1, 2, 6, 7), dict(kernel_size=(3, 2), stride=2, ceil_mode=True)),
        ("ceil, padded", (1, 3, 5, 5), dict(kernel_size=3, stride=3, padding=1, ceil_mode=True)),
        ("one image", (2, 4, 4), dict(kernel_size=2)), ("many channels", (2, 40, 6, 6), dict(kernel_size=2))]:
    case("max_pool2d", lambda t, F, x, o=options: F.max_pool2d(x, **o), D(*shape), label=label)
    case("avg_pool2d", lambda t, F, x, o=options: F.avg_pool2d(x, **o), N(*shape), label=label)
case("max_pool2d", lambda t, F, x: F.max_pool2d(x, 2, 1, dilation=2), D(1, 2, 6, 6), label="dilated")
case("max_pool2d", lambda t, F, x: F.max_pool2d(x, 2, return_indices=True)[0], D(1, 2, 4, 4), label="with indices")
case("max_pool2d", lambda t, F, x: F.max_pool2d(x, 2, 1), V(np.ones((1, 1, 3, 3))), label="ties", smooth=False)
case("avg_pool2d", lambda t, F, x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), N(1, 2, 6, 5), label="without padding")
case("avg_pool2d", lambda t, F, x: F.avg_pool2d(x, 2, divisor_override=3), N(1, 2, 4, 4), label="divisor")
case("avg_pool2d", lambda t, F, x: F.avg_pool2d(x, (2,), (), [1], divisor_override=-3), N(1, 2, 4, 4), label="negative divisor, tuples of one")
for name in ("max_pool2d", "avg_pool2d"):
    case(name, lambda t, F, x, n=name: getattr(F, n)(x, (4, 2), 2, ceil_mode=True), D(2, 3, 3, 4), label="ceil, larger than the image")
for size, shape in [((1, 1), (2, 3, 5, 4)), ((2, 3), (2, 3, 5, 7)), ((4, 4), (1, 2, 3, 3)), ((None, 2), (1, 2, 3, 4)), (2, (3, 4, 6))]:
    case("adaptive_avg_pool2d", lambda t, F, x, s=size: F.adaptive_avg_pool2d(x, s), N(*shape))
    case("adaptive_max_pool2d", lambda t, F, x, s=size: F.adaptive_max_pool2d(x, s), D(*shape))
case("adaptive_max_pool2d", lambda t, F, x: F.adaptive_max_pool2d(x, 3, True)[0], D(4, 33, 20, 20), label="many")
case("adaptive_max_pool2d", lambda t, F, x: F.adaptive_max_pool2d(x, 2), V(np.ones((1, 1, 3, 3))), label="ties", smooth=False)
case("max_pool1d", lambda t, F, x: F.max_pool1d(x, 3, 2, 1), D(2, 3, 8))
case("max_pool1d", lambda t, F, x: F.max_pool1d(x, (2,), (), dilation=[2], ceil_mode=True, return_indices=True)[0], D(3, 8))
case("avg_pool1d", lambda t, F, x: F.avg_pool1d(x, 3, 2, 1, False, False), N(2, 3, 8))
case("avg_pool1d", lambda t, F, x: F.avg_pool1d(x, 2, ceil_mode=True), N(3, 7))
case("adaptive_avg_pool1d", lambda t, F, x: F.adaptive_avg_pool1d(x, 3), N(2, 3, 7))
case("adaptive_avg_pool1d", lambda t, F, x: F.adaptive_avg_pool1d(x, (1,)), N(3, 7))
case("adaptive_max_pool1d", lambda t, F, x: F.adaptive_max_pool1d(x, 3), D(2, 3, 7))

# --- padding ---------------------------------------------------------------------------------------------------------

for pads, shape in [((1, 2), (3,)), ((1, 0, 2, 1), (2, 3, 4)), ((-1, 2, 1, -2), (2, 3, 4, 5)), ((0, 0, 0, 1, 1, 0, 2, 1), (1, 2, 3, 2)),
                    ((), (2, 3)), ((1, 1), (0, 2)), ((2, -3), (2, 3)), ((1, 1, 2, 2, 1, 1), (2, 33, 16, 20))]:
    case("pad", lambda t, F, x, p=pads: F.pad(x, p, value=0.5) ** 2, N(*shape), label=f"{shape} constant {pads}")
for mode in ("reflect", "replicate", "circular"):
    for pads, shape in [((1, 2), (2, 3)), ((2, 1), (2, 3, 4)), ((1, 2, 2, 0), (2, 3, 4)), ((1, 1, 2, 2), (2, 3, 4, 5)), ((2, -1), (2, 2, 5)),
                        ((-1, 2, 1, -2), (1, 2, 4, 5)), ((1, 1, 0, 2, 1, 1), (2, 3, 4, 3)), ((1, 0, 1, 1, 2, 1), (1, 2, 3, 3, 2)),
                        ((3, 3, 2, 2), (2, 33, 16, 20))]:
        case("pad", lambda t, F, x, p=pads, m=mode: F.pad(x, p, m) ** 2, N(*shape), label=f"{shape} {mode} {pads}")

def _words(options):
    return " ".join(f"{k}={v}" for k, v in options.items())


# --- scaling: up, down, one pixel, unequal axes, by size and by factor; small and large enough for threads ---------------

for mode, shapes in {"nearest": [(2, 3, 5), (2, 3, 4, 5), (1, 2, 3, 2, 4)], "nearest-exact": [(2, 3, 5), (2, 3, 4, 5), (1, 2, 3, 2, 4)],
                     "area": [(2, 3, 5), (2, 3, 4, 5), (1, 2, 3, 2, 4)], "linear": [(2, 3, 5)], "bilinear": [(2, 3, 4, 5)],
                     "bicubic": [(2, 3, 4, 5)], "trilinear": [(1, 2, 3, 2, 4)]}.items():
    for shape in shapes:
        for options in [dict(size=(7, 1, 4)[:len(shape) - 2]), dict(size=3), dict(scale_factor=1.7),
                        dict(scale_factor=(0.7, 2.0, 1.0)[:len(shape) - 2]),
                        dict(scale_factor=1.6, recompute_scale_factor=True)]:
            for corners in (False, True) if "linear" in mode or mode == "bicubic" else (None,):
                case("interpolate", lambda t, F, x, o=options, m=mode, c=corners: F.interpolate(x, **o, mode=m, align_corners=c) ** 2, N(*shape),
                     label=f"{shape} {mode} {_words(options)}{' corners' if corners else ''}")
for mode in ("bilinear", "bicubic"):
    for options in [dict(size=(3, 9)), dict(size=(2, 5), align_corners=True), dict(scale_factor=0.3), dict(scale_factor=(0.45, 1.3)),
                    dict(size=(9, 8))]:
        case("interpolate", lambda t, F, x, o=options, m=mode: F.interpolate(x, **o, mode=m, antialias=True) ** 2, N(2, 3, 9, 8),
             label=f"{mode} antialias {_words(options)}")
case("interpolate", lambda t, F, x: F.interpolate(x, scale_factor=2, mode="bilinear") ** 2, N(2, 33, 16, 20), label="2×33×16×20 bilinear")
case("interpolate", lambda t, F, x: F.interpolate(x, (5, 4), mode="bicubic"), N(0, 3, 4, 5), label="no image")

# --- windows ---------------------------------------------------------------------------------------------------------

for shape, options in [((2, 3, 5, 6), dict(kernel_size=2)), ((1, 2, 6, 7), dict(kernel_size=(3, 2), stride=(2, 1), padding=(1, 2))),
                       ((2, 5, 6), dict(kernel_size=3)),
                       ((1, 1, 7, 8), dict(kernel_size=2, dilation=(3, 2), padding=3)), ((2, 2, 4, 4), dict(kernel_size=1, stride=3)),
                       ((2, 9, 24, 20), dict(kernel_size=3, padding=1))]:
    case("unfold", lambda t, F, x, o=options: F.unfold(x, **o) ** 2, N(*shape), label=f"{shape} {_words(options)}")
for shape, options in [((2, 12, 20), dict(output_size=(5, 6), kernel_size=2)), ((12, 20), dict(output_size=(5, 6), kernel_size=2)),
                       ((1, 12, 27), dict(output_size=(6, 7), kernel_size=(3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2))),
                       ((1, 8, 10), dict(output_size=(6, 11), kernel_size=2, stride=2, dilation=2)),
                       ((2, 81, 480), dict(output_size=(24, 20), kernel_size=3, padding=1)),
                       ((0, 4, 4), dict(output_size=3, kernel_size=2))]:
    case("fold", lambda t, F, x, o=options: F.fold(x, **o) ** 2, N(*shape), label=f"{shape} {_words(options)}")

# --- reading at any points: inside, outside, several at one pixel ------------------------------------------------------

for mode, padding, corners in itertools.product(("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"), (False, True)):
    for shape, points in [((2, 3, 4, 5), (2, 3, 2, 2)), ((1, 9, 3, 4), (1, 5, 6, 2))] + [((1, 2, 3, 2, 4), (1, 2, 3, 2, 3))] * (mode != "bicubic"):
        case("grid_sample", lambda t, F, x, g, m=mode, p=padding, c=corners: F.grid_sample(x, g, m, p, c) ** 2, N(*shape), N(*points),
             label=f"{shape} {points} {mode} {padding}{' corners' if corners else ''}")
case("grid_sample", lambda t, F, x, g: F.grid_sample(x, g, align_corners=True), N(1, 1, 3, 3), V([[[[-1.0, 1.0], [1.0, -1.0]]]]),
     label="at the corners", smooth=False)
case("grid_sample", lambda t, F, x, g: F.grid_sample(x, g * 0.4, padding_mode="border", align_corners=False), N(2, 33, 12, 10),
     N(2, 20, 21, 2), label="large")
case("grid_sample", lambda t, F, x, g: F.grid_sample(x, g, align_corners=False), N(0, 2, 3, 3), N(0, 2, 2, 2), label="no image")
for size, corners in [((2, 1, 3, 4), False), ((2, 3, 1, 5), False), ((1, 1, 2, 3, 4), False), ((2, 1, 3, 2, 4), True)]:
    axes = len(size) - 2
    case("affine_grid", lambda t, F, theta, s=size, c=corners: F.affine_grid(theta, s, c) ** 2, N(size[0], axes, axes + 1),
         label=f"{size}{' corners' if corners else ''}")
case("affine_grid", lambda t, F, x, theta: F.grid_sample(x, F.affine_grid(theta, (2, 3, 6, 5), False), align_corners=False), N(2, 3, 5, 4), N(2, 2, 3),
     label="and grid_sample")

# --- norms -----------------------------------------------------------------------------------------------------------

for shape in [(6, 3), (4, 3, 5), (2, 3, 4, 5), (40, 17, 3, 3), (2, 3, 2, 3, 2)]:
    c = shape[1]
    case("batch_norm", lambda t, F, x, w, b: F.batch_norm(x, None, None, w, b, True), N(*shape), N(c), N(c))
    case("batch_norm", lambda t, F, x, m, v, w, b: F.batch_norm(x, m, v, w, b), N(*shape), const(N(c)), const(P(c)), N(c), N(c))
case("batch_norm", lambda t, F, x: F.batch_norm(x, None, None, None, None, True, eps=0.1), N(4, 3), label="no weight")
case("batch_norm", lambda t, F, x, m, v: F.batch_norm(x, m, v, eps=0.1), N(4, 3), N(3), P(3), label="gradients of given statistics",
     smooth=True)
case("batch_norm", lambda t, F, x, w, b: F.batch_norm(x, None, None, w, b, True), N(0, 3, 4), N(3), N(3), label="empty")
for shape, normal in [((3, 5), 5), ((2, 3, 4), (3, 4)), ((2, 3, 1), 1), ((33, 70), 70)]:
    size = (normal,) if isinstance(normal, int) else normal
    case("layer_norm", lambda t, F, x, w, b, n=size: F.layer_norm(x, n, w, b), N(*shape), N(*size), N(*size))
case("layer_norm", lambda t, F, x: F.layer_norm(x, (5,), eps=0.1), N(3, 5), label="no weight")
case("group_norm", lambda t, F, x, w, b: F.group_norm(x, 2, w, b), N(2, 4, 3, 3), N(4), N(4))
case("group_norm", lambda t, F, x: F.group_norm(x, 3), N(2, 3, 5), label="groups of one channel")
for shape, groups in [((5, 3), 1), ((3, 6, 5), 2), ((2, 3, 13, 11), 1), ((40, 17, 9, 8), 1), ((2, 130, 17, 16), 13), ((2, 300, 2, 1), 4)]:
    case("group_norm", lambda t, F, x, w, b, g=groups: F.group_norm(x, g, w, b), N(*shape), N(shape[1]), N(shape[1]), label=f"{shape} in {groups}")
case("layer_norm", lambda t, F, x: F.layer_norm(x, (4,), eps=-0.5), V([[1.0, -3, 2, 5], [0.0, 4, -2, 1]]), label="negative eps")
case("group_norm", lambda t, F, x: F.group_norm(x, 1, eps=-0.5), V([[1.0, -3, 2, 5], [0.0, 4, -2, 1]]), label="negative eps")
for shape in [(2, 3, 5), (2, 3, 4, 3), (3, 17, 6, 7)]:
    case("instance_norm", lambda t, F, x, w, b: F.instance_norm(x, None, None, w, b), N(*shape), N(shape[1]), N(shape[1]))
case("instance_norm", lambda t, F, x, m, v: F.instance_norm(x, m, v, use_input_stats=False, eps=0.1), N(2, 3, 4), const(N(3)), const(P(3)),
     label="running")
case("binary_cross_entropy", lambda t, F, x, y: F.binary_cross_entropy(x.sigmoid(), y.sigmoid()), N(3, 4), N(3, 4))
case("binary_cross_entropy", lambda t, F, x, y, w: F.binary_cross_entropy(x.sigmoid(), y.sigmoid(), w, reduction="sum"), N(3, 4), N(3, 4),
     const(P(4)), label="weight")
case("kl_div", lambda t, F, x, y: F.kl_div(x.log_softmax(1), y.softmax(1), reduction="batchmean"), N(3, 4), N(3, 4))
case("kl_div", lambda t, F, x, y: F.kl_div(x.log_softmax(1), y.log_softmax(1), reduction="none", log_target=True), N(3, 4), N(3, 4), label="log target")
case("huber_loss", lambda t, F, x, y: F.huber_loss(x, y, delta=0.3) + F.huber_loss(x, y, "sum"), D(3, 4), const(N(3, 4)))
case("normalize", lambda t, F, x: F.normalize(x), N(3, 4))
case("normalize", lambda t, F, x: F.normalize(x, 3.0, 0), D(3, 4), label="p=3")
case("normalize", lambda t, F, x: F.normalize(x, dim=1), V([[0.0, 0.0], [3.0, 4.0]]), label="of 0", smooth=False, second=False)

# --- softmax and losses ----------------------------------------------------------------------------------------------

for name in ("softmax", "log_softmax"):
    for shape, dim in [((3, 5), -1), ((3, 5), 0), ((2, 3, 4, 2), 1), ((4,), 0), ((2, 1), 1), ((), 0), ((70, 33), 1)]:
        case(name, lambda t, F, x, name=name, d=dim: getattr(F, name)(x, d), N(*shape), label=f"{'×'.join(map(str, shape))} along {dim}")
    case(name, lambda t, F, x, name=name: getattr(F, name)(x, 1), V([[1e4, 0.0, -1e4], [-500.0, 500.0, 499.0]]), label="large")

WEIGHT = const(V([0.5, 1.0, 2.0, 0.3]))
IGNORED = V([1, -100, 3, 0, -100], np.int64)
for reduction in ("mean", "sum", "none"):
    case("cross_entropy", lambda t, F, x, y, r=reduction: F.cross_entropy(x, y, reduction=r), N(5, 4), I(4, 5), label=reduction)
    case("cross_entropy", lambda t, F, x, y, w, r=reduction: F.cross_entropy(x, y, w, reduction=r, label_smoothing=0.2),
         N(5, 4), IGNORED, WEIGHT, label=f"{reduction}, weights, ignored, smoothed")
    case("cross_entropy", lambda t, F, x, y, r=reduction: F.cross_entropy(x, y, reduction=r), N(2, 4, 3, 2), I(4, 2, 3, 2),
         label=f"{reduction}, of pixels")
    case("cross_entropy", lambda t, F, x, p, w, r=reduction: F.cross_entropy(x, F.softmax(p, 1), w, reduction=r, label_smoothing=0.1),
         N(5, 4), N(5, 4), WEIGHT, label=f"{reduction}, probabilities")
    case("nll_loss", lambda t, F, x, y, w, r=reduction: F.nll_loss(x, y, w, reduction=r), N(5, 4), IGNORED, WEIGHT, label=reduction)
    case("nll_loss", lambda t, F, x, y, r=reduction: F.nll_loss(x, y, reduction=r), N(2, 4, 3), I(4, 2, 3), label=f"{reduction}, longer")
    for name in ("mse_loss", "l1_loss", "smooth_l1_loss"):
        case(name, lambda t, F, x, y, n=name, r=reduction: getattr(F, n)(x, y, reduction=r), N(3, 4), N(3, 4), label=reduction)
    case("smooth_l1_loss", lambda t, F, x, y, r=reduction: F.smooth_l1_loss(x, y, reduction=r, beta=0.3), N(3, 4), N(3, 4),
         label=f"{reduction}, beta")
    case("binary_cross_entropy_with_logits",
         lambda t, F, x, y, r=reduction: F.binary_cross_entropy_with_logits(x, y, reduction=r), N(3, 4), P(3, 4), label=reduction)
case("cross_entropy", lambda t, F, x, y: F.cross_entropy(x, y, label_smoothing=0.1), N(4), V(2, np.int64), label="one sample")
case("cross_entropy", lambda t, F, x, y: F.cross_entropy(x, y), N(130, 10), I(10, 130), label="130×10")
case("cross_entropy", lambda t, F, x, y: F.cross_entropy(x, y), V([[1e4, 0.0], [0.0, -1e4]]), V([0, 0], np.int64), label="large")
case("smooth_l1_loss", lambda t, F, x, y: F.smooth_l1_loss(x, y, beta=0.0), N(3, 4), N(3, 4), label="beta 0")
case("binary_cross_entropy_with_logits",
     lambda t, F, x, y, w, p: F.binary_cross_entropy_with_logits(x, y, w, pos_weight=p), N(3, 4), P(3, 4), const(P(4)), const(P(4)),
     label="weights")
case("binary_cross_entropy_with_logits", lambda t, F, x, y: F.binary_cross_entropy_with_logits(x, y),
     V([0.0, 800.0, -800.0]), const(V([1.0, 1.0, 0.0])), label="extreme", smooth=False)

# --- attention -------------------------------------------------------------------------------------------------------

def _attention(**options):
    return lambda t, F, q, k, v, *mask: F.scaled_dot_product_attention(q, k, v, *mask, **options)


NAME = "scaled_dot_product_attention"
case(NAME, _attention(), N(2, 3, 4, 5), N(2, 3, 6, 5), N(2, 3, 6, 2))
case(NAME, _attention(is_causal=True), N(1, 2, 5, 3), N(1, 2, 5, 3), N(1, 2, 5, 3), label="causal")
case(NAME, _attention(is_causal=True), N(1, 1, 3, 2), N(1, 1, 5, 2), N(1, 1, 5, 2), label="causal, more keys")
case(NAME, _attention(scale=0.3), N(2, 4, 3), N(2, 5, 3), N(2, 5, 3), label="no heads, scale")
case(NAME, _attention(), N(4, 3), N(5, 3), N(5, 3), label="no batch")
case(NAME, _attention(), N(2, 1, 2, 4, 3), N(1, 3, 2, 5, 3), N(2, 3, 2, 5, 3), label="five axes, broadcast")
case(NAME, _attention(), N(2, 2, 3, 4), N(2, 2, 3, 4), N(2, 2, 3, 4), const(B(3, 3)), label="boolean mask", smooth=False)
case(NAME, _attention(), N(2, 2, 3, 4), N(2, 2, 4, 4), N(2, 2, 4, 4), V([[True, False, True, True]], bool), label="one mask for all")
case(NAME, _attention(), N(2, 2, 3, 4), N(2, 2, 5, 4), N(2, 2, 5, 4), N(2, 1, 3, 5), label="learned mask")
case(NAME, _attention(), N(2, 3, 4), N(2, 5, 4), N(2, 5, 4), const(N(2, 3, 5)), label="mask, no heads")
case(NAME, _attention(), N(1, 2, 70, 16), N(1, 2, 130, 16), N(1, 2, 130, 16), label="several tiles")
case(NAME, _attention(enable_gqa=True), N(2, 4, 3, 5), N(2, 2, 4, 5), N(2, 2, 4, 3), label="shared heads")
case(NAME, _attention(is_causal=True), N(1, 1, 97, 8), N(1, 1, 97, 8), N(1, 1, 97, 8), label="several tiles, causal")


def _weights(t, F, q, k):
    from ..ops.attention import attention_weights
    return attention_weights(q, k, None, True, 0.5)


case("attention_weights", _weights, N(1, 2, 3, 4), N(1, 2, 5, 4))

# --- gates, and what has no twin in PyTorch --------------------------------------------------------------------------

for shape in [(2, 3, 4, 5), (1, 1, 3, 3), (2, 17, 1, 1), (2, 33, 8, 9)]:
    n, c, h, w = shape
    case("pool_pixels", lambda t, F, x: list(F.pool_pixels(x)), D(*shape))
    case("pool_channels", lambda t, F, x, g: F.pool_channels(x, g), D(*shape), P(n, c))
    case("apply_gates", lambda t, F, x, a, b: F.apply_gates(x, a, b), N(*shape), N(n, c), N(n, h, w))
case("pool_pixels", lambda t, F, x: F.pool_pixels(x, with_max=False), N(2, 3, 4, 5), label="mean alone")
case("pool_channels", lambda t, F, x: F.pool_channels(x), D(2, 3, 4, 5), label="no gate")
case("apply_gates", lambda t, F, x, a: F.apply_gates(x, channel=a), N(2, 3, 4, 5), N(2, 3), label="channel alone")
case("apply_gates", lambda t, F, x, b: F.apply_gates(x, pixel=b), N(2, 3, 4, 5), N(2, 1, 4, 5), label="pixel alone")
case("energy_gate", lambda t, F, x: F.energy_gate(x), N(2, 3, 4, 5))
case("energy_gate", lambda t, F, x: F.energy_gate(x, 0.2), N(1, 130, 3, 5), label="wider than a tile")
case("attention_gate", lambda t, F, x: F.attention_gate(x), N(2, 3, 4, 5), label="mean alone")
case("attention_gate", lambda t, F, x, *w: F.attention_gate(x, *w), N(2, 5, 3, 2), N(2, 5), N(2), N(5, 2), N(5), label="SE")
case("attention_gate", lambda t, F, x, w1, w2, f: F.attention_gate(x, w1, None, w2, None, f, True),
     D(2, 5, 4, 3), N(2, 5), N(5, 2), N(1, 2, 3, 5), label="CBAM")
case("attention_gate", lambda t, F, x, w1, w2, f: F.attention_gate(x, w1, None, w2, None, f, True),
     D(2, 17, 6, 7), N(4, 17), N(17, 4), N(1, 2, 7, 7), label="CBAM of 17 channels")


def _dropout(t, F, x):
    t.manual_seed(3)
    return F.dropout(x, 0.4, True)


for shape in [(5, 4), (2, 3, 4, 5), ()]:
    case("dropout", _dropout, N(*shape))


def _channel_dropout(t, F, x):
    t.manual_seed(3)
    return (F.dropout1d if x.ndim < 4 else F.dropout2d)(x, 0.4, True)


case("dropout1d", _channel_dropout, N(2, 9, 4))
case("dropout1d", _channel_dropout, N(9, 4))
case("dropout2d", _channel_dropout, N(2, 9, 3, 2))


def _fused_batch_norm(t, F, x, w, b):
    return F.batch_norm(x, None, None, w, b, True, activation="relu")


case("batch_norm", _fused_batch_norm, N(2, 3, 4, 5), P(3), N(3), label="with relu")
case("batch_norm", lambda t, F, x, m, v, w, b: F.batch_norm(x, m, v, w, b, activation="relu"), N(2, 3, 4, 5), const(N(3)), const(P(3)),
     N(3), N(3), label="running, with relu")
for shape, windows in (((2, 3, 4, 5), 2), ((2, 19, 5, 7), (2, 3)), ((64, 33, 8, 8), 2)):
    case("batch_norm", lambda t, F, x, w, b, p=windows: F.batch_norm(x, None, None, w, b, True, activation="relu", pool=p), D(*shape),
         P(shape[1]), N(shape[1]), label=f"with relu and pool {'×'.join(map(str, shape))}")
case("batch_norm", lambda t, F, x, m, v, w, b: F.batch_norm(x, m, v, w, b, activation="relu", pool=2), D(2, 3, 4, 5), const(N(3)), const(P(3)),
     N(3), N(3), label="running, with relu and pool")


def _root(t, F, x):
    from ..ops.reduce import root
    return root(x)


case("root", _root, P(3))


def _add_relu(t, F, a, b):
    from ..ops.activation import add_relu
    return add_relu(a, b)


case("add_relu", _add_relu, D(3, 4), const(V(0.01)), label="a number")
case("add_relu", _add_relu, D(2, 3, 4), N(3, 1))


def _picked(t, F, x, places):
    from ..ops.pool import PickWinnersFunction
    return PickWinnersFunction.apply(x, places, shape=x.shape)


def _picked_in_tiles(t, F, x, places):
    from ..ops.pool import TiledPickWinnersFunction
    return TiledPickWinnersFunction.apply(x, places, shape=x.shape, kernel_size=(2, 2))


case("pick_winners", _picked_in_tiles, N(1, 2, 4, 4), V([[[[0, 3], [1, 2]], [[2, 2], [3, 0]]]], np.uint8), label="in tiles")
case("pick_winners", _picked, N(1, 2, 3, 3), V([[[[0, 4], [8, 4]], [[1, 1], [5, 7]]]], np.int32))
case("unbroadcast", lambda t, F, x: _unbroadcast(x), N(2, 3, 4))


def _unbroadcast(x):
    from ..ops.shape import unbroadcast
    return unbroadcast(x, (3, 1)) ** 2


__all__ = ["CASES"]
