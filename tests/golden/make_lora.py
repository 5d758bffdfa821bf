#!/usr/bin/env python3
"""Losses and gradients of LoRA on the small models: lora_MODEL.h5.  The texts are those of methods_MODEL.h5 (make_methods.py).

  TRIAL/params/NAME                           values
  SETTING/TRIAL/loss, logits, grads/NAME      what the trial gives in a setting: a read-out and a mask (methods_lora.py)
  classes                                     [T] classes of the rows, for the read-out `tokens`
All in float64 by two routes that must agree to 1e-10: transformers (under PEFT, where it fits), and our own forward.

DeBERTa's have texts of their own, in the same file.

usage: make_lora.py [MODEL ...]"""
import sys

import h5py
import numpy as np
import peft
import torch
from transformers import AutoModel
from transformers.models.deberta import modeling_deberta

import methods_lora
import reference_deberta
from common import HERE, MODELS, Golden, exact, folder_of, largest, load, prefix_outside_window, relative, require, rng
from reference import Reference

DEBERTA = ("tiny-deberta", "tiny-deberta-v2", "tiny-deberta-v2-conv")
LENGTHS, CLASS = (9, 4, 15, 1, 20, 11), (0, 2, 1, 1, 0, 2)


def own_texts(golden):
    ids, offsets = rng(63).integers(5, 96, sum(LENGTHS)), np.cumsum([0, *LENGTHS])
    golden.put("texts/ids", ids.astype(np.int32), "[T] token ids")
    golden.put("texts/offsets", offsets.astype(np.int64), "[n+1]")
    golden.put("texts/class", np.array(CLASS, np.int32), "[n] label")
    rows = methods_lora.token_classes(LENGTHS, rng(61))
    cut = [torch.from_numpy(ids[a:b]) for a, b in zip(offsets, offsets[1:])]
    return [(text, torch.zeros_like(text), label, row) for text, label, row in zip(cut, CLASS, rows)]


def texts_of(name):
    with h5py.File(HERE / f"methods_{name}.h5") as f:
        ids, offsets, classes = f["texts/ids"][:], f["texts/offsets"][:], f["texts/class"][:]
        types = f["texts/types"][:] if "texts/types" in f else np.zeros_like(ids)
    cut = [slice(a, b) for a, b in zip(offsets, offsets[1:])]
    rows = methods_lora.token_classes(np.diff(offsets), rng(61))
    return [(torch.from_numpy(ids[c]).long(), torch.from_numpy(types[c]).long(), int(label), row) for c, label, row in zip(cut, classes, rows)]


prefix_outside_window()
modeling_deberta.DebertaLayerNorm.forward = reference_deberta.exact_norm
for name in sys.argv[1:] or MODELS + DEBERTA:
    print(name)
    folder = folder_of(name)
    own = name in DEBERTA
    ref = (reference_deberta.Reference if own else Reference)(folder)
    model = load(folder, AutoModel).double() if own else exact(load(folder, AutoModel))
    golden = Golden(HERE / f"lora_{name}.h5", f"losses and gradients of LoRA on {name}, float64", peft=peft.__version__, layouts=methods_lora.__doc__,
                    seeds="classes of rows 61; parameters 62 and trial")
    data = own_texts(golden) if own else texts_of(name)
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
            second = methods_lora.reference(ref, trial, values[trial], setting, data)
            other = methods_lora.transformers(ref, model, trial, values[trial], setting, data)
            worst = max(relative(second[2][k], other[2][k]) for k in other[2])
            require(f"{case}, {trial}: loss, logits, gradients", max(abs(second[0] - other[0]), largest(second[1], other[1]), worst), 1e-10)
            golden.put(f"{case}/{trial}/loss", np.array([other[0]]), "[1] mean cross-entropy", keep=True)
            golden.put(f"{case}/{trial}/logits", other[1].numpy(), "[n, K], or [T, K]")
            for key, gradient in other[2].items():
                golden.put(f"{case}/{trial}/grads/{key}", gradient.numpy())
    golden.save()
