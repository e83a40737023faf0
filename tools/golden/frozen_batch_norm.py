"""BatchNorm in a frozen base as each library has it: what a flag, `training=False`, `eval()` and `requires_grad = False` each do to a training step.

    python tools/golden/frozen_batch_norm.py            # in an environment with keras 2.0.8, 2.1.3, 2.2.4 or 3, or with torch and no keras

Each library replaces its rows of crates/model/tests/fixtures/frozen_batch_norm.csv, prints them, and writes frozen_batch_norm-<profile>.safetensors beside it: the
features of a training step whose base is frozen in the library's usual way and of one whose base is open, and the moving statistics after two steps of each.

The base is mini_resnet with the numbers that `architectures.py` documents, then Flatten and one unit; SGD with 0.1 on one batch of four images at 32x32, of which two
are dogs. A layer's momentum is PyTorch's 0.1, Keras' 0.9, and its epsilon 1e-5. In the table, `momentum` and `epsilon` are what a layer has that is given none.
`first_share` is the share of the first batch's mean in the first layer's moving one: 0.1, or 1 where the moving one forgets what it was loaded with. `variance` is
what the variance that the moving one follows is to the batch's own, divided by its number of values n: 1, n/(n-1) or the square of that.

In the two steps the unit is zero, so that the base has no gradients and its weights stay; the second batch is the first, upside down and times 3/2.
"""

import csv
import os

import numpy as np

import fixtures
from fixtures import hashed

FOLDER = "crates/model/tests/fixtures/"
COLUMNS = ["profile", "way", "trainable", "collected", "normalised_by", "statistics_moved", "weights_moved", "momentum", "epsilon", "first_share", "variance"]
SHARE, EPSILON, STEP = 0.1, 1e-5, 0.1
# Name, input and output channels, kernel and stride of each convolution, in the order of the layers.
CONVOLUTIONS = [("conv1", 3, 16, 3, 1)]
for stage, (inputs, outputs) in enumerate([(16, 32), (32, 48), (48, 64)], 1):
    unit = "layer%d.0." % stage
    CONVOLUTIONS += [(unit + "conv1", inputs, outputs, 3, 2), (unit + "conv2", outputs, outputs, 3, 1), (unit + "downsample.0", inputs, outputs, 1, 2)]


def norm(convolution):
    """The name of the normalisation behind a convolution."""
    return convolution.replace("downsample.0", "downsample.1").replace("conv", "bn")


def weights():
    """Every tensor by its name, kernels as PyTorch has them."""
    shapes = {}
    for name, inputs, outputs, kernel, _ in CONVOLUTIONS:
        shapes[name + ".weight"] = (outputs, inputs, kernel, kernel)
        for tensor in ["weight", "bias", "running_mean", "running_var"]:
            shapes[norm(name) + "." + tensor] = (outputs,)
    values = {}
    for number, name in enumerate(sorted(shapes)):
        shape = shapes[name]
        h = hashed(int(np.prod(shape)), number).reshape(shape)
        if len(shape) == 4:
            h = h * np.sqrt(24 / np.prod(shape[1:]))
        else:
            h = {"weight": 0.5 + h / 5, "bias": 0.5 + h / 5, "running_mean": h / 5, "running_var": 1 + h}[name.rsplit(".", 1)[1]]
        values[name] = h.astype(np.float32)
    return values


IMAGES = (hashed(4 * 32 * 32 * 3, 1000) * 2).astype(np.float32).reshape(4, 32, 32, 3)
LABELS = np.array([0, 1, 0, 1], np.float32).reshape(4, 1)
START = weights()
BATCHES = [IMAGES, np.ascontiguousarray(IMAGES[:, ::-1] * np.float32(1.5))]
UNIT = (hashed(4 * 4 * 64, 3000) / 16).astype(np.float32).reshape(-1, 1)


def first_layer():
    """Mean and variance of the first convolution's output over a batch, by channel, the variance divided by the number of values; and that number."""
    padded = np.pad(IMAGES.astype(np.float64), [(0, 0), (1, 1), (1, 1), (0, 0)], "constant")
    patches = np.stack([padded[:, y : y + 32, x : x + 32] for y in range(3) for x in range(3)], 3)
    output = np.einsum("bhwkc,okc->bhwo", patches, START["conv1.weight"].transpose(0, 2, 3, 1).reshape(16, 9, 3).astype(np.float64))
    values = output.reshape(-1, 16)
    return values.mean(0), values.var(0), len(values)


def row(way, trainable, collected, in_training, evaluated, end, defaults):
    """A row of the table, from features in training and in evaluation and the tensors after a step."""
    is_statistic = lambda name: "running" in name
    moved = {name for name in START if (START[name] != end[name]).any()}
    found = dict.fromkeys(COLUMNS, "")
    found.update(zip(COLUMNS, [PROFILE, way, trainable, collected]))
    found["normalised_by"] = "moving" if np.abs(in_training - evaluated).max() < 1e-4 else "batch"
    found["statistics_moved"] = len([name for name in moved if is_statistic(name)])
    found["weights_moved"] = len([name for name in moved if not is_statistic(name)])
    found["momentum"], found["epsilon"] = ["%g" % value for value in defaults]
    if "bn1.running_var" in moved:
        mean, variance, count = first_layer()
        begun, ended = [{key: state["bn1.running_" + key].astype(np.float64) for key in ("mean", "var")} for state in (START, end)]
        share = np.median((ended["mean"] - begun["mean"]) / (mean - begun["mean"]))
        assert min(abs(share - SHARE), abs(share - 1)) < 1e-3, share
        found["first_share"] = "%g" % round(share, 2)
        followed = (ended["var"] - (1 - share) * begun["var"]) / share
        excess = np.log(np.median(followed / variance)) / np.log(count / (count - 1.0))
        assert abs(excess - round(excess)) < 0.1, excess
        found["variance"] = ["1", "n/(n-1)", "(n/(n-1))^2"][int(round(excess))]
    return found


rows, written = [], {}


def note(way, trainable, collected, in_training, evaluated, end, defaults):
    rows.append(row(way, trainable, collected, in_training, evaluated, end, defaults))
    print(rows[-1])


def keep(name, in_training, end):
    written[name + ".features"] = in_training.astype(np.float32)
    for tensor in START:
        if "running" in tensor:
            written[name + ".moved." + tensor] = end[tensor]
        else:
            assert (START[tensor] == end[tensor]).all(), tensor


try:
    import keras
except ImportError:
    keras = None

if keras is None:
    import torch

    PROFILE = "torch"

    def place(tensor):
        """The name that a tensor has here, where a layer's name holds no dot."""
        return tensor.rsplit(".", 1)[0].replace(".", "/") + "." + tensor.rsplit(".", 1)[1]

    class Normalised(torch.nn.Module):
        """A convolution and its normalisation, under the names that a file has."""

        def __init__(self):
            super().__init__()
            for name, inputs, outputs, kernel, stride in CONVOLUTIONS:
                self.add_module(name.replace(".", "/"), torch.nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False))
                self.add_module(norm(name).replace(".", "/"), torch.nn.BatchNorm2d(outputs, EPSILON, SHARE))

        def apply_layer(self, name, x):
            return getattr(self, norm(name).replace(".", "/"))(getattr(self, name.replace(".", "/"))(x))

        def forward(self, x):
            x = self.apply_layer("conv1", x).relu()
            for stage in (1, 2, 3):
                unit = "layer%d.0." % stage
                branch = self.apply_layer(unit + "conv2", self.apply_layer(unit + "conv1", x).relu())
                x = (branch + self.apply_layer(unit + "downsample.0", x)).relu()
            return x

        def tensors(self):
            return {name.replace("/", "."): tensor.detach().numpy().copy() for name, tensor in self.state_dict().items() if "num_batches" not in name}

    def flag(base):
        base.requires_grad_(False)

    def evaluate(base):
        base.eval()

    def evaluate_then_train(base):
        base.requires_grad_(False).eval()
        base.train()  # what model.train() at the start of an epoch does to its parts

    def both(base):
        base.requires_grad_(False).eval()

    def loaded():
        base = Normalised()
        base.load_state_dict({place(name): torch.from_numpy(value.copy()) for name, value in START.items()}, strict=False)
        assert all((base.tensors()[name] == START[name]).all() for name in START)
        return base

    def train(base, unit, images):
        """A step; everything is given to the optimizer, as most people do, and what has no gradient is left out of it."""
        everything = list(base.parameters()) + [unit]
        features = base(torch.from_numpy(images).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(features.flatten(1) @ unit, torch.from_numpy(LABELS))
        loss.backward()
        torch.optim.SGD(everything, STEP).step()
        return features.detach().numpy(), everything

    for way, freeze, kept_as in [
        ("nothing", lambda base: None, "open"),
        ("requires_grad = False", flag, "frozen"),
        ("eval()", evaluate, None),
        ("requires_grad = False and eval()", both, None),
        ("requires_grad = False and eval(), then model.train()", evaluate_then_train, None),
    ]:
        base = loaded()
        with torch.no_grad():
            evaluated = base.eval()(torch.from_numpy(IMAGES).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
        base.train()
        freeze(base)
        in_training, everything = train(base, torch.nn.Parameter(torch.from_numpy(UNIT.copy())), IMAGES)
        trainable = sum(tensor.requires_grad for tensor in everything)
        with_gradients = sum(tensor.grad is not None for tensor in everything)
        plain = torch.nn.BatchNorm2d(1)
        note(way, trainable, with_gradients, in_training, evaluated, base.tensors(), (plain.momentum, plain.eps))
        if kept_as:
            base = loaded()
            freeze(base)
            for images in BATCHES:
                train(base, torch.nn.Parameter(torch.zeros_like(torch.from_numpy(UNIT))), images)
            keep(kept_as, in_training, base.tensors())
else:
    from keras import backend as K
    from keras import layers, models

    VERSION = keras.__version__
    IS_3 = VERSION.startswith("3.")
    PROFILE = {"2.0.8": "keras-2.0.8", "2.1.3": "keras-2.1.3", "2.2.4": "keras-2.2"}.get(VERSION, "keras-3" if IS_3 else None)
    assert PROFILE, VERSION

    def build(**call):
        """The base; `call` goes to each normalisation."""
        found = {}

        def layer(name, x, stride, kernel, outputs):
            if kernel > 1:
                x = layers.ZeroPadding2D(1)(x)
            found[name] = layers.Conv2D(outputs, kernel, strides=stride, use_bias=False, name=name.replace(".", "_"))
            found[norm(name)] = layers.BatchNormalization(momentum=1 - SHARE, epsilon=EPSILON, name=norm(name).replace(".", "_"))
            return found[norm(name)](found[name](x), **call)

        plan = {name: (stride, kernel, outputs) for name, _, outputs, kernel, stride in CONVOLUTIONS}
        image = layers.Input((32, 32, 3))
        x = layers.Activation("relu")(layer("conv1", image, *plan["conv1"]))
        for stage in (1, 2, 3):
            unit = "layer%d.0." % stage
            branch = layers.Activation("relu")(layer(unit + "conv1", x, *plan[unit + "conv1"]))
            branch = layer(unit + "conv2", branch, *plan[unit + "conv2"])
            x = layers.Activation("relu")(layers.add([branch, layer(unit + "downsample.0", x, *plan[unit + "downsample.0"])]))
        base = models.Model(image, x)
        load(found)
        return base, found

    def load(found):
        for name, layer in found.items():
            if name + ".running_mean" in START:
                layer.set_weights([START[name + "." + tensor] for tensor in ["weight", "bias", "running_mean", "running_var"]])
            else:
                layer.set_weights([START[name + ".weight"].transpose(2, 3, 1, 0)])

    def tensors(found):
        values = {}
        for name, layer in found.items():
            if name + ".running_mean" in START:
                of_layer = [layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance]
                for tensor, value in zip(["weight", "bias", "running_mean", "running_var"], of_layer):
                    values[name + "." + tensor] = np.array(value) if IS_3 else K.get_value(value)
            else:
                values[name + ".weight"] = (np.array(layer.kernel) if IS_3 else K.get_value(layer.kernel)).transpose(3, 2, 0, 1)
        return values

    def flag_on_layers(base):
        for layer in base.layers:
            layer.trainable = False

    def flag_on_base(base):
        base.trainable = False

    sequential, functional, extended = "Sequential", "functional", "extended"
    WAYS = [
        ("nothing", lambda base: None, sequential, {}, {}, "open"),
        ("trainable = False on each layer", flag_on_layers, sequential, {}, {}, "frozen"),
        ("trainable = False on each layer, Model(base.input, ...)", flag_on_layers, extended, {}, {}, None),
        ("trainable = False on the base, in a Sequential", flag_on_base, sequential, {}, {}, None),
        ("trainable = False on the base, base(x)", flag_on_base, functional, {}, {}, None),
        ("training=False for each BatchNormalization", lambda base: None, functional, {"training": False}, {}, None),
        ("base(x, training=False)", lambda base: None, functional, {}, {"training": False}, None),
    ]
    for way, freeze, kind, of_layers, of_base, kept_as in WAYS:
        K.clear_session()
        base, found = build(**of_layers)
        flatten, unit = layers.Flatten(), layers.Dense(1, activation="sigmoid", use_bias=False)
        if kind == sequential:
            model = models.Sequential([base, flatten, unit])
        elif kind == extended:
            image, features = base.input, base.output
            model = models.Model(image, unit(flatten(features)))
        else:
            image = layers.Input((32, 32, 3))
            try:
                features = base(image, **of_base)
            except TypeError as error:
                print(way, "is refused:", error)
                rows.append(dict(dict.fromkeys(COLUMNS, ""), profile=PROFILE, way=way, normalised_by="refused"))
                continue
            model = models.Model(image, unit(flatten(features)))
        if IS_3:
            model.build((None, 32, 32, 3))
        unit.set_weights([UNIT])
        freeze(base)
        trainable = len(model.trainable_weights)
        model.compile(optimizer=keras.optimizers.SGD(STEP), loss="binary_crossentropy")
        if IS_3:
            features_of = models.Sequential([base]) if kind == sequential else models.Model(image, features)
            in_training, evaluated = [np.array(features_of(IMAGES, training=training)) for training in (True, False)]
            load(found)  # asking has moved the statistics
        else:
            features_of = K.function(model.inputs + [K.learning_phase()], [flatten.input])
            in_training, evaluated = [features_of([IMAGES, training])[0] for training in (1, 0)]
        model.train_on_batch(IMAGES, LABELS)
        if IS_3:
            collected = len(model.optimizer._trainable_variables)
        else:
            collected = len(getattr(model, "model", model)._collected_trainable_weights)
        plain = layers.BatchNormalization()
        note(way, trainable, collected, in_training, evaluated, tensors(found), (plain.momentum, plain.epsilon))
        if kept_as:
            base, found = build()
            unit = layers.Dense(1, activation="sigmoid", use_bias=False)
            model = models.Sequential([base, layers.Flatten(), unit])
            if IS_3:
                model.build((None, 32, 32, 3))
            freeze(base)
            model.compile(optimizer=keras.optimizers.SGD(STEP), loss="binary_crossentropy")
            for images in BATCHES:
                unit.set_weights([UNIT * 0])
                model.train_on_batch(images, LABELS)
            keep(kept_as, in_training, tensors(found))

FILE = FOLDER + "frozen_batch_norm.csv"
others = []
if os.path.exists(FILE):
    with open(FILE) as file:
        others = [known for known in csv.DictReader(file) if known["profile"] != PROFILE]
with open(FILE, "w") as file:
    table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(sorted(others + rows, key=lambda known: known["profile"]))
fixtures.write(FOLDER + "frozen_batch_norm-" + PROFILE + ".safetensors", written)
