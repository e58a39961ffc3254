"""Tests read_corpus.py, and runs the example of README.md where Pillow is there. Prints "N passed, M failed"."""

import importlib.util
import json
import re

import numpy as np
from read_corpus import HERE, check, conforms, read_cases, read_lines


def every_case_and_table_is_read():
    lines = read_lines()
    assert sum("op" in line for line in lines) == 20596
    assert sum("table" in line for line in lines) == 16
    assert len(read_lines(HERE / "blur.jsonl")) == 7


def the_readme_names_every_operation_and_table():
    text = (HERE / "README.md").read_text()
    for line in read_lines():
        assert (line["op"] if "op" in line else f'`{line["table"]}`') in text, line
    assert "20,596" in text


def a_definition_conforms_in_every_case():
    report = check({
        "invert": lambda image, p: 255 - image,
        "posterize": lambda image, p: image & (0xFF00 >> p["bits"] & 0xFF),
        "crop": lambda image, p: image[p["y"] : p["y"] + p["height"], p["x"] : p["x"] + p["width"]],
    })  # fmt: skip
    assert {op: (cases, len(differ)) for op, (cases, differ) in report.items()} == {
        "invert": (414, 0), "posterize": (460, 0), "crop": (460, 0),
    }  # fmt: skip


def one_wrong_byte_does_not_conform():
    for case, image in read_cases(only={"invert"}):
        right = 255 - image
        wrong = right.copy()
        wrong.flat[-1] ^= 1
        assert conforms(case, right) and not conforms(case, wrong)
        assert not conforms(case, right.astype(float)) and not conforms(case, right[:, :, :0])


def a_wrong_shape_does_not_conform():
    case, image = next((c, i) for c, i in read_cases(only={"invert"}) if c["height"] != c["width"])
    assert not conforms(case, np.swapaxes(255 - image, 0, 1))
    assert conforms({**case, "channels": 1}, (255 - image)[..., 0]) == (case["channels"] == 1)


def a_blur_may_be_one_level_off():
    for case, image in read_cases(HERE / "blur.jsonl"):
        exact = np.frombuffer(bytes.fromhex(case["bytes"]), np.uint8).reshape(image.shape).astype(int)
        near = np.where(exact < 255, exact + 1, exact - 1)
        assert conforms(case, exact.astype(np.uint8)) and conforms(case, near.astype(np.uint8))
        near.flat[0] = exact.flat[0] + (2 if exact.flat[0] < 254 else -2)
        assert not conforms(case, near.astype(np.uint8))


def the_example_of_the_readme_holds():
    if importlib.util.find_spec("PIL") is None:
        return "no Pillow here"
    example = re.search(r"```python\n(.*?)```", (HERE / "README.md").read_text(), re.DOTALL)[1]
    printed = []
    exec(compile(example, "README.md", "exec"), {"print": lambda *words: printed.append(" ".join(map(str, words)))})
    made_with = json.loads((HERE / "augment.jsonl").open().readline())["pillow"]
    from PIL import __version__

    assert len(printed) == 3, printed
    if __version__ != made_with:
        return f"Pillow is {__version__}, the set is of {made_with}: " + "; ".join(printed)
    assert all("0 differ" in line for line in printed), printed
    return None


TESTS = (
    every_case_and_table_is_read, the_readme_names_every_operation_and_table, a_definition_conforms_in_every_case,
    one_wrong_byte_does_not_conform, a_wrong_shape_does_not_conform, a_blur_may_be_one_level_off,
    the_example_of_the_readme_holds,
)  # fmt: skip

if __name__ == "__main__":
    failed = 0
    for test in TESTS:
        try:
            note = test()
            print("ok    ", test.__name__, f"({note})" if note else "")
        except AssertionError as error:
            failed += 1
            print("FAILED", test.__name__, error)
    print(f"{len(TESTS) - failed} passed, {failed} failed")
    raise SystemExit(failed > 0)
