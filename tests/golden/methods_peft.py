"""Prompt and prefix tuning as Hugging Face PEFT does them, K-way head, dropout off; and the same over our own forward (reference.py).

PEFT's names -> ours (layouts unchanged):
  head        classifier / score                          head.weight [K, C], head.bias [K]
  prompt      prompt_encoder.embedding                    prompt.rows [P, C]: in front of the word embeddings
  prefix      prompt_encoder.embedding                    prefix.rows [P, m*2*Hkv*D]: a row is [m][k|v][Hkv][D] of one position
  prefix_mlp  embedding, transform.0, transform.2         prefix.embedding [P, W], prefix.mlp.{0,2}.{weight,bias}: rows = W2 tanh(W1 e + b1) + b2
              (prefix_projection)                         W1 [mlp, W], W2 [m*2*Hkv*D, mlp]
PEFT takes W = Hkv*D.  Where that is not C (grouped heads) the case prefix_mlp widens PEFT's own encoder to W = C, and prefix_mlp_narrow keeps it.

Two things to know of transformers 4.57.1: BertForSequenceClassification has no past_key_values argument, so PEFT calls the BERT backbone with a
DynamicCache, which it honours although it is no decoder (positions start at P), then pooler and classifier.  LLaMA's score has no bias; it is given
one here before PEFT wraps the model, as our heads have one."""
import torch
from peft import PrefixTuningConfig, PromptTuningConfig, TaskType, get_peft_model
from transformers import AutoModelForSequenceClassification

from common import exact, grid_normal, load

K, P, MLP = 3, 4, 6
KINDS = ("bert", "llama", "mistral", "gpt2", "bloom", "gpt_neox", "qwen2", "qwen3", "gemma3_text", "falcon")  # that PEFT is asked for
STEP = 2.0**-9


def cases(ref):
    every = ("head", "prompt", "prefix", "prefix_mlp", "prefix_mlp_narrow")
    return every if ref.kind in ("llama", "mistral") else every[:-1]


def parameters(case, ref, r):
    E, C = ref.m * 2 * ref.Hkv * ref.D, ref.C
    wide = ref.Hkv * ref.D if case == "prefix_mlp_narrow" else C
    shapes = {}
    if case == "prompt":
        shapes = {"prompt.rows": ((P, C), 0.3)}
    elif case == "prefix":
        shapes = {"prefix.rows": ((P, E), 1.0)}
    elif case != "head":
        shapes = {"prefix.embedding": ((P, wide), 0.7), "prefix.mlp.0.weight": ((MLP, wide), 1.2 / wide**0.5), "prefix.mlp.0.bias": ((MLP,), 0.2),
                  "prefix.mlp.2.weight": ((E, MLP), 0.35), "prefix.mlp.2.bias": ((E,), 0.2)}
    shapes |= {"head.weight": ((K, C), 0.2), "head.bias": ((K,), 0.3)}
    return {name: torch.from_numpy(grid_normal(r, shape, std, STEP)) for name, (shape, std) in shapes.items()}


def build(case, folder, dtype):
    """The model under PEFT and its trainable tensors under our names."""
    model = load(folder, AutoModelForSequenceClassification, num_labels=K)
    bert = model.config.model_type == "bert"
    if not bert:
        model.score = torch.nn.Linear(model.config.hidden_size, K)
    model = exact(model) if dtype == torch.float64 else model
    if case == "prompt":
        model = get_peft_model(model, PromptTuningConfig(task_type=TaskType.SEQ_CLS, num_virtual_tokens=P))
    elif case != "head":
        projection = {"prefix_projection": True, "encoder_hidden_size": MLP} if case.startswith("prefix_mlp") else {}
        model = get_peft_model(model, PrefixTuningConfig(task_type=TaskType.SEQ_CLS, num_virtual_tokens=P, **projection))
    found = {}
    if case != "head":
        encoder = model.prompt_encoder["default"]
        if case == "prefix_mlp" and not bert:
            encoder.embedding = torch.nn.Embedding(P, model.config.hidden_size)
            encoder.transform[0] = torch.nn.Linear(model.config.hidden_size, MLP)
        names = {"prompt": "prompt.rows", "prefix": "prefix.rows"}
        found[names.get(case, "prefix.embedding")] = encoder.embedding.weight
        if case.startswith("prefix_mlp"):
            for i in (0, 2):
                found |= {f"prefix.mlp.{i}.{part}": getattr(encoder.transform[i], part) for part in ("weight", "bias")}
    head = [m for n, m in model.named_modules() if n.endswith(("classifier.modules_to_save.default", "score.modules_to_save.default"))]
    head = head[0] if head else getattr(model, "classifier" if bert else "score")
    found |= {"head.weight": head.weight, "head.bias": head.bias}
    return model.to(dtype).eval(), found


def loss_and_gradients(case, folder, values, data, dtype):
    """data: [(ids, types, label)], each run alone.  -> loss (mean), logits [n, K], gradients by name."""
    model, found = build(case, folder, dtype)
    # parameters may have been replaced by the change of type: look them up by identity of the owner
    assert set(found) == set(values), (set(found), set(values))
    for name, tensor in found.items():
        assert tensor.shape == values[name].shape, (name, tensor.shape, values[name].shape)
        tensor.data.copy_(values[name])
        tensor.requires_grad_(True)
    total, logits = 0.0, []
    for ids, types, label in data:
        more = {"token_type_ids": types[None]} if model.config.model_type == "bert" else {}
        out = model(input_ids=ids[None], attention_mask=torch.ones(1, len(ids), dtype=torch.long), labels=torch.tensor([label]), **more)
        (out.loss / len(data)).backward()
        total += out.loss.item() / len(data)
        logits.append(out.logits[0].detach())
    trained = {name for name, t in model.named_parameters() if t.requires_grad}
    assert len(trained) == len(found), trained
    return total, torch.stack(logits), {name: t.grad for name, t in found.items()}


def reference(case, ref, values, data, features=None):
    """The same over our own forward, or over `features` (ids, types, soft, row).  PEFT's encoders read row 0 of the concatenation: the first prompt row where
    there is one."""
    p = {k: v.clone().requires_grad_(True) for k, v in values.items()}
    features = features or (lambda ids, types, soft, row: ref.pooled(ref.hidden(ids, types, **soft), row))
    soft = {}
    if case == "prompt":
        soft = {"prompt": p["prompt.rows"]}
    elif case != "head":
        rows = p.get("prefix.rows")
        if rows is None:
            hidden = torch.tanh(p["prefix.embedding"] @ p["prefix.mlp.0.weight"].T + p["prefix.mlp.0.bias"])
            rows = hidden @ p["prefix.mlp.2.weight"].T + p["prefix.mlp.2.bias"]
        soft = {"prefix": rows.view(P, ref.m, 2, ref.Hkv, ref.D).permute(1, 2, 0, 3, 4)}
    logits = []
    for ids, types, _ in data:
        logits.append(p["head.weight"] @ features(ids, types, soft, 0 if ref.bert else -1) + p["head.bias"])
    logits = torch.stack(logits)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([label for *_, label in data]))
    loss.backward()
    return loss.item(), logits.detach(), {k: v.grad for k, v in p.items()}
