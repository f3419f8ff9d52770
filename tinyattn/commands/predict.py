"""Classify your own image files with a trained model.

Any size, grey or colour, transparent or not, PNG, JPEG and what else Pillow reads. Each image is brought into the
form the model learned from, and what was done is said: figures (glyphs, scales, MNIST …) are made light on dark, cut out and
centred; photographs (CIFAR) are cut to their middle square and scaled.
"""
import json


def add_arguments(parser):
    """The options of `tinyattn predict`."""
    parser.add_argument("run", metavar="RUN", help="folder of a run (or a model.safetensors)")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="image files")
    parser.add_argument("--top", type=int, default=3, metavar="K", help="how many classes to show (default 3)")
    parser.add_argument("--picture", metavar="FILE", help="draw what the attention looked at in the images")
    parser.add_argument("--json", action="store_true", help="print one line of JSON an image")


def run(args):
    """Predict each file; files that cannot be read are reported, and the exit code is 2 then."""
    import sys

    import numpy as np

    import tinyattn as ta

    from .. import training, viz
    from ..training import files, pictures
    if args.top < 1:
        raise training.OptionError(f"--top is {args.top}, expected 1 or more")
    trained = training.open_run(args.run)
    good, failed = [], 0
    for name in args.images:
        try:
            good.append((name, *pictures.prepare(name, trained.about)))
        except pictures.PictureError as error:
            print(f"tinyattn: error: {error}", file=sys.stderr)
            failed += 1
    if good:
        images = np.stack([image for _, image, _ in good])
        with ta.no_grad():
            logits = trained.model(ta.tensor(pictures.normalised(images, trained.about))).data
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        for (name, _, notes), row in zip(good, shifted / shifted.sum(axis=1, keepdims=True)):
            _print(name, row, notes, trained.about["classes"], args)
        if args.picture:
            with files.writing(args.picture, "--picture"):
                viz.attention(trained.model, images, None, trained.about["classes"], trained.about["mean"],
                              trained.about["std"], args.picture, trained.source.parent.name)
    return 2 if failed else 0


def _print(name, probabilities, notes, classes, args):
    order = (-probabilities).argsort(kind="stable")[:args.top]
    if args.json:
        print(json.dumps({"image": name, "prepared": notes,
                          "top": [{"class": classes[i], "probability": float(probabilities[i])} for i in order]}))
        return
    print(f"{name}: " + "   ".join(f"{classes[i]} {probabilities[i]:.1%}" for i in order))
    print(f"  {'; '.join(notes)}")
