"""The parts of the measurements that can be checked on any machine."""

import pytest
import torch

from benchmarks import gpu_table, training_step


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without CUDA")
def test_the_gpu_table_refuses_without_cuda():
    with pytest.raises(SystemExit, match="finds none here"):
        gpu_table.main([])


def test_the_parts_of_the_gpu_table_that_need_no_gpu():
    assert gpu_table.step_flops() == pytest.approx(3 * 2 * 150.97e9, rel=1e-4)
    step = gpu_table.make_step(torch.device("cpu"), 1, "bf16", compiled=False, width=4, crop=188)
    assert all(2.5 < float(step()) < 8 for _ in range(2))
    rows = [
        {
            "batch": 4,
            "precision": "bf16",
            "compiled": True,
            "ms_per_step": 10.0,
            "images_per_second": 400.0,
            "share_of_bf16_matmul_peak": 0.5,
            "peak_memory_gib": 3.25,
        },
        {"batch": 32, "precision": "fp32", "compiled": False, "error": "out of memory"},
    ]
    text = gpu_table.table(
        {"device": "card", "torch": "2", "bf16_matmul_tflops": 700.0, "command": "c", "rows": rows}
    )
    assert "| 4 | bf16 | compiled | 10.0 | 400.0 | 50.0% | 3.2 |" in text
    assert "| 32 | fp32 | eager | out of memory |" in text


def test_the_compared_steps_compute_the_same(monkeypatch):
    monkeypatch.setattr(training_step, "CROP", 188)
    result = training_step.compare(4, 1, 2, ["recipe", "plain", "channels_last", "padded"])
    assert result["labeled_pixels"] == {
        "recipe": 16,
        "plain": 16,
        "channels_last": 16,
        "padded": 192 * 192,
    }
    assert (
        result["plain_over_recipe_wall"] == result["plain_over_recipe_wall_per_labeled_pixel"] > 0
    )
    assert result["padded_over_recipe_cpu_per_labeled_pixel"] == pytest.approx(
        result["padded_over_recipe_cpu"] * 16 / 192**2
    )
