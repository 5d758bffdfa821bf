#!/usr/bin/env python3
"""Small DeBERTa models (version 1, version 2 with shared matrices, version 2 with a convolution) and their goldens, in float64: hidden_MODEL.h5, states of every
layer, and inputs_MODEL.h5, read-out rows and gradients of prefixes and prompt rows.

transformers gives the states.  It takes no prefix for these models, so a second, independent forward in plain PyTorch does: keys of a prefix have no place,
they meet queries by content alone.  Without a prefix both must agree to 1e-12, with prompt rows too.

tiny-deberta:         C 32, 4 heads, 3 layers; positions at the input and in the scores, clamped at a distance of 6; 2 token types; pooler.
tiny-deberta-v2:      C 48, 4 heads, 3 layers; 8 buckets up to a distance of 32, normed, relative keys by the layers' own matrices; no types; pooler.
tiny-deberta-v2-conv: C 48, 12 heads, 3 layers; 6 buckets, matrices of their own, a convolution of 3 with tanh."""
import json
import math

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel
from transformers.models.deberta import modeling_deberta

from common import F32_LIMIT, HERE, Golden, largest, load, require, rng
from reference_deberta import Reference, exact_norm

BASE = {"vocab_size": 96, "num_hidden_layers": 3, "hidden_act": "gelu", "max_position_embeddings": 64, "layer_norm_eps": 1e-7, "pad_token_id": 0,
        "relative_attention": True, "pooler_hidden_act": "gelu", "torch_dtype": "float16"}
V1 = BASE | {"architectures": ["DebertaModel"], "model_type": "deberta", "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 48,
             "type_vocab_size": 2, "max_relative_positions": 6, "position_biased_input": True, "pos_att_type": "c2p|p2c"}
V2 = BASE | {"architectures": ["DebertaV2Model"], "model_type": "deberta-v2", "hidden_size": 48, "num_attention_heads": 4, "intermediate_size": 72,
             "type_vocab_size": 0, "max_relative_positions": 32, "position_buckets": 8, "position_biased_input": False, "pos_att_type": ["p2c", "c2p"],
             "share_att_key": True, "norm_rel_ebd": "layer_norm"}
CONV = V2 | {"num_attention_heads": 12, "position_buckets": 6, "share_att_key": False, "norm_rel_ebd": "none", "conv_kernel_size": 3, "conv_act": "tanh"}
MODELS = {"tiny-deberta": (V1, 61, True), "tiny-deberta-v2": (V2, 62, True), "tiny-deberta-v2-conv": (CONV, 63, False)}

LENGTHS = (1, 5, 40, 8, 3, 17)
PAIRS = {2: 11, 3: 4}                   # sequence -> its first token of the second text
PREFIX, PROMPT = 5, 3                   # longest prefix; prompt rows
SLOT = (0, -1, 1, 0, -1, 1)             # of each sequence; slot 1 has the first PREFIX - 2 rows
PROMPTED = (0, 1, 0, 1, 1, 0)           # sequences with prompt rows in front


def write(name, c, seed, pooler):
    C, F, r, t = c["hidden_size"], c["intermediate_size"], rng(seed), {}

    def linear(name, rows, columns, std=0.15, bias=True):
        t[name + ".weight"] = r.normal(0, std, (rows, columns))
        if bias:
            t[name + ".bias"] = r.normal(0, 0.1, rows)

    def norm(name):
        t[name + ".weight"], t[name + ".bias"] = 1 + r.normal(0, 0.2, C), r.normal(0, 0.1, C)

    t["embeddings.word_embeddings.weight"] = r.normal(0, 0.3, (c["vocab_size"], C))
    if c["position_biased_input"]:
        t["embeddings.position_embeddings.weight"] = r.normal(0, 0.3, (c["max_position_embeddings"], C))
    if c["type_vocab_size"]:
        t["embeddings.token_type_embeddings.weight"] = r.normal(0, 0.3, (c["type_vocab_size"], C))
    norm("embeddings.LayerNorm")
    t["encoder.rel_embeddings.weight"] = r.normal(0, 0.8, (2 * c.get("position_buckets", c["max_relative_positions"]), C))
    if c.get("norm_rel_ebd") == "layer_norm":
        norm("encoder.LayerNorm")
    if c.get("conv_kernel_size"):
        t["encoder.conv.conv.weight"], t["encoder.conv.conv.bias"] = r.normal(0, 0.15, (C, C, c["conv_kernel_size"])), r.normal(0, 0.1, C)
        norm("encoder.conv.LayerNorm")
    for layer in range(c["num_hidden_layers"]):
        at, own = f"encoder.layer.{layer}.", f"encoder.layer.{layer}.attention.self."
        if c["model_type"] == "deberta":
            linear(own + "in_proj", 3 * C, C, 0.2, bias=False)
            t[own + "q_bias"], t[own + "v_bias"] = r.normal(0, 0.2, C), r.normal(0, 0.2, C)
            linear(own + "pos_proj", C, C, 0.2, bias=False)
            linear(own + "pos_q_proj", C, C, 0.2)
        else:
            for which in ("query_proj", "key_proj", "value_proj") + (() if c["share_att_key"] else ("pos_key_proj", "pos_query_proj")):
                linear(own + which, C, C, 0.2)
        linear(at + "attention.output.dense", C, C)
        norm(at + "attention.output.LayerNorm")
        linear(at + "intermediate.dense", F, C)
        linear(at + "output.dense", C, F)
        norm(at + "output.LayerNorm")
    t = {"deberta." + k: v for k, v in t.items()}
    if pooler:
        t["pooler.dense.weight"], t["pooler.dense.bias"] = r.normal(0, 0.15, (C, C)), r.normal(0, 0.1, C)
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(c, indent=2) + "\n")
    tensors = {k: torch.from_numpy(v).to(torch.float16 if v.ndim > 1 else torch.float32) for k, v in t.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    return folder


def transformers_states(model, ids, types, prompt=None):
    embeds = model.get_input_embeddings()(ids)
    if prompt is not None:
        embeds, types = torch.cat((prompt, embeds)), torch.cat((torch.zeros(len(prompt), dtype=torch.long), types))
    more = {"token_type_ids": types[None]} if model.config.type_vocab_size else {}
    with torch.no_grad():
        out = model(inputs_embeds=embeds[None], attention_mask=torch.ones(1, len(embeds)), output_hidden_states=True, **more)
    return torch.cat(out.hidden_states)


def sequences(vocabulary):
    r = rng(64)
    return [(torch.from_numpy(r.integers(5, vocabulary, n)), torch.from_numpy((np.arange(n) >= PAIRS.get(i, n)).astype(np.int64)))
            for i, n in enumerate(LENGTHS)]


def common(golden, data, types):
    golden.put("ids", np.concatenate([ids for ids, _ in data]).astype(np.int32), "[T] token ids, sequences one after another")
    golden.put("offsets", np.cumsum([0, *LENGTHS]).astype(np.int64), "[n+1] start of each sequence in ids")
    if types:
        golden.put("types", np.concatenate([types for _, types in data]).astype(np.int32), "[T] token types")


for name, (config, seed, pooler) in MODELS.items():
    print(name)
    folder = write(name, config, seed, pooler)
    data, own, r = sequences(config["vocab_size"]), Reference(folder), rng(65)
    model = load(folder, AutoModel)
    stock = [transformers_states(model, *d) for d in data]
    modeling_deberta.DebertaLayerNorm.forward, kept = exact_norm, modeling_deberta.DebertaLayerNorm.forward
    model = model.double()
    hidden = [transformers_states(model, *d) for d in data]
    require("transformers float32", max(largest(a, b) for a, b in zip(stock, hidden)), F32_LIMIT)
    require("own forward", max(largest(own.hidden(*d), h) for d, h in zip(data, hidden)), 1e-12)
    golden = Golden(HERE / f"hidden_{name}.h5", f"hidden states of {name}, transformers in float64", seed=64)
    common(golden, data, config["type_vocab_size"])
    golden.put("hidden", torch.cat(hidden, 1).numpy(), "[m+1, T, C] layer 0: embeddings; layer m: the last block")
    print("  root mean square by layer", np.round(np.sqrt((torch.cat(hidden, 1).numpy() ** 2).mean((1, 2))), 2))
    golden.save()

    prompt = torch.from_numpy(r.normal(0, 0.3, (PROMPT, own.C)).astype(np.float32)).double().requires_grad_()
    prefix = torch.from_numpy(r.normal(0, 1, (2, own.m, 2, PREFIX, own.H, own.D)).astype(np.float32)).double().requires_grad_()
    with torch.no_grad():
        for i, d in enumerate(data):
            if PROMPTED[i]:
                require("own forward, prompt rows", largest(own.hidden(*d, prompt), transformers_states(model, *d, prompt)), 1e-12)
    modeling_deberta.DebertaLayerNorm.forward = kept
    rows = []
    for i, d in enumerate(data):
        P, front = PREFIX - 2 * SLOT[i], prompt if PROMPTED[i] else None
        states = own.hidden(*d, front, None if SLOT[i] < 0 else prefix[SLOT[i], :, :, :P])
        rows.append(own.pooled(states, PROMPT if PROMPTED[i] else 0))
    rows = torch.stack(rows)
    upstream = torch.from_numpy(r.normal(0, 1, rows.shape).astype(np.float32)).double()
    (rows * upstream).sum().backward()
    golden = Golden(HERE / f"inputs_{name}.h5", f"gradients of the inputs of {name}, own forward in float64", slots=np.array(SLOT), prompted=np.array(PROMPTED))
    common(golden, data, config["type_vocab_size"])
    golden.put("slot", np.array(SLOT, np.int32), "[n] prefix of the sequence, -1 = none")
    golden.put("slot_len", np.array([PREFIX, PREFIX - 2], np.int32), "[S] rows of it")
    golden.put("prompted", np.array(PROMPTED, np.int32), "[n] 1: the prompt rows stand in front of the sequence")
    golden.put("prompt", prompt.detach().numpy(), "[rows, C]")
    golden.put("prefix", prefix.detach().numpy(), "[S, m, 2 (k, v), P, H, D]")
    golden.put("rows", rows.detach().numpy(), "[n, C] first text row of the last block, behind the pooler if there is one")
    golden.put("upstream", upstream.numpy(), "[n, C] gradient of rows")
    golden.put("d_prompt", prompt.grad.numpy(), "gradient of prompt")
    golden.put("d_prefix", prefix.grad.numpy(), "gradient of prefix")
    golden.save()
