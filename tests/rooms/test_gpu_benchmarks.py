"""The commands that measure a GPU, rehearsed on the CPU; and what they have written."""

import json
import time
from argparse import Namespace

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import gpu, preparation, recipe_a
from helpers.files import read_json
from scripts import results

# A worker that does not need torch, so that it starts at once.
WORKER = """
import os
import time


def work(plans, options, sender):
    sender.send({"card": "a card", "bf16_peak_tflops": 1.0})
    for precision, batch, mode in plans:
        row = {"precision": precision, "batch": batch, "mode": mode}
        if mode == "hangs":
            time.sleep(600)
        if mode == "crashes":
            os._exit(3)
        if mode == "fails":
            sender.send({**row, "error": "OutOfMemoryError: CUDA out of memory"})
            continue
        numbers = {"ms": 10.0, "images_per_second": 100.0 * batch, "share_of_peak": 0.25}
        sender.send({**row, **numbers, "memory_gib": 1.0})
    sender.send({"profile": []})
    sender.close()


def late(plans, options, sender):
    time.sleep(600)
"""


def options(**changes) -> Namespace:
    values = {"device": "cpu", "width": 4, "crop": 188, "steps": 1, "row_limit": 12, "profile": 1}
    return Namespace(**{**values, **changes})


@pytest.fixture
def worker(tmp_path, monkeypatch):
    (tmp_path / "worker_of_test.py").write_text(WORKER)
    monkeypatch.syspath_prepend(str(tmp_path))
    import worker_of_test

    monkeypatch.setattr(gpu, "work", worker_of_test.work)
    return worker_of_test


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without CUDA")
def test_it_refuses_without_cuda():
    with pytest.raises(SystemExit, match="PyTorch finds none here"):
        gpu.main([])


def test_a_step_of_recipe_a_is_counted():
    assert gpu.step_flops() == pytest.approx(3 * 2 * 150.97e9, rel=1e-4)


@pytest.mark.parametrize("mode", ["eager", "checkpointing"])
def test_a_row_is_measured(mode):
    row = gpu.measure(torch.device("cpu"), ("fp32", 2, mode), 1e9, options())
    assert row["ms"] > 0 and row["memory_gib"] is None
    assert row["images_per_second"] == pytest.approx(2000 / row["ms"])
    flops = gpu.step_flops(4, 188) * 2
    assert row["share_of_peak"] == pytest.approx(flops / row["ms"] * 1000 / 1e9)


def test_a_row_that_fails_says_why(monkeypatch):
    def full(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.\nmore")

    monkeypatch.setattr(gpu, "make_step", full)
    row = gpu.measure(torch.device("cpu"), ("bf16", 4, "eager"), 1.0, options())
    assert row["error"] == "OutOfMemoryError: CUDA out of memory."


def test_only_half_precision_lets_cudnn_search(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    precision = torch.get_float32_matmul_precision()
    searched = {}
    for name in ("fp32", "tf32", "bf16", "fp16"):
        gpu.make_step(torch.device("cpu"), name, 1, "eager", 4, 188)
        searched[name] = (torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32)
    torch.set_float32_matmul_precision(precision)
    assert searched == {
        "fp32": (False, False),
        "tf32": (False, True),
        "bf16": (True, True),
        "fp16": (True, True),
    }


def test_it_goes_on_after_rows_that_hang_crash_and_fail(worker, capsys):
    plans = [("bf16", 4, mode) for mode in ("eager", "hangs", "fails", "crashes", "compiled")]
    about, rows = gpu.run(plans, options(), time.monotonic() + 300)
    assert about == {"card": "a card", "bf16_peak_tflops": 1.0, "profile": []}
    assert [row["mode"] for row in rows] == [mode for _, _, mode in plans]
    errors = [row.get("error") for row in rows]
    assert errors[0] is errors[4] is None
    assert errors[1:4] == [
        "not ready after 12 seconds",
        "OutOfMemoryError: CUDA out of memory",
        "the process ended with 3",
    ]
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 5 and "400.0 images/s  25.0%, 1.00 GiB" in printed[0]


def test_it_ends_at_its_limit(worker, monkeypatch):
    plans = [("bf16", 4, "hangs"), ("bf16", 8, "eager"), ("bf16", 16, "eager")]
    about, rows = gpu.run(plans, options(row_limit=500), time.monotonic() + 10)
    assert [row["batch"] for row in rows] == [4], "what was not reached is not there"
    assert rows[0]["error"].endswith("seconds, when the time for the table was over")
    monkeypatch.setattr(gpu, "work", worker.late)
    with pytest.raises(SystemExit, match="nothing could be measured"):
        gpu.run(plans, options(row_limit=1), time.monotonic() + 300)


def row(batch: int, **values) -> dict:
    numbers = {"ms": 10.0, "images_per_second": 100.0, "share_of_peak": 0.25, "memory_gib": 2.0}
    return {"precision": "bf16", "batch": batch, "mode": "eager", **numbers, **values}


def test_a_source_replaces_its_own_rows_alone():
    failed = {"precision": "fp32", "batch": 16, "mode": "eager", "error": "too slow"}
    first = gpu.merged({}, "here", {"card": "A"}, [row(4), failed])
    both = gpu.merged(first, "there", {"card": "B"}, [row(8)])
    again = gpu.merged(both, "here", {"card": "A2"}, [row(2)])
    assert [(r["batch"], r["source"]) for r in both["rows"]] == [(4, "here"), (8, "there")]
    assert [f["error"] for f in both["failed"]] == ["too slow"]
    assert [(r["batch"], r["source"]) for r in again["rows"]] == [(8, "there"), (2, "here")]
    assert again["failed"] == [] and again["sources"]["here"] == {"card": "A2"}
    assert "| B | bf16 | 8 | eager | 10.0 | 100.0 | 25.0% | 2.00 | 3.64 |" in gpu.table(again)


def test_rows_of_another_run_are_named_as_such(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "RESULT", tmp_path / "gpu.json")
    other = {
        "card": "Big Card",
        "torch": "2.11",
        "cudnn": 91900,
        "python": "3.12",
        "measured": "one run",
        "bf16_matmul_peak_tflops": 700.0,
        "not_measured": "the rest",
        "rows": [
            {
                "batch": 4,
                "precision": "tf32",
                "ms_per_step": 20.0,
                "images_per_second": 200.0,
                "share_of_peak": 0.2,
                "peak_memory_gib": 3.0,
            }
        ],
    }
    (tmp_path / "other.json").write_text(json.dumps(other))
    result = gpu.main(["--import", str(tmp_path / "other.json")])
    assert read_json(tmp_path / "gpu.json") == result
    [imported] = result["rows"]
    assert imported["source"] == "imported from other.json" and imported["ms"] == 20.0
    assert imported["mode"] == "eager" and imported["memory_gib"] == 3.0
    about = result["sources"]["imported from other.json"]
    assert about["card"] == "Big Card" and about["bf16_peak_tflops"] == 700.0
    assert str(tmp_path) not in (tmp_path / "gpu.json").read_text()

    # And what this command has measured elsewhere, in a clone that had the imported rows already.
    about = {"card": "Another Card", "bf16_peak_tflops": 100.0}
    failed = {"precision": "fp32", "batch": 16, "mode": "eager", "error": "not ready"}
    elsewhere = gpu.merged(result, gpu.COMMAND, about, [row(8), failed])
    (tmp_path / "elsewhere.json").write_text(json.dumps(elsewhere))
    result = gpu.main(["--import", str(tmp_path / "elsewhere.json")])
    sources = [found["source"] for found in result["rows"]]
    assert sources == ["imported from other.json", "imported from elsewhere.json"]
    assert result["rows"][1]["batch"] == 8
    assert result["sources"]["imported from elsewhere.json"] == about
    assert [found["error"] for found in result["failed"]] == ["not ready"]
    with pytest.raises(SystemExit, match="nothing in it was measured by"):
        gpu.main(["--import", str(tmp_path / "gpu.json")])


def test_a_rehearsal_is_not_written(worker, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "RESULT", tmp_path / "gpu.json")
    result = gpu.main(["--device", "cpu", "--rows", "2"])
    assert len(result["rows"]) == 2 and not (tmp_path / "gpu.json").exists()


def test_the_stored_table_says_where_every_row_is_from():
    result = read_json(gpu.RESULT)
    assert result["rows"]
    for found in result["rows"]:
        about = result["sources"][found["source"]]
        assert about["card"] and about["torch"] and about["bf16_peak_tflops"] > 0
        assert found["images_per_second"] == pytest.approx(
            1000 * found["batch"] / found["ms"], rel=0.01
        )
        flops = gpu.step_flops() * found["images_per_second"]
        share = flops / about["bf16_peak_tflops"] / 1e12
        assert found["share_of_peak"] == pytest.approx(share, rel=0.02)


def test_the_parts_that_are_not_rows():
    device = torch.device("cpu")
    assert gpu.loading(device) > 0
    kernels = gpu.profile(device, options(), steps=1)
    assert 0 < sum(kernel["share"] for kernel in kernels) <= 1.001
    assert kernels[0]["share"] >= kernels[-1]["share"]


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    random = np.random.default_rng(0)
    for split in ("train", "val"):
        for number in range(3):
            name = f"{split}/town/town_{number:06d}_000019"
            for kind, end, shape in (
                ("leftImg8bit", "leftImg8bit", (64, 96, 3)),
                ("gtFine", "gtFine_labelIds", (64, 96)),
            ):
                path = tmp_path / "city" / kind / f"{name}_{end}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(random.integers(7, 30, shape).astype(np.uint8)).save(path)
    return tmp_path / "city"


def test_recipe_a_with_a_clock(root, monkeypatch, tmp_path):
    monkeypatch.setattr(recipe_a, "RESULT", tmp_path / "recipe_a.json")
    small = ["--width=4", "--depth=2", "--padding=same", "--size=32", "--batch-size=2"]
    small.append("--epochs=2")
    result = recipe_a.main(["--root", str(root), *small])
    [(source, found)] = result["runs"].items()
    assert source.startswith("python -m benchmarks.recipe_a --root")
    assert [len(found["seconds"][part]) for part in ("train", "val", "save")] == [2, 2, 2]
    assert len(found["history"]) == len(found["minutes"]) == 2
    assert found["frames"] == {"train": 3, "val": 3} and found["config"]["root"] == "city"
    assert found["data"] == "city"
    assert found["minutes"] == sorted(found["minutes"])
    assert read_json(tmp_path / "recipe_a.json") == json.loads(json.dumps(result))
    assert (tmp_path / "runs" / "recipe" / "last.pt").is_file()

    # The page of all results takes it, beside the run that is stored.
    stored = read_json(results.ROOT / "benchmarks" / "results" / "recipe_a.json")
    both = {"runs": {**stored["runs"], source: found}}
    read = results.read
    monkeypatch.setattr(results, "read", lambda name: both if name == "recipe_a" else read(name))
    assert f"| {found['card']} | city | 3 | 2 |" in results.gpu()

    # And it can be brought home.
    (tmp_path / "recipe_a.json").rename(tmp_path / "elsewhere.json")
    home = recipe_a.main(["--import", str(tmp_path / "elsewhere.json")])["runs"]
    assert home == {f"imported from elsewhere.json: {source}": json.loads(json.dumps(found))}


def test_the_stored_run_of_recipe_a():
    runs = read_json(recipe_a.RESULT)["runs"]
    for found in runs.values():
        epochs = len(found["history"])
        assert all(len(found["seconds"][part]) == epochs for part in ("train", "val", "save"))
        seconds = sum(sum(parts) for parts in found["seconds"].values())
        assert found["minutes"][-1] == pytest.approx(seconds / 60, abs=0.001)
        assert found["card"] and found["data"]
    assert "not Cityscapes" in runs["imported from recipe_sample_city.json"]["data"]


def test_what_chapter_07_says_of_the_first_card_was_measured():
    """ "three and a half and six times as fast", "wastes more than half of the card", and the run
    that "was stopped after 24 of the 30 epochs" with a fall "around the third minute".
    """
    stored = read_json(gpu.RESULT)
    first = next(iter(stored["sources"]))
    rates = {}
    for found in stored["rows"]:
        if found["source"] == first and found["mode"] == "eager":
            rates[found["precision"], found["batch"]] = found["images_per_second"]
    assert rates["tf32", 4] / rates["fp32", 4] == pytest.approx(3.5, abs=0.1)
    assert rates["bf16", 4] / rates["fp32", 4] == pytest.approx(6, abs=0.1)
    assert rates["bf16", 1] < max(rates.values()) / 2

    run = next(iter(read_json(recipe_a.RESULT)["runs"].values()))
    scores = [epoch["val_mean_iou"] for epoch in run["history"]]
    falls = [number for number in range(1, 24) if scores[number] < scores[number - 1] - 0.05]
    assert len(scores) == 24 and run["config"]["epochs"] == 30
    assert len(falls) == 1 and 2.5 < run["minutes"][falls[0]] < 3.5
    assert scores[falls[0] + 1] > scores[falls[0] - 1]


def test_preparation_is_compared_bit_by_bit(root, monkeypatch):
    result = preparation.main(["--root", str(root), "--frames", "3", "--rounds", "1", "--no-write"])
    assert set(result["tasks"]) == {"statistics", "cache", "machine"}
    assert all(task["ratio"] > 0 for task in result["tasks"].values())

    crops = preparation.crops

    def wrong(rows, root, folder, workers):
        cache = crops(rows, root, folder, workers)
        if workers == preparation.count_cores():
            cache.images = cache.images + 1
        return cache

    monkeypatch.setattr(preparation, "crops", wrong)
    monkeypatch.setattr(preparation, "count_cores", lambda: 2)
    with pytest.raises(SystemExit, match="do not give the same"):
        preparation.main(["--root", str(root), "--frames", "3", "--rounds", "1", "--no-write"])
