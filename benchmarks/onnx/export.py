#!/usr/bin/env python3
"""torchvision's own ONNX export of maskrcnn_resnet50_fpn, with the weights of a .safetensors file.

usage: export.py WEIGHTS.safetensors OUT.onnx [--classes N] [--min-size PX] [--max-size PX] [--example IMAGE.npy] [--backbone OUT.onnx]

Needs torch and torchvision (Debian: python3-torch, python3-torchvision; 1.13 and 0.14.1 are what it was tried with) and numpy; the onnx package is not needed. The image
is an input [3, H, W] of any size; outputs are boxes [N, 4], labels [N], scores [N], masks [N, 1, H, W]. The export traces one image: batches are one call an image.
--example gives float32 [3, H, W] in 0..1 to trace with; without it a seeded random image.
--backbone also writes the ResNet with its pyramid alone, from the padded batch [1, 3, H, W] to five levels.
"""
import argparse
import json
import struct

import numpy
import torch
import torchvision


def read_safetensors(path):
    """The format is a length, a JSON header and the bytes; float32 and float16 tensors are all that is needed here."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        body = file.read()
    types = {"F32": numpy.float32, "F16": numpy.float16, "I64": numpy.int64}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = numpy.frombuffer(body[begin:end], dtype=types[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(values.astype(numpy.float32) if entry["dtype"] == "F16" else values.copy())
    return tensors


class Pyramid(torch.nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, batch):
        return list(self.backbone(batch).values())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("weights")
    parser.add_argument("out")
    parser.add_argument("--classes", type=int, default=2)
    parser.add_argument("--min-size", type=int, default=800)
    parser.add_argument("--max-size", type=int, default=1333)
    parser.add_argument("--example")
    parser.add_argument("--backbone")
    options = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = torchvision.models.detection.maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=options.classes, min_size=options.min_size, max_size=options.max_size)
    state = {name: tensor for name, tensor in read_safetensors(options.weights).items() if not name.endswith("num_batches_tracked")}
    model.load_state_dict(state)
    model.eval()
    image = torch.from_numpy(numpy.load(options.example)) if options.example else torch.rand(3, options.min_size, options.min_size * 4 // 3)
    torch.onnx.export(
        model, ([image],), options.out, opset_version=11, do_constant_folding=True, input_names=["image"], output_names=["boxes", "labels", "scores", "masks"],
        dynamic_axes={"image": {1: "height", 2: "width"}, "boxes": {0: "n"}, "labels": {0: "n"}, "scores": {0: "n"}, "masks": {0: "n", 2: "height", 3: "width"}})
    if options.backbone:
        batch = torch.rand(1, 3, 320, 448)
        names = [f"level{i}" for i in range(5)]
        axes = {name: {0: "n", 2: f"{name}_h", 3: f"{name}_w"} for name in names}
        torch.onnx.export(
            Pyramid(model.backbone), (batch,), options.backbone, opset_version=11, do_constant_folding=True, input_names=["batch"], output_names=names,
            dynamic_axes={"batch": {0: "n", 2: "height", 3: "width"}, **axes})


main()
