"""The lessons: what they put on their pages, and what checks the readers' answers.

A lesson is a plain Python script (``tutorials/NN_name/lesson.py``) that imports `figure`, `show`, `source` and `recorded` from
here. It runs as it stands, opens as a notebook (jupytext's percent format), and is executed to make its ``README.md`` and its page
of the site. The command is ``tinyattn learn``.
"""
from .page import figure, recorded, show, source

__all__ = ["figure", "recorded", "show", "source"]
