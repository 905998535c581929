"""Runs exported detectors in torchvision and writes what they find.

    python3 detect_all.py IMAGES.safetensors OUT FOLDER...

For each folder OUT.<number>.<image>.<field> holds the numbers of one field as raw float32, and standard output one JSON list of [rows, height, width] for each folder and image.
"""
import importlib.util
import json
import sys
from pathlib import Path

import torch


def module_of(folder):
    spec = importlib.util.spec_from_file_location("exported", Path(folder) / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


images_file, out, folders = sys.argv[1], sys.argv[2], sys.argv[3:]
sizes = []
for number, folder in enumerate(folders):
    module = module_of(folder)
    images = [image for _, image in sorted(module.read_safetensors(images_file).items())]
    model = module.load(folder)
    with torch.no_grad():
        found = model(images)
    sizes.append([list(detection["masks"].shape) for detection in found])
    for index, detection in enumerate(found):
        for field, values in detection.items():
            values.to(torch.float32).contiguous().numpy().tofile(f"{out}.{number}.{index}.{field}")
print(json.dumps(sizes))
