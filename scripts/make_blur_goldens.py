"""Writes what torchvision's gaussian_blur answers, as JSON lines.

    /usr/bin/python3 scripts/make_blur_goldens.py tests/golden/blur.jsonl

Needs Debian's python3-torchvision (0.14); 0.29 answers the same bytes. Line 1 is the header, then one case a line, `bytes`
the output in hexadecimal, (height, width, channels). Input images are not stored: golden_images.py defines them.
"""

import json
import sys

import torch
import torchvision
from golden_images import make_image
from torchvision.transforms.functional import gaussian_blur

# image, seed, height, width, channels, kernel size, sigma
CASES = (
    ("noise", 1, 9, 11, 3, 3, 0.8),
    ("blocks", 2, 12, 10, 3, 5, 1.1),
    ("noise", 3, 14, 13, 1, 23, 2.0),
    ("smooth", 4, 8, 9, 3, 15, 0.3),
    ("noise", 5, 33, 34, 1, 63, 9.5),
    ("blocks", 6, 16, 20, 1, 7, 0.1),
    ("gradient", 7, 10, 40, 3, 9, 1.5),
)


def blurred(image, size, sigma):
    channels_first = torch.from_numpy(image.transpose(2, 0, 1).copy())
    return gaussian_blur(channels_first, [size, size], [sigma, sigma]).numpy().transpose(1, 2, 0)


def lines():
    yield {"format": "leaven-blur-golden-1", "torchvision": torchvision.__version__, "torch": torch.__version__, "cases": len(CASES)}
    for kind, seed, height, width, channels, size, sigma in CASES:
        out = blurred(make_image(kind, seed, height, width, channels), size, sigma)
        yield {
            "height": height, "width": width, "channels": channels, "image": kind, "image_seed": seed,
            "kernel_size": size, "sigma": sigma, "bytes": out.tobytes().hex(),
        }  # fmt: skip


with open(sys.argv[1], "w") as file:
    for line in lines():
        file.write(json.dumps(line, separators=(",", ":")) + "\n")
