"""Where the time of a frame of the sample city goes: scene, painting, light and lens, labels, PNG
files.

    python -m benchmarks.city_cost     # ten frames, one of each theme, one process; seconds of CPU

The fastest of three passes over each step counts, so that a busy machine disturbs less.
"""

import argparse
import json
import platform
import resource
import tempfile
import time

from PIL import Image

from helpers import command
from helpers.files import write_json
from helpers.paths import ROOT
from sample_city import make_scene, paint_labels
from sample_city.materials import textures
from sample_city.render import finish, paint_scene
from sample_city.write import frame_plan

RESULT = ROOT / "benchmarks" / "results" / "city_cost.json"
PASSES = 3


def fastest(work):
    """(seconds of CPU of the fastest pass, result of the last)."""
    seconds = []
    for _ in range(PASSES):
        start = time.process_time()
        result = work()
        seconds.append(time.process_time() - start)
    return min(seconds), result


def main(arguments=None) -> None:
    argparse.ArgumentParser(
        prog="python -m benchmarks.city_cost", description=__doc__.splitlines()[0]
    ).parse_args(arguments)
    textures()  # made once a process
    total = dict.fromkeys(
        ("scene", "painting", "light and lens", "labels", "image PNG", "label PNGs", "polygons"),
        0.0,
    )
    frames = 10
    with tempfile.TemporaryDirectory() as folder:
        for index in range(frames):
            _, _, seed, theme = frame_plan("val", index, 1)
            t, scene = fastest(lambda seed=seed, theme=theme: make_scene(seed, theme))
            total["scene"] += t
            t, canvas = fastest(lambda scene=scene: paint_scene(scene))
            total["painting"] += t
            t, image = fastest(lambda canvas=canvas, scene=scene: finish(canvas, scene.weather))
            total["light and lens"] += t
            t, labels = fastest(lambda canvas=canvas: paint_labels(canvas.polygons))
            total["labels"] += t
            for name, pictures in (
                ("image PNG", [Image.fromarray(image)]),
                ("label PNGs", labels.values()),
            ):
                total[name] += fastest(
                    lambda pictures=pictures: [
                        p.save(f"{folder}/a", format="png", compress_level=1) for p in pictures
                    ]
                )[0]
            total["polygons"] += fastest(lambda canvas=canvas: json.dumps(canvas.polygons))[0]
    seconds = {name: round(value / frames, 3) for name, value in total.items()}
    result = {
        "command": "python -m benchmarks.city_cost",
        "hardware": f"one core, {platform.machine()}",
        "cpu_seconds_a_frame": {**seconds, "all": round(sum(total.values()) / frames, 3)},
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    write_json(RESULT, result)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    command.run(main)
