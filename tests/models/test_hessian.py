"""Second order through whole networks: a Hessian-vector product against differences of gradients."""
import numpy as np
import pytest
from op_samples import LAYERS

import tinyattn as ta
import tinyattn.nn.functional as F

MODELS = {f"{case.name} {case.label}": case for case in LAYERS if case.name in ("LeNet", "AttentionCNN", "ResNet", "CCT")}


@pytest.mark.parametrize("name", MODELS)
def test_hessian_vector_product(name):
    case = MODELS[name]
    model, images = case.module(), ta.tensor(np.asarray(case.arrays()[0]))
    labels = ta.tensor(np.arange(len(images)) % 3)
    parameters = list(model.parameters())
    random = np.random.default_rng(0)
    directions = [ta.tensor(random.normal(size=p.shape)) for p in parameters]

    def gradients(create_graph=False):
        return ta.grad(F.cross_entropy(model(images), labels), parameters, create_graph=create_graph)

    def moved(step):
        """v · ∇f at a point `step` along v."""
        for p, v in zip(parameters, directions):
            p.data[...] += step * v.data
        found = sum(float((g.data * v.data).sum()) for g, v in zip(gradients(), directions))
        for p, v in zip(parameters, directions):
            p.data[...] -= step * v.data
        return found

    products = ta.grad(gradients(create_graph=True), parameters, directions)      # H v, one tensor a parameter
    curvature = sum(float((h.data * v.data).sum()) for h, v in zip(products, directions))
    eps = 1e-7                                                                    # so small a step crosses no kink of a relu
    assert curvature == pytest.approx((moved(eps) - moved(-eps)) / (2 * eps), rel=1e-4, abs=1e-4)
    assert abs(curvature) > 1e-3
