"""A second, independent forward of DeBERTa in plain PyTorch float64, one sequence at a time."""
import math

import numpy as np
import torch
from safetensors.torch import load_file
from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

from common import config_of


class Reference:
    """One sequence at a time, float64; differentiable in prompt [P, C] and prefix [m, 2, P, H, D]."""

    def __init__(self, folder):
        self.c = self.config = c = config_of(folder)
        self.w = {k.removeprefix("deberta."): v.double() for k, v in load_file(folder / "model.safetensors").items()}
        self.C, self.H, self.D, self.m = c["hidden_size"], c["num_attention_heads"], c["hidden_size"] // c["num_attention_heads"], c["num_hidden_layers"]
        self.kind, self.bert, self.Hkv, self.adapter = c["model_type"], True, self.H, {}
        self.v1 = self.kind == "deberta"
        self.span = c.get("position_buckets", c["max_relative_positions"])

    def linear(self, name, x):
        return x @ self.w[name + ".weight"].T + self.w.get(name + ".bias", 0)

    def norm(self, name, x):
        x = x - x.mean(-1, keepdim=True)
        return x / torch.sqrt(x.square().mean(-1, keepdim=True) + self.c["layer_norm_eps"]) * self.w[name + ".weight"] + self.w[name + ".bias"]

    def heads(self, x):
        return x.view(len(x), self.H, self.D)

    def lora(self, target, layer, x):
        """scale * (x A^T) B^T of a layer's target, or 0."""
        if target not in self.adapter:
            return 0
        A, B, scale = self.adapter[target]
        return scale * (x @ A[layer].T) @ B[layer].T

    def qkv(self, own, layer, x):
        if self.v1:
            q, k, v = (x @ self.w[own + "in_proj.weight"].T).view(len(x), self.H, 3, self.D).unbind(2)
            q, v = q + self.w[own + "q_bias"].view(self.H, self.D), v + self.w[own + "v_bias"].view(self.H, self.D)
        else:
            q, k, v = (self.heads(self.linear(own + which, x)) for which in ("query_proj", "key_proj", "value_proj"))
        deltas = (self.lora(t, layer, x) for t in "qkv")
        return (part + (self.heads(delta) if torch.is_tensor(delta) else 0) for part, delta in zip((q, k, v), deltas))

    def attention(self, layer, x, prefix):
        own, c, n = f"encoder.layer.{layer}.attention.self.", self.c, len(x)
        q, k, v = self.qkv(own, layer, x)
        table = self.w["encoder.rel_embeddings.weight"]
        table = self.norm("encoder.LayerNorm", table) if c.get("norm_rel_ebd") == "layer_norm" else table
        key_of = "pos_proj" if self.v1 else "key_proj" if c["share_att_key"] else "pos_key_proj"
        query_of = "pos_q_proj" if self.v1 else "query_proj" if c["share_att_key"] else "pos_query_proj"
        distance = torch.arange(n)[:, None] - torch.arange(n)[None, :]
        if not self.v1:
            distance = make_log_bucket_position(distance, c["position_buckets"], c["max_relative_positions"]).long()
        row = (distance + self.span).clamp(0, 2 * self.span - 1)
        pos_k, pos_q = (self.heads(self.linear(own + name, table))[row] for name in (key_of, query_of))  # [n, n, H, D]
        score = torch.einsum("ihd,jhd->hij", q, k) + torch.einsum("ihd,ijhd->hij", q, pos_k) + torch.einsum("jhd,ijhd->hij", k, pos_q)
        if prefix is not None:
            score = torch.cat((torch.einsum("ihd,jhd->hij", q, prefix[layer, 0]), score), -1)
            v = torch.cat((prefix[layer, 1], v))
        scale = float(np.sqrt(np.float32(3 * self.D)))  # as transformers rounds it
        return torch.einsum("hij,jhd->ihd", (score / scale).softmax(-1), v).reshape(n, self.C)

    def hidden(self, ids, types, prompt=None, prefix=None, bidirectional=True, adapter=None):
        """adapter: target -> (A [m, R, K], B [m, N, R], scale); on q and k it moves the content alone, not the constants of distances."""
        self.adapter = adapter or {}
        x = self.w["embeddings.word_embeddings.weight"][ids]
        if prompt is not None:
            x, types = torch.cat((prompt, x)), torch.cat((torch.zeros(len(prompt), dtype=torch.long), types))
        if self.c["position_biased_input"]:
            x = x + self.w["embeddings.position_embeddings.weight"][: len(x)]
        if self.c["type_vocab_size"]:
            x = x + self.w["embeddings.token_type_embeddings.weight"][types]
        states = [self.norm("embeddings.LayerNorm", x)]
        for layer in range(self.m):
            at, x = f"encoder.layer.{layer}.", states[-1]
            a = self.attention(layer, x, prefix)
            x = self.norm(at + "attention.output.LayerNorm", x + self.linear(at + "attention.output.dense", a) + self.lora("o", layer, a))
            u = self.linear(at + "intermediate.dense", x) + self.lora("up", layer, x)
            u = u * (1 + torch.erf(u / math.sqrt(2))) / 2
            x = self.norm(at + "output.LayerNorm", x + self.linear(at + "output.dense", u) + self.lora("down", layer, u))
            if layer == 0 and self.c.get("conv_kernel_size"):
                w, edge = self.w["encoder.conv.conv.weight"], torch.zeros(1, self.C, dtype=torch.float64)
                wide = torch.cat((edge, states[0], edge))
                y = sum(wide[s : s + len(x)] @ w[:, :, s].T for s in range(3)) + self.w["encoder.conv.conv.bias"]
                x = self.norm("encoder.conv.LayerNorm", x + torch.tanh(y))
            states.append(x)
        return torch.stack(states)

    def pooled(self, states, row):
        h = states[-1][row]
        if "pooler.dense.weight" not in self.w:
            return h
        u = self.linear("pooler.dense", h)
        return u * (1 + torch.erf(u / math.sqrt(2))) / 2


def exact_norm(self, x):
    x = x - x.mean(-1, keepdim=True)
    return self.weight * (x / torch.sqrt(x.square().mean(-1, keepdim=True) + self.variance_epsilon)) + self.bias
