"""Twenty steps of each optimizer by whichever library runs this script: Keras 2.0.8, 2.1.3, 2.2.4 or 3, or PyTorch.

Each writes `crates/model/tests/fixtures/optimizers-<profile>.json`: for each case the settings that thaw needs for the same, and all numbers of two
weights tensors after every step. Gradients come from a formula that the test repeats; the learning rate falls to a tenth after ten steps, which
tells apart momentum that accumulates steps from momentum that accumulates gradients. README.md has the environments; Keras 3 runs with
KERAS_BACKEND=numpy.
"""

import json
import os

import numpy as np

import fixtures

SHAPES = [(3, 4), (5,)]
STEPS, CHANGE = 20, 10


START = [fixtures.formula(1 + place, shape, 0.8) for place, shape in enumerate(SHAPES)]
# One tensor has small gradients, the other large ones.
GRADIENTS = [[fixtures.formula(100 + 2 * step + place, shape, [0.03, 2.0][place]) for place, shape in enumerate(SHAPES)] for step in range(STEPS)]

try:
    import keras
except ImportError:
    keras = None

# name: (settings of thaw, learning rate, arguments of Keras, optimizer and arguments of PyTorch); nothing where a library has no such thing.
CASES = {
    "sgd": ({"optimizer": "sgd"}, 0.1, ("SGD", {}), ("SGD", {})),
    "momentum": ({"optimizer": "sgd", "momentum": 0.9}, 0.02, ("SGD", {"momentum": 0.9}), ("SGD", {"momentum": 0.9})),
    "nesterov": ({"optimizer": "sgd", "momentum": 0.9, "nesterov": True}, 0.02, ("SGD", {"momentum": 0.9, "nesterov": True}), ("SGD", {"momentum": 0.9, "nesterov": True})),
    "adam": ({"optimizer": "adam"}, 0.01, ("Adam", {}), ("Adam", {})),
    "rmsprop": ({"optimizer": "rmsprop"}, 0.01, ("RMSprop", {}), ("RMSprop", {})),
    "clipped by norm": ({"optimizer": "sgd", "clip_norm": 1.5}, 0.1, ("SGD", {"clipnorm": 1.5}), ("SGD", {"clip_norm": 1.5})),
    "clipped by value": ({"optimizer": "adam", "clip_value": 0.5}, 0.01, ("Adam", {"clipvalue": 0.5}), ("Adam", {"clip_value": 0.5})),
    "sgd with decay": ({"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1}, 0.02, ("SGD", {"momentum": 0.9, "weight_decay": 0.1}), ("SGD", {"momentum": 0.9, "weight_decay": 0.1})),
    "adam with decay": ({"optimizer": "adam", "weight_decay": 0.1}, 0.01, ("Adam", {"weight_decay": 0.1}), ("Adam", {"weight_decay": 0.1})),
    "adamw": ({"optimizer": "adamw", "weight_decay": 0.1}, 0.01, ("AdamW", {"weight_decay": 0.1}), ("AdamW", {"weight_decay": 0.1})),
    # From the sixth step on the second tensor is frozen in PyTorch's old way: its gradient is zeros, not none.
    "frozen with zero gradients": ({"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1}, 0.02, None, ("SGD", {"momentum": 0.9, "weight_decay": 0.1, "frozen": True})),
}


def by_old_keras(name, rate, arguments):
    backend = keras.backend
    weights = [backend.variable(value) for value in START]
    places = [backend.placeholder(shape) for shape in SHAPES]
    loss = sum(backend.sum(weight * place) for weight, place in zip(weights, places))
    optimizer = getattr(keras.optimizers, name)(lr=rate, **arguments)
    if keras.__version__ == "2.0.8":
        updates = optimizer.get_updates(loss, weights)
    else:
        updates = optimizer.get_updates(loss=loss, params=weights)
    step = backend.function(places, [loss], updates)
    for number, gradients in enumerate(GRADIENTS):
        if number == CHANGE:
            backend.set_value(optimizer.lr, rate / 10)
        step(gradients)
        yield [backend.get_value(weight) for weight in weights]


def by_keras(name, rate, arguments):
    weights = [keras.Variable(value) for value in START]
    optimizer = getattr(keras.optimizers, name)(learning_rate=rate, **arguments)
    for number, gradients in enumerate(GRADIENTS):
        if number == CHANGE:
            optimizer.learning_rate = rate / 10
        optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients], weights)
        yield [keras.ops.convert_to_numpy(weight) for weight in weights]


def by_pytorch(name, rate, arguments):
    import torch

    weights = [torch.nn.Parameter(torch.from_numpy(value.copy())) for value in START]
    arguments = dict(arguments)
    norm, value, frozen = (arguments.pop(key, None) for key in ["clip_norm", "clip_value", "frozen"])
    optimizer = getattr(torch.optim, name)(weights, lr=rate, **arguments)
    for number, gradients in enumerate(GRADIENTS):
        if number == CHANGE:
            optimizer.param_groups[0]["lr"] = rate / 10
        optimizer.zero_grad(set_to_none=False)
        if frozen and number >= 5:
            weights[1].requires_grad = False
        live = [place for place in range(2) if weights[place].requires_grad]
        sum((weights[place] * torch.from_numpy(gradients[place])).sum() for place in live).backward()
        if norm:
            torch.nn.utils.clip_grad_norm_(weights, norm)
        if value:
            torch.nn.utils.clip_grad_value_(weights, value)
        optimizer.step()
        yield [weight.detach().numpy().copy() for weight in weights]


if keras is None:
    profile, run, column = "torch", by_pytorch, 3
else:
    version = keras.__version__
    profile = {"2.0.8": "keras-2.0.8", "2.1.3": "keras-2.1.3", "2.2.4": "keras-2.2"}.get(version, "keras-3" if version.startswith("3.") else None)
    assert profile, version
    run, column = (by_keras if profile == "keras-3" else by_old_keras), 2

written = {}
for case, row in CASES.items():
    if row[column] is None:
        continue
    (name, arguments), (settings, rate) = row[column], row[:2]
    if run is by_old_keras and ("weight_decay" in arguments or name == "AdamW"):
        continue
    trajectory = [[[float(number) for number in np.ravel(tensor)] for tensor in weights] for weights in run(name, rate, arguments)]
    written[case] = {"settings": dict(settings, learning_rate=rate), "trajectory": trajectory}

path = os.path.join(os.path.dirname(fixtures.__file__), "..", "..", "crates", "model", "tests", "fixtures", "optimizers-%s.json" % profile)
with open(path, "w") as file:
    json.dump(written, file)
print(profile, ", ".join(written))

# Learning rates of ten epochs, which a test of thaw-spec quotes: warm-up, steps and cosine of PyTorch, plateaus of Keras.
LOSSES = [0.7, 0.6, 0.59995, 0.61, 0.6, 0.55, 0.56, 0.551, 0.55, 0.549]
if keras is None:
    import torch

    scheduler = torch.optim.lr_scheduler
    for name, make in {
        "steps": lambda optimizer: scheduler.StepLR(optimizer, step_size=3, gamma=0.1),
        "cosine": lambda optimizer: scheduler.CosineAnnealingLR(optimizer, T_max=10),
        "warm-up": lambda optimizer: scheduler.LinearLR(optimizer, start_factor=1 / 4, total_iters=3),
    }.items():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule, rates = make(optimizer), []
        for _ in range(10):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        print(name, rates)
elif profile == "keras-3":
    from types import SimpleNamespace

    for patience in [1, 2]:
        model = SimpleNamespace(optimizer=keras.optimizers.SGD(1.0))
        callback, rates = keras.callbacks.ReduceLROnPlateau(factor=0.1, patience=patience, min_delta=1e-4), []
        callback.set_model(model)
        callback.on_train_begin()
        for epoch, loss in enumerate(LOSSES):
            rates.append(float(model.optimizer.learning_rate))
            callback.on_epoch_end(epoch, {"val_loss": loss})
        print("plateau of", patience, rates)
