"""Train a small CNN with attention, and keep everything about the run in one folder.

Without options: attention_cnn with CBAM on the built-in glyphs, about half a minute. What you leave out comes from a
recipe that fits the data set, or from the --recipe you name. The folder runs/<name>/ then holds checkpoint.safetensors (everything needed to go on),
model.safetensors, log.jsonl, result.json, curves.png and attention.png.

Ctrl-C saves and stops; --resume goes on exactly where the run stood, also after a crash or a kill.
"""
import json

from ..training import config as c
from ..training.progress import clock


def add_arguments(parser):
    """The options of `tinyattn train`."""
    what = parser.add_argument_group("what is trained")
    what.add_argument("--recipe", metavar="NAME", help=f"{' | '.join(c.RECIPES)}: everything below as a recipe has it (tinyattn list recipes); "
                                                       "what else you name overrides it")
    what.add_argument("--data", metavar="NAME", help=f"{' | '.join(c.DATA)} (default glyphs, built in)")
    what.add_argument("--data-dir", metavar="DIR", help="folder that holds mnist/, cifar10/ … (default "
                                                        "$TINYATTN_DATA, then your cache; what is missing is downloaded)")
    what.add_argument("--model", metavar="NAME", help=f"{' | '.join(c.MODELS)} (default attention_cnn)")
    what.add_argument("--attention", metavar="NAME",
                      help=f"{' | '.join(c.ATTENTION)} (default cbam, where the model has gates)")
    how = parser.add_argument_group("how (defaults: the recipe of the data set)")
    how.add_argument("--epochs", type=int, metavar="N", help="passes over the training images")
    how.add_argument("--batch-size", type=int, metavar="N", help="images a step")
    how.add_argument("--lr", type=float, metavar="X", help="learning rate, the schedule's highest")
    how.add_argument("--bias-lr", type=float, metavar="X", help="that of biases and norms, as a multiple of --lr (default 1)")
    how.add_argument("--momentum", type=float, metavar="X", help="of sgd (default 0.9)")
    how.add_argument("--optimizer", metavar="NAME", help=" | ".join(c.OPTIMIZERS))
    how.add_argument("--schedule", metavar="NAME", help=f"{' | '.join(c.SCHEDULES)}: how the learning rate moves")
    how.add_argument("--augment", metavar="NAME", help=f"{' | '.join(c.AUGMENTATIONS)}: how training images are varied")
    how.add_argument("--weight-decay", type=float, metavar="X", help="pull of the weights towards zero")
    how.add_argument("--label-smoothing", type=float, metavar="X", help="share of the target spread over all classes")
    how.add_argument("--average", type=float, metavar="X", help="decay of the weights' running average; 0: no average")
    how.add_argument("--test-augment", metavar="NAME", help=f"{' | '.join(c.TEST_AUGMENTATIONS)}: what the answers to "
                                                                       "test images are a mean of (default none: of nothing else)")
    how.add_argument("--seed", type=int, metavar="N", help="decides every random choice (default 0)")
    how.add_argument("--limit-train", type=int, metavar="N", help="use only the first N training images")
    how.add_argument("--limit-test", type=int, metavar="N", help="use only the first N test images")
    where = parser.add_argument_group("where and how it is shown")
    where.add_argument("--threads", type=int, metavar="N", help="threads for the kernels (default: all cores)")
    where.add_argument("--device", metavar="NAME", help="cpu (default) | cuda, a GPU (pip install 'tinyattn[cuda]'; tinyattn doctor)")
    where.add_argument("--cuda-graph", action="store_true", default=None, help="with --device cuda: replay the whole step as one CUDA graph")
    where.add_argument("--out", metavar="DIR",
                       help="folder of the run (default runs/<data>-<model>-<attention>-seed<n>, or runs/<recipe>-seed<n>)")
    where.add_argument("--resume", metavar="DIR", help="go on with the run in DIR; its options are kept")
    where.add_argument("--checkpoint-every", type=int, metavar="STEPS",
                       help="save every STEPS steps (default: every 20 s and after every epoch)")
    where.add_argument("--json", action="store_true", help="print the result as the last line, as JSON")
    where.add_argument("--quiet", action="store_true", help="show no progress")


def run(args):
    """Start or resume a run, print its result."""
    from .. import training
    options = {key: value for key, value in vars(args).items()
               if value is not None and key not in ("out", "resume", "json", "quiet")}
    if args.resume is not None:
        if args.out is not None:
            raise c.OptionError("--resume goes on in the folder of the run; leave out --out")
        result = training.resume(args.resume, quiet=args.quiet, **options)
    else:
        result = training.train(out=args.out, quiet=args.quiet, **options)
    if args.json:
        print(json.dumps(result))
    elif not args.quiet:
        print(f"test accuracy {result['test_accuracy']:.2%} after {clock(result['train_seconds'])} of training "
              f"({result['images_per_second']:,.0f} images/s; compiling took {clock(result['compile_seconds'])})\n"
              f"{result['run']} holds the model, the log, curves.png and attention.png; next:\n"
              f"  tinyattn eval {result['run']}\n"
              f"  tinyattn predict {result['run']} YOUR_IMAGE.png")
    return 0
