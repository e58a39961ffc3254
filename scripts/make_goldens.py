"""Writes the golden cases of the augmentation operations: what Pillow and torchvision answer, as JSON lines.

    /usr/bin/python3 scripts/make_goldens.py tests/golden/augment.jsonl

Needs Debian's python3-pil (9.4), python3-torchvision (0.14) and python3-torch; the header line names the versions.
The output is the same on every run. Line 1 is the header, then come the tables of magnitudes, then one case a line:

    {"op":"brightness","height":37,"width":51,"channels":3,"image":"noise","image_seed":7,"params":{"factor":0.5},
     "out_height":37,"out_width":51,"sha256":"..."}

`sha256` is of the raw output bytes, (height, width, channels), u8. Input images are not stored: golden_images.py
defines them. golden_cases.py chooses the parameters. tests/golden/README.md describes each operation.
"""

import hashlib
import json
import os
import sys

# torch.linspace differs in the last bits between CPU kernels (plain, AVX2, AVX-512): name PyTorch 1.13's default.
# Before torch is imported, because it reads the variable once.
os.environ["ATEN_CPU_CAPABILITY"] = "avx2"

import numpy as np
import PIL
import torch
import torchvision
from golden_cases import op_cases, policy_cases
from golden_images import make_image
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F
from torchvision.transforms.autoaugment import (
    AugMix,
    AutoAugment,
    AutoAugmentPolicy,
    RandAugment,
    TrivialAugmentWide,
    _apply_op,
)

BINS = 31
TABLE_SIZES = ((28, 28), (32, 32), (33, 47), (224, 224))
PIL_MODES = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
TORCH_MODES = {
    "nearest": InterpolationMode.NEAREST,
    "bilinear": InterpolationMode.BILINEAR,
    "bicubic": InterpolationMode.BICUBIC,
}
FLIPS = {
    "left_right": (Image.Transpose.FLIP_LEFT_RIGHT,),
    "top_bottom": (Image.Transpose.FLIP_TOP_BOTTOM,),
    "both": (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM),
}


def fill_colour(image, p):
    return (p["fill"],) * 3 if image.mode == "RGB" else p["fill"]


def transform(image, matrix, p, method=Image.Transform.AFFINE):
    mode = PIL_MODES[p["interpolation"]]
    return image.transform(image.size, method, matrix, mode, fillcolor=fill_colour(image, p))


def flip(image, p):
    for step in FLIPS[p["axis"]]:
        image = image.transpose(step)
    return image


def pad_crop(image, p):
    w, h = image.size
    padded = F.pad(image, p["padding"], fill=p["fill"], padding_mode="constant")
    return padded.crop((p["x"], p["y"], p["x"] + w, p["y"] + h))


def affine(image, p):
    # torchvision documents whole numbers of pixels but takes floats for Pillow images; whole ones are passed as int.
    shift = [int(t) if t == int(t) else t for t in (p["translate_x"], p["translate_y"])]
    shear = [p["shear_x"], p["shear_y"]]
    return F.affine(image, p["angle"], shift, p["scale"], shear, TORCH_MODES[p["interpolation"]], fill=p["fill"])


def resize(image, p):
    return image.resize((p["width"], p["height"]), PIL_MODES[p["interpolation"]], box=p.get("box"))


ORACLE = {
    "brightness": lambda image, p: ImageEnhance.Brightness(image).enhance(p["factor"]),
    "contrast": lambda image, p: ImageEnhance.Contrast(image).enhance(p["factor"]),
    "color": lambda image, p: ImageEnhance.Color(image).enhance(p["factor"]),
    "posterize": lambda image, p: ImageOps.posterize(image, p["bits"]),
    "solarize": lambda image, p: ImageOps.solarize(image, p["threshold"]),
    "invert": lambda image, p: ImageOps.invert(image),
    "autocontrast": lambda image, p: ImageOps.autocontrast(image),
    "equalize": lambda image, p: ImageOps.equalize(image),
    "sharpness": lambda image, p: ImageEnhance.Sharpness(image).enhance(p["factor"]),
    "hue": lambda image, p: F.adjust_hue(image, p["factor"]),
    "perspective": lambda image, p: transform(image, p["m"], p, Image.Transform.PERSPECTIVE),
    "grey": lambda image, p: image.convert("L").convert(image.mode),
    "flip": flip,
    "crop": lambda image, p: image.crop((p["x"], p["y"], p["x"] + p["width"], p["y"] + p["height"])),
    "pad_crop": pad_crop,
    "rotate": lambda image, p: image.rotate(p["angle"], PIL_MODES[p["interpolation"]], fillcolor=fill_colour(image, p)),
    "affine_matrix": lambda image, p: transform(image, p["m"], p),
    "shear": lambda image, p: transform(image, (1.0, p["x"], 0.0, p["y"], 1.0, 0.0), p),
    "translate": lambda image, p: transform(image, (1.0, 0.0, -p["x"], 0.0, 1.0, -p["y"]), p),
    "affine": affine,
    "resize": resize,
}


def answer(case):
    """The case with the size and hash of what the oracle makes of it."""
    pixels = make_image(case["image"], case["image_seed"], case["height"], case["width"], case["channels"])
    image = Image.fromarray(pixels[..., 0] if case["channels"] == 1 else pixels)
    if case["op"] == "policy_op":
        out = _apply_op(image, case["name"], case["params"]["magnitude"], TORCH_MODES["nearest"], fill=None)
    else:
        out = ORACLE[case["op"]](image, case["params"])
    assert out.mode == image.mode
    digest = hashlib.sha256(np.ascontiguousarray(out).tobytes()).hexdigest()
    return {**case, "out_height": out.height, "out_width": out.width, "sha256": digest}


def entries(space):
    """float32 magnitudes widened to double, as float(magnitudes[bin].item()) gives them."""
    return {
        name: {"signed": signed, "magnitudes": [float(v) for v in magnitudes.reshape(-1).tolist()]}
        for name, (magnitudes, signed) in space.items()
    }


def rand_augment(height, width):
    return entries(RandAugment()._augmentation_space(BINS, (height, width)))


def trivial_augment():
    return entries(TrivialAugmentWide()._augmentation_space(BINS))


def tables():
    for height, width in TABLE_SIZES:
        entries_here = rand_augment(height, width)
        yield {"table": "rand_augment", "height": height, "width": width, "bins": BINS, "entries": entries_here}
    yield {"table": "trivial_augment_wide", "bins": BINS, "entries": trivial_augment()}
    for height, width in TABLE_SIZES:
        space = AutoAugment()._augmentation_space(10, (height, width))
        yield {"table": "auto_augment", "height": height, "width": width, "bins": 10, "entries": entries(space)}
    for height, width in TABLE_SIZES:
        space = AugMix()._augmentation_space(10, (height, width))
        yield {"table": "aug_mix", "height": height, "width": width, "bins": 10, "entries": entries(space)}
    for policy in AutoAugmentPolicy:
        yield {"table": "auto_augment_policies", "set": policy.value, "policies": AutoAugment(policy).policies}


def policy_magnitudes(name, height, width):
    """Both tables one after the other; Invert is in neither."""
    if name == "Invert":
        return [0.0], False
    rand, trivial = rand_augment(height, width)[name], trivial_augment()[name]
    if len(rand["magnitudes"]) == 1:
        return rand["magnitudes"], False
    return rand["magnitudes"] + trivial["magnitudes"], rand["signed"]


def main(path):
    cases = [answer(case) for case in (*op_cases(), *policy_cases(policy_magnitudes))]
    header = {
        "format": "leaven-golden-1",
        "pillow": PIL.__version__,
        "torchvision": torchvision.__version__,
        "torch": torch.__version__,
        "cases": len(cases),
    }
    with open(path, "w", encoding="ascii", newline="\n") as file:
        for line in (header, *tables(), *cases):
            file.write(json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
