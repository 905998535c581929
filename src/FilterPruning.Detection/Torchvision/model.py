#!/usr/bin/env python3
"""A Mask R-CNN of torchvision at the widths of widths.json, with the weights of model.safetensors; all three files lie in one folder.

On the command line it prints what it finds in a picture, as JSON:

    python3 model.py picture.jpg --score 0.5

In Python it gives torchvision's own model, which can be fine-tuned, traced and saved like any other:

    import model
    detector = model.load()             # torchvision.models.detection.MaskRCNN, in evaluation mode
    found = detector([image])[0]        # image: float32 [3, H, W], RGB, 0 to 1

Needs torch, torchvision 0.13 or later, and numpy. Nothing else is imported, and no code is read from the other two files.
"""
import argparse
import functools
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torchvision.io import ImageReadMode, read_image
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads
from torchvision.ops.misc import FrozenBatchNorm2d

HERE = Path(__file__).resolve().parent
DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "U8": np.uint8}


def read_safetensors(path):
    """The tensors of a safetensors file by name: 8 bytes of length, a JSON header of types, shapes and places, then the numbers."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        numbers = file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(numbers[begin:end], dtype=np.dtype(DTYPES[entry["dtype"]]).newbyteorder("<"))
        tensors[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    return tensors


def resize(layer, inputs, outputs):
    """Gives one layer other widths. Its values are left unset; they come with the weights."""
    if isinstance(layer, nn.Linear):
        layer.in_features, layer.out_features = inputs, outputs
        shapes = {"weight": (outputs, inputs), "bias": (outputs,)}
    elif isinstance(layer, nn.ConvTranspose2d):
        layer.in_channels, layer.out_channels = inputs, outputs
        shapes = {"weight": (inputs, outputs, *layer.kernel_size), "bias": (outputs,)}
    elif isinstance(layer, nn.Conv2d):
        layer.in_channels, layer.out_channels = inputs, outputs
        shapes = {"weight": (outputs, inputs, *layer.kernel_size), "bias": (outputs,)}
    else:  # a norm: every tensor has one value for each channel
        layer.num_features = outputs
        shapes = {name: (outputs,) for name in ("weight", "bias", "running_mean", "running_var")}
    for name, shape in shapes.items():
        old = getattr(layer, name)
        if old is None:  # a convolution without bias
            continue
        new = torch.zeros(shape, dtype=old.dtype, device=old.device)
        setattr(layer, name, nn.Parameter(new, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else new)


def build(widths):
    """torchvision's Mask R-CNN as widths.json describes it, at these widths, with arbitrary weights."""
    if widths["version"] != 1:
        raise ValueError(f"widths.json has version {widths['version']}; this file reads version 1. Export the model again.")
    norm = nn.BatchNorm2d if widths["norm"]["kind"] == "live" else FrozenBatchNorm2d
    backbone = resnet_fpn_backbone(
        backbone_name=widths["backbone"], weights=None, trainable_layers=widths["trainable_layers"],
        norm_layer=functools.partial(norm, eps=widths["norm"]["eps"]))
    options = dict(widths["options"])
    if "anchors" in widths:
        sizes = tuple(tuple(level) for level in widths["anchors"]["sizes"])
        options["rpn_anchor_generator"] = AnchorGenerator(sizes, (tuple(widths["anchors"]["aspect_ratios"]),) * len(sizes))
    mask_head = MaskRCNNHeads(backbone.out_channels, (256,) * widths["mask_layers"], 1)
    model = MaskRCNN(backbone, num_classes=len(widths["classes"]) + 1, mask_head=mask_head, **options)

    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d, FrozenBatchNorm2d)
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, kinds)}
    if layers.keys() != widths["layers"].keys():
        raise ValueError(f"widths.json and torchvision disagree about the layers {sorted(layers.keys() ^ widths['layers'].keys())}.")
    for name, (inputs, outputs) in widths["layers"].items():
        resize(layers[name], inputs, outputs)
    return model


def load(folder=HERE):
    """The detector in evaluation mode, with its weights; every tensor must fit."""
    folder = Path(folder)
    model = build(json.loads((folder / "widths.json").read_text(encoding="utf-8")))
    model.load_state_dict(read_safetensors(folder / "model.safetensors"), strict=True)
    return model.eval()


def run_lengths(mask):
    """COCO's run lengths of a [H, W] mask of truth values: column by column, beginning with those outside."""
    columns = mask.T.reshape(-1)
    changes = np.flatnonzero(np.diff(columns, prepend=False))
    return np.diff(changes, prepend=0, append=columns.size).tolist()


def detect(model, path, classes, threshold):
    """What is found in one picture, as plain data."""
    image = read_image(str(path), ImageReadMode.RGB).float() / 255
    with torch.no_grad():
        found = model([image])[0]
    keep = found["scores"] >= threshold
    labels = found["labels"][keep].tolist()
    masks = (found["masks"][keep, 0] > 0.5).numpy()
    height, width = image.shape[1:]
    return {
        "file": str(path), "height": height, "width": width, "boxes": found["boxes"][keep].tolist(), "labels": labels,
        "names": [classes[label - 1] for label in labels], "scores": found["scores"][keep].tolist(),
        "masks": [{"size": [height, width], "counts": run_lengths(mask)} for mask in masks],
    }


def main():
    parser = argparse.ArgumentParser(description="Prints what the detector finds in pictures, as JSON.")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="pictures, PNG or JPEG")
    parser.add_argument("--score", type=float, default=0.5, help="leave out detections with a lower score")
    arguments = parser.parse_args()
    classes = json.loads((HERE / "widths.json").read_text(encoding="utf-8"))["classes"]
    model = load()
    print(json.dumps({"images": [detect(model, image, classes, arguments.score) for image in arguments.images]}))


if __name__ == "__main__":
    main()
