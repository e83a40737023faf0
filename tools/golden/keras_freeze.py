"""The freeze bug as each Keras has it: what the person is told, what the optimizer gets, what moves.

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
model.compile(optimizer=keras.optimizers.RMSprop(2e-5), loss="binary_crossentropy")
start = [tensor.copy() for tensor in base.get_weights()]
random = np.random.RandomState(0)
model.train_on_batch(random.uniform(size=(4, 48, 48, 3)), np.array([0, 1, 0, 1]).reshape(4, 1))
if VERSION.startswith("2"):
    inner = getattr(model, "model", model)
    collected = len(inner._collected_trainable_weights)
else:
    # Two of the optimizer's variables are its count of steps and its learning rate.
    collected = len(model.optimizer.variables) - 2
moved = sum((a != b).any() for a, b in zip(start, base.get_weights()))

rows = {}
if os.path.exists(FILE):
    with open(FILE) as file:
        rows = {row["profile"]: row for row in csv.DictReader(file)}
rows[PROFILE] = {"profile": PROFILE, "printed_before": before, "printed_after": after, "collected": collected, "moved_of_26": moved}
with open(FILE, "w") as file:
    writer = csv.DictWriter(file, ["profile", "printed_before", "printed_after", "collected", "moved_of_26"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[name] for name in sorted(rows))
print(rows[PROFILE])
