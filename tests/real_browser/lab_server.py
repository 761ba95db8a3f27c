"""JupyterLab on loopback with a copy of the course, and Chromium to drive it. Used by the browser
test.
"""

import base64
import io
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
# Seconds; a busy machine is slow, not broken.
PATIENCE = float(os.environ.get("COURSE_PATIENCE", 120))
CELLS_RAN = """() => {
    const cells = '.jp-CodeCell .jp-InputArea-prompt';
    const prompts = [...document.querySelectorAll(cells)];
    return prompts.length && prompts.every(e => /\\[\\d+\\]/.test(e.textContent)); }"""


def why_not() -> str | None:
    """The reason why no browser can be driven here, or None."""
    for name in ("playwright", "jupyterlab"):
        try:
            __import__(name)
        except ImportError:
            return (
                f"the browser test needs {name}: pip install -r requirements.txt "
                "-r tests/requirements.txt"
            )
    if not CHROMIUM:
        return (
            "the browser test needs Chromium: install your system's package, or set CHROMIUM to "
            "its path"
        )
    return None


def cleared(source: Path, target: Path) -> None:
    """Copy a notebook without its outputs: what is stored must not pass for a run."""
    notebook = nbformat.read(source, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, target)


@contextmanager
def serve(folder: Path, notebooks: dict):
    """JupyterLab over a copy of helpers/ and the checkpoint; yields its address and token.

    `notebooks` are further notebooks by file name, as lists of code cells.
    """
    work = folder / "course"
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    copied = ("helpers", "sample_city", "extras", "scripts", "images")
    for name in (*copied, "data/checkpoints", "data/frame"):
        shutil.copytree(ROOT / name, work / name, ignore=ignore)
    (work / "notebooks").mkdir()
    cleared(
        ROOT / "notebooks" / "09_browse_predictions.ipynb",
        work / "notebooks" / "09_browse_predictions.ipynb",
    )
    for name, cells in notebooks.items():
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        made.metadata["kernelspec"] = {
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
            "name": "python3",
        }
        nbformat.write(made, work / "notebooks" / name)
    lab = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={work}"]
    theme = {"apputils-extension/themes.jupyterlab-settings": {"adaptive-theme": True}}
    with running(lab, folder, folder, theme) as (address, token):
        yield address, token


@contextmanager
def running(words: list[str], folder: Path, cwd: Path, settings: dict):
    """A command that ends in JupyterLab, with settings and a log in `folder`; yields its address
    and token.
    """
    for name, content in settings.items():
        path = folder / "settings" / "@jupyterlab" / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
    page_config = folder / "config" / "labconfig" / "page_config.json"
    page_config.parent.mkdir(parents=True)
    page_config.write_text(
        '{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}'
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token, log = secrets.token_hex(16), folder / "server.log"
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "OMP_NUM_THREADS": "1",
    }
    options = [
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
    ]
    with open(log, "w") as output:
        server = subprocess.Popen(
            [*words, *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=environment,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/api?token={token}")
                break
            except OSError:
                if server.poll() is not None:
                    raise RuntimeError(f"JupyterLab stopped:\n{log.read_text()[-3000:]}") from None
                time.sleep(0.5)
        else:
            raise RuntimeError(f"JupyterLab did not answer:\n{log.read_text()[-3000:]}")
        yield address, token
    finally:
        # The command may have started JupyterLab as a process of its own.
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


@contextmanager
def watched_page(browser, own: tuple, **options):
    """A page whose console errors and foreign requests are collected; both must be empty when it
    closes.
    """
    page = browser.new_page(**options)
    page.set_default_timeout(PATIENCE * 1000)
    console, outside = [], []
    page.on("console", lambda m: console.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: console.append(str(e)))
    page.on(
        "request",
        lambda r: None if r.url.startswith((*own, "data:", "blob:")) else outside.append(r.url),
    )
    yield page
    page.close()
    assert console == [] and outside == [], (console, outside)


def run_all(page, address: str, token: str, notebook: str) -> None:
    """Open a notebook, run all cells, wait until each has its number and the kernel is idle."""
    page.goto(f"{address}/lab/tree/notebooks/{notebook}?token={token}&reset")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.click(".jp-Notebook .jp-CodeCell .jp-InputArea-editor")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.wait_for_function(CELLS_RAN)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0, (
        "a cell failed"
    )


READ = """async root => {
    // ipywidgets puts such spaces in
    const plain = t => t.replace(/\\u200b/g, '').replace(/\\u00a0/g, ' ').trim();
    const state = {}, text = e => plain(e.textContent);
    for (const box of root.querySelectorAll('.widget-slider'))
        state[text(box.querySelector('.widget-label'))] = Number(
            box.querySelector('.noUi-handle').getAttribute('aria-valuetext'));
    for (const box of root.querySelectorAll('.widget-dropdown')) {
        const chosen = box.querySelector('select').selectedOptions[0];
        state[text(box.querySelector('.widget-label'))] = plain(chosen.label);
    }
    for (const box of root.querySelectorAll('.widget-checkbox'))
        state[text(box)] = box.querySelector('input').checked;
    for (const box of root.querySelectorAll('.widget-toggle-button'))
        state[text(box)] = box.classList.contains('mod-active');
    let image = '';
    const answer = await fetch(root.querySelector('img').src);
    for (const b of new Uint8Array(await answer.arrayBuffer()))
        image += String.fromCharCode(b);
    const status = root.querySelector('[role=status]');
    return { state, image: btoa(image), caption: status && text(status),
             lines: [...root.querySelectorAll('.widget-html-content')].map(text) }; }"""


def decode(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def read(root) -> dict:
    """What a widget shows at one moment: state (label -> value), image (decoded), caption, lines of
    text.
    """
    found = root.evaluate(READ)
    return {**found, "image": decode(base64.b64decode(found["image"]))}


def eventually(check, what: str) -> None:
    """Wait until `check()` is true; fails in words."""
    end = time.time() + PATIENCE / 4
    while time.time() < end:
        if check():
            return
        time.sleep(0.05)
    raise AssertionError(f"this never became true: {what}")


class Controls:
    """The controls of a widget, found by their visible label, as a reader finds them."""

    def __init__(self, page, root):
        self.page, self.root = page, root

    def labeled(self, kind: str, label: str):
        own = self.page.locator(
            ".widget-label", has_text=re.compile(rf"^\s*{re.escape(label)}\s*$")
        )
        return self.root.locator(kind).filter(has=own)

    def handle(self, label: str):
        return self.labeled(".widget-slider", label).locator(".noUi-handle")

    def press(self, label: str, key: str, times: int = 1) -> None:
        self.handle(label).focus()
        for _ in range(times):
            self.page.keyboard.press(key)

    def drag(self, label: str, to: float) -> None:
        """Drag the handle to a share of the track (0 left, 1 right)."""
        handle = self.handle(label)
        track = self.labeled(".widget-slider", label).locator(".noUi-target")
        handle.scroll_into_view_if_needed()
        a, b = handle.bounding_box(), track.bounding_box()
        self.page.mouse.move(a["x"] + a["width"] / 2, a["y"] + a["height"] / 2)
        self.page.mouse.down()
        self.page.mouse.move(b["x"] + b["width"] * to, b["y"] + b["height"] / 2, steps=25)
        self.page.mouse.up()

    def choose(self, label: str, option: str) -> None:
        select = self.labeled(".widget-dropdown", label).locator("select")
        names = select.evaluate("e => [...e.options].map(o => o.label.replace(/\\u00a0/g, ' '))")
        select.select_option(index=names.index(option))

    def checkbox(self, label: str):
        own = self.page.locator(
            ".widget-label-basic", has_text=re.compile(rf"^\s*{re.escape(label)}\s*$")
        )
        return self.root.locator(".widget-checkbox").filter(has=own).locator("input")

    def button(self, text: str) -> None:
        self.root.get_by_role("button", name=text).click()
