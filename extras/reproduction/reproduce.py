"""From a Cityscapes root to a report that can be sent in, in steps that can be interrupted anywhere
(chapter 13).

    python -m extras.reproduction.reproduce --root data/cityscapes
    python -m extras.reproduction.reproduce --root data/cityscapes --config scratch
    python -m extras.reproduction.reproduce --root data/sample_city --width 4 --epochs 1 --limit 4

The first follows the recipe of the course, the second the best-evidenced settings; the third is a
rehearsal.

Started again, it goes on where it was. It leaves certificate.json (numbers only), report.html
(numbers; it shows the pictures beside it and holds none itself) and pictures/, which the license of
Cityscapes does not allow to pass on.
"""

import argparse
import hashlib
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from extras.benchmark_server.protocols import all_scores, count
from extras.reproduction import certificate
from extras.reproduction import tables as tables_file
from extras.training_tools.augment import ScratchConfig, make_scratch_run
from helpers import command
from helpers.checkpoints import load_model
from helpers.config import TrainConfig
from helpers.csv_index import (
    IMAGE_END,
    LABEL_END,
    SPLITS,
    check_csv,
    index_folder,
    read_csv,
    write_csv,
)
from helpers.dataset import CityscapesDataset
from helpers.device import find_device, mixed_precision
from helpers.evaluate import pixel_loss, side_by_side
from helpers.files import listed, locked, read_json, visible_files, write_image, write_text
from helpers.inference import frame_pieces, predict_frame
from helpers.labels import check_classes, find_label_set
from helpers.normalization import CITYSCAPES_MEAN, CITYSCAPES_STD, channel_statistics
from helpers.paths import check_root, find_root, runs_dir
from helpers.progress import progress_bar
from helpers.sizes import require
from helpers.training import make_run
from helpers.windows import View

CONFIGS = {"recipe": (TrainConfig, make_run), "scratch": (ScratchConfig, make_scratch_run)}
ROWS = {"train": 2975, "val": 500, "test": 1525}
CITIES = {"train": 18, "val": 3, "test": 6}
EVERY = 20  # frames between two savings of what was counted
# What may differ in a full reproduction
FREE = {"name", "root", "workers", "pictures", "cache", "mean", "std", "compile"}


class Reproduction:
    """All steps of one reproduction and their folder. `limit` takes only so many frames of each
    split: a rehearsal.
    """

    def __init__(
        self,
        root,
        config: str = "recipe",
        limit: int | None = None,
        quick: bool = False,
        folder=None,
        progress: bool = True,
        **changes,
    ):
        require(1, 1e9, limit=limit)
        self.root = check_root(find_root(root))
        check_classes(find_label_set(changes.get("label_set", "train19")), self.root)
        self.name = config
        self.limit = limit
        self.quick = quick
        self.folder = Path(folder) if folder else runs_dir() / f"reproduce-{config}"
        self.progress = progress
        kind, self.make_run = CONFIGS[config]
        self.config = kind(root=str(self.root), train_limit=limit, val_limit=limit, **changes)
        self.state = self._read_state()
        self.state["machines"].append(certificate.machine())

    def _read_state(self) -> dict:
        config = json.loads(json.dumps(asdict(self.config)))
        plan = {
            "config": {**config, "root": None, "workers": None},
            "quick": self.quick,
            "frames": self._fingerprint(),
        }
        path = self.folder / "steps.json"
        if not path.is_file():
            return {"plan": plan, "steps": {}, "seconds": {}, "machines": []}
        state = read_json(path)
        if not isinstance(state, dict) or set(state) != {"plan", "steps", "seconds", "machines"}:
            raise ValueError(f"{path} is damaged: remove it, and the steps are done again")
        if state["plan"] != plan:
            wrong = [key for key in plan if state["plan"].get(key) != plan[key]]
            raise ValueError(
                f"{self.folder} holds a reproduction with other {' and '.join(wrong)}; give "
                "another --folder, or remove it"
            )
        return state

    def _fingerprint(self) -> str:
        """A hash of all PNGs: names and sizes, and of the label ids, which are small, the bytes."""
        digest = hashlib.sha256()
        for kind in ("leftImg8bit", "gtFine"):
            for path in visible_files(self.root / kind):
                if path.suffix == ".png":
                    name = path.relative_to(self.root).as_posix()
                    digest.update(f"{name} {path.stat().st_size}\n".encode())
                if path.name.endswith(LABEL_END):
                    digest.update(path.read_bytes())
        return digest.hexdigest()

    def _write(self) -> None:
        text = json.dumps(self.state, indent=1)
        write_text(self.folder / "steps.json", text)

    def step(self, name: str, work) -> dict:
        """The result of a step: what is stored, or what `work()` returns; its time counts over all
        attempts.
        """
        if name in self.state["steps"]:
            print(f"{name}: done before")
            return self.state["steps"][name]
        print(f"{name} ...", flush=True)
        start = time.perf_counter()
        try:
            self.state["steps"][name] = work()
        finally:
            spent = time.perf_counter() - start
            self.state["seconds"][name] = self.state["seconds"].get(name, 0) + spent
            self._write()
        return self.state["steps"][name]

    def run(self) -> dict:
        """All steps that are not done yet; writes and returns the certificate.

        Raises OSError if another process works in the folder.
        """
        with locked(self.folder):
            # A run that was killed while it wrote leaves these.
            for leftover in self.folder.rglob(".*.tmp"):
                leftover.unlink(missing_ok=True)
            return self._run()

    def _run(self) -> dict:
        self.step("layout", self.layout)
        self.step("csv", self.csv)
        self.step("files", self.files)
        self.step("statistics", self.statistics)
        self.step("training", self.training)
        self.step("center crops", lambda: self.scores(whole=False))
        self.step("whole frames", lambda: self.scores(whole=True))
        self.step("protocols", self.protocols)
        self.step("pictures", self.pictures)
        return certificate.write(self.folder, self.state, self.name, self.deviations())

    # The steps

    def layout(self) -> dict:
        """Cities and frames of every split; raises FileNotFoundError for a split without frames."""
        found = {}
        for split in SPLITS:
            folder = self.root / "leftImg8bit" / split
            files = visible_files(folder) if folder.is_dir() else []
            cities = [path.parent.name for path in files if path.name.endswith(IMAGE_END)]
            found[split] = {"frames": len(cities), "cities": len(set(cities))}
        missing = [split for split in ("train", "val") if not found[split]["frames"]]
        if missing:
            raise FileNotFoundError(
                f"{self.root}/leftImg8bit has no frames of {' and '.join(missing)}: unpack "
                "leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip there"
            )
        return found

    def csv(self) -> dict:
        """Rows and hash of every CSV file: the same on every machine that has the same data."""
        result = {}
        for split in SPLITS:
            if self.state["steps"]["layout"][split]["frames"]:
                path = self.folder / "csv" / f"{split}.csv"
                result[split] = {
                    "rows": write_csv(self.root, split, path),
                    "sha256": certificate.file_hash(path),
                }
        return result

    def files(self) -> dict:
        """Open every frame and label; raises ValueError with all problems."""
        if self.quick:
            return {"checked": False}
        problems = check_csv(
            [self.folder / "csv" / f"{split}.csv" for split in self.state["steps"]["csv"]],
            self.root,
        )
        if problems:
            raise ValueError(
                f"problems in {self.root}, mend them and start again:{listed(problems)}"
            )
        return {"checked": True}

    def statistics(self) -> dict:
        """Mean and deviation of the training frames, beside the constants in circulation."""
        rows = read_csv(self.folder / "csv" / "train.csv")[: self.limit]
        found = channel_statistics([self.root / row.image for row in rows], progress=self.progress)
        own = (*found.mean, *found.std)
        constants = (*CITYSCAPES_MEAN, *CITYSCAPES_STD)
        differences = [abs(a - b) for a, b in zip(own, constants)]
        return {
            "mean": found.mean,
            "std": found.divisors,
            "pixels": found.pixels,
            "frames": len(rows),
            "largest_difference": max(differences),
            "equal_to_six_digits": max(differences) < 5e-7,
        }

    def training(self) -> dict:
        """The training run; it resumes at its own last epoch."""
        statistics = self.state["steps"]["statistics"]
        config = replace(self.config, mean=tuple(statistics["mean"]), std=tuple(statistics["std"]))
        run = self.make_run(config, self.progress, folder=self.folder / "training")
        for split, dataset in (("train", run.train_set), ("val", run.val_set)):
            rows = read_csv(self.folder / "csv" / f"{split}.csv")[: self.limit]
            if dataset.rows != rows:
                raise ValueError(
                    f"{index_folder(self.root) / split}.csv, which training reads, has "
                    f"{len(dataset.rows)} of {len(rows)} frames: remove it to take all"
                )
        history = run.fit()
        memory = torch.cuda.max_memory_allocated() if run.device.type == "cuda" else None
        return {
            "history": history,
            "parameters": sum(p.numel() for p in run.model.parameters()),
            "device": str(run.device),
            "gpu_memory_bytes": memory,
            "config": {**run.info()["config"], "name": None},
            "weights_sha256": certificate.weights_hash(run.model.cpu().state_dict()),
        }

    def _model(self):
        model, info = load_model(self.folder / "training" / "last.pt", find_device())
        if self.name == "recipe":
            return model, info
        return model, {**info, "view": View("frame", None, "same", info["view"].depth, 1024)}

    def _dataset(self, info: dict, split: str, whole: bool) -> CityscapesDataset:
        view = info["view"]
        if not whole:
            view = View("crop", None, view.padding, view.depth)
        rows = read_csv(self.folder / "csv" / f"{split}.csv")[: self.limit]
        return CityscapesDataset(
            rows, self.root, view, info["label_set"], info["mean"], info["std"]
        )

    @torch.no_grad()
    def scores(self, whole: bool) -> dict:
        """Average loss both ways and the official scores of the final model on val; frame by frame,
        kept on the way.
        """
        model, info = self._model()
        dataset = self._dataset(info, "val", whole)
        classes = len(info["label_set"])
        store = self.folder / f"{'whole-frames' if whole else 'center-crops'}.npz"
        tables, losses = tables_file.load(store, len(dataset), classes)
        for index in progress_bar(range(len(losses), len(dataset)), "scores", self.progress):
            if whole:
                pieces = self.pieces_of_frame(model, info, dataset, index)
            else:
                pieces = self.center_crop(model, dataset, index)
            loss = np.zeros(2)
            table = np.zeros((classes + 1, classes + 1), np.int64)
            for logits, truth in pieces:
                target = torch.from_numpy(truth.astype(np.int64))[None].to(logits.device)
                loss_sum, pixels = pixel_loss(logits, target)
                loss += [float(loss_sum), int(pixels)]
                table += count(logits.argmax(1)[0].cpu().numpy(), truth, classes)
            tables.append(table)
            losses.append(loss)
            if (index + 1) % EVERY == 0 or index + 1 == len(dataset):
                tables_file.save(store, tables, losses)
        return tables_file.summary(tables, losses, info["label_set"].names, self.config.batch_size)

    def pieces_of_frame(self, model, info: dict, dataset: CityscapesDataset, index: int):
        """Yield (logits [1, classes, h, w], train ids [h, w]) of the pieces of a whole frame."""
        truth = info["label_set"].encode(dataset.label_ids(index))
        for top, left, logits in frame_pieces(model, dataset.frame(index), info):
            height, width = logits.shape[1:]
            yield logits[None], truth[top : top + height, left : left + width]

    def center_crop(self, model, dataset: CityscapesDataset, index: int):
        """Yield (logits [1, classes, h, w], train ids [h, w]) of a frame's center crop."""
        device = next(model.parameters()).device
        image, target = dataset[index]
        image = image[None].to(device, memory_format=torch.channels_last)
        with mixed_precision(device):
            logits = model(image)
        yield logits, target.numpy().astype(np.uint8)

    def protocols(self) -> dict:
        """mIoU of the same predictions under every protocol of chapter 08."""
        info = self._model()[1]
        frames, classes = len(self._dataset(info, "val", True)), len(info["label_set"])
        tables = {
            "whole frame": tables_file.load(self.folder / "whole-frames.npz", frames, classes)[0],
            "center crop": tables_file.load(self.folder / "center-crops.npz", frames, classes)[0],
        }
        found = {}
        for protocol, value in all_scores(tables, self.config.batch_size).items():
            found[" | ".join(protocol)] = value if np.isfinite(value) else None
        return found

    @torch.no_grad()
    def pictures(self) -> list[str]:
        """Frame, truth and prediction side by side, of train and val, crops and whole frames at
        half size.
        """
        model, info = self._model()
        labels = info["label_set"]
        written = []
        for split in ("train", "val"):
            dataset = self._dataset(info, split, whole=False)
            for index in range(min(3, len(dataset))):
                frame = dataset.frame(index)
                truth = labels.encode(dataset.label_ids(index))
                prediction = predict_frame(model, frame, info)
                colors = [labels.colorize(truth), labels.colorize(prediction)]
                whole = np.concatenate([frame, *colors], axis=1)[::2, ::2]
                crop = side_by_side(model, dataset, index)
                for kind, row in (("crop", crop), ("frame", whole)):
                    name = f"pictures/{split}_{index + 1}_{kind}.png"
                    write_image(self.folder / name, np.ascontiguousarray(row))
                    written.append(name)
        return written

    # The verdict

    def deviations(self) -> list[str]:
        """Why this is not a full reproduction: an empty list if it is one."""
        steps = self.state["steps"]
        found = []
        for split, expected in ROWS.items():
            rows = steps["csv"].get(split, {}).get("rows", 0)
            if rows != expected:
                found.append(f"{split}: {rows} rows, expected {expected}")
        for split, expected in CITIES.items():
            cities = steps["layout"][split]["cities"]
            if cities != expected:
                found.append(f"{split}: {cities} cities, expected {expected}")
        if not steps["statistics"]["equal_to_six_digits"]:
            found.append("mean and deviation differ from the constants")
        standard = asdict(type(self.config)())
        for key, value in asdict(self.config).items():
            if key not in FREE and value != standard[key]:
                found.append(f"{key}: {value}, standard {standard[key]}")
        if self.quick:
            found.append("files were not opened one by one")
        return found


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m extras.reproduction.reproduce",
        argument_default=argparse.SUPPRESS,
        description=__doc__.splitlines()[0],
    )
    parser.add_argument(
        "--root", default=None, help="dataset root (default: found as everywhere in the course)"
    )
    parser.add_argument("--config", choices=CONFIGS, default="recipe")
    parser.add_argument("--folder", help="where all is written (default: runs/reproduce-<config>)")
    parser.add_argument("--limit", type=int, help="only so many frames of each split: a rehearsal")
    parser.add_argument(
        "--quick", action="store_true", help="do not open every file before training"
    )
    for name in ("width", "epochs", "batch_size", "accumulate", "workers", "seed"):
        parser.add_argument("--" + name.replace("_", "-"), type=int)
    parser.add_argument(
        "--crop", type=int, nargs=2, metavar=("ROWS", "COLUMNS"), help="of --config scratch"
    )
    parser.add_argument(
        "--verify", metavar="CERTIFICATE", help="only check that a certificate was not changed"
    )
    given = vars(parser.parse_args(arguments))
    if "verify" in given:
        print(certificate.verify(given["verify"]))
        return
    if "crop" in given:
        if given["config"] != "scratch":
            parser.error("--crop goes with --config scratch")
        given["crop"] = tuple(given["crop"])
    try:
        reproduction = Reproduction(**given)
        result = reproduction.run()
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; the same command goes on from here") from None
    print(certificate.as_text(result))
    print(f"report: {reproduction.folder / 'report.html'}")


if __name__ == "__main__":
    command.run(main)
