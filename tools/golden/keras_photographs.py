"""The procedures of the book by Keras 2.0.8 itself, on photographs: Dense(256), RMSprop(2e-5), 30 epochs.

    python tools/golden/keras_photographs.py squeezenet FOLDER WEIGHTS.safetensors cached experiments/published/keras-2.0.8-squeezenet.csv
    python tools/golden/keras_photographs.py squeezenet FOLDER WEIGHTS.safetensors end_to_end experiments/published/keras-2.0.8-squeezenet-end-to-end.csv
    python tools/golden/keras_photographs.py vgg16 FOLDER WEIGHTS.safetensors cached experiments/published/keras-2.0.8-vgg16.csv
    python tools/golden/keras_photographs.py vgg16 FOLDER WEIGHTS.safetensors features crates/train/tests/fixtures/vgg16_photographs.safetensors thaw
    python tools/golden/keras_photographs.py vgg16 FOLDER WEIGHTS.safetensors fine_tuning

`cached` is the first procedure: on cached features, with Dropout(0.5), for both preprocessings and three seeds; `experiments/keras-squeezenet.toml` and
`experiments/book.toml` are the same by thaw. `end_to_end` is the second, with the book's augmentation and pixels, one seed: `trainable = False` is set on the
base, which this Keras does not pass on to the optimizer. It is written after every epoch, with durations, and prints how long one forward pass over
the training images takes. `features` writes what the base makes of a few photographs. The two programs' JPEG decoders differ, so the pixels are
thaw's: the program named last decodes and resizes them. How far Keras' own pixels lead away from them is printed. `fine_tuning` prints how many tensors
the optimizer holds in each of the two phases of the third procedure.

Needs Pillow before 7.0, whose resize without a filter takes the nearest pixel, as it did for the book.
"""

import csv
import json
import os
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np
import PIL
import tensorflow as tf
import keras
from keras import layers, models, optimizers
from keras.preprocessing.image import ImageDataGenerator, img_to_array, load_img

assert keras.__version__ == "2.0.8" and int(PIL.__version__.split(".")[0]) < 7, (keras.__version__, PIL.__version__)
BASE, FOLDER, WEIGHTS, PROCEDURE = sys.argv[1:5]
OUTPUT = sys.argv[5] if len(sys.argv) > 5 else None
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
    load(named)
    return model


def vgg16():
    """Keras' own, with torchvision's names for the layers of the weights file."""
    model = keras.applications.VGG16(weights=None, include_top=False, input_shape=(150, 150, 3))
    convolutions = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    indices = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    assert len(convolutions) == len(indices)
    load({"features.%d" % index: layer for index, layer in zip(indices, convolutions)})
    return model


def load(named):
    tensors = read(WEIGHTS)
    for name, layer in named.items():
        layer.set_weights([tensors[name + ".weight"].transpose(2, 3, 1, 0), tensors[name + ".bias"]])


def caffe(image):
    return image[..., ::-1] - np.array(MEAN, np.float32)


base_of, MEAN = {"squeezenet": (squeezenet, [104.0, 117.0, 123.0]), "vgg16": (vgg16, [103.939, 116.779, 123.68])}[BASE]


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
    base = base_of()
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


def end_to_end_model():
    """The base, said to be frozen, with a head."""
    base = base_of()
    model = models.Sequential()
    model.add(base)
    model.add(layers.Flatten())
    model.add(layers.Dense(256, activation="relu"))
    model.add(layers.Dense(1, activation="sigmoid"))
    base.trainable = False
    return base, model


def tell(model, where):
    declared, collected = len(model.trainable_weights), len(model.model._collected_trainable_weights)
    print("%s: declared trainable: %d tensors; collected by the optimizer: %d" % (where, declared, collected), flush=True)


def end_to_end():
    seeded(0)
    base, model = end_to_end_model()
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
    tell(model, "end to end")
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


def write_safetensors(tensors):
    header, body = {}, b""
    for name, values in tensors.items():
        data = np.ascontiguousarray(values, np.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(OUTPUT, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


def features():
    """Names of tensors are `<preprocessing>/<class>/<file>`."""
    base, tensors = base_of(), {}
    for photograph in ["cats/cat.4501.jpg", "cats/cat.4777.jpg", "dogs/dog.4600.jpg", "dogs/dog.4999.jpg"]:
        path = os.path.join(FOLDER, "test", photograph)
        with tempfile.TemporaryDirectory() as folder:
            png = os.path.join(folder, "pixels.png")
            subprocess.check_call([sys.argv[6], "preview", "--image", path, "--size", "150", "--output", png])
            decoded = img_to_array(load_img(png))
        own = img_to_array(load_img(path, target_size=(150, 150)))
        for preprocessing, prepare in [("rescale", lambda image: image / 255), ("caffe", caffe)]:
            of_thaw, of_keras = base.predict(np.stack([prepare(decoded), prepare(own)]).astype(np.float32))
            tensors[preprocessing + "/" + photograph] = of_thaw
            away = np.linalg.norm(of_thaw - of_keras) / np.linalg.norm(of_keras)
            print("%s, %s: with its own pixels Keras' features are %.1e away" % (photograph, preprocessing, away), flush=True)
    write_safetensors(tensors)


def fine_tuning():
    base, model = end_to_end_model()
    compiled(model)
    tell(model, "first phase")
    base.trainable = True
    trainable = False
    for layer in base.layers:
        trainable |= layer.name == "block5_conv1"
        layer.trainable = trainable
    model.compile(optimizer=optimizers.RMSprop(lr=1e-5), loss="binary_crossentropy", metrics=["acc"])
    tell(model, "second phase")


{"cached": cached, "end_to_end": end_to_end, "features": features, "fine_tuning": fine_tuning}[PROCEDURE]()
