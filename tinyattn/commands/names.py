"""What there is to choose from: recipes, models, attentions, data sets, optimizers, schedules, augmentations, corruptions."""
from ..data.corruptions import CORRUPTIONS
import textwrap

from ..training.recipes import RECIPES

_WORDS = {
    "recipes (--recipe)": {name: recipe.words for name, recipe in RECIPES.items()},
    "models (--model)": {
        "attention_cnn": "convolution stages, each with an attention gate, and attention pooling at the end",
        "lenet": "the classic: two convolutions, three linear layers",
        "level_cnn": "the answer read from three feature levels, weighed by attention for each image",
        "resnet8": "residual network of 8 layers, for CIFAR",
        "resnet20": "residual network of 20 layers, for CIFAR",
        "whitened_vgg4": "a fixed layer that whitens patches, two convolutions: a small image's first epoch is enough",
        "whitened_vgg8": "a fixed layer that whitens patches, six convolutions: for CIFAR, made to be trained quickly",
        "cct": "convolution stem, self-attention blocks, sequence pooling",
    },
    "attention (--attention)": {
        "none": "no gate",
        "se": "squeeze-and-excitation: weighs channels",
        "eca": "efficient channel attention: weighs channels with a handful of parameters",
        "spatial": "weighs places",
        "cbam": "weighs channels, then places",
        "bam": "weighs channels and places, asked side by side and added",
        "coordinate": "weighs each channel by row and by column",
        "triplet": "weighs places, and each channel by row and by column, with 300 parameters",
        "simam": "weighs what differs from the rest of its channel; no parameters",
        "sk": "selective kernels: each channel chooses between a 3×3 and a 5×5 window",
        "gc": "global context: one sum over the image, added to every place",
        "nonlocal": "non-local block: each place takes from all others what is like it",
        "nonlocal-dot": "the same with plain products, for maps of any size",
        "self": "self-attention between all places of a feature map",
        "relative": "self-attention that knows how far apart two places are",
        "bot": "bottleneck transformer: 1×1 convolution, self-attention with distances, 1×1 convolution",
    },
    "data (--data)": {
        "glyphs": "built in: 28×28 grey digits and letters; test typefaces are not those of training",
        "cluttered": "built in: 60×60, one glyph among fragments of others; where it is, is known",
        "scales": "built in: 40×40, one glyph of 8 to 28 pixels; where and how large it is, is known",
        "mnist": "28×28 grey handwritten digits",
        "fashion-mnist": "28×28 grey pieces of clothing",
        "kmnist": "28×28 grey cursive Japanese characters",
        "cifar10": "32×32 colour photographs, 10 classes",
        "cifar100": "32×32 colour photographs, 100 classes",
    },
    "optimizer (--optimizer)": {
        "adamw": "Adam with decoupled weight decay",
        "adam": "Adam",
        "sgd": "gradient descent with Nesterov momentum 0.9",
    },
    "schedule (--schedule)": {
        "onecycle": "up to the highest rate in the first fifth, then down to almost nothing",
        "triangle": "the same in straight lines, down to nothing",
        "cosine": "down to zero along half a cosine",
        "step": "a tenth after half of the run, a hundredth after three quarters",
        "constant": "no change",
    },
    "augmentation (--augment)": {
        "none": "images as they are",
        "affine": "a small turn, shift, scaling and shear",
        "flip": "left-right mirror",
        "crop": "a window at a random place",
        "crop-flip": "both",
        "translate": "moved by a sixteenth at most, the edge mirrored",
        "translate-flip": "moved, and mirrored in every other epoch",
    },
    "test-augmentation (--test-augment)": {
        "none": "a test image as it is",
        "flip": "the mean of what is said to it and to its mirror image",
        "flip-translate": "of both, and of both moved by a pixel each way: six views",
    },
    "corruptions (eval --corrupt)": {name: kind.words for name, kind in CORRUPTIONS.items()},
}


def add_arguments(parser):
    """The options of `tinyattn list`."""
    parser.add_argument("kind", nargs="?", metavar="KIND",
                        help="only one kind: recipes, models, attention, data, optimizer, schedule, augmentation, test-augmentation; "
                             "attention with formulas, sizes and papers")
    parser.add_argument("--channels", type=int, metavar="C", help="of the map that each gate is counted for (default: 64)")
    parser.add_argument("--size", type=int, metavar="S", help="its height and width (default: 16)")


def run(args):
    """Print the names, each with a line on what it is."""
    from ..training.config import check_name
    kinds = {title.split()[0]: title for title in _WORDS}
    chosen = list(_WORDS) if args.kind is None else [kinds[check_name("list:", args.kind, list(kinds))]]
    if args.kind == "attention":
        from .gate_table import table
        print(table(64 if args.channels is None else args.channels, 16 if args.size is None else args.size, _WORDS[chosen[0]]))
        return 0
    if args.channels is not None or args.size is not None:
        from ..cli import Mistake
        raise Mistake("--channels and --size are of the gates' table: tinyattn list attention --channels 64 --size 16")
    for number, title in enumerate(chosen):
        print(("\n" if number else "") + title)
        if title.startswith("attention"):  # many, and their table says more
            print(textwrap.fill(", ".join(_WORDS[title]), 100, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False))
            print("  what each computes and costs: tinyattn list attention")
            continue
        for name, words in _WORDS[title].items():
            print(f"  {name:<14} {words}")
    return 0
