"""The lessons: what there is, what you have done, stubs for the exercises, and a check of your answers.

  tinyattn learn                 the lessons, and how far you are
  tinyattn learn new my-answers  copies every exercise's stub to the folder my-answers (and never writes over a file)
  tinyattn learn check 07        checks your answers to lesson 07: right, or a hint
  tinyattn learn check museum/03 one exercise of it
  tinyattn learn check           all that you have begun
  tinyattn learn read 07         where the lesson lies, as a page to read and as a script to run
"""
import pathlib

from ..cli import Mistake


def add_arguments(parser):
    """The options of `tinyattn learn`."""
    parser.add_argument("action", nargs="?", default="list", choices=("list", "new", "check", "read"),
                        help="list | new DIR | check [LESSON] | read LESSON (default list)")
    parser.add_argument("what", nargs="?", metavar="DIR|LESSON",
                        help="a folder for new, a lesson (07, museum) for check and read, or to check one of its exercises (museum/03)")
    parser.add_argument("--file", metavar="FILE", help="check: the file to look at instead of the one in your folder")
    parser.add_argument("--dir", metavar="DIR", help="check: your folder, where it is not the one that new made last")


def run(args):
    """Do what was asked; 1 where an answer is wrong."""
    if args.action != "check" and (args.file or args.dir):
        raise Mistake(f"learn: {'--file' if args.file else '--dir'} belongs to check, as in tinyattn learn check 07 --file answers.py")
    return {"list": _list, "new": _new, "check": _check, "read": _read}[args.action](args)


def _list(args):
    from ..learn import lessons, progress
    if args.what is not None:
        raise Mistake(f"learn list takes nothing more, but was given {args.what!r}; tinyattn learn read {args.what} finds a lesson")
    kept = progress.read()
    for one in lessons.all_lessons():
        names = [e.name for e in one.exercises]
        done = sum(name in kept["done"].get(one.key, {}) for name in names)
        mark = "✓" if names and done == len(names) else "·" if done else " "
        print(f" {mark} {one.key:>6}  {one.title:<66} {done} of {len(names)}")
    print(f"\nThe lessons are in {lessons.folder()}")
    print(f"Your answers are in {kept['folder']}: tinyattn learn check LESSON" if kept["folder"] else
          "Begin with: tinyattn learn new my-answers")
    return 0


def _new(args):
    from ..learn import lessons, progress
    if args.what is None:
        raise Mistake("learn new needs a folder for your answers, as in tinyattn learn new my-answers")
    folder, written, kept = pathlib.Path(args.what).expanduser(), 0, 0
    if folder.exists() and not folder.is_dir():
        raise Mistake(f"learn new: {folder} is a file, expected a folder or a name that is free")
    for one in lessons.all_lessons():
        for name in dict.fromkeys(e.file for e in one.exercises):
            target = folder / one.name / name
            if target.exists():
                kept += 1
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((one.folder / name).read_bytes())
            written += 1
    progress.remember_folder(folder)
    print(f"{written} stubs written to {folder}" + (f"; {kept} that were there are as they were" if kept else ""))
    print("Open a stub, write what is missing, then: tinyattn learn check 01")
    return 0


def _check(args):
    from ..learn import lessons, progress
    from ..learn.exercise import examine
    kept, single = progress.read(), None
    if args.file and args.what is None:
        raise Mistake("learn check --file needs the lesson too, as in tinyattn learn check 07 --file answers.py")
    if args.what is None:
        chosen = [one for one in lessons.all_lessons() if one.exercises]
    else:
        word, _, single = args.what.rstrip("/").partition("/")
        chosen = [lessons.lesson(word)]
        if not chosen[0].exercises:
            raise Mistake(f"learn check: lesson {chosen[0].key} has no exercises")
        single = _single(chosen[0], single)
    folder = pathlib.Path(args.dir).expanduser() if args.dir else _folder_of_the_reader(chosen[0], kept)
    if not args.file and (folder is None or not folder.is_dir()):
        raise Mistake("learn check: " + (f"there is no folder {folder}" if folder else "there are no answers yet") +
                         "; tinyattn learn new DIR copies the stubs, --file FILE checks one file")
    wrong = begun = 0
    for one in chosen:
        place = pathlib.Path(args.file).expanduser() if args.file else folder / one.name
        exercises = [single] if single else one.exercises if args.what else [e for e in one.exercises if _begun(one, place, e)]
        outcomes = [examine(e, place if args.file else place / e.file) for e in exercises]
        if args.what is None and all(o.state == "not written" for o in outcomes):
            continue
        begun += 1
        progress.remember(one.key, outcomes)
        _print(one, outcomes)
        wrong += sum(o.state != "right" for o in outcomes)
    if not begun:
        print(f"Nothing is written yet in {folder}: begin with lesson {chosen[0].key}, tinyattn learn read {chosen[0].key}")
    return 1 if wrong else 0


def _folder_of_the_reader(lesson, kept):
    """Where the answers are looked for: here, where the stubs are here, else where `new` put them."""
    here = pathlib.Path.cwd()
    for place in (here, here.parent):
        if (place / lesson.name).is_dir() and not (place / "README.md").is_file():
            return place
    return pathlib.Path(kept["folder"]) if kept["folder"] else None


def _single(lesson, word):
    """The exercise that `word` names, by its name or the number of its file; None where there is no word."""
    if not word:
        return None
    for one in lesson.exercises:
        if word in (one.name, one.file, one.file.removesuffix(".py"), one.file.partition("_")[0], one.file.partition("_")[0].lstrip("0")):
            return one
    raise Mistake(f"learn check: lesson {lesson.key} has no exercise {word!r}; it has {', '.join(e.name for e in lesson.exercises)}")


def _begun(lesson, place, exercise):
    """Whether the reader has changed the file of `exercise`; the museum's are wrong, and not unwritten, as they come."""
    mine = place / exercise.file
    return mine.is_file() and mine.read_bytes() != (lesson.folder / exercise.file).read_bytes()


def _print(lesson, outcomes):
    print(f"{lesson.key}  {lesson.title}")
    for outcome in outcomes:
        mark, word = {"right": ("✓", "right"), "wrong": ("✗", "not yet"), "not written": ("·", "to do")}[outcome.state]
        print(f"  {mark} {outcome.exercise.name}: {word}")
        for line in outcome.hint.splitlines():
            print(f"      {line}")
    right = sum(o.state == "right" for o in outcomes)
    print(f"  {right} of {len(outcomes)}" + (": done" if right == len(outcomes) else ""))


def _read(args):
    from ..learn import lessons
    if args.what is None:
        raise Mistake("learn read needs a lesson, as in tinyattn learn read 07")
    one = lessons.lesson(args.what)
    print(f"{one.title}\n  page    {one.folder / 'README.md'}")
    if (one.folder / "lesson.py").is_file():
        print(f"  script  {one.folder / 'lesson.py'}")
    print("  As pages for a browser: tinyattn docs build --kept")
    return 0
