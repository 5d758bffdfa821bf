#!/usr/bin/env python3
"""Writes small random models of every other family as transformers saves them: tiny-FAMILY/ beside this file.

Weights are random and then made exact in the type that the file holds.  Scales keep attention far from uniform, and norms and biases far from ones and
zeros, so that a forgotten part shows.  Between them the folders hold what folders on the hub hold: names with the family's prefix and without, heads
that only the task's model has, safetensors in one file and in shards, pickled files, gamma and beta in place of weight and bias, F32, F16 and BF16.

config.VARIANT.json beside config.json is another model on the same weights."""
import json
import re
import shutil
import sys

import numpy as np
import torch
import transformers as tf

from common import HERE, rng

SMALL = {"vocab_size": 101, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
         "max_position_embeddings": 64}
GROUPS = SMALL | {"hidden_size": 48, "num_attention_heads": 6, "num_key_value_heads": 2}


def fill(model, seed, dtype, sharp=1.7):
    """Random weights: a function of the seed and the tensor's name.  sharp: gain of queries and keys."""
    stored_less_one = model.config.model_type == "gemma3_text"
    for name, p in model.named_parameters():
        r = rng(seed, *name.encode())
        if p.ndim == 1:
            mean = 1 if name.endswith("weight") and not stored_less_one else 0
            values = mean + r.normal(0, 0.2 if name.endswith("weight") else 0.1, p.shape)
        elif re.search("position_emb|token_type", name):
            values = r.normal(0, 0.3, p.shape)
        elif re.search("embed_tokens|word_embeddings|embed_in", name):
            # Gemma multiplies its rows by the root of the width
            values = r.normal(0, 0.5 / (p.shape[1]**0.5 if stored_less_one else 1), p.shape)
        else:
            gain = sharp if re.search("query|key|[qk]_(proj|lin)", name) else 1.2
            values = r.normal(0, gain / p.shape[1]**0.5, p.shape)
        p.data = torch.from_numpy(np.asarray(values)).to(dtype)
    return model


def write(name, model, seed, dtype, base=False, sharp=1.7, drop=(), rename=(), extra=None, variants=None, **save):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    model = fill(model, seed, dtype, sharp).to(dtype)
    if base:
        model = model.base_model
    state = {}
    for key, value in model.state_dict().items():
        for old, new in rename:
            key = key.replace(old, new)
        if not key.startswith(tuple(drop)):
            state[key] = value
    model.save_pretrained(folder, state_dict=state | (extra or {}), **save)
    (folder / "generation_config.json").unlink(missing_ok=True)
    config = json.loads((folder / "config.json").read_text())
    for variant, change in (variants or {}).items():
        (folder / f"config.{variant}.json").write_text(json.dumps(change(dict(config)), indent=2) + "\n")
    for file in folder.iterdir():
        file.chmod(0o644)
    print(f"{folder}: {sum(p.numel() for p in model.parameters())} weights, {sum(f.stat().st_size for f in folder.iterdir())} bytes")


def with_fields(**fields):
    return lambda c: {k: v for k, v in (c | fields).items() if v is not ...}


def as_transformers_5(scaling):
    """The same model in the words of transformers 5: rope_parameters for rope_theta and rope_scaling."""
    def change(c):
        theta = c.pop("rope_theta")
        c.pop("rope_scaling", None)
        return c | {"rope_parameters": {"rope_theta": theta, **scaling}, "transformers_version": "5.0.0"}
    return change


# Waves longer than 32 positions are stretched, those shorter than 32 / 4 are not: the four of a head of width 8 are 6, 30, 140 and 664 long.
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}


def bert_old():
    c = tf.BertConfig(**SMALL, pad_token_id=0)
    write("tiny-bert-old", tf.BertForMaskedLM(c), 101, torch.float32, safe_serialization=False,
          rename=(("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")),
          extra={"bert.embeddings.position_ids": torch.arange(64)[None]})


def roberta():
    c = tf.RobertaConfig(**SMALL | {"max_position_embeddings": 66}, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2,
                         layer_norm_eps=1e-5)
    write("tiny-roberta", tf.RobertaForSequenceClassification(c), 102, torch.float32)


def xlm_roberta():
    c = tf.XLMRobertaConfig(**SMALL | {"max_position_embeddings": 66}, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2,
                            layer_norm_eps=1e-5)
    write("tiny-xlm-roberta", tf.XLMRobertaModel(c), 103, torch.float16)


def distilbert():
    c = tf.DistilBertConfig(vocab_size=101, dim=32, n_layers=2, n_heads=4, hidden_dim=48, max_position_embeddings=64)
    write("tiny-distilbert", tf.DistilBertForSequenceClassification(c), 104, torch.float32)


def bloom():
    c = tf.BloomConfig(vocab_size=101, hidden_size=48, n_layer=2, n_head=6)
    write("tiny-bloom", tf.BloomForCausalLM(c), 105, torch.float16, base=True)


def falcon(name, seed, dtype, heads, save, **more):
    c = tf.FalconConfig(vocab_size=101, hidden_size=8 * heads, num_hidden_layers=2, num_attention_heads=heads, max_position_embeddings=64, **more)
    write(name, tf.FalconForCausalLM(c), seed, dtype, **save)


def gpt_neox():
    c = tf.GPTNeoXConfig(**SMALL | {"hidden_size": 64}, rotary_pct=0.25, use_parallel_residual=True)
    write("tiny-gpt-neox", tf.GPTNeoXForCausalLM(c), 109, torch.float16, variants={"serial": with_fields(use_parallel_residual=False)})


def llama():
    c = tf.LlamaConfig(**GROUPS, rms_norm_eps=1e-5, rope_theta=500.0, tie_word_embeddings=False)
    write("tiny-gqa", tf.LlamaForCausalLM(c), 110, torch.bfloat16,
          variants={"llama3": with_fields(rope_scaling=LLAMA3), "linear": with_fields(rope_scaling={"type": "linear", "factor": 4.0}),
                    "v5": as_transformers_5(LLAMA3)})


def qwen2():
    c = tf.Qwen2Config(**SMALL | {"vocab_size": 128, "num_hidden_layers": 3}, num_key_value_heads=2, tie_word_embeddings=True, rope_theta=1000.0)
    # three layers at full sharpness leave float32 too little room below the tests' limits
    write("tiny-qwen2", tf.Qwen2ForCausalLM(c), 111, torch.bfloat16, drop=("lm_head.",), sharp=1.3,
          variants={"window": with_fields(use_sliding_window=True, sliding_window=5, max_window_layers=1, layer_types=...)})


def qwen3():
    c = tf.Qwen3Config(**SMALL | {"hidden_size": 40}, num_key_value_heads=2, head_dim=16, tie_word_embeddings=False, rope_theta=1000.0)
    write("tiny-qwen3", tf.Qwen3ForCausalLM(c), 112, torch.float32)


def gemma3():
    c = tf.Gemma3TextConfig(**SMALL | {"hidden_size": 40, "num_hidden_layers": 4}, num_key_value_heads=1, head_dim=16, query_pre_attn_scalar=20,
                            sliding_window=5, sliding_window_pattern=2, rope_theta=10000.0, rope_local_base_freq=100.0, pad_token_id=0)
    write("tiny-gemma3", tf.Gemma3ForCausalLM(c), 113, torch.bfloat16, drop=("lm_head.",),
          variants={"pattern": with_fields(layer_types=..., _sliding_window_pattern=..., sliding_window_pattern=2),
                    "scaled": with_fields(rope_scaling={"rope_type": "linear", "factor": 4.0})})


FAMILIES = {
    "bert-old": bert_old, "roberta": roberta, "xlm-roberta": xlm_roberta, "distilbert": distilbert, "bloom": bloom,
    "falcon-7b": lambda: falcon("tiny-falcon-7b", 106, torch.bfloat16, 5, {"drop": ("lm_head.",)}, multi_query=True, parallel_attn=True, bias=False,
                                alibi=False, new_decoder_architecture=False),
    "falcon-40b": lambda: falcon("tiny-falcon-40b", 107, torch.bfloat16, 6, {"drop": ("lm_head.",), "max_shard_size": "40KB"}, num_kv_heads=2,
                                 new_decoder_architecture=True, parallel_attn=True, bias=False, alibi=False),
    "falcon-rw": lambda: falcon("tiny-falcon-rw", 108, torch.float16, 4, {"safe_serialization": False, "drop": ("lm_head.",)}, multi_query=False,
                                parallel_attn=False, bias=True, alibi=True, new_decoder_architecture=False),
    "gpt-neox": gpt_neox, "gqa": llama, "qwen2": qwen2, "qwen3": qwen3, "gemma3": gemma3}

for which in sys.argv[1:] or FAMILIES:
    FAMILIES[which]()
