"""The course in two commands, on a machine that has only Python (3.10 or newer) and git.

    python course.py               open the series in JupyterLab
    python course.py test          run pytest --nbval over tests/ and notebooks/
    python course.py test --quick  what a change breaks most often, in less than two minutes

The first time both make .venv here and install requirements.txt into it, in the versions of
constraints.txt, which were tested together. On Linux without an NVIDIA GPU they take PyTorch's CPU
build: 1.2 GB instead of 5.8.

    --cpu, --cuda      PyTorch's CPU build, or the one with CUDA, whatever machine this is
    --newest           the newest packages, without constraints.txt

Further options go on to JupyterLab (--no-browser, --allow-root) or to pytest (-k,
notebooks/05_dataset_and_transforms.ipynb).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
CONSTRAINTS = ROOT / "constraints.txt"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# Where JupyterLab and what it starts keep their settings; else in the home folder.
SETTINGS = (
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
    "IPYTHONDIR",
    "MPLCONFIGDIR",
)
OWN_OPTIONS = ("--cpu", "--cuda", "--newest")

# What a change breaks most often: helpers/, the texts, the form of notebooks, the first chapter.
QUICK = [
    "tests/core",
    "tests/course/test_house.py",
    "tests/course/test_chapters.py",
    "tests/course/test_notebooks.py",
    "tests/course/test_statements.py",
    "tests/course/test_documents.py",
    "tests/rooms/test_exercises.py",
    "notebooks/00_start_here.ipynb",
]

# All tests run side by side, at most in this many processes: each starts kernels of its own.
WORKERS = min(os.cpu_count() or 1, 4)

# torch and torchvision from different builds install well and fail here.
CHECK = """
import torch
import torchvision
torch.nn.functional.conv2d(torch.ones(1, 3, 32, 32), torch.ones(2, 3, 3, 3))
"""


def has_nvidia() -> bool:
    """Whether an NVIDIA driver is installed on this machine."""
    return bool(shutil.which("nvidia-smi")) or os.path.exists("/proc/driver/nvidia/version")


def reached(address: str) -> bool:
    """Whether a package index answers: it and, where one is set, the proxy on the way there."""
    try:
        urllib.request.urlopen(f"{address}/torch/", timeout=10).close()
    except (OSError, HTTPException, ValueError):  # the last two: a proxy that is none
        return False
    return True


def choose_build(options: list[str], installed: str | None) -> tuple[str, str]:
    """("cpu" or "default", why): which build of PyTorch this machine gets.

    "default" is what PyPI has: with CUDA on Linux, without it elsewhere. `installed` is the build
    that is there already.
    """
    if "--cuda" in options:
        return "default", "--cuda asks for it"
    if "--cpu" in options:
        build, why = "cpu", "--cpu asks for it"
    elif installed is not None:
        return installed, "as it is installed"
    elif not sys.platform.startswith("linux"):
        return "default", "this system has one build only"
    elif has_nvidia():
        return "default", "an NVIDIA driver was found"
    else:
        build, why = "cpu", "no NVIDIA driver was found; --cuda takes the other one"
    if build != installed and not reached(CPU_INDEX):
        return "default", f"{CPU_INDEX} does not answer; the one with CUDA works as well"
    return build, why


def runs(program: str) -> bool:
    """Whether .venv has a Python that runs a line of code."""
    if not PYTHON.is_file():
        return False
    try:
        tried = subprocess.run([str(PYTHON), "-c", program], capture_output=True)
    except OSError:
        return False
    return tried.returncode == 0


@contextmanager
def alone():
    """Two launchers that start together: the second waits until the first has installed."""
    if fcntl is None:
        yield
        return
    with open(__file__) as this_file:  # the lock goes with the process, however it ends
        try:
            fcntl.flock(this_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another python course.py installs; waiting for it", flush=True)
            fcntl.flock(this_file, fcntl.LOCK_EX)
        except OSError:
            pass  # a disk without locks
        yield


def make_environment() -> None:
    """Make .venv, or what is missing of it after an interruption or a new Python."""
    if not runs("import sys"):
        half_made = VENV.exists()
        print(f"making {VENV.name}" + " anew: its Python does not run" * half_made, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    elif not runs("import pip"):
        print(f"{VENV.name} has no pip yet: it is added", flush=True)
        subprocess.run([str(PYTHON), "-m", "ensurepip"], check=True)


def check() -> str | None:
    """What is wrong with the PyTorch that was installed, or None."""
    tried = subprocess.run([str(PYTHON), "-c", CHECK], capture_output=True, text=True)
    if tried.returncode == 0:
        return None
    lines = tried.stderr.strip().splitlines() or [f"it ended with {tried.returncode}"]
    return lines[-1]


def install(files: list[Path], options: list[str]) -> None:
    """Make .venv and install what `files` list, unless that was done before; an interrupted
    installation is repeated. Raises RuntimeError when the PyTorch that was installed does not work.
    """
    constraints = [] if "--newest" in options else [CONSTRAINTS]
    content = b"".join(file.read_bytes() for file in [*files, *constraints])
    wanted = hashlib.sha256(content).hexdigest()
    stamp = VENV / f"installed-{len(files)}"
    record = VENV / "pytorch-build"
    make_environment()
    installed = record.read_text() if record.is_file() else None
    build, why = choose_build(options, installed)
    if build == installed and stamp.is_file() and stamp.read_text() == wanted:
        return
    pip = [str(PYTHON), "-m", "pip"]
    pip_install = [*pip, "install", "--quiet"]
    for file in constraints:
        pip_install += ["-c", str(file)]
    size = "about 1.2 GB" if build == "cpu" else "up to 5.8 GB"
    print(f"PyTorch: the {build} build, {size} with all that it needs ({why})", flush=True)
    print("installing what the course needs, once; this takes some minutes", flush=True)
    if installed not in (None, build):
        subprocess.run([*pip, "uninstall", "--quiet", "-y", "torch", "torchvision"], check=True)
    if build == "cpu" and reached(CPU_INDEX):
        torch = ["torch", "torchvision", "--index-url", CPU_INDEX]
        subprocess.run([*pip_install, *torch], check=True)
    for file in files:
        pip_install += ["-r", str(file)]
    subprocess.run(pip_install, check=True)

    problem = check()
    if problem:
        raise RuntimeError(
            f"PyTorch was installed and does not work: {problem}\n"
            "torch and torchvision must come from one build: remove the folder .venv and give the "
            "command again, with --cpu or --cuda."
        )
    record.write_text(build)
    stamp.write_text(wanted)


def environment() -> dict[str, str]:
    """The variables for what is started: `python` is that of .venv, in JupyterLab's terminals too.
    Where the home folder is read-only, settings go to .venv, for JupyterLab does not start without
    a place for them.
    """
    variables = dict(os.environ)
    variables["VIRTUAL_ENV"] = str(VENV)
    programs = str(Path(PYTHON).parent)
    variables["PATH"] = os.pathsep.join(filter(None, [programs, variables.get("PATH")]))
    home = os.path.expanduser("~")
    if not os.access(home, os.W_OK):
        print(f"the home folder, {home}, cannot be written: settings go to {VENV}", flush=True)
        for name in SETTINGS:
            variables.setdefault(name, str(VENV / "settings" / name.lower()))
    return variables


def pytest_options(chosen: list[str]) -> list[str]:
    """The options for pytest: `chosen`, what --quick stands for, and processes side by side.

    The cells of a notebook need one kernel, so a file stays in one process. A single file starts
    faster without others, and a debugger needs pytest itself.
    """
    options = list(chosen)
    if "--quick" in options:
        options.remove("--quick")
        options += ["-q", *QUICK]
    files = [word for word in options if (ROOT / word.split("::")[0]).exists()]
    if len(files) == 1 or {"-n", "-s", "--pdb"} & set(options):
        return options
    return [*options, "-n", str(WORKERS), "--dist", "loadfile", "--no-loadscope-reorder"]


def main() -> int:
    if sys.version_info < (3, 10):  # noqa: UP036 - this file must say so itself
        print(f"The course needs Python 3.10 or newer; this is {sys.version.split()[0]}.")
        return 1
    options = [word for word in sys.argv[1:] if word in OWN_OPTIONS]
    arguments = [word for word in sys.argv[1:] if word not in OWN_OPTIONS]
    testing = arguments[:1] == ["test"]
    asks_for_help = arguments[:1] in (["-h"], ["--help"])
    unknown_word = bool(arguments) and not arguments[0].startswith("-")
    if not testing and (asks_for_help or unknown_word):
        print(__doc__)
        if unknown_word:
            print(f"There is no {arguments[0]!r}; nothing was done.")
        return 2 if unknown_word else 0
    files = [ROOT / "requirements.txt"]
    if testing:
        files.append(ROOT / "tests" / "requirements.txt")
    try:
        with alone():
            install(files, options)
        if testing:
            command = ["-m", "pytest", "--nbval", *pytest_options(arguments[1:])]
        else:
            # The project is the root: links to other folders and their pictures work.
            command = [
                "-m",
                "jupyterlab",
                f"--ServerApp.root_dir={ROOT}",
                "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb",
                *arguments,
            ]
        variables = environment()
        if "loadfile" in command:  # the processes share the cores
            threads = max(1, (os.cpu_count() or 1) // WORKERS)
            variables.setdefault("OMP_NUM_THREADS", str(threads))
        started = subprocess.run([str(PYTHON), *command], cwd=ROOT, env=variables)
        return started.returncode
    except subprocess.CalledProcessError as error:
        print(
            f"\nThe installation stopped ({error.returncode}); mend what is said above and give "
            "the command again. If a version of constraints.txt is not to be had for this Python, "
            "--newest leaves them out."
        )
        return 1
    except (OSError, RuntimeError) as error:
        print(f"\n{error}")
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on")
        return 130


if __name__ == "__main__":
    sys.exit(main())
