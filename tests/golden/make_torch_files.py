#!/usr/bin/env python3
"""Writes torch/: one small set of random tensors as torch.save writes it in its several ways, and the same as safetensors (torch 2.15, safetensors 0.8).

    whole/      model.safetensors: what every other folder must read as, bit by bit
    zip/        pytorch_model.bin, protocol 2: the usual file.  A state dict with _metadata, as a module gives it
    zip5/       the same in pickle protocol 5, its tensors as parameters
    legacy/     the format before torch 1.6 (keys of storages are addresses, so these bytes differ from run to run)
    nested/     {"epoch": ..., "state_dict": {...}, ...} in that format, protocol 4
    shards/     two files and pytorch_model.bin.index.json
Among the tensors: every type that is read, a type without a storage class (uint16, not in the old format), two names of one storage, a part of a larger
storage, matrices that lie turned, a scalar, an empty tensor."""
import collections
import json
import pathlib

import numpy as np
import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent / "torch"


def tensors():
    r = np.random.Generator(np.random.PCG64([2024, 7]))

    def normal(*shape):
        return torch.from_numpy(r.standard_normal(shape).astype(np.float32))

    embed, large = normal(7, 5), normal(40)
    return collections.OrderedDict({
        "embed.weight": embed,
        "proj.weight": normal(6, 4).bfloat16(),
        "norm.weight": normal(9).half(),
        "part.weight": large[11:23].reshape(3, 4),
        "part.bias": large[23:],
        "turned.weight": normal(6, 4).t(),
        "turned.half": normal(3, 8).half().t(),
        "turned.bf16": normal(5, 3).bfloat16().t(),
        "steps": torch.tensor(-3, dtype=torch.int64),
        "ids": torch.arange(-2, 3, dtype=torch.int32),
        "mask": torch.tensor([True, False, True]),
        "bytes": torch.arange(250, 256, dtype=torch.uint8),
        "double": torch.from_numpy(r.standard_normal(3)),
        "empty": torch.zeros(0, 3),
        "one.row": normal(1, 4).t().contiguous().t(),  # strides say nothing where a dimension is 1
        "words": torch.tensor([1, 65535], dtype=torch.uint16),
        "head.weight": embed,
    })


def save(folder, name, what, **how):
    (HERE / folder).mkdir(parents=True, exist_ok=True)
    torch.save(what, HERE / folder / name, **how)


def shards(folder, t, **how):
    names = list(t)
    part = {"pytorch_model-00001-of-00002.bin": names[:6], "pytorch_model-00002-of-00002.bin": names[6:]}
    for name, keys in part.items():
        save(folder, name, {k: t[k] for k in keys}, **how)
    index = {"metadata": {"total_size": sum(v.nbytes for v in t.values())}, "weight_map": {k: name for name, keys in part.items() for k in keys}}
    (HERE / folder / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")


def main():
    t = tensors()
    (HERE / "whole").mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous().clone() for k, v in t.items()}, HERE / "whole" / "model.safetensors")
    module = collections.OrderedDict(t)
    module._metadata = collections.OrderedDict({"": {"version": 1}, "norm": {"version": 2}})
    save("zip", "pytorch_model.bin", module)
    save("zip5", "pytorch_model.bin", {k: torch.nn.Parameter(v) if v.is_floating_point() else v for k, v in t.items()}, pickle_protocol=5)
    old = collections.OrderedDict({k: v for k, v in module.items() if k != "words"})
    old._metadata = module._metadata
    save("legacy", "pytorch_model.bin", old, _use_new_zipfile_serialization=False)
    nested = {"epoch": 3, "best": 0.5, "name": None, "state_dict": old, "sizes": [torch.Size([2, 3]), (1, 2**70)]}
    save("nested", "pytorch_model.bin", nested, _use_new_zipfile_serialization=False, pickle_protocol=4)
    shards("shards", t)
    size = sum(p.stat().st_size for p in HERE.rglob("*") if p.is_file())
    print(f"{HERE}: {size} bytes")


if __name__ == "__main__":
    main()
