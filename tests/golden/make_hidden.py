#!/usr/bin/env python3
"""Hidden states of every layer of the small models, from transformers in float64: hidden_MODEL.h5.

Every sequence runs alone, so no padding enters.  Layer 0 is the embedding output, layer m the last block after the final norm."""
import numpy as np
import torch

from common import F32_LIMIT, HERE, MODELS, Golden, config_of, exact, largest, load, require, rng
from reference import Reference

LENGTHS = (1, 5, 20, 8, 3)
PAIRS = {2: 11, 3: 4}  # sequence -> its first token of the second text (BERT)


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
    """hidden [m+1, T, C] and, if the model has a pooler, pooled [n, C]."""
    hidden, pooled = [], []
    for ids, types in data:
        more = {"token_type_ids": types[None]} if model.config.model_type == "bert" else {}
        if bidirectional:
            more["attention_mask"] = torch.zeros(1, 1, len(ids), len(ids), dtype=model.dtype)
        with torch.no_grad():
            out = model(input_ids=ids[None], output_hidden_states=True, **more)
        assert torch.equal(out.hidden_states[-1], out.last_hidden_state)
        hidden.append(torch.cat(out.hidden_states).numpy())
        pooled += [out.pooler_output[0].numpy()] if "pooler_output" in out else []
    return np.concatenate(hidden, axis=1), np.array(pooled)


for name in MODELS:
    print(name)
    config = config_of(HERE / name)
    bert = config["model_type"] == "bert"
    data = sequences(config["vocab_size"], bert)
    variants = ["hidden", "hidden_bidirectional"] if config["model_type"] == "llama" else ["hidden"]
    model = load(HERE / name)
    stock = {v: run(model, data, v != "hidden")[0] for v in variants}
    model = exact(model)
    own = Reference(HERE / name)
    golden = Golden(HERE / f"hidden_{name}.h5", f"hidden states of {name}, transformers in float64", seed=21)
    golden.put("ids", np.concatenate([ids for ids, _ in data]).astype(np.int32), "[T] token ids, sequences one after another")
    golden.put("offsets", np.cumsum([0, *LENGTHS]).astype(np.int64), "[n+1] start of each sequence in ids")
    if bert:
        golden.put("types", np.concatenate([types for _, types in data]).astype(np.int32), "[T] token types")
    for v in variants:
        hidden, pooled = run(model, data, v != "hidden")
        other = np.concatenate([torch.stack(own.hidden(ids, types, bidirectional=v != "hidden")).numpy() for ids, types in data], axis=1)
        print(f"  {v}: root mean square by layer", np.round(np.sqrt((hidden**2).mean((1, 2))), 2))
        require(f"{v}, transformers float32", largest(stock[v], hidden), F32_LIMIT)
        require(f"{v}, own float64 forward", largest(other, hidden), 1e-12)
        golden.put(v, hidden, "[m+1, T, C] layer 0: embeddings; layer m: after the final norm")
        if len(pooled):
            golden.put("pooled", pooled, "[n, C] pooler output: tanh(dense(first row))")
    golden.save()
