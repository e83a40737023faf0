"""Keras 2.0.8's side of versus_pytorch.py: 500 images of 150×150 through ImageDataGenerator with the book's ranges, in one process."""

import sys
import time

import numpy
from keras.preprocessing.image import ImageDataGenerator

IMAGES = numpy.random.RandomState(0).uniform(0, 255, (500, 150, 150, 3)).astype("float32")
GENERATOR = ImageDataGenerator(
    rescale=1.0 / 255, rotation_range=40, width_shift_range=0.2, height_shift_range=0.2, shear_range=0.2, zoom_range=0.2,
    horizontal_flip=True, fill_mode="nearest",
)

for _ in sys.stdin:
    start = time.time()
    batches = GENERATOR.flow(IMAGES, batch_size=20)
    for _ in range(len(IMAGES) // 20):
        next(batches)
    print(time.time() - start)
    sys.stdout.flush()
