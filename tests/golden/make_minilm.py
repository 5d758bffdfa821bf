#!/usr/bin/env python3
"""Hidden states of every layer of a real model, all-MiniLM-L6-v2 (the one that jobs/quickstart.sh fetches), from transformers in float64.

usage: make_minilm.py MODEL_DIR          writes hidden_minilm.h5; the model itself is not kept here."""
import sys

import numpy as np
import torch

from common import F32_LIMIT, HERE, Golden, exact, largest, load, require

TEXTS = (("a film to see twice .", None), ("dull", "and much too long"))

if len(sys.argv) != 2:
    sys.exit(__doc__)
from transformers import AutoTokenizer  # noqa: E402

tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
data = [tokenizer(a, b, return_tensors="pt") for a, b in TEXTS]


def run(model):
    with torch.no_grad():
        return np.concatenate([torch.cat(model(**d, output_hidden_states=True).hidden_states).numpy() for d in data], axis=1)


model = load(sys.argv[1])
stock = run(model)
hidden = run(exact(model))
require("transformers float32", largest(stock, hidden), F32_LIMIT)
golden = Golden(HERE / "hidden_minilm.h5", "hidden states of all-MiniLM-L6-v2, transformers in float64", seed=0)
golden.put("ids", np.concatenate([d["input_ids"][0] for d in data]).astype(np.int32), "[T] token ids, sequences one after another")
golden.put("offsets", np.cumsum([0, *(d["input_ids"].shape[1] for d in data)]).astype(np.int64), "[n+1] start of each sequence in ids")
golden.put("types", np.concatenate([d["token_type_ids"][0] for d in data]).astype(np.int32), "[T] token types")
golden.put("hidden", hidden, "[m+1, T, C] every layer")
golden.save()
