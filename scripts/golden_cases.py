"""Which golden cases exist: parameters only, no oracle. Deterministic: every draw comes from splitmix64 streams.

make_goldens.py lets Pillow and torchvision answer them.
"""

import hashlib
import math

from golden_images import KINDS, splitmix64

# 23 sizes (height, width), a prime number, so that they pair with every list of parameters. Three are 224x224.
SIZES = (
    (1, 1), (28, 28), (37, 51), (1, 37), (31, 33), (224, 224), (51, 1), (2, 2), (28, 28), (33, 47), (224, 224), (3, 3),
    (31, 33), (32, 32), (1, 224), (51, 37), (28, 28), (224, 224), (33, 31), (4, 5), (1, 2), (32, 32), (90, 1),
)  # fmt: skip
FILLS = (0, 128, 255, 0, 128, 255, 0, 1, 77, 254)


class Random:
    """Uniform draws from the splitmix64 stream of a name."""

    def __init__(self, name):
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
        self.values = iter(splitmix64(seed, 400_000).tolist())

    def below(self, n):
        return next(self.values) % n

    def between(self, low, high):
        """An integer in low..high, both included."""
        return low + self.below(high - low + 1)

    def uniform(self, low, high):
        return low + (high - low) * ((next(self.values) >> 11) * 2.0**-53)

    def pick(self, items):
        return items[self.below(len(items))]


def sampling(rng, interpolation=None):
    return {"interpolation": interpolation or rng.pick(("nearest", "bilinear", "bicubic")), "fill": rng.pick(FILLS)}


def alternate(i, special, draw):
    """Even cases walk through the special values, odd ones draw."""
    return special[i // 2 % len(special)] if i % 2 == 0 else draw()


# ---- Pixel operations

# 1.0000000001 and 1e-46 become 1 and 0 in float32 (a plain copy); 0.9999999 and 1.0000001 do not.
FACTORS = (
    0.0, 1.0, 0.5, 2.0, 0.10000000149011612, 1.899999976158142, 1.5, 0.25, 3.7, 10.0, 1.0000000001, 1.0000001,
    0.9999999, 1e-46, 1e-30, 1 / 3, 255.0, 1e6, -0.5, -1.0, 0.009999990463256836, 1.9900000095367432, 0.7, 1.3,
    4 / 3, 0.8500000089406967,
)  # fmt: skip
THRESHOLDS = (
    0.0, 1.0, 127.5, 128.0, 178.5, 254.5, 255.0, 255.5, 256.0, -1.0, 0.5, 1e-9, 300.0, 76.49999237060547, 110.0,
)  # fmt: skip


def factor(i, rng, h, w):
    return {"factor": alternate(i, FACTORS, lambda: rng.uniform(0.0, 2.0))}


def posterize(i, rng, h, w):
    return {"bits": (i + i // 9) % 9}


def solarize(i, rng, h, w):
    return {"threshold": alternate(i, THRESHOLDS, lambda: rng.uniform(0.0, 256.0))}


def hue(i, rng, h, w):
    special = (0.5, -0.5, 0.1, -0.1, 0.25, 1 / 255, -1 / 255, 0.0039, 0.02, 1 / 3)
    return {"factor": alternate(i, special, lambda: rng.uniform(-0.5, 0.5))}


def no_parameters(i, rng, h, w):
    return {}


# ---- Moves


def flip(i, rng, h, w):
    return {"axis": ("left_right", "top_bottom", "both")[i % 3]}


def crop(i, rng, h, w):
    special = [(w, h), (1, 1), (1, h), (w, 1)]
    width, height = special[i // 4 % 4] if i % 4 == 0 else (rng.between(1, w), rng.between(1, h))
    x, y = (w - width, h - height) if i % 8 == 0 else (rng.between(0, w - width), rng.between(0, h - height))
    return {"x": x, "y": y, "width": width, "height": height}


def pad_crop(i, rng, h, w):
    padding = (0, 1, 2, 4, 5, 8, 30)[(i + i // 7) % 7]
    x, y = rng.between(0, 2 * padding), rng.between(0, 2 * padding)
    if i % 4 == 0:
        x, y = ((0, 0), (2 * padding, 2 * padding), (padding, padding), (2 * padding, 0))[i // 4 % 4]
    return {"padding": padding, "x": x, "y": y, "fill": rng.pick(FILLS)}


# ---- Geometry

# -1e-20 is 360.0 after the modulo, not 0.
ANGLES = (
    0.0, 90.0, 180.0, 270.0, 360.0, -90.0, -180.0, -270.0, -360.0, 450.0, 540.0, 720.0, 1e-3, -1e-3, 1e-9, -1e-9, 1e-20,
    -1e-20, 45.0, -45.0, 30.0, -30.0, 135.0, 60.0, 89.999999, 90.0000001, 179.99999999, 1e6, -12345.678, 0.1, 9.0, 15.0,
)  # fmt: skip


def rotate(i, rng, h, w):
    return {"angle": alternate(i, ANGLES, lambda: rng.uniform(-400.0, 400.0)), **sampling(rng)}


def affine(i, rng, h, w):
    scales, shears = (1.0, 0.5, 2.0, 1.5, 0.1, 3.3, 0.75), (0.0, 10.0, -20.0, 45.0, 60.0, -75.0)
    params = {"angle": rng.pick(ANGLES), "translate_x": 0.0, "translate_y": 0.0, "scale": rng.pick(scales)}
    params.update({"shear_x": rng.pick(shears), "shear_y": rng.pick(shears)})
    if i % 8 == 1:
        params.update(angle=0.0, shear_x=0.0, shear_y=0.0)
    elif i % 8 == 5:  # tangents next to 1, whose last bit decides in the bilinear case
        params.update(angle=rng.pick((0.0, 0.0, 90.0)), shear_x=rng.pick((45.0, -45.0)), scale=1.0)
    elif i % 4 >= 2:
        params["angle"] = rng.uniform(-180.0, 180.0)
        params["scale"] = rng.uniform(0.3, 2.5)
        params["shear_x"], params["shear_y"] = rng.uniform(-40.0, 40.0), rng.uniform(-40.0, 40.0)
    if i % 3:
        params["translate_x"] = float(rng.between(-w // 3 - 1, w // 3 + 1))
        params["translate_y"] = float(rng.between(-h // 3 - 1, h // 3 + 1))
    if i % 6 == 5:
        params["translate_x"] += rng.uniform(0.0, 1.0)
        params["translate_y"] += 0.5
    return {**params, **sampling(rng)}


def shear(i, rng, h, w):
    x = alternate(i, (0.0, 0.3, -0.3, 0.15, 1.0, -1.0, 0.30000001192092896, 1e-6), lambda: rng.uniform(-1.0, 1.0))
    y = 0.0 if i % 3 == 0 else rng.uniform(-1.0, 1.0)
    x, y = (y, x) if i % 6 >= 3 else (x, y)
    return {"x": x, "y": y, **sampling(rng)}


def translate(i, rng, h, w):
    special = (0.0, 0.5, -0.5, 0.25, -0.3, 0.4999999999, -0.5000000001, 1e-9, -1e-9, 0.9999)

    def shift(n):
        whole = float(rng.between(-n - 1, n + 1) if rng.below(8) == 0 else rng.between(-n // 3 - 1, n // 3 + 1))
        return whole + (rng.pick(special) if i % 3 else 0.0) + (rng.uniform(-1.0, 1.0) if i % 6 == 5 else 0.0)

    return {"x": shift(w), "y": shift(h), **sampling(rng)}


def _about(matrix, rng, h, w):
    """The linear part [a, b, d, e] with the shift that keeps a point near the middle of the image."""
    a, b, d, e = matrix
    px, py = rng.uniform(0.3, 0.7) * w, rng.uniform(0.3, 0.7) * h
    return [a, b, px - (a * px + b * py), d, e, py - (d * px + e * py)]


def _plain(i, rng, h, w):
    shifts = (0.0, 1.0, -1.0, 0.5, -0.5, 0.25, -0.3, 0.5 - 2.0**-17, 2.0**-17, -(2.0**-17), 3.7, -2.2)
    return [1.0, 0.0, rng.pick(shifts), 0.0, 1.0, rng.pick(shifts)]


def _scale(i, rng, h, w):
    """No shear: the running-sum path. Sums of tenths and thirds land just below or above whole numbers."""
    steps = (0.1, 0.7, 1 / 3, -0.1, -1.0, -0.7, 2.0, 0.5, 1.1, -1.3, 0.001, 7.0, 0.0, 1e-7, 0.3, 0.9)

    def axis(n):
        step = rng.pick(steps)
        start = rng.between(-1, 1) if step >= 0 else n + rng.between(-1, 1)
        return step, start - 0.5 * step + (rng.uniform(-1.0, 1.0) if i % 3 == 0 else 0.0)

    (a, c), (e, f) = axis(w), axis(h)
    return [a, 0.0, c, 0.0, e, f]


def _general(i, rng, h, w):
    zoom = (0.05, 0.5, 1.0, 1.7, 6.0)[i // 8 % 5] * rng.uniform(0.8, 1.2)
    angle = rng.uniform(-math.pi, math.pi)
    c, s = zoom * math.cos(angle), zoom * math.sin(angle)
    mirror = -1.0 if rng.below(3) == 0 else 1.0
    return _about([c, s * mirror, -s, c * mirror], rng, h, w)


def _ties(i, rng, h, w):
    """Halves and their neighbours by fractions of 1/65536: pixel centres fall on the edges of source pixels."""
    unit = 2.0**-16

    def near(value):
        return value + rng.between(-1, 1) * unit * rng.pick((0.0, 0.5, 0.4999, 0.5001, 1.0, 1.5))

    m = [near(rng.between(-3, 3) * 0.5) for _ in range(4)]
    m[1] += unit if m[1] == 0.0 else 0.0

    def shift(n, a, b):
        return rng.between(0, n) - 0.5 * (a + b) - rng.between(-1, 1) * unit * rng.between(0, n)

    return [m[0], m[1], shift(w, m[0], m[1]), m[2], m[3], shift(h, m[2], m[3])]


def _singular(i, rng, h, w):
    a, b, d, e = rng.pick(
        ((1.0, 1.0, 1.0, 1.0), (1.0, 2.0, 2.0, 4.0 + 1e-12), (1e-9, 1e-9, -1e-9, 1e-9), (0.0, 0.0, 0.0, 0.0),
         (0.0, 1.0, 0.0, 1.0), (1e-300, 1e-300, 1.0, 1.0), (0.6, -0.2, 0.3, -0.1), (1.0, 1e-14, 1e-14, 1.0),
         (0.0, 1.0, 1.0, 0.0), (0.0, -1.0, 1.0, 0.0))
    )  # fmt: skip
    return _about([a, b, d, e], rng, h, w)


# Odd fractions: the centre (k + 0.5) * step of every few pixels is a whole number, so the last bit of a sum decides.
CROSSING = (2 / 3, 2 / 5, 2 / 7, 2 / 9, 2 / 11, 2 / 13, 2 / 25)


def _crossing(rng, n):
    """A step and the whole number where it starts, so that part of start + step * (k + 0.5) lies in [0, n)."""
    step = rng.pick(CROSSING)
    return (step, float(rng.below((n + 3) // 4))) if rng.below(3) else (-step, float(n - rng.below((n + 3) // 4)))


def _huge(i, rng, h, w):
    """A corner of the output maps beyond 32768: the third path. One row or column still meets the image."""
    (step_x, start_x), (step_y, start_y) = _crossing(rng, w), _crossing(rng, h)
    n = h if i // 8 % 2 else w
    # Just beyond the limit at the last corner (inside at the last pixel's edge), or far beyond.
    edge = 32768.0 * (1.0 + 0.3 / n) / (n - 0.5)
    steep = rng.pick((-1.0, 1.0)) * (edge if rng.below(3) == 0 else rng.uniform(70000.0, 200000.0) / n)
    line = 0 if rng.below(3) else rng.below(n)
    shift = -steep * (line + 0.5)
    if n == w:  # steep along x: one column
        m = [steep, step_x, start_x + shift, 0.0, step_y, start_y]
    else:  # steep along y: one row
        m = [step_x, steep, start_x + shift, step_y, 0.0, start_y]
    if rng.below(2):  # the same in the source's y
        m = m[3:] + m[:3]
        m[2], m[5] = (m[2] - start_y + start_x, m[5] - start_x + start_y) if w != h else (m[2], m[5])
    return m


def _diagonal(i, rng, h, w):
    """Beyond 32768 at two corners only, by opposite slopes; the diagonal meets the image. Some are at exactly 32768."""
    (step_x, start_x), (step_y, start_y) = _crossing(rng, w), _crossing(rng, h)
    steep = rng.pick((-1.0, 1.0)) * rng.uniform(33000.0, 60000.0) / w
    if rng.below(2):
        steep, start_x, start_y = math.copysign(32768.0 / w, steep), 0.0, 0.0
        step_x, step_y = abs(step_x), abs(step_y)
    if rng.below(2):
        return [steep, step_x - steep, start_x, 0.0, step_y, start_y]
    return [step_x, 0.0, start_x, steep, step_y - steep, start_y]


def _extreme(i, rng, h, w):
    """Whole-image jumps, and coordinates beyond the range of 32-bit integers (these are outside)."""
    big = rng.pick((400.0, 3e4, 32768.0, 1e6, 3e9, 2.0**32, 2.0**48, 6e9, 1e12, 1e18, 1e300))
    a, b, d, e = (rng.pick((-1.0, 1.0, 0.37, 1e-3)) * big for _ in range(4))
    if i // 8 % 3 == 0:
        a, b = rng.uniform(0.5, 1.0), 0.0
    elif i // 8 % 3 == 1:
        return [1.0, rng.pick((0.0, 0.25)), rng.pick((big, -big)), 0.0, 1.0, 0.0]
    return _about([a, b, d, e], rng, h, w)


FAMILIES = (_plain, _scale, _general, _ties, _singular, _huge, _extreme, _diagonal)


def affine_matrix(i, rng, h, w):
    family = FAMILIES[i % 8]
    forced = "nearest" if family in (_scale, _ties, _huge, _diagonal) and i // 8 % 5 else None
    return {"m": [float(v) for v in family(i, rng, h, w)], **sampling(rng, forced)}


def perspective(i, rng, h, w):
    """Every fifth case strong: the horizon crosses the image."""
    bend = 0.02 if i % 5 == 4 else 0.6 / max(h, w)
    a, b, d, e = (rng.uniform(-0.4, 0.4) for _ in range(4))
    m = [1.0 + a, b, rng.uniform(-0.3, 0.3) * w, d, 1.0 + e, rng.uniform(-0.3, 0.3) * h]
    m += [rng.uniform(-bend, bend), rng.uniform(-bend, bend)]
    if i % 7 == 0:  # halves: places on the edges of pixels
        m = [round(v * 2) / 2 for v in m[:6]] + [rng.pick((0.0, 0.25, -0.125)), rng.pick((0.0, 0.5))]
    if i % 11 == 3:  # affine, by the general way
        m[6] = m[7] = 0.0
    return {"m": m, **sampling(rng)}


# ---- Resize


def resize(i, rng, h, w):
    """Every third case a box: whole pixels, or fractions."""
    new_h, new_w = rng.pick(((h, w), (1, 1), (32, 32), (224, 224), (2 * h, w), (h, 3 * w), (31, 33), (7, 130), (h, 9),
                             (9, w)))  # fmt: skip
    params = {"interpolation": ("nearest", "bilinear", "bicubic")[i % 3], "height": new_h, "width": new_w}
    if i // 3 % 3 == 1:
        left, top = rng.below(w), rng.below(h)
        params["box"] = [left, top, rng.between(left + 1, w), rng.between(top + 1, h)]
    elif i // 3 % 3 == 2:
        left, top = rng.uniform(0, 0.7 * w), rng.uniform(0, 0.7 * h)
        params["box"] = [left, top, left + rng.uniform(0.1, 1) * (w - left), top + rng.uniform(0.1, 1) * (h - top)]
    return params


OPS = (
    ("brightness", factor, 260), ("contrast", factor, 260), ("color", factor, 260), ("posterize", posterize, 230),
    ("solarize", solarize, 230), ("invert", no_parameters, 207), ("flip", flip, 207), ("crop", crop, 230),
    ("pad_crop", pad_crop, 230), ("rotate", rotate, 500), ("affine_matrix", affine_matrix, 900), ("shear", shear, 300),
    ("translate", translate, 400), ("affine", affine, 500), ("resize", resize, 600),
    ("autocontrast", no_parameters, 230), ("equalize", no_parameters, 230), ("sharpness", factor, 230),
    ("grey", no_parameters, 207), ("hue", hue, 300), ("perspective", perspective, 520),
)  # fmt: skip


def image_of(i, rng, channels):
    h, w = SIZES[i % len(SIZES)]
    kind = rng.pick(KINDS if h * w > 4 else ("noise", "noise", "noise", "flat"))
    return {"height": h, "width": w, "channels": channels, "image": kind, "image_seed": rng.below(1 << 32)}


def op_cases():
    """Yields every case of the plain operations, without its answer."""
    for op, make, count in OPS:
        for channels in (1, 3):
            rng = Random(f"{op} {channels}")
            for i in range(count):
                image = image_of(i, rng, channels)
                if op == "affine_matrix" and FAMILIES[i % 8] in (_scale, _ties, _huge, _diagonal):
                    image["image"] = "noise"  # one pixel aside is another value
                yield {"op": op, **image, "params": make(i, rng, image["height"], image["width"])}


def policy_cases(magnitudes):
    """Yields the cases of the policy operations; `magnitudes(name, height, width)` gives (values, signed).

    Every bin of both tables appears, with both signs where the operation is signed.
    """
    names = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness",
             "Posterize", "Solarize", "AutoContrast", "Equalize", "Invert")  # fmt: skip
    for name in names:
        for channels in (1, 3):
            rng = Random(f"policy {name} {channels}")
            values, signed = magnitudes(name, 32, 32)
            for i in range(2 * len(values) if signed else 207):
                image = image_of(i, rng, channels)
                values, signed = magnitudes(name, image["height"], image["width"])
                yield {"op": "policy_op", "name": name, **image, "params": {"magnitude": values[i % len(values)]}}
                if signed:
                    image = image_of(i + 7, rng, channels)
                    values, signed = magnitudes(name, image["height"], image["width"])
                    yield {"op": "policy_op", "name": name, **image, "params": {"magnitude": -values[i % len(values)]}}
