"""Forward and backward passes of whole convolutional bases as PyTorch computes them.

The weights are too many to commit, so both sides make them from the same integer hash: element i of tensor number t is
(((i + 1) * 2654435761 + t * 40503) mod 2^32) / 2^32 - 1/2, times sqrt(24 / fan_in) for kernels and 0.1 for biases, where i counts in
PyTorch's order (OIHW). The input is the same hash with t = 1000 in NHWC order, times 2.
"""

import numpy as np
import torch

from fixtures import hashed
import torch.nn.functional as F
from safetensors.torch import save_file

torch.set_num_threads(2)


class Weights:
    def __init__(self):
        self.tensors = {}

    def conv(self, name, x, channels_out, kernel, **options):
        shape = (channels_out, x.shape[1], kernel, kernel)
        number = len(self.tensors)
        fan_in = shape[1] * kernel * kernel
        w = torch.tensor(hashed(int(np.prod(shape)), number).reshape(shape) * np.sqrt(24 / fan_in), dtype=torch.float32).double()
        b = torch.tensor(hashed(channels_out, number + 1) * 0.1, dtype=torch.float32).double()
        self.tensors[f"{name}.weight"] = w.requires_grad_()
        self.tensors[f"{name}.bias"] = b.requires_grad_()
        return F.relu(F.conv2d(x, w, b, **options))


def squeezenet(weights, x):
    pool = lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True)

    def fire(name, x, squeeze, expand):
        s = weights.conv(f"{name}.squeeze", x, squeeze, 1)
        return torch.cat([weights.conv(f"{name}.expand1x1", s, expand, 1), weights.conv(f"{name}.expand3x3", s, expand, 3, padding=1)], 1)

    x = pool(weights.conv("features.0", x, 96, 7, stride=2))
    x = fire("features.5", fire("features.4", fire("features.3", x, 16, 64), 16, 64), 32, 128)
    x = pool(x)
    x = fire("features.7", x, 32, 128)
    x = fire("features.8", x, 48, 192)
    x = fire("features.9", x, 48, 192)
    x = fire("features.10", x, 64, 256)
    x = pool(x)
    return F.max_pool2d(fire("features.12", x, 64, 256), 2, 2)


def vgg16(weights, x):
    index = 0
    for layers, channels in [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)]:
        for _ in range(layers):
            x = weights.conv(f"features.{index}", x, channels, 3, padding=1)
            index += 2
        x = F.max_pool2d(x, 2, 2)
        index += 1
    return x


fixtures = {}
for name, base, size in [("squeezenet1_0", squeezenet, 64), ("vgg16", vgg16, 32)]:
    weights = Weights()
    x = torch.tensor(hashed(2 * size * size * 3, 1000).reshape(2, size, size, 3) * 2, dtype=torch.float32).double()
    y = base(weights, x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    y.square().mean().backward()
    fixtures[f"{name}.output"] = y.detach().float().contiguous()
    for tensor, value in weights.tensors.items():
        gradient = value.grad
        fixtures[f"{name}.gradient_norm.{tensor}"] = gradient.norm().float().reshape(1)
        fixtures[f"{name}.gradient_head.{tensor}"] = gradient.flatten()[:8].float().clone()
save_file(fixtures, "crates/model/tests/fixtures/bases.safetensors")
