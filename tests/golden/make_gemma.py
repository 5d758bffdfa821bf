#!/usr/bin/env python3
"""What a real decoder, Gemma 3 270M, says and thinks, from transformers in float64: gemma3-270m.h5.

usage: make_gemma.py MODEL_DIR          a Hugging Face folder of the model with its tokenizer; the model itself is not kept here

  ids, offsets        three prompts with their 32 greedy tokens behind them; the third is longer than the window of the local layers
  prompt              [3] tokens of each that are the prompt
  lead                [3] smallest lead of the best score in each continuation
  layers, rows        layers and rows (of all ids) of which states are kept
  hidden              [layers, rows, C] states; layer 0: embeddings; the last: after the final norm"""
import sys

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from common import HERE, Golden, exact, load, relative, require

STEPS, MARGIN, LAYERS = 32, 1e-2, (0, 1, 6, 12, 18)
PARAGRAPH = """The river rises in the hills above the old town and runs south for two hundred miles before it reaches the sea. In spring, when the
snow melts, it carries more water than in all other months together. People who live along its banks have built mills, bridges and small harbours, and
most of what they grow is sold in the markets of the three towns that lie between the hills and the coast. """
PROMPTS = ("The capital of France is", "Once upon a time, there was a little girl who", PARAGRAPH * 7 + "The river rises in")

if len(sys.argv) != 2:
    sys.exit(__doc__)
torch.set_num_threads(2)
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
prompts = [tokenizer(p, return_tensors="pt").input_ids for p in PROMPTS]


def states(model, ids):
    with torch.no_grad():
        return torch.stack([h[0] for h in model.model(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states])


stock = load(sys.argv[1], AutoModelForCausalLM)
model = load(sys.argv[1], AutoModelForCausalLM).double()
inner = exact(model.model)
every, leads = [], []
for prompt in prompts:
    row, ids, lead = prompt, prompt[0].tolist(), np.inf
    out = None
    for _ in range(STEPS):
        with torch.no_grad():
            out = inner(input_ids=row, past_key_values=out.past_key_values if out else None, use_cache=True)
            best = model.lm_head(out.last_hidden_state[0, -1]).topk(2)
        lead = min(lead, (best.values[0] - best.values[1]).item())
        ids.append(best.indices[0].item())
        row = torch.tensor([ids[-1:]])
    print(f"{prompt.shape[1]} tokens, lead {lead:.3f}:", repr(tokenizer.decode(ids[prompt.shape[1]:])))
    require("lead, negative", -lead, -MARGIN)
    every.append(ids)
    leads.append(lead)

offsets = np.cumsum([0, *map(len, every)])
rows = [(i, at) for i, ids in enumerate(every) for at in ((1, prompts[i].shape[1] - 1, len(ids) - 1))]
kept = {}
for i, ids in enumerate(every):
    wide, narrow = states(model, torch.tensor([ids])), states(stock, torch.tensor([ids]))
    kept[i] = wide
    for layer in LAYERS:
        require(f"text {i}, layer {layer}, transformers float32", relative(narrow[layer], wide[layer]), 2e-5)
        print("    largest:", wide[layer].abs().max().item())
hidden = torch.stack([torch.stack([kept[i][layer, at] for i, at in rows]) for layer in LAYERS])

golden = Golden(HERE / "gemma3-270m.h5", "Gemma 3 270M: greedy continuations and hidden states, transformers in float64")
golden.put("ids", np.concatenate(every).astype(np.int32), "[T] prompts and continuations, one text after another")
golden.put("offsets", offsets.astype(np.int64), "[4] start of each text")
golden.put("prompt", np.array([p.shape[1] for p in prompts], np.int32), "[3] tokens of the prompt")
golden.put("lead", np.array(leads), "[3] smallest lead of the best score")
golden.put("layers", np.array(LAYERS, np.int32), "[L]")
golden.put("rows", np.array([offsets[i] + at for i, at in rows], np.int32), "[R] rows of ids")
golden.put("hidden", hidden.numpy(), "[L, R, C]")
golden.save()
