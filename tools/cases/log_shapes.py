"""Logs in the shapes that programs and people give them, for the tests of `read_logs`.

    python tools/cases/log_shapes.py [FOLDER]    # writes crates/exchange/tests/cases/shapes/

Each shape is written after the program or page that is named beside it, with numbers of this script's own; where nothing is named, people write it by hand.
`NAME.truth.json` lists the trainings as in `logs.py`: curves by epoch, null where an epoch has no value. A log that does not say which epoch a value
belongs to, or which training, has no truth: it must be refused.
"""

import json
import os
import random
import sys

FOLDER = sys.argv[1] if len(sys.argv) > 1 else "crates/exchange/tests/cases/shapes"
METRICS = "acc", "loss", "val_acc", "val_loss", "test_acc", "test_loss"
EPOCHS = 8
ALL = METRICS[:4]


def curves(seed):
    """Four curves of eight epochs; four digits each, so that no printed number is rounded."""
    draw = random.Random(seed)
    return {metric: [round(draw.uniform(0.51, 0.97), 4) for _ in range(EPOCHS)] for metric in ALL}


ONE, OTHER = curves(1), curves(2)


def training(of=ONE, shown=ALL, epochs=range(1, EPOCHS + 1), as_test=False, **more):
    """A training of a truth: of the metrics `shown` the first values, at the `epochs`; those of validation `as_test`."""
    epochs = list(epochs)
    names = {metric: metric.replace("val", "test") if as_test else metric for metric in shown}
    values = {metric: [None] * len(epochs) for metric in METRICS}
    values.update({name: of[metric][:len(epochs)] for metric, name in names.items()})
    return dict(more, epochs=epochs, **values)


def save(name, text, *trainings):
    path = os.path.join(FOLDER, name)
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    with open(path + ".truth.json", "w") as file:
        file.write(json.dumps(trainings).replace(", \"", ",\n \"") + "\n")


def rows(of=ONE, first=1):
    """What a format string may name, for each epoch."""
    for number in range(EPOCHS):
        row = {metric: of[metric][number] for metric in ALL}
        percent = {"p_" + metric: 100 * row[metric] for metric in ALL}
        error = {"e_" + metric: 100 - percent["p_" + metric] for metric in ("acc", "val_acc")}
        batch = {"b_" + metric: row[metric] + 0.2 for metric in ALL}
        # Of tests whose images are 10,000.
        right = {"right": round(10000 * row["val_acc"])}
        yield dict(row, **percent, **error, **batch, **right, n=first + number, zero=number, steps=50 * (number + 1), best=max(of["val_acc"][:number + 1]),
                   before=of["val_acc"][max(number - 1, 0)], before_loss=of["val_loss"][max(number - 1, 0)])


def each(shape, of=ONE, **how):
    return "".join(shape.format(**row) for row in rows(of, **how))


os.makedirs(FOLDER, exist_ok=True)
KERAS = "Epoch {n}/8\n20/20 - 2s - loss: {loss:.4f} - acc: {acc:.4f} - val_loss: {val_loss:.4f} - val_acc: {val_acc:.4f}\n"
LINE = "train loss: {loss:.4f}, train acc: {acc:.4f}\nval loss: {val_loss:.4f}, val acc: {val_acc:.4f}\n"
INLINE = "train_loss: {loss:.4f} train_acc: {acc:.4f} val_loss: {val_loss:.4f} val_acc: {val_acc:.4f}\n"

# Headings behind their epochs, or on either side.
save("heading-finished.txt", each(LINE + "Epoch {n} finished in 20.1s\n"), training())
save("heading-done.txt", "Using cuda\n" + each(LINE + "===> Epoch {n} done\n\n"), training())
save("heading-behind.txt", each(LINE + "--- epoch {n}\n"), training())
save("heading-behind-cut.txt", each(LINE + "Epoch {n} took 20.1s\n") + "train loss: 0.5000, train acc: 0.9000\n", training())
save("heading-both-sides.txt", each("Epoch {n} start\n" + LINE + "Epoch {n} end\n"), training())
save("heading-either.txt", each(LINE + "Epoch {n}\n") + LINE.format(**next(rows(OTHER))))
save("evaluated-before.txt", "Before training: val loss: 0.6931, val acc: 0.5000\n" + each("Epoch {n}\n" + LINE), training())
# Sentences about epochs.
save("mention-early-stopping.txt", each(KERAS) + "Epoch 00007: early stopping\n", training())
save("mention-best.txt", each(KERAS) + "Epoch 3 had the lowest val_loss\n", training())
save("mention-was.txt", each("Epoch {n}\n" + LINE) + "Epoch 2 was the best so far\n", training())
save("mention-summary.txt", each(KERAS) + "Best:\nEpoch 6: val_acc 0.9755\n", training())
# Keras 2.0.8's ModelCheckpoint counts from 0.
save("mention-checkpoint.txt", each(KERAS + "Epoch {zero:05d}: val_acc improved from 0.10000 to {val_acc:.5f}, saving model to w.h5\n"), training())
# torch.optim.lr_scheduler.ReduceLROnPlateau
save("mention-plateau.txt", each(KERAS + "Epoch     {n}: reducing learning rate of group 0 to 1.0000e-05.\n"), training())
# https://github.com/Bjarten/early-stopping-pytorch
save("mention-decreased.txt", each("Validation loss decreased ({before_loss:.6f} --> {val_loss:.6f}).  Saving model ...\n[{n:>3}/  8] train_loss: {loss:.5f} valid_loss: {val_loss:.5f}\n"),
     training(shown=["loss", "val_loss"]))
# Of another model, or of no epoch.
save("label-best.txt", each("Epoch {n}/8\n" + LINE + "(best: val acc {best:.4f})\n"), training())
save("label-ema.txt", each("Epoch {n}/8\n" + LINE + "EMA: val loss 0.5000 acc 0.9900\n"), training())
save("label-classes.txt", each("Epoch {n}/8\n" + LINE + "  cats acc: 0.9\n  dogs acc: 0.6\n"), training())

# Numbers.
save("decimal-comma.txt", each("Epoche {n}/8: loss: {loss:.4f} acc: {acc:.4f} val_loss: {val_loss:.4f} val_acc: {val_acc:.4f}\n").replace(".", ","), training())
save("decimal-comma-quoted.csv", "epoch,acc,val_acc\n" + each("{n},\"{acc}\",\"{val_acc}\"\n").replace(".", ","), training(shown=["acc", "val_acc"]))
save("thousands.txt", each("Epoch {n}: train loss 1,00{zero}.5 val acc {val_acc}\n"), dict(training(shown=["val_acc"]), loss=[1000.5 + epoch for epoch in range(EPOCHS)]))
save("comma-or-thousands.txt", each("Epoch {n}: train loss: 1,234 val loss: {val_loss}\n"), training(shown=["val_loss"]))
save("above-1.csv", "epoch,acc,val_acc\n" + each("{n},{acc},{val_acc}\n") + "9,1.0000001,1.0\n",
     training({"acc": ONE["acc"] + [1.0], "val_acc": ONE["val_acc"] + [1.0]}, ["acc", "val_acc"], range(1, 10)))
save("neither.csv", "epoch,val_acc\n" + each("{n},{val_acc}\n") + "9,1.2\n")
save("percent-below-1.txt", each("Epoch {n}: val_acc {val_acc}%\n"), training({"val_acc": [value / 100 for value in ONE["val_acc"]]}, ["val_acc"]))
save("error-percent.txt", each("Epoch {n}: train error rate: {acc:.4f}% test error rate: {e_val_acc:.2f}%\n"),
     training({"acc": [1 - value / 100 for value in ONE["acc"]], "val_acc": ONE["val_acc"]}, ["acc", "val_acc"], as_test=True))
save("error-one-scale.csv", "epoch,train_error_rate,val_error_rate\n" + each("{n},{acc:.4f},{e_val_acc:.2f}\n"),
     training({"acc": [1 - value / 100 for value in ONE["acc"]], "val_acc": ONE["val_acc"]}, ["acc", "val_acc"]))
save("tensor.txt", each("Epoch {n}: loss: tensor({loss:.4f}, grad_fn=<NllLossBackward0>) val acc: np.float64({val_acc:.4f})\n"), training(shown=["loss", "val_acc"]))
save("cut.txt", each("Epoch {n}: train loss {loss:.4f} val acc {val_acc:.4f}\n") + "Epoch 9: train loss 0.5432 val acc 0.9", training(shown=["loss", "val_acc"]))
save("cut.csv", "epoch,loss,val_acc\n" + each("{n},{loss:.4f},{val_acc:.4f}\n") + "9,0.5432,0.9", training(shown=["loss", "val_acc"]))
save("nan-last.txt", each(KERAS) + "Epoch 9/9\n20/20 - 2s - loss: nan - acc: 0.5000 - val_loss: nan - val_acc: 0.5000\n",
     training(), dict(training(shown=[], epochs=[9]), acc=[0.5], val_acc=[0.5]))
save("nan.json", json.dumps({"loss": ONE["loss"][:7] + [float("nan")], "val_acc": ONE["val_acc"]}),
     training({"loss": ONE["loss"][:7] + [None], "val_acc": ONE["val_acc"]}, ["loss", "val_acc"]))

# Splits.
# https://pytorch.org/tutorials/beginner/basics/quickstart_tutorial.html
save("quickstart.txt", each("Epoch {n}\n-------------------------------\nloss: {b_loss:.6f}  [   64/60000]\nloss: {loss:.6f}  [ 6464/60000]\nTest Error: \n"
                            " Accuracy: {p_val_acc:.2f}%, Avg loss: {val_loss:.6f} \n\n"), training(shown=["val_acc", "val_loss"], as_test=True))
save("section-words.txt", each("Epoch {n}/8\nTraining...\nloss: {loss:.4f} acc: {acc:.4f}\nEvaluating...\nloss: {val_loss:.4f} acc: {val_acc:.4f}\n"), training())
save("section-bars.txt", each("Epoch {n}/8: 100%|███| 20/20 [00:02<00:00, 9.5it/s, loss={loss:.4f}, acc={acc:.4f}]\n"
                              "Validating: 100%|███| 5/5 [00:01<00:00, 9.5it/s, loss={val_loss:.4f}, acc={val_acc:.4f}]\n"), training())
save("section-bracket.txt", each("[Train] Epoch {n} loss: {loss:.4f} acc: {acc:.4f}\n[Valid] Epoch {n} loss: {val_loss:.4f} acc: {val_acc:.4f}\n"), training())
save("on-validation-set.txt", each("Epoch {n}\nAccuracy on training set: {p_acc:.2f}%\nAccuracy on validation set: {p_val_acc:.2f}%\n"), training(shown=["acc", "val_acc"]))
# https://pytorch.org/tutorials/beginner/introyt/trainingyt.html
save("training-yt.txt", each("EPOCH {n}:\n  batch 1000 loss: {b_loss:.4f}\nLOSS train {loss} valid {val_loss}\n"), training(shown=["loss", "val_loss"]))
# https://d2l.ai
save("d2l.txt", each("epoch {n}, loss {loss}, train acc {acc}, test acc {val_acc}, time 20.1 sec\n"), training(shown=["acc", "loss", "val_acc"], as_test=True))
save("passes.txt", each("Train Epoch {n}: loss {loss} acc {acc}\n") + each("Val Epoch {n}: loss {val_loss} acc {val_acc}\n"), training())

# Batches.
save("batch.txt", each("Epoch: {n} Batch: 500 Loss: {b_loss}\nEpoch {n} val loss: {val_loss} val acc: {val_acc}\n"), training(shown=["val_acc", "val_loss"]))
# https://github.com/pytorch/examples/blob/main/imagenet/main.py, with the last batch printed
save("imagenet-means.txt", each("Epoch: [{zero}][ 1/20]\tTime  2.350 ( 2.350)\tLoss {b_loss:.4e} ({b_loss:.4e})\tAcc@1  55.00 ( 55.00)\n"
                                "Epoch: [{zero}][20/20]\tTime  0.350 ( 0.750)\tLoss {b_loss:.4e} ({loss:.4e})\tAcc@1  60.00 ( {p_acc:.2f})\n"
                                " *   Acc@1 {p_val_acc:.3f} Acc@5 100.000\n"), training(shown=["acc", "loss", "val_acc"], epochs=range(EPOCHS)))
# https://github.com/huggingface/pytorch-image-models/blob/main/train.py
save("timm.txt", each("Train: {zero} [   0/20 (  0%)]  Loss: {b_loss:.3f} ({b_loss:.4f})  Time: 0.320s,  100.00/s  LR: 1.000e-05\n"
                      "Train: {zero} [  19/20 (100%)]  Loss: {b_loss:.3f} ({loss:.4f})  Time: 0.320s,  100.00/s  LR: 1.000e-05\n"
                      "Test: [   0/4]  Time: 0.100 (0.110)  Loss: {b_val_loss:>7.3f} ({b_val_loss:>6.4f})  Acc@1: 50.0000 (50.0000)\n"
                      "Test: [   4/4]  Time: 0.100 (0.110)  Loss: {b_val_loss:>7.3f} ({val_loss:>6.4f})  Acc@1: 60.0000 ({p_val_acc:>7.4f})\n") + "*** Best metric: 97.0 (epoch 7)\n",
     training(shown=["loss", "val_acc", "val_loss"], epochs=range(EPOCHS), as_test=True))
# https://github.com/pytorch/vision/blob/main/references/classification/train.py
save("torchvision.txt", each("Epoch: [{zero}]  [ 0/20]  eta: 0:00:30  lr: 0.01  img/s: 94.0  loss: {b_loss:.4f} ({b_loss:.4f})  acc1: 50.0 (50.0)\nEpoch: [{zero}] Total time: 0:00:32\n"
                             "Test:   [0/4]  eta: 0:00:03  loss: {b_val_loss:.4f} ({val_loss:.4f})  acc1: 50.0 (50.0)\nTest:  Acc@1 {p_val_acc:.3f} Acc@5 100.000\n"),
     training(shown=["val_acc"], epochs=range(EPOCHS), as_test=True))
# https://github.com/kuangliu/pytorch-cifar
save("kuangliu.txt", each("\nEpoch: {zero}\n [=>...]  Step: 20ms | Tot: 1s | Loss: {b_loss:.3f} | Acc: 55.000% (55/100) 3/20 \r"
                          " [====>]  Step: 20ms | Tot: 2s | Loss: {loss:.4f} | Acc: {p_acc:.2f}% (1146/2000) 20/20 \n"), training(shown=["acc", "loss"], epochs=range(EPOCHS)))
# https://pytorch.org/tutorials/beginner/blitz/cifar10_tutorial.html
save("cifar-tutorial.txt", each("[{n},  2000] loss: {b_loss:.3f}\n[{n},  4000] loss: {loss:.3f}\n"))
# https://github.com/karpathy/nanoGPT
save("nanogpt.txt", each("step {n}00: train loss {loss}, val loss {val_loss}\niter {n}00: loss {b_loss:.4f}, time 200.0ms, mfu 10%\n"))
save("half-epochs.txt", each("Epoch {zero}.5: train loss {loss} val acc {val_acc}\n"))
# tqdm over the epochs
save("bar-of-epochs.txt", each("\rEpoch: {p_acc:.0f}%|██  | {n}/8 [00:20<02:00, 20.0s/it, loss={loss}, val_acc={val_acc}]"))

# Lightning's bars, kept with what was drawn over: the validation beside the batches is that of the epoch before.
BARS = ("Epoch {zero}:  50%|██ | 10/20 [00:01<00:01, 9.5it/s, loss={b_loss:.4f}, v_num=3, val_loss={before_loss:.4f}, val_acc={before:.4f}]\r"
        "Epoch {zero}: 100%|███| 20/20 [00:02<00:00, 9.5it/s, loss={loss:.4f}, v_num=3, val_loss={before_loss:.4f}, val_acc={before:.4f}]{end}"
        "Epoch {zero}: 100%|███| 20/20 [00:03<00:00, 9.5it/s, loss={loss:.4f}, v_num=3, val_loss={val_loss:.4f}, val_acc={val_acc:.4f}]\n")
OF_BEFORE = ", val_loss={before_loss:.4f}, val_acc={before:.4f}"


def bars(end, row):
    """The bars of an epoch; the first has no epoch before it."""
    shape = BARS.replace("{end}", end)
    return (shape if row["zero"] else shape.replace(OF_BEFORE, "")).format(**row)


for name, end in [("bars-redrawn", "\r"), ("bars-lines", "\n")]:
    save(name + ".txt", "".join(bars(end, row) for row in rows()), training(shown=["loss", "val_acc", "val_loss"], epochs=range(EPOCHS)))
killed = "".join(bars("\r", row) for row in list(rows())[:7]) + BARS.split("{end}")[0].format(**list(rows())[7])
save("bars-killed.txt", killed, training(shown=["loss", "val_acc", "val_loss"], epochs=range(7)))

# Frameworks' consoles.
# https://github.com/open-mmlab/mmpretrain
save("mmengine.txt", each("2023/05/01 12:00:10 - mmengine - INFO - Epoch(train)   [{n}][10/20]  lr: 1.0000e-02  eta: 0:05:00  loss: {b_loss:.4f}\n"
                          "2023/05/01 12:00:20 - mmengine - INFO - Epoch(train)   [{n}][20/20]  lr: 1.0000e-02  eta: 0:05:00  loss: {loss:.4f}\n"
                          "2023/05/01 12:00:55 - mmengine - INFO - Epoch(val) [{n}][4/4]    accuracy/top1: {p_val_acc:.4f}  accuracy/top5: 100.0000  data_time: 0.0100\n"),
     training(shown=["loss", "val_acc"]))
# https://github.com/catalyst-team/catalyst
save("catalyst.txt", each("{n}/8 * Epoch {n} (train): accuracy01={acc:.4f} | loss={loss:.4f} | lr=0.001\n{n}/8 * Epoch {n} (valid): accuracy01={val_acc:.4f} | loss={val_loss:.4f}\n"), training())
# https://pytorch-ignite.ai/tutorials/beginner/01-getting-started/
save("ignite.txt", each("Training Results - Epoch[{n}] Avg accuracy: {acc:.4f} Avg loss: {loss:.4f}\nValidation Results - Epoch[{n}] Avg accuracy: {val_acc:.4f} Avg loss: {val_loss:.4f}\n"), training())
# https://github.com/pytorch/ignite/tree/master/examples/cifar10
save("ignite-cifar10.txt", each("2020-01-01 12:00:00,000 ignite.engine INFO: \nEpoch {n} - Evaluation time (seconds): 3.20 - Train metrics:\n \tAccuracy: {acc:.4f}\n\tLoss: {loss:.4f}\n"
                                "2020-01-01 12:00:09,000 ignite INFO: \nEpoch {n} - Evaluation time (seconds): 1.10 - Test metrics:\n \tAccuracy: {val_acc:.4f}\n\tLoss: {val_loss:.4f}\n"),
     dict(training(shown=["acc", "loss"]), test_acc=ONE["val_acc"], test_loss=ONE["val_loss"]))
# https://www.paddlepaddle.org.cn: paddle.Model.fit
save("paddle.txt", each("Epoch {n}/8\nstep 10/20 - loss: {b_loss:.4f} - acc: 0.5000 - 300ms/step\nstep 20/20 - loss: {loss:.4f} - acc: {acc:.4f} - 317ms/step\nEval begin...\n"
                        "step 4/4 - loss: {val_loss:.4f} - acc: {val_acc:.4f} - 100ms/step\nEval samples: 1000\n"), training())
# https://github.com/PaddlePaddle/PaddleClas
save("paddleclas.txt", each("[2021/10/13 16:32:01] ppcls INFO: [Train][Epoch {n}/8][Iter: 0/20]lr: 0.01250, CELoss: {b_loss:.5f}, loss: {b_loss:.5f}, top1: 0.50000\n"
                            "[2021/10/13 16:32:01] ppcls INFO: [Train][Epoch {n}/8][Avg]CELoss: {loss:.5f}, loss: {loss:.5f}, top1: {acc:.5f}\n"
                            "[2021/10/13 16:32:09] ppcls INFO: [Eval][Epoch {n}][Avg]CELoss: {val_loss:.5f}, loss: {val_loss:.5f}, top1: {val_acc:.5f}\n"), training())

# Several trainings.
save("one-epoch-first.txt", "Epoch 1: train_loss: 0.9000 train_acc: 0.5000 val_loss: 0.6000 val_acc: 0.7000\n" + each("Epoch {n}: " + INLINE),
     dict(training(epochs=[1]), acc=[0.5], loss=[0.9], val_acc=[0.7], val_loss=[0.6]), training())
HEADING = "epoch     train_loss  valid_loss  error_rate  time\n"
save("fine-tune.txt", HEADING + "0         0.900000    0.600000    0.300000  00:10\n" + HEADING
     + "".join("%-9d %.6f    %.6f    %.6f  00:20\n" % (row["zero"], row["loss"], row["val_loss"], 1 - row["val_acc"]) for row in rows()),
     dict(training(shown=[], epochs=[0]), loss=[0.9], val_acc=[0.7], val_loss=[0.6]), training(shown=["loss", "val_acc", "val_loss"], epochs=range(EPOCHS)))
save("folds.txt", each("Fold 1 Epoch {n}/8 " + INLINE) + each("Fold 2 Epoch {n}/8 " + INLINE, OTHER), training(), training(OTHER))
save("fold-column.csv", "fold,epoch,loss,val_acc\n" + "".join("%d,%d,%s,%s\n" % (fold, row["n"], row["loss"], row["val_acc"])
                                                             for both in zip(rows(), rows(OTHER)) for fold, row in enumerate(both, 1)),
     training(shown=["loss", "val_acc"], name="fold=1"), training(OTHER, ["loss", "val_acc"], name="fold=2"))


def interleaved(shape):
    """Two programs in turn, the second an epoch behind."""
    one, other = list(rows()), list(rows(OTHER))
    lines = [shape[0].format(**one[0])]
    for number in range(1, EPOCHS):
        lines += [shape[0].format(**one[number]), shape[1].format(**other[number - 1])]
    return "".join(lines + [shape[1].format(**other[-1])])


for name, first, second in [("ranks", "[rank0]", "[rank1]"), ("compose", "worker-a  |", "worker-b  |")]:
    shape = ["%s Epoch {n}/8 %s" % (source, INLINE) for source in (first, second)]
    save("in-turn-%s.txt" % name, interleaved(shape), training(name=first.strip("[] |")), training(OTHER, name=second.strip("[] |")))
save("in-turn-slurm.txt", interleaved(["%d: Epoch {n}: %s" % (task, INLINE) for task in (0, 1)]), training(name="0"), training(OTHER, name="1"))
LINES = "20/20 - 2s - loss: {loss:.4f} - acc: {acc:.4f} - val_loss: {val_loss:.4f} - val_acc: {val_acc:.4f}\n"
save("in-turn-unnamed.txt", "".join("Epoch {n}/8\nEpoch {n}/8\n".format(**one) + LINES.format(**one) + LINES.format(**other) for one, other in zip(rows(), rows(OTHER))))
later = [row for row in rows(OTHER)][3:]
save("lower-again.csv", "epoch,loss,val_acc\n" + "".join("%d,%s,%s\n" % (row["n"], row["loss"], row["val_acc"]) for row in later) + each("{n},{loss},{val_acc}\n"),
     training({metric: OTHER[metric][3:] for metric in ALL}, ["loss", "val_acc"], range(4, 9)), training(shown=["loss", "val_acc"]))

# Tables.
save("pandas-head.md", "|    |   loss |   val_acc |\n|---:|-------:|----------:|\n" + each("|  {zero} | {loss} | {val_acc} |\n"), training(shown=["loss", "val_acc"], epochs=range(EPOCHS)))
save("pandas-print.txt", "       loss  val_acc\n" + each("{zero}  {loss:.6f}  {val_acc:.6f}\n"), training(shown=["loss", "val_acc"], epochs=range(EPOCHS)))
save("r-write-table.csv", "\"loss\",\"val_acc\"\n" + each("\"{n}\",{loss},{val_acc}\n"), training(shown=["loss", "val_acc"]))
save("numpy-savetxt.txt", "# epoch loss val_acc\n" + each("{n} {loss} {val_acc}\n"), training(shown=["loss", "val_acc"]))
save("comments.csv", "# run 7\nepoch,loss,val_acc\n" + each("{n},{loss},{val_acc}\n") + "# done\n", training(shown=["loss", "val_acc"]))
save("mean-row.csv", "epoch,loss,val_acc\n" + each("{n},{loss},{val_acc}\n") + "mean,0.6,0.7\n", training(shown=["loss", "val_acc"]))
# https://skorch.readthedocs.io/en/stable/callbacks.html: PrintLog, with the checkpoint's column, coloured
SKORCH = "  epoch    train_loss    valid_acc    valid_loss    cp     dur\n-------  ------------  -----------  ------------  ----  ------\n"
save("skorch.txt", SKORCH + "".join("%7d  %s  %s  %12.4f  %4s  0.0500\n" % (row["n"], "\x1b[36m%12.4f\x1b[0m" % row["loss"], "\x1b[32m%11.4f\x1b[0m" % row["val_acc"], row["val_loss"],
                                                                         "+" if row["n"] % 3 else "") for row in rows()), training(shown=["loss", "val_acc", "val_loss"]))
# https://rich.readthedocs.io/en/stable/tables.html
save("rich.txt", "┏━━━━━━━┳━━━━━━━━┳━━━━━━━━━┓\n┃ epoch ┃ loss   ┃ val_acc ┃\n┡━━━━━━━╇━━━━━━━━╇━━━━━━━━━┩\n" + each("│ {n}     │ {loss:.4f} │ {val_acc:.4f}  │\n") + "└───────┴────────┴─────────┘\n",
     training(shown=["loss", "val_acc"]))
# Model cards of transformers' Trainer: https://huggingface.co/docs/transformers/model_sharing
CARD = "# my-model\n\nTraining results:\n\n| Training Loss | Epoch  | Step | Validation Loss | Accuracy |\n|:-------------:|:------:|:----:|:---------------:|:--------:|\n"
save("model-card.md", CARD + each("| {loss} | {n}.0 | {steps} | {val_loss} | {val_acc} |\n"), training(shown=["loss", "val_acc", "val_loss"]))
save("model-card-accumulated.md", CARD + each("| {loss} | {zero}.9976 | {steps} | {val_loss} | {val_acc} |\n"), training(shown=["loss", "val_acc", "val_loss"]))
save("wandb-history.csv", ",_step,_timestamp,_runtime,train/loss,val/acc\n" + each("{zero},{zero},1.6e9,{n},{loss},{val_acc}\n"), training(shown=["loss", "val_acc"], epochs=range(EPOCHS)))
save("wandb-in-turn.csv", ",_step,train/loss,val/acc\n" + each("{zero},{steps}0,{loss},NaN\n{zero},{steps}5,NaN,{val_acc}\n"))
save("step.csv", "step,loss,val_acc\n" + each("{steps},{loss},{val_acc}\n"))
save("phase-rows.csv", "phase,loss,acc\n" + each("train,{loss},{acc}\nval,{val_loss},{val_acc}\n"))

# JSON.
NESTED = [{"epoch": row["n"], "train": {"loss": row["loss"], "acc": row["acc"]}, "val": {"loss": row["val_loss"], "acc": row["val_acc"]}} for row in rows()]
save("nested.json", json.dumps(NESTED), training())
save("epochs-list.json", json.dumps({"config": {"lr": 0.1}, "epochs": NESTED}), training())
save("epoch-keys.json", json.dumps({"epoch_%d" % row["n"]: {metric: row[metric] for metric in ALL} for row in rows()}), training())
save("fraction-of-epochs.json", json.dumps([{"epoch": "%d/8" % row["n"], "loss": row["loss"], "val_acc": row["val_acc"]} for row in rows()]), training(shown=["loss", "val_acc"]))
save("between.jsonl", each("{{\"step\": {steps}, \"loss\": {b_loss}}}\n{{\"epoch\": {n}, \"loss\": {loss}, \"val_acc\": {val_acc}}}\n"), training(shown=["loss", "val_acc"]))
save("steps.jsonl", each("{{\"step\": {steps}, \"loss\": {loss}}}\n"))
save("by-batch.json", json.dumps({"train_loss": [1 - number / 1000 for number in range(504)], "val_acc": ONE["val_acc"]}))

# What a review found.
save("points-between-thousands.csv", "epoch;loss;val_acc\n" + each("{n};1.00{zero},5;{val_acc}\n").replace("0.", "0,"),
     dict(training(shown=["val_acc"]), loss=[1000.5 + epoch for epoch in range(EPOCHS)]))
save("comma-in-one-column.csv", "epoch;time;loss;val_acc\n" + "".join("%(n)d;%(n)d.5;" % row + ("%(loss)s;%(val_acc)s\n" % row).replace(".", ",") for row in rows()), training(shown=["loss", "val_acc"]))
save("comma-either.csv", "epoch;loss\n1;2,014\n2;1,931\n3;1,843\n")
save("comma-either.txt", "".join("Epoch %d (12.5s) loss: %d,%d\n" % (epoch, 3 - epoch // 2, 100 * epoch) for epoch in range(1, 5)))
save("second-heading.csv", "epoch,loss,val_acc\n" + each("{n},{loss},{val_acc}\n") + "epoch,acc,loss\n" + each("{n},{acc},{loss}\n", OTHER),
     training(shown=["loss", "val_acc"]), training(OTHER, ["acc", "loss"]))
save("second-heading.txt", "epoch     train_loss  valid_loss  error_rate\n" + "".join("%-9d %.6f    %.6f    %.6f\n" % (row["zero"], row["loss"], row["val_loss"], 1 - row["val_acc"]) for row in rows())
     + "epoch     train_loss  valid_loss  accuracy\n" + "".join("%-9d %.6f    %.6f    %.6f\n" % (row["zero"], row["loss"], row["val_loss"], row["val_acc"]) for row in rows(OTHER)),
     training(shown=["loss", "val_acc", "val_loss"], epochs=range(EPOCHS)), training(OTHER, ["loss", "val_acc", "val_loss"], range(EPOCHS)))
save("killed-at-heading.txt", "val loss: 1.4000 val acc: 0.5000\n" + each("Epoch {n}/9\n" + LINE) + "Epoch 9/9\n", training())
save("killed-at-heading-evaluated.txt", "val loss: 1.4000 val acc: 0.5000\n" + each("Epoch {n}/9\nval loss: {val_loss} val acc: {val_acc}\n") + "Epoch 9/9\n")
save("epoch-of-best.txt", each("Epoch {n}\ntrain loss {loss} acc {acc}\nval acc {val_acc} (best: {best}, epoch: 2)\n"), training(shown=["acc", "loss", "val_acc"]))
save("slash.txt", each("Epoch {n} loss: {loss} val_acc: {p_val_acc:.1f}/75.2\n"), training(shown=["loss"]))
save("arrow.txt", each("Epoch {n} loss {loss} val_loss {before_loss} -> {val_loss}\n"), training(shown=["loss"]))
save("abbreviated.txt", each("Epoch {n} loss: 1.2k val_loss: 1_234.5 val_acc: {val_acc}\n"), training(shown=["val_acc"]))
save("separator-behind-rows.csv", "epoch,train_acc,val_acc\n" + each("{n},{acc},{val_acc},\n"), training(shown=["acc", "val_acc"]))
save("split-elsewhere.jsonl", each("{{\"epoch\": {n}, \"phase\": \"train\", \"model\": \"test\", \"loss\": {loss}}}\n"), training(shown=["loss"]))
save("split-in-a-note.csv", "epoch,note,loss\n" + each("{n},test,{loss}\n"), training(shown=["loss"]))
save("cut-exponent.txt", each("Epoch {n} loss: {loss:.4e} val_loss: {val_loss:.4e}\n") + "Epoch 9 loss: 5.0000e-05 val_loss: 6.7490e", training(shown=["loss", "val_loss"]))
save("cut-percent.txt", each("Epoch {n} loss: {loss} val_acc: {p_val_acc:.0f}\n") + "Epoch 9 loss: 0.5000 val_acc: 9",
     training({"loss": ONE["loss"], "val_acc": [round(value, 2) for value in ONE["val_acc"]]}, ["loss", "val_acc"]))
save("two-splits.txt", each("Epoch {n}: train/val loss {loss} {val_loss} val acc {val_acc}\n"), training(shown=["val_acc"]))
save("unstated-accuracy.txt", each("Epoch {n}: Val loss: {val_loss}, Train loss: {loss}, Acc: {val_acc}\n"), training(shown=["loss", "val_acc", "val_loss"]))
save("split-in-brackets.txt", each("Epoch {n}: Loss (train): {loss}, Loss (val): {val_loss}\n"), training(shown=["loss", "val_loss"]))
save("below-0.csv", "epoch,val_loss\n-1,2.3\n" + each("{zero},{val_loss}\n"), training(shown=["val_loss"], epochs=range(EPOCHS)))
save("numbered-lines.txt", each("{n}/8 | train_loss: {loss} | val_loss: {val_loss}\n"))
save("shuffled.csv", "epoch,loss,val_acc\n" + "".join("%d,%s,%s\n" % (row["n"], row["loss"], row["val_acc"]) for row in sorted(rows(), key=lambda row: row["loss"])), training(shown=["loss", "val_acc"]))
save("longer-clock.json", json.dumps({"epoch": list(range(1, 9)), "loss": ONE["loss"], "time": list(range(9))}), training(shown=["loss"]))
save("patience.txt", each("Epoch {n}: " + INLINE.strip() + " [patience: 1/5]\n"), training())
save("folds-of.txt", each("[Fold 1/2] Epoch {n}/8 " + INLINE) + each("[Fold 2/2] Epoch {n}/8 " + INLINE, OTHER), training(), training(OTHER))
# https://hydra.cc, with a logger for each half; https://github.com/google/glog; syslog; https://github.com/huggingface/transformers/tree/main/examples
STAMPS = {"hydra": "[2024-01-02 10:00:00,123][train][INFO] - ", "glog": "I0102 10:00:01.123456 140 main.py:55] ", "syslog": "Jan  2 10:00:01 node07 python[4711]: ",
          "transformers": "10/02/2023 10:00:01 - INFO - __main__ - "}
for name, stamp in STAMPS.items():
    save("stamp-%s.log" % name, each(stamp + "Epoch {n}/8: " + INLINE), training())
save("stamp-halves.log", each("[2024-01-02 10:00:00,123][src.train][INFO] - Epoch {n}: loss: {loss}, acc: {acc}\n[2024-01-02 10:00:01,123][src.val][INFO] - Epoch {n}: loss: {val_loss}, acc: {val_acc}\n"), training())
# https://github.com/facebookresearch/deit
save("deit-console.txt", each("Epoch: [{zero}]  [ 0/20]  eta: 0:00:30  loss: {b_loss:.4f} ({b_loss:.4f})\nEpoch: [{zero}]  [19/20]  eta: 0:00:00  loss: {b_loss:.4f} ({b_loss:.4f})\n"
                              "Averaged stats: lr: 0.000100  loss: {b_loss:.4f} ({loss:.4f})\n"), training(shown=["loss"], epochs=range(EPOCHS)))
save("csv-then-log.txt", "epoch,loss,val_acc\n" + each("{n},{loss},{val_acc}\n") + each("Epoch {n}/8 " + INLINE, OTHER), training(OTHER))
save("log-then-table.txt", each("Epoch {n}/8 " + INLINE) + "epoch,loss,val_acc\n" + each("{n},{loss},{val_acc}\n", OTHER), training())
