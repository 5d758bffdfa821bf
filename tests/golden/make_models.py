#!/usr/bin/env python3
"""Writes the small random models, tiny-bert/, tiny-llama/, tiny-mistral/ and tiny-gpt2/, as Hugging Face folders beside this file.

tiny-bert:   C 64, 4 heads, F 128, 2 layers, 120 word pieces, 64 positions, pooler; safetensors F16 for matrices (values exact in it) and F32 for
             vectors, so that one file holds two types.
tiny-llama:  C 64, 8 query and 2 key/value heads of width 8, F 96, 3 layers, 128 tokens, tied embeddings; safetensors BF16 (values exact in it),
             as published LLaMA checkpoints are.  With 2 key/value heads tp = 4 replicates them.
tiny-mistral: C 32, 4 query and 2 key/value heads of width 8, F 48, 2 layers, 128 tokens, a window of 5 (shorter than most of the goldens' sequences).
tiny-gpt2:   C 32, 4 heads, F 48, 2 layers, 96 tokens; matrices [in, out] as GPT-2 keeps them, query, key and value in one.
Scales keep activations near one; norm weights, all biases and the pooler differ from their usual ones and zeros, so that a forgotten one shows."""
import json
import string

import numpy as np
import torch
from safetensors.torch import save_file

from common import HERE, rng

WORDS = """the a film movie story acting plot of and is was it in to this that very not no one good great bad fine funny dull fun slow smart weak
warm cold best worst love hate watch never always time positive negative neutral true false sad joy
really bit why how""".split()
ENDINGS = ["##ing", "##ed", "##ly", "##er", "##est", "##ful", "##ness"]


def word_pieces():
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *".,!?'-", *string.ascii_lowercase, *("##" + c for c in string.ascii_lowercase)]
    pieces += [w for w in WORDS if w not in pieces] + ENDINGS
    assert len(pieces) == len(set(pieces)) == 120, len(pieces)
    return pieces


def bert_tensors(c, r):
    C, F = c["hidden_size"], c["intermediate_size"]

    def linear(name, rows, columns, std):
        return {name + ".weight": r.normal(0, std, (rows, columns)), name + ".bias": r.normal(0, 0.1, rows)}

    def norm(name):
        return {name + ".weight": 1 + r.normal(0, 0.2, C), name + ".bias": r.normal(0, 0.1, C)}

    t = {}
    for table, rows in (("word", c["vocab_size"]), ("position", c["max_position_embeddings"]), ("token_type", c["type_vocab_size"])):
        t[f"embeddings.{table}_embeddings.weight"] = r.normal(0, 0.3, (rows, C))
    t |= norm("embeddings.LayerNorm")
    for layer in range(c["num_hidden_layers"]):
        at = f"encoder.layer.{layer}."
        for which in ("query", "key", "value"):
            t |= linear(f"{at}attention.self.{which}", C, C, 0.15)
        t |= linear(at + "attention.output.dense", C, C, 0.15) | norm(at + "attention.output.LayerNorm")
        t |= linear(at + "intermediate.dense", F, C, 0.12) | linear(at + "output.dense", C, F, 0.12) | norm(at + "output.LayerNorm")
    return t | linear("pooler.dense", C, C, 0.1)


def llama_tensors(c, r):
    C, F, D = c["hidden_size"], c["intermediate_size"], c["head_dim"]
    q, kv = c["num_attention_heads"] * D, c["num_key_value_heads"] * D
    t = {"model.embed_tokens.weight": r.normal(0, 0.5, (c["vocab_size"], C))}
    for layer in range(c["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        t[at + "input_layernorm.weight"] = 1 + r.normal(0, 0.2, C)
        for which, rows, columns in (("q", q, C), ("k", kv, C), ("v", kv, C), ("o", C, q)):
            t[f"{at}self_attn.{which}_proj.weight"] = r.normal(0, 0.15, (rows, columns))
        t[at + "post_attention_layernorm.weight"] = 1 + r.normal(0, 0.2, C)
        for which, rows, columns in (("gate", F, C), ("up", F, C), ("down", C, F)):
            t[f"{at}mlp.{which}_proj.weight"] = r.normal(0, 0.12, (rows, columns))
    return t | {"model.norm.weight": 1 + r.normal(0, 0.2, C)}


def gpt2_tensors(c, r):
    C, F = c["n_embd"], c["n_inner"]

    def linear(name, columns, rows, std):  # [in, out]
        return {name + ".weight": r.normal(0, std, (columns, rows)), name + ".bias": r.normal(0, 0.1, rows)}

    def norm(name):
        return {name + ".weight": 1 + r.normal(0, 0.2, C), name + ".bias": r.normal(0, 0.1, C)}

    t = {"transformer.wte.weight": r.normal(0, 0.5, (c["vocab_size"], C)), "transformer.wpe.weight": r.normal(0, 0.3, (c["n_positions"], C))}
    for layer in range(c["n_layer"]):
        at = f"transformer.h.{layer}."
        t |= norm(at + "ln_1") | linear(at + "attn.c_attn", C, 3 * C, 0.2) | linear(at + "attn.c_proj", C, C, 0.2)
        t |= norm(at + "ln_2") | linear(at + "mlp.c_fc", C, F, 0.18) | linear(at + "mlp.c_proj", F, C, 0.18)
    return t | norm("transformer.ln_f")


BERT = {"architectures": ["BertModel"], "model_type": "bert", "vocab_size": 120, "hidden_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "intermediate_size": 128, "hidden_act": "gelu", "max_position_embeddings": 64, "type_vocab_size": 2,
        "layer_norm_eps": 1e-12, "pad_token_id": 0, "position_embedding_type": "absolute", "torch_dtype": "float32"}
LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 128, "hidden_size": 64, "num_hidden_layers": 3,
         "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 96, "hidden_act": "silu",
         "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "bos_token_id": 1, "eos_token_id": 2,
         "tie_word_embeddings": True, "torch_dtype": "bfloat16"}
MISTRAL = LLAMA | {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
                   "intermediate_size": 48, "sliding_window": 5, "rope_theta": 1000.0}
GPT2 = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": 96, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": 48,
        "n_positions": 64, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "bos_token_id": 1, "eos_token_id": 2,
        "tie_word_embeddings": True, "torch_dtype": "float16"}


def write(name, config, tensors, dtype_of, seed):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    arrays = tensors(config, rng(seed))
    save_file({k: torch.from_numpy(np.asarray(v)).to(dtype_of(k, v)).contiguous() for k, v in arrays.items()}, folder / "model.safetensors",
              metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    print(f"{folder}: {sum(v.size for v in arrays.values())} weights")
    return folder


bert = write("tiny-bert", BERT, bert_tensors, lambda k, v: torch.float16 if v.ndim == 2 else torch.float32, 11)
(bert / "vocab.txt").write_text("\n".join(word_pieces()) + "\n")
(bert / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 64}) + "\n")
write("tiny-llama", LLAMA, llama_tensors, lambda k, v: torch.bfloat16, 12)
write("tiny-mistral", MISTRAL, llama_tensors, lambda k, v: torch.bfloat16, 13)
write("tiny-gpt2", GPT2, gpt2_tensors, lambda k, v: torch.float16 if v.ndim == 2 else torch.float32, 14)
