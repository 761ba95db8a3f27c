"""What is built: notebooks, figures, the site, checkpoints. `python -m scripts.figures`."""
