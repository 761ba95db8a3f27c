"""From a clone to the first prediction, stage by stage, as a newcomer goes: git, the launcher,
chapter 00.

    python -m benchmarks.first_minutes       # needs git and Python alone; about five minutes

For Linux and macOS. Everything happens in a temporary folder with an environment of its own. How
long the installation takes is mostly a matter of the connection and of pip's cache. --cpu takes
PyTorch's CPU build.
"""

import argparse
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "first_minutes.json"
FIRST_PICTURE = """
import json, sys, time
import nbformat
from nbclient import NotebookClient
begin = time.time()
notebook = nbformat.read("00_start_here.ipynb", as_version=4)
client, shown = NotebookClient(notebook, timeout=600), None
with client.setup_kernel():
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            client.execute_cell(cell, index)
            kinds = [kind for output in cell.outputs for kind in output.get("data", {})]
            if "image/png" in kinds or "image/jpeg" in kinds:
                shown = shown or time.time() - begin
print(json.dumps([shown, time.time() - begin]))
"""


def wait_for(address: str, process, seconds: int = 300) -> None:
    """Until a server answers."""
    for _ in range(seconds * 10):
        if process.poll() is not None:
            raise RuntimeError("the launcher ended before JupyterLab answered")
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError(f"{address} did not answer within {seconds} seconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", action="store_true", help="install PyTorch's CPU build")
    options, stages = parser.parse_args(), {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        course, begin = Path(name) / "course", time.time()
        subprocess.run(
            ["git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), str(course)], check=True
        )
        stages["clone"] = time.time() - begin
        packed = sum(f.stat().st_size for f in (course / ".git").rglob("*") if f.is_file())
        whole = sum(f.stat().st_size for f in course.rglob("*") if f.is_file())
        sys.path.insert(0, str(course))
        import course as launcher  # the clone's own

        begin = time.time()
        launcher.install([course / "requirements.txt"], ["--cpu"] if options.cpu else [])
        stages["install"] = time.time() - begin
        weight = sum(
            f.stat().st_size
            for f in (course / ".venv").rglob("*")
            if f.is_file() and not f.is_symlink()
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        begin = time.time()
        lab = subprocess.Popen(
            [
                sys.executable,
                "course.py",
                "--no-browser",
                "--allow-root",
                f"--port={port}",
                "--IdentityProvider.token=first",
            ],
            cwd=course,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/api", lab)
        finally:
            os.killpg(lab.pid, signal.SIGTERM)  # the launcher and JupyterLab
            lab.wait()
        stages["start of JupyterLab"] = time.time() - begin
        ran = subprocess.run(
            [str(launcher.PYTHON), "-c", FIRST_PICTURE],
            cwd=course / "notebooks",
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "TQDM_DISABLE": "1"},
        )
        picture, chapter = json.loads(ran.stdout.splitlines()[-1])
        stages["first picture of chapter 00"] = picture
    stages = {stage: round(seconds, 1) for stage, seconds in stages.items()}
    result = {
        "command": "python -m benchmarks.first_minutes" + " --cpu" * options.cpu,
        "seconds": stages,
        "total": round(sum(stages.values())),
        "all of chapter 00": round(chapter, 1),
        "clone_mb": round(whole / 1e6, 1),
        "clone_packed_mb": round(packed / 1e6, 1),
        "environment_gb": round(weight / 1e9, 1),
        "python": platform.python_version(),
        "hardware": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nstopped")
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        sys.exit(str(error))  # helpers.command needs what is not installed yet
