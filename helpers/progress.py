"""One progress bar for everything that takes long."""

import os

from tqdm.auto import tqdm


def progress_bar(items=None, what: str = "", show: bool = True, **options) -> tqdm:
    """tqdm over `items`; hidden unless `show`, and where TQDM_DISABLE is set."""
    hidden = not show or bool(os.environ.get("TQDM_DISABLE"))
    return tqdm(items, desc=what, disable=hidden, **options)
