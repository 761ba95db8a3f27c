"""Everything that takes long: one progress bar, and one way to use all cores."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tqdm.auto import tqdm


def progress_bar(items=None, what: str = "", show: bool = True, **options) -> tqdm:
    """tqdm over `items`; hidden unless `show`, and where TQDM_DISABLE is set."""
    hidden = not show or bool(os.environ.get("TQDM_DISABLE"))
    return tqdm(items, desc=what, disable=hidden, **options)


def count_cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux; a container may have fewer than the machine
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def parallel_map(work, items: list, workers: int | None = None) -> Iterator:
    """`work(item)` for every item, in the order of `items`, on all cores.

    Threads do it: pillow gives Python's lock away while it decodes a picture, so they run side by
    side, in scripts and notebooks, on every system. An error, or Ctrl-C, ends it after the few
    items that are waiting. `workers=1`, or fewer than 8 items, works without threads.
    """
    workers = workers or count_cores()
    if workers == 1 or len(items) < 8:
        yield from map(work, items)
        return

    with ThreadPoolExecutor(workers) as pool:
        waiting = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            # No further ahead than this: results that nobody has taken yet fill the memory.
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
