"""Depthwise and grouped convolutions, padding as TensorFlow's, batch normalisation, activations and pools as PyTorch computes them in float64, in thaw's
layout (NHWC activations, HWIO kernels). TensorFlow's padding is put around by hand: ⌈n / s⌉ outputs, the odd zero at the end.

    python3 tools/golden/normalized_layers.py    # torch
"""

import numpy as np
import torch
import torch.nn.functional as F

import fixtures

torch.manual_seed(20181104)
torch.set_num_threads(1)
written = {}
ACTIVATIONS = {"linear": lambda x: x, "relu": F.relu, "relu6": F.relu6, "silu": F.silu}


def keep(name, **tensors):
    for key, tensor in tensors.items():
        written[f"{name}.{key}"] = tensor.detach().float().contiguous().numpy()


def nhwc(tensor):
    return tensor.permute(0, 2, 3, 1)


def random(*shape, scale=1.0):
    return (torch.randn(*shape) * scale).double().requires_grad_()


def convolution(name, height, width, inputs, outputs, kernel, stride, padding, groups, activation):
    x, w, b = random(2, inputs, height, width), random(outputs, inputs // groups, kernel, kernel, scale=0.5), random(outputs)
    if padding == "same":
        around = []
        for length in (width, height):
            total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
            around += [total // 2, total - total // 2]
        padded, padding = F.pad(x, around), 0
    else:
        padded = x
    y = ACTIVATIONS[activation](F.conv2d(padded, w, b, stride=stride, padding=padding, groups=groups))
    dy = torch.randn_like(y).float().double()
    y.backward(dy)
    hwio = (2, 3, 1, 0)
    keep(name, x=nhwc(x), w=w.permute(hwio), b=b, y=nhwc(y), dy=nhwc(dy), dx=nhwc(x.grad), dw=w.grad.permute(hwio), db=b.grad)


for name, height, width, inputs, outputs, kernel, stride, padding, groups, activation in [
    ("depthwise3", 9, 11, 32, 32, 3, 1, 1, 32, "relu6"),
    ("depthwise3_stride2", 9, 10, 32, 32, 3, 2, 1, 32, "relu6"),
    ("depthwise3_same", 10, 9, 24, 24, 3, 2, "same", 24, "relu"),
    ("depthwise5", 8, 13, 16, 16, 5, 1, 2, 16, "relu6"),
    ("depthwise5_stride2_same", 12, 11, 40, 40, 5, 2, "same", 40, "linear"),
    ("depthwise5_small", 3, 2, 16, 16, 5, 1, 2, 16, "linear"),
    ("depthwise7", 9, 9, 5, 5, 7, 1, 3, 5, "relu"),
    ("groups", 7, 6, 8, 12, 3, 1, 1, 4, "relu"),
    ("groups_stride2", 8, 7, 16, 32, 3, 2, 1, 2, "relu6"),
    ("conv3x3_same", 10, 11, 3, 16, 3, 2, "same", 1, "relu6"),
    ("conv1x1_stride2", 9, 8, 16, 24, 1, 2, 0, 1, "linear"),
    ("conv3x3_relu6", 9, 7, 16, 32, 3, 1, 1, 1, "relu6"),
    ("conv7x7_padded", 20, 21, 3, 16, 7, 2, 3, 1, "relu"),
]:
    convolution(name, height, width, inputs, outputs, kernel, stride, padding, groups, activation)

# Its gradient cannot be told from its output.
convolution("silu", 5, 5, 6, 8, 3, 1, 1, 1, "silu")

for activation, function in ACTIVATIONS.items():
    x = (random(3, 10, 7, 5, scale=2.0) + 40 * torch.arange(10).reshape(1, 10, 1, 1)).detach().float().double().requires_grad_()
    gamma, beta = random(10, scale=2.0), random(10, scale=2.0)
    y = function(F.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-3))
    dy = torch.randn_like(y).float().double()
    y.backward(dy)
    dims = (0, 2, 3)
    keep(f"norm_{activation}", x=nhwc(x), gamma=gamma, beta=beta, y=nhwc(y), dy=nhwc(dy), dx=nhwc(x.grad), dgamma=gamma.grad, dbeta=beta.grad,
         mean=x.mean(dims), variance=x.var(dims, unbiased=False))

for name, pool in {
    "max3_padded": lambda x: F.max_pool2d(x, 3, 2, padding=1),
    "max3_padded_ceil": lambda x: F.max_pool2d(x, 3, 2, padding=1, ceil_mode=True),
    "average2": lambda x: F.avg_pool2d(x, 2, 2),
    "average3_padded": lambda x: F.avg_pool2d(x, 3, 2, padding=1, count_include_pad=False),
}.items():
    for height, width in [(8, 9), (7, 12)]:
        x = random(2, 5, height, width)
        y = pool(x)
        dy = torch.randn_like(y).float().double()
        y.backward(dy)
        keep(f"{name}_{height}x{width}", x=nhwc(x), y=nhwc(y), dy=nhwc(dy), dx=nhwc(x.grad))

fixtures.write("crates/conv/tests/fixtures/normalized_layers.safetensors", written)
