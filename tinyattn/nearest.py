"""What was probably meant: the nearest of the names that exist."""
import difflib


def nearest(word, names, cutoff=0.5):
    """The member of `names` that is most like `word`, or None. Case does not count, and "_" and "-" are the same."""
    folded = {_folded(name): name for name in names}
    close = difflib.get_close_matches(_folded(word), folded, 1, cutoff)
    return folded[close[0]] if close else None


def _folded(word):
    return str(word).lower().replace("_", "-")


def did_you_mean(word, names, quoted=True, cutoff=0.5):
    """"did you mean 'cbam'?" for the nearest of `names`, or nothing."""
    found = nearest(word, names, cutoff)
    return "" if found is None else f"did you mean {found!r}?" if quoted else f"did you mean {found}?"


def absent(module, name, known):
    """The AttributeError of a `module` that has no such `name`."""
    hint = did_you_mean(name, known, cutoff=0.7)
    return AttributeError(f"module {module!r} has no attribute {name!r}" + (f"; {hint}" if hint else ""))
