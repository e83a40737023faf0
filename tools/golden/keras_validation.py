"""How many different validation images `fit_generator` of Keras 2.0.8 sees in each of its validation passes, and the numbers of batches it loses.

The model waits a little in each step, as a real one would, so that the generator's queue is full when a pass ends.
"""

import time

import numpy as np
import tensorflow as tf
import keras
from keras import layers, models
from keras.preprocessing.image import ImageDataGenerator

print("Keras", keras.__version__)


def slow(x):
    waiting = tf.py_func(lambda values: (time.sleep(0.03), values)[1], [x], tf.float32)
    waiting.set_shape(x.shape)
    return waiting


model = models.Sequential([layers.Flatten(input_shape=(4, 4, 3)), layers.Lambda(slow), layers.Dense(1, activation="sigmoid")])
model.compile(optimizer="rmsprop", loss="binary_crossentropy")
images = np.arange(1000, dtype=np.float32).reshape(1000, 1, 1, 1) * np.ones((1, 4, 4, 3), np.float32)
labels = np.zeros(1000)
seen = []




original = model.test_on_batch


def test_on_batch(x, y, sample_weight=None):
    seen.append(set(x[:, 0, 0, 0].astype(int)))
    return original(x, y, sample_weight=sample_weight)


inner = getattr(model, "model", model)
inner.test_on_batch = test_on_batch
original = type(inner).test_on_batch.__get__(inner)
train = ImageDataGenerator().flow(images[:40], labels[:40], batch_size=20)
validation = ImageDataGenerator().flow(images, labels, batch_size=20)
model.fit_generator(train, steps_per_epoch=2, epochs=12, validation_data=validation, validation_steps=50, verbose=0)
print([len(set().union(*seen[first : first + 50])) for first in range(0, len(seen), 50)])
