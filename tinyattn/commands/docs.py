"""The lessons' pages: made from the lessons as they run.

  tinyattn docs pages            runs every lesson and writes its README.md and pictures
  tinyattn docs pages 07 08      only these
  tinyattn docs check            runs every lesson and says where its page differs from what it does

Needs the extra: pip install 'tinyattn[docs]'.
"""
from ..cli import Mistake


def add_arguments(parser):
    """The options of `tinyattn docs`."""
    parser.add_argument("action", choices=("pages", "check"), help="pages | check")
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help="which lessons (default: all)")


def run(args):
    """Run the lessons; 1 where a page differs."""
    _need("jupytext", "nbclient", "ipykernel")
    import time

    from ..learn import lessons, pages
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
    return 1 if differing else 0


def _need(*modules):
    import importlib.util
    missing = [m for m in modules if importlib.util.find_spec(m) is None]
    if missing:
        raise Mistake(f"docs: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed; pip install 'tinyattn[docs]'")
