"""Keras 2.0.8's random transformation with the arguments of "Deep Learning with Python", listing 5.11, and the numbers it drew."""

import numpy as np
import keras
from keras.preprocessing.image import ImageDataGenerator

import fixtures

assert keras.__version__ == "2.0.8"
generator = ImageDataGenerator(
    rotation_range=40, width_shift_range=0.2, height_shift_range=0.2, shear_range=0.2, zoom_range=0.2, horizontal_flip=True, fill_mode="nearest"
)
height, width, count = 41, 30, 12
random = np.random.RandomState(5)
images = random.randint(0, 256, (count, height, width, 3)).astype(np.uint8)
transformed, parameters = [], []
for seed, image in enumerate(images):
    np.random.seed(seed)
    result = generator.random_transform(image.astype(np.float32))
    assert (result == np.round(result)).all()
    transformed.append(result.astype(np.uint8))
    np.random.seed(seed)
    rotation = np.deg2rad(np.random.uniform(-40, 40))
    shift_rows = np.random.uniform(-0.2, 0.2) * height
    shift_columns = np.random.uniform(-0.2, 0.2) * width
    shear = np.random.uniform(-0.2, 0.2)
    zoom_rows, zoom_columns = np.random.uniform(0.8, 1.2, 2)
    flip = np.random.random() < 0.5
    parameters.append([rotation, shift_rows, shift_columns, shear, zoom_rows, zoom_columns, float(flip)])

fixtures.write(
    "crates/data/tests/fixtures/augmentation.safetensors",
    {"images": images, "transformed": np.array(transformed), "parameters": np.array(parameters)},
)
