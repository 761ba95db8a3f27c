"""Checkpoints: written whole or not at all, and read as plain tensors."""

import errno
import hashlib
import math
import zipfile
from pathlib import Path

import torch

from helpers.config import TrainConfig, check_same_classes, check_same_config
from helpers.fcn import FCN8s, FCN16s, FCN32s, ThinFCN, WindowClassifier
from helpers.files import atomic_file, listed, read_derived
from helpers.labels import LabelSet, find_label_set
from helpers.unet import UNet
from helpers.windows import View

FORMAT = 1
# The networks that a checkpoint can name; each keeps the arguments that build it again.
NETWORKS = {
    network.__name__: network
    for network in (UNet, ThinFCN, WindowClassifier, FCN32s, FCN16s, FCN8s)
}


def save(path, state: dict) -> Path:
    """Write `state` (tensors, numbers, strings, lists, dicts) to `path` by way of a temporary file.

    A full disk raises OSError naming the file; what stood at `path` before is then still there.
    """
    with atomic_file(path) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # torch's writer reports a full disk as a RuntimeError
            raise OSError(errno.ENOSPC, f"{error}".splitlines()[0]) from error
    return Path(path)


def load(path, *entries: str) -> dict:
    """The state in `path`, on the CPU. Nothing in the file is executed (`weights_only=True`).

    Raises FileNotFoundError, or ValueError for a file that is truncated, changed (its checksums,
    and those of the .json beside it), holds more than tensors, or weights that are no numbers, or
    lacks one of `entries`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such checkpoint; train one with python -m helpers.training"
        )
    try:
        # torch itself does not compare the checksums of its zip file.
        with zipfile.ZipFile(path) as archive:
            # Of an entry that a changed byte marks as a folder it would read no weights at all.
            damaged = archive.testzip() or any(entry.external_attr for entry in archive.infolist())
        if damaged:
            raise ValueError("a part of it was changed")
        # Tensors and plain values only: a pickle from outside could run anything.
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a file from outside: torch's reader lets all kinds through
        reason = str(error).partition("\n")[0].partition(" In PyTorch")[0]
        raise ValueError(
            f"{path} is not a whole, safe tensor file ({reason[:150]}); restore it, or train again "
            "under another name"
        ) from error
    weights = state.get("model") if isinstance(state, dict) else None
    if not isinstance(weights, dict) or not all(map(torch.is_tensor, weights.values())):
        raise ValueError(f"{path} is no checkpoint of this course: expected tensors as 'model'")
    if state.get("format", FORMAT) not in range(FORMAT + 1):
        raise ValueError(f"{path} was written by a later version of the course: update this one")
    if not all(weight.isfinite().all() for weight in weights.values()):
        raise ValueError(f"{path} holds weights that are no numbers (nan or infinite)")
    missing = [name for name in entries if name not in state]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}: is it a copy of best.pt?")
    return state


def check_nothing_is_lost(folder: Path, config: TrainConfig, label_set: LabelSet) -> None:
    """Raises ValueError if a run that begins in `folder` would replace the best.pt of another."""
    best = folder / "best.pt"
    table = folder / "history.csv"
    epochs = len(table.read_text(errors="replace").splitlines()) - 1 if table.is_file() else 0
    if best.is_file():
        info = load_model(best)[1]
        check_same_config(config, info.get("config", {}), folder)
        check_same_classes(folder, label_set, info["label_set"].as_dict())
        # A network that a notebook saved, as chapter 07's, has no history.
        epochs = max(epochs, len(info["history"])) if "history" in info else math.inf
    # One epoch is what a run leaves that was killed in its first save.
    if epochs > 1:
        raise ValueError(
            f"{folder} holds what a training left (best.pt, history.csv), but no last.pt to go on "
            f"from: restore it, begin another --name (with --init {best}), or remove the folder"
        )


def file_hash(path) -> str:
    """The SHA-256 of a file. ValueError if NAME.json beside NAME.pt has another one."""
    path = Path(path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    record = path.with_suffix(".json")
    if record.is_file():
        # Another file of that name, evaluate's --json for example, says nothing of a hash.
        expected = read_derived(record).get("sha256", found)
        if expected != found:
            raise ValueError(
                f"{path} is not the file that {record} describes: expected the SHA-256 "
                f"{expected[:12]}..., found {found[:12]}...; restore both, or remove {record.name}"
            )
    return found


def load_weights(model: torch.nn.Module, weights: dict, path) -> None:
    """Copy `weights` into `model`; ValueError with the first differences if they do not fit."""
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:  # torch lists every name, and every shape that differs
        differences = [line.strip()[:200] for line in str(error).splitlines()[1:]]
        raise ValueError(
            f"{path} belongs to another architecture:{listed(differences, 5)}"
        ) from error


def load_fitting(model: torch.nn.Module, path, progress: bool = True) -> None:
    """Copy every tensor in `path` whose name and shape fit; a line names the others.

    With another number of classes, the last layer stays new. ValueError if less than half fits.
    """
    state = load(path)
    own = model.state_dict()
    stored = state["model"]
    fitting = {k: v for k, v in stored.items() if k in own and own[k].shape == v.shape}
    how_many = f"{len(fitting)} of {len(own)} tensors"
    if 2 * len(fitting) < len(own):
        kind = f"{state.get('network')} with {state.get('arguments')}"
        raise ValueError(f"{how_many} can begin as in {path}, a {kind}: train a network like it")
    model.load_state_dict(fitting, strict=False)
    if progress:
        new = ", ".join(sorted(own.keys() - fitting.keys())) or "none"
        print(f"{how_many} begin as in {path}; new: {new}")


def save_model(path, model: torch.nn.Module, info: dict, half: bool = True, **more) -> Path:
    """A model for use: weights and `info` (label_set, view, mean, std, history, ...). `more` is
    what a training needs to go on.

    With `half`, weights become float16, except tensors with a value that is too large for it:
    batch norm's running variances may be.
    """
    largest = torch.finfo(torch.float16).max
    weights = {}
    for name, value in model.state_dict().items():
        value = value.cpu()
        if half and value.is_floating_point() and value.abs().max() <= largest:
            value = value.to(torch.float16)
        weights[name] = value
    network = {"network": type(model).__name__, "arguments": model.arguments}
    return save(path, {"format": FORMAT, **network, "model": weights, "info": info, **more})


def load_model(path, device=None) -> tuple[torch.nn.Module, dict]:
    """(model in eval mode, float32; info) from a file of `save_model` or of a training run.

    `info["view"]` is a View, `info["label_set"]` a LabelSet, `info["sha256"]` the hash of the file.
    A record beside the file, NAME.json, must have the same hash.
    """
    state = load(path, "network", "arguments", "info")
    sha256 = file_hash(path)
    name = str(state["network"])
    if name not in NETWORKS:
        raise ValueError(
            f"{path} is for a network {name!r}, known are {', '.join(NETWORKS)}. torchvision's "
            "(chapter 13) need `import extras.training_tools.pretrained` before they are loaded; "
            "python -m extras.browser shows and scores them without it"
        )
    # Build the network again from its arguments, then fill in its weights.
    try:
        model = NETWORKS[name](**state["arguments"])
        info = read_info(state["info"], model.arguments["num_classes"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} does not fit this version of the course ({type(error).__name__}: {error})"
        ) from error
    load_weights(model, state["model"], path)
    info["sha256"] = sha256
    return model.to(device or "cpu", memory_format=torch.channels_last).eval(), info


def load_for_frames(path, device=None) -> tuple[torch.nn.Module, dict]:
    """As `load_model`; ValueError for a network that does not label whole pictures."""
    model, info = load_model(path, device)
    if isinstance(model, WindowClassifier):
        raise ValueError(f"{path} labels windows of 32 pixels, not frames: see chapter 01")
    return model, info


def read_info(stored: dict, num_classes: int) -> dict:
    """`info` with a View and a LabelSet; KeyError, TypeError or ValueError if it is not whole."""
    info = dict(stored)
    info["view"] = View(**info["view"])
    classes = info["label_set"]
    info["label_set"] = (
        find_label_set(classes) if isinstance(classes, str) else LabelSet.from_dict(classes)
    )
    if len(info["label_set"]) != num_classes:
        raise ValueError(f"{len(info['label_set'])} classes, but {num_classes} outputs")
    # A nan in here would turn every picture into nan, silently.
    numbers = (*info["mean"], *info["std"])
    if len(numbers) != 6 or not all(map(math.isfinite, numbers)) or min(info["std"]) <= 0:
        raise ValueError(f"mean {info['mean']}, std {info['std']}")
    return info
