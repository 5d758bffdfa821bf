"""What the golden generators share: reproducible numbers, exact (float64) transformers models, and HDF5 files with the same bytes every time."""
import json
import pathlib

import h5py
import numpy as np
import torch
import transformers
from transformers import AutoModel
from transformers.models.llama import modeling_llama
from transformers.models.mistral import modeling_mistral

HERE = pathlib.Path(__file__).resolve().parent
MODELS = ("tiny-bert", "tiny-llama", "tiny-mistral", "tiny-gpt2")
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


def load(folder, cls=AutoModel, **more):
    """A transformers model in float32, attention 'eager', no dropout."""
    model = cls.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32, **more)
    return model.eval().requires_grad_(False)


class _ExactRotary(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        width = config.hidden_size // config.num_attention_heads
        self.frequency = config.rope_theta ** -(torch.arange(0, width, 2, dtype=torch.float64) / width)

    def forward(self, x, position_ids):
        angle = position_ids[..., None].double() * self.frequency
        angle = torch.cat((angle, angle), dim=-1)
        return angle.cos(), angle.sin()


def _exact_norm(self, x):
    return self.weight * (x / torch.sqrt(x.square().mean(-1, keepdim=True) + self.variance_epsilon))


def _exact_attention(module, query, key, value, mask, scaling, dropout=0.0, **_):
    group = module.num_key_value_groups
    score = query @ key.repeat_interleave(group, dim=1).mT * scaling
    weight = torch.softmax(score if mask is None else score + mask, dim=-1)
    return (weight @ value.repeat_interleave(group, dim=1)).transpose(1, 2).contiguous(), weight


def exact(model):
    """The model in float64.  transformers rounds LLaMA's and Mistral's norms, rotary angles and softmax to float32 even then; these three are lifted,
    for good: load and use float32 models first."""
    model = model.double()
    for module in list(model.modules()):
        for code, name in ((modeling_llama, "Llama"), (modeling_mistral, "Mistral")):
            if isinstance(getattr(module, "rotary_emb", None), getattr(code, name + "RotaryEmbedding")):
                module.rotary_emb = _ExactRotary(model.config)
                getattr(code, name + "RMSNorm").forward = _exact_norm
                code.eager_attention_forward = _exact_attention
    return model


def _window_behind_prefix(config, input_embeds, attention_mask, cache_position, past_key_values, position_ids=None):
    n = input_embeds.shape[1]
    before = past_key_values.get_seq_length() if past_key_values is not None else 0
    distance = torch.arange(n)[:, None] - torch.arange(n)[None, :]
    hidden_from = torch.cat((torch.zeros(n, before, dtype=torch.bool), (distance < 0) | (distance >= config.sliding_window)), dim=1)
    return torch.zeros(1, 1, n, before + n, dtype=input_embeds.dtype).masked_fill(hidden_from, torch.finfo(input_embeds.dtype).min)


def prefix_outside_window():
    """Mistral with what stands in its cache (a tuned prefix) seen by every row, and the window over the rows of the text alone.  Stock transformers counts
    the prefix as text that slides out of the window: far rows would then not see what was trained for them."""
    modeling_mistral.create_sliding_window_causal_mask = _window_behind_prefix


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
