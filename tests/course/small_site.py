"""The site, built once for all tests that look at it, and what can be wrong with its pages."""

import atexit
import shutil
import tempfile
from functools import cache
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlparse

TOOLS = ("sphinx", "myst_nb", "furo", "latex2mathml")
MISSING = [name for name in TOOLS if find_spec(name) is None]
REASON = f"the site needs {', '.join(MISSING)}: pip install -r tests/requirements.txt"


@cache
def site() -> tuple[Path, list[str]]:
    """(folder, Sphinx's warnings) of the whole course, with two frames in its browser page."""
    from scripts import website

    folder = Path(tempfile.mkdtemp(prefix="course-site-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder / "site", website.build(folder / "site", frames=2)


class Page(HTMLParser):
    """What a page has: ids, links (href of a and area), images as (src, alt), and everything else
    that it loads.
    """

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.links, self.images, self.loads, self.tags = set(), [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        given = dict(attributes)
        self.tags.append(tag)
        self.ids |= {given["id"]} if "id" in given else set()
        if tag == "img":
            self.images.append((given.get("src") or "", given.get("alt") or ""))
        elif tag in ("a", "area"):
            self.links += [given["href"]] if given.get("href") else []
        else:
            loaded = given.get("href") if tag == "link" else given.get("src") or given.get("data")
            self.loads += [loaded] if loaded else []


def broken(folder: Path, pages: dict[str, Page]) -> list[str]:
    """Everything wrong with `pages` (by their path in `folder`): dead links and anchors, pictures,
    foreign hosts.
    """
    found = []

    def there(name: str, target: str) -> bool:
        address, anchor = urldefrag(target)
        path = (
            (folder / name).parent / unquote(urlparse(address).path) if address else folder / name
        )
        if not path.is_file():
            return False
        other = path.resolve().relative_to(folder.resolve()).as_posix()
        return not anchor or other not in pages or unquote(anchor) in pages[other].ids

    for name, page in pages.items():
        for target in page.links:
            if not target.startswith(("http://", "https://", "mailto:")) and not there(
                name, target
            ):
                found.append(f"{name}: the link {target} leads nowhere")
        for source, alt in page.images:
            if not source.startswith("data:") and not there(name, source):
                found.append(f"{name}: the picture {source[:80]} is missing")
            if len(alt.strip()) < 12:
                found.append(f"{name}: the picture {source[:80]} has no words: alt={alt!r}")
        for source in page.loads:
            if not source.startswith("data:") and not there(name, source):
                found.append(f"{name}: {source[:80]} is not part of the site")
    return found
