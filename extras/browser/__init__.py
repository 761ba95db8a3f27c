"""Look at any frame beside its truth and a network's prediction: `browse`, the widget of chapter
09, and its one-page export.
"""

from extras.browser.widget import browse

__all__ = ["browse"]
