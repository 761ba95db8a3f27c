"""The static site: whole, without a dead link, a picture without words, or anything from another
host.
"""

import re

import nbformat
import pytest

from helpers.paths import ROOT
from scripts import website
from tests.course import small_site
from tests.course.small_site import Page, broken

if small_site.MISSING:
    pytest.skip(small_site.REASON, allow_module_level=True)

# MyST uses what Sphinx will drop
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def folder():
    return small_site.site()[0]


@pytest.fixture(scope="module")
def pages(folder):
    return {
        p.relative_to(folder).as_posix(): Page(p.read_text(encoding="utf-8"))
        for p in folder.rglob("*.html")
    }


def test_built_without_a_warning():
    assert small_site.site()[1] == []


def test_every_text_of_the_course_is_a_page_and_in_the_contents(pages):
    texts = {name.replace(".md", ".html") for name in website.PAGES}
    texts |= {"index.html", "browser.html", "prediction_browser.html"}
    chapters = {f"notebooks/{p.stem}.html" for p in CHAPTERS}
    assert len(chapters) == 15 and texts | chapters <= set(pages)
    assert (texts | chapters) - {"index.html", "prediction_browser.html"} <= set(
        pages["index.html"].links
    )


def test_front_page_leads_to_the_first_chapter_the_browser_and_by_the_map_to_all_chapters(
    folder, pages
):
    front = pages["index.html"]
    assert front.links.count("notebooks/00_start_here.html") >= 3  # side bar, button, map
    assert "prediction_browser.html" in front.links and len(front.images) == 2
    text = (folder / "index.html").read_text(encoding="utf-8")
    boxes = re.findall(r'<a href="notebooks/(\d\d)_\w+\.html" style="left:([\d.-]+)%', text)
    assert [number for number, _ in boxes] == [f"{n:02}" for n in range(15)]
    assert all(-1 < float(left) < 100 for _, left in boxes)
    for caption in website.PARTS:
        assert f'<span class="caption-text">{caption}</span>' in text


def test_every_chapter_is_in_one_part():
    numbers = [number for part in website.PARTS.values() for number in part]
    assert numbers == [path.name[:2] for path in CHAPTERS]


def test_a_page_has_one_title(folder):
    for path in sorted((folder / "notebooks").glob("*.html")):
        assert path.read_text(encoding="utf-8").count("<h1>") == 1, path.name
    text = "# A half\n\n```python\n# why\nx = 1\n```\n# Another"
    assert website.without_titles(text) == f"#{text[:-9]}## Another"


def test_the_browser_opens_on_the_street():
    rows = website.street_first()
    assert website.STREET in rows[0].image and len(rows) == 20


def test_nothing_broken_missing_wordless_or_foreign(folder, pages):
    assert (
        sum(len(p.links) for p in pages.values()) > 500
        and sum(len(p.images) for p in pages.values()) > 50
    )
    assert broken(folder, pages) == []
    for sheet in folder.rglob("*.css"):
        assert not re.findall(
            r"(?:@import|url\()\s*[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")
        ), sheet


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_a_chapter_is_shown_as_it_was_stored(path, folder, pages):
    """Folded parts, pictures with the words of the notebook, the printed outputs, mathematics
    without TeX.
    """
    name = f"notebooks/{path.stem}.html"
    notebook = nbformat.read(path, as_version=4)
    markdown = [c.source for c in notebook.cells if c.cell_type == "markdown"]
    folded = sum(bool(c.metadata.get("jupyter", {}).get("source_hidden")) for c in notebook.cells)
    assert (
        pages[name].tags.count("details")
        == sum(text.count("<details>") for text in markdown) + folded
    )
    text = (folder / name).read_text(encoding="utf-8")
    shown = (
        re.sub(r"\s+", "", re.sub(r"<[^>]+>", "", text)).replace("&lt;", "<").replace("&gt;", ">")
    )
    shown = (
        shown.replace("&#39;", "'")
        .replace("&quot;", '"')
        .replace("&#x27;", "'")
        .replace("&amp;", "&")
    )
    alts = [alt for _, alt in pages[name].images]
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                assert re.sub(r"\s+", "", output.text) in shown, output.text
            elif any(kind.startswith("image/") for kind in output.get("data", {})):
                assert cell.metadata.alt in alts
    formulas = sum(
        len(re.findall(r"\$[^$`\n]+\$", re.sub(r"`[^`]*`|```.*?```", "", t, flags=re.S)))
        for t in markdown
    )
    assert (
        (pages[name].tags.count("math") > 0) == (formulas > 0)
        and "\\frac" not in shown
        and "\\sqrt" not in shown
    )


def test_the_checks_see_what_they_are_for(tmp_path):
    for name in ("page.html", "other.html", "a.png"):
        (tmp_path / name).write_text("")
    good = (
        '<a href="other.html#here">x</a><a href="#top" id="top">x</a>'
        '<img src="a.png" alt="a street at dusk">'
    )
    bad = {
        "<a href='gone.html'>x</a>": "leads nowhere",
        "<a href='other.html#gone'>x</a>": "leads nowhere",
        "<a href='#gone'>x</a>": "leads nowhere",
        "<img src='gone.png' alt='a street at dusk'>": "is missing",
        "<img src='a.png'>": "has no words",
        "<img src='a.png' alt='figure'>": "has no words",
        "<img src='https://x.org/a.png' alt='a street at dusk'>": "is missing",
        "<script src='https://cdn.org/x.js'></script>": "not part",
        "<link href='//fonts.org/x.css'>": "not part",
    }
    other = Page('<p id="here">')
    assert broken(tmp_path, {"page.html": Page(good), "other.html": other}) == []
    for text, what in bad.items():
        found = broken(tmp_path, {"page.html": Page(good + text), "other.html": other})
        assert len(found) == 1 and what in found[0], text
