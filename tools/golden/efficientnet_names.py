"""The names of `efficientnet-pytorch`'s tensors in timm."""

import re


def rename(model, state):
    """A state dict under timm's names."""
    units = [(stage, unit) for stage, blocks in enumerate(model.blocks) for unit in range(len(blocks))]
    single = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    expanded = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2", "_project_conv": "conv_pwl", "_bn2": "bn3"}
    plain = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}

    def name(theirs):
        if not theirs.startswith("_blocks."):
            layer, tensor = theirs.split(".")
            return f"{single[layer]}.{tensor}"
        number, layer, tensor = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", theirs).groups()
        stage, unit = units[int(number)]
        return f"blocks.{stage}.{unit}.{(plain if stage == 0 else expanded)[layer]}.{tensor}"

    return {name(theirs): tensor for theirs, tensor in state.items()}
