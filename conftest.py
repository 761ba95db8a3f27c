"""Tests and notebooks see one fixed world: see scripts/pinned.py."""

import os

from scripts.pinned import build_city, fresh_folders, pin

# On a CUDA card only where somebody asks for it; then the workers of a parallel run inherit it.
wanted = os.environ.get("COURSE_DEVICE", "")
if "PYTEST_XDIST_WORKER" not in os.environ:
    pin()
if wanted.startswith("cuda"):
    os.environ["COURSE_DEVICE"] = wanted


def pytest_configure(config):
    """Each notebook has fresh folders, and stored figures are compared with a margin: no two
    processors round alike.
    """
    try:
        from nbval.plugin import IPyNbCell, IPyNbFile
    except ImportError:
        return
    from scripts.figure_margin import same_figure

    start_kernel = IPyNbFile.setup

    def setup(notebook):
        fresh_folders()
        start_kernel(notebook)

    IPyNbFile.setup = setup

    strict = IPyNbCell.compare_outputs

    def compare_outputs(cell, now, stored, *options):
        for output, reference in zip(now, stored):
            text = output.get("data", {}).get("text/plain", "")
            known = reference.get("data", {}).get("text/plain", "")
            if text.startswith("Figure ") and same_figure(text, known):
                output["data"]["text/plain"] = known
        return strict(cell, now, stored, *options)

    IPyNbCell.compare_outputs = compare_outputs


def pytest_collection_finish(session):
    """Build the city once something is going to run."""
    if session.items and not session.config.option.collectonly:
        build_city()
