"""Recurrent layers; formulas and shapes as in `reference/recurrent.py`.

Why it is fast. Each sequence of a batch is independent of the others for all its length, so a task takes a few of them
through *all* steps: its states stay in the first-level cache, threads meet once a layer and not once a step, and W_hh is
packed once. What x_t brings, W_ih x_t, is known for all steps before the first: one large product. A step then is one
product of the states with W_hh on the register tile of `matmul`, added on top of that, and one pass that applies the gates
where they lie. Backward, the loop only hands the state's gradient down; the gradients of the weights are large products
over all steps after it. Measured by ``tinyattn bench --suite plain`` for 256 sequences of 30 steps, 64 wide, on two cores with
AVX-512: forward 2.1 to 2.5 times as fast as the plain twins, backward 2.3 to 5.7 times.

    steps.py                    what they share
    rnn.py, gru.py, lstm.py     forward and backward through the steps
    plain.py                    the same without any of this, one thread a sequence: to be read first

How many sequences a task takes follows from the batch alone, and no sum runs over tasks: the bits do not depend on the
number of threads.
"""
from .gru import gru_backward, gru_forward
from .lstm import lstm_backward, lstm_forward
from .plain import (gru_backward_plain, gru_forward_plain, lstm_backward_plain, lstm_forward_plain, rnn_backward_plain,
                    rnn_forward_plain)
from .rnn import rnn_backward, rnn_forward

__all__ = ["rnn_forward", "rnn_backward", "gru_forward", "gru_backward", "lstm_forward", "lstm_backward",
           "rnn_forward_plain", "rnn_backward_plain", "gru_forward_plain", "gru_backward_plain", "lstm_forward_plain",
           "lstm_backward_plain"]
