"""What a reader has done, remembered between days: ``progress.json`` in a folder of the user's own.

``TINYATTN_STATE`` names the folder; else it is the usual one of the system for what programs remember.
"""
import datetime
import json
import os
import pathlib
import sys


def path():
    """The file's place; it need not be there."""
    given = os.environ.get("TINYATTN_STATE")
    if given:
        return pathlib.Path(given).expanduser() / "progress.json"
    if sys.platform == "win32":
        base = pathlib.Path(os.environ.get("LOCALAPPDATA", pathlib.Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = pathlib.Path.home() / "Library" / "Application Support"
    else:
        base = pathlib.Path(os.environ.get("XDG_STATE_HOME") or pathlib.Path.home() / ".local" / "state")
    return base / "tinyattn" / "progress.json"


def read():
    """{"folder": where the reader's stubs are, or None, "done": {lesson: {exercise: day}}}; empty where nothing, or nothing readable, is kept."""
    try:
        kept = json.loads(path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    kept = kept if isinstance(kept, dict) else {}
    done = kept.get("done")
    done = {k: v for k, v in done.items() if isinstance(v, dict)} if isinstance(done, dict) else {}
    return {"folder": kept["folder"] if isinstance(kept.get("folder"), str) else None, "done": done}


def _write(kept):
    from ..training.files import write_atomically
    path().parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path(), (json.dumps(kept, indent=1, ensure_ascii=False) + "\n").encode())


def remember_folder(folder):
    """The reader's stubs lie in `folder` from now on."""
    _write({**read(), "folder": str(pathlib.Path(folder).resolve())})


def remember(lesson, outcomes):
    """Note which exercises of the lesson `lesson` (its key) are right today; one that is wrong now is done no longer."""
    kept = read()
    before = kept["done"].get(lesson, {})
    today = datetime.date.today().isoformat()
    names = {o.exercise.name for o in outcomes}
    now = {k: v for k, v in before.items() if k not in names}
    now.update({o.exercise.name: before.get(o.exercise.name, today) for o in outcomes if o.state == "right"})
    kept["done"][lesson] = now
    _write(kept)
