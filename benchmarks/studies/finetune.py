#!/usr/bin/env python3
"""Prints the Markdown table of a folder made by finetune.sh, and writes its points to finetune.jsonl in it. Standard library only."""
import json
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
dataset, model, criterion, scope, images = sys.argv[2:7]
budgets = dict(pair.split(":") for pair in sys.argv[7].split())      # what remains of the MACs, and for how long it was tuned


def read(name):
    path = folder / name
    return json.loads(path.read_text()) if path.exists() else None


def figure(value):
    return None if value is None or value < 0 else value


def point(name, title):
    evaluation, training = read(f"{name}.eval.json"), read(f"{name}.train.json")
    cut = name.split("-")[1] if name.startswith("macs-") else None
    prune = read(f"macs-{cut}.prune.json") if cut else None
    tuned, control = "-tuned-" in name, "-control-" in name
    weights = folder / f"{name}.safetensors"
    result = {
        "dataset": dataset, "model": model, "checkpoint": (folder / "dense.sha").read_text().strip(), "criterion": "none" if cut is None else criterion, "scope": scope,
        "layers": "all", "ratio": None if prune else 0, "target": f"macs:{cut}" if cut else None, "repair": "least-squares" if cut and not control else "none",
        "images": int(images) if cut and not control else 0, "fineTuned": tuned, "seed": 0, "status": "measured", "variant": title,
    }
    for kind in ("mask", "box"):
        for short, key in (("AP", "AP"), ("AP50", "AP50"), ("AP75", "AP75"), ("APSmall", "APsmall"), ("APMedium", "APmedium"), ("APLarge", "APlarge")):
            result[kind + short] = figure(evaluation[kind][key])
    result["budget"] = float(budgets[cut]) if tuned else None
    result |= {"iouAt50": figure(evaluation["iouAt50"]), "matchRate": evaluation["matchRate"], "evalImages": evaluation["images"]}
    if prune:
        result |= {
            "parameters": prune["parameters"]["after"], "parametersDense": prune["parameters"]["before"], "macs": prune["macs"]["after"], "macsDense": prune["macs"]["before"],
            "compression": prune["parameters"]["before"] / prune["parameters"]["after"], "filters": prune["groups"]["total"], "filtersRemoved": prune["groups"]["removed"],
            "fileBytes": weights.stat().st_size if weights.exists() else None, "proofError": prune["proofError"],
        }
    if training:
        result |= {"iterations": training["iterations"], "seconds": {"train": training["seconds"]}}
    return result


def row(p, dense):
    share = f"{p['macs'] / p['macsDense']:.0%}" if "macs" in p else "100%"
    parameters = f"{p['parameters'] / 1e6:.2f} M" if "parameters" in p else ""
    cells = ["–" if p[k] is None else f"{p[k]:.3f}" for k in ("maskAP", "maskAP50", "maskAP75", "boxAP", "iouAt50", "matchRate")]
    relative = "–" if not p["maskAP"] or not dense["maskAP"] else f"{p['maskAP'] / dense['maskAP']:.1%}"
    return "| " + " | ".join([p["variant"], parameters, share, str(p.get("iterations", "")), *cells, relative]) + " |"


def main():
    words = {"both": "tuned with labels and teacher", "labels": "tuned with labels", "teacher": "tuned by the teacher, no labels", "fresh": "from scratch, fresh weights", "sliced": "initial weights, cut and trained"}
    points = [point("dense", "dense")]
    for path in sorted(folder.glob("macs-*.eval.json"), key=lambda p: (-float(p.name.removesuffix(".eval.json").split("-")[1]), "tuned" in p.name, "control" in p.name, p.name)):
        name = path.name.removesuffix(".eval.json")
        parts = name.split("-")
        points.append(point(name, f"{1 - float(parts[1]):.0%} of the MACs removed, " + (words[parts[3]] if len(parts) > 2 else "repaired")))
    # Beside, then renamed: a broken write leaves the old points.
    part = folder / "finetune.jsonl.part"
    part.write_text("".join(json.dumps(p) + "\n" for p in points))
    part.replace(folder / "finetune.jsonl")
    print("| model | parameters | MACs | iterations | mask AP | AP50 | AP75 | box AP | IoU@0.5 | match rate | mask AP of dense |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for p in points:
        print(row(p, points[0]))


if __name__ == "__main__":
    main()
