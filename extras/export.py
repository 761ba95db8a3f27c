"""Take a trained network away: ONNX and torch.export files that run without this project.

    python -m extras.export runs/mine/best.pt --to mine.onnx
    python -m extras.export runs/mine/best.pt --to mine.pt2

Four lines use the ONNX file, where only numpy, pillow and onnxruntime are installed:

    session = onnxruntime.InferenceSession("mine.onnx")
    image = np.asarray(Image.open("photo.png").convert("RGB"))[None]
    logits = session.run(None, {"image": image})[0]
    classes = logits.argmax(axis=1)[0]

The input is uint8 [N, height, width, 3]; mean and deviation are inside. Which sizes are legal, what
the classes are called and what the network was trained to see stand in the file as "info". ONNX
needs `pip install onnx onnxscript onnxruntime`; torch.export comes with PyTorch.
"""

import argparse
import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import extras.training_tools.pretrained  # noqa: F401 (its networks can be loaded, too)
from helpers import command
from helpers.checkpoints import load_for_frames
from helpers.files import atomic_file
from helpers.sizes import margin, valid_size
from helpers.windows import View

NEEDED = ("onnx", "onnxscript", "onnxruntime")


class Portable(torch.nn.Module):
    """A network with its normalization: uint8 [N, H, W, 3] in, logits float32 [N, classes, h, w]
    out.
    """

    def __init__(self, model: torch.nn.Module, mean, std):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(3, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = image.permute(0, 3, 1, 2).float() / 255
        return self.model((x - self.mean) / self.std)


def load(checkpoint) -> tuple[torch.nn.Module, dict]:
    """(model, info) as `load_for_frames` gives them, with the view of the exported file."""
    model, info = load_for_frames(checkpoint)
    if hasattr(model, "grid"):
        # An FCN takes any size, but its file only what five poolings can halve.
        info["view"] = replace(info["view"], depth=5, size=None)
    return model.to(memory_format=torch.contiguous_format), info


def example_sizes(view: View) -> list[int]:
    """Three small legal sizes above the smallest: the second is exported, all are checked."""
    first = 1 + 2 * margin(view.depth, view.padding)
    sizes = range(first, first + 5 * 2**view.depth)
    return [n for n in sizes if valid_size(n, view.depth, view.padding)][1:4]


def describe(info: dict) -> dict:
    """What whoever uses the file must know, as plain values."""
    view = info["view"]
    grid = 2**view.depth
    border = margin(view.depth, view.padding)
    legal = f"a multiple of {grid}"
    if border:
        legal = f"{example_sizes(view)[0]} + any multiple of {grid}"
    seen = "crops at full resolution"
    if view.kind == "frame":
        seen = f"whole pictures reduced to about {view.height} rows"
    return {
        "classes": list(info["label_set"].names),
        "colors": [list(color) for color in info["label_set"].colors],
        "mean": list(info["mean"]),
        "std": list(info["std"]),
        "sizes": f"height and width: {legal}",
        "output": f"{border} pixels less on each side" if border else "the size of the input",
        "trained on": seen,
    }


def dimensions(view: View) -> dict:
    """Which lengths of the input may change: the batch, and height and width in legal steps."""
    grid = 2**view.depth
    rest = example_sizes(view)[0] % grid
    height = torch.export.Dim("height", min=1, max=4096)
    width = torch.export.Dim("width", min=1, max=4096)
    if rest:
        # One step above the smallest legal size without padding, 12 * 2**depth - 4.
        height = torch.export.Dim("height", min=12, max=4096)
        width = torch.export.Dim("width", min=12, max=4096)
    return {0: torch.export.Dim("batch"), 1: grid * height + rest, 2: grid * width + rest}


def export_program(model: torch.nn.Module, info: dict) -> torch.export.ExportedProgram:
    """The network with its normalization as a torch.export program of any legal size.

    Raises ValueError for a network that torch.export cannot take.
    """
    portable = Portable(model, info["mean"], info["std"]).eval()
    size = example_sizes(info["view"])[1]
    image = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    try:
        return torch.export.export(portable, (image,), dynamic_shapes=(dimensions(info["view"]),))
    except Exception as error:  # the compiler lets all kinds through
        name = type(model).__name__
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"torch.export cannot write a {name} for any size: {reason}") from error


def export(checkpoint, path) -> float:
    """Write a checkpoint as .onnx or .pt2; returns the largest difference between its logits and
    the network's, over a few legal sizes.

    Raises ValueError for another ending, or if ONNX is not installed.
    """
    path = Path(path)
    if path.suffix not in (".onnx", ".pt2"):
        raise ValueError(f"{path}: expected a name that ends in .onnx or .pt2")
    if path.suffix == ".onnx":
        check_onnx()
    model, info = load(checkpoint)
    program = export_program(model, info)
    text = json.dumps(describe(info))
    with atomic_file(path) as temporary:
        if path.suffix == ".onnx":
            write_onnx(program, temporary, text)
        else:
            # torch.export.save wants the ending in the name.
            with open(temporary, "wb") as file:
                torch.export.save(program, file, extra_files={"info": text})
    return largest_difference(path, Portable(model, info["mean"], info["std"]).eval(), info["view"])


def check_onnx() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"not installed: {', '.join(missing)}. pip install {' '.join(NEEDED)}, or write a "
            "file that ends in .pt2 (torch.export), which needs nothing more"
        )


def write_onnx(program: torch.export.ExportedProgram, path: Path, info: str) -> None:
    """The program as an ONNX file with `info` in its metadata."""
    import onnx

    converted = torch.onnx.export(
        program, input_names=["image"], output_names=["logits"], dynamo=True, verbose=False
    )
    proto = converted.model_proto
    onnx.helper.set_model_props(proto, {"info": info})
    path.write_bytes(proto.SerializeToString())


def run_file(path, image: np.ndarray) -> np.ndarray:
    """The logits of an exported file for uint8 [N, H, W, 3]."""
    if Path(path).suffix == ".pt2":
        with torch.no_grad():
            return torch.export.load(path).module()(torch.from_numpy(image)).numpy()
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image})[0]


def largest_difference(path, model: torch.nn.Module, view: View) -> float:
    """The largest difference in the logits, over a few legal sizes and batches."""
    random = np.random.default_rng(0)
    height, width, other = example_sizes(view)
    worst = 0.0
    for shape in ((1, height, width, 3), (3, other, height, 3)):
        image = random.integers(0, 256, shape, np.uint8)
        with torch.no_grad():
            expected = model(torch.from_numpy(image)).numpy()
        found = run_file(path, image)
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m extras.export", description=__doc__.splitlines()[0]
    )
    parser.add_argument("checkpoint")
    parser.add_argument("--to", required=True, help="a name that ends in .onnx or .pt2")
    args = parser.parse_args(arguments)
    difference = export(args.checkpoint, args.to)
    print(
        f"{args.to}: {Path(args.to).stat().st_size / 1e6:.1f} MB; its logits differ from the "
        f"network's by at most {difference:.1e}"
    )
    info = describe(load(args.checkpoint)[1])
    print(f"{len(info['classes'])} classes; {info['sizes']}; trained on {info['trained on']}")


if __name__ == "__main__":
    command.run(main)
