"""Writes NumPy arrays as safetensors without further packages, so that it also works beside Keras 2.0.8."""

import json
import struct

import numpy as np

DTYPES = {"uint8": "U8", "float32": "F32", "float64": "F64", "int64": "I64"}


def write(path, arrays):
    header, body = {}, b""
    # Widest elements first, so that all are aligned.
    for name, array in sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        data = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": DTYPES[str(array.dtype)], "shape": list(array.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)
