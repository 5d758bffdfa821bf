#!/usr/bin/env python3
"""Hidden states of every layer of the small models, from transformers in float64: hidden_MODEL.h5.

  ids, offsets, types           the sequences, each run alone, so no padding enters
  hidden                        [m+1, T, C] layer 0 is the embedding output, layer m the last block after the final norm
  pooled                        [n, C] what a head reads of each sequence (encoders): first row, after the file's dense layer and its activation
  greedy/ids, greedy/offsets    prompts (decoders)
  greedy/tokens                 [2, 32] their greedy continuation, every step computed anew from all ids, without a cache
  greedy/logits                 [2, V] scores of the first step
Prompts are taken so that the best token leads by MARGIN in every step: float32 cannot choose another.

usage: make_hidden.py [MODEL ...]          models of the shared folder only if named"""
import sys

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from common import F32_LIMIT, MODELS, ENCODERS, HERE, SAME, Golden, config_of, exact, folder_of, largest, load, require, rng
from reference import Reference

LENGTHS = (1, 5, 20, 8, 3)
PAIRS = {2: 11, 3: 4}  # sequence -> its first token of the second text (BERT)
STEPS, MARGIN = 32, 1e-3


def sequences(vocabulary, bert):
    r, out = rng(21), []
    for i, n in enumerate(LENGTHS):
        ids = r.integers(5, vocabulary, n)
        types = np.arange(n) >= PAIRS.get(i, n)
        if bert:  # [CLS] ... [SEP]
            ids[-1], ids[0] = 3, 2
        out.append((torch.from_numpy(ids), torch.from_numpy(types.astype(np.int64))))
    return out


def run(model, data, bidirectional=False):
    """hidden [m+1, T, C]"""
    hidden = []
    for ids, types in data:
        more = {"token_type_ids": types[None]} if model.config.model_type == "bert" else {}
        if bidirectional:
            more["attention_mask"] = torch.zeros(1, 1, len(ids), len(ids), dtype=model.dtype)
        with torch.no_grad():
            out = model(input_ids=ids[None], output_hidden_states=True, **more)
        assert torch.equal(out.hidden_states[-1], out.last_hidden_state)
        hidden.append(torch.cat(out.hidden_states).numpy())
    return np.concatenate(hidden, axis=1)


def continuation(model, ids):
    """Greedy tokens, smallest lead of the best score, scores of the first step."""
    ids, lead, first = list(ids), np.inf, None
    start = len(ids)
    for _ in range(STEPS):
        with torch.no_grad():
            scores = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
        first = scores if first is None else first
        best = scores.topk(2)
        lead = min(lead, (best.values[0] - best.values[1]).item())
        ids.append(best.indices[0].item())
    return ids[start:], lead, first


def greedy(golden, model, own, vocabulary):
    """Of some prompts those whose continuations say the most different things (small random models like to repeat themselves)."""
    prompts, tokens, scores = [], [], []
    for length in (7, 12):
        best = 0
        for seed in range(40):
            prompt = rng(22, length, seed).integers(5, vocabulary, length)
            continued, lead, first = continuation(model, prompt)
            if lead > MARGIN and len(set(continued)) > best:
                best, kept = len(set(continued)), (prompt, continued, first, f"seed {seed}: lead {lead:.4f}, {len(set(continued))} different tokens")
        prompt, continued, first, what = kept
        print("  greedy,", what)
        for n in (0, STEPS - 1):
            row = own.hidden(torch.tensor([*prompt, *continued[:n]]))[-1][-1]
            assert own.scores(row).argmax().item() == continued[n]
            if n == 0:
                require("scores, own forward", largest(own.scores(row), first), 1e-11)
        prompts.append(prompt)
        tokens.append(continued)
        scores.append(first.numpy())
    golden.put("greedy/ids", np.concatenate(prompts).astype(np.int32), "[T] prompts, one after another")
    golden.put("greedy/offsets", np.cumsum([0, *map(len, prompts)]).astype(np.int64), "[3] start of each prompt")
    golden.put("greedy/tokens", np.array(tokens, np.int32), "[2, 32] greedy continuation")
    golden.put("greedy/logits", np.array(scores), "[2, V] scores of the first step")


for name in sys.argv[1:] or MODELS:
    print(name)
    folder = folder_of(name)
    config = config_of(folder)
    bert = config["model_type"] in ENCODERS
    data = sequences(config["vocab_size"], bert)
    if config["model_type"] != "bert":
        data = [(ids, torch.zeros_like(types)) for ids, types in data]
    variants = ["hidden", "hidden_bidirectional"] if name == "tiny-llama" else ["hidden"]
    model = load(folder)
    stock = {v: run(model, data, v != "hidden") for v in variants}
    model = exact(model)
    own = Reference(folder)
    golden = Golden(HERE / f"hidden_{name}.h5", f"hidden states of {name}, transformers in float64", seed=21)
    golden.put("ids", np.concatenate([ids for ids, _ in data]).astype(np.int32), "[T] token ids, sequences one after another")
    golden.put("offsets", np.cumsum([0, *LENGTHS]).astype(np.int64), "[n+1] start of each sequence in ids")
    if config["model_type"] == "bert":
        golden.put("types", np.concatenate([types for _, types in data]).astype(np.int32), "[T] token types")
    for v in variants:
        hidden = run(model, data, v != "hidden")
        states = [own.hidden(ids, types, bidirectional=v != "hidden") for ids, types in data]
        other = np.concatenate([torch.stack(s).numpy() for s in states], axis=1)
        print(f"  {v}: root mean square by layer", np.round(np.sqrt((hidden**2).mean((1, 2))), 2))
        require(f"{v}, transformers float32", largest(stock[v], hidden), F32_LIMIT)
        require(f"{v}, own float64 forward", largest(other, hidden), 1e-12)
        golden.put(v, hidden, "[m+1, T, C] layer 0: embeddings; layer m: after the final norm")
        if bert:
            golden.put("pooled", torch.stack([own.pooled(s, 0) for s in states]).numpy(), "[n, C] first row after the dense layer for heads")
    if not bert:
        greedy(golden, exact(load(folder, AutoModelForCausalLM)), own, config["vocab_size"])
    for other_name in (k for k, v in SAME.items() if v == name):
        require(f"{other_name} is the same", largest(run(exact(load(folder_of(other_name))), data), hidden), 0)
    golden.save()
