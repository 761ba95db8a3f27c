"""JupyterLab as README's first command starts it: chapter 00 is open, no picture is broken and no
link is dead, in any notebook.
"""

import shutil
import subprocess
import sys
from urllib.parse import quote, unquote

import nbformat
import pytest

from helpers.paths import ROOT
from tests.real_browser import lab_server as lab
from tests.real_browser.conftest import chromium  # noqa: F401 - a fixture

reason = lab.why_not()
if reason:
    pytest.skip(reason, allow_module_level=True)

NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
# The launcher, but for the installation: its packages are those that run this test.
LAUNCHER = """
import sys
import course
course.PYTHON = sys.executable
course.install = lambda files, options: None
sys.exit(course.main())
"""
# All cells stand on the page at once.
SETTINGS = {"notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"}}
OPEN = "path => { window.jupyterapp.commands.execute('docmanager:open', { path }); }"
# Every text stands there with its links made absolute, every picture has come or failed.
READY = """([name, count]) => {
    const panel = document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden)');
    const tab = document.querySelector('#jp-main-dock-panel .lm-TabBar-tab.lm-mod-current');
    if (!panel || !tab || !tab.textContent.includes(name)) return false;
    const notebook = panel.querySelector('.jp-Notebook');
    const texts = [...notebook.querySelectorAll('.jp-MarkdownCell .jp-RenderedMarkdown')];
    const links = [...notebook.querySelectorAll('.jp-RenderedMarkdown a[href]')];
    const relative = link => /^[^#:]+$/.test(link.getAttribute('href'));
    return texts.length >= count && texts.every(text => text.childElementCount)
        && !links.some(relative)
        && [...notebook.querySelectorAll("img")].every(image => image.complete); }"""
LOOK = """() => {
    const notebook = document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook');
    const images = [...notebook.querySelectorAll('img')];
    const links = [...notebook.querySelectorAll('.jp-RenderedMarkdown a')].filter(
        link => !link.classList.contains('jp-InternalAnchorLink'));
    const ids = [...document.querySelectorAll('[id], [data-jupyter-id]')];
    return {
        images: images.length,
        broken: images.filter(image => !image.naturalWidth).map(image => image.src.slice(0, 80)),
        ids: ids.map(element => element.dataset.jupyterId || element.id),
        links: links.map(link => ({
            text: link.textContent,
            href: link.getAttribute('href') || '' })) }; }"""


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """The address and token of JupyterLab over a copy of the project."""
    folder = tmp_path_factory.mktemp("first")
    copy = folder / "course"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("needs a clone: git lists what belongs to the project")
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    # A further option goes on to JupyterLab; with this one a test opens notebooks without loading
    # the whole page anew.
    words = [sys.executable, "-c", LAUNCHER, "--LabApp.expose_app_in_browser=True"]
    with lab.running(words, folder, copy, SETTINGS) as (address, token):
        yield address, token, copy


def opened(page, copy, name: str) -> dict:
    """What a reader sees of a notebook that has just been opened."""
    cells = nbformat.read(copy / "notebooks" / name, as_version=4).cells
    count = sum(cell.cell_type == "markdown" for cell in cells)
    page.wait_for_function(READY, arg=[name, count])
    return page.evaluate(LOOK)


def dead_links(page, address: str, token: str, seen: dict) -> list[str]:
    """The links that lead nowhere; those to other hosts are not followed."""
    dead = []
    for link in seen["links"]:
        place, _, fragment = link["href"].partition("#")
        if place.startswith(f"{address}/files/"):  # what JupyterLab makes of a relative link
            path = unquote(place.removeprefix(f"{address}/files/").partition("?")[0])
            known = page.request.get(
                f"{address}/api/contents/{quote(path)}?content=0&token={token}"
            )
            if known.status != 200:
                dead.append(f"{link['text']} -> {path}")
        elif place == "":
            if fragment not in seen["ids"]:
                dead.append(f"{link['text']} -> {link['href'] or 'nowhere'}")
        elif not place.startswith(("https:", "http:", "mailto:")):
            dead.append(f"{link['text']} -> {place}")
    return dead


def test_the_first_command_opens_chapter_00(started, chromium):  # noqa: F811
    address, token, copy = started
    with lab.watched_page(chromium, (address, address.replace("http", "ws"))) as page:
        page.goto(f"{address}/?token={token}")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        assert "/lab/tree/notebooks/00_start_here.ipynb" in page.url
        assert opened(page, copy, "00_start_here.ipynb")["images"] > 0


def test_no_broken_picture_no_dead_link_no_error(started, chromium):  # noqa: F811
    address, token, copy = started
    pictures, links, faults = 0, 0, {}
    with lab.watched_page(chromium, (address, address.replace("http", "ws"))) as page:
        page.goto(f"{address}/lab?token={token}&reset")
        page.wait_for_function("() => window.jupyterapp")
        page.evaluate("() => window.jupyterapp.restored")
        for name in NOTEBOOKS:
            page.evaluate(OPEN, f"notebooks/{name}")
            seen = opened(page, copy, name)
            pictures += seen["images"]
            links += len(seen["links"])
            found = [*seen["broken"], *dead_links(page, address, token, seen)]
            if found:
                faults[name] = found
    assert faults == {} and pictures > 50 and links > 60, (faults, pictures, links)
