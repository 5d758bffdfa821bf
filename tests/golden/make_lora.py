#!/usr/bin/env python3
"""Losses and gradients of LoRA on the small models: lora_MODEL.h5.  The texts are those of methods_MODEL.h5 (make_methods.py).

  TRIAL/params/NAME                           values
  SETTING/TRIAL/loss, logits, grads/NAME      what the trial gives in a setting: a read-out and a mask (methods_lora.py)
  classes                                     [T] classes of the rows, for the read-out `tokens`
All in float64 by two routes that must agree to 1e-10: transformers (under PEFT, where it fits), and our own forward.

usage: make_lora.py [MODEL ...]"""
import sys

import h5py
import numpy as np
import peft
import torch
from transformers import AutoModel

import methods_lora
from common import HERE, MODELS, Golden, exact, folder_of, largest, load, prefix_outside_window, relative, require, rng
from reference import Reference


def texts_of(name):
    with h5py.File(HERE / f"methods_{name}.h5") as f:
        ids, offsets, classes = f["texts/ids"][:], f["texts/offsets"][:], f["texts/class"][:]
        types = f["texts/types"][:] if "texts/types" in f else np.zeros_like(ids)
    cut = [slice(a, b) for a, b in zip(offsets, offsets[1:])]
    rows = methods_lora.token_classes(np.diff(offsets), rng(61))
    return [(torch.from_numpy(ids[c]).long(), torch.from_numpy(types[c]).long(), int(label), row) for c, label, row in zip(cut, classes, rows)]


prefix_outside_window()
for name in sys.argv[1:] or MODELS:
    print(name)
    folder = folder_of(name)
    ref, data = Reference(folder), texts_of(name)
    model = exact(load(folder, AutoModel))
    golden = Golden(HERE / f"lora_{name}.h5", f"losses and gradients of LoRA on {name}, float64", peft=peft.__version__, layouts=methods_lora.__doc__,
                    seeds="classes of rows 61; parameters 62 and trial")
    golden.put("classes", torch.cat([row for *_, row in data]).numpy().astype(np.int32), "[T] class of each row, or -100")
    settings, values = methods_lora.settings(name, ref), {}
    for number, trial in enumerate(methods_lora.TRIALS):
        if not any(trial in trials for *_, trials in settings.values()):
            continue
        values[trial] = methods_lora.parameters(trial, ref, rng(62, number))
        for key, value in values[trial].items():
            golden.put(f"{trial}/params/{key}", value.numpy())
    for case, setting in settings.items():
        for trial in setting[2]:
            own = methods_lora.reference(ref, trial, values[trial], setting, data)
            other = methods_lora.transformers(ref, model, trial, values[trial], setting, data)
            worst = max(relative(own[2][k], other[2][k]) for k in other[2])
            require(f"{case}, {trial}: loss, logits, gradients", max(abs(own[0] - other[0]), largest(own[1], other[1]), worst), 1e-10)
            golden.put(f"{case}/{trial}/loss", np.array([other[0]]), "[1] mean cross-entropy", keep=True)
            golden.put(f"{case}/{trial}/logits", other[1].numpy(), "[n, K], or [T, K]")
            for key, gradient in other[2].items():
                golden.put(f"{case}/{trial}/grads/{key}", gradient.numpy())
    golden.save()
