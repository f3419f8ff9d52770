"""What is checked: a function, its inputs, and the random weights r that make one number L = Σ r · y of its outputs."""
import numpy as np

from ..autograd import grad
from ..tensor import Tensor


def wanted_inputs(inputs):
    """[(number, Tensor)] of those inputs that require a gradient. ValueError if none does."""
    wanted = [(i, x) for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError("gradcheck: no input requires a gradient; pass tensors made with requires_grad=True")
    return wanted


class Subject:
    """A function at a point. It can be measured by differences, and asked for its gradients, again and elsewhere.

    wanted    [(number, Tensor)] of the inputs that are checked
    weights   one array an output
    """

    def __init__(self, function, inputs, wanted, random):
        self.function, self.inputs, self.wanted = function, inputs, wanted
        self.first = self.outputs()
        self.weights = [random.normal(size=y.shape) for y in self.first]
        self.flat_weights = self.flat(self.weights)

    def outputs(self):
        """The float outputs of one call, as a list."""
        made = self.function(*self.inputs)
        made = made if isinstance(made, (tuple, list)) else (made,)
        for y in made:
            if y is not None and not isinstance(y, Tensor):
                raise TypeError(f"gradcheck: the function must return Tensors, got {type(y).__name__}")
        return [y for y in made if y is not None and y.is_floating_point()]

    @staticmethod
    def flat(arrays):
        return np.concatenate([np.asarray(a, np.float64).ravel() for a in arrays]) if arrays else np.zeros(0)

    def values(self):
        """All outputs as one vector (a copy)."""
        return self.flat([y.data for y in self.outputs()])

    def gradients(self, weights=None, recorded=None, create_graph=False):
        """∂L/∂x of each checked input, as backward gives them: an array, or None where nothing arrives.

        With `create_graph` by the formulas that are themselves recorded: ordinary operations in place of fused kernels.
        """
        weights = self.weights if weights is None else weights
        recorded = self.outputs() if recorded is None else recorded
        used = [(y, Tensor(np.asarray(r, y.dtype))) for y, r in zip(recorded, weights) if y.requires_grad]
        found = grad([y for y, _ in used], [x for _, x in self.wanted], [r for _, r in used], create_graph=create_graph,
                     allow_unused=True)
        return [None if g is None else np.array(g.data) for g in found]

    def slopes(self, x, where, eps, low=-1, high=1):
        """(y(x + high·ε) − y(x + low·ε)) / (high − low)ε of every output, as one vector.

        where: the index of an element of x, or a direction (an array). Outputs that did not change cancel exactly, so
        their size costs no digits in Σ r · slopes.
        """
        before, made = x.data.copy(), []
        try:
            for step in (low * eps, high * eps):
                if isinstance(where, np.ndarray):
                    x.data[...] = before + step * where
                else:
                    x.data[where] = before[where] + step
                made.append(self.values())
                x.data[...] = before
        finally:
            x.data[...] = before
        return (made[1] - made[0]) / ((high - low) * eps)

    def slope(self, x, where, eps, low=-1, high=1):
        """The slope of L at one element of x, or along a direction."""
        return float((self.slopes(x, where, eps, low, high) * self.flat_weights).sum())

    def tape(self):
        """The recorded operations: [(name, attributes, shapes of their outputs)]."""
        seen, stack = {}, [y.grad_fn for y in self.outputs() if y.grad_fn is not None]
        while stack:
            node = stack.pop()
            if id(node) not in seen:
                seen[id(node)] = node  # which keeps it alive, and its id its own
                stack.extend(edge[0] for edge in node.edges if edge is not None and not isinstance(edge[0], Tensor))
        return [(node.name, dict(node.attributes), [shape for shape, _ in node.outputs]) for node in seen.values()]
