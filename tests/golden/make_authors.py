#!/usr/bin/env python3
"""Training curves as the code of LS-LLaMA gives them (github.com/4AI/LS-LLaMA), on tiny-llama: authors.h5.  The code is ours; what it must do is in
src/train/samples.h.  Transformers' model under PEFT (q and v, rank 12, alpha 32, no dropout because masks would differ), whole padded batches, AdamW with a decay of
0.01 that leaves biases out, a linear schedule without warm-up, clipping at 1; float64.  First and last loss are held against our own forward (reference.py).

  llama_last, llama_tokens                       the causal model with its padding mask
  unllama_last, _max, _mean, _tokens             the mask is zeros: every row sees every row, padding too; mean and max are of logits
  train/{ids, offsets, class, classes}, eval/... texts, class of each text, class of each row or -100
  order                                          [n] which text is at which place of the stream
  lora/params/NAME                               first values of the adapters (B is zero); sequence/..., tokens/...: of the heads
  SETTING/METHOD/losses                          [STEPS] with lora and with the head alone
  SETTING/METHOD/eval_loss, eval_accuracy        [1] after them, over the texts (or the rows that have a class) of `eval`
usage: make_authors.py"""
import numpy as np
import peft
import torch
from transformers import AutoModel

import methods_lora
from common import HERE, Golden, exact, folder_of, grid_normal, load, require, rng
from reference import Reference

PAD, K, TAGS, BATCH, STEPS, LR, R, ALPHA, BLOCK = 0, 3, 4, 8, 20, 1e-2, 12, 32, 1000
SETTINGS = [("llama_last", "last", False), ("llama_tokens", "tokens", False)] + [(f"unllama_{p}", p, True) for p in ("last", "max", "mean", "tokens")]


def texts(r, blocks):
    """Texts of (number, longest) blocks: ids, class (of the first tokens), classes of rows (of each token; every third has none)."""
    out = []
    for n, longest in blocks:
        lengths = r.integers(2, longest + 1, n)
        lengths[n // 2] = longest
        for m in lengths:
            ids = r.integers(3, 128, m)
            rows = np.where(np.arange(m) % 3 == 1, -100, ids % TAGS)
            out.append((ids, int(ids[0] % K), rows))
    return out


class Split:
    def __init__(self, rows):
        self.rows = rows
        n = len(rows)
        self.longest = [max(len(ids) for ids, *_ in rows[b:b + BLOCK]) for b in range(0, n, BLOCK)]  # what datasets.map pads to

    def batch(self, which):
        """ids [B, L], mask, class, classes of rows: the collator pads to the longest that the blocks have given."""
        L = max(self.longest[i // BLOCK] for i in which)
        ids, classes = np.full((len(which), L), PAD), np.full((len(which), L), -100)
        for b, i in enumerate(which):
            m = len(self.rows[i][0])
            ids[b, :m], classes[b, :m] = self.rows[i][0], self.rows[i][2]
        ids = torch.from_numpy(ids)
        return ids, (ids != PAD).long(), torch.tensor([self.rows[i][1] for i in which]), torch.from_numpy(classes)

    def put(self, golden, name):
        golden.put(f"{name}/ids", np.concatenate([ids for ids, *_ in self.rows]).astype(np.int32), "[T] token ids")
        golden.put(f"{name}/offsets", np.cumsum([0, *(len(ids) for ids, *_ in self.rows)]).astype(np.int64), "[n+1]")
        golden.put(f"{name}/class", np.array([c for _, c, _ in self.rows], np.int32), "[n]")
        golden.put(f"{name}/classes", np.concatenate([rows for *_, rows in self.rows]).astype(np.int32), "[T] or -100")


def pool(logits, ids, how):
    if how == "tokens":
        return logits.reshape(-1, logits.shape[-1])
    if how == "last":
        at = (ids == PAD).long().argmax(-1) - 1  # -1 where there is no padding: the last row
        return logits[torch.arange(len(ids)), at]
    return logits.max(dim=1).values if how == "max" else logits.mean(dim=1)


def loss_of(states, p, batch, how):
    ids, _, label, classes = batch
    logits = states @ p["head.weight"].T + p.get("head.bias", 0)
    return pool(logits, ids, how), classes.reshape(-1) if how == "tokens" else label


def forward(model, batch, both):
    ids, mask, *_ = batch
    if both:
        mask = torch.zeros(len(ids), 1, ids.shape[1], ids.shape[1], dtype=torch.float64)
    return model(input_ids=ids, attention_mask=mask).last_hidden_state


def own_loss(ref, p, batch, how, both, method):
    """The same over reference.py: row by row, padding as text; where padding is masked no row of the text sees it."""
    adapter = {t: (p[f"lora.{t}.A"], p[f"lora.{t}.B"], ALPHA / R) for t in "qv"} if method == "lora" else None
    states = torch.stack([ref.hidden(ids, bidirectional=both, adapter=adapter)[-1] for ids in batch[0]])
    return torch.nn.functional.cross_entropy(*loss_of(states, p, batch, how)).item()


def train(ref, values, setting, method, train, evaluation, order):
    name, how, both = setting
    model = exact(load(folder_of("tiny-llama"), AutoModel))
    head = {k: v.clone().requires_grad_(True) for k, v in values["tokens" if how == "tokens" else "sequence"].items()}
    leaves = {}
    if method == "lora":
        peft.inject_adapter_in_model(peft.LoraConfig(r=R, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=["q_proj", "v_proj"]), model, "golden")
        for layer, block in enumerate(model.layers):
            for t in "qv":
                module = getattr(block.self_attn, f"{t}_proj")
                for part, matrix in (("A", module.lora_A["golden"]), ("B", module.lora_B["golden"])):
                    matrix.weight.data = values["lora"][f"lora.{t}.{part}"][layer].clone()
                    matrix.weight.requires_grad_(True)
                    leaves[f"lora.{t}.{part}", layer] = matrix.weight

    def now():
        lora = {f"lora.{t}.{part}": torch.stack([leaves[f"lora.{t}.{part}", layer] for layer in range(ref.m)]).detach() for t in "qv" for part in "AB"} \
            if method == "lora" else {}
        return lora | {k: v.detach() for k, v in head.items()}

    decay = [*leaves.values(), head["head.weight"]]
    rest = [v for k, v in head.items() if k.endswith("bias")]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}], lr=LR, betas=(0.9, 0.999), eps=1e-8)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (STEPS - step) / STEPS)
    losses = []
    for step in range(STEPS):
        batch = train.batch(order[step * BATCH:(step + 1) * BATCH])
        loss = torch.nn.functional.cross_entropy(*loss_of(forward(model, batch, both), head, batch, how))
        if step in (0, STEPS - 1):
            require(f"{name}, {method}, step {step}: own forward", abs(own_loss(ref, now(), batch, how, both, method) - loss.item()), 1e-10)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decay + rest, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    scores, wanted = [], []
    for b in range(0, len(evaluation.rows), BATCH):
        batch = evaluation.batch(range(b, min(b + BATCH, len(evaluation.rows))))
        with torch.no_grad():
            z, y = loss_of(forward(model, batch, both), head, batch, how)
        scores.append(z[y >= 0])
        wanted.append(y[y >= 0])
    scores, wanted = torch.cat(scores), torch.cat(wanted)
    top = scores.topk(2, dim=-1).values
    require(f"{name}, {method}: a tie of classes in the evaluation, inverse of the lead", 1 / (top[:, 0] - top[:, 1]).min().item(), 1e5)
    return losses, torch.nn.functional.cross_entropy(scores, wanted).item(), (scores.argmax(-1) == wanted).double().mean().item()


ref, golden = Reference(folder_of("tiny-llama")), Golden(HERE / "authors.h5", "training as LS-LLaMA's code does, on tiny-llama", layouts=__doc__)
splits = {"train": Split(texts(rng(71), [(BLOCK, 9), (80, 14)])), "eval": Split(texts(rng(72), [(37, 12)]))}
order = rng(73).permutation(len(splits["train"].rows))
assert len({max(splits["train"].longest[i // BLOCK] for i in order[s * BATCH:(s + 1) * BATCH]) for s in range(STEPS)}) == 2  # batches of both lengths
r, width = rng(74), methods_lora.widths(ref)


def value(shape, std):
    return torch.from_numpy(grid_normal(r, shape, std, 2.0**-9))


values = {"lora": {}, "sequence": {"head.weight": value((K, ref.C), 0.2)}, "tokens": {"head.weight": value((TAGS, ref.C), 0.2), "head.bias": value((TAGS,), 0.3)}}
for t in "qv":
    values["lora"] |= {f"lora.{t}.A": value((ref.m, R, width[t][0]), 0.1), f"lora.{t}.B": torch.zeros(ref.m, width[t][1], R, dtype=torch.float64)}
for name, split in splits.items():
    split.put(golden, name)
golden.put("order", order.astype(np.int64), "[n] text at each place of the stream")
for group, params in values.items():
    for key, v in params.items():
        golden.put(f"{group}/params/{key}", v.numpy())
for setting in SETTINGS:
    for method in ("lora", "head"):
        losses, loss, accuracy = train(ref, values, setting, method, splits["train"], splits["eval"], order)
        print(f"  {losses[0]:.6f} -> {losses[-1]:.6f}, eval {loss:.6f}, {accuracy:.3f}")
        golden.put(f"{setting[0]}/{method}/losses", np.array(losses), "[STEPS]", keep=True)
        golden.put(f"{setting[0]}/{method}/eval_loss", np.array([loss]), "[1]", keep=True)
        golden.put(f"{setting[0]}/{method}/eval_accuracy", np.array([accuracy]), "[1]", keep=True)
golden.save()
