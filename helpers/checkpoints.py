"""Checkpoints: written whole or not at all, read as plain tensors, refused in words when they do
not fit.
"""

import errno
import hashlib
import json
import pickle
from pathlib import Path

import torch

from helpers.fcn import FCN8s, FCN16s, FCN32s, ThinFCN, WindowClassifier
from helpers.files import atomic_file
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


def load(path) -> dict:
    """The state in `path`, on the CPU. Nothing in the file is executed (`weights_only=True`).

    Raises FileNotFoundError, or ValueError for a file that is truncated or holds more than tensors.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"{path}: no such checkpoint; train one with python -m helpers.training"
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise ValueError(
            f"{path} is not a whole, safe tensor file ({type(error).__name__}: "
            f"{str(error)[:150].partition(chr(10))[0]}); restore it or train again"
        ) from error
    if not isinstance(state, dict) or "model" not in state:
        raise ValueError(
            f"{path} is no checkpoint of this course: expected a dict with the entry 'model'"
        )
    return state


def load_weights(model: torch.nn.Module, weights: dict, path) -> None:
    """Copy `weights` into `model`; raises ValueError that names the file and the first differences."""
    own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    stored = {name: tuple(value.shape) for name, value in weights.items()}
    wrong = [
        f"{name}: stored {stored.get(name, 'nothing')}, model {own.get(name, 'nothing')}"
        for name in sorted(own.keys() | stored.keys())
        if own.get(name) != stored.get(name)
    ]
    if wrong:
        listed = "\n  ".join(wrong[:5] + ([f"... {len(wrong)} in all"] if len(wrong) > 5 else []))
        raise ValueError(f"{path} belongs to another architecture:\n  {listed}")
    model.load_state_dict(weights)


def save_model(path, model: torch.nn.Module, info: dict, half: bool = True) -> Path:
    """A model alone, for use: weights and `info` (label_set, view, mean, std, history, ...).

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
    return save(path, {"format": FORMAT, **network_entry(model), "model": weights, "info": info})


def network_entry(model: torch.nn.Module) -> dict:
    """What a checkpoint says of its network: the name of its class and the arguments that build it
    again.
    """
    return {"network": type(model).__name__, "arguments": model.arguments}


def file_hash(path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def check_record(path) -> None:
    """Raises ValueError if NAME.json beside NAME.pt has a sha256 that is not the file's."""
    record = Path(path).with_suffix(".json")
    if not record.is_file():
        return
    expected = json.loads(record.read_text()).get("sha256")
    found = file_hash(path)
    if expected is not None and expected != found:
        raise ValueError(
            f"{path} is not the file that {record.name} describes: expected the SHA-256 "
            f"{expected[:12]}..., found {found[:12]}...; restore both, or remove {record.name}"
        )


def load_model(path, device=None) -> tuple[torch.nn.Module, dict]:
    """(model in eval mode, info) from a file of `save_model` or of a training run; weights in
    float32.

    `info["view"]` is a View, `info["label_set"]` a LabelSet, `info["sha256"]` the hash of the file.
    A record beside the file, NAME.json, must have the same hash.
    """
    state = load(path)
    check_record(path)
    if "arguments" not in state or "info" not in state:
        raise ValueError(
            f"{path} does not say which network it is for: expected 'arguments' and 'info'"
        )
    name = state.get("network", "UNet")
    if name not in NETWORKS:
        raise ValueError(f"{path} is for a network {name!r}; this course has {', '.join(NETWORKS)}")
    arguments = dict(state["arguments"])
    if "classes" in arguments:  # files of format 1 call it so
        arguments["num_classes"] = arguments.pop("classes")
    model = NETWORKS[name](**arguments)
    load_weights(model, state["model"], path)
    info = dict(state["info"])
    info["view"] = View(**info["view"])
    classes = info["label_set"]
    info["label_set"] = (
        find_label_set(classes) if isinstance(classes, str) else LabelSet.from_dict(classes)
    )
    info["sha256"] = file_hash(path)
    return model.to(device or "cpu", memory_format=torch.channels_last).eval(), info
