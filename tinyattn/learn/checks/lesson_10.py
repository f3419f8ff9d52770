"""Checks the answers to lesson 10."""
import weakref

import numpy as np

from ..exercise import Exercise, Wrong, same, slope

NEAR = {"rtol": 1e-5, "atol": 1e-8}      # central differences have no more digits


def _softmax(s, axis=-1):
    most = s.max(axis, keepdims=True)
    e = np.exp(s - np.where(most == -np.inf, 0, most))
    total = e.sum(axis, keepdims=True)
    return e / np.where(total == 0, 1, total)


def _inputs(rng):
    """q, k, v and seen of odd sizes; one query sees nothing, every other at least one key."""
    B, T, S, D, E = 2, rng.integers(3, 5), rng.integers(5, 7), rng.integers(2, 4), rng.integers(4, 6)
    q, k, v = rng.normal(size=(B, T, D)) * 2, rng.normal(size=(B, S, D)) * 2, rng.normal(size=(B, S, E))
    seen = rng.random((B, T, S)) < 0.6
    seen[:, :, 0] = True
    seen[:, :, -1] = False
    seen[1, T - 1] = False
    return q, k, v, seen


def _scores(q, k, seen, scale):
    return np.where(seen, q @ k.swapaxes(1, 2) * scale, -np.inf)


def _right(q, k, v, seen):
    return _softmax(_scores(q, k, seen, 1 / np.sqrt(q.shape[2]))) @ v


def _attention(answer, rng):
    q, k, v, seen = _inputs(rng)
    scale = 1 / np.sqrt(q.shape[2])
    whole = _softmax(q @ k.swapaxes(1, 2) * scale)
    hidden = whole * seen
    given = answer(q, k, v, seen)
    if given is not None and np.shape(given) == (*q.shape[:2], v.shape[2]) and np.isnan(np.asarray(given, float)[1, -1]).all():
        raise Wrong("the query that may see nothing gives numbers that are not a number: −∞ − (−∞), or 0 / 0; what shall stand there?")
    with np.errstate(invalid="ignore"):
        mistakes = [
            (_softmax(_scores(q, k, seen, 1)) @ v, "the scores lack their scale: how large is a dot product of vectors of length D?"),
            (_softmax(_scores(q, k, seen, 1 / q.shape[2])) @ v, "the scores are scaled by D; it is their variance that grows as D"),
            (_softmax(_scores(q, k, seen, 1 / np.sqrt(v.shape[2]))) @ v, "the scale is that of another length: the products are of queries and keys"),
            (whole @ v, "the mask has no effect: queries take from keys that they may not see"),
            (hidden @ v, "the weights of a query do not sum to 1: the mask came after the softmax, where it can only take away"),
            (_softmax(_scores(q, k, ~seen, scale)) @ v, "what may be seen is hidden, and what is hidden seen: `seen` is True where a query may look"),
            (_softmax(q @ k.swapaxes(1, 2) * scale * seen) @ v, "a score of 0 is no \"never\": e⁰ is 1. Which score gives a weight of exactly 0?"),
            (_softmax(_scores(q, k, seen, scale), 1) @ v, "the softmax runs over the queries: each query's weights over the *keys* sum to 1"),
            (_softmax(_scores(q, k, seen, scale), 0) @ v, "the softmax runs over the batch: each query's weights over the *keys* sum to 1")]
        blind = _softmax(_scores(q, k, seen, scale)) @ v
    blind[1, -1] = v[1].mean(0)
    mistakes.append((blind, "the query that may see nothing takes the mean of everything: a very negative number for \"never\" makes all its keys "
                            "equal; it should take nothing"))
    same(given, _right(q, k, v, seen), "o", mistakes)
    large = q * 10_000
    with np.errstate(over="ignore", invalid="ignore"):
        given = np.asarray(answer(large, k, v, seen), float)
    if not np.isfinite(given).all():
        raise Wrong("with scores of some ten thousand numbers become infinite or not a number: lesson 04 subtracts something first")
    same(given, _right(large, k, v, seen), "o with scores of some ten thousand")


def _attention_backward(answer, rng):
    q, k, v, seen = _inputs(rng)
    do = rng.normal(size=(*q.shape[:2], v.shape[2]))
    scale, p = 1 / np.sqrt(q.shape[2]), _softmax(_scores(q, k, seen, 1 / np.sqrt(q.shape[2])))
    dp = do @ v.swapaxes(1, 2)
    ds = p * (dp - (p * dp).sum(2, keepdims=True))
    loose = p * dp
    given = answer(do, q, k, v, seen)
    if not isinstance(given, (tuple, list)) or len(given) != 3:
        raise Wrong("attention_backward should return three arrays, dq, dk and dv")
    dq, dk, dv = given
    if all(np.shape(d) == x.shape and np.isnan(np.asarray(d, float)).any() for d, x in ((dq, q), (dk, k))):
        raise Wrong("some gradients are not a number: what are the weights of the query that may see nothing?")
    same(dv, slope(lambda x: _right(q, k, x, seen), v, do), "dv",
         [(_softmax(q @ k.swapaxes(1, 2) * scale).swapaxes(1, 2) @ do, "dv counts queries that could not see the value: the weights lack the mask")], **NEAR)
    squeezed = p * (1 - p) * dp
    same(dq, slope(lambda x: _right(x, k, v, seen), q, do), "dq",
         [(scale * loose @ k, "dq is as if each weight depended on its own score alone; in a softmax the shares compete: what does raising one do to the rest?"),
          (scale * squeezed @ k, "dq takes p(1 − p) for the slope of the softmax: that is only how a share depends on its own score, not on the others'"),
          (ds @ k, "dq lacks a factor: the scores were scaled on the way forward"),
          (-scale * ds @ k, "dq has the wrong sign"),
          (scale * dp @ k, "dq skips the softmax: dp is the gradient of the weights, not of the scores"),
          (scale * p * (dp - dp.mean(2, keepdims=True)) @ k, "the mean that is taken from dp counts all keys alike; in whose shares should it be taken?")], **NEAR)
    same(dk, slope(lambda x: _right(q, x, v, seen), k, do), "dk",
         [(scale * loose.swapaxes(1, 2) @ q, "dk is as if each weight depended on its own score alone: in a softmax the shares compete"),
          (ds.swapaxes(1, 2) @ q, "dk lacks a factor: the scores were scaled on the way forward"),
          (-scale * ds.swapaxes(1, 2) @ q, "dk has the wrong sign")], **NEAR)


class _Passing:
    """Pairs of scores and values that come once; notices when earlier ones are kept."""

    def __init__(self, groups):
        self._groups, self._given, self._made = [(s.copy(), v.copy()) for s, v in groups], [], 0

    def __iter__(self):
        return self

    def __next__(self):
        kept = sum(values() is not None for values in self._given[:-1])   # the last may still be in the reader's hand
        if kept:
            raise Wrong(f"when group {self._made + 1} is asked for, {kept} group{'s' * (kept > 1)} from before the last "
                        "are still kept: use each as it comes, and keep only what is needed of it")
        if not self._groups:
            raise StopIteration
        scores, values = self._groups.pop(0)
        self._given.append(weakref.ref(values))
        self._made += 1
        return scores, values


def _online(answer, rng):
    width = rng.integers(3, 6)
    groups = [(rng.normal(size=n) * 2, rng.normal(size=(n, width))) for n in rng.integers(2, 6, 6)]
    groups[0][0][0] = 1.0
    groups[0][0][1] = -np.inf
    groups[2][0][:] = -np.inf                              # a whole group that may not be seen
    groups[4][0][-1] = 7.0                                 # the largest comes late
    scores, values = (np.concatenate([pair[i] for pair in groups]) for i in (0, 1))
    right = _softmax(scores) @ values
    most, total, blend, stale, plain_sum = -np.inf, 0.0, 0.0, 0.0, 0.0
    with np.errstate(invalid="ignore"):
        parts = [_softmax(s) @ v for s, v in groups]
        for s, v in groups:
            larger = max(most, s.max())
            p, shrink = np.exp(s - larger), np.exp(most - larger)
            total, blend = total * shrink + p.sum(), blend * shrink + p @ v
            stale, plain_sum = stale + p @ v, plain_sum + p.sum()
            most = larger
    given = answer(_Passing(groups))
    same(given, right, "the answer",
         [(blend, "the blend was never divided by the sum of its weights"),
          (stale / total, "the sum is made smaller when a larger score comes, the blend is not: both were summed under the old largest score"),
          (blend / plain_sum, "the blend is made smaller when a larger score comes, the sum is not: both were summed under the old largest score"),
          (stale / plain_sum, "what was summed under another largest score is added as it is: by which factor is it too large when a larger one comes?"),
          (np.mean(parts, 0), "the answers of the groups count alike; a group with larger scores should count more"),
          (np.sum(parts, 0), "the answers of the groups are added up; one softmax over all scores has shares that sum to 1")])
    raised = [(s + 10_000, v) for s, v in groups]
    with np.errstate(over="ignore", invalid="ignore"):
        given = np.asarray(answer(_Passing(raised)), float)
    if not np.isfinite(given).all():
        raise Wrong("with scores of ten thousand the answer is infinite or not a number: an exponential overflowed; subtract the largest score so far")
    same(given, right, "the answer with scores of ten thousand", rtol=1e-6, atol=1e-9)


EXERCISES = [Exercise("attention", "the soft dictionary with a mask, and a query that sees nothing", _attention),
             Exercise("attention_backward", "its three gradients, by hand", _attention_backward),
             Exercise("online_softmax", "the answer to a query whose keys pass by in groups and are gone", _online)]
