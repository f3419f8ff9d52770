"""Numbers as our pages show them, read back."""
import math
import re

NUMBER = r"(?:−?(?:\d+(?:\.\d+)?(?:e[+-]\d+)?|∞)|NaN)"


def number(text):
    """The number that a text shows; ValueError if it shows none."""
    if not re.fullmatch(NUMBER, text):
        raise ValueError(f"{text!r} is no number")
    return float(text.replace("−", "-").replace("∞", "inf"))


def agree(text, value, digits=4):
    """Whether a text shows `value`, rounded to so many digits (2 where it is written with an exponent)."""
    found, value = number(text), float(value)
    if not math.isfinite(value) or value == 0:
        return found == value or math.isnan(found) and math.isnan(value)
    last = math.floor(math.log10(abs(value))) + 1 - (2 if "e" in text else digits)
    return abs(found - value) <= 0.5 * 10.0 ** last * (1 + 1e-9)
