"""The sample city: its frozen version, its labels against the official tools, its files, and scenes
as instruments.
"""

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from math import pi
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from extras.benchmark_server.official import old_numpy_names, old_pillow_modes, run_tool
from helpers.labels import LABELS, TRAIN_19
from helpers.paths import sample_city_dir
from sample_city import __main__ as city_command
from sample_city import build, make_scene, objects, paint_labels, people, render, vehicles, write
from sample_city.camera import Camera, Random
from sample_city.write import CITIES, WITHHELD, frame_plan
from scripts.city_pictures import SHEET, STREET, street_files
from scripts.pinned import ROOT

KINDS = (
    "gtFine_polygons.json",
    "gtFine_labelIds.png",
    "gtFine_instanceIds.png",
    "gtFine_color.png",
)


def files(root, split: str) -> list[dict[str, Path]]:
    """The files of every frame of a split, by kind."""
    found = []
    for image in sorted((Path(root) / "leftImg8bit" / split).glob("*/*_leftImg8bit.png")):
        stem = image.name.removesuffix("leftImg8bit.png")
        folder = Path(root) / "gtFine" / split / image.parent.name
        found.append({"image": image, **{kind: folder / f"{stem}{kind}" for kind in KINDS}})
    return found


def pixels(path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.fixture(scope="module")
def scene():
    """A dry scene with a car and a person of its own, the car's number the last but one, the
    person's the last.
    """
    scene = make_scene(frame_plan("val", 8, 1)[2], "crowd")
    scene = replace(scene, weather=replace(scene.weather, rain=0.0, wet=0.0))
    return scene.added(vehicles.car(Random(5), x=0.8, z=13.0)).added(
        people.person(Random(3), x=-2.0, z=10.0, seed=3)
    )


@pytest.fixture(scope="module")
def drawn(scene):
    return render(scene)


# Version 1 is frozen

# (split, number): sha256 of the polygons and of the label ids; mean colors in 4 x 2 blocks
FROZEN = {
    ("train", 3): (
        "f613474def0585d158634c0d16490899f0b7857fe46a89a2e847b08144e85292",
        "02744ebf69129eb1e5624d3f62727765ba94eb4221e446b2a9bed910a87d023d",
        [
            [56, 62, 49],
            [103, 112, 95],
            [107, 110, 96],
            [63, 64, 52],
            [61, 68, 57],
            [77, 84, 72],
            [66, 68, 60],
            [64, 68, 58],
        ],
    ),
    ("val", 8): (
        "d85fc22a6f0815a60b9a88016c739d43d4e98659497ccb318063811383f0325f",
        "149cb1b5301c5c49a67919ae9af0861b7a100ab3ba2cc28a321573c6174a41d6",
        [
            [78, 88, 69],
            [106, 122, 103],
            [77, 89, 72],
            [63, 67, 51],
            [66, 73, 66],
            [75, 82, 73],
            [69, 76, 70],
            [65, 71, 62],
        ],
    ),
}


@pytest.mark.parametrize("split, index", FROZEN)
def test_version_1_is_frozen(split, index):
    _, _, seed, theme = frame_plan(split, index, 1)
    image, polygons = render(make_scene(seed, theme))
    labels = paint_labels(polygons)["labelIds"]
    expected_polygons, expected_labels, colors = FROZEN[split, index]
    assert hashlib.sha256(json.dumps(polygons).encode()).hexdigest() == expected_polygons
    assert hashlib.sha256(np.asarray(labels).tobytes()).hexdigest() == expected_labels
    means = image.reshape(2, 512, 4, 512, 3).mean((1, 3)).reshape(-1, 3)
    # Gray levels; the pixels may differ in the last bit between machines
    assert np.abs(means - colors).max() <= 2


def test_the_street_is_what_the_generator_makes():
    made = street_files()
    stored = {path.name: path.read_bytes() for path in STREET.iterdir()}
    assert set(stored) == set(made)
    assert sum(map(len, stored.values())) <= 3_000_000
    assert json.loads(stored["polygons.json"]) == json.loads(made["polygons.json"])
    for name in ("labelIds.png", "color.png", "instanceIds.png"):
        assert np.array_equal(pixels(io.BytesIO(stored[name])), pixels(io.BytesIO(made[name])))
    # The light may differ in the last bit from machine to machine.
    old = pixels(io.BytesIO(stored["frame.webp"])).astype(int)
    new = pixels(io.BytesIO(made["frame.webp"]))
    assert np.abs(old - new).mean() < 0.5


def test_the_contact_sheet():
    assert SHEET.stat().st_size < 700_000
    with Image.open(SHEET) as sheet:
        assert sheet.size == (1600, 1200)


# The labels of the city


@pytest.mark.parametrize("number", (0, 7, 13))
def test_polygons_ids_instances_and_colors_agree(city, number):
    paths = files(city, "val")[number]
    document = json.loads(paths["gtFine_polygons.json"].read_text())
    assert (document["imgHeight"], document["imgWidth"]) == (1024, 2048)
    painted = paint_labels(document["objects"])
    ids, instances, color = (
        pixels(paths[f"gtFine_{kind}.png"]) for kind in ("labelIds", "instanceIds", "color")
    )
    for kind, stored in (("labelIds", ids), ("instanceIds", instances), ("color", color)):
        assert np.array_equal(np.asarray(painted[kind]), stored), kind
    assert (ids.dtype, instances.dtype, color.shape) == (np.uint8, np.uint16, (1024, 2048, 4))
    single = np.isin(ids, [label.id for label in LABELS if not label.has_instances])
    assert np.array_equal(instances[single], ids[single].astype(np.uint16))
    assert np.array_equal(instances[~single] // 1000, ids[~single])
    table = np.zeros((256, 4), np.uint8)
    for label in LABELS:
        if label.id >= 0:
            table[label.id] = (*label.color, 255)
    assert np.array_equal(table[ids], color)


def test_the_official_tools_paint_the_same(city, tmp_path):
    pytest.importorskip("cityscapesscripts")
    for paths in files(city, "val")[3:5]:
        folder = tmp_path / "gtFine" / "val" / paths["image"].parent.name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(paths["gtFine_polygons.json"], folder)
    for tool in ("csCreateTrainIdLabelImgs", "csCreateTrainIdInstanceImgs"):
        run_tool(tool, CITYSCAPES_DATASET=tmp_path)
    for paths in files(city, "val")[3:5]:
        ids = pixels(paths["gtFine_labelIds.png"])
        instances = pixels(paths["gtFine_instanceIds.png"])
        folder = tmp_path / "gtFine" / "val" / paths["image"].parent.name
        stem = paths["gtFine_polygons.json"].name
        train = TRAIN_19.encode(ids)
        assert np.array_equal(
            pixels(folder / stem.replace("polygons.json", "labelTrainIds.png")), train
        )
        made = pixels(folder / stem.replace("polygons.json", "instanceTrainIds.png"))
        expected = np.where(instances >= 1000, train.astype(int) * 1000 + instances % 1000, train)
        assert np.array_equal(made[train != 255], expected[train != 255])
        for tool, kind in ((json2labelImg, "labelIds"), (json2instanceImg, "instanceIds")):
            with old_pillow_modes():
                tool()(str(paths["gtFine_polygons.json"]), str(tmp_path / "made.png"), "ids")
            assert np.array_equal(
                pixels(tmp_path / "made.png"), pixels(paths[f"gtFine_{kind}.png"])
            ), kind


def json2labelImg():
    from cityscapesscripts.preparation.json2labelImg import json2labelImg

    return json2labelImg


def json2instanceImg():
    from cityscapesscripts.preparation.json2instanceImg import json2instanceImg

    return json2instanceImg


def test_the_official_evaluation_with_instance_scores(city, tmp_path):
    evaluation = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    truth = files(city, "val")[9]
    folder = tmp_path / "gtFine" / "val" / "city"
    folder.mkdir(parents=True)
    for kind in ("gtFine_labelIds.png", "gtFine_instanceIds.png"):
        shutil.copy(truth[kind], folder)
    args = evaluation.args
    args.evalInstLevelScore = True
    args.JSONOutput = False
    args.quiet = True
    args.evalPixelAccuracy = False
    with old_numpy_names():
        args.groundTruthSearch = str(folder / "*_labelIds.png")
        label = str(folder / truth["gtFine_labelIds.png"].name)
        # The truth as prediction: all 1
        scores = evaluation.evaluateImgLists([label], [label], args)
    assert scores["averageScoreClasses"] == 1.0 and scores["averageScoreInstClasses"] == 1.0
    assert not np.isnan(scores["classInstScores"]["car"])


def test_torchvision_loads_every_target(city):
    datasets = pytest.importorskip("torchvision.datasets")
    city = datasets.Cityscapes(
        str(city),
        split="val",
        mode="fine",
        target_type=["instance", "semantic", "color", "polygon"],
    )
    assert len(city) == 20
    image, (instance, semantic, color, polygon) = city[2]
    assert image.mode == "RGB" and image.size == semantic.size == instance.size == color.size == (
        2048,
        1024,
    )
    assert set(polygon) == {"imgHeight", "imgWidth", "objects"}
    instance, semantic = np.asarray(instance), np.asarray(semantic)
    assert np.array_equal(instance[instance < 1000], semantic[instance < 1000])


def test_every_class_can_be_learned_and_void_occurs(city):
    seen, frames = set(), {}
    for split in ("train", "val"):
        counts = []
        for paths in files(city, split):
            small = pixels(paths["gtFine_labelIds.png"])[::4, ::4]
            seen |= set(np.unique(small).tolist())
            counts.append(np.bincount(TRAIN_19.encode(small).ravel(), minlength=256)[:19])
        frames[split] = (np.array(counts) >= 2000).sum(0)
    assert min(frames["train"].min(), frames["val"].min()) >= 2, frames
    void = {label.id for label in LABELS if label.ignore_in_eval and label.id >= 0}
    assert {1, 2, 3} <= seen and len(seen & void) >= 10, seen


def test_splits_share_no_city_and_no_frame_is_twice(city):
    cities = [set(names) for names in CITIES.values()]
    assert len(set.union(*cities)) == sum(map(len, cities))
    for split in CITIES:
        assert {p["image"].parent.name for p in files(city, split)} <= set(CITIES[split])
    seeds = {frame_plan(split, i, 1)[2] for split in CITIES for i in range(3000)}
    assert len(seeds) == 9000
    images = {
        hashlib.sha256(p["image"].read_bytes()).digest()
        for split in CITIES
        for p in files(city, split)
    }
    assert len(images) == 64


def test_test_labels_are_withheld(city, tmp_path, monkeypatch):
    drawn = json.loads(files(city, "val")[0]["gtFine_polygons.json"].read_text())["objects"]
    monkeypatch.setattr(write, "render", lambda scene: (np.zeros((1024, 2048, 3), np.uint8), drawn))
    write.write_frame(tmp_path, "test", 0, 1)
    allowed = {label.id for label in LABELS if label.name in WITHHELD} | {0}
    for paths in files(city, "test") + files(tmp_path, "test"):
        assert set(np.unique(pixels(paths["gtFine_labelIds.png"])).tolist()) <= allowed
        names = {
            o["label"] for o in json.loads(paths["gtFine_polygons.json"].read_text())["objects"]
        }
        assert names <= set(WITHHELD) and "ego vehicle" in names


# Building


def start(root, *options, before="") -> subprocess.Popen:
    """`python -m sample_city` as a process of its own, with only two train frames."""
    build_two = f"build({str(root)!r}, 2, 0, 0, workers=1, progress=False)"
    code = f"{before}\nfrom sample_city import build\n{build_two}"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def whole(root) -> list[Path]:
    """Every file under a final name, each of them readable to the end."""
    found = [
        path for path in Path(root).rglob("*") if path.is_file() and not path.name.startswith(".")
    ]
    for path in found:
        if path.suffix == ".png":
            pixels(path)
        else:
            json.loads(path.read_text())
    return found


def test_killed_and_completed_and_two_at_once(city, tmp_path):
    first = start(tmp_path / "a")
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "a").rglob("[!.]*.png"))) < 4 and time.monotonic() < deadline:
        whole(tmp_path / "a")  # what has its final name is whole at every moment
    time.sleep(0.1)
    # At work on the second frame
    first.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    first.wait()
    first.stderr.close()
    assert 6 <= len(whole(tmp_path / "a")) < 11
    # Both complete it, neither harms the other
    both = [
        start(tmp_path / "a"),
        start(tmp_path / "a"),
    ]
    for process in both:
        assert process.communicate()[1] == "" and process.returncode == 0
    assert len(whole(tmp_path / "a")) == 11
    build(tmp_path / "undisturbed", 2, 0, 0, workers=1, progress=False)
    for path in whole(tmp_path / "undisturbed"):
        assert (
            tmp_path / "a" / path.relative_to(tmp_path / "undisturbed")
        ).read_bytes() == path.read_bytes()
    frame = files(tmp_path / "a", "train")[0]
    same = files(city, "train")[0]
    apart = pixels(frame["image"]).astype(int) - pixels(same["image"])
    # The tests' city may have been built with other versions of numpy
    assert np.abs(apart).mean() < 0.5


@pytest.mark.skipif(os.name != "posix", reason="limits a file's size to play a full disk")
def test_a_full_disk_leaves_nothing_under_a_final_name(tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))"
    error = start(tmp_path, before=limit).communicate()[1]
    assert "OSError" in error and "could not write" in error and "_leftImg8bit.png" in error
    assert not list(tmp_path.rglob("*_leftImg8bit.png")) and not list(tmp_path.rglob(".*.tmp"))
    whole(tmp_path)


def test_another_version_or_seed_is_refused(tmp_path):
    build(tmp_path, 0, 0, 0, progress=False)
    with pytest.raises(ValueError, match="choose another folder"):
        build(tmp_path, 0, 0, 0, seed=2, progress=False)


def test_a_whole_city_may_lie_where_nobody_may_write(tmp_path, monkeypatch):
    build(tmp_path, 0, 0, 0, progress=False)

    def refused(path, text):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(write, "write_text", refused)
    assert build(tmp_path, 0, 0, 0, progress=False) == tmp_path


# Scenes as instruments


def difference(before, after) -> list:
    """Polygons of one frame that the other does not have."""
    keys = [[json.dumps(p) for p in polygons] for polygons in (before, after)]
    return [sorted(set(keys[0]) - set(keys[1])), sorted(set(keys[1]) - set(keys[0]))]


def test_a_person_moves_and_nothing_else(scene, drawn):
    number = len(scene.objects) - 1
    image, polygons = render(scene.changed(number, z=80.0))
    gone, come = difference(drawn[1], polygons)
    assert len(gone) == len(come) == 1 and '"person"' in gone[0] and '"person"' in come[0]
    heights = [np.ptp([p[1] for p in json.loads(item)["polygon"]]) for item in (gone[0], come[0])]
    assert 6 < heights[0] / heights[1] < 10  # 80 m is eight times 10 m
    changed = (image != drawn[0]).any(-1)
    assert 0 < changed.mean() < 0.05  # the two places and the two shadows
    other = replace(scene.objects[number], z=80.0)
    assert (
        scene.objects[:number] == scene.changed(number, z=80.0).objects[:number] and other.z == 80.0
    )


def test_what_hangs_above_the_street_stands_on_nothing():
    box = objects.Slab(x=2.0, z=20.0, width=0.6)
    assert box.footprint() == [(1.7, 19.7), (2.3, 19.7), (2.3, 20.3), (1.7, 20.3)]
    assert replace(box, low=4.5, high=6.0).footprint() is None


def test_light_and_rain_leave_the_labels_alone(scene, drawn):
    night = replace(
        scene, sun=replace(scene.sun, strength=0.0), weather=replace(scene.weather, exposure=0.3)
    )
    rain = replace(scene, weather=replace(scene.weather, rain=0.8, wet=1.0, visibility=120.0))
    for changed in (night, rain):
        image, polygons = render(changed)
        assert polygons == drawn[1] and np.abs(image.astype(int) - drawn[0]).mean() > 3
    assert render(night)[0].mean() < 0.7 * drawn[0].mean()


def test_a_color_never_seen_changes_the_car_alone(scene, drawn):
    number = len(scene.objects) - 2
    image, polygons = render(scene.changed(number, color=(255, 0, 255)))
    assert polygons == drawn[1]
    ids = np.asarray(paint_labels(polygons)["labelIds"])
    changed = (np.abs(image.astype(int) - drawn[0]) > 12).any(-1)
    assert changed.any() and (ids[changed] == 26).mean() > 0.97  # the lens blurs the edge


def test_half_a_car_is_hidden(scene, drawn):
    number = len(scene.objects) - 2
    car = scene.objects[number]
    wall = objects.Slab(x=car.x + 1.0, z=car.distance() - 1.0, label="static", width=2.0, high=2.5)
    before, after = (
        np.asarray(paint_labels(p)["instanceIds"]) for p in (drawn[1], render(scene.added(wall))[1])
    )
    u, v = scene.camera.project((car.x - 0.4, 0.7, car.distance()))
    instance = before[int(v), int(u)]
    assert (
        instance // 1000 == 26
        and 0.2 < (after == instance).sum() / (before == instance).sum() < 0.8
    )


def test_a_car_turns_round_and_keeps_its_place(scene):
    number = scene.find("car")[0]
    turned = scene.changed(number, heading=scene.objects[number].heading + pi)
    a, b = (
        {(round(x, 6), round(z, 6)) for x, z in s.objects[number].footprint()}
        for s in (scene, turned)
    )
    assert a == b


def test_the_city_is_built_from_the_command_line():
    said = subprocess.run(
        [sys.executable, "-m", "sample_city", "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    ).stdout
    assert "\nBuild a sample city\n" in said and "--train TRAIN" in said


def test_above_the_horizon_the_ground_is_infinitely_far():
    camera = Camera()
    assert camera.depth_of_row(camera.horizon + 10) == pytest.approx(
        camera.focal * camera.height / 10
    )
    assert (camera.depth_of_row(camera.horizon - np.array([0.0, 0.5, 100.0])) > 1e6).all()


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


def test_without_options_everybody_gets_the_same_city(monkeypatch, tmp_path, capsys):
    asked = []

    def made(**options):
        asked.append(options)
        return tmp_path

    monkeypatch.setattr(city_command, "build", made)
    monkeypatch.setattr("sys.argv", ["sample_city"])
    city_command.main()
    sizes = {"train": None, "val": None, "test": None, "workers": None}
    assert asked == [{"root": sample_city_dir(), "seed": 1, **sizes}]
    assert str(tmp_path) in capsys.readouterr().out
