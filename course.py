"""The course in two commands, on a machine that has only Python (3.10 or newer) and git.

    python course.py               open the series in JupyterLab
    python course.py test          run pytest --nbval over tests/ and notebooks/

Both make .venv here and install requirements.txt into it the first time. Add --cpu for PyTorch's
CPU build; further options go on to JupyterLab (--no-browser, --allow-root) or to pytest (-k,
notebooks/05_dataset_and_transforms.ipynb).
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def install(files: list[Path], cpu: bool) -> None:
    """Make .venv and install what `files` list, unless that was done before; an interrupted install
    is repeated.
    """
    wanted = hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()
    stamp = VENV / f"installed-{len(files)}"
    if stamp.is_file() and stamp.read_text() == wanted and PYTHON.is_file():
        return
    if not PYTHON.is_file():
        print(f"making {VENV.name}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet"]
    if cpu:
        subprocess.run([*pip, "torch", "torchvision", "--index-url", CPU_INDEX], check=True)
    print("installing what the course needs, once; this takes some minutes", flush=True)
    subprocess.run([*pip, *(arg for f in files for arg in ("-r", str(f)))], check=True)
    stamp.write_text(wanted)


def main() -> int:
    if sys.version_info < (3, 10):  # noqa: UP036 - this file must say so itself
        print(f"The course needs Python 3.10 or newer; this is {sys.version.split()[0]}.")
        return 1
    arguments = [a for a in sys.argv[1:] if a != "--cpu"]
    testing = arguments[:1] == ["test"]
    if not testing and (
        arguments[:1] in (["-h"], ["--help"]) or arguments and not arguments[0].startswith("-")
    ):
        print(__doc__)
        return 2
    files = [ROOT / "requirements.txt"] + ([ROOT / "tests" / "requirements.txt"] if testing else [])
    try:
        install(files, "--cpu" in sys.argv)
    except subprocess.CalledProcessError as error:
        print(
            f"\nThe installation stopped ({error.returncode}); mend what is said above and give "
            "the command again."
        )
        return 1
    if testing:
        command = ["-m", "pytest", "--nbval", *arguments[1:]]
    else:
        command = ["-m", "jupyter", "lab", "notebooks/00_start_here.ipynb", *arguments]
    try:
        return subprocess.run([str(PYTHON), *command], cwd=ROOT).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
