"""What channel and spatial attention gates do to a feature map; formulas and shapes as in `reference/gates.py`.

    squeeze.py   the squeezes and the product one by one, each a pass over the batch
    plain.py     a whole gate, as it is written down
    steps.py     its steps on one image, with full vectors
    fused.py     the same gate of these steps, while an image is in the cache
"""
from .fused import attention_gate_backward, attention_gate_forward
from .plain import attention_gate_backward_plain, attention_gate_forward_plain
from .squeeze import (apply_gates_backward, apply_gates_forward, pool_channels_backward, pool_channels_forward,
                      pool_pixels_backward, pool_pixels_forward)

__all__ = ["pool_pixels_forward", "pool_pixels_backward", "pool_channels_forward", "pool_channels_backward",
           "apply_gates_forward", "apply_gates_backward", "attention_gate_forward", "attention_gate_backward",
           "attention_gate_forward_plain", "attention_gate_backward_plain"]
