"""The lessons' pages, made from the lessons as they run, and the site.

  tinyattn docs pages            runs every lesson and writes its README.md and pictures
  tinyattn docs pages 07 08      only these
  tinyattn docs check            runs every lesson and says where its page differs from what it does
  tinyattn docs build            runs every lesson and makes the site in the folder site: lessons, museum, kernels, reference
  tinyattn docs build --kept     the site, with the lessons' pages as they are kept

The site is a folder of plain pages: open site/index.html, or serve it from anywhere. Needs the extra: pip install 'tinyattn[docs]'.
"""
from ..cli import Mistake

RUNNING = ("jupytext", "nbclient", "ipykernel")     # what running a lesson needs


def add_arguments(parser):
    """The options of `tinyattn docs`."""
    parser.add_argument("action", choices=("pages", "check", "build"), help="pages | check | build")
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help="pages, check: which lessons (default: all)")
    parser.add_argument("--out", metavar="DIR", help="build: the folder of the site (default: site); one that build made before is replaced")
    parser.add_argument("--kept", action="store_true", help="build: take the lessons' pages as they are kept instead of running the lessons")


def run(args):
    """Run the lessons; 1 where a page differs."""
    if args.action == "build":
        return _build(args)
    if args.out or args.kept:
        raise Mistake(f"docs: {'--out' if args.out else '--kept'} belongs to build, as in tinyattn docs build {'--out site' if args.out else '--kept'}")
    _need(*RUNNING)
    import os
    import time

    from ..learn import lessons, pages
    if args.action == "pages" and not os.access(lessons.folder(), os.W_OK):
        raise Mistake(f"docs pages writes where the lessons lie, and {lessons.folder()} may not be written to; docs build --out DIR makes pages elsewhere")
    every = lessons.all_lessons()
    chosen = [lessons.lesson(word) for word in args.lessons] or every
    differing = 0
    for one in chosen:
        began = time.perf_counter()
        made = pages.make(one, every)
        took = f"({time.perf_counter() - began:.0f} s)"
        if args.action == "pages":
            pages.write(one, made)
            print(f"{one.name}: {len(made)} files {took}", flush=True)
        else:
            found = pages.compare(one, made)
            differing += bool(found)
            print("\n  ".join([f"{one.name}: {'differs' if found else 'as it was'} {took}", *found]), flush=True)
    if args.action == "pages":
        pages.write_index(every)
        print(f"in {lessons.folder()}")
    return 1 if differing else 0


def _build(args):
    if args.lessons:
        raise Mistake(f"docs build makes the whole site, but was given {' '.join(args.lessons)}; tinyattn docs pages {args.lessons[0]} makes one page")
    _need("sphinx", "myst_parser", "furo", "latex2mathml", *([] if args.kept else RUNNING))
    import time

    from ..learn.site.build import SiteError, build
    began, out = time.perf_counter(), args.out or "site"
    try:
        build(out, not args.kept, lambda words: print(f"{time.perf_counter() - began:4.0f} s  {words}", flush=True))
    except SiteError as error:
        raise Mistake(f"docs build: {error}") from None
    print(f"{out}/index.html ({time.perf_counter() - began:.0f} s)")
    return 0


def _need(*modules):
    import importlib.util
    missing = [m for m in modules if importlib.util.find_spec(m) is None]
    if missing:
        raise Mistake(f"docs: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed; pip install 'tinyattn[docs]'")
