"""The two L-Tuning methods (arXiv 2402.01643) by automatic differentiation, twice: over our own forward (reference.py) and through transformers.

Input is a text and a candidate label y; h_y [P, C] are the last states of the label's tokens alone, constants.  The head is Linear(C -> 2) with
cross-entropy on target 0 (wrong label) or 1 (true label).  Layouts, with E = m*2*Hkv*D and half = m*P*Hkv*D:

  lt_prompt           gamma.weight [C, C]: rows e(y) = h_y gamma.weight go in front of the word embeddings (before position, type and norm)
  lt_prefix_none      map.weight [E, C], map.bias [E]: row j of y is map.weight h_{y,j} + map.bias, read as [m][k|v][Hkv][D]
  lt_prefix_softmax   pool.weight [C]; key.weight, value.weight [half, P]: a = softmax(h_y pool.weight) in R^P, keys = key.weight a read as
                      [m][P][Hkv][D], values = value.weight a
  lt_prefix_scores    the same with a = h_y pool.weight + pool.bias, and key.bias, value.bias [half] added"""
import torch
from transformers import DynamicCache

from common import grid_normal

CASES = ("lt_prompt", "lt_prefix_none", "lt_prefix_softmax", "lt_prefix_scores")


def parameters(case, ref, P, r):
    """Trainable values, float64 on a grid that float32 holds exactly."""
    C, E, half = ref.C, ref.m * 2 * ref.Hkv * ref.D, ref.m * P * ref.Hkv * ref.D
    if case == "lt_prompt":
        shapes = {"gamma.weight": ((C, C), 0.06, 2.0**-7)}
    elif case == "lt_prefix_none":
        shapes = {"map.weight": ((E, C), 0.1, 2.0**-4), "map.bias": ((E,), 0.2, 2.0**-9)}
    else:
        std = 1.5 if case == "lt_prefix_softmax" else 0.5
        shapes = {"pool.weight": ((C,), 0.15, 2.0**-9), "key.weight": ((half, P), std, 2.0**-3), "value.weight": ((half, P), std, 2.0**-3)}
        if case == "lt_prefix_scores":
            shapes |= {"pool.bias": ((1,), 0.5, 2.0**-9), "key.bias": ((half,), 0.3, 2.0**-9), "value.bias": ((half,), 0.3, 2.0**-9)}
    shapes |= {"head.weight": ((2, C), 0.2, 2.0**-9), "head.bias": ((2,), 0.3, 2.0**-9)}
    return {name: torch.from_numpy(grid_normal(r, *spec)) for name, spec in shapes.items()}


def soft_input(case, ref, p, h):
    """What the model sees for a label with states h [P, C]: {"prompt": [P, C]} or {"prefix": [m, 2, P, Hkv, D]}."""
    P, shape = len(h), (ref.m, len(h), ref.Hkv, ref.D)
    if case == "lt_prompt":
        return {"prompt": h @ p["gamma.weight"]}
    if case == "lt_prefix_none":
        rows = h @ p["map.weight"].T + p["map.bias"]
        return {"prefix": rows.view(P, ref.m, 2, ref.Hkv, ref.D).permute(1, 2, 0, 3, 4)}
    if case == "lt_prefix_softmax":
        a = torch.softmax(h @ p["pool.weight"], dim=0)
        keys, values = p["key.weight"] @ a, p["value.weight"] @ a
    else:
        a = h @ p["pool.weight"] + p["pool.bias"]
        keys, values = p["key.weight"] @ a + p["key.bias"], p["value.weight"] @ a + p["value.bias"]
    return {"prefix": torch.stack((keys.view(shape), values.view(shape)), dim=1)}


def features_reference(ref, ids, types, soft):
    """What the head reads of one text: its first row (encoders) or the last one, after the file's dense layer if there is one."""
    states = ref.hidden(ids, types, **soft)
    return ref.pooled(states, len(soft.get("prompt", ())) if ref.bert else -1)


def _prefixed_distilbert(model, ids, prefix):
    """DistilBERT takes no past keys: they are put before those that its layers make, and positions are moved as BERT's are."""
    hooks, P = [], prefix.shape[2]
    for layer, kv in zip(model.transformer.layer, prefix):
        for linear, rows in zip((layer.attention.k_lin, layer.attention.v_lin), kv):
            hooks.append(linear.register_forward_hook(lambda _, __, out, rows=rows: torch.cat((rows.reshape(1, P, -1), out), dim=1)))
    positions = model.embeddings.position_ids
    model.embeddings.position_ids = positions[:, P:]
    out = model(input_ids=ids[None]).last_hidden_state
    model.embeddings.position_ids = positions
    for hook in hooks:
        hook.remove()
    return out


def features_transformers(ref, model, ids, types, soft, row=None):
    """The same through transformers' model; only the dense layer in front of the head is ours."""
    more = {}
    rows = len(soft.get("prompt", ()))
    if ref.kind == "bert":
        more["token_type_ids"] = torch.cat((torch.zeros(rows, dtype=torch.long), types))[None]
    if rows:
        more["inputs_embeds"] = torch.cat((soft["prompt"], model.get_input_embeddings()(ids)))[None]
    elif "prefix" in soft and ref.kind == "distilbert":
        last = _prefixed_distilbert(model, ids, soft["prefix"])
    else:
        more["input_ids"] = ids[None]
        if "prefix" in soft:
            # Falcon keeps keys and values of groups once for every query head
            copies = ref.H // ref.Hkv if ref.config.get("new_decoder_architecture") else 1
            more["past_key_values"] = DynamicCache([tuple(kv.transpose(0, 1).repeat_interleave(copies, 0)[None] for kv in layer)
                                                    for layer in soft["prefix"]])
    if more:
        last = model(**more).last_hidden_state
    return ref.pooled([last[0]], row if row is not None else rows if ref.bert else -1)


def loss_and_gradients(features, case, ref, values, data, states):
    """data: [(ids, types, label, target)].  -> loss (mean), logits [n, 2], gradients by name."""
    p = {k: v.clone().requires_grad_(True) for k, v in values.items()}
    logits = []
    for ids, types, label, _ in data:
        feature = features(ids, types, soft_input(case, ref, p, states[label]))
        logits.append(p["head.weight"] @ feature + p["head.bias"])
    logits = torch.stack(logits)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([target for *_, target in data]))
    loss.backward()
    return loss.item(), logits.detach(), {k: v.grad for k, v in p.items()}
