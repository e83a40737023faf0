"""Logs of tiny trainings as real packages write them and as people keep them, for the tests of `read_logs`.

    python tools/cases/logs.py [FOLDER [SECTION ...]]    # writes crates/exchange/tests/cases/

Run it with Keras 2.0.8, with Keras 2.2.4, and then (its notebooks show what other sections printed) with Keras 3, PyTorch, tensorboard, pandas, lightning,
transformers, fastai, timm, nbclient, ipykernel, onnx, h5py and pyarrow; sections whose package is absent are left out. The section `keras_board` alone
wants TensorFlow beside Keras 3. Beside NAME, a file or a folder, `NAME.truth.json` lists its trainings: `epochs` as NAME numbers them (from 1 where it
does not), and the curves, null where an epoch has no value. They come from the package's own history, never from NAME. Accuracies are fractions though
NAME may print percent; printed numbers have at least four digits. What lies in `not-logs` has no truth.
"""

import contextlib
import gzip
import importlib.util
import io
import json
import logging
import os
import pathlib
import pickle
import shutil
import sqlite3
import sys
import tempfile
import time
import traceback
import warnings
import zipfile

import numpy as np

os.environ.update(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="2", HF_HUB_OFFLINE="1", PYTHONWARNINGS="ignore")
warnings.simplefilter("ignore")
if importlib.util.find_spec("jax"):
    os.environ["KERAS_BACKEND"] = "jax"
FOLDER = sys.argv[1] if len(sys.argv) > 1 else "crates/exchange/tests/cases"
METRICS = "acc", "loss", "val_acc", "val_loss"
EPOCHS = 8
BATCH = 20

DATA = """
import numpy as np
random = np.random.RandomState(7)
images = random.uniform(size=(160, 6)).astype("float32")
labels = (images[:, :3].sum(axis=1) > images[:, 3:].sum(axis=1)).astype("float32").reshape(-1, 1)
train, validation = slice(0, 120), slice(120, 160)
"""
exec(DATA)


def training(curves, first=1, epochs=None, name=None, metrics=METRICS, counted=None):
    """One training of a truth. A curve is a list, or a dictionary by epoch that may lack some. `counted` are the epochs that the numbers stand for."""
    epochs = epochs or [first + number for number in range(max(map(len, curves.values())))]
    by_epoch = {metric: curve if isinstance(curve, dict) else dict(zip(epochs, curve)) for metric, curve in curves.items()}
    values = {metric: [by_epoch.get(metric, {}).get(epoch) for epoch in epochs] for metric in metrics}
    numbers = {metric: [None if value is None else float(value) for value in curve] for metric, curve in values.items()}
    return dict({"name": name} if name else {}, epochs=epochs, **({"counted": counted} if counted else {}), **numbers)


def place(name):
    path = os.path.join(FOLDER, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def write(name, content):
    with open(place(name), "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode("utf-8"))


def truth(name, *trainings):
    write(name + ".truth.json", json.dumps(trainings).replace(", \"", ",\n \"") + "\n")


def save(name, content, *trainings):
    write(name, content)
    truth(name, *trainings)


def empty_folder(name):
    shutil.rmtree(place(name), ignore_errors=True)
    os.makedirs(place(name))
    return place(name)


class Terminal(io.StringIO):
    def isatty(self):
        return True


# Keras


def fit(printed=None, model=None, epochs=EPOCHS, verbose=1, loggers=(), **options):
    """Trains and prints; gives the model and its history, also of a training that was interrupted."""
    import keras

    layers = [keras.layers.Dense(8, activation="relu", input_shape=(6,)), keras.layers.Dense(1, activation="sigmoid")]
    model = model or keras.models.Sequential(layers)
    if not getattr(model, "optimizer", None):
        model.compile(keras.optimizers.RMSprop(0.02), "binary_crossentropy", metrics=["acc"])
    history = keras.callbacks.History()
    with contextlib.redirect_stdout(printed or io.StringIO()):
        try:
            model.fit(images[train], labels[train], batch_size=BATCH, epochs=epochs, verbose=verbose, callbacks=[history] + list(loggers),
                      validation_data=(images[validation], labels[validation]), **options)
        except KeyboardInterrupt:
            traceback.print_exc(file=printed, limit=0)
    return model, history


def numbers(history, first=1, **more):
    return training(history.history, epochs=[first + epoch for epoch in history.epoch], **more)


def interruption(epoch):
    import keras

    class Interruption(keras.callbacks.Callback):
        def on_epoch_begin(self, number, logs=None):
            self.now = number == epoch

        def on_batch_end(self, batch, logs=None):
            if self.now and batch == 2:
                raise KeyboardInterrupt

    return Interruption()


def slowness():
    import keras

    return keras.callbacks.LambdaCallback(on_batch_end=lambda batch, logs: time.sleep(0.06))


def overdrawn(text, kept=None):
    """As some notebooks keep it: a line is drawn over longer ones (what was `kept` of each older one), of which the tail remains."""
    lines = []
    for line in text.replace("\b", "").split("\n"):
        *older, last = line.split("\r")
        lines.append(last + "".join(piece[:kept] for piece in older)[len(last):])
    return "\n".join(lines)


def logged(text):
    """Each line, also each that is drawn again, sent through Python's logging."""
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    lines = []
    for number, line in enumerate(text.replace("\b", "").replace("\r", "\n").splitlines()):
        record = logging.LogRecord("keras", logging.INFO, "", 0, line, None, None)
        record.created, record.msecs = 1714557600 + number, 123
        lines.append(formatter.format(record) + "\n")
    return "".join(lines)


def contained(text):
    """As the container runtimes of Kubernetes keep what a container prints (CRI's log format)."""
    return "".join("2024-05-01T12:%02d:%02d.123456789Z stdout F %s\n" % (*divmod(number, 60), line) for number, line in enumerate(text.split("\n")))


def keras_version():
    import keras

    return "3" if keras.__version__.startswith("3.") else keras.__version__


def by_keras():
    import keras

    version = keras_version()
    if version == "3":
        keras.utils.set_random_seed(3)

    def printed(name, *trainings, **how):
        save("printed/%s-%s.txt" % (name, version), how["text"], *trainings)

    out = Terminal()
    _, history = fit(out, loggers=[slowness()])
    text, one = out.getvalue(), numbers(history)
    printed("terminal", one, text=text)
    printed("logging", one, text=logged(text))
    out = io.StringIO()
    _, history = fit(out)
    printed("job", numbers(history), text=out.getvalue())
    printed("kubernetes", numbers(history), text=contained(out.getvalue()))
    out = Terminal()
    _, history = fit(out, verbose=2)
    printed("lines", numbers(history), text=out.getvalue())
    if version == "2.0.8":
        printed("utf-16-be", numbers(history), text=b"\xfe\xff" + out.getvalue().encode("utf-16-be"))
    printed("lines-logging", numbers(history), text=logged(out.getvalue()))

    out = Terminal()
    model, history = fit(out)
    with contextlib.redirect_stdout(out):
        score = model.evaluate(images[train], labels[train], verbose=1)
        print("test loss:", score[0])
        print("test acc:", score[1])
    printed("evaluated", numbers(history), text=out.getvalue())

    # Frozen, then fine-tuned: other totals; the second goes on counting.
    out = Terminal()
    model, first = fit(out, epochs=5)
    _, second = fit(out, model, epochs=8, initial_epoch=5)
    printed("fine-tuned", numbers(first), numbers(second), text=out.getvalue())
    out = Terminal()
    model, first = fit(out, epochs=6)
    _, second = fit(out, model, epochs=6)
    printed("twice", numbers(first), numbers(second), text=out.getvalue())

    # Broken off in epoch 7, begun again with epoch 5.
    out = Terminal()
    model, first = fit(out, loggers=[interruption(6)])
    printed("interrupted", numbers(first), text=out.getvalue())
    _, second = fit(out, model, initial_epoch=4)
    merged = {metric: first.history[metric][:4] + second.history[metric] for metric in METRICS}
    printed("restarted", training(merged), text=out.getvalue())

    if version == "2.0.8":
        printed("tails", one, text=overdrawn(text))
        printed("tails-cut", one, text=overdrawn(text, 65))
        printed("tails-digit", one, text=overdrawn(text, 63))
        printed("utf-16", one, text=text.replace("\n", "\r\n").encode("utf-16"))
        printed("bom-crlf", one, text=text.replace("\n", "\r\n").encode("utf-8-sig"))
        csv_logger(history)
    if version == "3":
        out = Terminal()
        _, history = fit(out, validation_freq=2, loggers=[keras.callbacks.CSVLogger(place("csv/na-keras-3.csv"))])
        halved = dict(history.history, **{metric: dict(zip(range(2, EPOCHS + 1, 2), history.history[metric])) for metric in METRICS[2:]})
        printed("validation-freq", training(halved), text=out.getvalue())
        truth("csv/na-keras-3.csv", dict(training(halved), epochs=list(range(EPOCHS))))
        histories(history=fit()[1])


def keras_board():
    import keras

    name = "board/keras-" + keras_version()
    _, history = fit(loggers=[keras.callbacks.TensorBoard(empty_folder(name), write_graph=False)])
    truth(name, numbers(history, 0))


def csv_logger(history):
    """Keras' CSVLogger, also with `append=True`: the file then has one heading, and two where people joined files."""
    from keras.callbacks import CSVLogger

    path = place("csv/appended.csv")
    model, first = fit(loggers=[CSVLogger(path)])
    alone = open(path).read()
    _, second = fit(loggers=[CSVLogger(path, append=True)])
    truth("csv/appended.csv", numbers(first, 0), numbers(second, 0))
    save("csv/heading-again.csv", alone + alone.split("\n")[0] + "\n" + open(path).read()[len(alone):], numbers(first, 0), numbers(second, 0))
    path = place("csv/resumed.csv")
    model, first = fit(epochs=6, loggers=[CSVLogger(path)])
    _, second = fit(model=model, initial_epoch=4, loggers=[CSVLogger(path, append=True)])
    truth("csv/resumed.csv", training({metric: first.history[metric][:4] + second.history[metric] for metric in METRICS}, 0))
    path = place("csv/separator.csv")
    _, history = fit(loggers=[CSVLogger(path, separator=";")])
    truth("csv/separator.csv", numbers(history, 0))
    save("json/python-3.6.txt", str(history.history) + "\n", numbers(history))


def histories(history):
    """What people do with `history.history`."""
    from pandas import DataFrame

    curves, one, from_0 = history.history, numbers(history), numbers(history, 0)
    table = DataFrame(curves)
    numbered = table.rename_axis("epoch").reset_index()
    save("json/dump.json", json.dumps(curves), one)
    save("json/nan.json", json.dumps(dict(curves, f1=[float("nan")] + curves["acc"][1:], recall=[float("inf")] * EPOCHS)), one)
    other = fit(epochs=6)[1]
    save("json/named.json", json.dumps({"frozen": curves, "thawed": other.history}), dict(one, name="frozen"), numbers(other, name="thawed"))
    save("json/columns.json", table.to_json(), from_0)
    save("json/index.json", table.to_json(orient="index"), from_0)
    save("json/split.json", table.to_json(orient="split"), from_0)
    save("json/records.json", table.to_json(orient="records"), one)
    save("json/records-epoch.json", numbered.to_json(orient="records"), from_0)
    save("json/lines.jsonl", table.to_json(orient="records", lines=True), one)
    save("json/lines-epoch.json", numbered.to_json(orient="records", lines=True), from_0)
    save("json/python.txt", str(curves) + "\n", one)
    save("json/python-nan.txt", str(dict(curves, f1=[float("nan")] * EPOCHS)) + "\n", one)
    save("json/numpy-2.txt", str({name: list(np.array(curve)) for name, curve in curves.items()}) + "\n", one)
    save("csv/dataframe.csv", table.to_csv(), from_0)
    save("csv/european.csv", numbered.to_csv(sep=";", decimal=","), from_0)
    save("csv/tabs.tsv", numbered.to_csv(sep="\t", index=False), from_0)
    save("csv/quoted.csv", numbered.to_csv(index=False, quoting=1), from_0)
    # Validated every other epoch; validated before the training.
    seldom = numbered.copy()
    seldom.loc[::2, ["val_acc", "val_loss"]] = None
    odd = range(1, EPOCHS, 2)
    halved = training(dict(curves, **{metric: {epoch: curves[metric][epoch] for epoch in odd} for metric in METRICS[2:]}), 0)
    save("csv/blank.csv", seldom.to_csv(index=False), halved)
    save("csv/na.csv", seldom.to_csv(index=False, na_rep="NA"), halved)
    save("csv/nan.csv", seldom.to_csv(index=False, na_rep="nan"), halved)
    save("json/null.json", seldom.to_json(orient="records"), halved)
    before = numbered.copy()
    before.loc[0, ["acc", "loss"]] = None
    unmeasured = {metric: dict(list(enumerate(curves[metric]))[1:]) for metric in METRICS[:2]}
    save("csv/before.csv", before.to_csv(index=False), training(dict(curves, **unmeasured), epochs=list(range(EPOCHS)), counted=[None] + list(range(1, EPOCHS))))
    # Seconds since the start, and of each epoch.
    lasting = np.array([21.5, 20.25, 20.5, 20.25, 20.75, 20.5, 20.25, 20.5])
    save("csv/time-since-start.csv", numbered.assign(time=lasting.cumsum()).to_csv(index=False), from_0)
    save("csv/time-of-epoch.csv", numbered.assign(time=lasting).to_csv(index=False), from_0)
    write("not-logs/history.pkl", pickle.dumps(curves))
    write("not-logs/trainHistoryDict", pickle.dumps(curves, protocol=0))
    write("not-logs/log.csv.gz", gzip.compress(table.to_csv().encode(), mtime=0))
    history.model.save(place("not-logs/model.h5"), include_optimizer=False)


# PyTorch, by hand


def network():
    import torch
    from torch.nn import Linear, ReLU, Sequential

    torch.manual_seed(3)
    return Sequential(Linear(6, 8), ReLU(), Linear(8, 2))


def tensors(split):
    import torch

    return torch.from_numpy(images[split]), torch.from_numpy(labels[split, 0].astype("int64"))


def by_hand(epochs=EPOCHS, rate=0.02):
    """A loop such as people write; gives of each epoch the metrics and the batches' losses."""
    import torch

    net = network()
    optimizer = torch.optim.RMSprop(net.parameters(), rate)
    loss_of = torch.nn.CrossEntropyLoss()
    for _ in range(epochs):
        losses, right = [], 0
        for x, y in zip(*(tensor.split(BATCH) for tensor in tensors(train))):
            output = net(x)
            loss = loss_of(output, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            right += (output.argmax(1) == y).sum().item()
        with torch.no_grad():
            x, y = tensors(validation)
            output = net(x)
        metrics = {"acc": right / 120, "loss": float(np.mean(losses)), "val_acc": (output.argmax(1) == y).double().mean().item(), "val_loss": loss_of(output, y).item()}
        yield metrics, losses


def curves_by_hand(**how):
    rows = [metrics for metrics, _ in by_hand(**how)]
    return {metric: [row[metric] for row in rows] for metric in METRICS}


ALL = "train_loss={loss:.4f} train_acc={acc:.4f} val_loss={val_loss:.4f} val_acc={val_acc:.4f}"
# The number of the first epoch, the metrics shown, what stands before, for each epoch, and behind.
PRINTS = {
    # https://pytorch.org/tutorials/beginner/transfer_learning_tutorial.html
    "transfer-learning-tutorial": (
        0, METRICS, "", "Epoch {n}/{last}\n----------\ntrain Loss: {loss:.4f} Acc: {acc:.4f}\nval Loss: {val_loss:.4f} Acc: {val_acc:.4f}\n\n",
        "Training complete in 1m 7s\nBest val Acc: {best:4f}\n"),
    # https://github.com/pytorch/examples/blob/main/imagenet/main.py
    "imagenet": (
        0, ["val_acc"], "=> creating model 'resnet18'\n",
        "Epoch: [{n}][ 1/6]\tTime  2.350 ( 2.350)\tData  1.010 ( 1.010)\tLoss {batch[0]:.4e} ({batch[0]:.4e})\tAcc@1  55.00 ( 55.00)\tAcc@5  90.00 ( 90.00)\n"
        "Epoch: [{n}][ 5/6]\tTime  0.350 ( 0.750)\tData  0.010 ( 0.210)\tLoss {batch[4]:.4e} ({batch[3]:.4e})\tAcc@1  60.00 ( 57.50)\tAcc@5  95.00 ( 92.50)\n"
        "Test: [1/2]\tTime  1.350 ( 1.350)\tLoss {val_loss:.4e} ({val_loss:.4e})\tAcc@1  65.00 ( 65.00)\tAcc@5 100.00 (100.00)\n"
        " * Acc@1 {percent:.3f} Acc@5 91.200\n", ""),
    "training-loss": (1, ["loss", "val_loss"], "", "Epoch: {n} \tTraining Loss: {loss:.6f} \tValidation Loss: {val_loss:.6f}\n",
                      "Validation loss decreased (inf --> 0.542200).  Saving model ...\n"),
    "percent": (1, ["loss", "val_acc"], "", "Epoch [{n}/{total}], Loss: {loss:.4f}, Val Acc: {val_acc:.2%}\n", "Test Acc: 71.50%\n"),
    "equals": (1, METRICS, "Namespace(epochs=8, lr=0.02, val_acc=None)\n", "epoch {n}: " + ALL + "\n", "best val_acc=0.9750 at epoch 7\n"),
    "running-loss": (1, METRICS, "", "[{n},     2] loss: {batch[1]:.3f}\n[{n},     4] loss: {batch[3]:.3f}\n[{n},     6] loss: {batch[5]:.3f}\nEpoch {n} " + ALL + "\n",
                     "Finished Training\nAccuracy of the network on the 10000 test images: 54 %\n"),
    "bars": (1, METRICS, "", "| Epoch: {n:02} | Train Loss: {loss:.4f} | Train Acc: {acc:.2%} | Val. Loss: {val_loss:.4f} | Val. Acc: {val_acc:.2%} |\n", ""),
    "two-lines": (1, METRICS, "Using device: cuda:0\n", "Epoch {n}\n-------------------------------\nTrain loss: {loss:.5f} | Train accuracy: {percent_train:.2f}%\n"
                  "Validation loss: {val_loss:.5f} | Validation accuracy: {percent:.2f}%\n", "Done!\n"),
}


def hand_made():
    from timm.utils import update_summary
    from torch import tensor
    from tqdm import tqdm

    rows = list(by_hand())
    curves = curves_by_hand()
    one = training(curves)
    for name, (first, shown, before, each, after) in PRINTS.items():
        lines = [each.format(n=first + number, last=EPOCHS - 1, total=EPOCHS, batch=losses, percent=100 * row["val_acc"], percent_train=100 * row["acc"], **row)
                 for number, (row, losses) in enumerate(rows)]
        save("hand/%s.txt" % name, before + "".join(lines) + after.format(best=max(curves["val_acc"])), training({metric: curves[metric] for metric in shown}, first))

    bars = io.StringIO()
    for number, (row, losses) in enumerate(rows):
        with tqdm(total=len(losses), desc="Epoch %d/%d" % (number + 1, EPOCHS), file=bars, mininterval=0, ascii=number % 2 == 0) as steps:
            for loss in losses:
                steps.set_postfix(loss="%.4f" % loss)
                steps.update()
            steps.set_postfix({metric: "%.4f" % value for metric, value in row.items()})
    save("hand/tqdm.txt", bars.getvalue(), one)
    save("hand/loguru.log", "".join("2024-05-01 12:%02d:00.123 | INFO     | __main__:train:57 - Epoch %d/8 - " % (number, number + 1) + ALL.format(**row) + "\n"
                                    for number, (row, _) in enumerate(rows)), one)

    save("json/numpy-2-float32.txt", str({metric: [np.float32(value) for value in curve] for metric, curve in curves.items()}) + "\n", one)
    save("json/tensors.txt", str({metric: [tensor(value) if "acc" in metric else value for value in curve] for metric, curve in curves.items()}) + "\n", one)
    # Every epoch a line, as https://github.com/facebookresearch/deit writes its log.txt.
    deit = [{"train_lr": 1e-3, "train_loss": row["loss"], "test_loss": row["val_loss"], "test_acc1": 100 * row["val_acc"], "test_acc5": 100.0, "epoch": epoch, "n_parameters": 74}
            for epoch, (row, _) in enumerate(rows)]
    tested = {"loss": curves["loss"], "test_acc": curves["val_acc"], "test_loss": curves["val_loss"]}
    save("json/deit-log.txt", "".join(json.dumps(line) + "\n" for line in deit), training(tested, 0, metrics=METRICS + ("test_acc", "test_loss")))

    summary = place_anew("csv/timm-summary.csv")
    for epoch, (row, _) in enumerate(rows):
        update_summary(epoch, {"loss": row["loss"]}, {"loss": row["val_loss"], "top1": 100 * row["val_acc"], "top5": 100.0}, summary, lr=0.02, write_header=epoch == 0)
    shown = {metric: curves[metric] for metric in METRICS if metric != "acc"}
    truth("csv/timm-summary.csv", training(shown, 0))
    # Ultralytics' results.csv of a classifier, formerly and now, as BaseTrainer.save_metrics in ultralytics/engine/trainer.py formats it;
    # https://docs.ultralytics.com/tasks/classify/
    names = ["train/loss", "metrics/accuracy_top1", "metrics/accuracy_top5", "val/loss", "lr/pg0"]
    cells = [[row["loss"], row["val_acc"], 1, row["val_loss"], 0.02] for row, _ in rows]
    padded = [",".join("%23s" % name for name in ["epoch"] + names)] + [",".join("%23.5g" % cell for cell in [epoch] + line) for epoch, line in enumerate(cells, 1)]
    save("csv/ultralytics-padded.csv", "\n".join(padded) + "\n", training(shown))
    timed = [",".join(["epoch", "time"] + names)] + [",".join("%.6g" % cell for cell in [epoch, 6.88804 * epoch] + line) for epoch, line in enumerate(cells, 1)]
    save("csv/ultralytics.csv", "\n".join(timed) + "\n", training(shown))


def place_anew(name):
    if os.path.exists(place(name)):
        os.remove(place(name))
    return place(name)


# Frameworks on PyTorch


def by_lightning():
    import lightning
    import torch
    from lightning.pytorch import loggers
    from torch.nn.functional import cross_entropy
    from torch.utils.data import DataLoader, TensorDataset

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(lightning.LightningModule):
        def __init__(self, by_step):
            super().__init__()
            self.net, self.by_step = network(), by_step

        def step(self, batch, split, **how):
            output = self.net(batch[0])
            loss = cross_entropy(output, batch[1])
            self.log_dict({split + "_loss": loss, split + "_acc": (output.argmax(1) == batch[1]).float().mean()}, on_epoch=True, **how)
            return loss

        def training_step(self, batch, _):
            return self.step(batch, "train", on_step=self.by_step)

        def validation_step(self, batch, _):
            self.step(batch, "val")

        def configure_optimizers(self):
            return torch.optim.RMSprop(self.parameters(), 0.02)

    class Numbers(lightning.Callback):
        def __init__(self):
            self.curves, self.steps = {metric: [] for metric in METRICS}, []

        def on_train_epoch_end(self, trainer, _):
            for metric, curve in self.curves.items():
                curve.append(trainer.callback_metrics[metric if "val" in metric else "train_" + metric].item())
            self.steps.append(trainer.global_step - 1)

    def fit(logger, by_step=False, every=1):
        numbers = Numbers()
        trainer = lightning.Trainer(max_epochs=EPOCHS, logger=logger, callbacks=[numbers], accelerator="cpu", log_every_n_steps=2, enable_checkpointing=False,
                                    enable_progress_bar=False, enable_model_summary=False)
        trainer.fit(Module(by_step), *(DataLoader(TensorDataset(*tensors(split)), BATCH) for split in (train, validation)))
        return numbers

    with tempfile.TemporaryDirectory() as desk:
        for name, by_step in [("csv/lightning-metrics.csv", False), ("csv/lightning-metrics-steps.csv", True)]:
            logger = loggers.CSVLogger(desk, version=name[4:])
            numbers = fit(logger, by_step)
            shutil.copy(os.path.join(logger.log_dir, "metrics.csv"), place(name))
            truth(name, training(numbers.curves, 0))
    numbers = fit(loggers.TensorBoardLogger(empty_folder("board/lightning"), name="", version=""))
    truth("board/lightning", training(numbers.curves, epochs=numbers.steps, counted=list(range(1, len(numbers.steps) + 1))))


def by_transformers():
    import torch
    from transformers import Trainer, TrainingArguments

    class Classifier(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = network()

        def forward(self, x, labels):
            logits = self.net(x)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    def samples(split):
        return [{"x": x, "labels": y} for x, y in zip(*tensors(split))]

    with tempfile.TemporaryDirectory() as desk:
        arguments = TrainingArguments(desk, num_train_epochs=EPOCHS, per_device_train_batch_size=BATCH, learning_rate=0.02, eval_strategy="epoch", logging_strategy="epoch",
                                      save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True)
        trainer = Trainer(Classifier(), arguments, train_dataset=samples(train), eval_dataset=samples(validation),
                          compute_metrics=lambda it: {"accuracy": (it.predictions.argmax(-1) == it.label_ids).mean()})
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            trainer.train()
        trainer.save_state()
        shutil.copy(os.path.join(desk, "trainer_state.json"), place("json/trainer_state.json"))
    curves = {metric: {row["epoch"]: row[name] for row in trainer.state.log_history if name in row}
              for metric, name in [("loss", "loss"), ("val_loss", "eval_loss"), ("val_acc", "eval_accuracy")]}
    one = training(curves, epochs=list(curves["loss"]))
    truth("json/trainer_state.json", one)
    save("hand/transformers.txt", printed.getvalue(), one)


FASTAI = """
from fastai.basics import CrossEntropyLossFlat, DataLoaders, Learner, SGD, accuracy, nn, tensor
from fastai.callback.progress import CSVLogger
def samples(split):
    return list(zip(tensor(images[split]), tensor(labels[split, 0]).long()))
loaders = DataLoaders.from_dsets(samples(train), samples(validation), bs=20, device="cpu")
learn = Learner(loaders, nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)), loss_func=CrossEntropyLossFlat(), metrics=accuracy, opt_func=SGD, lr=0.5)
"""


def by_fastai():
    scope = {}
    printed = io.StringIO()
    with tempfile.TemporaryDirectory() as desk, contextlib.redirect_stdout(printed):
        exec(DATA + FASTAI, scope)
        learn = scope["learn"]
        learn.path = pathlib.Path(desk)
        learn.fit(EPOCHS, cbs=scope["CSVLogger"]())
        shutil.copy(os.path.join(desk, "history.csv"), place("csv/fastai-history.csv"))
    one = training(dict(zip(("loss", "val_loss", "val_acc"), zip(*learn.recorder.values))), 0)
    truth("csv/fastai-history.csv", one)
    save("hand/fastai.txt", printed.getvalue(), one)


# TensorBoard


def boards():
    from torch.utils.tensorboard import SummaryWriter

    curves, other = curves_by_hand(), curves_by_hand(epochs=6, rate=0.005)
    tags = {"acc": "Accuracy/train", "loss": "Loss/train", "val_acc": "Accuracy/val", "val_loss": "Loss/val"}

    def log(folder, curves, steps, **how):
        with SummaryWriter(folder, **how) as writer:
            for number, step in enumerate(steps):
                for metric, tag in tags.items():
                    writer.add_scalar(tag, curves[metric][number], step)

    def board(name, *trainings):
        truth("board/" + name, *trainings)
        return empty_folder("board/" + name)

    log(board("torch", training(curves, 0)), curves, range(EPOCHS))
    steps = [40 * (number + 1) for number in range(EPOCHS)]
    log(board("batches", training(curves, epochs=steps, counted=list(range(1, EPOCHS + 1)))), curves, steps)
    # The training loss with every tenth batch, all else at the epoch's end.
    losses = {10 * (number + 1): loss for number, loss in enumerate(loss for _, losses in by_hand() for loss in losses[:4])}
    at_ends = {metric: dict(zip(steps, curves[metric])) for metric in METRICS}
    with SummaryWriter(board("loss-by-batch", training(dict(at_ends, loss=losses), epochs=list(losses), counted=[step // 40 if step % 40 == 0 else None for step in losses]))) as writer:
        for step, loss in losses.items():
            writer.add_scalar("Loss/train", loss, step)
            for metric in METRICS:
                if metric != "loss" and step in steps:
                    writer.add_scalar(tags[metric], at_ends[metric][step], step)
    with SummaryWriter(board("add-scalars", training(curves, 0))) as writer:
        for epoch in range(EPOCHS):
            writer.add_scalars("Loss", {"train": curves["loss"][epoch], "val": curves["val_loss"][epoch]}, epoch)
            writer.add_scalars("Accuracy", {"train": curves["acc"][epoch], "val": curves["val_acc"][epoch]}, epoch)
    seldom = dict(curves, **{metric: {epoch: curves[metric][epoch] for epoch in range(1, EPOCHS, 2)} for metric in METRICS[2:]})
    with SummaryWriter(board("seldom-validated", training(seldom, epochs=list(range(EPOCHS))))) as writer:
        for epoch in range(EPOCHS):
            for metric in METRICS[: 4 if epoch % 2 else 2]:
                writer.add_scalar(tags[metric], curves[metric][epoch], epoch)

    # Two trainings in one folder; one that was broken off and goes on; the names of the files begin with the second.
    folders = board("again", training(curves, 0), training(other, 0)), board("resumed", training(curves, 0)), board("resumed-purged", training(
        {metric: curves[metric][:4] + other[metric][4:] for metric in METRICS}, 0))
    log(folders[0], curves, range(EPOCHS))
    log(folders[1], curves, range(4))
    log(folders[2], curves, range(6))
    time.sleep(1.1)
    log(folders[0], other, range(6))
    log(folders[1], {metric: curve[4:] for metric, curve in curves.items()}, range(4, EPOCHS))
    log(folders[2], {metric: curve[4:] for metric, curve in other.items()}, range(4, 6), purge_step=4)
    # Good ones and one without a single scalar.
    runs = board("aborted", training(curves, 0, name="first"), training(other, 0, name="second"))
    log(os.path.join(runs, "first"), curves, range(EPOCHS))
    log(os.path.join(runs, "second"), other, range(6))
    log(os.path.join(runs, "third"), other, [])


# Notebooks

KERAS = """
import keras
keras.utils.set_random_seed(3)
model = keras.Sequential([keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1, activation="sigmoid")])
model.compile("rmsprop", "binary_crossentropy", metrics=["acc"])
"""
FIT = "{} = model.fit(images[train], labels[train], batch_size=20, epochs={}, validation_data=(images[validation], labels[validation]))"
KEEP = "import json\nwith open('truth.json', 'w') as file:\n    json.dump({}, file)"


def notebooks():
    from nbclient import NotebookClient
    from nbformat import convert, v4, writes

    def notebook(*cells):
        return v4.new_notebook(cells=[v4.new_markdown_cell(cell) if isinstance(cell, str) else cell for cell in cells])

    def shown(*outputs):
        return v4.new_code_cell("model.fit(...)", outputs=list(outputs))

    def stream(text, name="stdout"):
        return v4.new_output("stream", name=name, text=text)

    def execute(book, **how):
        """Runs every cell; gives what the last one kept."""
        with tempfile.TemporaryDirectory() as desk:
            NotebookClient(book, allow_errors=True, resources={"metadata": {"path": desk}}, **how).execute()
            with open(os.path.join(desk, "truth.json")) as file:
                return json.load(file)

    texts, truths = {}, {}
    printed = ["printed/%s-2.0.8" % name for name in ("terminal", "evaluated", "fine-tuned", "tails", "tails-cut")]
    for path in printed + ["hand/transfer-learning-tutorial"]:
        name = os.path.basename(path)
        with open(place(path + ".txt"), newline="") as file:
            texts[name] = file.read()
        with open(place(path + ".txt.truth.json")) as file:
            truths[name] = json.load(file)
    backend = stream("Using TensorFlow backend.\n", "stderr")
    error = v4.new_output("error", ename="NameError", evalue="name 'modle' is not defined", traceback=["\x1b[0;31mNameError\x1b[0m: name 'modle' is not defined"])
    for name, text in texts.items():
        book = notebook("# Cats and dogs\nEpoch 1/8 is slow.", v4.new_code_cell("import keras", outputs=[backend]), shown(stream(text)), shown(error))
        save("notebooks/%s.ipynb" % name, writes(book), *truths[name])
    both = notebook(shown(stream(texts["terminal-2.0.8"])), shown(stream(texts["evaluated-2.0.8"])))
    save("notebooks/two-cells-2.0.8.ipynb", writes(both), *truths["terminal-2.0.8"] + truths["evaluated-2.0.8"])
    save("notebooks/format-3.ipynb", writes(convert(notebook(shown(stream(texts["fine-tuned-2.0.8"]))), 3)), *truths["fine-tuned-2.0.8"])
    untrained = notebook("# Nothing was run", v4.new_code_cell(FIT.format("first", 6)))
    save("notebooks/never-run.ipynb", writes(untrained))

    code = v4.new_code_cell
    for name, how in [("executed", {}), ("executed-coalesced", {"coalesce_streams": True})]:
        book = notebook("# Frozen, then thawed", code(DATA + KERAS), code(FIT.format("first", 6)), "All layers:", code(FIT.format("second", 8)),
                        code("model.evaluate(images[train], labels[train])"), code("model.fti()"), code(KEEP.format("[first.history, second.history]")))
        kept = execute(book, **how)
        save("notebooks/%s.ipynb" % name, writes(book), *map(training, kept))
    book = notebook(code(DATA + FASTAI), code("learn.fit(6)"), code(KEEP.format("[list(row) for row in learn.recorder.values]")))
    kept = execute(book)
    save("notebooks/fastai.ipynb", writes(book), training(dict(zip(("loss", "val_loss", "val_acc"), zip(*kept))), 0))


# Not logs


def not_logs():
    import h5py
    import onnx
    import pandas
    import torch
    from onnx import TensorProto, helper
    from PIL import Image

    curves = curves_by_hand()
    table = pandas.DataFrame(curves)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 6]) for name in "xy")
    onnx.save(helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "net", [x], [y])), place("not-logs/model.onnx"))
    np.save(place("not-logs/history.npy"), curves, allow_pickle=True)
    np.save(place("not-logs/val_acc.npy"), np.array(curves["val_acc"]))
    np.savez(place("not-logs/history.npz"), **curves)
    torch.save(curves, place("not-logs/history.pt"))
    torch.save(curves, place("not-logs/history-1.5.pt"), _use_new_zipfile_serialization=False)
    table.to_parquet(place("not-logs/history.parquet"))
    with h5py.File(place("not-logs/history.h5"), "w") as file:
        for metric, curve in curves.items():
            file[metric] = curve
    Image.fromarray((np.outer(curves["acc"], curves["loss"]) * 99).astype("uint8")).save(place("not-logs/curves.png"))
    write("not-logs/log.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n")
    write("not-logs/history.json", "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>Page not found</title></head>\n<body>loss: 0.5 - acc: 0.7</body>\n</html>\n")
    with zipfile.ZipFile(place("not-logs/logs.zip"), "w") as archive:
        archive.writestr("log.csv", table.to_csv())
    with contextlib.closing(sqlite3.connect(place_anew("not-logs/mlflow.db"))) as database:
        table.to_sql("metrics", database)
    write("not-logs/empty.csv", "")


# A section and the packages that it needs.
SECTIONS = {
    by_keras: ["keras"],
    keras_board: ["keras", "tensorflow"],
    hand_made: ["torch", "timm", "tqdm"],
    by_lightning: ["lightning", "tensorboard"],
    by_transformers: ["transformers", "accelerate"],
    by_fastai: ["fastai"],
    boards: ["torch", "tensorboard"],
    notebooks: ["nbclient", "ipykernel", "keras", "fastai"],
    not_logs: ["torch", "onnx", "h5py", "pandas", "pyarrow", "PIL"],
}
for section, packages in SECTIONS.items():
    absent = [package for package in packages if not importlib.util.find_spec(package)]
    if section.__name__ in sys.argv[2:] or not (sys.argv[2:] or absent):
        section()
    elif not sys.argv[2:]:
        print(section.__name__, "is left out without", ", ".join(absent))
