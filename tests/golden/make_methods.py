#!/usr/bin/env python3
"""Losses and gradients of every method on the small models: methods_MODEL.h5, one group a case.

Each number is computed in float64 by two routes that must agree to 1e-10 (PEFT or transformers, and our own forward); L-Tuning's gradients also
against central differences.  Float32 PEFT is run for the record: its distance to the golden says what float32 can reach.  Encoders other than BERT do
not go through PEFT (their classifiers are more than one matrix), nor does a BERT without pooler, but through transformers' models with the same rows
and keys.

usage: make_methods.py [MODEL ...]"""
import sys

import numpy as np
import peft
import torch
from transformers import AutoModel, BertTokenizer

import methods_lt
import methods_peft
from common import HERE, MODELS, Golden, config_of, exact, folder_of, largest, load, prefix_outside_window, relative, require, rng
from reference import Reference

LENGTHS = (9, 4, 16, 1, 20, 11)
PAIRS = {0: 5, 4: 12}                   # sequence -> first token of its second text (BERT)
CLASS = (0, 2, 1, 1, 0, 2)              # K-way labels
CANDIDATE = (0, 1, 2, 0, 1, 2)          # L-Tuning: the label offered
TARGET = (1, 0, 1, 1, 0, 0)             # L-Tuning: 1 if it is the true one
WORDS = ("positive", "not good", "negative")
LLAMA_LABELS, LLAMA_DOT = ([17], [33, 90], [4, 5, 71]), 13


def sequences(vocabulary, bert):
    r, out = rng(31), []
    for i, n in enumerate(LENGTHS):
        n += bert  # at least [CLS] [SEP]
        ids, types = r.integers(5, vocabulary, n), np.arange(n) >= PAIRS.get(i, n)
        if bert:
            ids[-1], ids[0] = 3, 2
            if i in PAIRS:
                ids[PAIRS[i] - 1] = 3
        out.append((torch.from_numpy(ids), torch.from_numpy(types.astype(np.int64))))
    return out


def label_tokens(folder, bert):
    """Tokens [K, P] of the labels: words without specials, padded with "." to the longest, then wrapped in [CLS] ... [SEP] (BERT)."""
    if not (folder / "vocab.txt").exists():
        words, dot = LLAMA_LABELS, LLAMA_DOT
    else:
        tokenizer = BertTokenizer(str(folder / "vocab.txt"))
        words = [tokenizer(w, add_special_tokens=False).input_ids for w in WORDS]
        (dot,) = tokenizer(".", add_special_tokens=False).input_ids
    longest = max(map(len, words))
    rows = [list(w) + [dot] * (longest - len(w)) for w in words]
    return np.array([[2, *row, 3] if bert else row for row in rows]), dot


def central_difference(f, values, name, direction, step=1e-5):
    at = {s: f({**values, name: values[name] + s * step * direction}) for s in (-1, 1)}
    return (at[1] - at[-1]) / (2 * step)


def store(golden, case, values, loss, logits, gradients, **attributes):
    golden.attribute(case, **attributes)
    golden.put(f"{case}/loss", np.array([loss]), "[1] mean cross-entropy over the sequences", keep=True)
    golden.put(f"{case}/logits", logits.numpy(), "[n, outputs of the head]")
    for name, value in values.items():
        golden.put(f"{case}/params/{name}", value.numpy())
        golden.put(f"{case}/grads/{name}", gradients[name].numpy())


def compare(what, got, want, limit):
    worst = max(relative(got[2][k], want[2][k]) for k in want[2])
    require(f"{what}: loss, logits, gradients", max(abs(got[0] - want[0]), largest(got[1], want[1]), worst), limit)


def peft_cases(golden, folder, ref, texts, stock, model=None):
    """model: transformers' in float64, for families that PEFT is not asked for.  golden None: the float32 run, into `stock`."""
    data = [(ids, types, label) for (ids, types), label in zip(texts, CLASS)]
    for number, case in enumerate(methods_peft.cases(ref)):
        values = methods_peft.parameters(case, ref, rng(41, number))
        if golden is None:  # before exact() changes transformers for good
            stock[case] = methods_peft.loss_and_gradients(case, folder, values, data, torch.float32)
            continue
        if case in stock:
            result = methods_peft.loss_and_gradients(case, folder, values, data, torch.float64)
            compare(f"{case}, PEFT in float32", stock[case], result, 1e-4)
        else:
            result = methods_peft.reference(case, ref, values, data, lambda *a: methods_lt.features_transformers(ref, model, *a))
        compare(f"{case}, own forward", methods_peft.reference(case, ref, values, data), result, 1e-10)
        readout = "last" if not ref.bert else "first" if case == "prompt" else "cls"
        store(golden, case, values, *result, by="peft" if case in stock else "transformers", readout=readout,
              length=0 if case == "head" else methods_peft.P)


def lt_cases(golden, ref, model, texts, states):
    data = [(ids, types, label, target) for (ids, types), label, target in zip(texts, CANDIDATE, TARGET)]
    for number, case in enumerate(methods_lt.CASES):
        r = rng(51, number)
        values = methods_lt.parameters(case, ref, states.shape[1], r)

        def evaluate(p, features=lambda *a: methods_lt.features_reference(ref, *a)):
            return methods_lt.loss_and_gradients(features, case, ref, p, data, states)

        result = evaluate(values)
        compare(f"{case}, transformers", evaluate(values, lambda *a: methods_lt.features_transformers(ref, model, *a)), result, 1e-10)
        for name in values:
            direction = torch.from_numpy(r.standard_normal(values[name].shape))
            numeric, exactly = central_difference(lambda p: evaluate(p)[0], values, name, direction), (result[2][name] * direction).sum().item()
            scale = (result[2][name].norm() * direction.norm()).item()
            require(f"{case}, {name}: central difference", abs(numeric - exactly) / scale, 1e-7)
        store(golden, case, values, *result, by="own autograd", readout="cls" if ref.bert else "last", length=states.shape[1])


prefix_outside_window()
for name in sys.argv[1:] or MODELS:
    print(name)
    folder = folder_of(name)
    config = config_of(folder)
    ref, stock = Reference(folder), {}
    texts = sequences(config["vocab_size"], ref.bert)
    if ref.kind != "bert":
        texts = [(ids, torch.zeros_like(types)) for ids, types in texts]
    # PEFT counts all heads of Falcon, and makes up the pooler of a BERT that has none
    if ref.kind in methods_peft.KINDS and not (ref.kind == "falcon" and ref.Hkv < ref.H) and name != "tiny-bert-old":
        peft_cases(None, folder, ref, texts, stock)
    # DistilBERT's 'eager' has a mask of the text's length, which keys put before it do not fit
    model = exact(load(folder, AutoModel, attention="sdpa" if ref.kind == "distilbert" else None))
    tokens, dot = label_tokens(folder, ref.bert)
    states = torch.stack([ref.hidden(row)[-1] for row in tokens])
    with torch.no_grad():
        require("label states, transformers", largest(states, model(torch.from_numpy(tokens)).last_hidden_state), 1e-12)
    states = states.float().double()  # as stored

    golden = Golden(HERE / f"methods_{name}.h5", f"losses and gradients of tuning methods on {name}, float64", peft=peft.__version__,
                    layouts=methods_peft.__doc__ + "\n\n" + methods_lt.__doc__, seeds="texts 31; parameters 41 (PEFT), 51 (L-Tuning) and case")
    golden.put("texts/ids", np.concatenate([ids for ids, _ in texts]).astype(np.int32), "[T] token ids, specials included")
    golden.put("texts/offsets", np.cumsum([0, *(len(ids) for ids, _ in texts)]).astype(np.int64), "[n+1]")
    if ref.kind == "bert":
        golden.put("texts/types", np.concatenate([types for _, types in texts]).astype(np.int32), "[T] token types")
    golden.put("texts/class", np.array(CLASS, np.int32), "[n] label of the K-way cases")
    golden.put("texts/candidate", np.array(CANDIDATE, np.int32), "[n] label offered in the L-Tuning cases")
    golden.put("texts/target", np.array(TARGET, np.int32), "[n] 1 if the label offered is true")
    golden.attribute("labels", dot=dot, **({"words": ", ".join(WORDS)} if name == "tiny-bert" else {}))
    golden.put("labels/ids", tokens.astype(np.int32), "[K, P] padded with the token dot; wrapped in [CLS] [SEP] for encoders")
    golden.put("labels/states", states.numpy(), "[K, P, C] h_y: last hidden states of each label alone")
    peft_cases(golden, folder, ref, texts, stock, model)
    lt_cases(golden, ref, model, texts, states)
    golden.save()
