"""Beyond the baseline: one change at a time, in the training or in the street (chapter 12)."""
