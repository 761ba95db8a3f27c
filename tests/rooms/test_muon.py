"""Muon against its definition, PyTorch's own, and AdamW."""

import copy

import pytest
import torch

from extras.experiments.trials import Trial, make_trial
from extras.training_tools import muon
from helpers.unet import UNet
from tests.roots import small_root

SHAPE = {
    "num_classes": 5,
    "width": 4,
    "depth": 2,
    "padding": "same",
    "norm": "batch",
    "dropout": 0.0,
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    return small_root(tmp_path / "city", train=4, val=2)


def tiny(root, **changes) -> Trial:
    return Trial(
        **{
            "name": "tiny",
            "root": str(root),
            "view": "frame",
            "height": 32,
            "padding": "same",
            "norm": "batch",
            "width": 4,
            "depth": 2,
            "epochs": 1,
            "batch_size": 2,
            "learning_rate": 0.01,
            "mean": (0.5,) * 3,
            "std": (0.25,) * 3,
            "cache": None,
            **changes,
        }
    )


def matrices():
    torch.manual_seed(0)
    return [
        torch.randn(*shape) * scale
        for shape, scale in (((8, 72), 1.0), ((128, 32), 1e-4), ((24, 24), 1e4))
    ]


def test_orthogonalize_against_svd():
    for matrix in matrices():
        u, _, v = torch.linalg.svd(matrix, full_matrices=False)
        got = muon.orthogonalize(matrix)
        # What is left of each singular direction: about 1
        strength = torch.diagonal(u.T @ got @ v.T)
        assert got.shape == matrix.shape and strength.min() > 0.66 and strength.max() < 1.22
        # And nothing else
        torch.testing.assert_close(u @ torch.diag(strength) @ v, got, rtol=0, atol=2e-3)


def test_muon_against_torch():
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("torch.optim.Muon came with PyTorch 2.9")
    for matrix in matrices()[:2]:
        ours = torch.nn.Sequential(torch.nn.Conv2d(matrix.shape[1] // 4, len(matrix), 2))
        theirs = torch.nn.Parameter(ours[0].weight.detach().flatten(1).clone())
        reference = torch.optim.Muon(
            [theirs], lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
        )
        optimizer, start = muon.Muon(ours, 0.02, weight_decay=0.1), theirs.detach().clone()
        for step in range(3):
            gradient = torch.randn(matrix.shape, generator=torch.Generator().manual_seed(step))
            theirs.grad, ours[0].weight.grad = gradient, gradient.view_as(ours[0].weight).clone()
            reference.step()
            optimizer.step()
        moved, wanted = ours[0].weight.detach().flatten(1) - start, theirs.detach() - start
        assert (moved - wanted).norm() < 0.02 * wanted.norm()  # the reference computes in bfloat16


def test_muon_leaves_the_rest_to_adamw():
    torch.manual_seed(0)
    model = UNet(3, **SHAPE)
    twin = copy.deepcopy(model)
    optimizer = muon.Muon(model, 0.01)
    rest = [
        name
        for name, weight in model.named_parameters()
        if weight.ndim == 1 or name.startswith("head.")
    ]
    assert len(rest) > 10 and len(optimizer.param_groups[0]["params"]) == len(rest)
    adamw = torch.optim.AdamW(twin.parameters(), lr=0.01, betas=(0.9, 0.95), weight_decay=0.01)
    for weight, other in zip(model.parameters(), twin.parameters()):
        weight.grad = torch.randn_like(weight)
        other.grad = weight.grad.clone()
    optimizer.step()
    adamw.step()
    for (name, weight), other in zip(model.named_parameters(), twin.parameters()):
        assert torch.equal(weight, other) == (name in rest), name
    with pytest.raises(ValueError, match="no convolution besides its head"):
        muon.Muon(torch.nn.Linear(2, 2), 0.01)


def test_muon_trains_and_resumes(folder):
    run = make_trial(tiny(folder, optimizer="muon", epochs=4))
    assert isinstance(run.optimizer, muon.Muon)
    losses = [epoch["train_loss"] for epoch in run.fit()]
    assert losses[-1] < losses[0]
    state = copy.deepcopy(run.optimizer.state_dict())
    weights = copy.deepcopy(run.model.state_dict())
    run.train_epoch(4)
    again = make_trial(tiny(folder, optimizer="muon", epochs=4))
    again.model.load_state_dict(weights)
    again.optimizer.load_state_dict(state)
    again.train_epoch(4)
    for one, other in zip(run.model.parameters(), again.model.parameters()):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
