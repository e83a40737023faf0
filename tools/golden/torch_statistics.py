"""The accident of BatchNorm in a frozen base, made by PyTorch itself on photographs: EfficientNet-Lite0's ImageNet weights, `requires_grad = False`
throughout, global average pooling, dropout 0.2, one unit, Adam(1e-3), batches of 20, 5 epochs; with `eval()` or without.

    python tools/golden/torch_statistics.py SHARED OUTPUT.csv [SEEDS]    # torch, timm, pillow; SHARED holds data/ and weights/

Writes the validation accuracy of each epoch and how many tensors of the base moved. Pixels are (x − 127) / 128, resized by Pillow's NEAREST to 150×150, as in
`experiments/efficientnet.toml`; the seeds of the two programs have nothing in common.
"""

import csv
import os
import sys

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import load_file

from efficientnet_names import rename

SHARED, OUTPUT = sys.argv[1], sys.argv[2]
SEEDS = [int(seed) for seed in sys.argv[3].split(",")] if len(sys.argv) > 3 else [0, 1, 2]
torch.set_num_threads(2)


def split(name):
    images, labels = [], []
    for label, kind in enumerate(["cats", "dogs"]):
        folder = os.path.join(SHARED, "data/cats_and_dogs_small", name, kind)
        for file in sorted(os.listdir(folder)):
            image = Image.open(os.path.join(folder, file)).convert("RGB").resize((150, 150), Image.NEAREST)
            images.append((np.asarray(image, np.float32) - 127) / 128)
            labels.append(label)
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last), torch.tensor(labels, dtype=torch.float32)


train, validation = split("train"), split("validation")
with open(OUTPUT, "w", newline="") as file:
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["run", "epoch", "val_acc", "moved", "tensors"])
    for seed in SEEDS:
        for mode in ("eval", "train"):
            torch.manual_seed(seed)
            base = timm.create_model("tf_efficientnet_lite0")
            base.load_state_dict(rename(base, load_file(os.path.join(SHARED, "weights/efficientnet_lite0.safetensors"))), strict=True)
            for module in base.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.momentum = 0.01  # TensorFlow's 0.99, which timm does not carry over
            base.requires_grad_(False).to(memory_format=torch.channels_last)
            loaded = {name: tensor.clone() for name, tensor in base.state_dict().items()}
            head = torch.nn.Sequential(torch.nn.Dropout(0.2), torch.nn.Linear(1280, 1))
            optimizer = torch.optim.Adam(head.parameters(), lr=1e-3)
            features = lambda images: base.forward_features(images).mean((2, 3))
            for epoch in range(1, 6):
                base.train(mode == "train"), head.train()
                for batch in torch.randperm(len(train[1])).split(20):
                    loss = torch.nn.functional.binary_cross_entropy_with_logits(head(features(train[0][batch])).squeeze(1), train[1][batch])
                    optimizer.zero_grad(), loss.backward(), optimizer.step()
                base.eval(), head.eval()
                with torch.inference_mode():
                    right = sum(((head(features(images)).squeeze(1) > 0) == (labels > 0.5)).sum().item()
                                for images, labels in zip(validation[0].split(50), validation[1].split(50)))
                counted = {name: tensor for name, tensor in base.state_dict().items() if not name.startswith("classifier") and "num_batches" not in name}
                moved = sum(not torch.equal(loaded[name], tensor) for name, tensor in counted.items())
                table.writerow([f"{mode} seed {seed}", epoch, f"{right / len(validation[1]):.6f}", moved, len(counted)])
                file.flush()
                print(mode, seed, epoch, right / len(validation[1]), f"{moved} of {len(counted)} moved", flush=True)
