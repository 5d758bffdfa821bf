#!/usr/bin/env python3
"""Training speed of Hugging Face PEFT on the CPU: the peer of peft_compare.sh.

usage: peft_peer.py MODEL_DIR TSV (prefix|prompt|lora) (f32|bf16) (random|sorted) [--sentences 960] [--batch 32] [--length 8] [--threads 2]

TSV: "label TAB sentence" with a header line.  One process; dynamic padding to the longest of a batch; "sorted" forms the batches from
sentences of similar length.  Prints one JSON line: sentences per second, the median over thirds of the run (the first batch is a warm-up).
Needs torch, transformers and peft."""
import argparse
import json
import random
import statistics
import time

import torch
from peft import LoraConfig, PrefixTuningConfig, PromptTuningConfig, TaskType, get_peft_model
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("model")
    p.add_argument("tsv")
    p.add_argument("method", choices=["prefix", "prompt", "lora"])
    p.add_argument("dtype", choices=["f32", "bf16"])
    p.add_argument("order", choices=["random", "sorted"])
    p.add_argument("--sentences", type=int, default=960)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--length", type=int, default=8)
    p.add_argument("--threads", type=int, default=2)
    return p.parse_args()


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    with open(a.tsv, encoding="utf8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f][1 : a.sentences + 1]
    tokenizer = AutoTokenizer.from_pretrained(a.model)
    encoded = [tokenizer(text, truncation=True, max_length=128)["input_ids"] for _, text in rows]
    model = AutoModelForSequenceClassification.from_pretrained(
        a.model, num_labels=2, torch_dtype=torch.bfloat16 if a.dtype == "bf16" else torch.float32)
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    if a.method == "lora":
        tuning = LoraConfig(task_type=TaskType.SEQ_CLS, r=12, lora_alpha=32, lora_dropout=0.1)  # its default targets: queries and values
    else:
        tuning = {"prefix": PrefixTuningConfig, "prompt": PromptTuningConfig}[a.method](task_type=TaskType.SEQ_CLS, num_virtual_tokens=a.length)
    model = get_peft_model(model, tuning)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    order = list(range(len(rows)))
    if a.order == "sorted":
        order.sort(key=lambda i: len(encoded[i]))
    else:
        random.Random(0).shuffle(order)
    batches = [order[i : i + a.batch] for i in range(0, len(order), a.batch)]
    random.Random(1).shuffle(batches)
    model.train()
    seconds = []
    for batch in [batches[0]] + batches:
        start = time.perf_counter()
        padded = tokenizer.pad({"input_ids": [encoded[i] for i in batch]}, return_tensors="pt")
        labels = torch.tensor([int(rows[i][0]) for i in batch])
        loss = model(input_ids=padded["input_ids"], attention_mask=padded["attention_mask"], labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - start)
    seconds = seconds[1:]
    third = max(1, len(seconds) // 3)
    rates = [a.batch * third / sum(seconds[i * third : (i + 1) * third]) for i in range(3)]
    print(json.dumps({"sentences_per_s": statistics.median(rates)}))


if __name__ == "__main__":
    main()
