"""Makes coco_eval.json and polygons.json with pycocotools (COCO API 2.0, commit 8c9bcc3): the reference for the evaluator and for polygons.

Usage: python make_golden.py [number of polygons]. The numbers are drawn from seed 20, so the same files come out each time.
"""
import json
import os
import sys

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

FOLDER = os.path.dirname(os.path.abspath(__file__))
HEIGHT, WIDTH = 160, 240


def text(rle):
    return rle["counts"].decode()


def make_polygons(random, count):
    """Polygons of all kinds: whole, half and arbitrary coordinates, on the image and beyond it, crossing themselves, with repeated points and edges."""
    cases = []
    for i in range(count):
        height, width = int(random.integers(1, 40)), int(random.integers(1, 40))
        points = int(random.integers(3, 9))
        span = [(0, 1), (-0.5, 1.5), (0.2, 0.6)][i % 3]
        xy = random.uniform(*span, (points, 2)) * [width, height]
        xy = [np.round(xy, 2), np.round(xy), np.round(xy * 2) / 2, np.round(xy * 10) / 10][i % 4]
        if i % 5 == 0:
            xy = np.concatenate([xy, xy[::-1]])[: points + 2]
        if i % 7 == 0:
            xy = np.repeat(xy, 2, axis=0)
        polygons = [xy.ravel().tolist()]
        if i % 6 == 0:
            polygons.append((xy.ravel() + 3.3).tolist())
        rle = coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
        cases.append({"height": height, "width": width, "polygons": polygons, "counts": text(rle)})
    return cases


def ellipse(random, box):
    x, y, width, height = box
    angles = np.linspace(0, 2 * np.pi, 9)[:-1]
    points = np.stack([x + width / 2 * (1 + np.cos(angles)), y + height / 2 * (1 + np.sin(angles))], 1)
    return [np.round(points, 1).ravel().tolist()]


def random_box(random):
    width, height = (float(np.round(10 ** random.uniform(0.7, 2.1), 1)) for _ in range(2))
    return [float(np.round(random.uniform(0, max(1, WIDTH - width)), 1)), float(np.round(random.uniform(0, max(1, HEIGHT - height)), 1)), width, height]


def make_scene(random, images, categories):
    """Ground truth and detections: jittered, doubled, missing and wrong ones, equal scores, crowds, and one image with far over 100 detections of a class."""
    truths, results = [], []
    for image in range(1, images + 1):
        for _ in range(0 if image == images else int(random.integers(1, 7))):
            category, box = int(random.choice(categories[:-1])), random_box(random)
            crowd = int(random.random() < 0.15)
            segmentation = ellipse(random, box)
            if crowd:
                runs = coco_mask.merge(coco_mask.frPyObjects(segmentation, HEIGHT, WIDTH))
                segmentation = {"size": runs["size"], "counts": text(runs)}
            truths.append({"id": len(truths) + 1, "image_id": image, "category_id": category, "bbox": box, "area": round(box[2] * box[3] * 0.7, 1), "iscrowd": crowd, "segmentation": segmentation})
            for _ in range(int(random.integers(0, 4))):
                jitter = random.normal(0, 0.08, 4) * [box[2], box[3], box[2], box[3]]
                moved = np.round(np.array(box) + jitter, 1).tolist()
                results.append((image, category if random.random() < 0.9 else int(random.choice(categories)), [moved[0], moved[1], max(moved[2], 0.1), max(moved[3], 0.1)]))
        for _ in range(130 if image == 2 else 2):
            results.append((image, categories[0] if image == 2 else int(random.choice(categories)), random_box(random)))
    entries = []
    for image, category, box in results:
        runs = coco_mask.merge(coco_mask.frPyObjects(ellipse(random, box), HEIGHT, WIDTH))
        entries.append({"image_id": image, "category_id": category, "bbox": box, "segmentation": {"size": runs["size"], "counts": text(runs)}, "score": round(float(random.random()), 1 if image % 2 else 3)})
    return {
        "images": [{"id": image, "height": HEIGHT, "width": WIDTH} for image in range(1, images + 1)],
        "categories": [{"id": category, "name": f"class {category}"} for category in categories],
        "annotations": truths,
    }, entries


def evaluate(truth, results, kind):
    coco = COCO()
    coco.dataset = json.loads(json.dumps(truth))
    coco.createIndex()
    other = "segmentation" if kind == "bbox" else "bbox"
    evaluation = COCOeval(coco, coco.loadRes([{k: v for k, v in result.items() if k != other} for result in json.loads(json.dumps(results))]), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats.tolist()


def main():
    random = np.random.default_rng(20)
    polygons = make_polygons(random, int(sys.argv[1]) if len(sys.argv) > 1 else 84)
    truth, results = make_scene(random, 14, [3, 5, 8])
    golden = {"truth": truth, "results": results, "bbox": evaluate(truth, results, "bbox"), "segm": evaluate(truth, results, "segm")}
    for name, value in (("polygons.json", polygons), ("coco_eval.json", golden)):
        with open(os.path.join(FOLDER, name), "w") as file:
            json.dump(value, file, separators=(",", ":"))
            file.write("\n")


main()
