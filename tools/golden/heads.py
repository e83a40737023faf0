"""The forms of the head and their gradients, by PyTorch. Writes `crates/model/tests/fixtures/heads.json`.

Activations, weights and masks come from a formula that the test repeats. README.md has the environment.
"""

import itertools
import json
from pathlib import Path

import torch

import fixtures

BATCH, HEIGHT, WIDTH, CHANNELS = 4, 2, 3, 5
LABELS = [0.0, 1.0, 1.0, 0.0]


def formula(salt, shape, bound):
    return torch.from_numpy(fixtures.formula(salt, shape, bound))



written = {}
for pooling, units in itertools.product(["flatten", "average"], [0, 6]):
    activations = formula(1, (BATCH, HEIGHT, WIDTH, CHANNELS), 1.0).requires_grad_()
    features = activations.flatten(1) if pooling == "flatten" else activations.mean(dim=(1, 2))
    variables = []
    if units:
        variables += [formula(2, (features.shape[1], units), 0.5).requires_grad_(), formula(3, (units,), 0.5).requires_grad_()]
        features = torch.relu(features @ variables[0] + variables[1])
    # Every third unit is dropped.
    mask = torch.tensor([0.0 if place % 3 == 0 else 1.5 for place in range(BATCH * features.shape[1])]).reshape(BATCH, -1)
    features = features * mask
    variables += [formula(4, (features.shape[1], 1), 0.5).requires_grad_(), formula(5, (1,), 0.5).requires_grad_()]
    logits = features @ variables[-2] + variables[-1]
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], torch.tensor(LABELS))
    loss.backward()
    gradients = [tensor.grad.flatten().tolist() for tensor in variables + [activations]]
    written[f"{pooling} {units}"] = {"loss": loss.item(), "gradients": gradients}

path = Path(__file__).parents[2] / "crates/model/tests/fixtures/heads.json"
path.write_text(json.dumps(written))
