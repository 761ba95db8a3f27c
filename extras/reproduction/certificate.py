"""The certificate of a reproduction: what was measured, on what, by which code; as JSON, text and
HTML (chapter 13).
"""

import hashlib
import html
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import torch

from helpers.files import read_json, write_json, write_text
from helpers.paths import ROOT

REPORTED = {
    "val_loss": 0.4051,
    "mean_iou": 0.6426,
    "note": "reported by the write-up that the course grew from; protocol unknown, so not "
    "comparable",
}


def file_hash(path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def weights_hash(weights: dict) -> str:
    """One hash over all weights, by their sorted names: the same wherever the file was written."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + b"\0" + weights[name].contiguous().numpy().tobytes() + b"\0")
    return digest.hexdigest()


def code_hash() -> str:
    """One hash over helpers/ and extras/: the code that measured, with or without git."""
    paths = [path for folder in ("helpers", "extras") for path in (ROOT / folder).rglob("*.py")]
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda path: path.as_posix()):
        name = path.relative_to(ROOT).as_posix().encode()
        digest.update(name + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def machine() -> dict:
    """Hardware and versions, and the commit of the course."""
    import numpy
    import PIL
    import torchvision

    found = {
        "when": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "processors": os.cpu_count(),
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": numpy.__version__,
        "pillow": PIL.__version__,
        "gpu": None,
    }
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        found["gpu"] = (
            f"{card.name}, {card.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
        )
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        found["commit"] = answer.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        found["commit"] = "no git"
    return found


def digest(certificate: dict) -> str:
    """sha256 over everything but the digest itself."""
    rest = {key: value for key, value in certificate.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def write(folder: Path, state: dict, config: str, deviations: list[str]) -> dict:
    """Write certificate.json and report.html into `folder`; returns the certificate."""
    result = {
        "format": 1,
        "config": config,
        "complete": not deviations,
        "deviations": deviations,
        **json.loads(json.dumps(state["steps"])),
        "seconds": state["seconds"],
        "machines": state["machines"],
        "code_sha256": code_hash(),
        "reported": REPORTED,
    }
    result["digest"] = digest(result)
    write_json(folder / "certificate.json", result)
    write_text(folder / "report.html", as_html(result))
    return result


def verify(path) -> str:
    """What a certificate says in one line; raises ValueError if it was changed after it was
    written.
    """
    certificate = read_json(path)
    if not isinstance(certificate, dict):
        raise ValueError(f"{path} is no certificate")
    if certificate.get("digest") != digest(certificate):
        raise ValueError(f"{path}: the digest does not fit, so something in it was changed")
    kind = "a full reproduction" if certificate["complete"] else "a rehearsal"
    return f"{path}: unchanged, {kind} of {certificate['config']}"


def rows(certificate: dict) -> list[tuple[str, str]]:
    """The facts of a certificate as (what, value) lines for reading."""
    statistics = certificate["statistics"]
    training = certificate["training"]
    last = certificate["machines"][-1]
    kind = "full reproduction" if certificate["complete"] else "rehearsal"
    lines = [("kind", kind), ("config", certificate["config"])]
    lines += [("deviation", text) for text in certificate["deviations"]]
    for split, index in certificate["csv"].items():
        lines.append((f"{split}.csv", f"{index['rows']} rows, sha256 {index['sha256'][:16]}"))
    lines += [(name, "  ".join(f"{v:.8f}" for v in statistics[name])) for name in ("mean", "std")]
    equal = "equal" if statistics["equal_to_six_digits"] else "not equal"
    difference = f"{equal} to six digits, at most {statistics['largest_difference']:.1e} away"
    lines.append(("against constants", difference))
    network = (
        f"{training['parameters']:,} parameters, {len(training['history'])} epochs, last training "
        f"loss {training['history'][-1]['train_loss']:.4f}"
    )
    lines.append(("network", network))
    for region in ("center crops", "whole frames"):
        scores = certificate[region]
        text = (
            f"mIoU {scores['mean_iou']:.4f}, pixel accuracy {scores['pixel_accuracy']:.4f}, loss "
            f"{scores['loss_per_pixel']:.4f} per pixel, {scores['loss_per_batch']:.4f} per batch; "
            f"{scores['frames']} frames"
        )
        lines.append((f"val, {region}", text))
    other = certificate["reported"]
    text = f"loss {other['val_loss']}, mIoU {other['mean_iou']}; {other['note']}"
    lines.append(("reported elsewhere", text))
    for name, seconds in certificate["seconds"].items():
        lines.append(("time", f"{name}: {seconds:.0f} s"))
    lines.append(("sessions", str(len(certificate["machines"]))))
    computed_on = last["gpu"] or last["processor"]
    lines.append(("machine", f"{computed_on}, {last['processors']} processors, {last['system']}"))
    lines.append(("commit", last["commit"]))
    versions = ("python", "torch", "torchvision", "numpy", "pillow")
    lines.append(("versions", ", ".join(f"{name} {last[name]}" for name in versions)))
    return lines + [
        ("checkpoint", training["weights_sha256"]),
        ("code", certificate["code_sha256"]),
        ("digest", certificate["digest"]),
    ]


def as_text(certificate: dict) -> str:
    return "\n".join(f"{name:22s} {value}" for name, value in rows(certificate))


def as_html(certificate: dict) -> str:
    """One page without scripts. It names the pictures beside it, and holds no pixel of the data set
    itself.
    """

    def row(cells, tag: str = "td") -> str:
        return f"<tr>{''.join(f'<{tag}>{html.escape(str(c))}</{tag}>' for c in cells)}</tr>"

    def table(lines, head=()) -> str:
        first = row(head, "th") if head else ""
        return f"<table>{first}{''.join(row(line) for line in lines)}</table>"

    def number(value, missing: str) -> str:
        return missing if value is None else f"{value:.4f}"

    frames = certificate["whole frames"]["iou"]
    crops = certificate["center crops"]["iou"]
    classes = [
        (name, number(frames[name], "absent"), number(crops[name], "absent")) for name in frames
    ]
    columns = ("train_loss", "val_loss", "val_mean_iou")
    history = [
        (epoch["epoch"], *(f"{epoch[name]:.4f}" for name in columns))
        for epoch in certificate["training"]["history"]
    ]
    protocols = [
        (*protocol.split(" | "), number(value, "undefined"))
        for protocol, value in certificate["protocols"].items()
    ]
    pictures = "".join(
        f'<figure><img src="{html.escape(p)}" alt="frame, truth, prediction">'
        f"<figcaption>{html.escape(p)}</figcaption></figure>"
        for p in certificate["pictures"]
    )
    return f"""<!doctype html><html lang="en"><meta charset="utf-8">
<title>Reproduction: {certificate["config"]}</title>
<style>
body{{font:16px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}}
body{{background:#fff;color:#222}}
table{{border-collapse:collapse;margin:1em 0}}
td,th{{border:1px solid #ccc;padding:.2em .6em;text-align:left}}
img{{max-width:100%}}figure{{margin:1em 0}}
</style>
<h1>Reproduction of &ldquo;{html.escape(certificate["config"])}&rdquo;</h1>
{table(rows(certificate))}
<h2>IoU of each class</h2>{table(classes, ("class", "whole frames", "center crops"))}
<h2>mIoU under every protocol</h2>
{table(protocols, ("average", "absent class", "void", "region", "mIoU"))}
<h2>Training</h2>{table(history, ("epoch", "train loss", "val loss", "val mIoU"))}
<h2>Pictures</h2><p>Frame, truth and prediction. They lie in the folder pictures/ beside this page;
do not pass pictures of Cityscapes on, its license forbids it.</p>{pictures}</html>"""
