#!/usr/bin/env python3
"""Makes a pruning plan in Python, for 'filter-pruning prune --apply' and for apply_plan.py: each layer loses the filters with the smallest L1 norm.

    filter-pruning inspect --weights dense.safetensors --groups groups.json
    filter-pruning export --weights dense.safetensors --format torchvision --out dense-python
    python3 make_plan.py groups.json dense-python 0.3 plan.json

groups.json says which channels go together; everything else, here the ranking, is up to you. A role is a set of groups built alike, for instance the 256
channels of a stage with all the layers that make and read them: 'channels' has, for each side of a layer, the channels that go with each group.
"""
import json
import sys
from pathlib import Path

import torch
from torch import nn


def filter_norms(layer):
    """The L1 norm of each filter of a convolution or linear layer; None for anything else."""
    if isinstance(layer, nn.ConvTranspose2d):
        return layer.weight.detach().double().abs().sum(dim=(0, 2, 3))
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        return layer.weight.detach().double().abs().flatten(1).sum(dim=1)
    return None


def scores_of(role, layers):
    """For each group of a role the mean norm of its filters; None where nothing makes its channels."""
    parts = []
    for side in role["sides"]:
        norms = filter_norms(layers[side["layer"]]) if side["side"] == "outputs" else None
        if norms is not None:
            parts.append(norms[torch.tensor(side["channels"])])  # [groups, channels of a group]
    return torch.cat(parts, dim=1).mean(dim=1) if parts else None


def make(graph, model, ratio):
    """A plan that removes this share of every role's groups, the least first."""
    layers = dict(model.named_modules())
    entries = {layer["name"]: {"name": layer["name"], "kind": layer["kind"], "inputChannels": layer["inputChannels"], "removedInputs": [],
                               "outputChannels": layer["outputChannels"], "removedOutputs": []} for layer in graph["layers"]}
    for role in graph["roles"]:
        scores = scores_of(role, layers) if role["prunable"] else None
        if scores is None:
            continue
        keep = max(1, int(len(scores) * (1 - ratio) + 1e-9))
        for group in torch.argsort(scores, stable=True)[:len(scores) - keep].tolist():
            for side in role["sides"]:
                entries[side["layer"]]["removedInputs" if side["side"] == "inputs" else "removedOutputs"] += side["channels"][group]
    for layer in graph["layers"]:
        entry = entries[layer["name"]]
        if layer["mapping"] == "ChannelWise":  # a norm: what goes in comes out
            entry["removedInputs"] = entry["removedOutputs"]
        for side in ("removedInputs", "removedOutputs"):
            entry[side] = sorted(entry[side])
    return {"version": 1, "layers": list(entries.values()), "annotations": {"made by": "make_plan.py", "ratio": ratio}}


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    graph_file, dense, ratio, plan_file = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), Path(sys.argv[4])
    sys.path.insert(0, dense)
    import model as exported  # model.py of the folder

    plan = make(json.loads(graph_file.read_text(encoding="utf-8")), exported.load(dense), ratio)
    plan_file.write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")
    print(f"{sum(len(entry['removedOutputs']) for entry in plan['layers'])} output channels of {len(plan['layers'])} layers go.")


if __name__ == "__main__":
    main()
