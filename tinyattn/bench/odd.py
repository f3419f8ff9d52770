"""Suite "odd": shapes that no kernel was made for. Forward and backward; none may fall to half of PyTorch's speed."""
from .kernels import convolution, of_image
from .measure import run_cases

FLOOR = 0.5


def _norm(channels, kind):
    """A norm of `channels` channels in training."""
    def function(side, random):
        def make():
            return side.nn.GroupNorm(1, channels) if kind == "group_norm" else side.nn.BatchNorm2d(channels)
        return side.layer(make, make, random)
    return function


def _pool(name, *arguments):
    return lambda side, random: lambda x: getattr(side.F, name)(x, *arguments)


def _conv(words, n, c, k, h, w, r, **options):
    groups = options.get("groups", 1)
    options.setdefault("padding", options.get("dilation", 1) * (r // 2))
    return convolution(f"conv{r}x{r} {c}-{k} @{h}x{w} b{n}{words}", (n, c, h, w), (k, c // groups, r, r), FLOOR, **options)


def cases(quick=False):
    """Every case; `quick`: a batch of 2 in place of 64."""
    n = 2 if quick else 64
    made = [
        _conv("", n, 3, 17, 32, 32, 3), _conv("", n, 17, 3, 32, 32, 3), _conv("", n, 17, 17, 13, 11, 3), _conv("", n, 17, 33, 28, 28, 1),
        _conv("", n, 3, 16, 32, 32, 7), _conv("", n, 17, 17, 28, 28, 7), _conv("", n, 3, 16, 32, 32, 5), _conv("", n, 32, 32, 16, 16, 5),
        _conv("", 1, 16, 32, 28, 28, 3), _conv("", 1, 64, 64, 16, 16, 3), _conv("", 1, 17, 17, 13, 11, 5), _conv("", 3, 16, 32, 28, 28, 3),
        _conv("", 3, 3, 17, 13, 11, 7), _conv(" dilation 2", n, 16, 32, 28, 28, 3, dilation=2), _conv(" dilation 2", n, 17, 17, 13, 11, 3, dilation=2),
        _conv(" groups 2", n, 32, 32, 28, 28, 3, groups=2), _conv(" groups 2", n, 6, 34, 13, 11, 3, groups=2),
        _conv(" stride 2", n, 17, 17, 13, 11, 5, stride=2),
    ]
    for c, h, w, m in ((3, 13, 11, n), (17, 13, 11, n), (17, 28, 28, n), (17, 28, 28, 1), (17, 28, 28, 3)):
        shape, words = (m, c, h, w), f"{c} @{h}x{w} b{m}"
        made += [of_image(f"max_pool 3x3/2 {words}", shape, _pool("max_pool2d", 3, 2, 1), 2.5, FLOOR),
                 of_image(f"avg_pool 3x3/2 {words}", shape, _pool("avg_pool2d", 3, 2, 1), 2.5, FLOOR),
                 of_image(f"batch_norm {words}", shape, _norm(c, "batch_norm"), 5, FLOOR),
                 of_image(f"group_norm {words}", shape, _norm(c, "group_norm"), 5, FLOOR)]
    return made


def names():
    """The names of the cases."""
    return [case.name for case in cases()]


def run(settings):
    """A row a case."""
    yield from run_cases("odd", cases(settings.quick), settings)


def notes(rows):
    """The smallest ratio."""
    ratios = {row["case"]: row["ratio"] for row in rows if row["ratio"]}
    least = min(ratios, key=ratios.get, default=None)
    return [f"odd shapes: smallest ratio {ratios[least]:.2f}, {least} (floor {FLOOR})"] if least else []
