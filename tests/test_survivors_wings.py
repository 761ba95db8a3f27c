"""What a sample of planted faults showed to be untested in the wings (scripts/mutants.py)."""

import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from extras.benchmark_server.submission import _problems
from extras.experiments.instrument import PAINTS
from extras.explorers.layers import SizeExplorer
from extras.real_data.own_data import find_pairs
from extras.reproduction import tables
from extras.training_tools import costs, distributed
from helpers import evaluate as evaluation
from helpers import training
from sample_city import vehicles, write
from sample_city.camera import Camera, Random


def test_hours_on_the_cards_of_the_table():
    """Peaks from the data sheets; an hour of work at full peak takes 1 / 0.35 hours at the share
    that is assumed.
    """
    assert costs.GPUS == {
        "T4": (65, 16),
        "RTX 3090": (71, 24),
        "L4": (121, 24),
        "A100": (312, 80),
        "H100": (989, 80),
    }
    for peak, _ in costs.GPUS.values():
        assert costs.Cost(peak * 1e12 * 3600, 0, 0).hours(1, peak) == pytest.approx(1 / 0.35)


def test_size_explorer_says_what_comes_out():
    explorer = SizeExplorer()
    explorer.size.value, explorer.depth.value, explorer.padding.value = 572, 4, "valid"
    assert explorer.summary() == "572 -> 388 at depth 4, valid padding: legal"


def test_paints_are_colors():
    for color in filter(None, PAINTS.values()):
        assert np.array_equal(np.array(color).astype(np.uint8), color)


def test_eight_pictures_without_a_mask_are_named(tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "images").mkdir()
    for number in range(10):
        Image.new("RGB", (4, 4)).save(tmp_path / "images" / f"p{number}.png")
    with pytest.raises(
        ValueError, match="10 of 10 pictures have no mask: p0.png, .*p7.png .* has 0 masks"
    ):
        find_pairs(tmp_path / "images", tmp_path / "masks")


def test_summary_of_stored_counts():
    """Two classes and three frames, counted by hand; batches of two frames, the last one alone."""
    counts = [
        np.array([[3, 1, 0], [0, 2, 0], [9, 9, 0]]),
        np.array([[1, 0, 1], [0, 0, 0], [0, 0, 0]]),
        np.array([[0, 0, 0], [2, 2, 0], [0, 0, 0]]),
    ]
    found = tables.summary(counts, [(6.0, 6), (2.0, 2), (8.0, 4)], ("a", "b"), batch_size=2)
    assert found["pixels"] == 12 and found["frames"] == 3 and found["pixel_accuracy"] == 8 / 12
    assert found["iou"] == {"a": 4 / 8, "b": 4 / 7} and found["mean_iou"] == pytest.approx(
        (4 / 8 + 4 / 7) / 2
    )
    assert found["loss_per_pixel"] == 16 / 12 and found["loss_per_batch"] == (8 / 8 + 8 / 4) / 2


def test_the_last_label_id_may_be_submitted():
    for label_id, problems in ((33, []), (34, ["ids [34] are no label ids (0 to 33)"])):
        file = io.BytesIO()
        Image.fromarray(np.full((2, 3), label_id, np.uint8)).save(file, "png")
        assert _problems(file.getvalue(), (3, 2), ignored_ids=False) == problems


@pytest.mark.parametrize(
    ("error", "raised", "words"),
    [
        (RuntimeError("sizes do not match"), RuntimeError, "sizes do not match"),
        (
            RuntimeError("gloo: connection closed by peer"),
            SystemExit,
            "process 0: lost the connection to another process",
        ),
        (
            distributed.dist.DistError("timed out"),
            SystemExit,
            "process 0: lost the connection to another process",
        ),
    ],
)
def test_a_lost_process_is_told_from_an_error_of_ones_own(monkeypatch, error, raised, words):
    def main(*arguments):
        raise error

    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    monkeypatch.setattr(distributed.dist, "init_process_group", lambda *arguments, **options: None)
    monkeypatch.setattr(training, "main", main)
    with pytest.raises(raised, match=words):
        distributed.main([])


def test_the_city_is_built_from_the_command_line():
    said = subprocess.run(
        [sys.executable, "-m", "sample_city", "--help"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
        check=True,
    ).stdout
    assert "\nBuild a sample city\n" in said and "--train TRAIN" in said


def test_above_the_horizon_the_ground_is_infinitely_far():
    camera = Camera()
    assert camera.depth_of_row(camera.horizon + 10) == pytest.approx(
        camera.focal * camera.height / 10
    )
    assert (camera.depth_of_row(camera.horizon - np.array([0.0, 0.5, 100.0])) > 1e6).all()


def test_scores_are_printed_by_class_and_then_together(monkeypatch, capsys):
    scores = SimpleNamespace(
        as_dict=lambda: {"frames": 2, "mean_iou": 0.25, "iou": {"road": 0.5, "sky": None}}
    )
    monkeypatch.setattr(evaluation, "load_model", lambda *arguments: (None, {"label_set": None}))
    monkeypatch.setattr(evaluation, "dataset_for", lambda *arguments: None)
    monkeypatch.setattr(
        evaluation, "evaluate", lambda *arguments, progress: scores if progress else None
    )
    evaluation.main(["--checkpoint", "c.pt"])
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["road", "0.5000"],
        ["sky", "absent"],
        ["frames", "2"],
        ["mean_iou", "0.2500"],
    ]


def test_wheels_of_buses_and_trucks_are_larger_than_those_of_trams():
    radii = {
        make.__name__: make(Random(3), x=0.0, z=20.0).wheel_radius
        for make in (vehicles.bus, vehicles.truck, vehicles.tram)
    }
    assert radii == {"bus": 0.48, "truck": 0.48, "tram": 0.3}


def test_a_finished_frame_is_not_drawn_again(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        write,
        "render",
        lambda scene: (
            drawn.append(scene.seed) or (np.zeros((write.HEIGHT, write.WIDTH, 3), np.uint8), [])
        ),
    )
    for _ in range(2):
        write.write_frame(tmp_path, "train", 0, 1)
    assert len(drawn) == 1 and len(list(tmp_path.rglob("*_leftImg8bit.png"))) == 1
