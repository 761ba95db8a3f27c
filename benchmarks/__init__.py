"""What is measured, one module per question: `python -m benchmarks.metrics`; see results/."""
