#!/usr/bin/env python3
"""Applies a pruning plan to a detector of torchvision: the same tensors as the cut that the plan was made for.

    python3 apply_plan.py DENSE_FOLDER PLAN.json OUT_FOLDER

DENSE_FOLDER is a folder that 'filter-pruning export --format torchvision' wrote for the dense detector; OUT_FOLDER becomes such a folder for the pruned one.
For a model that you made yourself, call apply(model, plan): any torch module whose layers have the plan's names.

A plan is JSON (docs/schemas/pruning-plan.schema.json): for each layer the widths before the cut, and the input and output channels to remove. A weight keeps the
rows of the other output channels and the columns of the other input channels; biases and norms keep the other output channels. Nothing else changes.
"""
import json
import shutil
import sys
from pathlib import Path

import torch
from torch import nn

NORMS = ("BatchNorm2d", "FrozenBatchNorm2d")


def kept(width, removed):
    """The indices that stay."""
    gone = set(removed)
    return torch.tensor([channel for channel in range(width) if channel not in gone], dtype=torch.long)


def narrow(name, layer, entry):
    """Takes the channels of one entry of a plan out of one layer."""
    inputs, outputs = kept(entry["inputChannels"], entry["removedInputs"]), kept(entry["outputChannels"], entry["removedOutputs"])
    if isinstance(layer, nn.Linear):
        axes = {"weight": (outputs, inputs), "bias": (outputs,)}
        layer.in_features, layer.out_features = len(inputs), len(outputs)
    elif isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        if layer.groups != 1:
            raise ValueError(f"Layer '{name}' is a grouped convolution, which this script does not cut.")
        transposed = isinstance(layer, nn.ConvTranspose2d)
        axes = {"weight": (inputs, outputs) if transposed else (outputs, inputs), "bias": (outputs,)}
        layer.in_channels, layer.out_channels = len(inputs), len(outputs)
    elif type(layer).__name__ in NORMS:
        axes = {tensor: (outputs,) for tensor in ("weight", "bias", "running_mean", "running_var")}
        layer.num_features = len(outputs)
    else:
        raise ValueError(f"Layer '{name}' is a {type(layer).__name__}, which this script does not cut.")
    widths = (entry["outputChannels"], entry["inputChannels"])
    for tensor, keep in axes.items():
        old = getattr(layer, tensor)
        if old is None:  # a convolution without bias
            continue
        found = tuple(old.shape[:len(keep)])
        if found != (widths[::-1] if tensor == "weight" and isinstance(layer, nn.ConvTranspose2d) else widths)[:len(keep)]:
            raise ValueError(f"'{name}.{tensor}' is {found} wide, which the plan does not start from. Give the dense model.")
        new = old.detach()
        for axis, indices in enumerate(keep):
            new = new.index_select(axis, indices.to(new.device))
        setattr(layer, tensor, nn.Parameter(new, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else new)


def apply(model, plan):
    """Narrows a model in place by a plan: a dictionary, as json.load gives it."""
    if plan["version"] != 1:
        raise ValueError(f"The plan has version {plan['version']}; this script reads version 1.")
    layers = dict(model.named_modules())
    unknown = [entry["name"] for entry in plan["layers"] if entry["name"] not in layers]
    if unknown:
        raise ValueError(f"The model has no layer {', '.join(unknown[:5])}. Give the architecture that the plan was made for.")
    for entry in plan["layers"]:
        if entry["removedInputs"] or entry["removedOutputs"]:
            narrow(entry["name"], layers[entry["name"]], entry)
    return model


def write_safetensors(path, tensors):
    """The smallest safetensors writer: the longest numbers first, so that all are aligned."""
    names = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.int64: "I64"}
    header, offset, parts = {}, 0, []
    for name, tensor in sorted(tensors.items(), key=lambda item: -item[1].element_size()):
        data = tensor.detach().cpu().contiguous().numpy().tobytes()
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
        parts.append(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + b"".join(parts))


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    dense, plan_file, out = map(Path, sys.argv[1:])
    sys.path.insert(0, str(dense))
    import model as exported  # model.py of the folder

    plan = json.loads(plan_file.read_text(encoding="utf-8"))
    model = apply(exported.load(dense), plan)
    widths = json.loads((dense / "widths.json").read_text(encoding="utf-8"))
    for entry in plan["layers"]:
        widths["layers"][entry["name"]] = [entry["inputChannels"] - len(entry["removedInputs"]), entry["outputChannels"] - len(entry["removedOutputs"])]
    out.mkdir()
    write_safetensors(out / "model.safetensors", model.state_dict())
    (out / "widths.json").write_text(json.dumps(widths, indent=2) + "\n", encoding="utf-8")
    shutil.copy(dense / "model.py", out / "model.py")
    exported.load(out)  # it can be read back
    before, after = (sum(p.numel() for p in exported.load(folder).parameters()) for folder in (dense, out))
    print(f"{before} -> {after} parameters in {out}")


if __name__ == "__main__":
    main()
