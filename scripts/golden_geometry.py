"""The geometry of check_reference.py, in numpy from the formulae alone: warps and rotation.

All functions take and return (height, width, channels) uint8 arrays.
"""

import math

import numpy as np


def running(start, step, count):
    """start, start + step, (start + step) + step, ...: a serial sum."""
    return np.add.accumulate(np.concatenate([[start], np.full(count - 1, step)]))


def truncated(v, limit):
    """Truncated coordinates as integers; -1 where outside [0, limit)."""
    inside = (v >= 0) & (v < limit)
    return np.where(inside, np.trunc(np.where(inside, v, 0)), -1).astype(np.int64)


def nearest_coordinates(m, h, w):
    """Source column and row of every output pixel; anything out of range is outside."""
    m0, m1, m2, m3, m4, m5 = m
    if m1 == 0 and m3 == 0:
        columns = truncated(running(m2 + 0.5 * m0, m0, w), w)
        rows = truncated(running(m5 + 0.5 * m4, m4, h), h)
        return np.broadcast_to(columns[None, :], (h, w)), np.broadcast_to(rows[:, None], (h, w))
    corners = [(x, y) for x in (0, w) for y in (0, h)]
    if all(abs(x * m0 + y * m1 + m2) < 32768 and abs(x * m3 + y * m4 + m5) < 32768 for x, y in corners):
        a0, a1, a3, a4 = (math.floor(v * 65536 + 0.5) for v in (m0, m1, m3, m4))
        a2 = math.floor((m2 + m0 * 0.5 + m1 * 0.5) * 65536 + 0.5)
        a5 = math.floor((m5 + m3 * 0.5 + m4 * 0.5) * 65536 + 0.5)
        y, x = np.mgrid[0:h, 0:w]
        return (a2 + a0 * x + a1 * y) >> 16, (a5 + a3 * x + a4 * y) >> 16
    columns = [running(start, m0, w) for start in running(m2 + 0.5 * m1 + 0.5 * m0, m1, h)]
    rows = [running(start, m3, w) for start in running(m5 + 0.5 * m4 + 0.5 * m3, m4, h)]
    return truncated(np.array(columns), w), truncated(np.array(rows), h)


def warp_nearest(v, m, fill):
    h, w = v.shape[:2]
    x, y = nearest_coordinates(m, h, w)
    inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
    return np.where(inside[..., None], v[np.where(inside, y, 0), np.where(inside, x, 0)], np.uint8(fill))


def warp_bilinear(v, m, fill):
    h, w = v.shape[:2]
    y, x = np.mgrid[0:h, 0:w] + 0.5
    xs, ys = m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]
    inside = (xs >= 0) & (xs < w) & (ys >= 0) & (ys < h)
    xs, ys = np.where(inside, xs, 0.5) - 0.5, np.where(inside, ys, 0.5) - 0.5
    left, top = np.floor(xs).astype(np.int64), np.floor(ys).astype(np.int64)
    dx, dy = (xs - left)[..., None], (ys - top)[..., None]
    x0, x1 = np.clip(left, 0, w - 1), np.clip(left + 1, 0, w - 1)
    y0, y1 = np.clip(top, 0, h - 1), np.clip(top + 1, 0, h - 1)
    wide = v.astype(np.float64)
    upper = wide[y0, x0] + (wide[y0, x1] - wide[y0, x0]) * dx
    lower = wide[y1, x0] + (wide[y1, x1] - wide[y1, x0]) * dx
    return np.where(inside[..., None], (upper + (lower - upper) * dy).astype(np.uint8), np.uint8(fill))


def cubic(v1, v2, v3, v4, d):
    return v2 + d * ((-v1 + v3) + d * ((2 * (v1 - v2) + v3 - v4) + d * (-v1 + v2 - v3 + v4)))


def sample(v, x_in, y_in, interpolation, fill):
    """Any places: nearest truncates, bilinear and bicubic interpolate in double between pixels clamped to the image."""
    h, w = v.shape[:2]
    with np.errstate(invalid="ignore"):
        inside = (x_in >= 0) & (x_in < w) & (y_in >= 0) & (y_in < h)
    x_in, y_in = np.where(inside, x_in, 0.5), np.where(inside, y_in, 0.5)
    if interpolation == "nearest":
        out = v[y_in.astype(np.int64), x_in.astype(np.int64)].astype(np.float64)
    else:
        left, top = np.floor(x_in - 0.5), np.floor(y_in - 0.5)
        dx, dy = (x_in - 0.5 - left)[..., None], (y_in - 0.5 - top)[..., None]

        def at(row, column):
            rows = np.clip(top + row, 0, h - 1).astype(np.int64)
            return v[rows, np.clip(left + column, 0, w - 1).astype(np.int64)].astype(np.float64)

        if interpolation == "bilinear":
            rows = [at(r, 0) + (at(r, 1) - at(r, 0)) * dx for r in (0, 1)]
            out = rows[0] + (rows[1] - rows[0]) * dy
        else:
            out = cubic(*[cubic(*[at(r, c) for c in (-1, 0, 1, 2)], dx) for r in (-1, 0, 1, 2)], dy)
    return np.where(inside[..., None], np.clip(out, 0, 255), fill).astype(np.uint8)


def perspective(v, m, interpolation, fill):
    h, w = v.shape[:2]
    x, y = np.arange(w)[None, :] + 0.5, np.arange(h)[:, None] + 0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        d = m[6] * x + m[7] * y + 1.0
        return sample(v, (m[0] * x + m[1] * y + m[2]) / d, (m[3] * x + m[4] * y + m[5]) / d, interpolation, fill)


def warp_bicubic(v, m, fill):
    h, w = v.shape[:2]
    x, y = np.arange(w)[None, :] + 0.5, np.arange(h)[:, None] + 0.5
    return sample(v, m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5], "bicubic", fill)


def warp(v, m, interpolation="nearest", fill=0):
    with np.errstate(over="ignore", invalid="ignore"):
        by_name = {"nearest": warp_nearest, "bilinear": warp_bilinear, "bicubic": warp_bicubic}
        return by_name[interpolation](v, m, fill)


def rotate(v, angle, interpolation="nearest", fill=0):
    h, w = v.shape[:2]
    angle = angle % 360.0  # takes the sign of 360: -1e-20 gives 360.0
    if angle in (0, 180) or angle in (90, 270) and h == w:
        return np.rot90(v, int(angle) // 90)
    rad = -math.radians(angle)
    c, s = round(math.cos(rad), 15), round(math.sin(rad), 15)
    cx, cy = w / 2, h / 2
    m = [c, s, c * -cx + s * -cy + cx, -s, c, -s * -cx + c * -cy + cy]
    return warp(v, m, interpolation, fill)


def affine(v, angle, translate_x, translate_y, scale, shear_x, shear_y, interpolation, fill):
    h, w = v.shape[:2]
    rot, sx, sy = math.radians(angle), math.radians(shear_x), math.radians(shear_y)
    a = math.cos(rot - sy) / math.cos(sy)
    b = -(math.cos(rot - sy) * math.tan(sx) / math.cos(sy) + math.sin(rot))
    c = math.sin(rot - sy) / math.cos(sy)
    d = -math.sin(rot - sy) * math.tan(sx) / math.cos(sy) + math.cos(rot)
    m0, m1, m3, m4 = d / scale, -b / scale, -c / scale, a / scale
    cx, cy = w / 2, h / 2
    m2 = m0 * (-cx - translate_x) + m1 * (-cy - translate_y) + cx
    m5 = m3 * (-cx - translate_x) + m4 * (-cy - translate_y) + cy
    return warp(v, [m0, m1, m2, m3, m4, m5], interpolation, fill)


def shear(v, x, y, interpolation="nearest", fill=0):
    return warp(v, [1.0, x, 0.0, y, 1.0, 0.0], interpolation, fill)


def translate(v, x, y, interpolation="nearest", fill=0):
    return warp(v, [1.0, 0.0, -x, 0.0, 1.0, -y], interpolation, fill)
