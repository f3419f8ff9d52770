"""From a `Config` to the things that train: data, model, optimizer, schedule, loader."""
import dataclasses
import time
import zlib

import numpy as np

import tinyattn as ta

from ..data import DataLoader, load
from ..data import transforms as T
from ..data.datasets import BUILT_IN
from .config import OptionError


@dataclasses.dataclass
class Data:
    """The two splits of a data set as a run sees them, cut to `limit_train` and `limit_test`."""

    train: object
    test: object

    @property
    def fingerprint(self):
        """CRC-32 of every image and label: a resumed run must see the same ones."""
        total = 0
        for split in (self.train, self.test):
            total = zlib.crc32(np.ascontiguousarray(split.images.transpose(0, 2, 3, 1)).reshape(-1), total)
            total = zlib.crc32(np.ascontiguousarray(split.labels).view(np.uint8), total)
        return f"{total:08x}"


class Part:
    """The first `count` examples of a data set, with its names and statistics (all of it, where count is None)."""

    def __init__(self, dataset, count=None):
        self.images, self.labels = dataset.images[:count], dataset.labels[:count]
        self.name, self.split, self.classes = dataset.name, dataset.split, list(dataset.classes)
        self.mean, self.std = tuple(float(m) for m in dataset.mean), tuple(float(s) for s in dataset.std)

    def __len__(self):
        return len(self.labels)


def load_part(config, split):
    """One split of the config's data set, cut to its limit."""
    limit = config.limit_train if split == "train" else config.limit_test
    options = {"size": limit} if limit is not None and config.data in BUILT_IN else {}  # drawn, not read: draw no more
    try:
        return Part(load(config.data, split, root=config.data_dir, **options), limit)
    except FileNotFoundError:
        raise
    except (ValueError, OSError) as error:
        raise OptionError(f"--data {config.data}: {error}") from error


def load_data(config):
    """Both splits. `OptionError` where one cannot be used, or the test images are training images."""
    data = Data(load_part(config, "train"), load_part(config, "test"))
    if config.data not in BUILT_IN:
        _check_apart(data, config.data)
    return data


def _check_apart(data, name):
    """Look for up to 100 of the test images among the training images: a few may be there, half of them is another file."""
    seen = {zlib.crc32(np.ascontiguousarray(image)) for image in data.train.images.transpose(0, 2, 3, 1)}
    some = data.test.images.transpose(0, 2, 3, 1)[::max(1, len(data.test) // 100)]
    known = sum(zlib.crc32(np.ascontiguousarray(image)) in seen for image in some)
    if 2 * known > len(some):
        raise OptionError(f"--data {name}: {known} of {len(some)} test images are training images too: one file seems to stand under "
                          "two names, and the test would show nothing; put the published files there again")


def augmentation(name, height, mean, std):
    """The transform of a training batch: the augmentation `name`, then normalisation.

    affine: a small turn, shift, scaling and shear (for figures whose mirror image is another figure)
    crop:   a window at a random place after padding by an eighth;   flip: left–right mirror
    translate:      moved by up to a sixteenth in each direction, the edge mirrored: one pixel of 28, two of 32
    translate-flip: the same, and mirrored in every other epoch
    """
    shift = max(1, height // 16)
    crop = T.RandomCrop(height, padding=max(1, height // 8))
    flip = T.RandomHorizontalFlip()
    translate = T.RandomCrop(height, padding=shift, padding_mode="reflect")
    steps = {
        "none": [],
        "affine": [T.RandomAffine(8, translate=(0.06, 0.06), scale=(0.94, 1.06), shear=4)],
        "flip": [flip],
        "crop": [crop],
        "crop-flip": [crop, flip],
        "translate": [translate],
        "translate-flip": [translate, T.AlternatingHorizontalFlip()],
    }[name]
    return T.Compose([*steps, T.Normalize(mean, std)])


def train_loader(config, part):
    """Shuffled, augmented batches, prepared ahead by a thread; the same for the same seed.

    The last part batch is dropped unless it is the only one.
    """
    transform = augmentation(config.augment, part.images.shape[2], part.mean, part.std)
    return DataLoader(part, batch_size=config.batch_size, shuffle=True, seed=config.seed, transform=transform,
                      drop_last=len(part) >= config.batch_size)


def test_loader(part, batch_size=500, corruption=None):
    """The examples in order, normalised only; corrupted before, if a `data.Corruption` is given."""
    normalize = T.Normalize(part.mean, part.std)
    return DataLoader(part, batch_size=batch_size, transform=T.Compose([corruption, normalize]) if corruption else normalize)


def prepare(model, part, count=500):
    """Set what the model computes from the first training images, normalised only, before it learns. Returns the seconds it took."""
    began = time.perf_counter()
    if hasattr(model, "init_whiten"):
        images, _ = next(iter(test_loader(part, count)))
        model.init_whiten(images)  # from NumPy's arrays, wherever the model is
    return time.perf_counter() - began


def build_model(config, channels, classes, image_size):
    """The config's model, freshly initialised from the current random state."""
    return ta.models.create(config.model, in_channels=channels, num_classes=classes, image_size=image_size,
                            attention=config.attention)


def build_optimizer(config, model, optim=ta.optim):
    """The config's optimizer over what the model learns.

    Vectors (biases, normalisation) are not decayed: pulling them to zero helps nobody. Their rate is `bias_lr` times the others'.
    `optim` may be PyTorch's, for a model of PyTorch's: the names are the same.
    """
    learned = [p for p in model.parameters() if p.requires_grad]
    groups = [{"params": [p for p in learned if p.ndim > 1], "weight_decay": config.weight_decay, "lr": config.lr},
              {"params": [p for p in learned if p.ndim <= 1], "weight_decay": 0.0, "lr": config.lr * config.bias_lr}]
    groups = [group for group in groups if group["params"]]
    if config.optimizer == "sgd":
        return optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=True)
    kind = {"adamw": optim.AdamW, "adam": optim.Adam}[config.optimizer]
    return kind(groups, lr=config.lr)


def build_schedule(config, optimizer, steps, schedules=ta.optim):
    """How the learning rate moves over the `steps` updates of the run; None for a constant one.

    onecycle: from lr/10 up to `lr` in the first fifth, down to almost nothing at the end
    triangle: in straight lines: from a fifth up in the first fifth, then down, to be 0 one step after the last
    cosine:   from `lr` down to 0
    step:     a tenth of it after half of the run, a hundredth after three quarters.
    """
    if config.schedule == "onecycle":
        highest = [group["lr"] for group in optimizer.param_groups]
        return schedules.OneCycleLR(optimizer, highest, total_steps=max(steps, 2), pct_start=0.2, div_factor=10,
                                    cycle_momentum=False)
    if config.schedule == "triangle":
        top = 0.2 * steps
        return schedules.LambdaLR(optimizer, lambda t: 0.2 + 0.8 * t / top if t < top else (steps - t) / (steps - top))
    if config.schedule == "cosine":
        return schedules.CosineAnnealingLR(optimizer, T_max=steps)
    if config.schedule == "step":
        return schedules.LambdaLR(optimizer, lambda t: 1.0 if 2 * t < steps else 0.1 if 4 * t < 3 * steps else 0.01)
    return None
