"""Write the results block of README.md from the result files, so that no number is typed by hand.

python -m scripts.results
"""

import argparse
import json

from extras.reproduction.certificate import REPORTED
from helpers import command
from helpers.paths import ROOT

README = ROOT / "README.md"
START, END = "<!-- results: python -m scripts.results -->", "<!-- end of results -->"


def read(name: str, folder: str = "benchmarks/results") -> dict:
    return json.loads((ROOT / folder / f"{name}.json").read_text())


def table(head: tuple, rows: list) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def block() -> str:
    """The tables, in Markdown."""
    demo, context, transfer = (
        read("demo", "data/checkpoints"),
        read("city_context"),
        read("city_transfer"),
    )
    learnable, curve, long = read("city_learnable"), read("city_curve"), read("city_curve_long")
    data, metrics = read("data_path"), read("metrics")["ours_times_faster"]
    tiles = read("inference")["one_pass_times_faster_than"]
    step = next(row for row in read("training_step")["rows"] if row["width"] == 64)
    memory = read("memory")["rows"]
    most = max(memory, key=lambda row: row["kernel_mb"] + row["largest_child_mb"])

    def row(what, score, script):
        return (
            f"{what}",
            f"{score['mean_iou']:.3f}",
            f"{score['pixel_accuracy']:.3f}",
            f"`{script}`",
        )

    scores = [
        row(
            f"**the demo checkpoint**: U-Net, {demo['parameters']:,} parameters, 320 training "
            "frames",
            demo["val"],
            "scripts/demo_checkpoint.py",
        ),
        row(
            f"a U-Net of width {learnable['settings']['width']} after "
            f"{learnable['settings']['steps']} steps of "
            f"{learnable['settings']['batch']} frames with {learnable['settings']['optimizer']} "
            "(chapter 12)",
            learnable["points"][-1],
            "benchmarks/city_curve.py",
        ),
        row(
            "a classifier of single pixels (color and position)",
            context["scores"]["pixel"],
            "benchmarks/city_context.py",
        ),
        row(
            "a network that sees at most 5 pixels",
            context["scores"]["window"],
            "benchmarks/city_context.py",
        ),
        row("position alone", context["scores"]["position"], "benchmarks/city_context.py"),
        row(
            f"the demo checkpoint on {transfer['frames']} photographs (CamVid val, 11 classes), "
            "trained on none, as `python -m helpers.inference` labels them",
            transfer["scores"]["city statistics"],
            "benchmarks/city_transfer.py",
        ),
        row(
            "the same, with the photographs' own mean and deviation: the better of two ways",
            transfer["scores"]["photographs statistics"],
            "benchmarks/city_transfer.py",
        ),
    ]
    ratios = [
        (
            "exact statistics of all frames, against decoding them alone",
            f"{data['statistics_over_decoding']:.2f} of the time",
            "`benchmarks/data_path.py`",
        ),
        (
            "a cached center crop, against decode + ToTensor + CenterCrop",
            f"{data['cached_item_speedup_over_naive']:.0f} times as fast",
            "`benchmarks/data_path.py`",
        ),
        (
            "the confusion matrix, against the masked `np.bincount` that everyone copies",
            f"{metrics['masked np.bincount']:.1f} times as fast",
            "`benchmarks/metrics.py`",
        ),
        (
            "the same, against torchmetrics without its checks",
            f"{metrics['torchmetrics, no checks']:.1f} times as fast",
            "`benchmarks/metrics.py`",
        ),
        (
            "a whole frame in one mirrored pass, against tiles",
            f"{tiles['textbook tiles']:.1f} times as fast",
            "`benchmarks/inference.py`",
        ),
        (
            "a training step of the recipe, against PyTorch's defaults",
            f"{step['plain_over_recipe_cpu']:.2f} times as fast",
            "`benchmarks/training_step.py`",
        ),
        (
            "the same, against a padded network of its width with batch norm, per labeled pixel",
            f"{step['padded_over_recipe_cpu_per_labeled_pixel']:.2f} times as fast",
            "`benchmarks/training_step.py`",
        ),
    ]
    faults = {part: found["all"] for part, found in read("mutants").items()}
    real = faults["tests"]["faults"] - faults["tests"]["equivalent"]
    first, versions = read("first_minutes"), read("versions")
    points, longer = (
        ", ".join(
            f"{point['frames']}: {point['mean_iou']:.3f} ({point['pixel_accuracy']:.3f})"
            for point in result["points"]
        )
        for result in (curve, long)
    )
    stages = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in first["seconds"].items())
    tried = [
        (
            name,
            found["outcome"],
            ", ".join(
                f"{p} {v}"
                for p, v in found.get("packages", {}).items()
                if p in ("torch", "numpy", "matplotlib", "ipywidgets")
            ),
        )
        for name, found in sorted(versions["seen"].items())
    ]
    reported = [
        (
            "the write-up that this course grew from",
            REPORTED["val_loss"],
            REPORTED["mean_iou"],
            "as reported, protocol unknown",
        )
    ]
    return f"""{START}
On the sample city, whole frames at quarter scale, 20 val frames of cities that no training frame \
comes from
({demo["hardware"]["processors"]} CPU cores, no GPU):

{table(("what", "mIoU", "pixel accuracy", "from"), scores)}

mIoU (pixel accuracy) by number of training frames, {curve["settings"]["steps"]:,} steps of \
{curve["settings"]["batch"]} at width {curve["settings"]["width"]} on frames of \
{2 * curve["settings"]["height"]}×{curve["settings"]["height"]}, scored at that size:
{points}; with {long["settings"]["steps"]:,} steps {longer} (`benchmarks/city_curve.py`).

Ratios, each measured side by side in one run (medians of CPU time, one thread):

{table(("what", "ratio", "from"), ratios)}

Memory: a core chapter's kernel and its largest child process take at most
{(most["kernel_mb"] + most["largest_child_mb"]) / 1000:.1f} GB (chapter {most["chapter"][:2]}; \
`benchmarks/memory.py`).

From nothing to the first prediction: {stages}. The clone has {first["clone_mb"]} MB, \
the environment
{first["environment_gb"]} GB ({first["hardware"]}; `{first["command"]}`).

Tests and core chapters on other versions ({versions["system"]}, `scripts/versions.py`; \
macOS and Windows: not tried):

{table(("Python and packages", "outcome", "with"), tried)}

Planted faults: of {real} that change something in `helpers/` the tests notice \
{faults["tests"]["caught"]}; of
{faults["notebooks"]["faults"]} in the taught modules, the chapter alone notices \
{faults["notebooks"]["caught"]} \
(`scripts/mutants.py`).

On the real Cityscapes, with the recipe (572×572 center crops, width 64, Adam 1e-4, 30 epochs). \
Nobody has run this
course's command there yet; `python -m extras.reproduction.reproduce --root …` writes a \
certificate that you can send
in.

{table(("who", "average loss", "mIoU", "protocol"), reported)}
{END}"""


def write(text: str) -> str:
    """`text` of the README with the block between the two marks made anew."""
    before, rest = text.split(START)
    return before + block() + rest.split(END)[1]


def main(arguments=None) -> None:
    argparse.ArgumentParser(
        prog="python -m scripts.results", description=__doc__.splitlines()[0]
    ).parse_args(arguments)
    README.write_text(write(README.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
    print("README.md: results written")


if __name__ == "__main__":
    command.run(main)
