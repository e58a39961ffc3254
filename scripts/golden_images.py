"""Input images of the golden cases: integer arithmetic only, so that C++ can make the same bytes.

An image has shape (height, width, channels) and is written row by row, the channel varying fastest.
All random numbers come from one splitmix64 stream, r[0], r[1], ...: r[k] is the mix of seed + (k + 1) * GAMMA
(mod 2^64).
`byte(k)` is r[k] >> 56. All divisions are integer divisions of non-negative numbers.

  noise          value i (flat index) = byte(i)
  flat           channel c = byte(c)
  low_contrast   value i = r[0] % 247 + r[1 + i] % 10
  gradient       per channel c: direction r[c] % 3 is x, y or x + y; t runs over 0..n, n = W - 1, H - 1 or
                 W + H - 2; value = t * 255 / max(n, 1); if r[c] % 6 >= 3 it is 255 minus that
  blocks         background: channel c = byte(c). Then eight rectangles, each takes 4 + channels numbers s[0], s[1],
                 ... from the stream in order (the first at index `channels`): left = s[0] % W, top = s[1] % H,
                 right = min(left + 1 + s[2] % W, W), bottom = min(top + 1 + s[3] % H, H),
                 colour of channel c = s[4 + c] >> 56
  smooth         per channel c: four corners a, b, c, d = byte(4 c), ..., byte(4 c + 3) (top left, top right,
                 bottom left, bottom right), with X = max(W - 1, 1), Y = max(H - 1, 1):
                 value = (a (X - x) (Y - y) + b x (Y - y) + c (X - x) y + d x y) / (X Y)

The C++ twin is tests/golden/image_generator.hpp. Run this file with KIND SEED HEIGHT WIDTH CHANNELS to get the raw
bytes on standard output.
"""

import sys

import numpy as np

KINDS = ("noise", "flat", "low_contrast", "gradient", "blocks", "smooth")
GAMMA = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
RECTANGLES = 8


def splitmix64(seed, count):
    """The first `count` numbers of the stream as a uint64 array (numpy wraps modulo 2^64 by itself)."""
    z = np.uint64(seed & MASK) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GAMMA)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _gradient(r, height, width, channels):
    y, x = np.mgrid[0:height, 0:width]
    out = np.empty((height, width, channels), np.int64)
    for c in range(channels):
        t, n = ((x, width - 1), (y, height - 1), (x + y, width + height - 2))[r[c] % 3]
        ramp = t * 255 // max(n, 1)
        out[..., c] = 255 - ramp if r[c] % 6 >= 3 else ramp
    return out


def _blocks(r, height, width, channels):
    out = np.empty((height, width, channels), np.int64)
    out[:] = [v >> 56 for v in r[:channels]]
    for k in range(RECTANGLES):
        s = r[channels + k * (4 + channels) :]
        left, top = s[0] % width, s[1] % height
        right, bottom = min(left + 1 + s[2] % width, width), min(top + 1 + s[3] % height, height)
        out[top:bottom, left:right] = [v >> 56 for v in s[4 : 4 + channels]]
    return out


def _smooth(r, height, width, channels):
    y, x = np.mgrid[0:height, 0:width]
    X, Y = max(width - 1, 1), max(height - 1, 1)
    out = np.empty((height, width, channels), np.int64)
    for c in range(channels):
        tl, tr, bl, br = (v >> 56 for v in r[4 * c : 4 * c + 4])
        out[..., c] = (tl * (X - x) * (Y - y) + tr * x * (Y - y) + bl * (X - x) * y + br * x * y) // (X * Y)
    return out


def make_image(kind, seed, height, width, channels):
    """The image as a (height, width, channels) uint8 array."""
    shape = (height, width, channels)
    size = height * width * channels
    if kind == "noise":
        return (splitmix64(seed, size) >> np.uint64(56)).astype(np.uint8).reshape(shape)
    if kind == "low_contrast":
        r = splitmix64(seed, size + 1)
        return (r[0] % np.uint64(247) + r[1:] % np.uint64(10)).astype(np.uint8).reshape(shape)
    r = [int(v) for v in splitmix64(seed, channels + RECTANGLES * (4 + channels) + 4 * channels)]
    if kind == "flat":
        return np.broadcast_to(np.array([v >> 56 for v in r[:channels]], np.uint8), shape).copy()
    make = {"gradient": _gradient, "blocks": _blocks, "smooth": _smooth}[kind]
    return make(r, height, width, channels).astype(np.uint8)


if __name__ == "__main__":
    sys.stdout.buffer.write(make_image(sys.argv[1], *(int(a) for a in sys.argv[2:6])).tobytes())
