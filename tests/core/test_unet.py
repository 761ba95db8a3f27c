"""U-Net against the numbers of the paper and a plain second implementation."""

import pytest
import torch
import torch.nn.functional as F

from helpers.sizes import nearest_sizes, output_size
from helpers.unet import UNet


def count(**arguments) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in UNet(**arguments).parameters())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, 31_032_915),
        ({"norm": "batch"}, 31_038_803),
        ({"in_channels": 1, "num_classes": 2}, 31_030_658),
        ({"num_classes": 11}, 31_032_395),
        ({"width": 32}, 7_760_691),
        ({"width": 16, "norm": "batch"}, 1_942_883),
    ],
)
def test_parameters(arguments, expected):
    assert count(**arguments) == expected


def test_twenty_three_convolutions():
    with torch.device("meta"):
        layers = [
            m
            for m in UNet().modules()
            if isinstance(m, (torch.nn.Conv2d, torch.nn.ConvTranspose2d))
        ]
    assert len(layers) == 23
    assert sum(m.kernel_size == (3, 3) for m in layers) == 18 and all(
        m.padding == (0, 0) for m in layers if m.kernel_size == (3, 3)
    )


@pytest.mark.parametrize("size", [570, 573, 576, 580, 100])
def test_illegal_sizes_name_the_nearest(size):
    with pytest.raises(
        ValueError, match=f"input size {size} is not legal.*{nearest_sizes(size)[0]}"
    ):
        UNet(width=1)(torch.zeros(1, 3, 572, size))


@pytest.mark.parametrize("size", [(188, 204), (220, 188)])
def test_shapes_agree_with_output_size(size):
    model = UNet(width=2)
    assert model(torch.zeros(2, 3, *size)).shape == (2, 19, *(output_size(n) for n in size))


@pytest.mark.parametrize(
    ("padding", "norm", "size"),
    [
        ("valid", None, (60, 76)),
        ("same", None, (16, 24)),
        ("valid", "batch", (60, 44)),
        ("same", "batch", (8, 20)),
    ],
)
def test_forward_equals_a_plain_second_writing(padding, norm, size):
    torch.manual_seed(0)
    model = UNet(num_classes=5, width=3, depth=2, padding=padding, norm=norm).eval()
    x = torch.randn(2, 3, *size)
    for name, value in model.state_dict().items():  # biases and running statistics that matter
        if not name.endswith("weight") or value.ndim == 1:
            value.copy_(torch.rand(value.shape) + 0.5)
    w = model.state_dict()

    def double(x, name):
        for i in (0, 2) if norm is None else (0, 3):
            x = F.conv2d(
                x,
                w[f"{name}.{i}.weight"],
                w.get(f"{name}.{i}.bias"),
                padding=int(padding == "same"),
            )
            if norm:
                after = f"{name}.{i + 1}"
                x = F.batch_norm(
                    x,
                    w[f"{after}.running_mean"],
                    w[f"{after}.running_var"],
                    w[f"{after}.weight"],
                    w[f"{after}.bias"],
                )
            x = F.relu(x)
        return x

    a = double(x, "down.0")
    b = double(F.max_pool2d(a, 2), "down.1")
    c = double(F.max_pool2d(b, 2), "down.2")
    for level, skip in enumerate((b, a)):
        c = F.conv_transpose2d(c, w[f"up.{level}.weight"], w[f"up.{level}.bias"], stride=2)
        top, left = ((skip.shape[i] - c.shape[i]) // 2 for i in (2, 3))
        skip = skip[:, :, top : skip.shape[2] - top, left : skip.shape[3] - left]
        c = double(torch.cat([skip, c], 1), f"merge.{level}")
    assert torch.equal(model(x), F.conv2d(c, w["head.weight"], w["head.bias"]))


def test_initialization_is_he():
    torch.manual_seed(0)
    model = UNet(width=16)
    layer = model.down[3][2]
    assert abs(layer.weight.std().item() / (2 / (9 * 128)) ** 0.5 - 1) < 0.02
    up = model.up[0]
    assert abs(up.weight.std().item() / (2 / (4 * up.out_channels)) ** 0.5 - 1) < 0.02
    assert all(not p.any() for n, p in model.named_parameters() if n.endswith("bias"))


def test_dropout_acts_in_training_on_the_two_deepest_levels():
    torch.manual_seed(0)
    model, x, calls = UNet(width=2, depth=3), torch.randn(1, 3, 92, 92), []
    model.dropout.register_forward_hook(lambda m, i, o: calls.append(tuple(i[0].shape[1:])))
    model.train()
    a, b = model(x), model(x)
    assert not torch.equal(a, b) and [c[0] for c in calls[:2]] == [8, 16]
    model.eval()
    assert torch.equal(model(x), model(x)) and model.dropout.p == 0.5


def test_valid_convolutions_make_tiles_agree_with_the_whole():
    """Sec. 2, overlap-tile: shifting the input by a multiple of 16 shifts the output by as much,
    exactly.
    """
    torch.manual_seed(0)
    model = UNet(width=2).eval()
    x = torch.randn(1, 3, 188 + 16, 188 + 16)
    whole, tile = model(x), model(x[..., 16:, 16:])
    assert torch.allclose(whole[..., 16:, 16:], tile, atol=1e-5)


def test_adding_is_a_special_case_of_concatenating():
    torch.manual_seed(0)
    skip, deep, weight = torch.randn(2, 8, 9, 9), torch.randn(2, 8, 9, 9), torch.randn(4, 8, 3, 3)
    added = F.conv2d(skip + deep, weight)
    joined = F.conv2d(torch.cat([skip, deep], 1), torch.cat([weight, weight], 1))
    assert torch.allclose(added, joined, atol=1e-4)


def test_trained_weights_say_the_same_with_and_without_padding():
    """Far enough from the border: chapter 02 takes the padding out of a trained network."""
    torch.manual_seed(0)
    padded = UNet(width=4, depth=2, padding="same", norm="batch").eval()
    bare = UNet(width=4, depth=2, norm="batch").eval()
    bare.load_state_dict(padded.state_dict())
    x = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        # 60 pixels from 2 on, so that the poolings of both meet the same groups
        inner = bare(x[..., 2:62, 2:62])
        whole = padded(x)
    margin = (60 - inner.shape[-1]) // 2
    assert margin == 20
    assert torch.allclose(inner[..., 10:-2, 10:-2], whole[..., 32:40, 32:40], atol=1e-4)


def test_running_statistics_remember():
    norm = next(
        m
        for m in UNet(width=2, depth=1, padding="same", norm="batch").modules()
        if isinstance(m, torch.nn.BatchNorm2d)
    )
    for mean in (1.0, 5.0):
        norm(torch.randn(8, 2, 16, 16) + mean)
    assert (norm.running_mean < 2).all() and (norm.running_mean > 0.2).all()
