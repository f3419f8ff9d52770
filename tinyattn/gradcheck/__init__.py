"""The gradient checker: is what `backward` says true? And if not, what is the likely cause?

The gradient of a sum L = Σ r · y of the outputs, with random weights r, is compared with central differences,

    ∂L/∂x_i ≈ (L(x + ε e_i) − L(x − ε e_i)) / 2ε                     (error O(ε²))

in float64: for every element of a small input, for some elements and some random directions of a large one (a wrong
element shows in any direction). The package can be called: ``ta.gradcheck(function, inputs)`` checks your own functions,
and what it returns, printed, is what the command prints: the worst element, the error against the step, a map of what is
wrong and the likely cause. `gradgradcheck` checks gradients of gradients. The command: ``tinyattn gradcheck conv2d --stride 2``,
``tinyattn gradcheck softmax CBAM`` or ``--all``.
"""
import sys
import types

from .checker import gradcheck, gradgradcheck
from .command import main
from .report import Failure, GradcheckError, Report


class _Callable(types.ModuleType):
    """This package is a function as well, so that `ta.gradcheck(f, x)` needs no second name."""

    def __call__(self, function, inputs, *arguments, **options):
        return gradcheck(function, inputs, *arguments, **options)


_Callable.__call__.__doc__ = gradcheck.__doc__
sys.modules[__name__].__class__ = _Callable

__all__ = ["Failure", "GradcheckError", "Report", "gradcheck", "gradgradcheck", "main"]
