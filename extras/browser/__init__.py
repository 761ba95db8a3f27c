"""Look at any frame beside its truth and a network's prediction: the widget of chapter 09, and its
one-page export.
"""
