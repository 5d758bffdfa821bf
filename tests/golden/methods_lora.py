"""LoRA (Hu et al. 2022) with non-zero B and no dropout, twice: over our own forward (reference.py), and through transformers' model: under PEFT where the model keeps
the seven matrices apart, under hooks of ours where q, k and v are one matrix, or where (DeBERTa-v2) embeddings of distances go through those of q and k as well: adapters
are on the content alone.

  lora.T.A [m, R, K], lora.T.B [m, N, R] of a target T: y += scale * (x A^T) B^T in every layer; scale = alpha / R, or alpha / sqrt(R) (rslora)
  prefix.rows [P, m*2*Hkv*D] as methods_peft.py has them
  head.weight [K, C], head.bias [K] on what is read of a text: `cls` (encoders: after the file's dense layer), `last`, `mean`, `max` per channel, or
  `tokens`: each row has a class of its own, or -100 (none); the loss is the mean over all rows that have one"""
import contextlib

import peft
import torch
from transformers import DynamicCache

from common import grid_normal

K, P, STEP = 3, 4, 2.0**-9
TARGETS = ("q", "k", "v", "o", "up", "gate", "down")
# rank, alpha, rslora, targets
TRIALS = {"all": (3, 5, False, TARGETS), "some": (2, 3, True, ("k", "o", "down")), "qv": (4, 8, False, ("q", "v")), "prefix": None}
APART = {"bert": ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense", "intermediate.dense", None,
                  "output.dense"),
         "distilbert": ("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "ffn.lin1", None, "ffn.lin2"),
         "llama": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.gate_proj", "mlp.down_proj")}
APART |= {kind: APART["bert"] for kind in ("roberta", "xlm-roberta")} | {kind: APART["llama"] for kind in ("mistral", "qwen2", "qwen3", "gemma3_text")}
FUSED = {"gpt2": ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"),
         "bloom": ("self_attention.query_key_value", "self_attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
         "gpt_neox": ("attention.query_key_value", "attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h")}
FUSED["falcon"] = FUSED["bloom"]
FUSED["deberta"] = ("attention.self.in_proj", "attention.output.dense", "intermediate.dense", "output.dense")
APART["deberta-v2"] = ("attention.self.query_proj", "attention.self.key_proj", "attention.self.value_proj", *APART["bert"][3:])


def settings(name, ref):
    """Trials that share a pack, by the setting: (read-out, layers that see both ways, trials)."""
    readout = "cls" if ref.bert else "last"
    out = {"default": (readout, False, ("all", "some"))}
    if name in ("tiny-bert", "tiny-llama"):
        out |= {"mean": ("mean", False, ("qv", "some")), "max": ("max", False, ("qv", "some")), "tokens": ("tokens", False, ("qv", "some"))}
    if name in ("tiny-llama", "tiny-gemma3"):  # gemma: layers 0 and 2 have windows
        out |= {"both_ways": ("mean", True, ("qv", "some", "prefix")), "some_layers": ("last", [1, 2], ("qv", "some"))}
    return out


def targets(ref, trial):
    gated = ref.kind in APART and "mlp.gate_proj" in APART[ref.kind]
    return [t for t in TRIALS[trial][3] if t != "gate" or gated]


def scale_of(trial):
    R, alpha, rslora, _ = TRIALS[trial]
    return alpha / (R**0.5 if rslora else R)


def widths(ref):
    """In and out of each target."""
    F = ref.w[[k for k in ref.w if k.endswith(("up_proj.weight", "intermediate.dense.weight", "lin1.weight", "h_to_4h.weight", "c_fc.weight"))][0]].shape
    F = max(F) if min(F) == ref.C else min(F)  # gpt2 keeps them turned
    q, kv = ref.H * ref.D, ref.Hkv * ref.D
    return {"q": (ref.C, q), "k": (ref.C, kv), "v": (ref.C, kv), "o": (q, ref.C), "up": (ref.C, F), "gate": (ref.C, F), "down": (F, ref.C)}


def parameters(trial, ref, r):
    shapes = {}
    if trial == "prefix":
        shapes["prefix.rows"] = ((P, ref.m * 2 * ref.Hkv * ref.D), 1.0)
    else:
        R, width = TRIALS[trial][0], widths(ref)
        for t in targets(ref, trial):
            shapes |= {f"lora.{t}.A": ((ref.m, R, width[t][0]), 0.2), f"lora.{t}.B": ((ref.m, width[t][1], R), 0.1)}
    shapes |= {"head.weight": ((K, ref.C), 0.2), "head.bias": ((K,), 0.3)}
    return {name: torch.from_numpy(grid_normal(r, shape, std, STEP)) for name, (shape, std) in shapes.items()}


def token_classes(lengths, r):
    """Classes of the rows of each text: the first, the last and every third have none."""
    out = [r.integers(0, K, n) for n in lengths]
    for c in out:
        c[::3] = c[-1] = -100
    out[0][1] = 1  # some row has one, whatever the lengths
    return [torch.from_numpy(c) for c in out]


def prefix_of(ref, rows):
    return rows.view(P, ref.m, 2, ref.Hkv, ref.D).permute(1, 2, 0, 3, 4)


def loss_and_gradients(ref, values, states_of, readout, data):
    """data: [(ids, types, class, classes of the rows)]; states_of(p, ids, types): last states.  -> loss, logits, gradients by name.  states_of may put
    what it has trained of its own in place of p."""
    p = {k: v.clone().requires_grad_(True) for k, v in values.items()}
    logits, wanted = [], []
    for ids, types, label, labels in data:
        states = states_of(p, ids, types)
        rows = {"cls": lambda: ref.pooled([states], 0)[None], "last": lambda: states[-1:], "mean": lambda: states.mean(0, keepdim=True),
                "max": lambda: states.max(0, keepdim=True).values, "tokens": lambda: states}[readout]()
        logits.append(rows @ p["head.weight"].T + p["head.bias"])
        wanted.append(labels if readout == "tokens" else torch.tensor([label]))
    logits = torch.cat(logits)
    loss = torch.nn.functional.cross_entropy(logits, torch.cat(wanted))
    loss.backward()
    return loss.item(), logits.detach(), {k: v.grad for k, v in p.items()}


def reference(ref, trial, values, setting, data):
    readout, both, _ = setting

    def states_of(p, ids, types):
        adapter = {t: (p[f"lora.{t}.A"], p[f"lora.{t}.B"], scale_of(trial)) for t in targets(ref, trial)} if trial != "prefix" else None
        soft = {"prefix": prefix_of(ref, p["prefix.rows"])} if trial == "prefix" else {}
        return ref.hidden(ids, types, bidirectional=both, adapter=adapter, **soft)[-1]

    return loss_and_gradients(ref, values, states_of, readout, data)


# ---- through transformers ----


def blocks_of(model):
    for path in ("encoder.layer", "transformer.layer", "layers", "h"):
        owner = model
        for part in path.split("."):
            owner = getattr(owner, part, None)
        if owner is not None:
            return owner
    raise AssertionError(model)


@contextlib.contextmanager
def unmasked(ref, model, both, before):
    """Layers `both` (or all) see both ways: the mask that their attention is given is replaced, by none or by the window's; keys of a prefix (`before` of
    them) are seen by all."""
    hooks, blocks = [], blocks_of(model)
    for layer in range(ref.m) if both is True else both or ():
        window = ref._rope(layer)[1]

        def replace(_, args, kwargs, window=window):
            n = (args[0] if args else kwargs["hidden_states"]).shape[1]
            far = (torch.arange(n)[:, None] - torch.arange(n)[None, :]).abs() >= (window or n)
            hidden = torch.cat((torch.zeros(n, before, dtype=torch.bool), far), dim=1)
            mask = torch.zeros(1, 1, n, before + n, dtype=torch.float64).masked_fill(hidden, torch.finfo(torch.float64).min)
            return args, kwargs | {"attention_mask": mask}

        hooks.append(blocks[layer].self_attn.register_forward_pre_hook(replace, with_kwargs=True))
    yield
    for hook in hooks:
        hook.remove()


@contextlib.contextmanager
def adapted(ref, model, trial, p):
    """The model with the trial's adapters; yields PEFT's own tensors by (name, layer), where it has been asked."""
    own, hooks = {}, []
    if trial == "prefix":
        yield own
        return
    scale, wanted = scale_of(trial), targets(ref, trial)

    def delta(t, layer, x):
        return scale * (x @ p[f"lora.{t}.A"][layer].T) @ p[f"lora.{t}.B"][layer].T if t in wanted else 0

    if ref.kind in APART and not ref.config.get("share_att_key"):
        R, alpha, rslora, _ = TRIALS[trial]
        names = dict(zip(TARGETS, APART[ref.kind]))
        modules = "|".join(names[t] for t in wanted).replace(".", r"\.")
        peft.inject_adapter_in_model(peft.LoraConfig(r=R, lora_alpha=alpha, lora_dropout=0.0, use_rslora=rslora, target_modules=rf".*\d\.({modules})"),
                                     model, "golden")
        for layer, block in enumerate(blocks_of(model)):
            for t in wanted:
                module = block.get_submodule(names[t])
                for part, matrix in (("A", module.lora_A["golden"]), ("B", module.lora_B["golden"])):
                    matrix.weight.data = p[f"lora.{t}.{part}"][layer].detach().clone()
                    matrix.weight.requires_grad_(True)
                    own[f"lora.{t}.{part}", layer] = matrix.weight
        yield own
        for block in blocks_of(model):
            for t in wanted:
                parent, _, leaf = names[t].rpartition(".")
                setattr(block.get_submodule(parent), leaf, block.get_submodule(names[t]).base_layer)
        del model.peft_config
        return
    if ref.kind in APART:
        for layer, block in enumerate(blocks_of(model)):
            for t, name in zip(TARGETS, APART[ref.kind]):
                if name:
                    distances = 2 * ref.span  # rows of their table: no text is as long
                    hooks.append(block.get_submodule(name).register_forward_hook(
                        lambda _, args, y, t=t, layer=layer: y if args[0].shape[-2] == distances else y + delta(t, layer, args[0])))
        yield own
        for hook in hooks:
            hook.remove()
        return
    qkv, out, up, down = FUSED[ref.kind]
    for layer, block in enumerate(blocks_of(model)):

        def fused(_, args, y, layer=layer):
            n, x = y.shape[1], args[0]
            zero = torch.zeros(1, n, 1)
            q, k, v = (zero.expand(1, n, w) + delta(t, layer, x) for t, w in (("q", ref.H * ref.D), ("k", ref.Hkv * ref.D), ("v", ref.Hkv * ref.D)))
            if ref.kind == "gpt2":
                return y + torch.cat((q, k, v), dim=-1)
            parts = (q.view(n, ref.Hkv, -1, ref.D), k.view(n, ref.Hkv, 1, ref.D), v.view(n, ref.Hkv, 1, ref.D))
            return y + torch.cat(parts, dim=2).reshape(1, n, -1)

        hooks.append(block.get_submodule(qkv).register_forward_hook(fused))
        for name, t in ((out, "o"), (up, "up"), (down, "down")):
            hooks.append(block.get_submodule(name).register_forward_hook(lambda _, args, y, t=t, layer=layer: y + delta(t, layer, args[0])))
    yield own
    for hook in hooks:
        hook.remove()


def transformers(ref, model, trial, values, setting, data):
    """-> loss, logits, gradients."""
    readout, both, _ = setting
    own = {}
    with contextlib.ExitStack() as stack:

        def states_of(p, ids, types):
            if "leaves" not in own:
                own["leaves"] = stack.enter_context(adapted(ref, model, trial, p))
            more = {"token_type_ids": types[None]} if ref.kind == "bert" else {}
            if trial == "prefix":
                more["past_key_values"] = DynamicCache([tuple(kv.transpose(0, 1)[None] for kv in layer)
                                                        for layer in prefix_of(ref, p["prefix.rows"])])
            return model(input_ids=ids[None], **more).last_hidden_state[0]

        stack.enter_context(unmasked(ref, model, both, P if trial == "prefix" else 0))
        loss, logits, gradients = loss_and_gradients(ref, values, states_of, readout, data)
    for name, _ in own["leaves"]:
        gradients[name] = torch.stack([own["leaves"][name, layer].grad for layer in range(ref.m)])
    return loss, logits, gradients
