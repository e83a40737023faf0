"""Training by whichever Keras runs this script: RMSprop, Dense, binary cross-entropy and its clipping, and a small base trained as a whole.

Run it with keras 2.0.8, 2.1.3, 2.2.4 and 3 (README.md has the environments); each writes the fixture of its profile. Weights and inputs come
from a formula that the tests repeat, so that only results are stored.
"""

import numpy as np
import keras
from keras import layers, models

import fixtures

VERSION = keras.__version__
PROFILE = {"2.0.8": "keras-2.0.8", "2.1.3": "keras-2.1.3", "2.2.4": "keras-2.2"}.get(VERSION, "keras-3" if VERSION.startswith("3.") else None)
assert PROFILE, VERSION


def precision(name):
    keras.backend.set_floatx(name)
    if hasattr(keras, "config"):
        keras.config.set_dtype_policy(name)  # Keras 3 remembers the first one otherwise


def compiled(model, learning_rate):
    # The learning rate's name changed; its place did not.
    model.compile(optimizer=keras.optimizers.RMSprop(learning_rate), loss="binary_crossentropy", metrics=["accuracy"])
    return model


def step(model, inputs, labels):
    """Trains on a batch and returns its loss, before the step."""
    if hasattr(model, "reset_metrics"):
        model.reset_metrics()
    return np.ravel(model.train_on_batch(inputs, labels))[0]


# Dense layers can be computed in 64 bits by every version, convolutions only by Keras 3.
OLD = not VERSION.startswith("3.")
if OLD:
    import tensorflow

    one_thread = tensorflow.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    keras.backend.set_session(tensorflow.Session(config=one_thread))
precision("float64")
fixture = {}

# A head: 20 steps of RMSprop on 6 examples.
head = models.Sequential([layers.Dense(4, activation="relu", input_shape=(5,), dtype="float64"), layers.Dense(1, activation="sigmoid")])
head.set_weights([fixtures.formula(1, (5, 4), 0.8), np.zeros(4, np.float32), fixtures.formula(2, (4, 1), 0.8), np.zeros(1, np.float32)])
inputs, labels = fixtures.formula(3, (6, 5), 1.0), np.array([0, 1, 0, 1, 1, 0], np.float32).reshape(6, 1)
compiled(head, 1e-2)
losses = []
for number in range(20):
    losses.append(step(head, inputs, labels))
    fixture["head.%d" % number] = np.concatenate([weights.ravel() for weights in head.get_weights()])
fixture["head.losses"] = np.array(losses, np.float64)

# Saturated logits: loss, and whether a step moves the weight; in 32 bits, as training is.
precision("float32")
for number, logit in enumerate([-40.0, -17.0, -12.0, -3.0, 3.0, 12.0, 15.0, 17.0, 40.0]):
    unit = models.Sequential([layers.Dense(1, activation="sigmoid", input_shape=(1,))])
    unit.set_weights([np.array([[logit]], np.float32), np.zeros(1, np.float32)])
    compiled(unit, 1e-3)
    for label in (0.0, 1.0):
        loss = step(unit, np.ones((1, 1), np.float32), np.array([[label]], np.float32))
        fixture["saturated.%d.%d" % (number, label)] = np.array([logit, label, loss, unit.get_weights()[0][0, 0] - logit], np.float64)
        unit.set_weights([np.array([[logit]], np.float32), np.zeros(1, np.float32)])
        compiled(unit, 1e-3)

# A base trained as a whole with a head, 12 steps on two batches in turn: the architecture mini_vgg at 32×32. In 64 bits where the version can
# convolve in them, because in 32 rounding tips units over the edge of their ReLU, and RMSprop's first steps are as long for small gradients as
# for large ones, so that the curves of two runs part by 1e-3. Older versions run on one thread, on batches at which mostly none is tipped over; if the test fails after a new run, run them again.
precision("float32" if OLD else "float64")
base = models.Sequential()
given = {"input_shape": (32, 32, 3), "dtype": keras.backend.floatx()}
for count in [16, 16, 0, 32, 32, 0, 64, 64, 0, 128, 0]:  # 0 halves
    if count == 0:
        base.add(layers.MaxPooling2D((2, 2)))
    else:
        base.add(layers.Conv2D(count, (3, 3), padding="same", activation="relu", **given))
        given = {}
base.add(layers.Flatten())
base.add(layers.Dense(16, activation="relu"))
base.add(layers.Dense(1, activation="sigmoid"))
weights = []
for number, tensor in enumerate(base.get_weights()):
    fan_in = np.prod(tensor.shape[:-1])
    weights.append(np.zeros(tensor.shape, np.float32) if tensor.ndim == 1 else fixtures.formula(10 + number, tensor.shape, np.sqrt(6.0 / fan_in)))
base.set_weights(weights)
compiled(base, 1e-4)
batches = [(fixtures.formula(500 + batch, (4, 32, 32, 3), 1.0), np.array([0, 1, 1, 0], np.float32).reshape(4, 1)) for batch in range(2)]
fixture["base.losses"] = np.array([step(base, *batch) for batch in batches * 6], np.float64)
fixture["base.first_kernel"] = base.get_weights()[0]

fixtures.write("crates/model/tests/fixtures/%s.safetensors" % PROFILE, {name: np.ascontiguousarray(value) for name, value in fixture.items()})
print(PROFILE, fixture["head.losses"][[0, -1]], fixture["base.losses"])
