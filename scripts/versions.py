"""Which Pythons and package versions the course runs on: a fresh environment each, the tests and
the core chapters.

    python -m scripts.versions python3.10 python3.12 python3.13    # each with the newest packages
    python -m scripts.versions --oldest python3.10                 # the oldest that are allowed

What was seen goes to benchmarks/results/versions.json, and from there into README.md
(scripts/results.py).
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from helpers import command
from helpers.paths import ROOT

RESULT = ROOT / "benchmarks" / "results" / "versions.json"
SHOWN = ("torch", "torchvision", "numpy", "matplotlib", "pillow", "ipywidgets", "nbval", "pytest")
WHAT = [
    "tests/core",
    "tests/city",
    "tests/rooms/test_browser.py",
    *(
        f"notebooks/{name}.ipynb"
        for name in (
            "00_start_here",
            "03_csv_files",
            "04_normalization_statistics",
            "05_dataset_and_transforms",
            "06_unet_model",
            "07_gpu_training",
            "08_miou_evaluation",
        )
    ),
]


def pinned(text: str) -> str:
    """Requirements with every lower bound as the version; packages that name none stay free."""
    return text.replace(">=", "==")


def requirements(folder: Path, oldest: bool) -> list[str]:
    """-r options. The references of the tests are always the newest: only the course's own packages
    are bounded.
    """
    own = folder / "requirements.txt"
    own.write_text(
        pinned((ROOT / "requirements.txt").read_text())
        if oldest
        else (ROOT / "requirements.txt").read_text()
    )
    return ["-r", str(own), "cityscapesscripts", "torchmetrics", "scikit-learn"]


def seen(python: str, oldest: bool) -> dict:
    """Install and run; what was found."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([python, "-m", "venv", str(folder / "venv")], check=True)
        inside = str(
            folder / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        )
        install = [inside, "-m", "pip", "install", "--quiet", *requirements(folder, oldest)]
        if subprocess.run(install).returncode:
            return {"outcome": "does not install"}
        listed = json.loads(
            subprocess.run(
                [inside, "-m", "pip", "list", "--format=json"],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        have = {package["name"].lower(): package["version"] for package in listed}
        version = subprocess.run(
            [inside, "-c", "import platform; print(platform.python_version())"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        # Old packages warn about each other's successors; with the newest every warning fails the
        # chapter it is in.
        strict = {} if oldest else {"PYTHONWARNINGS": "default"}
        run = subprocess.run(
            [inside, "-m", "pytest", "--nbval", "-qrf", "-p", "no:cacheprovider", *WHAT],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={**os.environ, **strict},
        )
        print(run.stdout[-4000:], flush=True)
        last = re.sub(r" in [\d.]+s.*", "", run.stdout.strip().splitlines()[-1].strip("= "))
        failed = re.findall(r"^FAILED (.+?)(?: - .*)?$", run.stdout, re.M)
        return {
            "python": version,
            "outcome": last,
            "packages": {n: have[n] for n in SHOWN},
            "failed": failed,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pythons", nargs="+", help="interpreters, 3.10 or newer")
    parser.add_argument(
        "--oldest", action="store_true", help="the oldest packages that requirements.txt allows"
    )
    options = parser.parse_args()
    results = (
        json.loads(RESULT.read_text())
        if RESULT.is_file()
        else {"command": "python -m scripts.versions PYTHON"}
    )
    results["system"] = f"{platform.system()} {platform.machine()}"
    for python in options.pythons:
        found = seen(python, options.oldest)
        key = f"{found.get('python', Path(python).name)} {'oldest' if options.oldest else 'newest'}"
        results.setdefault("seen", {})[key] = found
        print(key, found["outcome"], flush=True)
        RESULT.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    command.run(main)
