"""TROUBLESHOOTING.md: the bugs of the list under their symptoms, and what else readers meet.

python -m extras.bug_lab.troubleshooting           # writes it
"""

import argparse
import re
from typing import NamedTuple

from extras.bug_lab.bug_list import BUGS, ERROR, LOSS, PICTURE, RUN, SCORE
from helpers import command
from helpers.files import write_text
from helpers.paths import ROOT

PAGE = ROOT / "TROUBLESHOOTING.md"
INSTALLATION = "Installation and JupyterLab"
DATA = "The data are not found, or are the wrong ones"
GROUPS = (INSTALLATION, DATA, ERROR, LOSS, SCORE, PICTURE, RUN)


class Trouble(NamedTuple):
    """What readers meet that is no bug of the list; `chapter` is two digits, or "" for none."""

    group: str
    symptom: str
    cause: str
    fix: str
    chapter: str = ""


TROUBLES = (
    Trouble(
        INSTALLATION,
        "`python: command not found`, or `The course needs Python 3.10 or newer`",
        "Python is missing, has another name, or is too old.",
        "Try `python3 course.py` (on Windows `py course.py`); else install Python from python.org.",
    ),
    Trouble(
        INSTALLATION,
        "`ensurepip is not available`",
        "Debian and Ubuntu keep the module for virtual environments in a package of its own.",
        "`sudo apt install python3-venv`, then the same command again.",
    ),
    Trouble(
        INSTALLATION,
        "`No space left on device` while PyTorch is installed",
        "PyTorch with CUDA needs 6 GB.",
        "Without an NVIDIA GPU take the CPU build, 1.2 GB: `python course.py --cpu`.",
    ),
    Trouble(
        INSTALLATION,
        "`No matching distribution found`, or another version that cannot be had",
        "constraints.txt names the versions that were tested, and your Python is newer or older.",
        "`python course.py --newest` leaves them out.",
    ),
    Trouble(
        INSTALLATION,
        "`operator torchvision::nms does not exist`, or a CUDA library that cannot be opened",
        "torch and torchvision come from different builds, or an installation was cut off.",
        "Remove the folder .venv and give `python course.py` again.",
    ),
    Trouble(
        INSTALLATION,
        "`No module named 'helpers'`",
        "The command was given in another folder.",
        "Give it in the project's folder, with the Python of .venv.",
    ),
    Trouble(
        INSTALLATION,
        "`No module named 'torch'`, although it was installed",
        "The command runs another Python than that of .venv.",
        "Write `.venv/bin/python` (on Windows `.venv\\Scripts\\python`) instead of `python`. In "
        "JupyterLab choose the kernel of .venv, or start it with `python course.py`.",
    ),
    Trouble(
        INSTALLATION,
        "`This notebook needs the project around it`",
        "The notebook was opened alone, and it does not know where the project is.",
        "Put course.zip beside it, or clone the project and open the notebook there; the message "
        "says how.",
        "00",
    ),
    Trouble(
        INSTALLATION,
        "Pictures are broken and links dead in JupyterLab",
        "It was started in notebooks/, and it serves nothing above its root.",
        "`python course.py`, or start it in the project's folder.",
    ),
    Trouble(
        INSTALLATION,
        "`Loading widget...`, or a text where a slider should be",
        "The widgets' extension is missing in the Python that runs JupyterLab, or the notebook "
        "was opened and not run.",
        "Start JupyterLab with `python course.py`, and run the cell.",
        "09",
    ),
    Trouble(
        INSTALLATION,
        "The kernel dies without a message",
        "The memory is full.",
        "Shut down other kernels (JupyterLab: Running Terminals and Kernels), and make batch or "
        "height smaller.",
        "07",
    ),
    Trouble(
        INSTALLATION,
        "A command ends with one sentence, and you want to know where it came from",
        "What a user can mend is told without a traceback.",
        "Set COURSE_TRACEBACK=1 and give it again.",
    ),
    Trouble(
        DATA,
        "`data/cityscapes has no leftImg8bit yet: the sample city is used`",
        "A folder is a data set when it holds leftImg8bit and gtFine.",
        "Wait for the download, or give `python -m extras.real_data.cityscapes data/cityscapes` "
        "again.",
        "13",
    ),
    Trouble(
        DATA,
        "The generated city is shown although Cityscapes is there",
        "It lies in another folder than data/cityscapes, and nothing points to it.",
        "Set CITYSCAPES_DATASET to the folder; `python -m helpers.device` prints what is used and "
        "why.",
        "13",
    ),
    Trouble(
        DATA,
        "`dataset root ... has no folder leftImg8bit`",
        "The root is the wrong folder, often one too high or too deep.",
        "The message says what was found there. The root is the folder that holds leftImg8bit.",
        "03",
    ),
    Trouble(
        DATA,
        "`images without a label`, or `no frame matches`",
        "Only one of Cityscapes' two archives was unpacked, or into different folders.",
        "Unpack leftImg8bit and gtFine into the same root, and look with "
        "`python -m extras.pipeline.index`.",
        "03",
    ),
    Trouble(
        DATA,
        "Values that are not in the class list, many of them, in masks of your own",
        "The masks are JPEG: compression mixes the numbers of neighboring classes.",
        "Save masks as PNG. What was lost in a JPEG cannot be had back exactly.",
        "13",
    ),
    Trouble(
        DATA,
        "Training stops because two frames differ in size",
        "Whole frames of several sizes do not fit into one batch.",
        "Give all one size when they are laid out (`--size WIDTH HEIGHT`), or train on crops.",
        "13",
    ),
    Trouble(
        DATA,
        "Old pictures appear after the data changed",
        "Decoded frames are kept in data/cache.",
        "Remove the folder data/cache; it is filled again.",
        "05",
    ),
    Trouble(
        ERROR,
        "`CUDA out of memory`, or `OutOfMemoryError`",
        "Activations grow with batch size, crop size and width; the weights are the small part.",
        "Smaller batches with `--accumulate`, `--checkpointing`, a smaller crop (of a legal size), "
        "a smaller width, in this order.",
        "07",
    ),
    Trouble(
        ERROR,
        "`Sizes of tensors must match except in dimension 1` in `torch.cat`",
        "The input size is not legal: a pooling met an odd size, and the skip is one pixel larger.",
        "Ask `nearest_sizes`; this course's U-Net refuses such sizes in words.",
        "02",
    ),
    Trouble(
        ERROR,
        "`expected scalar type Long but found Byte`",
        "`cross_entropy` wants targets of 64-bit integers, and pictures hold bytes.",
        "`torch.from_numpy(target.astype(np.int64))`, or `target.long()`.",
        "05",
    ),
    Trouble(
        ERROR,
        "`only batches of spatial targets supported (3D tensors)`",
        "The target still has an axis for channels: [N, 1, H, W] or [N, H, W, 3].",
        "A target has one class id per pixel, [N, H, W]: read the label file as one channel.",
        "05",
    ),
    Trouble(
        ERROR,
        "Workers complain about pickling, or a notebook hangs (Windows, macOS)",
        "Worker processes start from nothing there and cannot see classes defined in a notebook.",
        "Keep the dataset in a module, as helpers/dataset.py, or use `workers=0`.",
        "05",
    ),
    Trouble(
        ERROR,
        "`module 'numpy' has no attribute 'in1d'` in cityscapesscripts",
        "The official evaluator calls a function that numpy 2.4 removed.",
        "Run it with `python -m extras.benchmark_server.official` and the name of its command; or "
        "set `np.in1d = np.isin` before it is imported.",
        "10",
    ),
    Trouble(
        LOSS,
        "The first loss is far from ln 19 = 2.94",
        "An untrained network should give 19 classes about the same probability. Its last layer is "
        "too large, or the number of classes is a very different one. Raw inputs show only in a "
        "network without batch norm, which rescales them.",
        "Print the deviation of the logits and their shape, and mean and deviation of the input "
        "(near 0 and 1), which the loss may hide.",
        "11",
    ),
    Trouble(
        LOSS,
        "The training loss falls, and the validation loss rises",
        "The network learns the training frames by heart.",
        "More frames, flips and crops, or an earlier checkpoint.",
        "07",
    ),
    Trouble(
        SCORE,
        "Every pixel gets the same class",
        "The network has not learned to look yet, or cannot.",
        "Overfit one frame first: if that fails, it is the loop, the loss or the target. That it "
        "works says nothing of wrong labels: they are learned by heart as well.",
        "07",
    ),
    Trouble(
        SCORE,
        "Rare classes have IoU 0",
        "They have few pixels, so the loss gains little from them, and learns them last.",
        "Train longer, and look at their number of pixels; then weights or another loss.",
        "12",
    ),
    Trouble(
        SCORE,
        "Good on the generated city, useless on photographs",
        "The photographs have other light, other textures, another mean and deviation.",
        "Normalize with the photograph's own mean and deviation, which helps; training on "
        "photographs helps more.",
        "13",
    ),
    Trouble(
        SCORE,
        "The benchmark's server gives nearly 0",
        "Train ids were submitted where label ids belong.",
        "`TRAIN_19.decode` before the file is written.",
        "10",
    ),
    Trouble(
        PICTURE,
        "A prediction saved as PNG is black",
        "Class numbers 0 to 18 are all nearly black as gray values. The file is fine.",
        "`TRAIN_19.colorize` before saving; `TRAIN_19.decode` for a submission.",
        "00",
    ),
    Trouble(
        PICTURE,
        "Seams at the borders of tiles",
        "Tiles of a padded network touch, so zeros stand in the middle of the street; or tiles "
        "begin off the multiples of 16, where the poolings fall differently.",
        "112 real pixels around each tile, and starts on multiples of 16.",
        "10",
    ),
    Trouble(
        RUN,
        "Your losses differ from the printed ones in the fourth digit",
        "Processors add in different orders, and so do one thread and two.",
        "Nothing: this is normal. Tests compare with a margin.",
        "14",
    ),
)


def anchor(heading: str) -> str:
    """The anchor that GitHub and the site give a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def entry(trouble, chapters: dict[str, str]) -> str:
    """Symptom, cause, fix and chapter of a bug or a trouble, in Markdown."""
    fix = f"*Fix:* {trouble.fix}"
    if trouble.chapter in chapters:
        fix += f" [Chapter {trouble.chapter}](notebooks/{chapters[trouble.chapter]})"
    return f"**{bold(trouble.symptom)}**\n\n*Cause:* {trouble.cause}\n\n{fix}"


def bold(symptom: str) -> str:
    """The symptom without the full stop at its end, which bold type does not need."""
    return symptom.removesuffix(".")


def markdown() -> str:
    """TROUBLESHOOTING.md: what was seen, why, what to do, and the chapter that explains it."""
    chapters = {path.name[:2]: path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    contents = " · ".join(f"[{group}](#{anchor(group)})" for group in GROUPS)
    parts = [
        "# Troubleshooting, by symptom",
        "Find what you see. Most of what stands under the loss, the score and pictures is bugs "
        "that this project can plant into its own code: chapter 11, the bug lab, lets you look for "
        "them.",
        contents,
    ]
    for group in GROUPS:
        parts.append(f"## {group}")
        for trouble in [*BUGS, *TROUBLES]:
            if trouble.group == group:
                parts.append(entry(trouble, chapters))
    parts.append(
        "*Not here? Open an issue with the output of `.venv/bin/python -m helpers.device`. This "
        "page is written by `python -m extras.bug_lab.troubleshooting`.*"
    )
    return "\n\n".join(parts) + "\n"


def main(arguments=None) -> None:
    argparse.ArgumentParser(
        prog="python -m extras.bug_lab.troubleshooting", description="Write TROUBLESHOOTING.md."
    ).parse_args(arguments)
    write_text(PAGE, markdown())
    print(f"wrote {PAGE.name}: {len(BUGS) + len(TROUBLES)} symptoms")


if __name__ == "__main__":
    command.run(main)
