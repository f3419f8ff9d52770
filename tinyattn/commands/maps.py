"""Draw what a trained model looks at: attention maps over images, what one place looks at, gates per class, rollout, Grad-CAM, filters
and feature maps; and one page, maps.html, on which you point at a place, or walk there by the arrow keys, and see its row of attention.

  tinyattn maps RUN                            eight test images, some of them mistakes, into RUN/maps
  tinyattn maps RUN --images cat.jpg dog.jpg   your own
  tinyattn maps RUN --list                     the layers there are, and what each says
  tinyattn maps RUN --layers blocks.3 pool     only these
  tinyattn maps RUN --score                    are the maps right? on data with known objects: the pointing game, the mass inside the
                                               object, deletion and insertion, beside four controls
  tinyattn maps RUN --sanity                   which maps depend on what was learned? layers are mixed up, from the last one on, and the maps
                                               compared with what they were
"""
import json

MOST_IMAGES = 24      # on a sheet
TESTED = 2000         # test images from which examples are chosen, and whose gates are averaged


def add_arguments(parser):
    """The options of `tinyattn maps`."""
    parser.add_argument("run", metavar="RUN", help="folder of a run (or a model.safetensors)")
    parser.add_argument("--out", metavar="DIR", help="folder for what is written (default RUN/maps)")
    parser.add_argument("--images", nargs="+", metavar="FILE", help="image files (default: test images of the run's data set)")
    parser.add_argument("--count", type=int, default=8, metavar="N", help="how many test images (default %(default)s)")
    parser.add_argument("--layers", nargs="+", metavar="NAME", help="only these layers: names, or beginnings of names, as --list prints them")
    parser.add_argument("--at", nargs=2, type=int, metavar=("Y", "X"), help="the pixel that asks, in pictures of rows (default: one on each figure)")
    parser.add_argument("--list", action="store_true", help="print the layers and the kinds of their maps, draw nothing")
    parser.add_argument("--score", action="store_true", help="score the maps instead of drawing them")
    parser.add_argument("--sanity", action="store_true", help="mix the weights up, layer by layer, and say which maps stay as they were")
    parser.add_argument("--score-images", type=int, default=200, metavar="N", help="how many images --score and --sanity take (default %(default)s)")
    parser.add_argument("--data-dir", metavar="DIR", help="where the data sets are (default: as in training)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads for the kernels (default: all cores)")
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def run(args):
    """List, score, or draw. Files that cannot be read are reported, and the exit code is 2 then."""
    from .. import training
    from ..training import files, session
    for option, number, most in (("--count", args.count, MOST_IMAGES), ("--score-images", args.score_images, 100_000)):
        if not 1 <= number <= most:
            raise training.OptionError(f"{option} is {number}, expected 1 to {most:,}")
    if args.images and len(args.images) > MOST_IMAGES:
        raise training.OptionError(f"--images names {len(args.images)} files; at most {MOST_IMAGES} fit on a sheet: draw them in several times")
    if args.score and args.sanity:
        raise training.OptionError("--score and --sanity are two questions: ask one after the other")
    if args.sanity and args.score_images < 2:
        raise training.OptionError(f"--score-images is {args.score_images}; --sanity compares two images at least")
    session.use_threads(args.threads)
    trained = training.open_run(args.run, args.data_dir)
    if args.at is not None and not all(0 <= at < length for at, length in zip(args.at, trained.about["image_size"])):
        height, width = trained.about["image_size"]
        raise training.OptionError(f"--at {args.at[0]} {args.at[1]} lies outside the images, expected 0 0 to {height - 1} {width - 1}")
    attend, spatial, rolled = _layers(trained)
    wanted = _chosen(args.layers, attend, spatial)
    if args.list:
        return _list(attend, spatial, rolled, args)
    progress = training.Progress(quiet=args.quiet or args.json)
    folder = files.make_folder(args.out or trained.source.with_name("maps"))
    if not attend:
        progress.say(f"{trained.config.model} has no attention: there are Grad-CAM, filters and feature maps to see; for attention train with "
                     "--attention cbam, or --model cct")
    if rolled.left:
        progress.say(f"attention rollout: {rolled.words()}")
    return (_score if args.score else _sanity if args.sanity else _draw)(trained, folder, wanted, rolled, args, progress)


def _layers(trained):
    """The layers that attend: name → {kind: shape}; those whose features know places: name → (K, h, w); the rollout. Told by an image of zeros."""
    import numpy as np

    import tinyattn as ta

    from .. import viz
    from ..viz import attention_rollout
    from ..viz.gradients import spatial_layers
    x = np.zeros((1, trained.about["channels"], *trained.about["image_size"]), np.float32)
    with ta.no_grad(), viz.record(trained.model) as recording:
        trained.model(ta.tensor(x))
    return ({name: {kind: values.shape[1:] for kind, values in kinds.items()} for name, kinds in recording.maps.items()},
            spatial_layers(trained.model, x), attention_rollout.of_recording(recording.maps, x.shape[2:]))


def _chosen(layers, attend, spatial):
    """The layers that --layers names (None: all). `OptionError` for one that is not there."""
    from ..training import OptionError
    from ..viz.look import chosen
    if layers is None:
        return None
    try:
        return chosen(layers, list(attend), list(spatial))
    except ValueError as error:
        raise OptionError(f"--layers: {error}") from error


def _list(attend, spatial, rolled, args):
    from ..viz import kinds
    if args.json:
        print(json.dumps({"attention": {name: {kind: list(shape) for kind, shape in maps.items()} for name, maps in attend.items()},
                          "features": {name: list(shape) for name, shape in spatial.items()}, "rollout": _rollout(rolled)}))
        return 0
    lines = [(name, kind, "×".join(map(str, shape)), kinds.words(kind)) for name, maps in attend.items() for kind, shape in maps.items()]
    print("layers that attend" + ("" if lines else ": none"))
    _columns(lines)
    print("\nlayers whose features know places, for Grad-CAM and feature maps")
    _columns([(name, "×".join(map(str, shape))) for name, shape in spatial.items()])
    if rolled.joined or rolled.left:
        print(f"\nattention rollout\n  {rolled.words()}")
    return 0


def _rollout(rolled):
    return {"joined": rolled.joined, "left_out": rolled.left}


def _columns(lines):
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        print("  " + "  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip())


def _draw(trained, folder, wanted, rolled, args, progress):
    import sys

    import numpy as np

    from ..training import evaluate, pictures, setup
    from ..viz import choose_examples, map_pictures
    from ..viz.gate_statistics import gates_per_class
    from ..viz.look import look
    from ..training.files import writing
    about, failed, gates, names = trained.about, 0, None, None
    if args.images:
        good = []
        for name in args.images:
            try:
                good.append((name, pictures.prepare(name, about)[0]))
            except pictures.PictureError as error:
                print(f"tinyattn: error: {error}", file=sys.stderr)
                failed += 1
        if not good:
            return 2
        names, images, labels = [name for name, _ in good], np.stack([image for _, image in good]), None
    else:
        part = setup.Part(setup.load_part(trained.config, "test"), TESTED)
        progress.say(f"choosing {min(args.count, len(part))} of {len(part):,} test images, and averaging gates …")
        chosen = choose_examples(part.labels, evaluate(trained.model, part).predicted, min(args.count, len(part)))
        images, labels = part.images[chosen], part.labels[chosen]
        gates = gates_per_class(trained.model, setup.test_loader(part), len(part.classes), ("channel", "branches", "levels"))
        gates = {key: gate for key, gate in gates.items() if wanted is None or key[0] in wanted}
    seen = look(trained.model, images, pictures.normalised(images, about), labels, wanted)
    written, title = [], trained.source.parent.resolve().name
    with writing(folder, "--out"):
        for path, words in map_pictures.draw_and_write(seen, about["classes"], folder, title, args.at, gates, names):
            written.append((path, words))
            progress.say(f"drawn: {path.name}")
    if args.json:
        print(json.dumps({"written": [{"file": str(path), "shows": words} for path, words in written], "rollout": _rollout(rolled)}))
    else:
        for path, words in written:
            print(f"{path}\n  {words}")
    return 2 if failed else 0


def _sanity(trained, folder, wanted, rolled, args, progress):
    from ..training import pictures, setup
    from ..training.files import writing, write_json
    from ..viz import sanity, sanity_picture
    config, part = trained.config, setup.Part(setup.load_part(trained.config, "test"), args.score_images)
    x = pictures.normalised(part.images, trained.about)
    stages, rows = sanity.sanity(trained.model, x, wanted, config.seed, progress.say)
    title = trained.source.parent.resolve().name
    result = {"run": str(trained.source.parent), "data": config.data, "images": len(x), **sanity.asdict(stages, rows), "rollout": _rollout(rolled)}
    with writing(folder, "--out"):
        sanity_picture.draw(stages, rows, folder / "sanity.png", f"which map depends on what was learned?  ·  {title}, {len(x):,} test images of {config.data}")
        write_json(folder / "sanity.json", result)
    if args.json:
        print(json.dumps(result))
        return 0
    print(sanity.table(stages, rows))
    print(f"\n{len(x):,} test images of {config.data}; rank correlations with the map before, means and half their 95 % intervals, while the weights of "
          f"the last layers, at last of all of them, are mixed up. A map that stays as it was explains nothing that was learned; \"edges\" is such a one, "
          f"made of the image alone.\n" + (f"rollout: {rolled.words()}\n" if rolled.left else "") +
          f"{folder / 'sanity.png'}\n  how alike each map stays, layer by layer\n{folder / 'sanity.json'}\n  all numbers")
    return 0


def _score(trained, folder, wanted, rolled, args, progress):
    from ..data import load
    from ..data.datasets import BUILT_IN
    from ..training import pictures, setup
    from ..training.files import writing, write_json
    from ..viz import score, score_picture
    config, options = trained.config, BUILT_IN[trained.config.data].options if trained.config.data in BUILT_IN else ()
    if options:
        part = load(config.data, "test", size=args.score_images, **({"return_masks": True} if "return_masks" in options else {}))
        masks = part.masks
    else:
        part, masks = setup.Part(setup.load_part(config, "test"), args.score_images), None
        progress.say(f"{config.data} does not say where its objects are, so there is no pointing game: only deletion and insertion")
    x = pictures.normalised(part.images, trained.about)
    chance, rows = score.score(trained.model, x, masks, wanted, seed=config.seed, say=progress.say)
    title = trained.source.parent.resolve().name
    result = {"run": str(trained.source.parent), "data": config.data, **score.asdict(chance, rows), "rollout": _rollout(rolled)}
    with writing(folder, "--out"):
        score_picture.draw(chance, rows, folder / "score.png", f"are the maps right?  ·  {title}, {len(x):,} test images of {config.data}")
        write_json(folder / "score.json", result)
    if args.json:
        print(json.dumps(result))
        return 0
    print(score.table(chance, rows))
    print(f"\n{len(x):,} test images of {config.data}; means and half their 95 % intervals. deletion: low is good, insertion: high is good. "
          "\"surely better\": by both, in pairs.\n" + (f"rollout: {rolled.words()}\n" if rolled.left else "") +
          f"{folder / 'score.png'}\n  the curves, and how often a map points at the object\n{folder / 'score.json'}\n  all numbers")
    return 0
