"""How the proof of the checker is judged: mutants that change nothing, each with its reason, and the causes that may be stated."""

_AT_ZERO = "only where a or b is 0 to the last bit, where the power is no smooth function of both: tests/parity holds it"
_AT_TIES = "only at ties, where a maximum has no derivative: tests/parity holds PyTorch's half"
_AT_KINK = "only at x = 0 with alpha other than 1, where elu has a kink"
_CANCELS = "b is added to every score, and softmax takes away what all share: its gradient is 0"
EQUIVALENT = {
    "EluFunction.derivative: the sign in y.detach() + alpha": _AT_KINK,
    "EluFunction.derivative: y.detach() + alpha without its second term": _AT_KINK,
    "EluFunction.derivative: y.detach() + alpha without its first term": _AT_KINK,
    "LayerNormFunction.written_out: -1 without its minus": "the rows have two axes, and -1 and 1 are one of them",
    "MaximumFunction.partials: the sign in 1 - cast(eq(a, b), dy.dtype) * 0.5": _AT_TIES,
    "MaximumFunction.partials: 1 - cast(eq(a, b), dy.dtype) * 0.5 without its second term": _AT_TIES,
    "MaximumFunction.partials: cast(eq(a, b), dy.dtype) * 0.5 without its second factor": _AT_TIES,
    "MaximumFunction.partials: 0.5 doubled": _AT_TIES,
    "ExtremeFunction.backward: hits / hits.sum(ctx.attributes['dim'], keepdim=True) without its second factor": _AT_TIES,
    "PowFunction.partials: 0 one more in eq(b, 0)": _AT_ZERO, "PowFunction.partials: 1 one more in where(eq(b, 0), 1, b)": _AT_ZERO,
    "PowFunction.partials: 0 one more in eq(a, 0)": _AT_ZERO, "PowFunction.partials: 0 one more in ge(b, 0)": _AT_ZERO,
    "PowFunction.partials: 0 one more in where(at_zero, 0, pow(a, b) * log(where(at_zero, 1, a)))": _AT_ZERO,
    "PowFunction.partials: 1 one more in where(at_zero, 1, a)": _AT_ZERO,
    "AttentionPoolFunction.backward: gradient 2 negated": _CANCELS, "AttentionPoolFunction.backward: gradient 2 moved by one": _CANCELS,
    "EmbeddingFunction.backward: dy * share without its second factor":
        "scale_grad_by_freq is meant not to be the derivative; tests/parity holds it",
}
"""Mutants that change no gradient, each with the reason: nothing could notice them."""

FORMULA = {"sign", "term", "factor", "dropped factor", "dropped function", "mean or sum", "off by one"}
TRUE = {
    "sign": {"sign"}, "factor": FORMULA | {"lost", "element"}, "factor along an axis": FORMULA - {"off by one"},
    "sum": {"mean or sum", "dropped factor"}, "mean": {"mean or sum", "dropped factor"}, "off by one": {"off by one"}, "end": {"off by one"},
    "places": {"off by one", "flip"}, "flipped": {"flip", "off by one"}, "transposed": {"flip", "off by one"}, "dropped sum": FORMULA,
    "wrong axis": {"off by one"}, "missing factor": {"dropped factor", "dropped function"}, "extra factor": {"dropped factor", "dropped function"},
    "dy": {"dropped factor", "term", "added", "off by one"}, "zeros": {"lost", "sign", "term", "off by one", "dropped factor"},
    "stale": {"dropped factor", "dropped function", "term", "lost"}, "un-broadcast": {"un-broadcast"}, "last use": {"lost"},
    "left out": {"lost", "term", "sign", "off by one"}, "not finite": {"mean or sum", "dropped factor", "term", "off by one"}, "nothing": set(),
}
"""Which mistakes each stated cause is true of. All others are wrong ones: a border, a stride, a kink or float32, say, is in no mutant. (Mutants
of a number in the source are "off by one" and may be a wrong factor; so may one that moves, or changes, the only number there is.)"""


def misled(outcomes):
    """Outcomes whose stated cause is a wrong one."""
    return [o for o in outcomes if o.cause not in ("", "unknown", "shape") and o.mutant.kind not in TRUE.get(o.cause, ())]


def named(outcomes):
    """How many have a cause stated that is not "unknown"."""
    return sum(o.cause not in ("", "unknown", "shape") for o in outcomes)


def complaints_about(outcomes):
    """In words: survivors that nobody listed, wrong causes, and too long a list."""
    missed = survivors(outcomes)
    made = [f"survived, and is not in EQUIVALENT: {name}" for name in missed if name not in EQUIVALENT]
    made += [f"a wrong cause: {o.mutant.name} ({o.mutant.kind}), on {o.by}: {o.cause}: {o.words}" for o in misled(outcomes)]
    if len(missed) > 0.05 * len(outcomes):
        made.append(f"{len(missed)} of {len(outcomes)} mutants are called equivalent, more than 5 %")
    return made


def survivors(outcomes):
    """Names of the mutants that nothing noticed."""
    return [o.mutant.name for o in outcomes if not o.caught]
