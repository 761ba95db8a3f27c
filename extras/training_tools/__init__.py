"""Around a training run: curves, timings, costs and memory (07, 13), augmentation (12, 13), GPU
batches and many GPUs (14).
"""
