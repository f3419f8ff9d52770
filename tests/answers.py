"""What an answer to a mistake must be: raised on purpose, in our own words, and short enough to read."""
import re
import traceback

import pytest


def is_ours(error):
    """Whether the error comes from a ``raise`` statement of this project, outside the kernels."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return "raise " in (last.line or "") and "tinyattn" in last.filename and "/kernels/" not in last.filename.replace("\\", "/")


def expect(call, error, words):
    """`call()` raises `error` with these words in its message."""
    with pytest.raises(error, match=re.escape(words)) as caught:
        call()
    assert is_ours(caught.value), f"not raised by us: {caught.value!r}"
    assert not isinstance(caught.value, AssertionError) and "numba" not in str(caught.value).lower()
    assert len(str(caught.value)) < 400
