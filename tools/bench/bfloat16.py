"""How far a 3x3 convolution is from the exact one when the factors of its products are rounded to bfloat16 and summed in 32 bits.

    python3 tools/bench/bfloat16.py

The relative Frobenius error of the output, 256 channels, one tile after the other: by definition, and by Winograd's F(2x2, 3x3) and
F(3x3, 3x3), whose factors are the values at the points. Transforms are computed in 64 bits, so all of the error is that of rounding.
Pixels are those of a layer behind ReLU; weights are normal. Needs numpy.
"""

import numpy as np

CHANNELS, TILES = 256, 400


def interpolated(points, outputs):
    """Matrices A, G, B of F(outputs, 3) with these points and infinity (Winograd 1980): y = A' [(G g) * (B' d)]."""
    count = outputs + 2
    a = np.array([[p**i for i in range(outputs)] for p in points] + [[0] * (outputs - 1) + [1]], float)
    g = np.array([[p**i for i in range(3)] for p in points] + [[0, 0, 1]], float)
    # B' turns a signal into what makes the products those of the correlation: solved from the definition.
    unknown = np.zeros((outputs * 3 * count, count * count))
    wanted = np.zeros(outputs * 3 * count)
    row = 0
    for output in range(outputs):
        for tap in range(3):
            for pixel in range(count):
                for point in range(count):
                    unknown[row, point * count + pixel] = a[point, output] * g[point, tap]
                wanted[row] = 1.0 if pixel == output + tap else 0.0
                row += 1
    b = np.linalg.lstsq(unknown, wanted, rcond=None)[0].reshape(count, count)
    return a, g, b


def bfloat16(values):
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32).astype(np.float64)


def main():
    draws = np.random.default_rng(0)
    kernel = draws.normal(size=(3, 3, CHANNELS))
    for name, points, outputs in [("F(2x2)", [0, 1, -1], 2), ("F(3x3)", [0, 1, -1, 2], 3)]:
        size = outputs + 2
        tiles = np.maximum(draws.normal(size=(TILES, size, size, CHANNELS)), 0)
        def direct(tiles, kernel):
            windows = [[tiles[:, y:y + 3, x:x + 3] for x in range(outputs)] for y in range(outputs)]
            return np.array([[np.einsum("tyxc,yxc->t", window, kernel) for window in row] for row in windows])
        exact = direct(tiles, kernel)
        error = lambda found: np.linalg.norm(found - exact) / np.linalg.norm(exact)
        a, g, b = interpolated(points, outputs)
        of_kernel = np.einsum("pi,qj,ijc->pqc", g, g, kernel)
        of_tiles = np.einsum("pi,qj,tijc->tpqc", b, b, tiles)
        def back(of_tiles, of_kernel):
            return np.einsum("pi,qj,tpq->ijt", a, a, np.einsum("tpqc,pqc->tpq", of_tiles, of_kernel))
        assert error(back(of_tiles, of_kernel)) < 1e-12
        print(f"{name}: by definition {error(direct(bfloat16(tiles), bfloat16(kernel))):.1e}, at the points {error(back(bfloat16(of_tiles), bfloat16(of_kernel))):.1e}")


main()
