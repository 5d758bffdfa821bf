"""Logits of exported trials through transformers and PEFT, beside `ltune predict`: log-probabilities of every label.

usage: export_peft.py LINES <jobs   each job a line "peft|merged FOLDER BASE PREDICTIONS" (predictions: ltune predict --json) or "tokens FOLDER BASE EVALUATION
                                    DATA" (ltune eval --json); prints a line each: the largest difference of log-probabilities, or of the mean loss of
                                    labelled tokens, in float32, a text at a time"""
import json
import pathlib
import sys
import warnings

import numpy as np
import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoModelForTokenClassification, BertTokenizer

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
torch.set_num_threads(1)


def activation(name):
    return {"tanh": torch.tanh, "relu": torch.relu, "gelu": torch.nn.functional.gelu}[name]


def load(cls, folder, **more):
    config = json.loads((pathlib.Path(folder) / "config.json").read_text())
    sdpa = config.get("alibi") or config["model_type"] == "distilbert"
    more |= {"attn_implementation": "sdpa" if sdpa else "eager", "dtype": torch.float32}
    if cls is AutoModel and config["model_type"] == "gemma3_text":
        return AutoModelForCausalLM.from_pretrained(folder, **more).model
    return cls.from_pretrained(folder, **more)


def places(model, ids):
    """RoBERTa counts places behind its padding, an id that is a word of the tokenizer used here: they are given."""
    if "roberta" not in model.config.model_type:
        return {}
    return {"position_ids": torch.arange(ids.shape[1])[None] + model.config.pad_token_id + 1}


def judge(lines, kind, folder, base, predictions):
    folder = pathlib.Path(folder)
    about = json.loads((folder / "ltune.json").read_text())
    labels, exact = about["labels"], about["head"] != "head.safetensors"
    cls = AutoModelForSequenceClassification if exact else AutoModel
    if kind == "peft":
        from peft import PeftModel

        model = load(cls, base, **({"num_labels": len(labels), "ignore_mismatched_sizes": True} if exact else {}))
        model = PeftModel.from_pretrained(model, folder)
        virtual = getattr(model.active_peft_config, "num_virtual_tokens", 0)
        assert (model.active_peft_config.task_type == "SEQ_CLS") == exact
    else:
        model, virtual = load(cls, folder), 0
        if exact:
            assert type(model).__name__ == about["head"] and model.config.id2label == dict(enumerate(labels)), model.config.id2label
    model = model.float().eval()
    head = None if exact else load_file(folder / "head.safetensors")
    tokenizer = BertTokenizer(str(pathlib.Path(base) / "vocab.txt"))
    worst = 0.0
    for line, want in zip(open(lines).read().splitlines(), map(json.loads, open(predictions))):
        tokens = tokenizer(line, return_tensors="pt", truncation=True, max_length=32, return_token_type_ids=False)
        ids, at = tokens.input_ids[0].tolist(), about.get("prefix_behind", 0)
        ids = torch.tensor([ids[:at] + about.get("prefix_tokens", []) + ids[at:]])
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)} | places(model, ids)
        with torch.no_grad():
            out = model(**inputs)
            if exact:
                logits = out.logits[0]
            else:
                rows = out.last_hidden_state[0]
                row = {"last": rows[-1], "first": rows[0], "cls": rows[virtual if rows.shape[0] > ids.shape[1] else 0]}[about["pooling"]]
                if "pooler.weight" in head:
                    row = activation(about["pooler"])(head["pooler.weight"] @ row + head["pooler.bias"])
                logits = head["head.weight"] @ row + head.get("head.bias", 0)
        got = torch.log_softmax(logits.double(), 0).numpy()
        worst = max(worst, float(np.abs(got - np.log([want["probabilities"][name] for name in labels])).max()))
    return worst


def judge_tokens(folder, base, evaluation, data):
    """The loss of `ltune eval` on the split dev."""
    import h5py
    from peft import PeftModel

    about, want = json.loads((pathlib.Path(folder) / "ltune.json").read_text()), json.loads(open(evaluation).read())
    exact = about["head"] != "head.safetensors"
    head = None if exact else load_file(pathlib.Path(folder) / "head.safetensors")
    model = load(AutoModelForTokenClassification if exact else AutoModel, base, **({"num_labels": len(about["labels"])} if exact else {}))
    model = PeftModel.from_pretrained(model, folder).float().eval()
    assert about["label_of"] == "token" and model.active_peft_config.task_type == ("TOKEN_CLS" if exact else "FEATURE_EXTRACTION")
    with h5py.File(data) as file:
        split = file["splits/dev"]
        ids, labels, offsets = split["tokens"][...].astype(np.int64), split["token_label"][...].astype(np.int64), split["offsets"][...]
    total, n = 0.0, 0
    for first, end in zip(offsets[:-1], offsets[1:]):
        row, target = torch.from_numpy(ids[first:end][None]), torch.from_numpy(labels[first:end])
        with torch.no_grad():
            out = model(input_ids=row, attention_mask=torch.ones_like(row), **places(model, row))
            logits = out.logits[0] if exact else out.last_hidden_state[0] @ head["head.weight"].T + head.get("head.bias", 0)
        total += torch.nn.functional.cross_entropy(logits[-len(target):].double(), target, reduction="sum").item()  # (ignores -100)
        n += int((target >= 0).sum())
    assert n == want["n"], (n, want["n"])
    return abs(total / n - want["loss"])


for job in sys.stdin.read().splitlines():
    words = job.split()
    print(f"{judge_tokens(*words[1:]) if words[0] == 'tokens' else judge(sys.argv[1], *words):.2e}", flush=True)
