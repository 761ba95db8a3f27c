"""The static site in headless Chromium: every page, as a reader opens it from the disk."""

import pytest

from tests.course import small_site
from tests.real_browser import lab_server as lab

reason = small_site.REASON if small_site.MISSING else lab.why_not()
if reason:
    pytest.skip(reason, allow_module_level=True)

# MyST uses what Sphinx will drop
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
LOOK = """() => ({
    ids: [...document.querySelectorAll('[id]')].map(e => e.id),
    links: [...document.querySelectorAll('a[href]')].map(e => e.getAttribute('href')),
    images: [...document.images].map(e => [e.getAttribute('src'), e.getAttribute('alt') || '']),
    empty: [...document.images].filter(e => !e.complete || !e.naturalWidth)
        .map(e => e.src.slice(0, 80)),
    wide: document.documentElement.scrollWidth - window.innerWidth })"""


@pytest.fixture(scope="module")
def folder():
    return small_site.site()[0]


def test_every_page(chromium, folder):
    """No console error, no request to another host, every picture there; links and anchors as the
    browser sees them.
    """
    pages = {}
    with lab.watched_page(chromium, ("file:",), viewport={"width": 800, "height": 1000}) as page:
        for path in sorted(folder.rglob("*.html")):
            name = path.relative_to(folder).as_posix()
            page.goto(path.as_uri(), wait_until="load")
            seen = page.evaluate(LOOK)
            assert seen["empty"] == [] and seen["wide"] <= 0, (name, seen["empty"], seen["wide"])
            pages[name] = small_site.Page("")
            pages[name].ids = set(seen["ids"])
            pages[name].links = seen["links"]
            pages[name].images = seen["images"]
    assert len(pages) >= 22 and small_site.broken(folder, pages) == []


def test_code_is_whole_at_1280_and_pages_fit_a_phone(chromium, folder):
    """No line of a chapter's code is cut off; a phone scrolls down only."""
    wide = "[...document.querySelectorAll('.cell_input pre')]"
    wide += ".filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.slice(0, 80))"
    with lab.watched_page(chromium, ("file:",), viewport={"width": 1280, "height": 900}) as page:
        for path in sorted((folder / "notebooks").glob("*.html")):
            page.goto(path.as_uri())
            assert page.evaluate(wide) == [], path.name
    with lab.watched_page(chromium, ("file:",), viewport={"width": 390, "height": 844}) as page:
        for path in sorted(folder.rglob("*.html")):
            page.goto(path.as_uri())
            assert page.evaluate(LOOK)["wide"] <= 0, path.name


def test_a_box_of_the_map_opens_its_chapter(chromium, folder):
    with lab.watched_page(chromium, ("file:",), viewport={"width": 1280, "height": 900}) as page:
        page.goto((folder / "index.html").as_uri())
        page.get_by_label("Chapter 08").click()
        assert page.locator("h1").inner_text().startswith("08 · ")


def test_folded_answers_search_and_themes(chromium, folder):
    chapter = folder / "notebooks" / "05_dataset_and_transforms.html"
    with lab.watched_page(chromium, ("file:",), viewport={"width": 1280, "height": 1000}) as page:
        page.emulate_media(color_scheme="light")
        page.goto(chapter.as_uri())
        folded = page.locator("details", has=page.get_by_text("Solution 05.1", exact=True))
        assert not folded.locator("pre").is_visible()
        folded.locator("summary").click()
        assert "def majority" in folded.locator("pre").inner_text()
        ground = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(ground)
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(ground) != light
        page.locator("a[href='06_unet_model.html']").last.click()  # below the chapter
        assert page.locator("h1").inner_text().startswith("06 · ")
        page.goto(f"{(folder / 'search.html').as_uri()}?q=bilinear")
        page.locator("#search-results li a").first.wait_for()


def test_the_prediction_browser(chromium, folder):
    with lab.watched_page(chromium, ("file:",), viewport={"width": 1280, "height": 1000}) as page:
        page.goto((folder / "index.html").as_uri())
        page.get_by_role("link", name="Browse predictions").last.click()
        page.wait_for_function("document.body.dataset.drawn")
        caption = page.inner_text("#caption")
        assert "1 of 2" in caption and "kastanienbad 000005" in caption
        assert page.locator("canvas").count() == 4
