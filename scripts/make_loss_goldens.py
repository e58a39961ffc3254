#!/usr/bin/env python3
"""Writes tests/golden/loss.jsonl and loss_divergence.jsonl: losses and gradients of PyTorch, where PyTorch defines them.

Needs Python with torch and nothing else. Inputs are float32 values, or float16 and bfloat16 ones, printed exactly;
PyTorch computes in float64, so that its rounding does not matter. Divergences that PyTorch lacks are written out below
in its functions. Run again only to add cases: the tests read the files and need no Python.

  python3 scripts/make_loss_goldens.py [FOLDER]
"""
import json
import pathlib
import sys

import torch
import torch.nn.functional as F

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
SHAPES = [(4, 2), (5, 3), (6, 10), (3, 33), (2, 130)]
MORE_SHAPES = [(3, 2), (4, 5), (2, 17), (2, 65), (1, 129), (1, 200)]
TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
REDUCTIONS = {"none": "none", "sum": "sum", "mean_valid": "mean"}


def numbers(tensor):
    return [float("%.9g" % x) for x in tensor.flatten().tolist()]


def logits(shape, scale, dtype="f32"):
    return (torch.randn(shape) * scale).to(TYPES[dtype]).float()


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


def weighted_case(shape, kind, reduction, smoothing):
    """Cross-entropy with weights of classes, one of them 0. (A mean would be PyTorch's alone: it divides by weights.)"""
    rows, classes = shape
    values = logits(shape, 4.0)
    student = values.double().requires_grad_()
    weights = torch.rand(classes) * 2
    weights[classes // 2] = 0
    case = {"kind": kind, "reduction": reduction, "rows": rows, "classes": classes, "student": numbers(values),
            "temperature": 1.0, "hard_weight": 1.0, "soft_weight": 0.0, "smoothing": smoothing, "ignore_label": -100,
            "class_weights": numbers(weights)}
    if kind == "dense":
        target = torch.softmax(torch.randn(shape), 1).float()
        case["dense"] = numbers(target)
        return finish(case, student, F.cross_entropy(student, target.double(), weight=weights.double(),
                                                     reduction=reduction))
    labels = torch.randint(0, classes, (rows,))
    if rows > 2:
        labels[1] = -100
    case["a"] = labels.tolist()
    return finish(case, student, F.cross_entropy(student, labels, weight=weights.double(), reduction=reduction,
                                                 label_smoothing=smoothing))


def typed_case(shape, dtype, temperature):
    """Both parts, from logits of 16 bits; the teacher's have the other of the two types."""
    rows, classes = shape
    teacher_type = "bf16" if dtype == "f16" else "f16"
    values, teacher = logits(shape, 4.0, dtype), logits(shape, 4.0, teacher_type)
    student = values.double().requires_grad_()
    labels = torch.randint(0, classes, (rows,))
    case = {"kind": "hard", "reduction": "mean_all", "rows": rows, "classes": classes, "student": numbers(values),
            "student_type": dtype, "teacher": numbers(teacher), "teacher_type": teacher_type,
            "temperature": temperature, "hard_weight": 0.5, "soft_weight": 0.5, "smoothing": 0.125,
            "ignore_label": -100, "a": labels.tolist()}
    t = temperature
    soft = F.kl_div(F.log_softmax(student / t, 1), F.log_softmax(teacher.double() / t, 1), reduction="batchmean",
                    log_target=True) * t * t
    return finish(case, student, 0.5 * soft + 0.5 * F.cross_entropy(student, labels, label_smoothing=0.125))


def kl(log_a, log_b):
    """KL(a || b) of each row."""
    return (log_a.exp() * (log_a - log_b)).sum(1)


def divergence_case(shape, kind, temperature, beta=0.5):
    """T^2 times the divergence of each row, with q of the teacher and p of the student."""
    values, teacher = logits(shape, 4.0), logits(shape, 4.0)
    student = values.double().requires_grad_()
    log_p, log_q = F.log_softmax(student / temperature, 1), F.log_softmax(teacher.double() / temperature, 1)
    case = {"kind": kind, "rows": shape[0], "classes": shape[1], "student": numbers(values),
            "teacher": numbers(teacher), "temperature": temperature, "beta": beta}
    if kind == "forward_kl":
        loss = F.kl_div(log_p, log_q, reduction="none", log_target=True).sum(1)
    elif kind == "reverse_kl":
        loss = kl(log_p, log_q)
    else:
        log_m = (beta * log_q.exp() + (1 - beta) * log_p.exp()).log()
        loss = beta * kl(log_q, log_m) + (1 - beta) * kl(log_p, log_m)
    return finish(case, student, loss * temperature**2)


def probability_case(shape, kind, temperature):
    values = logits(shape, 4.0)
    function = torch.softmax if kind == "softmax" else torch.log_softmax
    return {"kind": kind, "rows": shape[0], "classes": shape[1], "student": numbers(values),
            "temperature": temperature, "output": numbers(function(values.double() / temperature, 1))}


def write(path, cases):
    with path.open("w") as out:
        out.write(json.dumps({"made_with": "torch " + torch.__version__, "cases": len(cases)}) + "\n")
        for case in cases:
            out.write(json.dumps(case, separators=(",", ":")) + "\n")
    print(f"{len(cases)} cases, {path.stat().st_size} bytes: {path}")


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
    for shape in MORE_SHAPES:
        for reduction in ("none", "sum"):
            for smoothing in (0.0, 0.125):
                cases.append(weighted_case(shape, "hard", reduction, smoothing))
            cases.append(weighted_case(shape, "dense", reduction, 0.0))
        cases.append(typed_case(shape, "f16", 1.0))
        cases.append(typed_case(shape, "bf16", 4.0))
    divergences = []
    for shape in MORE_SHAPES:
        divergences.append(divergence_case(shape, "forward_kl", 30.0))
        divergences.append(divergence_case(shape, "reverse_kl", 1.0))
        divergences.append(divergence_case(shape, "reverse_kl", 4.0))
        divergences.append(divergence_case(shape, "jensen_shannon", 2.0, 0.5))
        divergences.append(divergence_case(shape, "jensen_shannon", 4.0, 0.125))
        divergences.append(probability_case(shape, "softmax", 0.5))
        divergences.append(probability_case(shape, "log_softmax", 3.0))
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    write(folder / "loss.jsonl", cases)
    write(folder / "loss_divergence.jsonl", divergences)


if __name__ == "__main__":
    main()
