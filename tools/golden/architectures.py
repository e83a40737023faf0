"""Bases with BatchNorm as torchvision, timm and Keras compute them: features, gradients, moving statistics.

    python3 tools/golden/architectures.py torch [FOLDER]    # torch, torchvision, timm
    python3 tools/golden/architectures.py keras [FOLDER]    # keras 3 and jax

Writes `crates/model/tests/fixtures/architectures-{torch,keras}.safetensors`. The weights are too many to commit: both sides make them from the hash
that `bases.py` documents, where a tensor's number is its place among the names in alphabetical order. Kernels are times sqrt(24 / fan_in), γ and β are 1/2 + h/5, so
that few units are near the kink of their activation, where a rounding decides whether a gradient goes through; μ is h/5, σ² is 1 + h. PyTorch computes
in float64, Keras in float32.

With FOLDER (some hundreds of MB, not committed), also weights files as the libraries write them, and features at 150×150 and 224×224; the tests read it
where THAW_GOLDEN_WEIGHTS names it.
"""

import os
import sys

import numpy as np

import fixtures
from fixtures import hashed

SIDE, FOLDER = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
if FOLDER:
    os.makedirs(FOLDER, exist_ok=True)


def value(kind, shape, number, fan_in):
    h = hashed(int(np.prod(shape)), number).reshape(shape)
    by_kind = {"kernel": h * np.sqrt(24 / fan_in), "gamma": 0.5 + h / 5, "bias": 0.5 + h / 5, "mean": h / 5, "variance": 1 + h}
    return by_kind[kind].astype(np.float32)


def images(count, size):
    return (hashed(count * size * size * 3, 1000) * 2).astype(np.float32).reshape(count, size, size, 3)


written = {}
if SIDE == "torch":
    import timm
    import torch
    import torchvision
    from safetensors.torch import save_file

    torch.set_num_threads(2)

    def features_of(model):
        """The part of a model before its pooling and classifier."""
        if hasattr(model, "forward_features"):
            return model.forward_features
        if hasattr(model, "features"):
            return model.features
        return torch.nn.Sequential(*list(model.children())[:-2])

    CLASSIFIERS = ("fc.", "classifier.", "head.", "pre_logits.")

    def fill(model):
        state = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(CLASSIFIERS) and "num_batches" not in name}
        for number, name in enumerate(sorted(state)):
            tensor, layer = state[name], name.rsplit(".", 1)[0] + "."
            kind = {"running_mean": "mean", "running_var": "variance", "bias": "bias"}.get(name.rsplit(".", 1)[1])
            kind = kind or ("kernel" if tensor.dim() == 4 else "gamma")
            fan_in = int(np.prod(tensor.shape[1:]))
            tensor.copy_(torch.from_numpy(value(kind, tuple(tensor.shape), number, fan_in)))
        return list(state)

    MODELS = {
        "vgg19": lambda: torchvision.models.vgg19(weights=None),
        "resnet18": lambda: torchvision.models.resnet18(weights=None),
        "resnet50": lambda: torchvision.models.resnet50(weights=None),
        "mobilenet_v2": lambda: torchvision.models.mobilenet_v2(weights=None),
        "efficientnet_lite0": lambda: timm.create_model("tf_efficientnet_lite0"),
        "efficientnet_lite0_timm": lambda: timm.create_model("efficientnet_lite0"),
    }
    def run(name, model, tensors, precision, trial=0):
        """What a model computes, freshly filled; in trials after the first with the pixels moved by a rounding."""
        fill(model)
        model.to(precision).eval()
        if name == "efficientnet_lite0":
            # timm does not carry over TensorFlow's 0.99.
            for module in model.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.momentum = 0.01
        features, found = features_of(model), {}
        pixels = images(4, 64)
        if trial > 0:
            pixels = np.nextafter(pixels, np.float32(np.inf) * np.sign(hashed(pixels.size, trial)).astype(np.float32).reshape(pixels.shape))
        x = torch.from_numpy(pixels).to(precision).permute(0, 3, 1, 2)
        with torch.no_grad():
            found["evaluated"] = features(x[:1]).permute(0, 2, 3, 1)
        model.train()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.eval()
        model.zero_grad()
        y = features(x).permute(0, 2, 3, 1)
        found["trained"] = y[:1]
        if name == "vgg19":
            return {key: value.detach().double().contiguous().numpy().copy() for key, value in found.items()}
        (y * torch.from_numpy(hashed(y.numel(), 2000).reshape(y.shape)).to(precision)).sum().backward()
        parameters, state = dict(model.named_parameters()), model.state_dict()
        for tensor in tensors:
            if tensor in parameters:
                gradient = parameters[tensor].grad
                found[f"gradient_norm.{tensor}"] = gradient.norm().reshape(1)
                found[f"gradient_head.{tensor}"] = gradient.flatten()[:8]
            else:
                found[f"moved.{tensor}"] = state[tensor].flatten()[:8]
        return {key: value.detach().double().contiguous().numpy().copy() for key, value in found.items()}

    for name, create in MODELS.items():
        model = create()
        tensors = fill(model)
        exact = run(name, model, tensors, torch.float64)
        singles = [run(name, model, tensors, torch.float32, trial) for trial in range(8)]
        # How far 32 bits are from 64 at worst, for a fair bar: the sign of what is almost 0 is decided by roundings, and a gradient goes through or not.
        # Some gradients are zero but for rounding.
        largest = max([numbers[0] for key, numbers in exact.items() if key.startswith("gradient_norm")], default=0)
        errors = {}
        for key, numbers in exact.items():
            written[f"{name}.{key}"] = numbers.astype(np.float32)
            kind, norm = key.split(".")[0], np.linalg.norm(numbers)
            if kind != "gradient_head" and norm > (1e-9 * largest if kind == "gradient_norm" else 0):
                errors[kind] = max([errors.get(kind, 0)] + [np.linalg.norm(single[key] - numbers) / norm for single in singles])
        for kind, error in errors.items():
            written[f"{name}.error.{kind}"] = np.array([error], np.float32)
        if FOLDER:
            files = {name: model}
            if name == "mobilenet_v2":
                files["mobilenet_v2-timm"] = timm.create_model("mobilenetv2_100")
            for file, model in files.items():
                fill(model)
                model.float().eval()
                torch.save(model.state_dict(), os.path.join(FOLDER, file + ".pth"))
                save_file({key: tensor.contiguous() for key, tensor in model.state_dict().items()}, os.path.join(FOLDER, file + ".safetensors"))
                golden = {}
                for size in (150, 224):
                    x = torch.from_numpy(images(1, size)).permute(0, 3, 1, 2)
                    with torch.no_grad():
                        golden[f"features_{size}"] = features_of(model)(x).permute(0, 2, 3, 1).contiguous().numpy()
                fixtures.write(os.path.join(FOLDER, file + ".features.safetensors"), golden)
        print(name, len(tensors), "tensors")
else:
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    MODELS = {"resnet50_keras": keras.applications.ResNet50, "mobilenet_v2_keras": keras.applications.MobileNetV2, "vgg19": keras.applications.VGG19}
    OURS = {"kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    for name, create in MODELS.items():
        for size in (64, 150, 224):
            model = create(weights=None, include_top=False, input_shape=(size, size, 3))
            variables = {}
            for layer in model.layers:
                for variable in layer.weights:
                    variables[f"{layer.name}.{OURS[variable.name]}"] = (variable, "depthwise" in type(layer).__name__.lower())
            for number, key in enumerate(sorted(variables)):
                variable, is_depthwise = variables[key]
                kind = {"kernel": "kernel", "gamma": "gamma", "moving_mean": "mean", "moving_variance": "variance"}.get(variable.name, "bias")
                if kind != "kernel":
                    variable.assign(value(kind, variable.shape, number, 1))
                    continue
                height, width, inputs, outputs = variable.shape
                # In PyTorch's order.
                shape = (inputs, 1, height, width) if is_depthwise else (outputs, inputs, height, width)
                kernel = value(kind, shape, number, int(np.prod(shape[1:])))
                variable.assign(kernel.transpose(2, 3, 0, 1) if is_depthwise else kernel.transpose(2, 3, 1, 0))
            if size == 64:
                x = images(4, size)
                if name != "vgg19":
                    written[f"{name}.evaluated"] = np.asarray(model(x[:1], training=False))
                    written[f"{name}.trained"] = np.asarray(model(x, training=True))[:1]
                    for key, (variable, _) in variables.items():
                        if "running" in key:
                            written[f"{name}.moved.{key}"] = np.asarray(variable.value).flatten()[:8].copy()
            elif FOLDER:
                if size == 150:
                    model.save(os.path.join(FOLDER, f"{name}-keras.h5"))
                    golden = {}
                golden[f"features_{size}"] = np.asarray(model(images(1, size), training=False))
                fixtures.write(os.path.join(FOLDER, f"{name}-keras.features.safetensors"), golden)
        print(name, len(variables), "tensors")
fixtures.write(f"crates/model/tests/fixtures/architectures-{SIDE}.safetensors", written)
