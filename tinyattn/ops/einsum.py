"""Einstein summation: name the axes, and what is named twice meets. ``einsum("bqd,bkd->bqk", q, k)``

    y[result] = Σ over the letters that the result does not name  Π_operands x[its letters]

It is built of views, products and sums: a letter twice in one operand is a diagonal; … stands for any number of axes, aligned
from the right; then operands are contracted from the left, two at a time, each pair a batched matrix product of

    (letters in both and still needed,  letters of one,  letters in both and not needed)
"""
import math
from collections.abc import Iterable

from ..tensor import Tensor
from .arguments import tensor_argument
from .axes import diagonal
from .matmul import matmul
from .shape import cast, common_dtype

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def einsum(equation, *operands):
    """Sum of products over named axes. `equation` is such as "ij,jk->ik", "...ij->...ji", "ii" or "bi,bj" (the result is then
    what is named once, in the order of the alphabet, after the axes of …). Operands may come as one list; in place of letters,
    lists of ints may follow each: ``einsum(a, [0, 1], b, [1, 2], [0, 2])``.

    Axes of length 1 broadcast. ValueError for an equation that does not fit the shapes.
    """
    equation, operands = _arguments(equation, operands)
    left, arrow, result = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"einsum: the equation {equation!r} has {len(terms)} terms, but {len(operands)} operands were given")
    named = [_axes_of(term, x.ndim, x.shape, equation) for term, x in zip(terms, operands)]
    pairs = [_without_diagonals(labels, x) for labels, x in zip(named, operands)]
    lengths = {}
    for labels, x in pairs:
        for label, n in zip(labels, x.shape):
            if lengths.setdefault(label, n) == 1:
                lengths[label] = n
            if n not in (1, lengths[label]):
                what = f"axis {label!r}" if isinstance(label, str) else f"axis {-1 - label} of …"
                raise ValueError(f"einsum: {what} has length {lengths[label]} in one operand and {n} in another")
    dots = sorted((label for label in lengths if not isinstance(label, str)), reverse=True)
    result = _result(result, dots, lengths, equation) if arrow else dots + sorted(c for c in lengths if isinstance(c, str) and left.count(c) == 1)
    pairs = [_without_ones(labels, x, lengths) for labels, x in pairs]
    labels, x = pairs[0]
    for i in range(1, len(pairs)):
        needed = set(result).union(*[later for later, _ in pairs[i + 1:]])
        other, y = pairs[i]
        labels, x = _contract(*_summed(labels, x, needed | set(other)), *_summed(other, y, needed | set(labels)), needed)
    labels, x = _summed(labels, x, set(result))
    return x.permute([labels.index(c) for c in result]) if labels != result else x


def _arguments(equation, operands):
    """A string and a list of tensors, however they were given."""
    if isinstance(equation, Tensor):
        given, terms, tensors = [equation, *operands], [], []
        result = given.pop() if len(given) % 2 else None
        for x, places in zip(given[::2], given[1::2]):
            tensors.append(x)
            terms.append(_spelled(places))
        equation, operands = ",".join(terms) + ("" if result is None else "->" + _spelled(result)), tensors
    elif len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        operands = operands[0]
    if not isinstance(equation, str):
        raise TypeError(f"einsum: the equation must be a string such as \"ij,jk->ik\", got {type(equation).__name__}")
    return equation, [tensor_argument(x, "einsum", f"operand {i}") for i, x in enumerate(operands)]


def _spelled(places):
    """[0, 1, …] as letters."""
    if not isinstance(places, Iterable) or isinstance(places, (str, Tensor)):
        raise TypeError(f"einsum: expected a list of ints to name the axes, got {type(places).__name__}")
    for p in places:
        if p is not Ellipsis and (not isinstance(p, int) or not 0 <= p < 52):
            raise ValueError(f"einsum: axes are named by ints from 0 to 51 or …, got {p!r:.40}")
    return "".join("..." if p is Ellipsis else _LETTERS[p] for p in places)


def _axes_of(term, ndim, shape, equation):
    """The labels of the axes of one operand: letters, and for the axes of … their number, counted from the last."""
    before, dots, after = term.partition("...")
    rest = ndim - len(before + after)
    if any(c not in _LETTERS for c in before + after) or rest < 0 or rest and not dots:
        raise ValueError(f"einsum: term {term!r} of {equation!r} does not name the {ndim} axes of shape {shape} by one letter each")
    return [*before, *range(rest)[::-1], *after]


def _result(result, dots, lengths, equation):
    before, ellipsis, after = result.partition("...")
    letters = before + after
    if any(c not in lengths for c in letters) or len(set(letters)) != len(letters):
        raise ValueError(f"einsum: the result {result!r} of {equation!r} must name axes of the operands, each once")
    return [*before, *(dots if ellipsis else ()), *after]


def _without_diagonals(labels, x):
    """A letter that stands twice: only the elements where both axes are at the same place."""
    for label in set(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            if x.shape[i] != x.shape[j]:
                raise ValueError(f"einsum: axis {label!r} stands twice in one operand, with lengths {x.shape[i]} and {x.shape[j]}")
            x, labels = diagonal(x, 0, i, j), [*labels[:i], *labels[i + 1:j], *labels[j + 1:], label]
    return labels, x


def _without_ones(labels, x, lengths):
    """Axes of length 1 that are longer elsewhere are dropped: this operand is the same all along them."""
    if all(n == lengths[label] for label, n in zip(labels, x.shape)):
        return labels, x
    kept = [i for i, label in enumerate(labels) if x.shape[i] == lengths[label]]
    return [labels[i] for i in kept], x.reshape([x.shape[i] for i in kept])


def _summed(labels, x, needed):
    """Summed over the labels that nobody needs any more (integers as int64, as `sum` has it)."""
    gone = tuple(i for i, label in enumerate(labels) if label not in needed)
    return ([label for label in labels if label in needed], x.sum(gone)) if gone else (labels, x)


def _contract(labels_a, a, labels_b, b, needed):
    """The product of two operands, summed over the labels that they share and nobody needs."""
    batch = [c for c in labels_a if c in labels_b and c in needed]
    summed = [c for c in labels_a if c in labels_b and c not in needed]
    rows = [c for c in labels_a if c not in labels_b]
    columns = [c for c in labels_b if c not in labels_a]
    size = dict(zip(labels_a + labels_b, a.shape + b.shape))

    def arranged(labels, x, *groups):
        x = x.permute([labels.index(c) for group in groups for c in group])
        return x.reshape([math.prod(size[c] for c in group) for group in groups])

    if a.dtype.kind in "iu" and b.dtype.kind in "iu":
        a, b = (cast(x, common_dtype((a.dtype, b.dtype))) for x in (a, b))
    if summed:
        y = matmul(arranged(labels_a, a, batch, rows, summed), arranged(labels_b, b, batch, summed, columns))
    else:
        y = arranged(labels_a, a, batch, rows).unsqueeze(2) * arranged(labels_b, b, batch, columns).unsqueeze(1)
    labels = batch + rows + columns
    return labels, y.reshape([size[c] for c in labels])
