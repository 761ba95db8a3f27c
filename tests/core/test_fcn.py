"""FCN against the paper's numbers, exact fractions, a ramp that must come out where it went in, and
VGG16's layers.
"""

from fractions import Fraction
from math import log

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from extras.training_tools.pretrained import load_vgg16
from helpers import fcn
from helpers.fcn import FCN8s, FCN16s, FCN32s, ThinFCN, bilinear_kernel, crop

ALL = (FCN32s, FCN16s, FCN8s)
# classes: (32s, 16s, 8s) of (learned, with grouped up-sampling, with dense up-sampling as in Caffe)
COUNTS = {
    21: (
        (134_346_581, 134_432_597, 136_152_917),
        (134_357_354, 134_379_194, 134_815_994),
        (134_362_751, 134_368_799, 134_489_759),
    ),
    19: (
        (134_338_387, 134_416_211, 135_817_043),
        (134_348_134, 134_367_894, 134_723_574),
        (134_353_017, 134_358_489, 134_456_985),
    ),
    11: (
        (134_305_611, 134_350_667, 134_801_227),
        (134_311_254, 134_322_694, 134_437_094),
        (134_314_081, 134_317_249, 134_348_929),
    ),
}


def thin(kind, **arguments):
    torch.manual_seed(0)
    return kind(**{"num_classes": 3, "width": 1, "hidden": 4, **arguments}).eval()


def layers_of(model, kind) -> list:
    """The layers of one kind, in the order in which the network has them."""
    return [layer for layer in model.modules() if isinstance(layer, kind)]


def upsamplings(model) -> list:
    return layers_of(model, nn.ConvTranspose2d)


def score_layers(model) -> list:
    """The 1x1 convolutions that score: fc7's, and pool4's and pool3's where there are such."""
    names = ("score_fc7", "score_pool4", "score_pool3")
    return [getattr(model, name) for name in names if hasattr(model, name)]


def up_to_pool5(model) -> nn.Sequential:
    """VGG16's convolutional part: everything up to the fifth pooling."""
    return nn.Sequential(model.to_pool3, model.to_pool4, model.to_pool5)


@pytest.mark.parametrize("classes", COUNTS)
@pytest.mark.parametrize("number", range(3))
def test_parameters(classes, number):
    with torch.device("meta"):
        model = ALL[number](classes)
    learned = sum(p.numel() for p in model.parameters() if p.requires_grad)
    upsampling = sum(layer.weight.numel() for layer in upsamplings(model))
    assert (learned, learned + upsampling, learned + upsampling * classes) == COUNTS[classes][
        number
    ]
    assert sum(p.numel() for p in model.parameters()) == learned + upsampling


def test_the_layers_are_those_of_vgg16():
    with torch.device("meta"):
        model, vgg = FCN8s(), torchvision.models.vgg16()
    own, theirs = up_to_pool5(model).state_dict(), vgg.features.state_dict()
    assert [v.shape for v in own.values()] == [v.shape for v in theirs.values()]
    assert sum(v.numel() for v in own.values()) == 14_714_688
    kinds = [type(m) for m in up_to_pool5(model).modules() if not isinstance(m, nn.Sequential)]
    assert kinds == [type(layer) for layer in vgg.features]
    assert model.fc6.weight.shape == (4096, 512, 7, 7) and model.fc7.weight.shape == (
        4096,
        4096,
        1,
        1,
    )
    assert sum(p.numel() for p in model.fc6.parameters()) == 102_764_544
    assert sum(p.numel() for p in model.fc7.parameters()) == 16_781_312


@pytest.mark.parametrize("kind", ALL)
def test_any_size_comes_out_as_it_went_in(kind):
    model = thin(kind)
    with torch.no_grad():
        for size in [
            (1, 1),
            (2, 61),
            (31, 32),
            (33, 64),
            (65, 97),
            (100, 30),
            (129, 113),
            (7, 260),
        ]:
            assert model(torch.zeros(2, 3, *size)).shape == (2, 3, *size)


def test_rounding_up_is_what_makes_every_size_possible():
    """The size of the scores with poolings that round up or down, by arithmetic, against the
    network itself.
    """

    def enough(n, up):
        size = n + 198
        for _ in range(5):
            size = (size + up) // 2
        return size >= 7 and 32 * (size - 6 + 1) >= n + 19

    assert all(enough(n, 1) for n in range(1, 2100))
    failing = [n for n in range(1, 2100) if not enough(n, 0)]
    assert len(failing) == 799
    model = thin(FCN32s)
    for n in (failing[0], failing[-1]):
        assert model(torch.zeros(1, 3, 40, n)).shape[-1] == n


def ramp_model(kind):
    """Every layer passes on one channel unchanged and pools by averaging: what is left is geometry
    alone.
    """
    model = thin(kind, num_classes=1, hidden=1)
    for layer in layers_of(model, nn.Conv2d):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        layer.weight.data[0, 0, layer.kernel_size[0] // 2, layer.kernel_size[1] // 2] = 1.0
    for layer in score_layers(model):
        layer.weight.data /= len(score_layers(model))  # so that the sum of the scores is their mean
    for block in layers_of(model, nn.Sequential):
        if isinstance(block[-1], nn.MaxPool2d):
            block[-1] = nn.AvgPool2d(2, 2, ceil_mode=block[-1].ceil_mode)
    assert len(layers_of(model, nn.AvgPool2d)) == 5 and not layers_of(model, nn.MaxPool2d)
    return model


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("axis", [0, 1])
def test_a_ramp_comes_out_where_it_went_in(kind, axis):
    """Rows or columns as the image: every pixel must come out with its own number, so all crops are
    right.
    """
    size = (200, 231)
    ramp = torch.stack(torch.meshgrid(*(torch.arange(1.0, n + 1) for n in size), indexing="ij"))[
        axis
    ]
    model = ramp_model(kind)
    with torch.no_grad():
        out = model(ramp.expand(1, 3, *size))[0, 0]
    assert torch.allclose(out[64:-64, 64:-64], ramp[64:-64, 64:-64], atol=1e-2)


def offsets(kind, monkeypatch) -> list[int]:
    """Where the crops of one forward pass begin, in their order."""
    found = []

    def watched(x, offset, size):
        found.append(offset)
        return crop(x, offset, size)

    with monkeypatch.context() as patch:
        patch.setattr(fcn, "crop", watched)
        thin(kind)(torch.zeros(1, 3, 40, 40))
    return found


def test_offsets_by_fractions(monkeypatch):
    """Each layer maps index i to position scale * i + shift of the input; the offsets are where the
    grids meet.
    """

    def through(layers, scale=Fraction(1), shift=Fraction(0)):
        for (
            kernel,
            stride,
            padding,
        ) in layers:  # a transposed layer has stride 1 / s and is given in steps of its own
            shift += scale * (Fraction(kernel - 1, 2) - padding)
            scale *= stride
        return scale, shift

    def up(grid, stride):
        scale, shift = grid
        return scale / stride, shift - scale / stride * Fraction(2 * stride - 1, 2)

    def offset(grid, onto):
        assert grid[0] == onto[0]
        return (onto[1] - grid[1]) / grid[0]

    pools = [through([(3, 1, 100), *[(2, 2, 0)] * n]) for n in range(6)]
    fc6 = through([(7, 1, 0)], *pools[5])
    image = (Fraction(1), Fraction(0))
    assert [offset(up(fc6, 32), image)] == offsets(FCN32s, monkeypatch)
    first = up(fc6, 2)
    assert [offset(pools[4], first), offset(up(first, 16), image)] == offsets(FCN16s, monkeypatch)
    second = up(first, 2)
    assert [
        offset(pools[4], first),
        offset(pools[3], second),
        offset(up(second, 8), image),
    ] == offsets(FCN8s, monkeypatch)


@pytest.mark.parametrize("stride", [2, 8, 16, 32])
def test_bilinear_kernel_interpolates(stride):
    x = torch.randn(1, 1, 6, 7)
    kernel = bilinear_kernel(stride)
    assert kernel.shape == (2 * stride, 2 * stride)
    mine = F.conv_transpose2d(x, kernel[None, None], stride=stride, padding=stride // 2)
    theirs = F.interpolate(x, scale_factor=stride, mode="bilinear", align_corners=False)
    inner = slice(stride, -stride)
    assert torch.allclose(mine[..., inner, inner], theirs[..., inner, inner], atol=1e-6)


@pytest.mark.parametrize("kind", ALL)
def test_upsampling_is_bilinear_and_fixed(kind):
    model = thin(kind)
    for layer in upsamplings(model):
        kernel = bilinear_kernel(layer.stride[0])
        assert all(torch.equal(w[0], kernel) for w in layer.weight)
        assert not layer.weight.requires_grad
    strides = {FCN32s: [32], FCN16s: [2, 16], FCN8s: [2, 2, 8]}
    assert sorted(layer.stride[0] for layer in upsamplings(model)) == strides[kind]
    assert model.up_to_image.stride[0] == max(strides[kind])


def test_first_loss_is_the_logarithm_of_the_classes():
    model = thin(FCN8s, num_classes=19)
    loss = F.cross_entropy(model(torch.rand(1, 3, 40, 40)), torch.randint(0, 19, (1, 40, 40)))
    assert loss.item() == pytest.approx(log(19), abs=1e-6)


@pytest.mark.parametrize("kind", ALL)
def test_forward_equals_a_plain_second_writing(kind):
    model, x = thin(kind, num_classes=5, width=2), torch.randn(2, 3, 50, 77)
    for layer in score_layers(model):
        nn.init.normal_(layer.weight)
    w, pools = model.state_dict(), []

    def conv(x, name, padding=0):
        return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=padding)

    y, padding = x, 100
    blocks = ("to_pool3.0", "to_pool3.1", "to_pool3.2", "to_pool4", "to_pool5")
    for block, count in zip(blocks, (2, 2, 3, 3, 3)):
        for number in range(count):
            y = F.relu(conv(y, f"{block}.{2 * number}", padding))
            padding = 1
        y = F.max_pool2d(y, 2, ceil_mode=True)
        pools.append(y)
    y = conv(F.relu(conv(F.relu(conv(y, "fc6")), "fc7")), "score_fc7")
    steps = {FCN32s: [], FCN16s: [(3, 5)], FCN8s: [(3, 5), (2, 9)]}[kind]
    for pool, offset in steps:
        y = F.conv_transpose2d(y, bilinear_kernel(2).expand(5, 1, 4, 4), stride=2, groups=5)
        skip = conv(pools[pool], f"score_pool{pool + 1}")
        y = y + skip[:, :, offset : offset + y.shape[2], offset : offset + y.shape[3]]
    s, offset = {FCN32s: (32, 19), FCN16s: (16, 27), FCN8s: (8, 31)}[kind]
    y = F.conv_transpose2d(y, bilinear_kernel(s).expand(5, 1, 2 * s, 2 * s), stride=s, groups=5)
    expected = y[:, :, offset : offset + 50, offset : offset + 77]
    assert torch.allclose(model(x), expected, rtol=1e-4, atol=1e-4 * expected.abs().max())
    assert expected.std() > 0 and not torch.allclose(expected[..., 1:], expected[..., :-1])


class SmallVgg(nn.Module):
    """The structure of torchvision's vgg16 with 2 instead of 64 channels and 6 instead of 4096
    hidden units.
    """

    def __init__(self):
        super().__init__()
        plan = [c if c == "M" else c // 32 for c in torchvision.models.vgg.cfgs["D"]]
        layers, channels = [], 3
        for c in plan:
            if c == "M":
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(channels, c, 3, padding=1), nn.ReLU(True)]
                channels = c
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(16 * 49, 6),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(6, 6),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(6, 10),
        )


def test_vgg_weights_are_taken_over_by_reshaping():
    """On one 224x224 image the converted layers give VGG's own hidden activations; on a larger one,
    a grid of them.
    """
    torch.manual_seed(3)
    vgg = SmallVgg().eval()
    for p in vgg.parameters():
        nn.init.normal_(p, std=0.2 if p.dim() == 4 else 0.1)
    model = FCN8s(num_classes=19, width=2, hidden=6).eval()
    load_vgg16(model, vgg)
    assert model.fc6.weight.shape == (6, 16, 7, 7) and model.score_fc7.in_channels == 6
    image = torch.randn(1, 3, 224, 224)
    wide = F.pad(image, (0, 64))
    # Without the 100 pixels of padding the grid has exactly one position.
    first = model.to_pool3[0][0]
    first.padding = (1, 1)
    with torch.no_grad():
        hidden = vgg.classifier[:5](vgg.features(image).flatten(1))
        mine = F.relu(model.fc7(F.relu(model.fc6(up_to_pool5(model)(image)))))
        assert mine.shape[-2:] == (1, 1) and hidden.std() > 0
        assert torch.allclose(mine.flatten(1), hidden, rtol=1e-4, atol=1e-5)
        assert model.fc6(up_to_pool5(model)(wide)).shape[-2:] == (1, 3)
    vgg.features[0].weight.data.zero_()
    assert first.weight.any(), "the weights must be copies"


def test_the_whole_vgg16_fits():
    with torch.device("meta"):
        model = FCN16s(num_classes=19)
        load_vgg16(model, torchvision.models.vgg16())
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 134_348_134


@pytest.mark.parametrize("other", ["vgg16_bn", "vgg11"])
def test_another_network_is_refused(other):
    with (
        torch.device("meta"),
        pytest.raises(ValueError, match=r"expected the layers of torchvision.models.vgg16\(\)"),
    ):
        load_vgg16(FCN32s(), getattr(torchvision.models, other)())


def test_every_parameter_learns():
    model = thin(FCN8s, width=2)
    for layer in score_layers(model):
        nn.init.normal_(layer.weight)
    F.cross_entropy(model(torch.randn(1, 3, 64, 64)), torch.randint(0, 3, (1, 64, 64))).backward()
    fixed = {id(layer.weight) for layer in upsamplings(model)}
    assert all((p.grad is None) == (id(p) in fixed) for p in model.parameters())
    assert model.to_pool3[0][0].weight.grad.abs().sum() > 0


# The thin network, which the course trains


@pytest.mark.parametrize("stride", [32, 16, 8])
def test_thin_fcn_equals_a_plain_second_writing(stride):
    torch.manual_seed(1)
    model = ThinFCN(5, stride, width=2, hidden=6).eval()
    w = model.state_dict()
    for name, value in w.items():  # scores and running statistics that matter
        if value.is_floating_point() and (value.ndim == 1 or "score" in name):
            value.copy_(torch.rand(value.shape) + 0.5)
    x = torch.randn(2, 3, 50, 77)

    def conv_norm_relu(x, name, number, padding):
        x = F.conv2d(x, w[f"{name}.{number}.weight"], padding=padding)
        after = f"{name}.{number + 1}"
        statistics = w[f"{after}.running_mean"], w[f"{after}.running_var"]
        return F.relu(F.batch_norm(x, *statistics, w[f"{after}.weight"], w[f"{after}.bias"]))

    def score(x, name):
        return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def enlarged(x, like):
        return F.interpolate(x, like.shape[-2:], mode="bilinear")

    y, pools = x, []
    for block, count in enumerate((2, 2, 3, 3, 3), 1):
        for number in range(count):
            y = conv_norm_relu(y, f"block{block}", 3 * number, 1)
        y = F.max_pool2d(y, 2, ceil_mode=True)
        pools.append(y)
    y = score(conv_norm_relu(conv_norm_relu(y, "fc6", 0, 3), "fc7", 0, 0), "score32")
    if stride <= 16:
        y = enlarged(y, pools[3]) + score(pools[3], "score16")
    if stride == 8:
        y = enlarged(y, pools[2]) + score(pools[2], "score8")
    expected = enlarged(y, x)
    torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-4)
    assert expected.shape == (2, 5, 50, 77) and expected.std() > 0


@pytest.mark.parametrize("stride", [32, 16, 8])
def test_thin_fcn_takes_any_size_and_begins_undecided(stride):
    torch.manual_seed(0)
    model = ThinFCN(19, stride, width=2, hidden=4).eval()
    for size in [(1, 1), (31, 32), (65, 97), (7, 260)]:
        logits = model(torch.rand(1, 3, *size))
        assert logits.shape == (1, 19, *size)
        loss = F.cross_entropy(logits, torch.randint(0, 19, (1, *size)))
        assert loss.item() == pytest.approx(log(19), abs=1e-6)


def test_thin_fcn_has_a_grid_of_its_stride():
    """A wider grid has fewer scores; other strides are refused."""
    parameters = [sum(p.numel() for p in ThinFCN(stride=s).parameters()) for s in (32, 16, 8)]
    assert parameters[1] - parameters[0] == 19 * (96 + 1)
    assert parameters[2] - parameters[1] == 19 * (48 + 1)
    with pytest.raises(ValueError, match="stride 32, 16 or 8, found 4"):
        ThinFCN(stride=4)


def test_the_window_classifier_names_a_window():
    torch.manual_seed(0)
    model = fcn.WindowClassifier(num_classes=5).eval()
    windows = torch.rand(3, 3, 32, 32)
    found = model(windows)
    features = model.features(windows)
    assert found.shape == (3, 5) and features.shape == (3, 32, 6, 6)
    for number in range(3):
        expected = model.classifier.weight @ features[number].ravel() + model.classifier.bias
        assert torch.allclose(found[number], expected, atol=1e-6)
