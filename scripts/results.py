"""Write benchmarks/README.md from the stored results, so that no number in it is typed by hand.

python -m scripts.results
"""

import argparse
import ast
import json

from extras.reproduction.certificate import REPORTED
from helpers import command
from helpers.files import write_text
from helpers.paths import ROOT

PAGE = ROOT / "benchmarks" / "README.md"
SHIPPED = {"unet": "U-Net", "fcn8s": "FCN-8s", "fcn16s": "FCN-16s", "fcn32s": "FCN-32s"}
BLIND = {
    "pixel": "a classifier of single pixels (color and position)",
    "window": "a network that sees at most 5 pixels",
    "position": "position alone",
}


def read(name: str, folder: str = "benchmarks/results") -> dict:
    return json.loads((ROOT / folder / f"{name}.json").read_text(encoding="utf-8"))


def table(head: tuple, rows: list) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def networks() -> str:
    """The shipped networks on the 20 val frames, and what can be had without looking around."""
    scores = read("scores", "data/checkpoints")
    rows = []
    for name, title in SHIPPED.items():
        if name not in scores["networks"]:
            continue
        found = scores["networks"][name]
        hours = read(name, "data/checkpoints")["hours"]
        rows.append(
            (
                title,
                f"{found['mean_iou']:.3f}",
                f"{found['pixel_accuracy']:.3f}",
                f"{found['edge_mean_iou']:.3f}",
                f"{found['thin_mean_iou']:.3f}",
                f"{found['large_mean_iou']:.3f}",
                f"{found['parameters']:,}",
                f"{found['multiplications'] / 1e9:.1f}",
                f"{hours:.1f}",
            )
        )
    head = ("network", "mIoU", "pixel accuracy", "near edges", "thin classes", "large classes")
    head += ("parameters", "10⁹ multiplications", "hours of training")
    pairs = []
    for pair, found in scores["pairs"].items():
        better, other = pair.split(" - ")
        pairs.append(
            f"- {SHIPPED[better]} over {SHIPPED[other]}: {found['difference']:+.3f} mIoU "
            f"({found['low']:.3f} to {found['high']:.3f}), ahead on {found['better_frames']} of "
            f"{found['of_frames']} frames"
        )
    blind = [(text, f"{scores['blind'][name]:.3f}") for name, text in BLIND.items()]
    sentences = "\n".join(pairs)
    parts = (seeds(), without_padding(scores["networks"]["unet_valid"]), first_network())
    more = "\n\n".join(part for part in parts if part)
    return f"""## The shipped networks

Networks of about a million parameters, trained alike on 320 generated frames, are scored on
20 val frames of towns that none of the 320 comes from: whole frames at quarter scale
(`{scores["command"]}`). Near edges is the mIoU of the pixels within 3 of an edge between two
classes; thin classes are fence, pole, traffic light and sign. The multiplications are those of a
frame. One thread of a processor trained them (`python -m scripts.train_checkpoints NAME`).

{table(head, rows)}

Differences on the same frames, with the interval that 95 % of resampled sets of frames give:

{sentences}

{more}

What can be had without looking around (`python -m benchmarks.city_context`):

{table(("what", "mIoU"), blind)}"""


def without_padding(found: dict) -> str:
    """The network with the geometry of the original recipe."""
    steps = read("unet_valid", "data/checkpoints")["history"][-1]["steps"]
    return f"""`unet_valid.pt` has the geometry of the original recipe: center crops of 572×572
pixels at full resolution, no padding, 388×388 labels. After {steps:,} steps of two crops it labels
the same frames, tile by tile, with mIoU {found["mean_iou"]:.3f} (pixel accuracy
{found["pixel_accuracy"]:.3f})."""


def first_network() -> str:
    """What the live training of chapter 07 reaches."""
    found = read("first_network")
    small, large, longer = found["at 64 rows"], found["at 256 rows"], found["longer"]
    return f"""The live training of chapter 07 (`{found["command"]}`) reaches mIoU
{small["mean_iou"]:.3f} and pixel accuracy {small["pixel_accuracy"]:.3f} at its own 64 rows;
enlarged to the 256 rows of the networks above it has {large["mean_iou"]:.3f} and
{large["pixel_accuracy"]:.3f}. The longer one that the chapter offers next,
`{longer["command"]}`, reaches
{longer["mean_iou"]:.3f} and {longer["pixel_accuracy"]:.3f} at its 128 rows, in
{longer["minutes_of_one_core"]:.0f} minutes of one core."""


def seeds() -> str:
    """How much the scores of the networks that are trained alike hang on the seed, if it was
    measured.
    """
    stored = read("fcn_stages")
    seen = [len(runs) for runs in stored["equal"].values()]
    if seen != 4 * [3]:
        return ""  # not all of them are measured yet
    rows = []
    for name, runs in stored["equal"].items():
        reached = [f"{run['mean_iou']:.3f}" for run in runs]
        rows.append((SHIPPED[name], *reached))
    head = ("network", "seed 0", "seed 1", "seed 2")
    steps = read("unet", "data/checkpoints")["history"][-1]["steps"]
    return f"""The same networks with three seeds, after {stored["equal_steps"]} steps instead of
{steps:,}: mIoU on the same frames (`{stored["command"]}`).

{table(head, rows)}"""


def photographs() -> str:
    """The U-Net of the sample city on CamVid's photographs, if that was measured."""
    if not (ROOT / "benchmarks" / "results" / "photographs.json").is_file():
        return ""
    found = read("photographs")
    rows = []
    for name, ways in found["networks"].items():
        for way, scores in ways.items():
            score = (f"{scores['mean_iou']:.3f}", f"{scores['pixel_accuracy']:.3f}")
            rows.append((f"{name}.pt", way, *score))
    return f"""## On real photographs

Trained on generated streets alone, then tried on {found["photographs"]} photographs (CamVid val,
{found["classes"]}), with the mean and deviation of the city or of the photograph, at the
photograph's height or at the one that the network knows (`{found["command"]}`).

{table(("network", "how the photograph is shown", "mIoU", "pixel accuracy"), rows)}

"""


def gpu() -> str:
    """Recipe A on one card."""
    found = read("recipe_a")["runs"]
    rows = []
    for run in found.values():
        best = max(run["history"], key=lambda epoch: epoch["val_mean_iou"])
        seconds = sorted(run["seconds"]["train"])[len(run["seconds"]["train"]) // 2]
        config = run["config"]
        rows.append(
            (
                run["card"],
                run["data"],
                f"{run['frames']['train']:,}",
                config["batch_size"],
                f"{config['learning_rate']:g}",
                "compiled" if config["compile"] else "eager",
                f"{seconds:.1f} s",
                f"{len(run['history'])} of {config['epochs']}",
                f"{run['minutes'][-1]:.1f}",
                f"{best['val_mean_iou']:.3f} after {best['epoch']}",
            )
        )
    head = ("card", "data", "frames", "batch", "learning rate", "mode", "an epoch")
    head += ("epochs that ran", "minutes", "best val mIoU")
    steps = []
    measured = read("gpu")
    for row in measured["rows"]:
        steps.append(
            (
                measured["sources"][row["source"]]["card"],
                row["precision"],
                row["batch"],
                row["mode"],
                f"{row['ms']:.1f}",
                f"{row['images_per_second']:.0f}",
                f"{row['share_of_peak']:.1%}",
                f"{row['memory_gib']:.1f}",
            )
        )
    parts = ("card", "numbers", "batch", "mode", "ms per step", "frames per second")
    parts += ("of the card's peak", "GiB")
    return f"""## Recipe A on a GPU

572×572 crops, width 64, no padding, Adam (`python -m benchmarks.recipe_a`). The score is of center
crops: it cannot be compared with those of whole frames above.

{table(head, rows)}

One training step of the same network (`python -m benchmarks.gpu`). The peak is that of a large
bfloat16 matrix product on the same card. What nobody has measured is not there.

{table(parts, steps)}"""


def frames() -> str:
    """mIoU by the number of training frames."""
    curve, long = read("city_curve"), read("city_curve_long")
    rows = []
    for found in (curve, long):
        for point in found["points"]:
            scores = (f"{point['mean_iou']:.3f}", f"{point['pixel_accuracy']:.3f}")
            rows.append((point["frames"], f"{found['settings']['steps']:,}", *scores))
    settings = curve["settings"]
    return f"""## How many frames

A U-Net of width {settings["width"]}, {settings["batch"]} frames of \
{2 * settings["height"]}×{settings["height"]} in a step, scored at that size
(`{curve["command"]}`).

{table(("training frames", "steps", "mIoU", "pixel accuracy"), rows)}"""


def full_frames() -> str:
    """Labels and logits of the U-Net brought to full size (chapter 10)."""
    found = read("full_frames")
    rows = []
    for way, scores in found["scores"].items():
        rows.append((way, f"{scores['mean_iou']:.3f}", f"{scores['pixel_accuracy']:.3f}"))
    return f"""## Full frames

The U-Net's labels of {found["frames"]} val frames, scored at 1024×2048 pixels
(`python -m benchmarks.full_frames`, chapter 10).

{table(("brought to full size", "mIoU", "pixel accuracy"), rows)}"""


def bugs() -> str:
    """The score of the U-Net under bugs of the evaluation (chapter 11)."""
    found = read("bug_lab")
    rows = []
    for row in found["rows"]:
        name = "none" if row["case"] is None else f"case {row['case']}"
        scores = (f"{row['mean_iou']:.3f}", f"{row['pixel_accuracy']:.3f}")
        rows.append((name, row["batch_size"], *scores))
    return f"""## Bugs of an evaluation

The U-Net's scores on {found["settings"]["frames"]} val frames with one bug of chapter 11 each
(`python -m benchmarks.bug_lab`).

{table(("bug", "batch", "mIoU", "pixel accuracy"), rows)}"""


def instrument() -> str:
    """What one change of a street does to the U-Net (chapter 12)."""
    found = read("instrument")
    rows = []
    for question in found["questions"].values():
        means = []
        for place in (0, -1):
            scores = [street[place] for street in question["scores"]]
            mean = sum(scores) / len(scores)
            means.append(f"{question['values'][place]}: {mean:.2f}")
        scored = question["scored"]
        measure = "mIoU" if scored == "all classes" else f"IoU of the {scored}"
        rows.append((question["text"], question["axis"], measure, *means))
    return f"""## One thing changed

The U-Net on {len(found["seeds"])} drawn streets in which one thing is changed: the mean at the
first and at the last value (`{found["command"]}`, chapter 12).

{table(("question", "what is changed", "score", "first", "last"), rows)}"""


def real_data() -> str:
    """Trained on CamVid, and begun with trained weights (chapter 13)."""
    short, long, begun = read("camvid"), read("camvid12"), read("begin_trained")
    scores = [("val mIoU", short["val_mean_iou"], long["val_mean_iou"])]
    scores.append(("pixel accuracy", short["val_pixel_accuracy"], long["val_pixel_accuracy"]))
    for name, value in short["val_iou"].items():
        scores.append((name, value, long["val_iou"][name]))
    scores = [(name, f"{one:.3f}", f"{other:.3f}") for name, one, other in scores]
    minutes = [f"{run['processor_seconds'] / 60:.0f} minutes" for run in (short, long)]
    titles = {"photographs": "31 photographs of streets", "leaves": "12 pictures of leaves"}
    rows = []
    for name, title in titles.items():
        for begin, curves in begun[name].items():
            rows.append((title, begin, *(f"{curve[-1]:.2f}" for curve in curves)))
    return f"""## Trained on photographs and leaves

A U-Net of width 12, from random weights, trained on CamVid's {short["frames"]["train"]} train
frames at half size, scored on the {short["frames"]["val"]} of val at full size. Short:
`{short["command"]}`. Long:
`{long["command"]}`.

{table(("one core", *minutes), scores)}

Begun at random or with the weights of unet.pt, ten epochs, val mIoU after the last one
(`{begun["command"]}`, chapter 13):

{table(("training data", "begun", "seed 0", "seed 1", "seed 2"), rows)}"""


def ratios() -> str:
    """What was timed side by side."""
    data, metrics = read("data_path"), read("metrics")["ours_times_faster"]
    tiles = read("inference")["one_pass_times_faster_than"]
    step = next(row for row in read("training_step")["rows"] if row["width"] == 64)
    preparation = read("preparation")["tasks"]["statistics"]["ratio"]
    items = data["cpu_ms_per_frame"]
    naive, cached = items["item: decode, tensor, crop"], items["item: from the cache"]
    rows = [
        (
            "exact statistics of all frames, against decoding them alone",
            f"{data['statistics_over_decoding']:.2f} of the time",
            "`benchmarks.data_path`",
        ),
        (
            "the same with two cores, against one",
            f"{preparation:.2f} times as fast",
            "`benchmarks.preparation`",
        ),
        (
            "a cached center crop, against decode + ToTensor + CenterCrop",
            f"{data['cached_item_speedup_over_naive']:.0f} times as fast: "
            f"{cached:.1f} ms instead of {naive:.0f}",
            "`benchmarks.data_path`",
        ),
        (
            "the confusion matrix, against the masked `np.bincount` that everyone copies",
            f"{metrics['masked np.bincount']:.1f} times as fast",
            "`benchmarks.metrics`",
        ),
        (
            "the same, against torchmetrics without its checks",
            f"{metrics['torchmetrics, no checks']:.1f} times as fast",
            "`benchmarks.metrics`",
        ),
        (
            "a whole frame in one mirrored pass, against textbook tiles",
            f"{tiles['textbook tiles']:.1f} times as fast",
            "`benchmarks.inference`",
        ),
        (
            "a training step of recipe A, against PyTorch's defaults",
            f"{step['plain_over_recipe_cpu']:.2f} times as fast",
            "`benchmarks.training_step`",
        ),
        (
            "a padded network of its width with batch norm, against recipe A, per labeled pixel",
            f"{1 / step['padded_over_recipe_cpu_per_labeled_pixel']:.2f} times as fast",
            "`benchmarks.training_step`",
        ),
    ]
    return f"""## Time

Ratios, each measured side by side in one run on a CPU.

{table(("what", "ratio", "from"), rows)}"""


def machine() -> str:
    """Memory, the first minutes, versions."""
    memory = read("memory")["rows"]
    most = max(memory, key=lambda row: row["kernel_mb"] + row["largest_child_mb"])
    gigabytes = (most["kernel_mb"] + most["largest_child_mb"]) / 1000
    first, versions = read("first_minutes"), read("versions")
    stages = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in first["seconds"].items())
    rows = []
    for name, found in sorted(versions["seen"].items()):
        shown = ("torch", "numpy", "matplotlib", "ipywidgets")
        packages = found.get("packages", {})
        used = ", ".join(f"{package} {packages[package]}" for package in shown if packages)
        rows.append((name, found["outcome"], used))
    return f"""## Machines

A core chapter's kernel and its largest child process take at most {gigabytes:.1f} GB (chapter
{most["chapter"][:2]}; `python -m benchmarks.memory`).

From nothing to the first picture: {stages}. The clone has
{first["clone_mb"]} MB, the environment {first["environment_gb"]} GB ({first["hardware"]};
`{first["command"]}`).

Tests and core chapters on other versions, {versions["system"]} (`python -m scripts.versions`).
macOS and Windows: not tried.

{table(("Python and packages", "outcome", "with"), rows)}"""


def faults() -> str:
    """How many planted faults the tests and the chapters notice."""
    results = read("mutants")
    found = {part: result["all"] for part, result in results.items()}
    tests, chapters, exercises = found["tests"], found["notebooks"], found["exercises"]
    return f"""## Planted faults

Of {tests["faults"] - tests["equivalent"]} small faults in the modules of the project the tests
notice {tests["caught"]} (at commit {results["tests"]["commit"]}). What protects the numbers stands
in tests/: of {chapters["faults"]} faults in the modules that chapters teach, the chapter alone
notices {chapters["caught"]}. Of {exercises["faults"]} faults in the folded solutions of exercises
the checkers notice {exercises["caught"]} (`python -m scripts.mutants`)."""


def cityscapes() -> str:
    """What is reported of the real data set."""
    rows = [
        (
            "the write-up that this course grew from",
            REPORTED["val_loss"],
            REPORTED["mean_iou"],
            "as reported, protocol unknown",
        )
    ]
    return f"""## On the real Cityscapes

Recipe A, 30 epochs. What was reported is in the table. A run of this course's own command,
`python -m extras.reproduction.reproduce --root data/cityscapes`, is still to come: it writes a
certificate that you can send in.

{table(("who", "average loss", "mIoU", "protocol"), rows)}"""


def commands() -> str:
    """Every benchmark with the question that its first paragraph asks."""
    rows = []
    for path in sorted((ROOT / "benchmarks").glob("[a-z]*.py")):
        told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        question = " ".join(told.split("\n\n")[0].split())
        rows.append((f"`python -m benchmarks.{path.stem}`", question))
    return f"""## All benchmarks

Each writes its numbers to benchmarks/results/.

{table(("command", "what it asks"), rows)}"""


def page() -> str:
    """benchmarks/README.md."""
    return f"""# What was measured

Every number of the course comes from a command; here are the main results with their commands. For
`python` write `.venv/bin/python` (on Windows `.venv\\Scripts\\python`) outside of JupyterLab's
terminals. This page is written by `python -m scripts.results` from the files in benchmarks/results/
and in data/checkpoints/.

{networks()}

{photographs()}{gpu()}

{frames()}

{full_frames()}

{bugs()}

{instrument()}

{real_data()}

{ratios()}

{machine()}

{faults()}

{cityscapes()}

{commands()}
"""


def main(arguments=None) -> None:
    argparse.ArgumentParser(
        prog="python -m scripts.results", description=__doc__.splitlines()[0]
    ).parse_args(arguments)
    write_text(PAGE, page())
    print("benchmarks/README.md: results written")


if __name__ == "__main__":
    command.run(main)
