"""Mistakes with layers, models, optimizers, schedules and the loader: answered when they are made, in our own words."""
import inspect
import itertools
import warnings

import numpy as np
import pytest
from answers import expect, is_ours
from test_garbage import ANY, i, x

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn import kernels, nn, optim
from tinyattn.data import DataLoader
from tinyattn.nn import attention

IMAGE, TOKENS = x(2, 8, 6, 6), x(3, 2, 8)


@pytest.fixture(autouse=True)
def plain_kernels():
    with kernels.use("reference"):
        yield


def p(*shape):
    return nn.Parameter(np.ones(shape or (2,), np.float32))


def pixels(n=4, dtype=np.uint8):
    return np.zeros((n, 1, 6, 6), dtype), np.zeros(n, np.int64)


def mha(*inputs, **options):
    return nn.MultiheadAttention(8, 2)(*(inputs or [TOKENS] * 3), **options)


def model(name, **options):
    return ta.models.create(name, **options)


CASES = [
    # registering
    (lambda: type("Net", (nn.Module,), {"__init__": lambda self: setattr(self, "w", 1)})(), AttributeError,
     "Net: call super().__init__() before"),
    (lambda: type("Net", (nn.Module,), {"__init__": lambda self: None})()(x(2)), AttributeError,
     "Net was not set up: call super().__init__()"),
    (lambda: nn.Module()(x(2)), TypeError, "Module has no forward method: write def forward(self, x)"),
    (lambda: setattr(nn.Linear(3, 4), "weight", x(4, 3)), TypeError,
     "Linear.weight is a parameter; assign a Parameter or None, not Tensor"),
    (lambda: setattr(nn.Linear(3, 4), "train", nn.ReLU()), AttributeError,
     "Linear.train is an attribute of the class, which would hide the ReLU"),
    (lambda: nn.Linear(3, 4).register_parameter("w", x(3)), TypeError,
     "register_parameter: w must be a Parameter or None, got Tensor"),
    (lambda: nn.Linear(3, 4).register_buffer("b", np.zeros(3)), TypeError,
     "b must be a Tensor or None, got ndarray; wrap it with ta.tensor"),
    (lambda: nn.Linear(3, 4).register_buffer("weight", x(3)), ValueError,
     "this Linear has an attribute 'weight' already"),
    (lambda: nn.Linear(3, 4).add_module("a.b", nn.ReLU()), ValueError,
     "a name must be a string without dots, got 'a.b'"),
    (lambda: nn.Linear(3, 4).add_module("a", 3), TypeError, "add_module: a must be a Module or None, got int"),
    (lambda: nn.Linear(3, 4).register_forward_hook(3), TypeError, "a hook must be a function, got int"),
    (lambda: nn.Linear(3, 4).wieght, AttributeError, "Linear has no attribute 'wieght'"),
    (lambda: nn.Linear(3, 4).to("cuda:1"), ValueError, "unknown device 'cuda:1'"),
    (lambda: nn.Linear(3, 4).to(np.int64), TypeError, "parameters can be float32 or float64, not int64"),
    (lambda: nn.Linear(3, 4).load_state_dict(None), TypeError,
     "load_state_dict: expected a dict of path → Tensor or array, got NoneType"),
    (lambda: nn.Linear(3, 4).load_state_dict({"weight": np.full((4, 3), "a"), "bias": [[1], [2, 3]]}), ValueError,
     "weight holds no array of numbers, bias holds no array of numbers"),
    (lambda: nn.Parameter(i(2)), TypeError, "only float32 and float64 tensors can require a gradient, got int64"),
    (lambda: ta.Tensor([1.0, 2.0]), TypeError, "Tensor: wraps an array, got list; make one of it with ta.tensor"),
    (lambda: nn.Sequential(nn.ReLU), TypeError, "expected modules, got type at 0; call it: a class is no module yet"),
    (lambda: nn.Sequential([nn.ReLU()]), TypeError, "expected modules, got list at 0"),
    (lambda: nn.Sequential(nn.ReLU())[1], IndexError, "Sequential: index 1 is out of range for 1 modules"),
    (lambda: nn.Sequential(nn.ReLU())["0"], TypeError, "an index must be an int or a slice, got '0'"),
    (lambda: nn.ModuleList(nn.ReLU()), TypeError, "ModuleList: expected a list of modules, got ReLU; write [ReLU(…)]"),
    (lambda: nn.ModuleList([nn.ReLU()])(x(2)), TypeError,
     "ModuleList: it has no forward; write the loop over its modules, or use Sequential"),
    # layers
    (lambda: nn.Linear(0, 3), ValueError, "Linear: in_features must be at least 1, got 0"),
    (lambda: nn.Conv2d(3, 8, 0), ValueError, "Conv2d: kernel_size must be at least 1, got 0"),
    (lambda: nn.Conv2d(3, 8, -3), ValueError, "Conv2d: kernel_size must be at least 1, got -3"),
    (lambda: nn.Conv2d(3, 8, 3, stride=0), ValueError, "Conv2d: stride must be at least 1, got 0"),
    (lambda: nn.Conv2d(3, 8, 3, padding="full"), ValueError,
     "Conv2d: padding must be one of 'same', 'valid', got 'full'"),
    (lambda: nn.Conv2d(3, 8, 3, 2, "same"), ValueError, "Conv2d: padding='same' needs stride 1, got stride (2, 2)"),
    (lambda: nn.Conv2d(3, 8, 3, padding_mode="mirror"), ValueError, "padding_mode must be one of 'zeros', 'reflect', 'replicate', 'circular'"),
    (lambda: nn.Conv2d(8, 4, 3, padding=6, padding_mode="reflect")(IMAGE), ValueError, "mode 'reflect' can add at most 5 at each end"),
    (lambda: nn.Conv2d(3, 8, 3, device="cuda:1"), ValueError, 'Conv2d: unknown device \'cuda:1\'; there are "cpu" and'),
    (lambda: nn.Linear(3, 8, dtype=np.int64), TypeError, "Linear: parameters can be float32 or float64, not int64"),
    (lambda: nn.ConvTranspose2d(3, 8, 3, padding_mode="reflect"), ValueError, "ConvTranspose2d: padding_mode must be one of 'zeros'"),
    (lambda: nn.ConvTranspose2d(3, 8, 3, padding="same"), TypeError, "ConvTranspose2d: padding must be ints, got 'same'"),
    (lambda: nn.ConvTranspose2d(8, 4, 3, stride=2)(IMAGE, output_size=(15, 13)), ValueError,
     "ConvTranspose2d: output_size must be from (13, 13) to (14, 14) for input (2, 8, 6, 6), got (15, 13)"),
    (lambda: nn.ConvTranspose2d(8, 4, 3, stride=2)(IMAGE, (2, 14, 14)), ValueError, "output_size must name 2 or 4 lengths"),
    (lambda: nn.Unflatten(1, 6), TypeError, "Unflatten: unflattened_size must be a tuple of ints, got 6"),
    (lambda: nn.Dropout(0.5, inplace=1), TypeError, "Dropout: inplace must be True or False, got 1"),
    (lambda: nn.InstanceNorm2d(4)(IMAGE), ValueError, "InstanceNorm2d: input has shape (2, 8, 6, 6), expected (N, C, H, W) or (C, H, W) with C = 4"),
    (lambda: nn.Conv2d(3.0, 8, 3), TypeError, "Conv2d: in_channels must be an int, got 3.0"),
    (lambda: nn.Conv1d(3, 8, (3, 3)), TypeError, "Conv1d: kernel_size must be an int, got (3, 3)"),
    (lambda: nn.Conv2d(8, 4, 7)(IMAGE), ValueError,
     "the output would be empty: the kernel covers 7 in height, the padded input has 6"),
    (lambda: nn.Conv2d(8, 4, 3)(IMAGE.permute(0, 2, 3, 1)), ValueError,
     "the channels seem to be last: use x.permute(0, 3, 1, 2)"),
    (lambda: nn.Conv2d(8, 4, 3)(IMAGE.data), TypeError, "input must be a Tensor, got ndarray; wrap it with ta.tensor"),
    (lambda: nn.Conv2d(8, 4, 3)(ta.tensor(np.zeros((1, 8, 4, 4), np.uint8))), TypeError,
     "input must be float32 or float64, got uint8"),
    (lambda: nn.ConvNormAct(8, 4)(x(8, 6, 6)), ValueError,
     "BatchNorm2d: input has shape (4, 6, 6), expected (N, C, H, W) with C = 4; a single image is x[None]"),
    (lambda: nn.ConvNormAct(8, 4, activation="gelu"), ValueError, "activation must be 'relu' or None, got 'gelu'"),
    (lambda: nn.BatchNorm2d(4)(IMAGE), ValueError,
     "BatchNorm2d: input has shape (2, 8, 6, 6), expected (N, C, H, W) with C = 4"),
    (lambda: nn.BatchNorm1d(4)(x(1, 4)), ValueError,
     "training needs more than one value a channel, got input (1, 4); use a larger batch or model.eval()"),
    (lambda: nn.BatchNorm2d(4, eps=-1), ValueError, "BatchNorm2d: eps must be at least 0, got -1"),
    (lambda: nn.GroupNorm(0, 4), ValueError, "GroupNorm: num_groups must be at least 1, got 0"),
    (lambda: nn.GroupNorm(3, 4), ValueError, "num_channels = 4 must be divisible by num_groups = 3"),
    (lambda: nn.LayerNorm(4)(x(2, 5)), ValueError,
     "layer_norm: input has shape (2, 5), expected its last axes to be (4,)"),
    (lambda: nn.LayerNorm(()), ValueError, "normalized_shape must name the length of at least one axis"),
    (lambda: nn.Embedding(-1, 3), ValueError, "Embedding: num_embeddings must be at least 1, got -1"),
    (lambda: nn.Embedding(4, 3)(ta.tensor([4])), IndexError,
     "embedding: input holds values from 4 to 4, expected 0 to 3"),
    (lambda: nn.Dropout(1.5), ValueError, "Dropout: p must be between 0 and 1, got 1.5"),
    (lambda: nn.CrossEntropyLoss(weight=[1.0, 2.0]), TypeError,
     "weight must be a Tensor or None, got list; wrap it with ta.tensor"),
    (lambda: nn.MSELoss()(x(2), None), TypeError, "mse_loss: target must be a Tensor, got NoneType"),
    (lambda: nn.init.kaiming_uniform_(x(3, 0)), ValueError,
     "expected a weight with at least two axes, none empty, got shape (3, 0)"),
    (lambda: nn.init.normal_(x(3), std=-1), ValueError, "normal_: std must be at least 0, got -1"),
    (lambda: nn.init.uniform_(x(3), 2, 1), ValueError, "uniform_: expected a ≤ b, got a = 2 and b = 1"),
    (lambda: nn.init.trunc_normal_(x(3), a=5, b=6), ValueError,
     "[5, 6] holds almost nothing of a normal distribution with mean 0.0 and std 1.0"),
    (lambda: nn.init.zeros_(np.zeros(3)), TypeError, "tensor must be a Tensor, got ndarray"),
    # padding and resampling
    (lambda: nn.ReflectionPad2d(6)(IMAGE), ValueError, "mode 'reflect' can add at most 5 at each end of axis 2 of input (2, 8, 6, 6), got (6, 6)"),
    (lambda: nn.ZeroPad2d((1, 2)), ValueError, "ZeroPad2d: padding must be an int or 4 ints, (before, after) of the last axis first, got (1, 2)"),
    # recurrent layers
    (lambda: nn.GRU(8, 0), ValueError, "GRU: hidden_size must be at least 1, got 0"),
    (lambda: nn.LSTM(8.0, 3), TypeError, "LSTM: input_size must be an int, got 8.0"),
    (lambda: nn.RNN(8, 3, 0), ValueError, "RNN: num_layers must be at least 1, got 0"),
    (lambda: nn.RNN(8, 3, nonlinearity="gelu"), ValueError, "RNN: nonlinearity must be one of 'tanh', 'relu', got 'gelu'"),
    (lambda: nn.RNNCell(8, 3, nonlinearity=None), ValueError, "RNNCell: nonlinearity must be one of 'tanh', 'relu', got None"),
    (lambda: nn.GRU(8, 3, 2, dropout=1.5), ValueError, "GRU: dropout must be between 0 and 1, got 1.5"),
    (lambda: nn.GRU(8, 3, 2, dropout=True), TypeError, "GRU: dropout must be a number between 0 and 1, got True"),
    (lambda: nn.GRU(8, 3, bias=2), TypeError, "GRU: bias must be True or False, got 2"),
    (lambda: nn.LSTM(8, 3, proj_size=3), ValueError, "LSTM: proj_size must be smaller than hidden_size = 3, got 3"),
    (lambda: nn.LSTM(8, 3, proj_size=-1), ValueError, "LSTM: proj_size must be at least 0, got -1"),
    (lambda: nn.GRU(8, 3, dtype=np.int64), TypeError, "GRU: parameters can be float32 or float64, not int64"),
    (lambda: nn.GRUCell(8, 3, device="cuda:1"), ValueError, "unknown device 'cuda:1'"),
    (lambda: nn.GRU(8, 3)(x(8)), ValueError, "GRU: input has shape (8,), expected (T, N, 8) or (T, 8)"),
    (lambda: nn.GRU(8, 3, batch_first=True)(x(2, 3, 7)), ValueError,
     "GRU: input has shape (2, 3, 7), expected (N, T, 8) or (T, 8)"),
    (lambda: nn.GRU(8, 3)(x(0, 2, 8)), ValueError, "GRU: input has shape (0, 2, 8), expected at least one step"),
    (lambda: nn.GRU(8, 3)(i(3, 2, 8)), TypeError, "GRU: input must be float32 or float64, got int64"),
    (lambda: nn.GRU(8, 3)(TOKENS.double()), TypeError, "all tensors must have one dtype, got input float64, h0 float64, w_ih float32"),
    (lambda: nn.GRU(8, 3)(TOKENS, x(1, 2, 3).double()), TypeError, "GRU: all tensors must have one dtype, got input float32, hx h float64"),
    (lambda: nn.GRU(8, 3)(TOKENS, x(2, 3)), ValueError,
     "GRU: hx h has shape (2, 3), expected (1, 2, 3): layers × directions, batch, size"),
    (lambda: nn.GRU(8, 3)(x(3, 8), x(1, 1, 3)), ValueError, "GRU: hx h has shape (1, 1, 3), expected (1, 3): layers × directions, size"),
    (lambda: nn.LSTM(8, 3)(TOKENS, x(1, 2, 3)), TypeError, "LSTM: hx must be the pair (h, c), got Tensor"),
    (lambda: nn.LSTM(8, 3, 2, bidirectional=True)(TOKENS, (x(4, 2, 3), x(2, 2, 3))), ValueError,
     "LSTM: hx c has shape (2, 2, 3), expected (4, 2, 3)"),
    (lambda: nn.LSTM(8, 3, proj_size=2)(TOKENS, (x(1, 2, 3), x(1, 2, 3))), ValueError, "LSTM: hx h has shape (1, 2, 3), expected (1, 2, 2)"),
    (lambda: nn.GRU(8, 3)(TOKENS, None, [1, 2, 3]), ValueError,
     "GRU: lengths has shape (3,), expected (2,), one for each sequence of the batch"),
    (lambda: nn.GRU(8, 3)(TOKENS, None, [0, 3]), ValueError,
     "GRU: lengths holds values from 0 to 3, expected 1 to 3, the number of steps"),
    (lambda: nn.GRU(8, 3)(TOKENS, None, ta.tensor([4, 3])), ValueError, "lengths holds values from 3 to 4, expected 1 to 3"),
    (lambda: nn.GRU(8, 3)(TOKENS, None, [10 ** 30, 3]), ValueError, "expected 1 to 3, the number of steps"),
    (lambda: nn.GRU(8, 3)(TOKENS, None, x(2)), TypeError, "GRU: lengths must hold integers, got float32; convert with"),
    (lambda: nn.GRU(8, 3)(TOKENS, None, 3), TypeError, "GRU: lengths must be a Tensor or a list of ints, got int"),
    (lambda: nn.GRU(8, 3)(x(3, 8), None, [3]), ValueError,
     "GRU: lengths are those of a batch; of the single sequence (3, 8) pass input[:length]"),
    (lambda: nn.GRUCell(8, 3)(TOKENS), ValueError, "GRUCell: input has shape (3, 2, 8), expected (N, 8) or (8,)"),
    (lambda: nn.GRUCell(8, 3)(x(2, 8), x(3)), ValueError, "GRUCell: hx h has shape (3,), expected (2, 3) to match input (2, 8)"),
    (lambda: nn.LSTMCell(8, 3)(x(2, 8), x(2, 3)), TypeError, "LSTMCell: hx must be the pair (h, c), got Tensor"),
    (lambda: nn.LSTMCell(8, 3)(x(8), (x(3), None)), TypeError, "LSTMCell: hx must be a Tensor, got NoneType"),
    (lambda: nn.Upsample(scale_factor=2, mode="bilinear")(x(2, 3, 4)), ValueError,
     "interpolate: mode 'bilinear' needs input with 4 axes (N, C, …), got shape (2, 3, 4); use linear"),
    (lambda: nn.Upsample()(IMAGE), ValueError, "give one of size and scale_factor, got size None and scale_factor None"),
    # attention
    (lambda: attention.SqueezeExcitation(8, reduction=0), ValueError,
     "SqueezeExcitation: reduction must be at least 1, got 0"),
    (lambda: attention.CBAM(8, kernel_size=6), ValueError, "CBAM: kernel_size must be odd, got 6"),
    (lambda: attention.CBAM(8, kernel_size=(7, 7)), TypeError, "CBAM: kernel_size must be an int, got (7, 7)"),
    (lambda: attention.CBAM(8)(x(8, 6, 6)), ValueError,
     "CBAM: input has shape (8, 6, 6), expected (N, 8, H, W); a single image is x[None]"),
    (lambda: attention.EfficientChannelAttention(8)(x(2, 4, 3, 3)), ValueError,
     "input has shape (2, 4, 3, 3), expected (N, 8, H, W)"),
    (lambda: attention.SelfAttention2d(8, heads=0), ValueError, "SelfAttention2d: heads must be at least 1, got 0"),
    (lambda: attention.SelfAttention2d(8)(x(2, 8, 0, 3)), ValueError,
     "SelfAttention2d: input of shape (2, 8, 0, 3) is empty"),
    (lambda: attention.AttentionPool(8)(x(2, 8)), ValueError,
     "AttentionPool: input has shape (2, 8), expected (N, T, 8) or (N, 8, H, W)"),
    (lambda: attention.create("sse", 8), ValueError,
     "unknown attention 'sse'; did you mean 'se'? (there are none, se, eca, spatial, cbam, "),
    (lambda: nn.MultiheadAttention(8, 3), ValueError, "embed_dim = 8 must be divisible by num_heads = 3"),
    (lambda: nn.MultiheadAttention(8, 2, dropout=2), ValueError,
     "MultiheadAttention: dropout must be between 0 and 1, got 2"),
    (lambda: mha(x(3, 2, 7), TOKENS, TOKENS), ValueError,
     "query has shape (3, 2, 7), expected (T, N, 8), or (T, 8) for all three"),
    (lambda: mha(TOKENS, x(4, 2, 8), x(5, 2, 8)), ValueError, "key and value must be equally many"),
    (lambda: mha(TOKENS, x(3, 1, 8), x(3, 1, 8)), ValueError, "the batch (axis 1 with batch_first=False) be the same"),
    (lambda: mha(TOKENS.data, TOKENS, TOKENS), TypeError, "query must be a Tensor, got ndarray"),
    (lambda: mha(attn_mask=x(2, 2)), ValueError, "attn_mask has shape (2, 2), expected (3, 3) or (4, 3, 3)"),
    (lambda: mha(attn_mask=i(3, 3)), TypeError,
     "attn_mask must be boolean (True: not to be seen) or float32, got int64"),
    (lambda: mha(key_padding_mask=x(3, 2) > 0), ValueError, "key_padding_mask has shape (3, 2), expected (2, 3)"),
    # models
    (lambda: model("resnt20"), ValueError,
     "unknown model 'resnt20'; did you mean 'resnet20'? (there are lenet, attention_cnn, level_cnn, resnet8"),
    (lambda: model("resnet8", attention="cbm"), ValueError, "unknown attention 'cbm'; did you mean 'cbam'?"),
    (lambda: model("lenet", attention="se"), ValueError,
     "lenet has no place for a gate; use attention \"none\", or one of attention_cnn"),
    (lambda: model("resnet8", num_classes=0), ValueError, "resnet8: num_classes must be at least 1, got 0"),
    (lambda: model("cct", image_size=(32, 32)), TypeError, "cct: image_size must be an int, got (32, 32)"),
    (lambda: model("cct", image_size=4), ValueError, "images of 4 pixels are too small; it needs at least 8"),
    (lambda: model("lenet")(x(1, 1, 32, 32)), ValueError,
     "the images give 576 features, expected 400: this model was made for image_size=28"),
    (lambda: model("cct")(x(1, 1, 32, 32)), ValueError,
     "images of shape (32, 32) give 64 tokens, expected 49: this model was made for image_size=28"),
    (lambda: model("attention_cnn")(x(28, 28)), ValueError, "a single grey image is x[None, None]"),
    (lambda: model("attention_cnn", in_channels=3)(x(2, 1, 28, 28)), ValueError,
     "expected (N, C, H, W) or (C, H, W) with C = 3"),
    (lambda: ta.models.ResNet(depth=9), ValueError, "depth must be 6n + 2 (8, 14, 20, …), got 9"),
    (lambda: ta.models.AttentionCNN(widths=(8, 16)), ValueError, "widths and depths must name as many stages"),
    # optimizers and schedules
    (lambda: optim.SGD(p()), TypeError,
     "SGD: params must be a list of tensors or of dicts, got Parameter; pass [tensor]"),
    (lambda: optim.SGD(nn.Linear(2, 2)), TypeError, "got Linear; pass model.parameters()"),
    (lambda: optim.SGD({p()}), TypeError, "got a set; the order of parameters must be the same in every run"),
    (lambda: optim.SGD([p()], lr=x(2)), ValueError, "SGD: a Tensor as lr must have one element, got shape (2,)"),
    (lambda: optim.SGD([p()], fused=True), ValueError, "fused=True is a choice among PyTorch's implementations"),
    (lambda: optim.SGD([p()]).step(3), TypeError, "closure must be a function that returns the loss, got int"),
    (lambda: optim.Adam([p()], amsgrad=1), TypeError, "Adam: amsgrad must be True or False, got 1"),
    (lambda: optim.RMSprop([p()], alpha=-1), ValueError, "RMSprop: alpha must be at least 0, got -1"),
    (lambda: optim.Lion([p()], betas=(1, 0)), ValueError, "Lion: betas must be two numbers in [0, 1), got (1, 0)"),
    (lambda: optim.Muon([p()]), ValueError, "parameters must be matrices (2-D), got one of shape (2,); give the others to AdamW"),
    (lambda: optim.Muon([p(2, 2)], ns_steps=100), ValueError, "ns_steps must be less than 100, got 100; 5 are usual"),
    (lambda: optim.Muon([p(2, 2)], ns_coefficients=(1, 2)), ValueError, "ns_coefficients must be three numbers (a, b, c)"),
    (lambda: optim.Muon([p(2, 2)], adjust_lr_fn="a"), ValueError, "adjust_lr_fn must be one of 'original', 'match_rms_adamw'"),
    (lambda: optim.SGD([]), ValueError, "got no parameters to optimise"),
    (lambda: optim.SGD([p() * 2]), TypeError,
     "got the result of mul, of shape (2,); optimise the tensors it was computed from"),
    (lambda: optim.SGD([i(2)]), TypeError,
     "parameters must be leaf tensors of float32 or float64, got int64 of shape (2,)"),
    (lambda: optim.SGD([p()], lr="fast"), TypeError, "SGD: lr must be a number, got 'fast'"),
    (lambda: optim.SGD([p()], lr=-0.1), ValueError, "SGD: lr must be at least 0, got -0.1"),
    (lambda: optim.SGD([{"params": [p()], "lr": -1}]), ValueError, "SGD: lr must be at least 0, got -1"),
    (lambda: optim.SGD([{"params": [p()], "rate": 1}]), ValueError,
     "unknown options ['rate'], expected ['dampening', 'lr',"),
    (lambda: optim.SGD([{"lr": 1}]), TypeError, "a parameter group is a dict with the key \"params\", got keys ['lr']"),
    (lambda: optim.SGD([p()], nesterov=True), ValueError, "nesterov=True needs a momentum and no dampening"),
    (lambda: optim.Adam([p()], betas=(0.9, 1.0)), ValueError, "betas must be two numbers in [0, 1), got (0.9, 1.0)"),
    (lambda: optim.AdamW([p()], betas=0.9), ValueError, "betas must be two numbers in [0, 1), got 0.9"),
    (lambda: optim.Adam([p()]).load_state_dict({}), ValueError, "expected a dict with \"state\" and \"param_groups\""),
    (lambda: optim.Adam([p()]).load_state_dict(optim.SGD([p()]).state_dict()), ValueError,
     "is it another optimizer's?"),
    (lambda: optim.StepLR([p()], 3), TypeError, "StepLR: expected an optimizer, got list"),
    (lambda: optim.StepLR(optim.SGD([p()]), 0), ValueError, "StepLR: step_size must be at least 1, got 0"),
    (lambda: optim.OneCycleLR(optim.SGD([p()]), 0.1, 10, div_factor=0), ValueError,
     "OneCycleLR: div_factor must be positive, got 0"),
    (lambda: optim.OneCycleLR(optim.SGD([p()]), 0.1, 10, pct_start=2), ValueError,
     "OneCycleLR: pct_start must be between 0 and 1, got 2"),
    (lambda: optim.LambdaLR(optim.SGD([p()]), 0.5), TypeError, "lr_lambda must be a function of the step, got 0.5"),
    (lambda: optim.OneCycleLR(optim.SGD([p()]), 0.1), ValueError, "total_steps, or both epochs and steps_per_epoch"),
    (lambda: optim.OneCycleLR(optim.SGD([p()]), [0.1, 0.2], 10), ValueError, "max_lr has 2 values, expected one for each of 1 parameter"),
    (lambda: optim.OneCycleLR(optim.Muon([p(2, 2)]), 0.1, 10, anneal_strategy="a"), ValueError, "must be one of 'cos', 'linear'"),
    (lambda: optim.LambdaLR(optim.SGD([p()]), [abs, abs]), ValueError, "LambdaLR: 2 functions for 1 parameter groups"),
    (lambda: optim.ConstantLR(optim.SGD([p()]), 2), ValueError, "ConstantLR: factor must be between 0 and 1, got 2"),
    (lambda: optim.LinearLR(optim.SGD([p()]), 0), ValueError, "start_factor must be greater than 0 and at most 1, got 0"),
    (lambda: optim.MultiStepLR(optim.SGD([p()]), 3), TypeError, "MultiStepLR: milestones must be a list of steps, got int"),
    (lambda: optim.SequentialLR(optim.SGD([p()]), [], []), ValueError, "schedulers must be a list of at least one schedule, got []"),
    (lambda: optim.ChainedScheduler([optim.StepLR(optim.SGD([p()]), 3), optim.StepLR(optim.SGD([p()]), 3)]), ValueError,
     "all schedules must be of the same optimizer"),
    (lambda: optim.ReduceLROnPlateau(optim.SGD([p()]), factor=1), ValueError, "factor must be less than 1, got 1"),
    (lambda: optim.ReduceLROnPlateau(optim.SGD([p()])).step("a"), TypeError, "metrics must be a number, got 'a'"),
    (lambda: optim.LinearWarmupCosine(optim.SGD([p()]), 10, 20), ValueError,
     "warmup_steps = 20 is more than total_steps = 10"),
    # clipping and averages
    (lambda: nn.utils.clip_grad_norm_(nn.Linear(2, 2), 1.0), TypeError, "parameters must be a Tensor or an iterable of Tensors, got Linear"),
    (lambda: nn.utils.clip_grad_norm_(nn.Linear(2, 2).named_parameters(), 1.0), TypeError, "use parameters() instead of named_parameters()"),
    (lambda: nn.utils.clip_grad_norm_(p(), -1), ValueError, "clip_grad_norm_: max_norm must be at least 0, got -1"),
    (lambda: nn.utils.get_total_norm([x(2) / 0], error_if_nonfinite=True), RuntimeError, "the norm of order 2.0 is inf"),
    (lambda: nn.utils.clip_grad_value_(p(), -1), ValueError, "clip_grad_value_: clip_value must be at least 0, got -1"),
    (lambda: nn.utils.parameters_to_vector([]), ValueError, "got no parameters"),
    (lambda: nn.utils.vector_to_parameters(x(3), [p()]), ValueError, "vec has shape (3,), expected (2,): the parameters hold 2 numbers"),
    (lambda: optim.swa_utils.AveragedModel(p()), TypeError, "AveragedModel: model must be a Module, got Parameter"),
    (lambda: optim.swa_utils.AveragedModel(nn.Linear(2, 2), avg_fn=abs, multi_avg_fn=abs), ValueError, "give avg_fn or multi_avg_fn, not both"),
    (lambda: optim.swa_utils.AveragedModel(nn.Linear(2, 2)).update_parameters(nn.Linear(2, 3)), ValueError, "differs from the one that is averaged in bias, weight"),
    (lambda: optim.swa_utils.get_ema_avg_fn(2), ValueError, "decay must be between 0 and 1, got 2"),
    (lambda: optim.swa_utils.update_bn(nn.Linear(2, 2), []), TypeError, "the order is update_bn(loader, model)"),
    # the loader
    (lambda: DataLoader([1, 2, 3]), TypeError,
     "expected a data set with .images and .labels, or the pair (images, labels), got list"),
    (lambda: DataLoader((x(4, 1, 6, 6), i(4))), TypeError,
     "DataLoader: images must be an array, got Tensor; use .numpy()"),
    (lambda: DataLoader((pixels()[0], [1, 2, 3, 4])), TypeError, "labels must be an array, got list; use np.asarray"),
    (lambda: DataLoader((pixels()[0], np.zeros(3, int))), ValueError,
     "images have shape (4, 1, 6, 6) and labels (3,), expected (N, C, H, W) and (N,)"),
    (lambda: DataLoader((pixels()[0], np.zeros(4))), TypeError,
     "labels must be integers, got float64; use labels.astype(np.int64)"),
    (lambda: DataLoader(pixels(), batch_size=0), ValueError,
     "batch_size 0, num_workers 1, prefetch_factor 2; expected at least 1, 0 and 1"),
    (lambda: DataLoader(pixels(), batch_size=2.5), TypeError, "DataLoader: batch_size must be an int, got 2.5"),
    (lambda: DataLoader(pixels(), seed=-1), ValueError, "seed is -1, expected 0 to 2**64 - 1"),
    (lambda: DataLoader(pixels(), transform=3), TypeError, "DataLoader: transform must be a function, got int"),
    (lambda: DataLoader(pixels()).load_state_dict({}), ValueError, "expected a state as state_dict() gives it, got {}"),
]


@pytest.mark.parametrize("n", range(len(CASES)))
def test_answers(n):
    expect(*CASES[n])


LAYERS = {  # right arguments and a right input
    nn.Linear: ((8, 3), x(2, 8)), nn.Conv2d: ((8, 4, 3), IMAGE), nn.Conv1d: ((8, 4, 3), x(2, 8, 5)), nn.BatchNorm1d: ((8,), x(2, 8)),
    nn.BatchNorm2d: ((8,), IMAGE), nn.LayerNorm: ((6,), IMAGE), nn.GroupNorm: ((2, 8), IMAGE), nn.MaxPool2d: ((2,), IMAGE),
    nn.ConvTranspose2d: ((8, 4, 3), IMAGE), nn.ConvTranspose1d: ((8, 4, 3), x(2, 8, 5)), nn.BatchNorm3d: ((8,), x(2, 8, 2, 2, 2)),
    nn.InstanceNorm1d: ((8,), x(2, 8, 5)), nn.InstanceNorm2d: ((8,), IMAGE), nn.AdaptiveMaxPool2d: ((2,), IMAGE), nn.Dropout1d: ((0.5,), x(2, 3)),
    nn.Dropout2d: ((0.5,), IMAGE), nn.Unflatten: ((1, (2, 4)), IMAGE), nn.Identity: ((), IMAGE),
    **{cls: ((2,), x(2, 8, 5)) for cls in (nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d)},
    nn.AvgPool2d: ((2,), IMAGE), nn.AdaptiveAvgPool2d: ((2,), IMAGE), nn.Dropout: ((0.5,), IMAGE), nn.Embedding: ((4, 3), i(2)),
    nn.ConstantPad2d: ((1, 0.5), IMAGE), nn.ZeroPad2d: ((1,), IMAGE), nn.ReflectionPad2d: ((1,), IMAGE), nn.CircularPad3d: ((1,), IMAGE),
    nn.Upsample: ((3,), IMAGE), nn.UpsamplingBilinear2d: ((3,), IMAGE), nn.Unfold: ((2,), IMAGE), nn.Fold: ((5, 2), x(1, 8, 16)),
    nn.ConvNormAct: ((8, 4), IMAGE), nn.Flatten: ((1,), IMAGE), nn.Softmax: ((1,), IMAGE), nn.LogSoftmax: ((1,), IMAGE), nn.LeakyReLU: ((0.1,), IMAGE),
    nn.ReLU: ((), IMAGE), nn.GELU: ((), IMAGE), nn.SiLU: ((), IMAGE), nn.Sigmoid: ((), IMAGE), nn.Tanh: ((), IMAGE), nn.Softplus: ((), IMAGE),
    nn.ELU: ((), IMAGE), nn.Sequential: ((nn.ReLU(),), IMAGE), nn.ModuleList: (([nn.ReLU()],), IMAGE), nn.MultiheadAttention: ((8, 2), (TOKENS,) * 3),
    nn.CrossEntropyLoss: ((), (x(2, 3), i(2))), nn.NLLLoss: ((), (x(2, 3), i(2))), nn.MSELoss: ((), (x(2), x(2))), nn.L1Loss: ((), (x(2), x(2))),
    attention.SqueezeExcitation: ((8,), IMAGE), attention.EfficientChannelAttention: ((8,), IMAGE), attention.CBAM: ((8,), IMAGE),
    attention.SelfAttention2d: ((8,), IMAGE), attention.AttentionPool: ((8,), IMAGE),
    **{gate: ((8,), IMAGE) for gate in (attention.SpatialAttention, attention.BAM, attention.CoordinateAttention, attention.TripletAttention,
                                        attention.SimAM, attention.SelectiveKernel, attention.GlobalContext, attention.NonLocal2d,
                                        attention.DotProductNonLocal2d)},
    **{gate: ((8, (6, 6)), IMAGE) for gate in (attention.RelativeSelfAttention2d, attention.BottleneckTransformer)},
    attention.AdditiveAttention: ((8, 8, 3), (TOKENS,) * 3), attention.QueryDecoderBlock: ((8, 2), (TOKENS, TOKENS, TOKENS, TOKENS)),
    attention.QueryDecoder: ((8, 3, 2), IMAGE), attention.SinePositions1d: ((8,), TOKENS), attention.SinePositions2d: ((8,), IMAGE),
    attention.LearnedPositions1d: ((8, 4), TOKENS), attention.LearnedPositions2d: ((8, 9), IMAGE),
    attention.GlobalQueryPool: ((8, 8, "dot"), (IMAGE, x(2, 8))), attention.GlobalQueryAttention: (([8, 8], 8), ([IMAGE, IMAGE], x(2, 8))),
    attention.WeightedFusion: ((2,), (IMAGE, IMAGE)), attention.LevelGate: ((8, 2), (IMAGE, IMAGE)), attention.FeaturePyramid: (([8, 8], 4), (IMAGE, IMAGE)),
    attention.MultiScaleChannelAttention: ((8,), IMAGE), attention.AttentionalFeatureFusion: ((8,), (IMAGE, IMAGE)),
    attention.IterativeFeatureFusion: ((8,), (IMAGE, IMAGE)), attention.SpatialTransformer: ((8,), IMAGE),
    nn.RNN: ((8, 3), (TOKENS, x(1, 2, 3), ta.tensor([3, 1]))), nn.GRU: ((8, 3), (TOKENS, x(1, 2, 3), ta.tensor([3, 1]))),
    nn.LSTM: ((8, 3), (TOKENS, (x(1, 2, 3), x(1, 2, 3)), ta.tensor([3, 1]))), nn.RNNCell: ((8, 3), (x(2, 8), x(2, 3))),
    nn.GRUCell: ((8, 3), (x(2, 8), x(2, 3))), nn.LSTMCell: ((8, 3), (x(2, 8), (x(2, 3), x(2, 3)))),
}


def variations(cls, args, inputs):
    """(what was changed, arguments, options, inputs), one thing at a time."""
    parameters = list(inspect.signature(cls).parameters.values())
    for place, (what, value) in itertools.product(range(len(args)), ANY.items()):
        yield f"argument {place} is {what}", [*args[:place], value, *args[place + 1:]], {}, inputs
    for parameter, (what, value) in itertools.product(parameters[len(args):], ANY.items()):
        flag = isinstance(parameter.default, bool)  # of these Python asks the truth
        if parameter.kind == parameter.POSITIONAL_OR_KEYWORD and not (flag and isinstance(value, (np.ndarray, ta.Tensor))):
            yield f"{parameter.name} is {what}", args, {parameter.name: value}, inputs
    for place, (what, value) in itertools.product(range(len(inputs)), ANY.items()):
        yield f"input {place} is {what}", args, {}, [*inputs[:place], value, *inputs[place + 1:]]


@pytest.mark.parametrize("cls", LAYERS, ids=lambda cls: cls.__name__)
def test_any_value_anywhere(cls):
    args, inputs = LAYERS[cls]
    bare = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for what, given, options, fed in variations(cls, args, inputs if isinstance(inputs, tuple) else (inputs,)):
            try:
                cls(*given, **options)(*fed)
            except Exception as error:
                if not is_ours(error):
                    bare.append(f"{what}: {type(error).__name__}: {str(error)[:90]}")
    assert not bare, f"{len(bare)} bare errors, such as\n" + "\n".join(bare[:12])


def test_a_layer_that_failed_is_as_before():
    norm = nn.BatchNorm2d(3)
    for wrong in (x(2, 4, 3, 3), x(1, 3, 1, 1), x(2, 3)):
        with pytest.raises(ValueError):
            norm(wrong)
    assert norm.num_batches_tracked.item() == 0 and not norm.running_mean.data.any()
    assert F.relu(norm(x(2, 3, 2, 2))).shape == (2, 3, 2, 2) and norm.num_batches_tracked.item() == 1
