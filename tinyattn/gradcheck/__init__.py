"""The gradient checker: is what `backward` says true?

The gradient of a sum L = Σ r · y of the outputs, with random weights r, is compared with central differences,

    ∂L/∂x_i ≈ (L(x + ε e_i) − L(x − ε e_i)) / 2ε                     (error O(ε²))

in float64: for every element of a small input, for some elements and some random directions of a large one (a wrong
element shows in any direction). As a library: `gradcheck` for your own functions, `gradgradcheck` for gradients of
gradients. As a command: ``tinyattn gradcheck conv2d CBAM`` or ``--all``.
"""
from .checker import Failure, GradcheckError, Report, gradcheck, gradgradcheck
from .command import main

__all__ = ["Failure", "GradcheckError", "Report", "gradcheck", "gradgradcheck", "main"]
