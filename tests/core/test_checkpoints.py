"""Checkpoints: whole or not at all, never executed, refused in words."""

import os
import pickle
import sys

import pytest
import torch

from helpers import checkpoints
from helpers.checkpoints import load_model, save_model
from helpers.unet import UNet
from tests.small_runs import processes


class Trap:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_an_unsafe_file_is_refused_and_not_executed(tmp_path):
    for number, write in enumerate(
        (torch.save, lambda state, path: path.write_bytes(pickle.dumps(state, 2)))
    ):
        path, trap = tmp_path / f"{number}.pt", tmp_path / f"trap{number}"
        write({"model": Trap(trap)}, path)
        with pytest.raises(ValueError, match="not a whole, safe tensor file"):
            checkpoints.load(path)
        assert not trap.exists()


def save_on_a_full_disk(folder):
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        checkpoints.save(folder / "last.pt", {"model": {"weight": torch.ones(100_000)}})
    except OSError as error:
        (folder / "message").write_text(str(error))


@pytest.mark.skipif(
    sys.platform == "win32", reason="limits the size of files, which Windows cannot"
)
def test_full_disk_while_saving(tmp_path):
    good = checkpoints.save(
        tmp_path / "last.pt", {"model": {"weight": torch.zeros(3)}}
    ).read_bytes()
    process = processes().Process(target=save_on_a_full_disk, args=(tmp_path,))
    process.start()
    process.join()
    message = (tmp_path / "message").read_text()
    assert "last.pt" in message and "nothing was lost" in message
    assert (tmp_path / "last.pt").read_bytes() == good and len(list(tmp_path.iterdir())) == 2


def deaf_network() -> UNet:
    """A small padded network with batch norm, its weights far from those of a fresh one."""
    torch.manual_seed(1)
    model = UNet(width=2, depth=1, padding="same", norm="batch")
    for p in model.parameters():
        torch.nn.init.normal_(p)
    return model


def test_a_saved_model_comes_back(tmp_path):
    model = deaf_network().eval()
    view = {"kind": "crop", "size": 32, "padding": "same", "depth": 1, "height": 256}
    info = {"view": view, "label_set": "train19", "mean": (0.5,) * 3, "std": (0.25,) * 3}
    save_model(tmp_path / "m.pt", model, info, half=False)
    x = torch.randn(1, 3, 32, 32)
    expected = model(x)
    assert torch.allclose(
        load_model(tmp_path / "m.pt")[0](x), expected, atol=1e-4 * expected.abs().max().item()
    )


def test_a_full_disk_is_told_in_one_line(tmp_path, monkeypatch):
    def full(state, path):
        raise RuntimeError("unexpected pos 64 vs 0\nat somewhere in C++")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="could not write .*x.pt: unexpected pos 64 vs 0; free"):
        checkpoints.save(tmp_path / "x.pt", {})


def test_five_tensors_that_do_not_fit_are_named(tmp_path):
    other = UNet(width=3, depth=1).state_dict()
    with pytest.raises(ValueError) as caught:
        checkpoints.load_weights(UNet(width=2, depth=1), other, "x.pt")
    assert str(caught.value).count("size mismatch") == 5 and " in all" in str(caught.value)
