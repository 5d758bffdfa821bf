"""What the golden generators share: reproducible numbers, exact (float64) transformers models, and HDF5 files with the same bytes every time."""
import functools
import json
import os
import pathlib
import tempfile

import h5py
import numpy as np
import torch
import transformers
from torch.overrides import TorchFunctionMode
from transformers import AutoModel, AutoModelForCausalLM
from transformers.models.gemma3 import modeling_gemma3
from transformers.models.mistral import modeling_mistral
from transformers.models.qwen2 import modeling_qwen2

HERE = pathlib.Path(__file__).resolve().parent
# FOLDER or FOLDER.VARIANT, the variant's config.VARIANT.json in place of config.json
MODELS = ("tiny-bert", "tiny-llama", "tiny-mistral", "tiny-gpt2", "tiny-bert-old", "tiny-roberta", "tiny-xlm-roberta", "tiny-distilbert", "tiny-bloom",
          "tiny-falcon-7b", "tiny-falcon-40b", "tiny-falcon-rw", "tiny-gpt-neox", "tiny-gpt-neox.serial", "tiny-gqa", "tiny-gqa.llama3",
          "tiny-gqa.linear", "tiny-qwen2", "tiny-qwen2.window", "tiny-qwen3", "tiny-gemma3", "tiny-gemma3.scaled")
# Variants that say the same in other words: they share the golden of the model behind them
SAME = {"tiny-gqa.v5": "tiny-gqa.llama3", "tiny-gemma3.pattern": "tiny-gemma3"}
ENCODERS = ("bert", "roberta", "xlm-roberta", "distilbert")
F32_LIMIT = 2e-5  # largest difference that stock transformers in float32 may show from the float64 golden

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


def rng(*seed):
    """A NumPy generator whose stream depends on nothing but the seed."""
    return np.random.Generator(np.random.PCG64(list(seed)))


def grid_normal(generator, shape, std, step=2.0**-9):
    """Normal values on a coarse grid: exact in float32 and cheap to compress."""
    return np.round(generator.standard_normal(shape) * std / step) * step


def config_of(folder):
    return json.loads((pathlib.Path(folder) / "config.json").read_text())


def folder_of(name):
    """The folder of a model; of a variant a temporary one with its config.json, in words that transformers 4 knows, and links to the weights.  Models that do
    not lie here are looked for in the shared folder."""
    base, _, variant = name.partition(".")
    if not (HERE / base).exists():
        return pathlib.Path(os.environ.get("LT_SHARED", HERE.parents[2] / "shared")) / "models" / name
    config = json.loads((HERE / base / (f"config.{variant}.json" if variant else "config.json")).read_text())
    if not variant:
        return HERE / base
    if "rope_parameters" in config:
        scaling = config.pop("rope_parameters")
        config |= {"rope_theta": scaling.pop("rope_theta"), "rope_scaling": scaling}
    folder = pathlib.Path(tempfile.mkdtemp(prefix="golden-"))
    (folder / "config.json").write_text(json.dumps(config))
    for file in (HERE / base).glob("*model*"):
        (folder / file.name).symlink_to(file)
    return folder


def load(folder, cls=AutoModel, attention=None, **more):
    """A transformers model in float32, no dropout, attention 'eager' (Falcon with ALiBi: 'sdpa', because 'eager' of 4.57.1 adds the slopes twice, in
    the mask and to the scores; the model was trained with one)."""
    config = config_of(folder)
    more |= {"attn_implementation": attention or ("sdpa" if config.get("alibi") else "eager"), "dtype": torch.float32, "output_loading_info": True}
    gemma = cls is AutoModel and config["model_type"] == "gemma3_text"  # its bare model does not find its names in a file of the whole
    model, about = (AutoModelForCausalLM if gemma else cls).from_pretrained(folder, **more)
    made_up = [key for key in about["missing_keys"] if not key.startswith(("pooler.", "classifier.", "score."))]
    assert not made_up and not about["mismatched_keys"], about
    return (model.model if gemma else model).eval().requires_grad_(False)


class _NoFloat32(TorchFunctionMode):
    """Whatever asks for float32 gets float64."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.float:
            func = torch.Tensor.double
        wide = [torch.float64 if a is torch.float32 else a for a in args]
        return func(*wide, **{k: torch.float64 if v is torch.float32 else v for k, v in (kwargs or {}).items()})


def exact(model):
    """The model in float64.  transformers rounds norms, rotary angles, ALiBi's slopes and softmax to float32 even then, and keeps frequencies in it:
    these are made anew, and its forward runs where float32 does not exist."""
    model = model.double()
    with _NoFloat32():
        for module in model.modules():
            if hasattr(module, "rope_init_fn"):
                module.inv_freq, module.attention_scaling = module.rope_init_fn(module.config, None)
            if isinstance(module, modeling_gemma3.Gemma3TextScaledWordEmbedding):
                module.embed_scale = torch.tensor(model.config.hidden_size**0.5, dtype=torch.float64)
    forward = model.forward

    @functools.wraps(forward)  # PEFT asks for its arguments' names
    def wide(*args, **more):
        with _NoFloat32():
            return forward(*args, **more)

    model.forward = wide
    return model


def _window_behind_prefix(config, input_embeds, attention_mask, cache_position, past_key_values, position_ids=None):
    n = input_embeds.shape[1]
    before = past_key_values.get_seq_length() if past_key_values is not None else 0
    distance = torch.arange(n)[:, None] - torch.arange(n)[None, :]
    hidden_from = torch.cat((torch.zeros(n, before, dtype=torch.bool), (distance < 0) | (distance >= config.sliding_window)), dim=1)
    return torch.zeros(1, 1, n, before + n, dtype=input_embeds.dtype).masked_fill(hidden_from, torch.finfo(input_embeds.dtype).min)


def prefix_outside_window():
    """Models with windows, with what stands in its cache (a tuned prefix) seen by every row, and the window over the rows of the text alone.  Stock transformers counts
    the prefix as text that slides out of the window: far rows would then not see what was trained for them."""
    for code in (modeling_mistral, modeling_qwen2, modeling_gemma3):
        code.create_sliding_window_causal_mask = _window_behind_prefix


def largest(a, b):
    return float(np.max(np.abs(np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64))))


def relative(a, b):
    """|a - b| / |b| in the 2-norm."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-300))


def require(what, value, limit):
    print(f"  {what}: {value:.2e} (limit {limit:.0e})")
    if not value <= limit:
        raise SystemExit(f"{what}: {value:g} exceeds {limit:g}; nothing is written")


class Golden:
    """An HDF5 file in the making: put() by path, then save().  float64 arrays become float32 unless keep."""

    def __init__(self, path, about, **attributes):
        self.path, self.items = pathlib.Path(path), {}
        self.attributes = {"about": about, "torch": torch.__version__.split("+")[0], "transformers": transformers.__version__, **attributes}

    def put(self, name, array, layout=None, keep=False):
        array = np.ascontiguousarray(array)
        if array.dtype == np.float64 and not keep:
            array = array.astype(np.float32)
        self.items[name] = (array, layout)

    def attribute(self, group, **values):
        self.items.setdefault(group + "/", {}).update(values)

    def save(self):
        def text(value):  # fixed-length strings: h5py's own sort costs 4 KiB a file object
            return np.bytes_(value.encode()) if isinstance(value, str) else value

        with h5py.File(self.path, "w", libver=("v108", "v108")) as file:
            for key, value in sorted(self.attributes.items()):
                file.attrs[key] = text(value)
            for name, item in self.items.items():
                if name.endswith("/"):
                    for key, value in item.items():
                        file.require_group(name).attrs[key] = text(value)
                    continue
                array, layout = item
                packed = {"chunks": array.shape, "compression": "gzip", "compression_opts": 9, "shuffle": True} if array.nbytes > 10000 else {}
                data = file.create_dataset(name, data=array, **packed)
                if layout:
                    data.attrs["layout"] = text(layout)
        print(f"{self.path}: {self.path.stat().st_size} bytes")
