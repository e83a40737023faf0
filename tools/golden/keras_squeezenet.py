"""The book's first procedure by Keras 2.0.8 itself, on SqueezeNet: cached features, Dense(256), Dropout(0.5), RMSprop(2e-5), 30 epochs, 3 seeds.

    python tools/golden/keras_squeezenet.py FOLDER WEIGHTS.safetensors experiments/published/keras-2.0.8-squeezenet.csv

Needs Pillow before 7.0, whose resize without a filter takes the nearest pixel, as it did for the book. `experiments/keras-squeezenet.toml` is the same by thaw.
"""

import csv
import json
import struct
import sys

import numpy as np
import PIL
import tensorflow as tf
import keras
from keras import layers, models, optimizers
from keras.preprocessing.image import ImageDataGenerator

assert keras.__version__ == "2.0.8" and int(PIL.__version__.split(".")[0]) < 7, (keras.__version__, PIL.__version__)
FOLDER, WEIGHTS, OUTPUT = sys.argv[1:]


def read(path):
    """The tensors of a safetensors file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header, body = json.loads(file.read(length).decode()), file.read()
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            tensors[name] = np.frombuffer(body[first:last], np.float32).reshape(entry["shape"])
    return tensors


def squeezenet():
    """torchvision's `features`, whose pools round up: at 150×150 that is TensorFlow's `same`. Then a 2×2 max-pool."""
    image = layers.Input((150, 150, 3))
    named = {}

    def convolution(name, x, filters, size, **options):
        named[name] = layers.Conv2D(filters, size, activation="relu", **options)
        return named[name](x)

    x = convolution("features.0", image, 96, 7, strides=2)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    plan = [(3, 16, 64), (4, 16, 64), (5, 32, 128), None, (7, 32, 128), (8, 48, 192), (9, 48, 192), (10, 64, 256), None, (12, 64, 256)]
    for fire in plan:
        if fire is None:
            x = layers.MaxPooling2D(3, 2, padding="same")(x)
            continue
        index, squeeze, expand = fire
        x = convolution("features.%d.squeeze" % index, x, squeeze, 1)
        one = convolution("features.%d.expand1x1" % index, x, expand, 1)
        three = convolution("features.%d.expand3x3" % index, x, expand, 3, padding="same")
        x = layers.concatenate([one, three])
    model = models.Model(image, layers.MaxPooling2D(2)(x))
    tensors = read(WEIGHTS)
    for name, layer in named.items():
        layer.set_weights([tensors[name + ".weight"].transpose(2, 3, 1, 0), tensors[name + ".bias"]])
    return model


def caffe(image):
    return image[..., ::-1] - np.array([104.0, 117.0, 123.0], np.float32)


base = squeezenet()
rows = []
for preprocessing, generator in [("rescale", ImageDataGenerator(rescale=1.0 / 255)), ("caffe", ImageDataGenerator(preprocessing_function=caffe))]:
    features, labels = {}, {}
    for split in ["train", "validation"]:
        flow = generator.flow_from_directory("%s/%s" % (FOLDER, split), (150, 150), batch_size=20, class_mode="binary", shuffle=False)
        features[split] = base.predict_generator(flow, flow.samples // 20).reshape(flow.samples, -1)
        labels[split] = flow.classes
    for seed in range(3):
        np.random.seed(seed)
        tf.set_random_seed(seed)
        head = models.Sequential()
        head.add(layers.Dense(256, activation="relu", input_dim=features["train"].shape[1]))
        head.add(layers.Dropout(0.5))
        head.add(layers.Dense(1, activation="sigmoid"))
        head.compile(optimizer=optimizers.RMSprop(lr=2e-5), loss="binary_crossentropy", metrics=["acc"])
        history = head.fit(features["train"], labels["train"], epochs=30, batch_size=20, verbose=0,
                           validation_data=(features["validation"], labels["validation"])).history
        for epoch in range(30):
            rows.append(["keras-2.0.8 %s seed %d" % (preprocessing, seed), epoch + 1] + ["%.6f" % history[key][epoch] for key in ["loss", "acc", "val_loss", "val_acc"]])
        print(rows[-1], flush=True)

with open(OUTPUT, "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["run", "epoch", "loss", "acc", "val_loss", "val_acc"])
    writer.writerows(rows)
