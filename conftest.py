"""Tests and notebooks see one fixed world: see scripts/pinned.py."""

import os

from scripts.pinned import build_city, pin

if "PYTEST_XDIST_WORKER" not in os.environ:
    pin()


def pytest_collection_finish(session):
    """Build the city once something is going to run."""
    if session.items and not session.config.option.collectonly:
        build_city()
