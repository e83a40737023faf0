"""Both procedures of the book by Keras 2.0.8 itself, on SqueezeNet: Dense(256), RMSprop(2e-5), 30 epochs.

    python tools/golden/keras_squeezenet.py FOLDER WEIGHTS.safetensors cached experiments/published/keras-2.0.8-squeezenet.csv
    python tools/golden/keras_squeezenet.py FOLDER WEIGHTS.safetensors end_to_end experiments/published/keras-2.0.8-squeezenet-end-to-end.csv

The first is on cached features, with Dropout(0.5), for both preprocessings and three seeds; `experiments/keras-squeezenet.toml` is the same by thaw. The
second is end to end with the book's augmentation and pixels, one seed: `trainable = False` is set on the base, which this Keras does not pass on
to the optimizer. It is written after every epoch, with durations, and prints how long one forward pass over the training images takes.

Needs Pillow before 7.0, whose resize without a filter takes the nearest pixel, as it did for the book.
"""

import csv
import json
import struct
import sys
import time

import numpy as np
import PIL
import tensorflow as tf
import keras
from keras import layers, models, optimizers
from keras.preprocessing.image import ImageDataGenerator

assert keras.__version__ == "2.0.8" and int(PIL.__version__.split(".")[0]) < 7, (keras.__version__, PIL.__version__)
FOLDER, WEIGHTS, PROCEDURE, OUTPUT = sys.argv[1:]
COLUMNS = ["loss", "acc", "val_loss", "val_acc"]


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


def seeded(seed):
    np.random.seed(seed)
    tf.set_random_seed(seed)


def compiled(model):
    model.compile(optimizer=optimizers.RMSprop(lr=2e-5), loss="binary_crossentropy", metrics=["acc"])


def flow(generator, split, **options):
    return generator.flow_from_directory("%s/%s" % (FOLDER, split), (150, 150), batch_size=20, class_mode="binary", **options)


def write(rows, columns):
    with open(OUTPUT, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["run", "epoch"] + columns)
        writer.writerows(rows)


def cached():
    base = squeezenet()
    rows = []
    for preprocessing, generator in [("rescale", ImageDataGenerator(rescale=1.0 / 255)), ("caffe", ImageDataGenerator(preprocessing_function=caffe))]:
        features, labels = {}, {}
        for split in ["train", "validation"]:
            images = flow(generator, split, shuffle=False)
            features[split] = base.predict_generator(images, images.samples // 20).reshape(images.samples, -1)
            labels[split] = images.classes
        for seed in range(3):
            seeded(seed)
            head = models.Sequential()
            head.add(layers.Dense(256, activation="relu", input_dim=features["train"].shape[1]))
            head.add(layers.Dropout(0.5))
            head.add(layers.Dense(1, activation="sigmoid"))
            compiled(head)
            history = head.fit(features["train"], labels["train"], epochs=30, batch_size=20, verbose=0,
                               validation_data=(features["validation"], labels["validation"])).history
            for epoch in range(30):
                rows.append(["keras-2.0.8 %s seed %d" % (preprocessing, seed), epoch + 1] + ["%.6f" % history[key][epoch] for key in COLUMNS])
            print(rows[-1], flush=True)
    write(rows, COLUMNS)


def end_to_end():
    seeded(0)
    base = squeezenet()
    model = models.Sequential()
    model.add(base)
    model.add(layers.Flatten())
    model.add(layers.Dense(256, activation="relu"))
    model.add(layers.Dense(1, activation="sigmoid"))
    base.trainable = False
    plain = ImageDataGenerator(rescale=1.0 / 255)
    augmented = ImageDataGenerator(rescale=1.0 / 255, rotation_range=40, width_shift_range=0.2, height_shift_range=0.2, shear_range=0.2,
                                   zoom_range=0.2, horizontal_flip=True, fill_mode="nearest")
    batches = flow(plain, "train", shuffle=False)
    images = np.concatenate([next(batches)[0] for _ in range(batches.samples // 20)])
    base.predict(images[:40], batch_size=20)
    start = time.time()
    base.predict(images, batch_size=20)
    print("one forward pass over %d images: %.2f s" % (len(images), time.time() - start), flush=True)
    compiled(model)
    print("declared trainable: %d tensors; collected by the optimizer: %d" % (len(model.trainable_weights), len(model.model._collected_trainable_weights)), flush=True)
    rows = []

    class Log(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.start = time.time()

        def on_epoch_end(self, epoch, logs=None):
            rows.append(["keras-2.0.8 end to end rescale seed 0", epoch + 1] + ["%.6f" % logs[key] for key in COLUMNS] + ["%.1f" % (time.time() - self.start)])
            print(rows[-1], flush=True)
            write(rows, COLUMNS + ["seconds"])

    model.fit_generator(flow(augmented, "train"), steps_per_epoch=100, epochs=30, validation_data=flow(plain, "validation"), validation_steps=50,
                        verbose=0, callbacks=[Log()])


{"cached": cached, "end_to_end": end_to_end}[PROCEDURE]()
