"""Writes checkpoints of one detector as training scripts write them, by torch.save.

    python3 make_checkpoints.py EXPORTED_FOLDER OUT_FOLDER

Averaged weights are the plain ones plus 1.
"""
import argparse
import importlib.util
import re
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

exported, out = Path(sys.argv[1]), Path(sys.argv[2])
spec = importlib.util.spec_from_file_location("exported", exported / "model.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
model = module.load(exported)
plain = model.state_dict()
averaged = OrderedDict((key, value + 1) for key, value in plain.items())


def save(name, content):
    torch.save(content, out / name)


def prefixed(prefix, state):
    return OrderedDict((prefix + key, value) for key, value in state.items())


def old_names(state):
    """The keys of torchvision before 0.13."""
    def old(key):
        key = re.sub(r"rpn\.head\.conv\.0\.0\.", "rpn.head.conv.", key)
        key = re.sub(r"fpn\.((?:inner|layer)_blocks\.\d+)\.0\.", r"fpn.\1.", key)
        return re.sub(r"mask_head\.(\d+)\.0\.", lambda match: f"mask_head.mask_fcn{int(match[1]) + 1}.", key)
    return OrderedDict((old(key), value) for key, value in state.items())


# What torchvision's references/detection/train.py saves.
parameters = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.SGD(parameters, lr=0.02, momentum=0.9, weight_decay=1e-4)
for p in parameters:
    p.grad = torch.ones_like(p)
saved = {key: value.clone() for key, value in plain.items()}
optimizer.step()
model.load_state_dict(saved)
scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[16, 22], gamma=0.1)
arguments = argparse.Namespace(data_path="/datasets/coco", lr=0.02, lr_steps=[16, 22], device="cuda", output_dir=Path("runs") / "one", resume=None, amp=False, world_size=8)
reference = {"model": plain, "optimizer": optimizer.state_dict(), "lr_scheduler": scheduler.state_dict(), "args": arguments, "epoch": 25}
save("reference.pth", reference)
save("reference_ema.pth", {**reference, "model_ema": {"n_averaged": torch.tensor(7), **prefixed("module.", averaged)}, "best": np.float64(0.375)})
save("state_dict_and_ema.pth", {"epoch": 3, "ema_state_dict": averaged, "state_dict": plain})
save("only_ema.pth", {"model_ema": prefixed("module.", averaged)})
save("data_parallel.pth", torch.nn.DataParallel(model).state_dict())
save("compiled.pth", {"model": prefixed("_orig_mod.", plain)})
save("compiled_parallel.pth", prefixed("module._orig_mod.", plain))
save("compiled_backbone.pth", OrderedDict((key.replace("backbone.", "backbone._orig_mod.", 1), value) for key, value in plain.items()))
save("old_names.pth", {"model": old_names(plain)})
save("lightning.pth", {"state_dict": prefixed("model.", plain), "pytorch-lightning_version": "1.9.0", "hyper_parameters": {"lr": 0.1}})
save("missing.pth", {"model": OrderedDict((key.replace("rpn.head.cls_logits.bias", "rpn.head.cls_logit.bias"), value) for key, value in plain.items() if key != "roi_heads.box_head.fc7.bias")})
save("elsewhere.pth", {"detector_weights": plain, "optimizer": optimizer.state_dict()})
save("whole_model.pth", torch.nn.Sequential(torch.nn.ReLU()))
