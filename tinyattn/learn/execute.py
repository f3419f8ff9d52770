"""A lesson executed: its cells, and what each printed or showed.

lesson.py is jupytext's percent format; it is run cell by cell in a fresh Python (nbclient), as a reader's notebook would run it. An
error, a warning or a lesson without code ends it.
"""
import os
import pathlib
import tempfile

from .lessons import LessonError

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SECONDS = 300


def execute(lesson):
    """The notebook (nbformat 4) of `lesson` with the outputs of every cell; `LessonError` where it stopped or complained."""
    import jupytext
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from traitlets.config import Config
    notebook = jupytext.read(lesson.folder / "lesson.py", fmt="py:percent")
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    if not code:
        raise LessonError(f"{lesson.name}: the lesson has no code")
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])] if (ROOT / "kernels").is_dir() else [os.environ.get("PYTHONPATH", "")]
    with tempfile.TemporaryDirectory() as somewhere:
        environment = {**os.environ, "TINYATTN_LESSON": str(lesson.folder), "PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNINGS": "default",
                       "NO_COLOR": "1", "MPLBACKEND": "agg"}
        socket_file = {"transport": "ipc", "ip": os.path.join(somewhere, "kernel")}  # nothing listens on the network
        client = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": somewhere}},
                                config=Config(KernelManager=Config(socket_file)))
        try:
            client.execute(env=environment)
        except CellExecutionError as error:
            raise LessonError(f"{lesson.name}: {error}") from None
    for cell in code:
        if cell.execution_count is None:
            raise LessonError(f"{lesson.name}: a cell was not run:\n{cell.source}")
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                raise LessonError(f"{lesson.name}: this cell\n\n{cell.source}\n\ncomplained:\n\n{output.text}")
    return notebook
