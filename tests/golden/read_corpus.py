"""Reads the conformance set: what Pillow and torchvision answer to thousands of calls (README.md says how to use it).

    for case, image in read_cases(only={"rotate"}):
        assert conforms(case, my_rotate(image, **case["params"]))

Needs numpy, and scripts/golden_images.py, which makes the input images.
"""

import hashlib
import json
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "scripts"))
from golden_images import make_image  # noqa: E402


def read_lines(path=HERE / "augment.jsonl"):
    """Every line behind the header, as a dictionary: tables and cases."""
    with open(path, encoding="ascii") as file:
        header, *lines = (json.loads(line) for line in file)
    if not header["format"].startswith("leaven-") or header["cases"] != sum("image" in line for line in lines):
        raise ValueError(f"{path}: the header does not fit the file")
    return lines


def read_cases(path=HERE / "augment.jsonl", only=None):
    """Yields (case, image), the image (height, width, channels) uint8; `only`: names of operations, or all."""
    for case in read_lines(path):
        if "image" in case and (only is None or case.get("op", "gaussian_blur") in only):
            yield case, make_image(case["image"], case["image_seed"], case["height"], case["width"], case["channels"])


def conforms(case, output):
    """Whether the bytes are those of the case; of blur.jsonl, whether each is within one level."""
    height, width = case.get("out_height", case["height"]), case.get("out_width", case["width"])
    output = np.asarray(output)
    if output.dtype != np.uint8 or output.size != height * width * case["channels"] or output.shape[:2] != (height, width):
        return False
    if "bytes" in case:
        expected = np.frombuffer(bytes.fromhex(case["bytes"]), np.uint8).astype(int)
        return bool(np.abs(output.ravel().astype(int) - expected).max() <= 1)
    return hashlib.sha256(output.tobytes()).hexdigest() == case["sha256"]


def check(functions, path=HERE / "augment.jsonl"):
    """Runs functions {op: function(image, params)}; returns {op: [cases, the cases that differ]}."""
    report = {op: [0, []] for op in functions}
    for case, image in read_cases(path, only=functions):
        entry = report[case.get("op", "gaussian_blur")]
        entry[0] += 1
        if not conforms(case, functions[case.get("op", "gaussian_blur")](image, case.get("params", case))):
            entry[1].append(case)
    return report
