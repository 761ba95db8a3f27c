"""One progress bar for everything that takes long."""

import os

from tqdm.auto import tqdm


def progress_bar(items=None, what: str = "", show: bool = True, **options) -> tqdm:
    """tqdm over `items`, hidden if `show` is false or the environment variable TQDM_DISABLE is set."""
    return tqdm(
        items, desc=what, disable=not show or bool(os.environ.get("TQDM_DISABLE")), **options
    )
