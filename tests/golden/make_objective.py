#!/usr/bin/env python3
"""Losses and gradients of the two L-Tuning methods that learn from all labels of a sentence (method.objective: all): objective_MODEL.h5, one group a case.

Texts, labels, label states and parameters are those of methods_MODEL.h5; the true label of a text is its `class`.  Every text is read with each label; the
score of a label is the true minus the false logit of the head, the loss of a text the cross-entropy of the softmax over its scores, the loss of a
case the mean over the texts.  Each number is computed in float64 by two routes that must agree to 1e-10 (our own forward and transformers'), gradients
also against central differences.

usage: make_objective.py [MODEL ...]"""
import sys

import h5py
import numpy as np
import torch
from transformers import AutoModel

import methods_lt
from common import HERE, Golden, exact, folder_of, largest, load, prefix_outside_window, relative, require, rng
from reference import Reference


def loss_and_gradients(features, case, ref, values, texts, classes, states):
    """-> loss, logits [n, K, 2], gradients by name, and by name the terms that gradients which cancel are sums of."""
    p = {k: v.clone().requires_grad_(True) for k, v in values.items()}
    labels = [p] * len(states)
    if "pool.bias" in p:  # one for each label token
        rows = p["pool.bias"] = values["pool.bias"].expand(states.shape[:2]).clone().requires_grad_(True)
        labels = [{**p, "pool.bias": row} for row in rows]
    logits = []
    for ids, types in texts:
        rows = [features(ids, types, methods_lt.soft_input(case, ref, one, h)) for one, h in zip(labels, states)]
        logits.append(torch.stack([p["head.weight"] @ x + p["head.bias"] for x in rows]))
    logits = torch.stack(logits)
    logits.retain_grad()
    scores = logits[..., 1] - logits[..., 0]
    loss = -torch.log_softmax(scores, dim=1)[torch.arange(len(texts)), classes].mean()
    loss.backward()
    gradients, terms = {k: v.grad for k, v in p.items()}, {"head.bias": logits.grad[..., 0].flatten()}
    if "pool.bias" in p:
        terms["pool.bias"] = gradients["pool.bias"].flatten()
        gradients["pool.bias"] = terms["pool.bias"].sum().reshape(1)
    return loss.item(), logits.detach(), gradients, terms


def central_difference(f, values, name, direction, step=1e-5):
    at = {s: f({**values, name: values[name] + s * step * direction}) for s in (-1, 1)}
    return (at[1] - at[-1]) / (2 * step)


prefix_outside_window()
for name in sys.argv[1:] or ("tiny-bert", "tiny-llama"):
    print(name)
    folder = folder_of(name)
    ref, model = Reference(folder), exact(load(folder, AutoModel))
    golden = Golden(HERE / f"objective_{name}.h5", f"losses and gradients of L-Tuning with all labels of a sentence on {name}, float64",
                    inputs=f"texts, labels and parameters of methods_{name}.h5", layouts=methods_lt.__doc__, seeds="directions of differences 61 and case")
    with h5py.File(HERE / f"methods_{name}.h5") as f:
        ids, offsets = torch.from_numpy(f["texts/ids"][:].astype(np.int64)), f["texts/offsets"][:]
        types = torch.from_numpy(f["texts/types"][:].astype(np.int64)) if "texts/types" in f else torch.zeros_like(ids)
        texts = [(ids[a:b], types[a:b]) for a, b in zip(offsets, offsets[1:])]
        classes = torch.from_numpy(f["texts/class"][:].astype(np.int64))
        states = torch.from_numpy(f["labels/states"][:]).double()
        parameters = {case: {k: torch.from_numpy(v[:]).double() for k, v in f[case]["params"].items()} for case in methods_lt.CASES}
    for number, (case, values) in enumerate(parameters.items()):

        def evaluate(p, features=lambda *a: methods_lt.features_reference(ref, *a)):
            return loss_and_gradients(features, case, ref, p, texts, classes, states)

        loss, logits, gradients, terms = evaluate(values)
        other = evaluate(values, lambda *a: methods_lt.features_transformers(ref, model, *a))
        worst = max(relative(other[2][k], gradients[k]) for k in gradients if k != "head.bias")
        require(f"{case}, transformers: loss, logits, gradients", max(abs(other[0] - loss), largest(other[1], logits), worst), 1e-10)
        # a bias of both logits changes no difference between labels
        require(f"{case}: gradient of head.bias", gradients["head.bias"].abs().max().item(), 1e-15)
        for which in (k for k in values if k != "head.bias"):
            direction = torch.from_numpy(rng(61, number).standard_normal(values[which].shape))
            numeric = central_difference(lambda p: evaluate(p)[0], values, which, direction)
            exactly, scale = (gradients[which] * direction).sum().item(), (gradients[which].norm() * direction.norm()).item()
            require(f"{case}, {which}: central difference", abs(numeric - exactly) / scale, 1e-7)
        golden.put(f"{case}/loss", np.array([loss]), "[1] mean cross-entropy over the texts", keep=True)
        golden.put(f"{case}/logits", logits.numpy(), "[n, K, 2]")
        for which, gradient in gradients.items():
            golden.put(f"{case}/params/{which}", values[which].numpy())
            golden.put(f"{case}/grads/{which}", gradient.numpy())
        for which, parts in terms.items():
            golden.put(f"{case}/terms/{which}", parts.numpy(), "[...] whose sum is (the first element of) the gradient")
    golden.save()
