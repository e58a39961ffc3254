"""Writes what timm's level functions answer, as JSON, for the comparison with Leaven's.

    python scripts/make_timm_levels.py tests/golden/timm_levels.json

Needs timm (1.0); the first line of the file names its version.
"""

import json
import sys

import timm
from timm.data import auto_augment

LEVELS = [i / 4 for i in range(0, 49)]  # 0 to 12
NAMES = ("ShearX", "ShearY", "TranslateXRel", "TranslateYRel", "Rotate", "Brightness", "Color", "Contrast", "Sharpness",
         "Posterize", "Solarize", "SolarizeAdd")  # fmt: skip


def arguments(name, level, negative):
    """The one argument that changes with the level; SolarizeAdd's threshold is always 128."""
    auto_augment._randomly_negate = lambda v: -v if negative else v
    function = auto_augment.LEVEL_TO_ARG[name]
    return float(function(level, {})[0])


def main(path):
    entries = []
    for increasing in (False, True):
        for name in NAMES:
            stronger = name + "Increasing"
            asked = stronger if increasing and stronger in auto_augment.LEVEL_TO_ARG else name
            for negative in (False, True):
                values = [arguments(asked, level, negative) for level in LEVELS]
                entries.append({"op": name, "increasing": increasing, "negative": negative, "values": values})
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.write(f'{{"timm":"{timm.__version__}","levels":{json.dumps(LEVELS)},"entries":[\n')
        file.write(",\n".join(json.dumps(e, separators=(",", ":")) for e in entries) + "\n]}\n")


if __name__ == "__main__":
    main(sys.argv[1])
