"""A short training on photographs, CamVid's train split, scored on its val split at full size; CPU, minutes.

    python benchmarks/camvid.py --root data/camvid            # writes benchmarks/results/camvid.json (numbers only)

Whole frames at half their size, width 12, same padding, batch norm, 11 classes. Val is one clip out of a drive
that is in train too, so its score is optimistic; see chapter 13.
"""
import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from helpers.checkpoints import load_model  # noqa: E402
from helpers.csv_index import find_rows, open_image, open_label  # noqa: E402
from helpers.inference import predict_frame  # noqa: E402
from helpers.metrics import ConfusionMatrix  # noqa: E402
from helpers.paths import runs_dir, write_atomically  # noqa: E402
from helpers.progress import progress_bar  # noqa: E402
from helpers.training import TrainConfig, train  # noqa: E402


def score(root, model, info) -> ConfusionMatrix:
    """The confusion matrix of all val frames at full size."""
    total = ConfusionMatrix(len(info["label_set"]))
    for row in progress_bar(find_rows(root, "val"), "val"):
        truth = info["label_set"].encode(open_label(f"{root}/{row.label}"))
        total.update(predict_frame(model, open_image(f"{root}/{row.image}"), info), truth)
    return total


def always_the_commonest(root, info) -> float:
    """mIoU of calling every pixel the commonest class of train: the floor that a network must pass."""
    classes = len(info["label_set"])
    counts = np.zeros(256, np.int64)
    for row in find_rows(root, "train"):
        counts += np.bincount(info["label_set"].encode(open_label(f"{root}/{row.label}")).ravel(), minlength=256)
    total = ConfusionMatrix(classes)
    for row in find_rows(root, "val"):
        truth = info["label_set"].encode(open_label(f"{root}/{row.label}"))
        total.update(np.full_like(truth, counts[:classes].argmax()), truth)
    return total.mean_iou()


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--height", type=int, default=180, help="of the reduced frames: 120 is a third, 180 half")
    args = parser.parse_args(arguments)
    config = TrainConfig.demo(name="photographs", root=args.root, label_set="camvid11", width=12, height=args.height,
                              batch_size=4, epochs=args.epochs, pictures=1)
    start = time.process_time()
    history = train(config)
    model, info = load_model(runs_dir() / "photographs" / "last.pt")
    total = score(args.root, model, info)
    names = info["label_set"].names
    result = {
        "command": f"python benchmarks/camvid.py --root data/camvid --epochs {args.epochs} --height {args.height}",
        "settings": f"frames reduced to about {args.height} rows, width 12, same padding, batch norm, batch 4, flips, "
                    "Adam 3e-3, cosine schedule",
        "frames": {split: len(find_rows(args.root, split)) for split in ("train", "val")},
        "epochs": len(history), "parameters": sum(p.numel() for p in model.parameters()),
        "processor_seconds": round(time.process_time() - start),
        "val_mean_iou": total.mean_iou(), "val_pixel_accuracy": total.pixel_accuracy(),
        "val_iou": {name: None if np.isnan(v) else float(v) for name, v in zip(names, total.iou())},
        "commonest_class_mean_iou": always_the_commonest(args.root, info),
        "history": [{k: row[k] for k in ("epoch", "train_loss", "val_loss", "val_mean_iou")} for row in history]}
    write_atomically(ROOT / "benchmarks" / "results" / "camvid.json",
                     lambda path: path.write_text(json.dumps(result, indent=1) + "\n"))
    print(f"val mIoU {result['val_mean_iou']:.4f} over {len(info['label_set'])} classes at full size, pixel accuracy "
          f"{result['val_pixel_accuracy']:.4f}; the commonest class alone {result['commonest_class_mean_iou']:.4f}")


if __name__ == "__main__":
    main()
