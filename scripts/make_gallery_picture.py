"""Makes docs/images/augmentation.png from what the sample program augment_gallery writes.

    /usr/bin/python3 scripts/make_gallery_picture.py build/default/samples/augment_gallery docs/images/augmentation.png

Values are rounded to multiples of 8, which the eye does not see and a compressor does: a third of the size. Needs Debian's
python3-pil.
"""

import subprocess
import sys
import tempfile

from PIL import Image

STEP = 8


def main(program, path):
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        subprocess.run([program, "--out", file.name, "--backend", "cpu"], check=True, stdout=subprocess.DEVNULL)
        sheet = Image.open(file.name).convert("RGB")
    sheet.point([min((v + STEP // 2) // STEP * STEP, 255) for v in range(256)] * 3).save(path, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
