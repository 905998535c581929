#!/usr/bin/env python3
"""Prints the Markdown table of a study folder made by pennfudan.sh. Standard library only."""
import json
import pathlib
import sys


def row(folder, name, title):
    evaluation = json.loads((folder / f"{name}.eval.json").read_text())
    prune_file = folder / f"{name}.prune.json"
    mask, box = evaluation["mask"], evaluation["box"]
    if prune_file.exists():
        prune = json.loads(prune_file.read_text())
        before, after = prune["parameters"]["before"], prune["parameters"]["after"]
        macs = prune["macs"]["after"] / prune["macs"]["before"]
        size = [f"{after / 1e6:.2f} M", f"{before / after:.2f}", f"{macs:.0%}", f"{prune['proofError']:.0e}", f"{prune['seconds']:.0f}"]
    else:
        size = ["", "1.00", "100%", "", ""]
    figures = [mask["AP50"], mask["AP75"], mask["AP"], box["AP50"], evaluation["iouAt50"], evaluation["matchRate"]]
    return "| " + " | ".join([title, *size, *("–" if value < 0 else f"{value:.3f}" for value in figures)]) + " |"


def main():
    folder = pathlib.Path(sys.argv[1])
    print("| filters removed | parameters | compression | MACs | proof | prune, s | mask AP50 | AP75 | AP | box AP50 | IoU@0.5 | match rate |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    print(row(folder, "dense", "none (dense)"))
    for path in sorted(folder.glob("l1-local-*.eval.json")):
        name = path.name.removesuffix(".eval.json")
        _, _, ratio, repair = name.split("-")
        print(row(folder, name, f"{float(ratio):.0%}, {repair}"))


if __name__ == "__main__":
    main()
