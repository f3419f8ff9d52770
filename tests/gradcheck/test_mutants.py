"""The proof of the checker on a few operations (the whole: python tests/mutants.py), and that the proof itself can fail."""
import mutants as proof
import mutants_judged as judged
import mutants_samples as samples
import numpy as np
import pytest

import tinyattn as ta
from tinyattn import kernels
from tinyattn.gradcheck.registry import CASES
from tinyattn.ops.elementwise import MulFunction

FEW = ["ClampFunction", "DivFunction", "ExpFunction", "SoftmaxFunction", "SliceFunction"]


@pytest.fixture(scope="module")
def outcomes():
    with kernels.use("reference"):
        uses = samples.uses_of_operations([c for c in CASES if c.name in ("clamp", "div", "exp", "softmax", "getitem", "narrow")])
        operations = samples.operations()
        return [proof.try_mutant(m, uses[n]) for n in FEW for m in proof.mutants(n, operations[n], proof.gradients_of(operations[n], uses[n][:1]))]


def test_mutants_are_caught_and_no_cause_is_a_wrong_one(outcomes):
    assert len(outcomes) > 40 and all(sum(o.mutant.operation == n for o in outcomes) >= 3 for n in FEW)
    assert judged.complaints_about(outcomes) == []
    assert judged.named(outcomes) > 15


def test_the_proof_can_fail(outcomes):
    """A mutant that changes nothing survives and is complained about; so is a cause that is a wrong one."""
    with kernels.use("reference"):
        uses = samples.uses_of_operations([c for c in CASES if c.name == "mul"])["MulFunction"]
        same = proof.Mutant("MulFunction", "factor", "nothing changed", MulFunction, "backward", MulFunction.backward)
        survived = proof.try_mutant(same, uses)
    assert not survived.caught and judged.survivors([survived]) == ["MulFunction.backward: nothing changed"]
    assert any("not in EQUIVALENT" in c for c in judged.complaints_about([survived]))
    assert any("more than 5 %" in c for c in judged.complaints_about([survived]))
    right = next(o for o in outcomes if o.cause == "sign")
    misled = proof.Outcome(right.mutant, True, right.by, "stride", "wrong in every second row")
    assert [judged.misled([right]), judged.misled([misled])] == [[], [misled]]
    assert "backward" not in vars(MulFunction)                    # and what was installed is gone


def test_a_sample_that_fails_unbroken_proves_nothing():
    class Kinked:
        name, label = "relu", "at its kink"

        def prepared(self):
            return (lambda x: x.relu() * 2 + x * 3), [ta.zeros(3, dtype=np.float64, requires_grad=True)]

    mutant = next(iter(proof.mutants("MulFunction", MulFunction, 1)))
    with kernels.use("reference"), pytest.raises(AssertionError, match="fails although nothing is broken"):
        proof.try_mutant(mutant, [samples.Use(Kinked(), 1, 3, 3)])


def test_every_operation_is_looked_at():
    names = samples.operations()
    assert {"Conv2dFunction", "GeluFunction", "MinimumFunction", "ConvTranspose2dFunction", "LSTMFunction"} <= set(names)
    assert len(names) > 80 and not {"Binary", "Unary", "Function", "FusedDerivative"} & set(names)
    kinds = {m.kind for n in ("AddFunction", "SoftmaxFunction", "SqrtFunction", "SliceFunction", "LayerNormFunction")
             for m in proof.mutants(n, names[n], 1)}
    assert {"sign", "factor", "term", "dropped factor", "off by one", "mean or sum"} <= kinds
