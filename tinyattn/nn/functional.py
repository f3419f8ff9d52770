"""Every operation of a network as a plain function, under PyTorch's names: ``import tinyattn.nn.functional as F``."""
from ..ops.activation import (elu, gelu, glu, hardsigmoid, hardswish, hardtanh, leaky_relu, logsigmoid, mish, prelu, relu, relu6,
                              selu, silu, softplus)
from ..ops.additive import additive_scores
from ..ops.attention import scaled_dot_product_attention
from ..ops.conv import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from ..ops.elementwise import sigmoid, tanh
from ..ops.energy import energy_gate
from ..ops.gates import apply_gates, attention_gate, pool_channels, pool_pixels
from ..ops.embedding import embedding, one_hot
from ..ops.interpolate import interpolate
from ..ops.length import cosine_similarity, normalize
from ..ops.loss import (binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, huber_loss, kl_div, l1_loss,
                        mse_loss, nll_loss, smooth_l1_loss)
from ..ops.matmul import linear
from ..ops.norm import batch_norm, group_norm, instance_norm, layer_norm
from ..ops.pad import pad
from ..ops.pool import (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_max_pool1d, adaptive_max_pool2d, avg_pool1d, avg_pool2d,
                        max_pool1d, max_pool2d)
from ..ops.random import dropout, dropout1d, dropout2d
from ..ops.sample import affine_grid, grid_sample
from ..ops.softmax import log_softmax, softmax
from ..ops.unfold import fold, unfold
from ..ops.weighted_sum import weighted_sum

__all__ = ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "additive_scores", "affine_grid",
           "apply_gates", "attention_gate", "avg_pool1d", "avg_pool2d", "batch_norm", "binary_cross_entropy",
           "binary_cross_entropy_with_logits", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d",
           "cosine_similarity", "cross_entropy", "dropout", "dropout1d", "dropout2d", "elu", "embedding", "energy_gate", "fold",
           "gelu", "glu", "grid_sample", "group_norm", "hardsigmoid", "hardswish", "hardtanh", "huber_loss",
           "instance_norm", "interpolate", "kl_div", "l1_loss", "layer_norm", "leaky_relu", "linear", "log_softmax",
           "logsigmoid", "max_pool1d", "max_pool2d", "mish", "mse_loss", "nll_loss", "normalize", "one_hot", "pad",
           "pool_channels", "pool_pixels", "prelu", "relu", "relu6", "scaled_dot_product_attention", "selu", "sigmoid",
           "silu", "smooth_l1_loss", "softmax", "softplus", "tanh", "unfold", "weighted_sum"]


def __getattr__(name):
    from ..nearest import absent
    raise absent(__name__, name, __all__)
