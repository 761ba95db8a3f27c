"""Exported networks: any legal size gives what the network gives, and the file says what it is."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from extras.export import Portable, describe, export, export_program, main, run_file
from helpers.checkpoints import load_model, save_model
from helpers.fcn import FCN8s, ThinFCN
from helpers.labels import LabelSet
from helpers.paths import ROOT
from helpers.unet import UNet
from helpers.windows import View

OWN = LabelSet(names=("soil", "leaf"), colors=((1, 2, 3), (4, 5, 6)), ids=(1, 2))
HAS_ONNX = all(importlib.util.find_spec(n) for n in ("onnx", "onnxscript", "onnxruntime"))
ENDINGS = [
    ".pt2",
    pytest.param(
        ".onnx",
        marks=pytest.mark.skipif(not HAS_ONNX, reason="onnx, onnxscript, onnxruntime: optional"),
    ),
]


def save(path, padding, depth=2, model=None):
    torch.manual_seed(0)
    norm = "batch" if padding == "same" else None
    if model is None:
        model = UNet(num_classes=2, width=2, depth=depth, padding=padding, norm=norm)
    kind = "frame" if padding == "same" else "crop"
    size = 64 if padding == "same" else 20
    info = {
        "label_set": OWN.as_dict(),
        "view": vars(View(kind, size, padding, depth)),
        "mean": [0.3, 0.4, 0.5],
        "std": [0.1, 0.2, 0.3],
        "history": [],
    }
    return save_model(path, model, info, half=False)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("padding, sizes", [("same", (16, 24)), ("valid", (60, 68))])
def test_an_export_gives_what_the_network_gives(tmp_path, padding, sizes, ending):
    checkpoint = save(tmp_path / "best.pt", padding)
    path = tmp_path / f"net{ending}"
    assert export(checkpoint, path) < 1e-5

    model, info = load_model(checkpoint)
    image = np.random.default_rng(1).integers(0, 256, (2, *sizes, 3), np.uint8)
    pixels = torch.from_numpy(image / 255).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(info[name]).view(3, 1, 1) for name in ("mean", "std"))
    with torch.no_grad():
        expected = model(((pixels - mean) / std).float()).numpy()
    assert np.allclose(run_file(path, image), expected, atol=1e-5)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_file_says_what_it_is(tmp_path, ending, capsys):
    checkpoint = save(tmp_path / "best.pt", "valid")
    path = tmp_path / f"net{ending}"
    main([str(checkpoint), "--to", str(path)])
    assert "2 classes; height and width: 48 + any multiple of 4" in capsys.readouterr().out
    if ending == ".pt2":
        files = {"info": ""}
        torch.export.load(path, extra_files=files)
        text = files["info"]
    else:
        import onnxruntime

        text = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map["info"]
    info = json.loads(text)
    assert info == describe(load_model(checkpoint)[1])
    assert info["classes"] == ["soil", "leaf"] and info["mean"] == [0.3, 0.4, 0.5]
    assert info["output"] == "20 pixels less on each side"


@pytest.mark.skipif(not HAS_ONNX, reason="onnx, onnxscript, onnxruntime: optional")
def test_four_lines_use_it_without_this_project(tmp_path):
    path = tmp_path / "net.onnx"
    export(save(tmp_path / "best.pt", "same"), path)
    program = f"""
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession({str(path)!r})
image = np.zeros((1, 32, 48, 3), np.uint8)
logits = session.run(None, {{"image": image}})[0]
print(logits.argmax(axis=1)[0].shape)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.strip() == "(32, 48)", done.stderr


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(("make", "depth"), [(ThinFCN, 0), (ThinFCN, 4), (FCN8s, 0)])
def test_an_fcn_is_exported(tmp_path, make, depth, ending, capsys):
    model = make(num_classes=2, width=2, hidden=4)
    torch.nn.init.normal_(model.get_submodule("score8" if make is ThinFCN else "score_fc7").weight)
    checkpoint = save(tmp_path / "best.pt", "same", depth, model)
    path = tmp_path / f"net{ending}"
    main([str(checkpoint), "--to", str(path)])
    assert "height and width: a multiple of 32" in capsys.readouterr().out
    model = load_model(checkpoint)[0]
    image = np.random.default_rng(1).integers(0, 256, (1, 96, 160, 3), np.uint8)
    with torch.no_grad():
        expected = Portable(model, [0.3, 0.4, 0.5], [0.1, 0.2, 0.3])(torch.from_numpy(image))
    assert np.allclose(run_file(path, image), expected.numpy(), atol=1e-5)


class OneSize(torch.nn.Module):
    """Pictures of one size alone; torch.export is asked for all."""

    def forward(self, images):
        return images.reshape(-1, 3, 12, 12)


def test_what_cannot_be_exported_is_named(tmp_path):
    info = {"view": View("frame", None, "same", 2), "mean": [0.5] * 3, "std": [0.2] * 3}
    with pytest.raises(ValueError, match="torch.export cannot write a OneSize for any size: "):
        export_program(OneSize(), info)
    window = ROOT / "data" / "checkpoints" / "window.pt"
    with pytest.raises(ValueError, match="windows of 32 pixels, not frames"):
        export(window, tmp_path / "net.pt2")
    checkpoint = save(tmp_path / "best.pt", "same")
    with pytest.raises(ValueError, match="expected a name that ends in .onnx or .pt2"):
        export(checkpoint, tmp_path / "net.pb")
    if not HAS_ONNX:
        with pytest.raises(ValueError, match="pip install onnx onnxscript onnxruntime.*[.]pt2"):
            export(checkpoint, tmp_path / "net.onnx")
