#!/usr/bin/env python3
"""Adapters that PEFT itself saved, of the small models, and the logits that it has with them: peft/MODEL.CASE/{adapter_config.json,
adapter_model.safetensors[, head.safetensors], golden.h5}.

lora    every family, updates of all matrices of a block at rank 2 (q and k not where relative positions share them); of fused ones PEFT has one update,
        the same A for q, k and v.  Once with rsLoRA, once of v and o alone.
prompt, prefix   4 rows
Models whose class of transformers has one matrix for a head go through it (the head is then in the adapter); of the others the bare model, with a head
beside it, on its first or last row.  Logits in float64 through transformers and PEFT; what stock float32 gives is printed.

usage: make_peft_adapters.py [MODEL ...]"""
import json
import shutil
import sys

import numpy as np
import peft
import torch
from peft import LoraConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForSequenceClassification

from common import HERE, F32_LIMIT, Golden, config_of, exact, folder_of, grid_normal, largest, load, require, rng

K, P, RANK, ALPHA = 3, 4, 2, 5
LENGTHS = (9, 4, 16, 1, 20, 11)
QKV = {"gpt2": ["c_attn"], "gpt_neox": ["query_key_value"], "bloom": ["query_key_value"], "falcon": ["query_key_value"], "deberta": ["in_proj"],
       "bert": ["query", "key", "value"], "roberta": ["query", "key", "value"], "xlm-roberta": ["query", "key", "value"],
       "distilbert": ["q_lin", "k_lin", "v_lin"], "deberta-v2": ["query_proj", "key_proj", "value_proj"]}
OTHERS = {"gpt2": ["c_proj", "c_fc"], "gpt_neox": ["dense", "dense_h_to_4h", "dense_4h_to_h"], "bloom": ["dense", "dense_h_to_4h", "dense_4h_to_h"],
          "falcon": ["dense", "dense_h_to_4h", "dense_4h_to_h"], "distilbert": ["out_lin", "lin1", "lin2"]}
LLAMA_QKV, LLAMA_OTHERS = ["q_proj", "k_proj", "v_proj"], ["o_proj", "gate_proj", "up_proj", "down_proj"]
ENCODER_OTHERS = r".*(attention\.output\.dense|intermediate\.dense|layer\.\d+\.output\.dense)"
POOLED = ("tiny-bert", "tiny-deberta", "tiny-deberta-v2")  # encoders whose class reads a pooler's row with one matrix
CASES = {"tiny-bert": ("lora", "prompt", "prefix"), "tiny-llama": ("lora", "rslora", "prompt", "prefix"), "tiny-gqa": ("lora", "prefix"),
         "tiny-gpt2": ("lora", "some", "prompt", "prefix"), "tiny-falcon-40b": ("lora", "some")}
MODELS = ("tiny-bert", "tiny-roberta", "tiny-xlm-roberta", "tiny-distilbert", "tiny-deberta", "tiny-deberta-v2", "tiny-deberta-v2-conv", "tiny-llama",
          "tiny-mistral", "tiny-gqa", "tiny-qwen2", "tiny-qwen3", "tiny-gemma3", "tiny-gpt2", "tiny-gpt-neox", "tiny-bloom", "tiny-falcon-7b",
          "tiny-falcon-40b", "tiny-falcon-rw")


def targets(config, case):
    kind = config["model_type"]
    qkv, others = QKV.get(kind, LLAMA_QKV), OTHERS.get(kind, LLAMA_OTHERS)
    if case == "some":
        return ["attn.c_proj", "c_attn"] if kind == "gpt2" else qkv
    if kind in ("bert", "roberta", "xlm-roberta", "deberta", "deberta-v2"):
        words = qkv[2:] if config.get("share_att_key") else qkv
        return rf"{ENCODER_OTHERS}|.*self\.({'|'.join(words)})"
    return qkv + others


def settings(case, config, task):
    if case == "prompt":
        return PromptTuningConfig(task_type=task, num_virtual_tokens=P)
    if case == "prefix":
        return PrefixTuningConfig(task_type=task, num_virtual_tokens=P)
    return LoraConfig(task_type=task, r=RANK, lora_alpha=ALPHA, lora_dropout=0.1, target_modules=targets(config, case), use_rslora=case == "rslora",
                      fan_in_fan_out=config["model_type"] == "gpt2")


def fill(model, r):
    """Values for everything that is trained, on a grid so that float32 keeps them."""
    for name, tensor in sorted(model.named_parameters()):
        if tensor.requires_grad:
            std = 0.4 if "lora_A" in name else 0.2 if "lora_B" in name else 0.3 if "prompt" in name else 0.2
            tensor.data.copy_(torch.from_numpy(grid_normal(r, tuple(tensor.shape), std)))


def sequences(config):
    r, bert, out = rng(81), config["model_type"] in ("bert", "deberta"), []
    for i, n in enumerate(LENGTHS):
        types = (np.arange(n) >= n // 2) if bert and i % 2 == 0 and n > 3 else np.zeros(n)
        out.append((torch.from_numpy(r.integers(5, config["vocab_size"], n)), torch.from_numpy(types.astype(np.int64))))
    return out


def logits(model, head, pooler, texts, config, case):
    """[n, K]; head: of the bare model, else None."""
    rows = []
    for ids, types in texts:
        more = {"token_type_ids": types[None]} if config.get("type_vocab_size", 0) > 1 else {}
        out = model(input_ids=ids[None], attention_mask=torch.ones(1, len(ids), dtype=torch.long), **more)
        if head is None:
            rows.append(out.logits[0])
        else:
            causal = "architectures" in config and config["model_type"] not in ("bert", "roberta", "xlm-roberta", "distilbert", "deberta", "deberta-v2")
            x = out.last_hidden_state[0, -1 if causal else P if case == "prompt" else 0]
            if pooler:  # of RoBERTa's and DistilBERT's classifiers, whose last matrix is not alone
                x = (torch.relu if config["model_type"] == "distilbert" else torch.tanh)(x @ pooler[0].to(x.dtype).T + pooler[1].to(x.dtype))
            rows.append(x @ head["head.weight"].to(x.dtype).T + head["head.bias"].to(x.dtype))
    return torch.stack(rows).detach().double().numpy()


def tensors_of(folder):
    return load_file(folder / "model.safetensors") if (folder / "model.safetensors").exists() else {}


def build(name, case, seed, wide, out=None):
    folder, config = folder_of(name), config_of(folder_of(name))
    encoder = config["model_type"] in ("bert", "roberta", "xlm-roberta", "distilbert", "deberta", "deberta-v2")
    with_class = name in POOLED or not encoder
    attention = "sdpa" if config["model_type"] == "distilbert" and case == "prefix" else None
    model = load(folder, AutoModelForSequenceClassification if with_class else AutoModel, attention, **({"num_labels": K} if with_class else {}))
    model = get_peft_model(exact(model) if wide else model, settings(case, config, "SEQ_CLS" if with_class else "FEATURE_EXTRACTION"))
    r, head = rng(82, seed), None
    fill(model, r)
    if not with_class:
        head = {"head.weight": torch.from_numpy(grid_normal(r, (K, config.get("hidden_size", config.get("dim"))), 0.2)).float(),
                "head.bias": torch.from_numpy(grid_normal(r, (K,), 0.3)).float()}
    if wide:
        model = model.double()
    model.eval()
    if out is not None:
        shutil.rmtree(out, ignore_errors=True)
        model.save_pretrained(out)
        (out / "README.md").unlink(missing_ok=True)
        about = json.loads((out / "adapter_config.json").read_text())
        about["base_model_name_or_path"] = name
        if isinstance(about.get("target_modules"), list):
            about["target_modules"].sort()  # PEFT keeps a set
        (out / "adapter_config.json").write_text(json.dumps(about, indent=1, sort_keys=True) + "\n")
        tensors = {k: v.float() for k, v in load_file(out / "adapter_model.safetensors").items()}
        save_file(tensors, out / "adapter_model.safetensors", metadata={"format": "pt"})
        if head:
            save_file(head, out / "head.safetensors", metadata={"format": "pt"})
    texts = sequences(config)
    readout = "last" if not encoder else "first" if with_class else "cls"
    weights, dense = tensors_of(folder), "pre_classifier" if config["model_type"] == "distilbert" else "classifier.dense"
    pooler = [weights[f"{dense}.{part}"] for part in ("weight", "bias")] if f"{dense}.weight" in weights else None
    return texts, logits(model, head, pooler, texts, config, case), readout


def main():
    names = sys.argv[1:] or MODELS
    stock = {}
    for name in names:  # before exact() changes transformers for good
        for case in CASES.get(name, ("lora",)):
            seed = 10 * MODELS.index(name) + len(case)
            stock[name, case] = build(name, case, seed, False, HERE / "peft" / f"{name}.{case}")[1]
    for name in names:
        for case in CASES.get(name, ("lora",)):
            seed, out = 10 * MODELS.index(name) + len(case), HERE / "peft" / f"{name}.{case}"
            texts, got, readout = build(name, case, seed, True)
            print(name, case)
            require("stock float32", largest(stock[name, case], got), F32_LIMIT)
            golden = Golden(out / "golden.h5", f"logits of {name} with the adapter in this folder, float64", peft=peft.__version__, readout=readout)
            golden.put("ids", np.concatenate([ids for ids, _ in texts]).astype(np.int32), "[T] token ids")
            golden.put("types", np.concatenate([types for _, types in texts]).astype(np.int32), "[T] token types")
            golden.put("offsets", np.cumsum([0, *(len(ids) for ids, _ in texts)]).astype(np.int64), "[n+1]")
            golden.put("logits", got, "[n, K]", keep=True)
            golden.save()


main()
