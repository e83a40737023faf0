"""Checkpoints as people save them with PyTorch: pairs before and after a training that moved every tensor, for the tests of `thaw audit`.

    python tools/cases/checkpoints.py    # torch; writes crates/cli/tests/checkpoints/
"""

import warnings

import torch
from torch.nn import Conv2d, Linear, Module, Parameter, ReLU, Sequential

warnings.simplefilter("ignore")
torch.manual_seed(0)
net = Module()
net.features = Sequential(Conv2d(3, 4, 3), ReLU(), Conv2d(4, 6, 3))
net.classifier = Linear(6, 2)
before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
after = {name: tensor + 1 for name, tensor in before.items()}
OPTIMIZER = {"state": {number: {"exp_avg": torch.zeros(2)} for number in range(9)}, "param_groups": [{"lr": 1e-3}]}
bias, kernel = "features.0.bias", "features.0.weight"

CASES = {
    # The ImageNet example of PyTorch.
    "imagenet": lambda state: {"epoch": 1, "state_dict": state, "best_acc1": torch.tensor(51.2), "optimizer": OPTIMIZER},
    # Lightning's ModelCheckpoint.
    "lightning": lambda state: {"epoch": 1, "state_dict": {"model." + name: tensor for name, tensor in state.items()}, "optimizer_states": [OPTIMIZER]},
    # More tensors of the optimizer than of the model.
    "deep": lambda state: {"model": {"state_dict": state}, "optimizer": {**OPTIMIZER, **{f"mean{number}": torch.zeros(1) for number in range(30)}}},
    # Numbers that are no floats of 16 to 64 bits.
    "kinds": lambda state: {**state, "features.mask": state[bias] > 1, "features.int8": (state[bias] * 10).to(torch.int8),
                            "features.uint16": (state[bias] * 10 + 100).to(torch.uint16), "features.float8": state[bias].to(torch.float8_e4m3fn)},
    # What is listed and cannot be read.
    "quantised": lambda state: {**state, "features.quantised": torch.quantize_per_tensor(state[kernel], 0.1, 0, torch.qint8)},
    "sparse": lambda state: {**state, "features.sparse": state["classifier.weight"].to_sparse()},
    # Tensors that are parts of larger ones, in another order.
    "views": lambda state: {name: tensor.transpose(0, -1)[..., 1:] if tensor.dim() == 4 else tensor for name, tensor in state.items()},
    "parameters": lambda state: {name: Parameter(tensor) for name, tensor in state.items()},
    # Two models of one kind.
    "two": lambda state: {"model": state, "ema": {name: tensor / 2 for name, tensor in state.items()}},
}
for name, dress in CASES.items():
    for side, state in [("before", before), ("after", after)]:
        torch.save(dress(state), f"crates/cli/tests/checkpoints/{name}-{side}.pth")
