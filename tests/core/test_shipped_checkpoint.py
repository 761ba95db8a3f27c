"""The committed checkpoint is what its record says, and still scores what it scored."""

import hashlib
import json

import pytest
from torch.utils.data import DataLoader

from helpers.checkpoints import load_model
from helpers.evaluate import dataset_for, evaluate
from scripts.demo_checkpoint import CHECKPOINT, COMMANDS

RECORD = json.loads(CHECKPOINT.with_suffix(".json").read_text())


def test_record_and_file_agree(checkpoint):
    assert hashlib.sha256(checkpoint.read_bytes()).hexdigest() == RECORD["sha256"]
    model, info = load_model(checkpoint)
    assert RECORD["commands"] == list(COMMANDS) and RECORD["history"] == info["history"]
    assert RECORD["config"] == json.loads(json.dumps(info["config"]))
    assert len(info["history"]) == info["config"]["epochs"]
    assert (
        sum(p.numel() for p in model.parameters()) == RECORD["parameters"]
        and info["config"]["width"] <= 16
    )


def test_score_on_unseen_cities_is_as_recorded(checkpoint, city):
    model, info = load_model(checkpoint)
    frames = DataLoader(dataset_for(info, city, "val"))
    scores = evaluate(model, frames, info["label_set"]).as_dict()
    assert (
        scores["mean_iou"] == pytest.approx(RECORD["val"]["mean_iou"], abs=2e-3)
        and scores["mean_iou"] >= 0.5
    )
    assert scores["pixel_accuracy"] == pytest.approx(RECORD["val"]["pixel_accuracy"], abs=1e-3)
    assert scores["pixels"] == RECORD["val"]["pixels"]


def test_checkpoints_are_small(checkpoint):
    files = list(checkpoint.parent.iterdir())
    assert sum(f.stat().st_size for f in files) < 10_000_000
