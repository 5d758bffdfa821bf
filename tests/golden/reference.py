"""A second, independent forward of BERT, LLaMA, Mistral and GPT-2 in plain PyTorch float64, one sequence at a time.

It shares no code with transformers: the generators hold both against each other.  Differentiable in prompt and prefix."""
import math
import pathlib

import torch
from safetensors.torch import load_file

from common import config_of


def rotate(x, position, theta):
    """Rotary embedding of x [n, heads, D], halves layout: pair (i, i + D/2) turns by position * theta^(-2i/D)."""
    half = x.shape[-1] // 2
    angle = position.double()[:, None] * theta ** (-torch.arange(half, dtype=torch.float64) / half)
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    low, high = x[..., :half], x[..., half:]
    return torch.cat((low * cos - high * sin, high * cos + low * sin), dim=-1)


def attend(q, k, v, causal, window=None):
    """q [n, H, D], k and v [N, Hkv, D], the last n keys belong to the n queries, those before them (a prefix) are seen by all; a window of w is the query's
    own key and the w - 1 before it; -> [n, H*D]."""
    n, H, D = q.shape
    N, group = k.shape[0], H // k.shape[1]
    score = torch.einsum("ihd,jhd->hij", q, k.repeat_interleave(group, 1)) / math.sqrt(D)
    if causal:
        distance = torch.arange(n)[:, None] + (N - n) - torch.arange(N)[None, :]
        hidden_from = distance < 0
        if window:
            hidden_from |= (distance >= window) & (torch.arange(N)[None, :] >= N - n)
        score = score.masked_fill(hidden_from, -math.inf)
    return torch.einsum("hij,jhd->ihd", score.softmax(-1), v.repeat_interleave(group, 1)).reshape(n, H * D)


class Reference:
    def __init__(self, folder):
        c = self.config = config_of(folder)
        self.kind = c["model_type"]
        stem = {"bert": "bert.", "llama": "model.", "mistral": "model.", "gpt2": "transformer."}[self.kind]
        self.w = {k.removeprefix(stem): v.double() for k, v in load_file(pathlib.Path(folder) / "model.safetensors").items()}
        self.bert = self.kind == "bert"
        keys = ("n_layer", "n_embd", "n_head") if self.kind == "gpt2" else ("num_hidden_layers", "hidden_size", "num_attention_heads")
        self.m, self.C, self.H = (c[key] for key in keys)
        self.Hkv = c.get("num_key_value_heads", self.H)
        self.D = self.C // self.H

    def linear(self, name, x):
        y = x @ self.w[name + ".weight"].T
        return y + self.w[name + ".bias"] if name + ".bias" in self.w else y

    def conv1d(self, name, x):
        """GPT-2 keeps its matrices [in, out]."""
        return x @ self.w[name + ".weight"] + self.w[name + ".bias"]

    def norm(self, name, x):
        if self.kind in ("bert", "gpt2"):
            x = x - x.mean(-1, keepdim=True)
            scale = torch.sqrt(x.square().mean(-1, keepdim=True) + self.config["layer_norm_eps" if self.bert else "layer_norm_epsilon"])
            return x / scale * self.w[name + ".weight"] + self.w[name + ".bias"]
        scale = torch.sqrt(x.square().mean(-1, keepdim=True) + self.config["rms_norm_eps"])
        return x / scale * self.w[name + ".weight"]

    def words(self, ids):
        """Rows of the token embedding table."""
        table = {"bert": "embeddings.word_embeddings.weight", "gpt2": "wte.weight"}.get(self.kind, "embed_tokens.weight")
        return self.w[table][torch.as_tensor(ids).long()]

    def hidden(self, ids, types=None, prompt=None, prefix=None, bidirectional=False):
        """States [rows, C] of layers 0..m.  prompt [P, C]: rows in front of the words, type 0.  prefix [m, 2, P, Hkv, D]: keys (not rotated) and
        values in front of every layer's; positions of the rows then start at P."""
        x = self.words(ids)
        rows = 0 if prompt is None else len(prompt)
        x = x if prompt is None else torch.cat((prompt, x))
        position = torch.arange(len(x)) + (0 if prefix is None else prefix.shape[2])
        if self.kind == "gpt2":
            return self._gpt2(x + self.w["wpe.weight"][position], prefix)
        if not self.bert:
            return self._llama(x, position, prefix, causal=not bidirectional)
        type_of = torch.zeros(len(x), dtype=torch.long)
        if types is not None:
            type_of[rows:] = torch.as_tensor(types).long()
        x = x + self.w["embeddings.position_embeddings.weight"][position] + self.w["embeddings.token_type_embeddings.weight"][type_of]
        return self._bert(self.norm("embeddings.LayerNorm", x), prefix)

    def _heads(self, x, prefix, layer, which):
        x = x.view(len(x), -1, self.D)
        return x if prefix is None else torch.cat((prefix[layer, which], x))

    def _bert(self, x, prefix):
        states = [x]
        for l in range(self.m):
            at = f"encoder.layer.{l}."
            q, k, v = (self.linear(f"{at}attention.self.{name}", x) for name in ("query", "key", "value"))
            y = attend(q.view(len(x), self.H, self.D), self._heads(k, prefix, l, 0), self._heads(v, prefix, l, 1), causal=False)
            x = self.norm(at + "attention.output.LayerNorm", x + self.linear(at + "attention.output.dense", y))
            u = self.linear(at + "intermediate.dense", x)
            u = 0.5 * u * (1 + torch.erf(u / math.sqrt(2)))
            x = self.norm(at + "output.LayerNorm", x + self.linear(at + "output.dense", u))
            states.append(x)
        return states

    def _llama(self, x, position, prefix, causal):
        theta, window, states = self.config["rope_theta"], self.config.get("sliding_window"), [x]
        for l in range(self.m):
            at = f"layers.{l}."
            y = self.norm(at + "input_layernorm", x)
            q, k, v = (self.linear(f"{at}self_attn.{name}_proj", y) for name in "qkv")
            q = rotate(q.view(len(x), self.H, self.D), position, theta)
            k = rotate(k.view(len(x), self.Hkv, self.D), position, theta).reshape(len(x), -1)
            y = attend(q, self._heads(k, prefix, l, 0), self._heads(v, prefix, l, 1), causal, window)
            x = x + self.linear(at + "self_attn.o_proj", y)
            y = self.norm(at + "post_attention_layernorm", x)
            gate = self.linear(at + "mlp.gate_proj", y)
            x = x + self.linear(at + "mlp.down_proj", gate * torch.sigmoid(gate) * self.linear(at + "mlp.up_proj", y))
            states.append(x)
        states[-1] = self.norm("norm", states[-1])
        return states

    def _gpt2(self, x, prefix):
        states = [x]
        for l in range(self.m):
            at = f"h.{l}."
            q, k, v = self.conv1d(at + "attn.c_attn", self.norm(at + "ln_1", x)).split(self.C, dim=-1)
            y = attend(q.view(len(x), self.H, self.D), self._heads(k, prefix, l, 0), self._heads(v, prefix, l, 1), causal=True)
            x = x + self.conv1d(at + "attn.c_proj", y)
            u = self.conv1d(at + "mlp.c_fc", self.norm(at + "ln_2", x))
            u = 0.5 * u * (1 + torch.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u**3)))
            x = x + self.conv1d(at + "mlp.c_proj", u)
            states.append(x)
        states[-1] = self.norm("ln_f", states[-1])
        return states

    def pooled(self, states, row):
        """What a head reads from one row of the last states: after the pooler for BERT."""
        h = states[-1][row]
        return torch.tanh(self.linear("pooler.dense", h)) if self.bert else h
