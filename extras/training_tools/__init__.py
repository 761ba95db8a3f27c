"""Around a training run: costs and memory (06, 07, 13), augmentation (12, 13), GPU
batches and many GPUs (14).
"""
