"""What checks the readers' answers: a file a lesson, ``lesson_NN.py``, with a list ``EXERCISES``."""
import importlib
import pathlib


def exercises_of(key):
    """The list of `Exercise`s of the lesson `key`; empty where it has none yet."""
    name = key if key == "museum" else f"lesson_{key}"
    if not (pathlib.Path(__file__).parent / f"{name}.py").is_file():
        return []
    return importlib.import_module(f"{__name__}.{name}").EXERCISES
