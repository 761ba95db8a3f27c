"""The command line of evaluation: python -m helpers.evaluate --help."""
import argparse
import json

from helpers.checkpoints import load_model
from helpers.device import find_device
from helpers.evaluate import dataset_for, evaluate, merge_scores
from helpers.labels import TRAIN_19
from helpers.paths import find_root


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(prog="python -m helpers.evaluate", description="Scores of a checkpoint.")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--root", help="dataset root (default: found as everywhere in the course)")
    parser.add_argument("--split", default="val")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")
    args = parser.parse_args(arguments)
    device = find_device()
    model, info = load_model(args.checkpoint, device)
    dataset = dataset_for(info, find_root(args.root), args.split)
    scores = evaluate(model, dataset, args.batch_size, device, progress=not args.json)
    result = scores.as_dict()
    if info["label_set"] == TRAIN_19:
        result["mean_iou_camvid11"] = merge_scores(scores).mean_iou()
    if args.json:
        print(json.dumps(result, indent=1))
        return
    for name, value in result.pop("iou").items():
        print(f"  {name:20s} {'absent' if value is None else f'{value:.4f}'}")
    for name, value in result.items():
        print(f"{name:22s} {value:.4f}" if isinstance(value, float) else f"{name:22s} {value}")
