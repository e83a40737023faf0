"""Weights files as Keras and PyTorch write them, and the features that each computes with them.

    python3.6 … tools/golden/weights_files.py keras FOLDER      # keras 2.0.8 or 2.2.4
    python3 …   tools/golden/weights_files.py torch FOLDER      # torch and torchvision

`FOLDER` receives VGG16 with random weights (about 60 MB, not committed) and features at 150×150; the tests read it where THAW_GOLDEN_WEIGHTS names
it. `keras` also writes the committed `crates/model/tests/fixtures/mini_vgg-notop.h5`: mini_vgg in both layouts of Keras, with numbers that repeat and
so compress well.
"""

import os
import sys

import numpy as np

import fixtures

SIDE, FOLDER = sys.argv[1], sys.argv[2]
os.makedirs(FOLDER, exist_ok=True)
random = np.random.RandomState(11)
image = random.uniform(0, 1, (1, 150, 150, 3)).astype(np.float32)


def kernel(shape):
    return (random.normal(size=shape) * np.sqrt(2.0 / np.prod(shape[:-1]))).astype(np.float32)


PLAN = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)]
weights, inputs = [], 3
for count, outputs in PLAN:
    for _ in range(count):
        weights.append((kernel((3, 3, inputs, outputs)), (random.uniform(-0.1, 0.1, outputs)).astype(np.float32)))
        inputs = outputs

if SIDE == "keras":
    import keras
    from keras.applications import VGG16

    base = VGG16(weights=None, include_top=False, input_shape=(150, 150, 3))
    base.set_weights([tensor for pair in weights for tensor in pair])
    base.save_weights(os.path.join(FOLDER, "keras-%s-notop.h5" % keras.__version__))
    features = base.predict(image)
    # The published file was written by Keras 1: datasets block1_conv1_W_1:0 and block1_conv1_b_1:0 in the layer's group itself.
    import h5py

    with h5py.File(os.path.join(FOLDER, "keras-1-layout-notop.h5"), "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in base.layers]
        for layer in base.layers:
            group, values = file.create_group(layer.name), layer.get_weights()
            names = [("%s_%s_1:0" % (layer.name, kind)).encode() for kind, _ in zip("Wb", values)]
            group.attrs["weight_names"] = names
            for name, value in zip(names, values):
                group.create_dataset(name.decode(), data=value)
    with h5py.File("crates/model/tests/fixtures/mini_vgg-notop.h5", "w") as file:
        inputs = 3
        for block, (count, outputs) in enumerate([(2, 16), (2, 32), (2, 64), (1, 128)], 1):
            for place in range(1, count + 1):
                name = "block%d_conv%d" % (block, place)
                kernel = (np.arange(9 * inputs * outputs) * 37 % 101 / 1000.0).astype(np.float32).reshape(3, 3, inputs, outputs)
                bias = (np.arange(outputs) / 1000.0).astype(np.float32)
                # The first block in the layout of Keras 1, the others in that of Keras 2.
                names = (name + "_W_1:0", name + "_b_1:0") if block == 1 else (name + "/kernel:0", name + "/bias:0")
                group = file.create_group(name)
                group.create_dataset(names[0], data=kernel, compression="gzip")
                group.create_dataset(names[1], data=bias)
                inputs = outputs
            file.create_group("block%d_pool" % block)
    fixtures.write(os.path.join(FOLDER, "keras.safetensors"), {"image": image, "features": features})
else:
    import torch
    import torchvision
    from safetensors.torch import save_file

    model = torchvision.models.vgg16(weights=None)
    convolutions = [layer for layer in model.features if isinstance(layer, torch.nn.Conv2d)]
    for layer, (values, bias) in zip(convolutions, weights):
        layer.weight.data, layer.bias.data = torch.from_numpy(values.transpose(3, 2, 0, 1).copy()), torch.from_numpy(bias)
    with torch.no_grad():
        features = model.features(torch.from_numpy(image).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).contiguous().numpy()
    # A small classifier in the place of the 500 MB one: its names are what matters.
    state = {name: tensor if name.startswith("features.") else tensor.flatten()[:4].clone() for name, tensor in model.state_dict().items()}
    torch.save(state, os.path.join(FOLDER, "torchvision.pth"))
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, os.path.join(FOLDER, "torchvision.safetensors"))
    timm = {name.replace("classifier.0", "pre_logits.fc1").replace("classifier.3", "pre_logits.fc2").replace("classifier.6", "head.fc"): tensor
            for name, tensor in state.items()}
    save_file({name: tensor.contiguous() for name, tensor in timm.items()}, os.path.join(FOLDER, "timm.safetensors"))
    torch.save({name[len("features."):]: tensor for name, tensor in state.items() if name.startswith("features.")}, os.path.join(FOLDER, "features-only.pth"))
    fixtures.write(os.path.join(FOLDER, "torch.safetensors"), {"image": image, "features": features})
