"""All cases there are: importing a file of cases puts them into the lists."""
from . import gate_cases, network_cases, recurrent_cases, token_cases  # noqa: F401  (imported for what they add)
from .cases import CASES
from .layer_cases import LAYERS

__all__ = ["CASES", "LAYERS"]
