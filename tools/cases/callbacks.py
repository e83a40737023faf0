"""The callbacks of docs/audit.md, run with the real packages: an honest training passes, one whose frozen base moves fails.

    THAW=target/release/thaw python tools/cases/callbacks.py    # Keras 2.0.8, 2.1.3 or 2.2.4, Keras 3, or PyTorch

Prints a line for each training; ends with 1 where the audit says something else than expected.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile

import numpy as np

THAW = os.path.abspath(os.environ.get("THAW", "target/release/thaw"))
images = np.random.RandomState(0).uniform(size=(40, 8, 8, 3)).astype("float32")
labels = np.random.RandomState(1).randint(0, 2, size=(40, 1)).astype("float32")
wrong = []


def thaw(*arguments):
    return subprocess.call([THAW] + list(arguments), stdout=open(os.devnull, "w"))


def expect(name, code, expected):
    print("%s: thaw audit ended with %d" % (name, code))
    if code != expected:
        wrong.append(name)


def by_keras():
    import keras
    from keras import layers, models

    # docs/audit.md: Keras
    class Audit(keras.callbacks.Callback):
        """Compares what the training was given with what it leaves."""

        def on_train_begin(self, logs=None):
            self.model.save_weights("before.weights.h5")

        def on_train_end(self, logs=None):
            self.model.save_weights("after.weights.h5")
            self.code = thaw("audit", "before.weights.h5", "after.weights.h5", "--frozen", self.frozen)
    # docs/audit.md: end

    def train(freeze, frozen):
        base = models.Sequential([layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 3), name="block1_conv1")], name="conv_base")
        model = models.Sequential([base, layers.Flatten(), layers.Dense(1, activation="sigmoid", name="dense")])
        freeze(base)
        model.compile(optimizer="rmsprop", loss="binary_crossentropy")
        audit = Audit()
        audit.frozen = frozen
        model.fit(images, labels, batch_size=20, epochs=1, verbose=0, callbacks=[audit])
        return audit.code

    def by_line(base):
        base.trainable = False

    def by_layer(base):
        for layer in base.layers:
            layer.trainable = False

    version = keras.__version__
    is_3 = version.startswith("3.")
    frozen = "layers/sequential/*" if is_3 else "conv_base/*"
    # What the book's line froze: nothing, before Keras 2.1.0.
    expect("Keras %s, `conv_base.trainable = False`" % version, train(by_line, frozen), 1 if version == "2.0.8" else 0)
    expect("Keras %s, the flag on each layer" % version, train(by_layer, frozen), 0)


def by_pytorch():
    import torch
    from torch import nn

    # docs/audit.md: PyTorch
    def audited(model, train, frozen):
        """Compares what `train` was given with what it leaves."""
        torch.save(model.state_dict(), "before.pth")
        train(model)
        torch.save(model.state_dict(), "after.pth")
        return thaw("audit", "before.pth", "after.pth", "--frozen", frozen)
    # docs/audit.md: end

    def train(evaluates):
        def run(model):
            model.train()
            if evaluates:
                model.base.eval()
            optimizer = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], 1e-2)
            outputs = model(torch.from_numpy(images).permute(0, 3, 1, 2))
            nn.functional.binary_cross_entropy_with_logits(outputs, torch.from_numpy(labels)).backward()
            optimizer.step()
        return run

    for name, evaluates, expected in [("`requires_grad = False` alone", False, 1), ("`requires_grad = False` and `base.eval()`", True, 0)]:
        torch.manual_seed(0)
        model = nn.Sequential()
        model.base = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        model.flatten = nn.Flatten()
        model.head = nn.Linear(4 * 36, 1)
        model.base.requires_grad_(False)
        expect("PyTorch %s, %s" % (torch.__version__, name), audited(model, train(evaluates), "base.*"), expected)


os.chdir(tempfile.mkdtemp())
if importlib.util.find_spec("keras"):
    by_keras()
else:
    by_pytorch()
sys.exit(1 if wrong else 0)
