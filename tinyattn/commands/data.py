"""Where the data sets are: what is built in, what was found, what could be downloaded.

    tinyattn data                            the state of all
    tinyattn data mnist                      download MNIST if it is not there
    tinyattn data glyphs --picture g.png     draw a sheet of its images
"""


def add_arguments(parser):
    """The options of `tinyattn data`."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="data sets to load, downloading what is missing")
    parser.add_argument("--data-dir", metavar="DIR",
                        help="folder that holds mnist/, cifar10/ … (default $TINYATTN_DATA, then your cache)")
    parser.add_argument("--picture", metavar="FILE", help="draw a sheet of the (one) data set's training images")
    parser.add_argument("--split", default="train", metavar="NAME", help="train (default) or test, for --picture")


def run(args):
    """Show, download, draw."""
    from ..data import load, locate, names
    from ..data.published import SOURCES
    from ..training.config import OptionError, check_name
    from ..training.files import SaveError
    check_name("--split", args.split, ("train", "test"))
    for name in args.names:
        check_name("data set", name, names())
    if args.picture and len(args.names) != 1:
        raise OptionError("--picture draws one data set: name it, as in tinyattn data glyphs --picture glyphs.png")
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
                    _draw(dataset, args.picture)
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


def _draw(dataset, path):
    from .. import viz
    from ..training import files
    with files.writing(path, "--picture"):
        viz.samples(dataset, path)
    print(f"picture: {path}")
