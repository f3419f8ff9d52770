"""Where the data sets are: what is built in, what was found, what could be downloaded.

    tinyattn data                            the state of all
    tinyattn data mnist                      download MNIST if it is not there
    tinyattn data glyphs --picture g.png     draw a sheet of its images
    tinyattn data cifar10 --corrupt all --picture c.png    draw what every corruption makes of one
"""


def add_arguments(parser):
    """The options of `tinyattn data`."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="data sets to load, downloading what is missing")
    parser.add_argument("--data-dir", metavar="DIR",
                        help="folder that holds mnist/, cifar10/ … (default $TINYATTN_DATA, then your cache)")
    parser.add_argument("--picture", metavar="FILE", help="draw a sheet of the (one) data set's training images")
    parser.add_argument("--corrupt", metavar="NAME", help="a corruption, or all: the --picture shows it in every severity")
    parser.add_argument("--split", default="train", metavar="NAME", help="train (default) or test, for --picture")


def run(args):
    """Show, download, draw."""
    from ..data import load, locate, names
    from ..data.published import SOURCES
    from ..training import robustness
    from ..training.config import OptionError, check_name
    from ..training.files import SaveError
    check_name("--split", args.split, ("train", "test"))
    for name in args.names:
        check_name("data set", name, names())
    if args.picture and len(args.names) != 1:
        raise OptionError("--picture draws one data set: name it, as in tinyattn data glyphs --picture glyphs.png")
    if args.corrupt is not None:
        corruptions, _ = robustness.chosen(args.corrupt)
        if not args.picture:
            raise OptionError("--corrupt is for a picture: add --picture FILE, as in tinyattn data glyphs --corrupt all --picture c.png")
    else:
        corruptions = None
    if not args.names:
        for name in names():
            print(f"{name:<14} {_where(name, SOURCES.get(name), locate, args.data_dir)}")
        print("\nlooked in: " + ", ".join(str(root) for root in locate.roots(args.data_dir)))
        return 0
    for name in args.names:
        try:
            for split in ("train", "test"):
                dataset = load(name, split, root=args.data_dir)
                print(repr(dataset))
                if args.picture and split == args.split:
                    _draw(dataset, args.picture, corruptions)
        except (FileNotFoundError, SaveError):
            raise
        except (ValueError, OSError) as error:
            raise OptionError(f"{name}: {error}") from error
    return 0


def _where(name, source, locate, root):
    """One line on where a data set lies."""
    if source is None:
        return "built in, generated from a seed"
    found = [locate.find(source, split, root) for split in ("train", "test")]
    if all(found):
        return f"in {found[0][0].parent}"
    if any(found):
        return f"only its {'training' if found[0] else 'test'} part, in {next(p for p in found if p)[0].parent}"
    return f"not here (tinyattn data {name} downloads it)"


def _draw(dataset, path, corruptions):
    from .. import viz
    from ..training import files
    with files.writing(path, "--picture"):
        if corruptions:
            viz.corruptions(dataset, corruptions, path)
        else:
            viz.samples(dataset, path)
    print(f"picture: {path}")
