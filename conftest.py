"""Tests and notebooks see one fixed world: see scripts/pinned.py.

With COURSE_DEVICE=cuda all cells of the notebooks run on the card, and their outputs are not
compared: those that are stored are a CPU's. The tests of tests/rooms/test_on_device.py run there,
too, and compare with margins. All others compare bits, and stay on the CPU.
"""

import os

from scripts.pinned import build_city, fresh_folders, pin

# On a CUDA card only where somebody asks for it. The workers of a parallel run inherit all this,
# but for the folders.
if "PYTEST_XDIST_WORKER" in os.environ:
    fresh_folders()
else:
    wanted = os.environ.get("COURSE_TEST_DEVICE", os.environ.get("COURSE_DEVICE", ""))
    cards = os.environ.get("CUDA_VISIBLE_DEVICES")
    pin()
    os.environ["COURSE_TEST_DEVICE"] = "cpu"
    if wanted.startswith("cuda"):
        os.environ["COURSE_TEST_DEVICE"] = wanted
        del os.environ["CUDA_VISIBLE_DEVICES"]
        if cards is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = cards


def pytest_configure(config):
    """Each notebook has fresh folders, and stored figures are compared with a margin: no two
    processors round alike.
    """
    try:
        from nbval.plugin import IPyNbCell, IPyNbFile
    except ImportError:
        return
    from scripts.figure_margin import same_figure

    device = os.environ["COURSE_TEST_DEVICE"]
    if device != "cpu" and config.option.nbval:
        config.option.nbval_lax = True
    start_kernel = IPyNbFile.setup

    def setup(notebook):
        fresh_folders()
        os.environ["COURSE_DEVICE"] = device  # the kernel inherits it
        start_kernel(notebook)
        os.environ["COURSE_DEVICE"] = "cpu"

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
