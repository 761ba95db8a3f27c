"""A whole data set in Cityscapes' layout, written frame by frame; an interrupted build is completed
by the next.
"""

import json
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread

import numpy as np
from PIL import Image, ImageDraw
from tqdm.auto import tqdm

from helpers.files import read_json, write_image, write_text
from helpers.images import BROKEN, checked_picture
from helpers.labels import LABELS
from helpers.paths import check_root, find_root, sample_city_dir
from helpers.sizes import require
from sample_city.camera import HEIGHT, WIDTH
from sample_city.render import render
from sample_city.scene import THEMES, make_scene

VERSION = 1
CITIES = {
    "train": ("ahornstadt", "birkenau", "dornfeld", "eibenburg", "fliederheim", "ginsterhafen"),
    "val": ("kastanienbad", "lindenwalde", "mispelkirch"),
    "test": ("ulmenstein", "weidenbruck"),
}
FRAMES = {"train": 40, "val": 20, "test": 4}  # where nobody asks for other numbers
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_BY_NAME = {label.name: label for label in LABELS}
# All that Cityscapes gives away of its test labels
WITHHELD = (
    "ego vehicle",
    "rectification border",
    "out of roi",
)


def paint_labels(polygons) -> dict[str, Image.Image]:
    """labelIds (mode L), instanceIds (I;16), color (RGBA), painted back to front as
    cityscapesScripts paints them.
    """
    pictures = {
        "labelIds": Image.new("L", (WIDTH, HEIGHT)),
        "instanceIds": Image.new("I", (WIDTH, HEIGHT)),
        "color": Image.new("RGBA", (WIDTH, HEIGHT), (0, 0, 0, 255)),
    }
    draws = {name: ImageDraw.Draw(picture) for name, picture in pictures.items()}
    count: dict[str, int] = {}
    for item in polygons:
        label = _BY_NAME[item["label"]]
        if label.id < 0:
            continue  # a license plate keeps the id beneath it
        points, instance = [tuple(p) for p in item["polygon"]], label.id
        if label.has_instances:
            number = count.get(label.name, 0)
            count[label.name] = number + 1
            instance = label.id * 1000 + number
        draws["labelIds"].polygon(points, fill=label.id)
        draws["instanceIds"].polygon(points, fill=instance)
        draws["color"].polygon(points, fill=label.color)
    pictures["instanceIds"] = Image.fromarray(np.asarray(pictures["instanceIds"]).astype(np.uint16))
    return pictures


def frame_plan(split: str, index: int, seed: int) -> tuple[str, str, int, str]:
    """(city, file stem, seed of the scene, theme) of frame `index` of a split."""
    cities = CITIES[split]
    city = cities[index % len(cities)]
    stem = f"{city}_{index // len(cities):06d}_000019"
    offset = {"train": 0, "val": 1_000_000, "test": 2_000_000}[split]
    return city, stem, seed * 10_000_000 + offset + index, THEMES[index % len(THEMES)]


def frame_paths(root, split: str, index: int, seed: int) -> dict[str, Path]:
    """The five files of a frame, by what they hold; the image comes last."""
    city, stem, _, _ = frame_plan(split, index, seed)
    labels = Path(root) / "gtFine" / split / city
    paths = {"polygons": labels / f"{stem}_gtFine_polygons.json"}
    for kind in ("labelIds", "instanceIds", "color"):
        paths[kind] = labels / f"{stem}_gtFine_{kind}.png"
    paths["image"] = Path(root) / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png"
    return paths


def write_frame(root, split: str, index: int, seed: int) -> None:
    """Render one frame and write its five files, the image last; a whole frame is left alone."""
    if is_done(root, split, index, seed):
        return
    _, _, scene_seed, theme = frame_plan(split, index, seed)
    paths = frame_paths(root, split, index, seed)
    image, polygons = render(make_scene(scene_seed, theme))
    if split == "test":
        polygons = [p for p in polygons if p["label"] in WITHHELD]
    document = {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": polygons}
    write_text(paths["polygons"], json.dumps(document))
    pictures = paint_labels(polygons)
    pictures["image"] = image
    for kind, picture in pictures.items():
        write_image(paths[kind], picture, compress_level=1)


def is_done(root, split: str, index: int, seed: int, verify: bool = True) -> bool:
    """Whether all five files of a frame are there and whole.

    `verify` compares the checksums of the PNGs; else a look at their ends has to do.
    """
    paths = frame_paths(root, split, index, seed)
    try:
        json.loads(paths.pop("polygons").read_bytes())
        for path in paths.values():
            if verify:
                with checked_picture(path) as picture:
                    whole = picture.size == (WIDTH, HEIGHT)
            else:
                with open(path, "rb") as file:
                    file.seek(-len(PNG_END), os.SEEK_END)
                    whole = file.read() == PNG_END
            if not whole:
                return False
    except BROKEN:
        return False
    return True


def _job(arguments) -> None:
    write_frame(*arguments)


def _end_with_parent() -> None:
    """In a worker: end when the process that started it is gone, even if it was killed."""

    def watch():
        wait([parent_process().sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def build(
    root,
    train: int | None = None,
    val: int | None = None,
    test: int | None = None,
    seed: int = 1,
    workers: int | None = None,
    progress: bool = True,
    verify: bool = True,
) -> Path:
    """Write a sample city to `root` and return it. Frames that are whole are kept, so it can be
    interrupted; those that are damaged or lack a file are written again.

    A number of frames that is not given is the one with which the city was begun; for a new one
    40 in train, 20 in val and 4 in test. Without `verify` damage inside a file is not looked for,
    which takes seconds.

    Raises ValueError for numbers that make no sense and if `root` holds a city of another version
    or seed, OSError (naming the file) if the disk is full or the folder is not writable.
    """
    wanted = {"train": train, "val": val, "test": test}
    require(0, 1e6, **wanted, seed=seed)
    require(1, 1e6, workers=workers)
    root, marker = Path(root), Path(root) / "sample_city.json"
    plan = {"version": VERSION, "seed": seed}
    begun = read_json(marker) if marker.is_file() else None
    if begun is not None and {key: begun.get(key) for key in plan} != plan:
        raise ValueError(
            f"{root} holds a sample city made with {marker.read_text()}, wanted "
            f"{json.dumps(plan)}; choose another folder or remove this one"
        )
    known = begun.get("frames", {}) if begun is not None else {}
    counts = {**FRAMES, **known}
    for split, count in wanted.items():
        if count is not None:
            counts[split] = max(count, known.get(split, 0))  # a city can grow
    # A whole city may lie where nobody may write.
    if begun is None or counts != {**FRAMES, **known}:
        write_text(marker, json.dumps({**plan, "frames": counts}))
    jobs = [
        (root, split, index, seed)
        for split, count in counts.items()
        for index in range(count)
        if not is_done(root, split, index, seed, verify)
    ]
    workers = min(workers or os.cpu_count() or 1, max(1, len(jobs)))
    bar = tqdm(total=len(jobs), desc="sample city", disable=not progress or not jobs)
    if workers == 1:
        for job in jobs:
            _job(job)
            bar.update()
    else:
        with ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=_end_with_parent
        ) as pool:
            for _ in pool.map(_job, jobs):
                bar.update()
    bar.close()
    return root


def ensure_root(root=None) -> Path:
    """The dataset root (paths.find_root); if that is the sample city, it is built first, or
    completed. Any other is checked: FileNotFoundError with what is missing (paths.check_root).
    """
    found = find_root(root)
    return build(found, verify=False) if found == sample_city_dir() else check_root(found)
