"""Checks every golden case against a second implementation, written in numpy from the formulae alone.

    /usr/bin/python3 scripts/check_reference.py tests/golden/augment.jsonl [--only OP] [--verbose]

Needs numpy only: neither Pillow nor torchvision. Prints "N passed, M failed" and exits with 1 if M > 0.
All functions take and return (height, width, channels) uint8 arrays.
"""

import argparse
import collections
import hashlib
import json
import math
import sys

import numpy as np
from golden_geometry import affine, perspective, rotate, running, shear, translate, truncated, warp
from golden_images import make_image

# ---- Pixel operations


def blend(a, b, factor):
    """float32 a + f (b - a), one rounded product and one rounded sum, then clipped and truncated."""
    f = np.float32(factor)
    if f == 0 or f == 1:
        return (b if f == 1 else a).copy()
    a32, b32 = a.astype(np.float32), b.astype(np.float32)
    return np.clip(a32 + f * (b32 - a32), np.float32(0), np.float32(255)).astype(np.uint8)


def luma(v):
    """(height, width, 1) grey levels."""
    if v.shape[2] == 1:
        return v
    r, g, b = (v[..., c : c + 1].astype(np.int64) for c in range(3))
    return ((19595 * r + 38470 * g + 7471 * b + 32768) >> 16).astype(np.uint8)


def brightness(v, factor):
    return blend(np.zeros_like(v), v, factor)


def contrast(v, factor):
    grey = luma(v)
    mean = math.floor(int(grey.sum(dtype=np.uint64)) / grey.size + 0.5)
    return blend(np.full_like(v, mean), v, factor)


def color(v, factor):
    return v.copy() if v.shape[2] == 1 else blend(np.broadcast_to(luma(v), v.shape), v, factor)


def sharpness(v, factor):
    smooth = v.copy()
    h, w = v.shape[:2]
    if h >= 3 and w >= 3:
        wide = v.astype(np.int64)
        s = 4 * wide[1:-1, 1:-1] + sum(wide[dy : h - 2 + dy, dx : w - 2 + dx] for dy in range(3) for dx in range(3))
        smooth[1:-1, 1:-1] = (2 * s + 13) // 26
    return blend(smooth, v, factor)


def posterize(v, bits):
    return (v & ~((1 << (8 - bits)) - 1)).astype(np.uint8)


def solarize(v, threshold):
    return np.where(v.astype(np.float64) < threshold, v, 255 - v).astype(np.uint8)


def invert(v):
    return 255 - v


def hue(v, factor):
    """RGB to 8-bit HSV, H moved by int(255 factor), and back; float32 where Pillow has it."""
    if v.shape[2] == 1:
        return v.copy()
    f32, f64 = np.float32, np.float64
    r, g, b = (v[..., c].astype(np.int64) for c in range(3))
    most, least = v.max(axis=2).astype(np.int64), v.min(axis=2).astype(np.int64)
    span = np.maximum(most - least, 1).astype(f32)
    rc, gc, bc = ((most - x).astype(f32) / span for x in (r, g, b))
    h = np.where(r == most, (bc - gc).astype(f64), np.where(g == most, 2.0 + rc.astype(f64) - bc, 4.0 + gc.astype(f64) - rc))
    turn = np.fmod(h.astype(f32).astype(f64) / 6.0 + 1.0, 1.0).astype(f32)
    grey = most == least
    hue8 = np.where(grey, 0, (turn.astype(f64) * 255.0).astype(np.int64))
    sat8 = np.where(grey, 0, ((span / np.maximum(most, 1).astype(f32)).astype(f64) * 255.0).astype(np.int64))
    hue8 = (hue8 + int(factor * 255)) % 256
    value, sixths, share = most.astype(f64), hue8 * 6.0 / 255.0, sat8 / 255.0
    sector = np.floor(sixths).astype(np.int64)
    f = sixths - sector
    p, q, t = (np.floor(value * x + 0.5).astype(np.int64) for x in (1.0 - share, 1.0 - share * f, 1.0 - share * (1.0 - f)))
    choices = ((most, t, p), (q, most, p), (p, most, t), (p, q, most), (t, p, most), (most, p, q))
    out = np.stack([np.choose(sector % 6, [way[c] for way in choices]) for c in range(3)], axis=2)
    return np.where((sat8 == 0)[..., None], most[..., None], out).astype(np.uint8)


def per_channel_table(v, table_of):
    channels = [np.array(table_of(v[..., c]), np.uint8)[v[..., c]] for c in range(v.shape[2])]
    return np.stack(channels, axis=-1)


def grey(v):
    return np.broadcast_to(luma(v), v.shape).copy()


def autocontrast(v):
    def table_of(plane):
        low, high = int(plane.min()), int(plane.max())
        if high <= low:
            return range(256)
        scale = 255.0 / (high - low)
        offset = -low * scale
        return [min(max(int(i * scale + offset), 0), 255) for i in range(256)]

    return per_channel_table(v, table_of)


def equalize(v):
    def table_of(plane):
        h = np.bincount(plane.ravel(), minlength=256).tolist()
        filled = [n for n in h if n]
        step = (sum(h) - filled[-1]) // 255
        if len(filled) <= 1 or step == 0:
            return range(256)
        return [min((step // 2 + sum(h[:i])) // step, 255) for i in range(256)]

    return per_channel_table(v, table_of)


# ---- Moves


def flip(v, axis):
    v = v[:, ::-1] if axis in ("left_right", "both") else v
    return v[::-1] if axis in ("top_bottom", "both") else v


def crop(v, x, y, width, height):
    return v[y : y + height, x : x + width]


def pad_crop(v, padding, x, y, fill):
    h, w, channels = v.shape
    padded = np.full((h + 2 * padding, w + 2 * padding, channels), fill, np.uint8)
    padded[padding : padding + h, padding : padding + w] = v
    return padded[y : y + h, x : x + w]


# ---- Policies

def resize_weights(low, high, size, out, interpolation):
    """A row of 22-bit weights for each output pixel."""
    low, high = np.float32(low), np.float32(high)
    scale = float(high - low) / out
    weights = np.zeros((out, size), np.int64)
    if interpolation == "nearest":
        at = running(float(low) + 0.5 * scale, scale, out)
        weights[np.arange(out), truncated(np.array(at), size)] = 1 << 22
        return weights
    stretch = max(scale, 1.0)
    support = (1.0 if interpolation == "bilinear" else 2.0) * stretch
    for i in range(out):
        centre = float(low) + (i + 0.5) * scale
        first, end = max(0, int(centre - support + 0.5)), min(size, int(centre + support + 0.5))
        x = np.abs((np.arange(first, end) - centre + 0.5) * (1.0 / stretch))
        if interpolation == "bilinear":
            w = np.where(x < 1, 1 - x, 0.0)
        else:
            inner, outer = (1.5 * x - 2.5) * x * x + 1, (((x - 5) * x + 8) * x - 4) * -0.5
            w = np.where(x < 1, inner, np.where(x < 2, outer, 0.0))
        w = w / sum(w.tolist()) * (1 << 22)
        weights[i, first:end] = np.trunc(w + np.where(w < 0, -0.5, 0.5))
    return weights


def resize(v, interpolation, height, width, box=None):
    h, w = v.shape[:2]
    left, top, right, bottom = box or (0, 0, w, h)
    for axis, weights in ((1, resize_weights(left, right, w, width, interpolation)),
                          (0, resize_weights(top, bottom, h, height, interpolation))):  # fmt: skip
        sums = np.tensordot(weights, np.moveaxis(v, axis, 0).astype(np.int64), 1)
        v = np.moveaxis(np.clip((sums + (1 << 21)) >> 22, 0, 255).astype(np.uint8), 0, axis)
    return v


POLICY = {
    "ShearX": lambda v, m: shear(v, m, 0.0),
    "ShearY": lambda v, m: shear(v, 0.0, m),
    "TranslateX": lambda v, m: translate(v, int(m), 0),
    "TranslateY": lambda v, m: translate(v, 0, int(m)),
    "Rotate": rotate,
    "Brightness": lambda v, m: brightness(v, 1.0 + m),
    "Color": lambda v, m: color(v, 1.0 + m),
    "Contrast": lambda v, m: contrast(v, 1.0 + m),
    "Sharpness": lambda v, m: sharpness(v, 1.0 + m),
    "Posterize": lambda v, m: posterize(v, int(m)),
    "Solarize": solarize,
    "AutoContrast": lambda v, m: autocontrast(v),
    "Equalize": lambda v, m: equalize(v),
    "Invert": lambda v, m: invert(v),
}
OPS = {
    "brightness": brightness, "contrast": contrast, "color": color, "posterize": posterize, "solarize": solarize,
    "invert": invert, "flip": flip, "crop": crop, "pad_crop": pad_crop, "rotate": rotate, "shear": shear,
    "affine_matrix": warp, "translate": translate, "affine": affine, "resize": resize,
    "autocontrast": autocontrast, "equalize": equalize, "sharpness": sharpness, "grey": grey,
    "hue": hue, "perspective": perspective,
}  # fmt: skip


def linspace32(end, bins, start=0.0):
    """torch.linspace in float32 as PyTorch 1.13's AVX2 kernel computes it (the last bits differ from kernel to kernel).

    Whole pairs of 8-lane vectors first: a fused base, then base + lane * step with a rounded product. The rest one by
    one: the first half counts up from the start, the second half down from the end, fused.
    """
    start, end = np.float32(start), np.float32(end)
    step = (end - start) / np.float32(bins - 1)

    def fused(i):
        if i < bins // 2:
            return np.float32(float(step) * i + float(start))
        return np.float32(float(end) - float(step) * (bins - 1 - i))

    vectors = bins // 16 * 16
    lanes = [fused(i - i % 8) + step * np.float32(i % 8) for i in range(vectors)]
    return [float(v) for v in lanes + [fused(i) for i in range(vectors, bins)]]


def table_of(line):
    """The magnitudes that a table line should hold."""
    bins, wide = line["bins"], line["table"] == "trivial_augment_wide"
    shift_x, shift_y = (32.0, 32.0) if wide else (150.0 / 331.0 * line["width"], 150.0 / 331.0 * line["height"])
    if mixes := line["table"] == "aug_mix":
        shift_x, shift_y = line["width"] / 3.0, line["height"] / 3.0
    shear_end, degrees, strength, bits = (0.99, 135.0, 0.99, 6) if wide else (0.3, 30.0, 0.9, 4)
    ends = {"ShearX": shear_end, "ShearY": shear_end, "TranslateX": shift_x, "TranslateY": shift_y, "Rotate": degrees}
    ends.update(dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), strength))
    table = {name: {"signed": True, "magnitudes": linspace32(end, bins)} for name, end in ends.items()}
    posterize_bits = [(4.0 if mixes else 8.0) - float(np.rint(np.float32(i) / np.float32((bins - 1) / bits))) for i in range(bins)]
    table["Posterize"] = {"signed": False, "magnitudes": posterize_bits}
    table["Solarize"] = {"signed": False, "magnitudes": linspace32(0.0, bins, 255.0)}
    last = {"auto_augment": ("Invert",), "aug_mix": ()}.get(line["table"], ("Identity",))
    plain = ("AutoContrast", "Equalize", *last)
    table.update({name: {"signed": False, "magnitudes": [0.0]} for name in plain})
    return table


def passes(case):
    if case.get("table") == "auto_augment_policies":  # a list, not a formula: only its form
        return all(len(policy) == 2 and all(op in POLICY for op, _, _ in policy) for policy in case["policies"])
    if "table" in case:
        return case["entries"] == table_of(case)
    v = make_image(case["image"], case["image_seed"], case["height"], case["width"], case["channels"])
    if case["op"] == "policy_op":
        out = POLICY[case["name"]](v, case["params"]["magnitude"])
    else:
        out = OPS[case["op"]](v, **case["params"])
    same_shape = out.shape == (case["out_height"], case["out_width"], case["channels"])
    return same_shape and hashlib.sha256(np.ascontiguousarray(out).tobytes()).hexdigest() == case["sha256"]


def label(case):
    return case.get("table") or case.get("name") or case["op"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("--only", help="an operation, a policy operation or a table, such as rotate or ShearX")
    parser.add_argument("--verbose", action="store_true", help="print counts per operation, and every failed line")
    args = parser.parse_args()
    with open(args.path, encoding="ascii") as file:
        header, *lines = (json.loads(line) for line in file)
    if header["format"] != "leaven-golden-1" or header["cases"] != sum("op" in line for line in lines):
        sys.exit("check_reference: the header does not fit the file")
    counts = collections.defaultdict(lambda: [0, 0])
    for line in lines:
        if args.only in (None, label(line)):
            good = passes(line)
            counts[label(line)][not good] += 1
            if args.verbose and not good:
                print("failed:", json.dumps(line))
    if args.verbose:
        for name, (passed, failed) in counts.items():
            print(f"{name:24} {passed:5} passed {failed:5} failed")
    passed, failed = (sum(count[k] for count in counts.values()) for k in (0, 1))
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
