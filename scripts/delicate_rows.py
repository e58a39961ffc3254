#!/usr/bin/env python3
"""The README's table of delicate rows: what Leaven answers, the test that proves it, and what PyTorch answers.

Runs PyTorch (float32, on the CPU) on each case and prints the table; --write puts it into README.md, between its
markers. --check needs no torch: it fails where a test that is named does not exist, or where the README's cases,
answers and tests are not the ones here.

  python3 scripts/delicate_rows.py [--write | --check]
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- delicate rows: begin (scripts/delicate_rows.py) -->", "<!-- delicate rows: end -->"
INF, NAN = float("inf"), float("nan")

# The case, Leaven's answer, the test in tests/loss, what PyTorch is asked.
CASES = [
    ("KL: teacher 0 where the student's logit is -inf", "the class contributes 0",
     "DelicateTest.TeacherProbabilityZeroAndStudentMaskedContributesNothing",
     lambda: kl([[1, -INF, 3]], [[2, -INF, 0]])),
    ("KL: teacher above 0 where the student's logit is -inf", "loss inf, gradient finite",
     "DelicateTest.TeacherProbabilityAndStudentMaskedGivesInfiniteLossAndFiniteGradient",
     lambda: kl([[1, -INF, 3]], [[2, 1, 0]])),
    ("KL: all logits of the student -inf", "loss 0, gradient 0", "DelicateTest.FullyMaskedRowsGiveZeroAndCountAsValid",
     lambda: kl([[-INF, -INF, -INF]], [[2, 1, 0]])),
    ("KL: all logits of the teacher -inf", "loss 0, gradient 0", "DelicateTest.FullyMaskedRowsGiveZeroAndCountAsValid",
     lambda: kl([[1, 2, 3]], [[-INF, -INF, -INF]])),
    ("KL of equal rows, temperature 4, 100 classes", "loss 0, gradient 0", "DelicateTest.EqualRowsGiveExactlyZero", lambda: equal_rows()),
    ("KL at temperature 1e4, 1,000 random rows of 10 classes", "no row below 0, relative error below 1.5e-6",
     "DistillationTest.KeepsItsRelativeAccuracyAtHighTemperatures", lambda: hot_rows()),
    ("KL at temperature 1e30", "half the variance of the differences",
     "DistillationTest.TendsToHalfTheVarianceAtAnyHighTemperature",
     lambda: kl([[1, -2, 0.5, 3]], [[0, 1, 0.25, -1]], 1e30)),
    ("temperature 0", "`InvalidArgument`", "LossContractTest.Parameters", lambda: kl([[1, 2, 3]], [[2, 1, 0]], 0.0)),
    ("logits 1e4 and -1e4", "finite, exact", "DelicateTest.LogitsOfTenThousandAreFinite",
     lambda: kl([[1e4, 0, -1e4]], [[-1e4, 1e4, 0]])),
    ("cross-entropy: all logits -inf", "loss 0, gradient 0", "DelicateTest.FullyMaskedRowsGiveZeroAndCountAsValid",
     lambda: cross([[-INF, -INF, -INF]], [2])),
    ("cross-entropy: the label's logit -inf", "loss inf, gradient finite",
     "DelicateTest.TheLabelsOwnLogitMaskedGivesInfiniteLossAndFiniteGradient", lambda: cross([[1, -INF, 3]], [1])),
    ("label smoothing, another logit -inf", "spread over the other classes",
     "DelicateTest.SmoothingSpreadsOverUnmaskedClassesOnly", lambda: cross([[1, -INF, 3]], [2], label_smoothing=0.1)),
    ("a logit +inf", "NaN in that row alone, status bit", "DelicateTest.PlusInfinityMakesItsRowNanAndSetsTheStatus",
     lambda: cross([[1, INF, 3]], [2])),
    ("a logit NaN", "NaN in that row alone, status bit", "DelicateTest.NanStaysInItsRow",
     lambda: cross([[1, NAN, 3]], [2])),
    ("an ignored row with a NaN in it", "loss 0, gradient 0: not looked at", "DelicateTest.IgnoreLabelWithHardLabels",
     lambda: cross([[1, NAN, 3]], [-100])),
    ("a row of weight 0 with a NaN in it", "loss 0, gradient 0: not looked at",
     "DelicateWeightsTest.RowsOfWeightZeroAreIgnoredAndNotLookedAt", lambda: cross([[1, NAN, 3]], [2], row_weight=0.0)),
    ("every row ignored, mean", "loss 0, gradient 0, 0 valid rows", "DelicateTest.AllRowsIgnoredGiveZeroAndACountOfZero",
     lambda: cross([[1, 2, 3]], [-100], reduction="mean")),
    ("no rows, mean", "loss 0, 0 valid rows", "DelicateTest.NoRowsGiveZeroAndACountOfZero",
     lambda: cross(torch.zeros(0, 3), [], reduction="mean")),
    ("label outside 0 .. classes - 1", "an ignored row, status bit, nothing read out of bounds",
     "DelicateTest.LabelsOutOfRangeAreIgnoredRowsAndSetTheStatus", lambda: cross([[1, 2, 3]], [7])),
    ("dense target NaN", "an ignored row, status bit", "DelicateTest.WeightsOutOfRangeAreIgnoredRowsAndSetTheStatus",
     lambda: cross([[1, 2, 3]], [[0.5, 0.5, NAN]])),
    ("dense target negative", "an ignored row, status bit",
     "DelicateTest.WeightsOutOfRangeAreIgnoredRowsAndSetTheStatus",
     lambda: cross([[1, 2, 3]], [[0.5, 1.0, -0.5]])),
    ("class weight negative", "counts as 0, status bit",
     "DelicateWeightsTest.ClassWeightsOutOfRangeCountAsZeroAndSetTheStatus",
     lambda: cross([[1, 2, 3]], [1], weight=[1.0, -1.0, 1.0])),
    ("the labels' class weights are 0, mean", "loss 0, gradient 0; divided by the count of rows",
     "DelicateWeightsTest.ALabelOfWeightZeroGivesZeroAndCountsAsValid",
     lambda: cross([[1, 2, 3]], [1], weight=[1.0, 0.0, 1.0], reduction="mean")),
    ("label smoothing below 0", "`InvalidArgument`", "LossContractTest.Parameters",
     lambda: cross([[1, 2, 3]], [1], label_smoothing=-0.5)),
]


def leaf(values):
    return torch.as_tensor(values, dtype=torch.float32).clone().requires_grad_()


def describe_loss(loss):
    value = loss.item()
    return f"{value:.3g}" if value == value else "NaN"


def describe_gradient(gradient):
    if gradient.isnan().any():
        return "NaN"
    return "0" if (gradient == 0).all() else "finite" if gradient.isfinite().all() else "inf"


def answer(student, loss):
    loss.sum().backward()
    text = f"loss {describe_loss(loss.sum())}"
    return text + (f", gradient {describe_gradient(student.grad)}" if student.numel() else "")


def kl_rows(student, teacher, temperature):
    p = F.log_softmax(student / temperature, 1)
    return F.kl_div(p, torch.softmax(teacher / temperature, 1), reduction="none").sum(1) * temperature**2


def kl(student, teacher, temperature=1.0):
    student = leaf(student)
    return answer(student, kl_rows(student, torch.tensor(teacher, dtype=torch.float32), temperature))


def equal_rows():
    student = leaf(torch.randn(100, 100) * 6)
    loss = kl_rows(student, student.detach(), 4.0)
    loss.sum().backward()
    return f"loss up to {loss.abs().max():.1g}, gradient up to {student.grad.abs().max():.1g}"


def hot_rows():
    student, teacher = torch.randn(1000, 10) * 4, torch.randn(1000, 10) * 4
    got, exact = kl_rows(student, teacher, 1e4), kl_rows(student.double(), teacher.double(), 1e4)
    error = ((got - exact).abs() / exact).median().item()
    return f"{(got < 0).sum().item()} rows below 0, median relative error {error:.1g}"


def cross(logits, target, row_weight=None, weight=None, reduction="none", **options):
    student = leaf(logits)
    target = torch.tensor(target, dtype=torch.float32 if target and isinstance(target[0], list) else torch.int64)
    weight = None if weight is None else torch.tensor(weight)
    try:
        loss = F.cross_entropy(student, target, weight=weight, reduction=reduction, **options)
    except (IndexError, RuntimeError, ValueError) as error:
        return f"{type(error).__name__}"
    return answer(student, loss if row_weight is None else loss * row_weight)


def known_tests():
    sources = "\n".join(path.read_text() for path in (ROOT / "tests" / "loss").glob("*_test.cpp"))
    return {f"{fixture}.{name}" for fixture, name in re.findall(r"TEST(?:_P|_F)?\(\s*(\w+),\s*(\w+)\)", sources)}


def cells(case, pytorch):
    return [case[0], case[1], pytorch, f"`{case[2]}`"]


def row(values):
    return "| " + " | ".join(values) + " |\n"


def readme():
    """The text before the table, the table and the text behind it."""
    before, rest = (ROOT / "README.md").read_text().split(BEGIN + "\n")
    table, behind = rest.split(END)
    return before, table, behind


def check():
    errors = [f"no test {test} in tests/loss" for test in sorted({case[2] for case in CASES} - known_tests())]
    rows = [line.strip("| \n").split(" | ") for line in readme()[1].strip().splitlines()[2:]]
    for case, got in zip(CASES, rows):
        if [got[0], got[1], got[3]] != [case[0], case[1], f"`{case[2]}`"]:
            errors.append(f"README.md has {got}, expected the case {case[:3]}: run with --write")
    if len(rows) != len(CASES):
        errors.append(f"README.md has {len(rows)} rows, expected {len(CASES)}: run with --write")
    return errors


def main():
    if "--check" in sys.argv:
        errors = check()
        print("\n".join(errors) or f"{len(CASES)} delicate rows, each with its test")
        return 1 if errors else 0
    global torch, F
    import torch
    import torch.nn.functional as F
    torch.manual_seed(1)
    version = torch.__version__.split("+")[0]
    table = row(["case", "Leaven", f"PyTorch {version}", "test"]) + "|---|---|---|---|\n"
    table += "".join(row(cells(case, case[3]())) for case in CASES)
    if "--write" in sys.argv:
        before, _, behind = readme()
        (ROOT / "README.md").write_text(before + BEGIN + "\n" + table + END + behind)
    print(table, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
