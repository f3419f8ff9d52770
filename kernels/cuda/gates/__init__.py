"""What channel and spatial attention gates do to a feature map; formulas and shapes as in `reference/gates.py`.

    squeeze.py   the squeezes and the product one by one, each a pass over the map
    network.py   the small networks between them: numbers of each channel, and of each pixel
    whole.py     a whole gate of these steps
"""
from .squeeze import (apply_gates_backward, apply_gates_forward, pool_channels_backward, pool_channels_forward,
                      pool_pixels_backward, pool_pixels_forward)
from .whole import attention_gate_backward, attention_gate_forward

__all__ = ["pool_pixels_forward", "pool_pixels_backward", "pool_channels_forward", "pool_channels_backward",
           "apply_gates_forward", "apply_gates_backward", "attention_gate_forward", "attention_gate_backward"]
