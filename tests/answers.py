"""What an answer to a mistake must be: raised on purpose, in our own words, and short enough to read."""
import re
import traceback

import pytest


def is_ours(error):
    """Whether the error comes from a ``raise`` statement of this project, above the kernels."""
    last = error.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    room = last.tb_frame.f_globals.get("__name__", "")
    line = traceback.extract_tb(last)[-1].line or ""
    return "raise " in line and room.split(".")[0] == "tinyattn" and not room.startswith(("tinyattn.kernels.reference", "tinyattn.kernels.cpu"))


def expect(call, error, words):
    """`call()` raises `error` with these words in its message."""
    with pytest.raises(error, match=re.escape(words)) as caught:
        call()
    assert is_ours(caught.value), f"not raised by us: {caught.value!r}"
    assert not isinstance(caught.value, AssertionError) and "numba" not in str(caught.value).lower()
    assert len(str(caught.value)) < 400
