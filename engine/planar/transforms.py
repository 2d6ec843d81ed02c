"""The transforms of Winograd's way, F(4 x 4, 3 x 3).

A piece of 4 x 4 pixels takes 36 products for each pair of channels, where the usual way takes 144:
B^T d B of the 6 x 6 pixels d that it depends on, times G g G^T of the kernels g, is summed up over
the channels, and A^T m A of the sums m is the piece (A. Lavin, S. Gray: Fast Algorithms for
Convolutional Neural Networks, 2016). The points that the three matrices belong to are 0,
+-1/sqrt(2), +-sqrt(2) and infinity, which round better than whole numbers (B. Barabasz et al.:
Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks, 2020):

      [ .4   0  -1    0  .4   0]        [5/2   0     0 ]         [1  1  1   1   1  0]
      [  0   r   1  -n  -h   0]         [4/3  2s/3  2/3]         [0  r -r   s  -s  0]
B^T = [  0  -r   1   n  -h   0]     G = [4/3 -2s/3  2/3]   A^T = [0  h  h   2   2  0]
      [  0  -h  -n   1   r   0]         [s/6  1/3  s/3 ]         [0  n -n  2s -2s  1]
      [  0   h  -n  -1   r   0]         [s/6 -1/3  s/3 ]
      [  0  .4   0  -1   0  .4]         [ 0    0   5/2 ]

with s = sqrt(2), r = 1/s, h = 1/2 and n = r/2.
"""

import numpy as np

from totalseg_mcp.engine.planar.kernels import IN_AT_ONCE, Singles, compiled, read_kernels

PIECE, KERNEL = 4, 3
AROUND = PIECE + KERNEL - 1
PRODUCTS = AROUND * AROUND

S, R, H, N = np.sqrt(np.array([2, 1 / 2, 1 / 4, 1 / 8], np.float32))
TWO_S = np.float32(2) * S
FIFTHS, TWO, HALVES = np.float32(2 / 5), np.float32(2), np.float32(5 / 2)
# G's rows for the points near 0 and for those far from it, but for signs.
NEAR_0, NEAR_1, NEAR_2 = np.array([4 / 3, 8**0.5 / 3, 2 / 3], np.float32)
FAR_0, FAR_1, FAR_2 = np.array([2**0.5 / 6, 1 / 3, 2**0.5 / 3], np.float32)


@compiled
def columns_in(given: Singles, half: Singles, size: int) -> None:
    """B^T of `given` [row, anything], the first `size` of them, into `half`."""
    for q in range(size):
        a, b, c = given[0, q], given[1, q], given[2, q]
        d, e, f = given[3, q], given[4, q], given[5, q]
        half[0, q] = FIFTHS * (a + e) - c
        half[5, q] = FIFTHS * (b + f) - d
        even, odd = c - H * e, R * b - N * d
        half[1, q] = even + odd
        half[2, q] = even - odd
        even, odd = R * e - N * c, d - H * b
        half[3, q] = even + odd
        half[4, q] = even - odd


@compiled
def rows_in(half: Singles, into: Singles, first: int, count: int, at: int) -> None:
    """The other half of the transform: from `half` [row, column, channel] to pieces."""
    channels, start = half.shape[2], np.uint64(at)
    for i in range(AROUND):
        for piece in range(count):
            x, p, j = PIECE * piece, first + piece, AROUND * i
            for channel in range(channels):
                k = start + np.uint64(channel)
                a, b, c = half[i, x, channel], half[i, x + 1, channel], half[i, x + 2, channel]
                d, e, f = half[i, x + 3, channel], half[i, x + 4, channel], half[i, x + 5, channel]
                into[j, p, k] = FIFTHS * (a + e) - c
                into[j + 5, p, k] = FIFTHS * (b + f) - d
                even, odd = c - H * e, R * b - N * d
                into[j + 1, p, k] = even + odd
                into[j + 2, p, k] = even - odd
                even, odd = R * e - N * c, d - H * b
                into[j + 3, p, k] = even + odd
                into[j + 4, p, k] = even - odd


@compiled
def columns_out(sums: Singles, first: int, count: int, half: Singles) -> None:
    """A^T of pieces of `sums`, into `half` [row, column of the sums, piece, panel, channel]."""
    _, _, _, panels, wide = half.shape
    for j in range(AROUND):
        for panel in range(panels):
            for x in range(count):
                p = first + x
                for k in range(wide):
                    a, b = sums[j, panel, p, k], sums[AROUND + j, panel, p, k]
                    c, d = sums[2 * AROUND + j, panel, p, k], sums[3 * AROUND + j, panel, p, k]
                    e, f = sums[4 * AROUND + j, panel, p, k], sums[5 * AROUND + j, panel, p, k]
                    near, far = b + c, d + e
                    half[0, j, x, panel, k] = a + near + far
                    half[2, j, x, panel, k] = H * near + TWO * far
                    near, far = b - c, d - e
                    half[1, j, x, panel, k] = R * near + S * far
                    half[3, j, x, panel, k] = N * near + TWO_S * far + f


@compiled
def rows_out(half: Singles, count: int, rows: Singles) -> None:
    """The other half of the transform: rows of pixels [row, column, channel]."""
    for i in range(PIECE):
        for x in range(count):
            left = PIECE * x
            for k in range(rows.shape[2]):
                a, b, c = half[i, 0, x, k], half[i, 1, x, k], half[i, 2, x, k]
                d, e, f = half[i, 3, x, k], half[i, 4, x, k], half[i, 5, x, k]
                near, far = b + c, d + e
                rows[i, left, k] = a + near + far
                rows[i, left + 2, k] = H * near + TWO * far
                near, far = b - c, d - e
                rows[i, left + 1, k] = R * near + S * far
                rows[i, left + 3, k] = N * near + TWO_S * far + f


@compiled
def transform_kernels(kernels: Singles, first: int, count: int, into: Singles) -> None:
    """G g G^T of kernels [out, in, row, column], into [product, panel, in, out of the panel].

    Of `count` channels in, from `first`.
    """
    _, panels, _, wide = into.shape
    given = np.empty((KERNEL * KERNEL, IN_AT_ONCE, wide), np.float32)
    half = np.empty((AROUND, KERNEL, IN_AT_ONCE, wide), np.float32)
    done = np.empty((AROUND, AROUND, IN_AT_ONCE, wide), np.float32)
    for panel in range(panels):
        for c in range(first, first + count, IN_AT_ONCE):
            here = min(IN_AT_ONCE, first + count - c)
            read_kernels(kernels, panel * wide, c, here, given)
            expand(given.reshape(KERNEL, -1), half.reshape(AROUND, -1))
            for i in range(AROUND):
                expand(half[i].reshape(KERNEL, -1), done[i].reshape(AROUND, -1))
                for j in range(AROUND):
                    into[AROUND * i + j, panel, c : c + here] = done[i, j, :here]


@compiled
def expand(given: Singles, into: Singles) -> None:
    """G of `given` [row, anything]."""
    for k in range(into.shape[1]):
        a, b, c = given[0, k], given[1, k], given[2, k]
        into[0, k] = HALVES * a
        even, odd = NEAR_0 * a + NEAR_2 * c, NEAR_1 * b
        into[1, k] = even + odd
        into[2, k] = even - odd
        even, odd = FAR_0 * a + FAR_2 * c, FAR_1 * b
        into[3, k] = even + odd
        into[4, k] = even - odd
        into[5, k] = HALVES * c
