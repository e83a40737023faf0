"""One small training, logged in every way that its library offers: what `thaw diagnose` has to read.

Run it with keras 2.0.8, 2.1.3, 2.2.4 and 3, and with PyTorch and tensorboard; each writes a folder of crates/exchange/tests/fixtures.
In the folder `history.json` holds the numbers in full; the others must tell the same. (`printed-lines` is a second training.)
"""

import contextlib
import glob
import io
import json
import os
import sys

import numpy as np

FIXTURES = "crates/exchange/tests/fixtures"
EPOCHS = 4

random = np.random.RandomState(7)
images = random.uniform(size=(160, 6)).astype("float32")
labels = (images[:, :3].sum(axis=1) > images[:, 3:].sum(axis=1)).astype("float32").reshape(-1, 1)
train, validation = slice(0, 120), slice(120, 160)


def by_keras():
    import keras
    from keras import callbacks, layers, models

    version = keras.__version__
    profile = {"2.0.8": "keras-2.0.8", "2.1.3": "keras-2.1.3", "2.2.4": "keras-2.2"}.get(version, "keras-3" if version[:2] == "3." else None)
    assert profile, version
    folder = os.path.join(FIXTURES, profile)
    os.makedirs(folder, exist_ok=True)

    def fit(verbose, loggers=()):
        if hasattr(keras.utils, "set_random_seed"):
            keras.utils.set_random_seed(3)
        model = models.Sequential([layers.Dense(8, activation="relu", input_shape=(6,)), layers.Dense(1, activation="sigmoid")])
        model.compile(optimizer=keras.optimizers.RMSprop(0.02), loss="binary_crossentropy", metrics=["acc"])
        model.set_weights(WEIGHTS or model.get_weights())
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            history = model.fit(
                images[train], labels[train], batch_size=20, epochs=EPOCHS, shuffle=False, verbose=verbose,
                validation_data=(images[validation], labels[validation]), callbacks=list(loggers),
            )
        return model, history, printed.getvalue()

    global WEIGHTS
    WEIGHTS = None
    WEIGHTS = fit(0)[0].get_weights()
    for old in glob.glob(os.path.join(folder, "**", "events*"), recursive=True):
        os.remove(old)
    board = callbacks.TensorBoard(os.path.join(folder, "tensorboard"), write_graph=False)
    _, history, printed = fit(1, [callbacks.CSVLogger(os.path.join(folder, "log.csv")), board])
    _, history_of_lines, lines = fit(2)
    for stem, of, text in [("history", history, None), ("printed", None, printed), ("printed-lines", history_of_lines, lines)]:
        if of is not None:
            with open(os.path.join(folder, stem + ".json"), "w") as file:
                json.dump({name: [float(value) for value in values] for name, values in of.history.items()}, file, indent=1)
        if text is not None:
            with io.open(os.path.join(folder, stem + ".txt"), "w", encoding="utf-8", newline="") as file:
                file.write(text)


def by_pytorch():
    import torch
    from torch.utils.tensorboard import SummaryWriter

    folder = os.path.join(FIXTURES, "torch")
    os.makedirs(folder, exist_ok=True)
    for old in glob.glob(os.path.join(folder, "**", "events*"), recursive=True):
        os.remove(old)
    torch.manual_seed(3)
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    optimizer = torch.optim.RMSprop(model.parameters(), 0.02)
    loss_of = torch.nn.BCEWithLogitsLoss()
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    writer = SummaryWriter(os.path.join(folder, "tensorboard"))
    numbers = {}

    def log(name, tag, value, epoch):
        numbers.setdefault(name, []).append(value)
        writer.add_scalar(tag, value, epoch)

    for epoch in range(EPOCHS):
        output = model(x[train])
        loss = loss_of(output, y[train])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            other = model(x[validation])
            log("loss", "Loss/train", loss.item(), epoch)
            log("acc", "Accuracy/train", ((output > 0) == (y[train] > 0.5)).float().mean().item(), epoch)
            log("val_loss", "Loss/validation", loss_of(other, y[validation]).item(), epoch)
            log("val_acc", "Accuracy/validation", ((other > 0) == (y[validation] > 0.5)).float().mean().item(), epoch)
    writer.close()
    with open(os.path.join(folder, "history.json"), "w") as file:
        json.dump(numbers, file, indent=1)


WEIGHTS = None
by_pytorch() if sys.argv[1:] == ["torch"] else by_keras()
