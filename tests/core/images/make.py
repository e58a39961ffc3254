#!/usr/bin/env python3
"""Writes the picture files beside it and expected.txt (Pillow 9.4): name height width channels sha256-of-pixels."""
import hashlib
import os
import struct
import zlib

import PIL
from PIL import Image

os.chdir(os.path.dirname(os.path.abspath(__file__)))
W, H = 37, 31


def value(x, y, c):
    wave = 90 if ((x - 18) ** 2 + (y - 15) ** 2) < 100 else 0
    return (x * 5 + y * (3 + c) + c * 40 + wave) % 256


rgb = Image.new("RGB", (W, H))
rgb.putdata([tuple(value(x, y, c) for c in range(3)) for y in range(H) for x in range(W)])
grey = rgb.convert("L")
alpha = Image.new("L", (W, H))
alpha.putdata([(x * 7) % 256 for y in range(H) for x in range(W)])
rgba = rgb.copy()
rgba.putalpha(alpha)
grey_alpha = grey.copy()
grey_alpha.putalpha(alpha)

exact = []


def save(name, image, as_read, **options):
    image.save(name, **options)
    exact.append((name, as_read))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, raw, interlace=0):
    data = zlib.compress(raw, 9)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def interlaced(image):
    raw, pixels = b"", image.tobytes()
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        for y in range(y0, H, dy):
            raw += b"\0" + b"".join(pixels[(y * W + x) * 3:(y * W + x) * 3 + 3] for x in range(x0, W, dx))
    return png(W, H, 8, 2, raw, 1)


save("rgb.png", rgb, rgb)
save("grey.png", grey, grey)
save("rgba.png", rgba, rgb)
save("grey_alpha.png", grey_alpha, grey)
palette = rgb.quantize(16)
save("palette_4_bit.png", palette, palette.convert("RGB"))
one_bit = grey.convert("1")
save("grey_1_bit.png", one_bit, one_bit.convert("L"))
open("interlaced.png", "wb").write(interlaced(rgb))
exact.append(("interlaced.png", Image.open("interlaced.png").convert("RGB")))
save("rgb.bmp", rgb, rgb)
save("palette.bmp", palette, palette.convert("RGB"))
save("rgb.ppm", rgb, rgb)
save("grey.pgm", grey, grey)
with open("comment_largest_100.ppm", "wb") as f:
    f.write(b"P6 # a comment\n2 # another\n 2\n100\n" + bytes([0, 1, 2, 3, 50, 51, 97, 98, 99, 100, 20, 33]))
exact.append(("comment_largest_100.ppm", Image.open("comment_largest_100.ppm").convert("RGB")))
with open("expected.txt", "w") as f:
    for name, image in exact:
        data = image.tobytes()
        f.write(f"{name} {image.height} {image.width} {len(image.getbands())} {hashlib.sha256(data).hexdigest()}\n")

flat = Image.new("L", (800, 800), 120)
if int(PIL.__version__.split(".")[0]) > 10:
    flat.save("flat_restarts.jpg", quality=20, restart_marker_rows=1)

for name, image, options in (("baseline.jpg", rgb, {"subsampling": 0}), ("progressive.jpg", rgb, {"progressive": True}),
                             ("grey.jpg", grey, {}), ("restarts.jpg", rgb, {"restart_marker_rows": 1})):
    if "restart_marker_rows" not in options or int(PIL.__version__.split(".")[0]) > 10:  # the option is silently ignored before
        image.save(name, quality=90, **options)
    Image.open(name).save(name.replace(".jpg", ".jpg.ppm" if image.mode == "RGB" else ".jpg.pgm"))

rgb.convert("CMYK").save("cmyk.jpg", quality=50)
open("grey_16_bit.png", "wb").write(png(3, 2, 16, 0, (b"\0" + b"\1\2" * 3) * 2))
open("rgb_16_bit.png", "wb").write(png(3, 2, 16, 2, (b"\0" + b"\1\2" * 9) * 2))
open("lies.png", "wb").write(png(16000, 16000, 8, 0, b"\0\0\0"))
