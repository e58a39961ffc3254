#!/usr/bin/env python3
"""Writes tests/golden/loss.jsonl: losses and gradients of PyTorch, where PyTorch defines them.

Needs Python with torch and nothing else. Inputs are float32 values, printed exactly; PyTorch computes in float64, so
that its rounding does not matter. Run again only to add cases: the tests read the file and need no Python.

  python3 scripts/make_loss_goldens.py [FILE]
"""
import json
import pathlib
import sys

import torch
import torch.nn.functional as F

FILE = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "loss.jsonl"
SHAPES = [(4, 2), (5, 3), (6, 10), (3, 33), (2, 130)]
REDUCTIONS = {"none": "none", "sum": "sum", "mean_valid": "mean"}


def numbers(tensor):
    return [float("%.9g" % x) for x in tensor.flatten().tolist()]


def logits(shape, scale):
    return (torch.randn(shape) * scale).float()


def finish(case, student, loss):
    """Adds loss (a number or one per row) and the gradient of its sum with respect to the student's logits."""
    loss.sum().backward()
    case["loss"] = numbers(loss.detach())
    case["gradient"] = numbers(student.grad)
    return case


def cross_entropy_case(shape, kind, reduction, smoothing, ignore_label):
    rows, classes = shape
    values = logits(shape, 4.0)
    student = values.double().requires_grad_()
    case = {"kind": kind, "reduction": reduction, "rows": rows, "classes": classes, "student": numbers(values),
            "temperature": 1.0, "hard_weight": 1.0, "soft_weight": 0.0, "smoothing": smoothing,
            "ignore_label": ignore_label}
    if kind == "dense":
        target = torch.softmax(torch.randn(shape), 1).float()
        case["dense"] = numbers(target)
        return finish(case, student, F.cross_entropy(student, target.double(), reduction=REDUCTIONS[reduction]))
    labels = torch.randint(0, classes, (rows,))
    labels[1] = ignore_label
    case["a"] = labels.tolist()
    return finish(case, student, F.cross_entropy(student, labels, reduction=REDUCTIONS[reduction],
                                                 label_smoothing=smoothing, ignore_index=ignore_label))


def mixed_case(shape):
    """CutMix as the recipes write it: each label's loss times its weight, mean over rows."""
    rows, classes = shape
    values = logits(shape, 4.0)
    student = values.double().requires_grad_()
    a = torch.randint(0, classes, (rows,))
    b = torch.randint(0, classes, (rows,))
    weight = torch.rand(rows)
    case = {"kind": "mixed", "reduction": "mean_valid", "rows": rows, "classes": classes, "student": numbers(values),
            "temperature": 1.0, "hard_weight": 1.0, "soft_weight": 0.0, "smoothing": 0.0, "ignore_label": -100,
            "a": a.tolist(), "b": b.tolist(), "weight_a": numbers(weight)}
    w = weight.double()
    loss = (w * F.cross_entropy(student, a, reduction="none") + (1 - w) * F.cross_entropy(student, b, reduction="none"))
    return finish(case, student, loss.mean())


def distillation_case(shape, temperature, hard_weight, soft_weight):
    rows, classes = shape
    values, teacher = logits(shape, 4.0), logits(shape, 4.0)
    student = values.double().requires_grad_()
    labels = torch.randint(0, classes, (rows,))
    case = {"kind": "hard", "reduction": "mean_all", "rows": rows, "classes": classes, "student": numbers(values),
            "teacher": numbers(teacher), "temperature": temperature, "hard_weight": hard_weight,
            "soft_weight": soft_weight, "smoothing": 0.0, "ignore_label": -100, "a": labels.tolist()}
    t = temperature
    soft = F.kl_div(F.log_softmax(student / t, 1), F.log_softmax(teacher.double() / t, 1), reduction="batchmean",
                    log_target=True) * t * t
    return finish(case, student, soft_weight * soft + hard_weight * F.cross_entropy(student, labels))


def main():
    torch.manual_seed(1)
    cases = []
    for shape in SHAPES:
        for reduction in REDUCTIONS:
            for smoothing in (0.0, 0.125):
                cases.append(cross_entropy_case(shape, "hard", reduction, smoothing, -100))
            cases.append(cross_entropy_case(shape, "dense", reduction, 0.0, -100))
        cases.append(cross_entropy_case(shape, "hard", "mean_valid", 0.0, 1))
        cases.append(mixed_case(shape))
        for temperature in (0.5, 1.0, 4.0, 20.0):
            cases.append(distillation_case(shape, temperature, 0.125, 0.875))
            cases.append(distillation_case(shape, temperature, 0.0, 1.0))
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    with path.open("w") as out:
        out.write(json.dumps({"made_with": "torch " + torch.__version__, "cases": len(cases)}) + "\n")
        for case in cases:
            out.write(json.dumps(case, separators=(",", ":")) + "\n")
    print(f"{len(cases)} cases, {path.stat().st_size} bytes: {path}")


if __name__ == "__main__":
    main()
