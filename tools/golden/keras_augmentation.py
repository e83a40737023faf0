"""The random transformation of whichever Keras runs this script, with numbers of our own in the place of those it draws.

Run it with keras 2.0.8, 2.1.3, 2.2.4 and 3 (README.md has the environments); each writes the fixture of its profile.
"""

import numpy as np
import keras

import fixtures

VERSION = keras.__version__
PROFILE = {"2.0.8": "keras-2.0.8", "2.1.3": "keras-2.1.3", "2.2.4": "keras-2.2"}.get(VERSION, "keras-3" if VERSION.startswith("3.") else None)
assert PROFILE, VERSION
if VERSION.startswith("3."):
    from keras.src.legacy.preprocessing.image import ImageDataGenerator
else:
    from keras.preprocessing.image import ImageDataGenerator

# The arguments of "Deep Learning with Python", listing 5.11.
generator = ImageDataGenerator(
    rotation_range=40, width_shift_range=0.2, height_shift_range=0.2, shear_range=0.2, zoom_range=0.2, horizontal_flip=True, fill_mode="nearest"
)
height, width, count = 29, 22, 4
random = np.random.RandomState(5)
images = random.randint(0, 256, (count, height, width, 3)).astype(np.uint8)
units = random.uniform(0, 1, (count, 7))


def scripted(numbers):
    """Replaces NumPy's global draws by the given numbers in [0, 1)."""
    left = list(numbers)

    def uniform(low=0.0, high=1.0, size=None):
        if size is None:
            return low + (high - low) * left.pop(0)
        return np.array([low + (high - low) * left.pop(0) for _ in range(size)])

    def unit(*_):
        # What is drawn beyond the seven (a vertical flip, which the book does not want) is of no consequence.
        return left.pop(0) if left else 0.9

    np.random.uniform, np.random.random = uniform, unit


transformed = []
for image, numbers in zip(images, units):
    scripted(numbers)
    transformed.append(np.asarray(generator.random_transform(image.astype(np.float32)), dtype=np.float32))

fixtures.write(
    f"crates/data/tests/fixtures/augmentation-{PROFILE}.safetensors",
    {"images": images, "units": units, "transformed": np.array(transformed)},
)
