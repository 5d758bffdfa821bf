"""A second, independent forward of every family in plain PyTorch float64, one sequence at a time.

It shares no code with transformers: the generators hold both against each other.  Differentiable in prompt and prefix."""
import json
import math
import pathlib

import torch
from safetensors.torch import load_file

from common import ENCODERS, config_of


def read_weights(folder):
    folder = pathlib.Path(folder)
    pickled, index = folder / "pytorch_model.bin", folder / "model.safetensors.index.json"
    if pickled.exists():
        return torch.load(pickled, weights_only=True)
    names = sorted(set(json.loads(index.read_text())["weight_map"].values())) if index.exists() else ["model.safetensors"]
    return {k: v for name in names for k, v in load_file(folder / name).items()}


def frequencies(n, theta, scaling=None):
    """Angles that n channels (n / 2 pairs) turn by from a position to the next."""
    f = theta ** (-torch.arange(n // 2, dtype=torch.float64) / (n // 2))
    kind = (scaling or {}).get("rope_type", (scaling or {}).get("type", "default"))
    if kind == "linear":
        f = f / scaling["factor"]
    elif kind == "llama3":  # short waves stay, long ones slow down, those between are mixed
        waves = scaling["original_max_position_embeddings"] * f / (2 * math.pi)  # how often each turns in the first training's length
        keep = ((waves - scaling["low_freq_factor"]) / (scaling["high_freq_factor"] - scaling["low_freq_factor"])).clamp(0, 1)
        f = keep * f + (1 - keep) * f / scaling["factor"]
    else:
        assert kind == "default", kind
    return f


def rotate(x, position, frequency):
    """Rotary embedding of x [n, heads, D], halves layout: pair (i, i + n/2) of the first n channels turns by position * frequency[i]."""
    half = len(frequency)
    angle = position.double()[:, None] * frequency
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    low, high, rest = x[..., :half], x[..., half:2 * half], x[..., 2 * half:]
    return torch.cat((low * cos - high * sin, high * cos + low * sin, rest), dim=-1)


def alibi_slopes(heads):
    """2^(-8i/n) for n heads, a power of two; others take what is missing from every second slope of twice as many."""
    n = 2 ** int(math.log2(heads))
    slopes = [2.0 ** (-8 * i / n) for i in range(1, n + 1)]
    return torch.tensor(slopes + [2.0 ** (-4 * i / n) for i in range(1, 2 * (heads - n), 2)], dtype=torch.float64)


def attend(q, k, v, causal, window=None, scale=None, slopes=None):
    """q [n, H, D], k and v [N, Hkv, D], the last n keys belong to the n queries, those before them (a prefix) are seen by all; a window of w is the query's
    own key and the w - 1 before it (without causality also the w - 1 behind it); slopes are of the keys' places, the prefix being the first;
    -> [n, H*D]."""
    n, H, D = q.shape
    N, group = k.shape[0], H // k.shape[1]
    score = torch.einsum("ihd,jhd->hij", q, k.repeat_interleave(group, 1)) * (scale or 1 / math.sqrt(D))
    if slopes is not None:
        score = score + slopes[:, None, None] * torch.arange(N)
    if causal or window:
        distance = torch.arange(n)[:, None] + (N - n) - torch.arange(N)[None, :]
        hidden_from = distance < 0 if causal else torch.zeros_like(distance, dtype=torch.bool)
        if window:
            hidden_from |= (distance.abs() >= window) & (torch.arange(N)[None, :] >= N - n)
        score = score.masked_fill(hidden_from, -math.inf)
    return torch.einsum("hij,jhd->ihd", score.softmax(-1), v.repeat_interleave(group, 1)).reshape(n, H * D)


def gelu(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def gelu_tanh(x, root=math.sqrt(2 / math.pi)):
    return 0.5 * x * (1 + torch.tanh(root * (x + 0.044715 * x**3)))


def gelu_bloom(x):
    """transformers' BLOOM has eight digits of the root; ours, as others, all: 1e-9 apart."""
    return gelu_tanh(x, 0.79788456)


# prefix of all names, embeddings of words, of positions, final norm
NAMES = {"bert": ("bert.", "embeddings.word_embeddings", "embeddings.position_embeddings", None),
         "roberta": ("roberta.", "embeddings.word_embeddings", "embeddings.position_embeddings", None),
         "xlm-roberta": ("roberta.", "embeddings.word_embeddings", "embeddings.position_embeddings", None),
         "distilbert": ("distilbert.", "embeddings.word_embeddings", "embeddings.position_embeddings", None),
         "gpt2": ("transformer.", "wte", "wpe", "ln_f"), "bloom": ("transformer.", "word_embeddings", None, "ln_f"),
         "falcon": ("transformer.", "word_embeddings", None, "ln_f"), "gpt_neox": ("gpt_neox.", "embed_in", None, "final_layer_norm")}
LLAMAS = ("model.", "embed_tokens", None, "norm")
# query, key, value, output, norm after; up, down, norm after
BERT_BLOCK = ("encoder.layer.{}.", "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
              "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm")
DISTILBERT_BLOCK = ("transformer.layer.{}.", "attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "sa_layer_norm", "ffn.lin1",
                    "ffn.lin2", "output_layer_norm")
# query-key-value, output, up, down, input norm, norm before the feed-forward
GPT_BLOCKS = {"gpt2": ("h.{}.", "attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj", "ln_1", "ln_2"),
              "bloom": ("h.{}.", "self_attention.query_key_value", "self_attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h",
                        "input_layernorm", "post_attention_layernorm"),
              "gpt_neox": ("layers.{}.", "attention.query_key_value", "attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h",
                           "input_layernorm", "post_attention_layernorm")}
GPT_BLOCKS["falcon"] = GPT_BLOCKS["bloom"]


class Reference:
    def __init__(self, folder):
        c = self.config = config_of(folder)
        self.kind = c["model_type"]
        self.bert = self.kind in ENCODERS
        stem, self.table, self.positions, self.last_norm = NAMES.get(self.kind, LLAMAS)
        self.w = {}
        for key, value in read_weights(folder).items():
            key = key.removeprefix(stem).replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
            self.w[key] = value.double()

        def first(*keys, otherwise=None):
            return next((c[key] for key in keys if c.get(key) is not None), otherwise)

        self.m, self.C = first("num_hidden_layers", "n_layer", "n_layers"), first("hidden_size", "n_embd", "dim")
        self.H = first("num_attention_heads", "n_head", "n_heads")
        self.Hkv = c.get("num_key_value_heads", self.H)
        if self.kind == "falcon" and (c["new_decoder_architecture"] or c["multi_query"]):
            self.Hkv = c["num_kv_heads"] if c["new_decoder_architecture"] else 1
        self.D = first("head_dim", otherwise=self.C // self.H)
        self.eps = first("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", otherwise=1e-12)
        self.gemma = self.kind == "gemma3_text"

    def linear(self, name, x):
        if self.kind == "gpt2":  # keeps its matrices [in, out]
            return x @ self.w[name + ".weight"] + self.w[name + ".bias"]
        y = x @ self.w[name + ".weight"].T
        return y + self.w[name + ".bias"] if name + ".bias" in self.w else y

    def norm(self, name, x):
        bias = self.w.get(name + ".bias")
        if bias is not None:
            x = x - x.mean(-1, keepdim=True)
        y = x / torch.sqrt(x.square().mean(-1, keepdim=True) + self.eps) * (self.w[name + ".weight"] + self.gemma)
        return y if bias is None else y + bias

    def words(self, ids):
        """Rows of the token embedding table, as they go into the model."""
        return self.w[self.table + ".weight"][torch.as_tensor(ids).long()] * (math.sqrt(self.C) if self.gemma else 1)

    def lora(self, target, layer, x):
        """scale * (x A^T) B^T of a layer's target (q, k, v, o, up, gate, down), or 0."""
        if target not in self.adapter:
            return 0
        A, B, scale = self.adapter[target]
        return scale * (x @ A[layer].T) @ B[layer].T

    def hidden(self, ids, types=None, prompt=None, prefix=None, bidirectional=False, adapter=None):
        """States [rows, C] of layers 0..m.  prompt [P, C]: rows in front of the words, type 0.  prefix [m, 2, P, Hkv, D]: keys (not rotated) and
        values in front of every layer's; positions of the rows then start at P.  bidirectional: True or the layers that see both ways.  adapter: target
        -> (A [m, R, K], B [m, N, R], scale)."""
        self.adapter = adapter or {}
        x = self.words(ids)
        rows = 0 if prompt is None else len(prompt)
        x = x if prompt is None else torch.cat((prompt, x))
        position = torch.arange(len(x)) + (0 if prefix is None else prefix.shape[2])
        if self.positions:
            padding = self.config["pad_token_id"] + 1 if self.kind in ("roberta", "xlm-roberta") else 0
            x = x + self.w[self.positions + ".weight"][position + padding]
        if "embeddings.token_type_embeddings.weight" in self.w:
            type_of = torch.zeros(len(x), dtype=torch.long)
            if types is not None:
                type_of[rows:] = torch.as_tensor(types).long()
            x = x + self.w["embeddings.token_type_embeddings.weight"][type_of]
        if self.bert:
            x = self.norm("embeddings.LayerNorm", x)
        if self.kind == "bloom":
            x = self.norm("word_embeddings_layernorm", x)
        states = [x]
        for layer in range(self.m):
            causal = layer not in bidirectional if isinstance(bidirectional, (list, tuple)) else not bidirectional
            x = (self._bert if self.bert else self._gpt if self.kind in GPT_BLOCKS else self._llama)(x, layer, position, prefix, causal)
            states.append(x)
        if self.last_norm:
            states[-1] = self.norm(self.last_norm, states[-1])
        return states

    def _heads(self, x, prefix, layer, which):
        x = x.reshape(len(x), -1, self.D)
        return x if prefix is None else torch.cat((prefix[layer, which], x))

    def _bert(self, x, layer, position, prefix, _):
        at, *names = DISTILBERT_BLOCK if self.kind == "distilbert" else BERT_BLOCK
        query, key, value, out, norm, up, down, last = (at.format(layer) + name for name in names)
        q, k, v = (self.linear(name, x) + self.lora(target, layer, x) for name, target in ((query, "q"), (key, "k"), (value, "v")))
        y = attend(q.view(len(x), self.H, self.D), self._heads(k, prefix, layer, 0), self._heads(v, prefix, layer, 1), causal=False)
        x = self.norm(norm, x + self.linear(out, y) + self.lora("o", layer, y))
        y = gelu(self.linear(up, x) + self.lora("up", layer, x))
        return self.norm(last, x + self.linear(down, y) + self.lora("down", layer, y))

    def _rope(self, layer):
        """Frequencies and window of a layer."""
        c = self.config
        local = c.get("layer_types", ["full_attention"] * self.m)[layer] == "sliding_attention"
        if self.kind == "qwen2" and "layer_types" not in c:
            local = c.get("use_sliding_window", False) and layer >= c["max_window_layers"]
        if self.kind == "mistral":
            local = True
        if self.gemma and local:
            return frequencies(self.D, c["rope_local_base_freq"]), c["sliding_window"]
        return frequencies(self.D, c["rope_theta"], c.get("rope_scaling")), c["sliding_window"] if local else None

    def _llama(self, x, layer, position, prefix, causal):
        at, c, n = f"layers.{layer}.", self.config, len(x)
        frequency, window = self._rope(layer)
        y = self.norm(at + "input_layernorm", x)
        q, k, v = (self.linear(f"{at}self_attn.{name}_proj", y) + self.lora(name, layer, y) for name in "qkv")
        q, k = q.view(n, self.H, self.D), k.view(n, self.Hkv, self.D)
        if at + "self_attn.q_norm.weight" in self.w:
            q, k = self.norm(at + "self_attn.q_norm", q), self.norm(at + "self_attn.k_norm", k)
        q, k = rotate(q, position, frequency), rotate(k, position, frequency)
        scale = c["query_pre_attn_scalar"] ** -0.5 if self.gemma else None
        y = attend(q, self._heads(k, prefix, layer, 0), self._heads(v, prefix, layer, 1), causal, window, scale)
        y = self.linear(at + "self_attn.o_proj", y) + self.lora("o", layer, y)
        x = x + (self.norm(at + "post_attention_layernorm", y) if self.gemma else y)
        y = self.norm(at + ("pre_feedforward_layernorm" if self.gemma else "post_attention_layernorm"), x)
        gate = self.linear(at + "mlp.gate_proj", y) + self.lora("gate", layer, y)
        gate = gelu_tanh(gate) if self.gemma else gate * torch.sigmoid(gate)
        y = gate * (self.linear(at + "mlp.up_proj", y) + self.lora("up", layer, y))
        y = self.linear(at + "mlp.down_proj", y) + self.lora("down", layer, y)
        return x + (self.norm(at + "post_feedforward_layernorm", y) if self.gemma else y)

    def _split(self, qkv):
        """The three of a fused matrix's rows, [n, heads, D] each."""
        n = len(qkv)
        if self.kind == "gpt2":
            return (part.view(n, self.H, self.D) for part in qkv.split(self.C, dim=-1))
        group = self.H // self.Hkv  # query heads, then their key and value
        qkv = qkv.view(n, self.Hkv, group + 2, self.D)
        return qkv[:, :, :group].reshape(n, self.H, self.D), qkv[:, :, group], qkv[:, :, group + 1]

    def _gpt(self, x, layer, position, prefix, causal):
        c, kind, n = self.config, self.kind, len(x)
        at, *names = GPT_BLOCKS[kind]
        qkv, out, up, down, first, second = (at.format(layer) + name for name in names)
        both = kind == "falcon" and c["new_decoder_architecture"]
        if both:
            first, second = (f"h.{layer}.ln_{which}" for which in ("attn", "mlp"))
        y = self.norm(first, x)
        q, k, v = (part + (delta.view(part.shape) if torch.is_tensor(delta) else 0)
                   for part, delta in zip(self._split(self.linear(qkv, y)), (self.lora(target, layer, y) for target in "qkv")))
        alibi, scale = kind == "bloom" or kind == "falcon" and c["alibi"], self.D**-0.5
        slopes = alibi_slopes(self.H) * (scale if kind == "falcon" else 1) if alibi else None  # Falcon scales scores and slopes alike
        if kind == "gpt_neox" or kind == "falcon" and not alibi:
            frequency = frequencies(int(self.D * c.get("rotary_pct", 1)), c.get("rotary_emb_base", c.get("rope_theta", 10000.0)))
            q, k = rotate(q, position, frequency), rotate(k, position, frequency)
        a = attend(q, self._heads(k, prefix, layer, 0), self._heads(v, prefix, layer, 1), causal, None, scale, slopes)
        a = self.linear(out, a) + self.lora("o", layer, a)
        parallel = c["use_parallel_residual"] if kind == "gpt_neox" else kind == "falcon" and (both or c["parallel_attn"])
        if kind == "falcon" and parallel and not both:
            second = first
        y = self.norm(second, x if parallel else x + a)
        act = {"gpt2": gelu_tanh, "bloom": gelu_bloom}.get(kind, gelu)
        y = act(self.linear(up, y) + self.lora("up", layer, y))
        return x + a + self.linear(down, y) + self.lora("down", layer, y)

    def pooled(self, states, row):
        """What a head reads from one row of the last states: after the dense layer that the file has for it."""
        h = states[-1][row]
        name, act = {"bert": ("pooler.dense", torch.tanh), "roberta": ("classifier.dense", torch.tanh), "xlm-roberta": ("classifier.dense", torch.tanh),
                     "distilbert": ("pre_classifier", torch.relu)}.get(self.kind, ("", None))
        return act(self.linear(name, h)) if name + ".weight" in self.w else h

    def scores(self, row):
        """Logits over the vocabulary of a row of last states."""
        head = next((self.w[k] for k in ("lm_head.weight", "embed_out.weight") if k in self.w), self.w[self.table + ".weight"])
        return head @ row
