"""Test a trained model on the test images of its data set: the accuracy, each class, and what is taken for what.

Repeats the accuracy of result.json exactly, and writes the confusion matrix as a picture (confusion.png) into the run.
An unfinished run is tested as it stands in its checkpoint. With --corrupt, how much of the accuracy is left when the images
are corrupted: tinyattn eval RUN --corrupt fog, or --corrupt all (tinyattn list corruptions).
"""
import json


def add_arguments(parser):
    """The options of `tinyattn eval`."""
    from ..training.config import TEST_AUGMENTATIONS
    parser.add_argument("run", metavar="RUN", help="folder of a run (or a model.safetensors)")
    parser.add_argument("--data-dir", metavar="DIR", help="where the data sets are (default: as in training)")
    parser.add_argument("--test-augment", metavar="NAME", help=f"{' | '.join(TEST_AUGMENTATIONS)}: test-time augmentation (default: as in training)")
    parser.add_argument("--corrupt", metavar="NAME", help="also test on corrupted images: the name of a corruption, or all")
    parser.add_argument("--severity", type=int, metavar="N", help="only this severity of 1 to 5 (default: all five)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads for the kernels (default: all cores)")
    parser.add_argument("--picture", metavar="FILE", help="picture of the confusion matrix (default RUN/confusion.png)")
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")
    parser.add_argument("--quiet", action="store_true", help="print only the accuracy (and those of --corrupt)")


def run(args):
    """Evaluate, print, draw."""
    from .. import training, viz
    from ..training import files, robustness, session, setup
    from ..training.config import TEST_AUGMENTATIONS, check_name
    if args.test_augment is not None:
        check_name("--test-augment", args.test_augment, TEST_AUGMENTATIONS)
    if args.severity is not None and args.corrupt is None:
        raise training.OptionError("--severity is of a corruption: name it too, as in --corrupt fog --severity 3, or --corrupt all")
    corrupted = None if args.corrupt is None else robustness.chosen(args.corrupt, args.severity)
    session.use_threads(args.threads)
    trained = training.open_run(args.run, args.data_dir)
    part = setup.load_part(trained.config, "test")
    test_augment = args.test_augment or trained.config.test_augment
    answers = training.evaluate(trained.model, part, test_augment=test_augment)
    matrix = training.confusion(answers.predicted, part.labels, len(part.classes))
    rows = training.per_class(matrix)
    picture = args.picture or trained.source.with_name("confusion.png")
    with files.writing(picture, "--picture"):
        viz.confusion(matrix, part.classes, picture, trained.source.parent.name)
    if corrupted is not None:
        corrupted = robustness.robustness(trained.model, part, answers.accuracy, *corrupted, test_augment=test_augment)
    if args.json:
        print(json.dumps({"test_accuracy": answers.accuracy, "test_loss": answers.loss, "test_images": len(part), "test_augment": test_augment,
                          "per_class": dict(zip(part.classes, rows)), "confusion": matrix.tolist(),
                          "picture": str(picture), **({"corrupted": corrupted} if corrupted else {})}))
        return 0
    wrong = int((answers.predicted != part.labels).sum())
    print(f"test accuracy {answers.accuracy:.2%} ({wrong:,} of {len(part):,} wrong), loss {answers.loss:.4f}"
          + (f", answers from several views of an image ({test_augment})" if test_augment != "none" else ""))
    if not args.quiet:
        _print_classes(part.classes, rows)
        pairs = training.most_confused(matrix)
        if pairs:
            print("most often confused: " + ", ".join(f"{part.classes[t]} taken for {part.classes[p]} ({n}×)"
                                                      for t, p, n in pairs))
        print(f"picture: {picture}")
    if corrupted:
        print(("" if args.quiet else "\n") + "\n".join(robustness.table(corrupted)))
    return 0


def _print_classes(classes, rows):
    width = max(5, *(len(str(name)) for name in classes))
    print(f"\n{'class':<{width}}  images  recall  precision")
    for name, row in zip(classes, rows):
        print(f"{name!s:<{width}}  {row['examples']:>6}  {_percent(row['recall']):>6}  {_percent(row['precision']):>9}")
    print()


def _percent(value):
    """A share as a percentage; "-" where there was nothing to take a share of."""
    return "-" if value != value else f"{value:.1%}"
