"""thaw's addressed random streams (crates/data/src/stream.rs) in NumPy, so that another program can train with the same order, initial weights and dropout masks."""

import numpy as np

INITIALIZE, SHUFFLE, DROPOUT = 1, 2, 3
ROUNDS = 8


def words(seed, purpose, epoch, indices, count):
    """The first `count` 64-bit words at the addresses (seed, purpose, epoch, index), a row for each index: ChaCha8 (Bernstein 2008) whose key is the address."""
    indices = np.asarray(indices, np.uint64)
    blocks = -(-count // 8)
    key = np.empty((len(indices), 8), np.uint32)
    for place, word in enumerate([seed, purpose, epoch]):
        key[:, 2 * place], key[:, 2 * place + 1] = word & 0xFFFFFFFF, word >> 32
    key[:, 6], key[:, 7] = indices & np.uint64(0xFFFFFFFF), indices >> np.uint64(32)
    start = np.zeros((16, len(indices), blocks), np.uint32)
    start[:4] = np.frombuffer(b"expand 32-byte k", "<u4")[:, None, None]
    start[4:12] = key.T[:, :, None]
    start[12] = np.arange(blocks)  # of the block's number, 64 bits, the lower half
    state = start.copy()

    def rotate(x, bits):
        return (x << np.uint32(bits)) | (x >> np.uint32(32 - bits))

    def quarter(a, b, c, d):
        for left, right, moved, bits in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)]:
            state[left] += state[right]
            state[moved] = rotate(state[moved] ^ state[left], bits)

    for _ in range(ROUNDS // 2):
        for column in range(4):
            quarter(column, 4 + column, 8 + column, 12 + column)
        for column in range(4):
            quarter(column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4)
    state += start
    halves = state.transpose(1, 2, 0).reshape(len(indices), blocks * 8, 2).astype(np.uint64)
    return (halves[:, :count, 0] | halves[:, :count, 1] << np.uint64(32))


def units(seed, purpose, epoch, indices, count):
    """Numbers in [0, 1)."""
    return (words(seed, purpose, epoch, indices, count) >> np.uint64(11)).astype(np.float64) / 2.0**53


def permutation(seed, purpose, epoch, length):
    """Fisher and Yates' shuffle with Lemire's (2019) integers below a bound."""
    # A rejection takes one word more; it is as good as impossible with bounds so small.
    numbers = iter(words(seed, purpose, epoch, [0], length + 100)[0].tolist())
    order = list(range(length))
    for last in range(length - 1, 0, -1):
        bound = last + 1
        while True:
            product = next(numbers) * bound
            if product % 2**64 >= 2**64 % bound:
                break
        place = product >> 64
        order[last], order[place] = order[place], order[last]
    return order
