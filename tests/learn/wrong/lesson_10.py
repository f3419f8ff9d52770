"""Answers to lesson 10 that are wrong, each as a mistake that people make, and a word of the hint they should get."""
import numpy as np


def _softmax(s, axis=-1):
    most = s.max(axis, keepdims=True)
    e = np.exp(s - np.where(most == -np.inf, 0, most))
    total = e.sum(axis, keepdims=True)
    return e / np.where(total == 0, 1, total)


def _scores(q, k, seen, scale=None):
    return np.where(seen, q @ k.swapaxes(1, 2) * (1 / np.sqrt(q.shape[2]) if scale is None else scale), -np.inf)


def attention_unscaled(q, k, v, seen):
    return _softmax(_scores(q, k, seen, 1)) @ v


def attention_masked_after(q, k, v, seen):
    return (_softmax(_scores(q, k, True)) * seen) @ v


def attention_mask_the_other_way(q, k, v, seen):
    return _softmax(_scores(q, k, ~seen)) @ v


def attention_zero_for_never(q, k, v, seen):
    return _softmax(_scores(q, k, True) * seen) @ v


def attention_over_queries(q, k, v, seen):
    return _softmax(_scores(q, k, seen), 1) @ v


def attention_overflows(q, k, v, seen):
    e = np.exp(_scores(q, k, seen))
    total = e.sum(2, keepdims=True)
    return e / np.where(total == 0, 1, total) @ v


def attention_not_a_number(q, k, v, seen):
    s = _scores(q, k, seen)
    with np.errstate(invalid="ignore"):
        e = np.exp(s - s.max(2, keepdims=True))
        return e / e.sum(2, keepdims=True) @ v


def attention_very_negative(q, k, v, seen):
    return _softmax(np.where(seen, _scores(q, k, True), -1e9)) @ v


def _backward(do, q, k, v, seen, through, factor=1.0):
    scale = factor / np.sqrt(q.shape[2])
    p = _softmax(_scores(q, k, seen))
    ds = through(p, do @ v.swapaxes(1, 2))
    return scale * ds @ k, scale * ds.swapaxes(1, 2) @ q, p.swapaxes(1, 2) @ do


def _right(p, dp):
    return p * (dp - (p * dp).sum(2, keepdims=True))


def backward_without_competition(do, q, k, v, seen):
    return _backward(do, q, k, v, seen, lambda p, dp: p * dp)


def backward_as_sigmoid(do, q, k, v, seen):
    return _backward(do, q, k, v, seen, lambda p, dp: p * (1 - p) * dp)


def backward_plain_mean(do, q, k, v, seen):
    return _backward(do, q, k, v, seen, lambda p, dp: p * (dp - dp.mean(2, keepdims=True)))


def backward_unscaled(do, q, k, v, seen):
    return _backward(do, q, k, v, seen, _right, np.sqrt(q.shape[2]))


def backward_without_mask(do, q, k, v, seen):
    return _backward(do, q, k, v, np.ones_like(seen), _right)


def backward_dk_not_turned(do, q, k, v, seen):
    dq, dk, dv = _backward(do, q, k, v, seen, _right)
    return dq, -dk, dv


def _online(groups, shrink_total, shrink_blend, divide=True):
    most, total, blend = -np.inf, 0.0, 0.0
    for scores, values in groups:
        larger = max(most, scores.max())
        shrink, p = np.exp(most - larger), np.exp(scores - larger)
        total = total * (shrink if shrink_total else 1) + p.sum()
        blend = blend * (shrink if shrink_blend else 1) + p @ values
        most = larger
    return blend / total if divide else blend


def online_blend_not_shrunk(groups):
    return _online(groups, True, False)


def online_sum_not_shrunk(groups):
    return _online(groups, False, True)


def online_nothing_shrunk(groups):
    return _online(groups, False, False)


def online_undivided(groups):
    return _online(groups, True, True, divide=False)


def online_mean_of_means(groups):
    return np.mean([_softmax(scores) @ values for scores, values in groups], 0)


def online_keeps_all(groups):
    kept = list(groups)
    return _softmax(np.concatenate([s for s, _ in kept])) @ np.concatenate([v for _, v in kept])


def online_overflows(groups):
    total, blend = 0.0, 0.0
    for scores, values in groups:
        p = np.exp(scores)
        total, blend = total + p.sum(), blend + p @ values
    return blend / total


WRONG = {
    "attention": [(attention_unscaled, "lack their scale"), (attention_masked_after, "came after the softmax"),
                  (attention_mask_the_other_way, "hidden seen"), (attention_zero_for_never, "e⁰"), (attention_over_queries, "over the queries"),
                  (attention_overflows, "lesson 04"), (attention_not_a_number, "may see nothing"), (attention_very_negative, "mean of everything")],
    "attention_backward": [(backward_without_competition, "compete"), (backward_as_sigmoid, "p(1 − p)"), (backward_plain_mean, "in whose shares"),
                           (backward_unscaled, "lacks a factor"), (backward_without_mask, "lack the mask"), (backward_dk_not_turned, "wrong sign")],
    "online_softmax": [(online_blend_not_shrunk, "the blend is not"), (online_sum_not_shrunk, "the sum is not"),
                       (online_nothing_shrunk, "too large"), (online_undivided, "never divided"), (online_mean_of_means, "count alike"),
                       (online_keeps_all, "still kept"), (online_overflows, "overflowed")],
}
