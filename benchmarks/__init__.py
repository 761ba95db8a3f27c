"""What is measured, one module a question: `python -m benchmarks.metrics`. Results are in results/."""
