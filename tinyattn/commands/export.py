"""Write a trained model as an ONNX file, which onnxruntime and other programs run without TinyAttn.

The file holds standard operators only, the weights under their names, and what must be known to use it: the classes, the mean
and deviation by which its images were normalised. It is compared with TinyAttn in onnxruntime before it is written, where that is
installed. For PyTorch no export is needed: model.safetensors of the run has PyTorch's names.
"""
import json


def add_arguments(parser):
    """The options of `tinyattn export`."""
    import argparse
    parser.add_argument("run", metavar="RUN", help="folder of a run (or a model.safetensors)")
    parser.add_argument("file", metavar="FILE", help="what to write, such as model.onnx")
    parser.add_argument("--opset", type=int, default=17, metavar="N", help="version of ONNX's operators, 17 to 22 (default 17)")
    parser.add_argument("--batch", default="dynamic", metavar="N", help="how many images at a time: a number, or dynamic for any (default dynamic)")
    parser.add_argument("--with-normalise", action="store_true", help="the file takes pixels from 0 to 1 and normalises them itself")
    parser.add_argument("--check", action=argparse.BooleanOptionalAction, help="compare with onnxruntime (default: if it is installed)")
    parser.add_argument("--json", action="store_true", help="print what was written as one line of JSON")


def run(args):
    """Load, trace, write, say what to feed it."""
    import numpy as np

    from .. import training
    from ..export import onnx
    from ..training.config import OptionError
    batch = args.batch
    if batch != "dynamic":
        if not batch.isascii() or not batch.isdigit() or int(batch) < 1:
            raise OptionError(f"--batch is {batch!r}, expected dynamic or a number of images, at least 1")
        batch = int(batch)
    trained = training.open_run(args.run)
    about, config = trained.about, trained.config
    takes = "pixels from 0 to 1" if args.with_normalise else f"(pixels from 0 to 1 − {_few(about['mean'])}) / {_few(about['std'])}"
    made = onnx(
        trained.model, np.zeros((1, about["channels"], *about["image_size"]), np.float32), args.file, input_names=["images"], output_names=["scores"],
        opset_version=args.opset, batch=batch, normalise=(about["mean"], about["std"]) if args.with_normalise else None, check_outputs=args.check,
        doc=f"{config.model}, attention {config.attention}, trained on {config.data} with TinyAttn. images: {takes}. scores: one for each class, "
            "before the softmax.",
        metadata={"data": config.data, "model": config.model, "attention": config.attention, "classes": json.dumps(about["classes"], ensure_ascii=False),
                  "mean": json.dumps(about["mean"]), "std": json.dumps(about["std"]), "images": takes})
    if args.json:
        print(json.dumps({"file": str(made.path), "bytes": made.bytes, "opset": made.opset, "nodes": made.nodes, "inputs": made.inputs, "outputs": made.outputs,
                          "images": takes, "classes": about["classes"], "difference": made.difference}, ensure_ascii=False))
        return 0
    print(f"{made.path}: {made.bytes:,} bytes, {made.nodes} nodes, opset {made.opset}")
    print(f"  images  {made.inputs['images']}, float32: {takes}")
    print(f"  scores  {made.outputs['scores']}: {' '.join(map(str, about['classes']))}")
    if made.difference is None:
        print("not compared with onnxruntime" + ("" if args.check is False else ", which is not installed: pip install 'tinyattn[onnx]'"))
    else:
        print(f"onnxruntime gives the same scores: largest difference {made.difference:.1e}")
    return 0


def _few(numbers):
    """One number, or several in brackets, to four digits."""
    words = [f"{n:.4g}" for n in numbers]
    return words[0] if len(words) == 1 else f"[{', '.join(words)}]"
