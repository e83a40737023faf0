"""What the scripts share: NumPy arrays written as safetensors without further packages, so that it also works beside Keras 2.0.8; and numbers by a formula."""

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


def formula(salt, shape, bound):
    """Numbers in ±bound that look random: the high bits of Knuth's multiplicative hash."""
    index = np.arange(np.prod(shape), dtype=np.uint64) + np.uint64(salt * 1000003)
    hashed = (index * np.uint64(2654435761)) % np.uint64(2**32)
    hashed = ((hashed ^ (hashed >> np.uint64(15))) * np.uint64(2246822519)) % np.uint64(2**32)
    return ((hashed.astype(np.float64) / 2**32 * 2 - 1) * bound).astype(np.float32).reshape(shape)


def hashed(count, number):
    """Numbers from -1/2 to 1/2 by the multiplicative hash that `bases.py` documents."""
    index = np.arange(1, count + 1, dtype=np.uint64)
    return ((index * np.uint64(2654435761) + np.uint64(number * 40503)) % np.uint64(2**32)).astype(np.float64) / 2**32 - 0.5
