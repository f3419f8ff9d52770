"""The layers of a model: what comes out of each, how much it learns, how many multiply-adds an image costs."""


def add_arguments(parser):
    """The options of `tinyattn summary`."""
    from ..training.config import ATTENTION, DATA, MODELS
    parser.add_argument("model", metavar="MODEL", help=" | ".join(MODELS) + ", or the folder of a run")
    parser.add_argument("--attention", metavar="NAME", help=f"{' | '.join(ATTENTION)} (default cbam where it fits)")
    parser.add_argument("--data", default="glyphs", metavar="NAME",
                        help=f"{' | '.join(DATA)}: decides the input (default glyphs)")
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(args):
    """Build the model, send one image through it, print the table."""
    import json
    import os

    import tinyattn as ta

    from ..data.published import SOURCES
    from ..summary import summary
    from ..training import open_run
    from ..training.config import DATA, MODELS, check_name, complete
    if os.path.exists(args.model) and args.model not in MODELS:
        trained = open_run(args.model)
        model, about = trained.model, trained.about
        shape = (1, about["channels"], *about["image_size"])
    else:
        check_name("model", args.model, MODELS)
        config = complete(model=args.model, attention=args.attention)
        check_name("--data", args.data, DATA)
        if args.data in SOURCES:
            channels, height, width = SOURCES[args.data].shape
            classes = len(SOURCES[args.data].classes)
        else:
            dataset = ta.data.load(args.data, "test", size=1)
            (channels, height, width), classes = dataset.images.shape[1:], len(dataset.classes)
        model = ta.models.create(args.model, in_channels=channels, num_classes=classes, image_size=height,
                                 attention=config.attention)
        shape = (1, channels, height, width)
    table = summary(model, shape)
    print(json.dumps(table.asdict()) if args.json else table)
    return 0
