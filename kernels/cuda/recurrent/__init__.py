"""Recurrent layers on the GPU; formulas and shapes as in `reference/recurrent.py`.

What x_t brings, W_ih x_t, is known for all steps before the first: one large product. A step then is one product of all sequences'
states with W_hh and one kernel that does everything else to its result: gates, cell, state, and where a sequence has ended, nothing.
Backward, the steps only hand the state's gradient down; the gradients of the weights are large products over all steps after it.

For small states a step's work is less than its launches (some 10 µs): captured as a CUDA graph, they follow each other closely.

    steps.py                    what they share
    rnn.py, gru.py, lstm.py     forward and backward through the steps
"""
from ...reference.recurrent import __all__  # noqa: F401
from .gru import gru_backward, gru_forward  # noqa: F401
from .lstm import lstm_backward, lstm_forward  # noqa: F401
from .rnn import rnn_backward, rnn_forward  # noqa: F401
