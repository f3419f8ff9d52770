"""One step of an optimizer, in place, on flat arrays: p, g, and the state are 1-D of one size and dtype.

What changes from step to step comes in one-element arrays: `lr` of p's dtype and `step` int64. Nothing is returned.
"""
import numpy as np

__all__ = ["sgd_step", "adam_step", "lerp_step"]


def sgd_step(p, g, momentum_buffer, lr, momentum, dampening, weight_decay, nesterov, first):
    """Stochastic gradient descent with momentum (Sutskever et al. 2013), as torch.optim.SGD counts it.

        g ← g + weight_decay · p
        b ← g                                        at the `first` step, then
        b ← momentum · b + (1 − dampening) · g
        p ← p − lr · b          (nesterov: p − lr · (g + momentum · b))

    `momentum_buffer` is b, or None with momentum = 0. `g` itself is not changed.
    """
    if weight_decay:
        g = g + weight_decay * p
    if momentum_buffer is not None:
        if first:
            momentum_buffer[...] = g
        else:
            momentum_buffer *= momentum
            momentum_buffer += (1 - dampening) * g
        g = g + momentum * momentum_buffer if nesterov else momentum_buffer
    p -= lr[0] * g


def adam_step(p, g, m, v, lr, step, beta1, beta2, eps, weight_decay, decoupled):
    """Adam (Kingma & Ba 2014, arXiv:1412.6980), or, `decoupled`, AdamW (Loshchilov & Hutter 2017, arXiv:1711.05101).

        g ← g + weight_decay · p          Adam          p ← p − lr · weight_decay · p          AdamW
        m ← β₁ · m + (1 − β₁) · g
        v ← β₂ · v + (1 − β₂) · g²
        p ← p − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + eps)

    `step` holds t, 1 at the first step. `g` itself is not changed.
    """
    t, rate = float(step[0]), float(lr[0])
    if decoupled:
        p *= 1 - rate * weight_decay
    elif weight_decay:
        g = g + weight_decay * p
    m += (1 - beta1) * (g - m)
    v *= beta2
    v += (1 - beta2) * g * g
    p -= rate / (1 - beta1 ** t) * m / (np.sqrt(v) / (1 - beta2 ** t) ** 0.5 + eps)


def lerp_step(average, p, weight):
    """average ← average + weight · (p − average): one step of an exponential moving average, in place."""
    average += weight * (p - average)
