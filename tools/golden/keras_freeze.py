"""The freeze bug as each Keras has it: what the person is told, what the optimizer gets, what moves. Then fine-tuning, with a flag on each layer.

Run it with keras 2.0.8, 2.1.3, 2.2.4 and 3; each replaces its line in crates/model/tests/fixtures/keras_freeze.csv.
"""

import csv
import os

import numpy as np
import keras
from keras import layers, models
from keras.applications import VGG16

VERSION = keras.__version__
PROFILE = {"2.0.8": "keras-2.0.8", "2.1.3": "keras-2.1.3", "2.2.4": "keras-2.2"}.get(VERSION, "keras-3" if VERSION.startswith("3.") else None)
assert PROFILE, VERSION
FILE = "crates/model/tests/fixtures/keras_freeze.csv"

base = VGG16(weights=None, include_top=False, input_shape=(48, 48, 3))
model = models.Sequential()
model.add(base)
model.add(layers.Flatten())
model.add(layers.Dense(256, activation="relu"))
model.add(layers.Dense(1, activation="sigmoid"))
if VERSION.startswith("3."):
    model.build((None, 48, 48, 3))
before = len(model.trainable_weights)
base.trainable = False
after = len(model.trainable_weights)
random = np.random.RandomState(0)


def train(learning_rate):
    """A step: tensors that the optimizer got, and tensors of the base that moved."""
    model.compile(optimizer=keras.optimizers.RMSprop(learning_rate), loss="binary_crossentropy")
    # `get_weights` lists what is trained first, so its order changes with the flags.
    tensors = [tensor for layer in base.layers for tensor in layer.get_weights()]
    start = [tensor.copy() for tensor in tensors]
    model.train_on_batch(random.uniform(size=(4, 48, 48, 3)), np.array([0, 1, 0, 1]).reshape(4, 1))
    if VERSION.startswith("2"):
        inner = getattr(model, "model", model)
        collected = len(inner._collected_trainable_weights)
    else:
        # Two of the optimizer's variables are its count of steps and its learning rate.
        collected = len(model.optimizer.variables) - 2
    end = [tensor for layer in base.layers for tensor in layer.get_weights()]
    return collected, sum((a != b).any() for a, b in zip(start, end))


collected, moved = train(2e-5)
# The section's third procedure.
base.trainable = True
tuned = False
for layer in base.layers:
    tuned = tuned or layer.name == "block5_conv1"
    layer.trainable = tuned
tuned_collected, tuned_moved = train(1e-5)

rows = {}
if os.path.exists(FILE):
    with open(FILE) as file:
        rows = {row["profile"]: row for row in csv.DictReader(file)}
COLUMNS = ["profile", "printed_before", "printed_after", "collected", "moved_of_26", "tuned_collected", "tuned_moved_of_26"]
rows[PROFILE] = dict(zip(COLUMNS, [PROFILE, before, after, collected, moved, tuned_collected, tuned_moved]))
with open(FILE, "w") as file:
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[name] for name in sorted(rows))
print(rows[PROFILE])
