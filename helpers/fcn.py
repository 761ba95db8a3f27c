"""FCN-32s, FCN-16s and FCN-8s on VGG16: Long, Shelhamer, Darrell 2015 (arXiv:1411.4038). Chapter 01 builds them.

As in the authors' code: 100 pixels of padding at the first convolution and poolings that round up, so that every size
of image can be scored; VGG16's fully connected layers as convolutions (7x7 and 1x1); scores of pool4 and pool3 added;
bilinear up-sampling; and crops whose offsets the chapter derives.
"""
import torch
from torch import nn

VGG16 = (1, 1, 0, 2, 2, 0, 4, 4, 4, 0, 8, 8, 8, 0, 8, 8, 8, 0)  # channels in units of `width`; 0 is a pooling
POOL3, POOL4 = 17, 24  # how many layers of `features` lead to the third and to the fourth pooling


def bilinear_kernel(stride: int) -> torch.Tensor:
    """float32 [2 stride, 2 stride]: with this kernel a transposed convolution interpolates bilinearly (Sec. 3.3)."""
    tent = 1 - (torch.arange(2 * stride) - (stride - 0.5)).abs() / stride
    return tent[:, None] * tent


def crop(x: torch.Tensor, offset: int, size) -> torch.Tensor:
    """The window of `size` (rows, columns) of x [..., H, W] that starts `offset` from the top and from the left."""
    return x.narrow(-2, offset, size[0]).narrow(-1, offset, size[1])


class FCN32s(nn.Module):
    """Frames float [N, 3, H, W] of any size to logits [N, classes, H, W], scored on a grid of stride 32.

    `width` and `hidden` are the channels of the first and of the two converted layers: 64 and 4096 in VGG16, fewer for
    a CPU. `vgg`, a model of torchvision's vgg16 structure, hands over its weights and decides both. Up-sampling is
    fixed, as in the authors' code, or with `learn_upsampling` only begins as bilinear, as in the paper.
    """

    offsets: tuple[int, ...] = (19,)  # of the crops: one a skip, and the last that of the result

    def __init__(self, classes: int = 19, width: int = 64, hidden: int = 4096, dropout: float = 0.5,
                 learn_upsampling: bool = False, vgg: nn.Module | None = None):
        super().__init__()
        if vgg is not None:
            width, hidden = vgg.features[0].out_channels, vgg.classifier[0].out_features
        layers, channels = [], 3  # numbered like torchvision's vgg16().features
        for item in VGG16:
            layers += [nn.Conv2d(channels, item * width, 3, padding=1), nn.ReLU(inplace=True)] if item else [
                nn.MaxPool2d(2, ceil_mode=True)]
            channels = item * width or channels
        layers[0].padding = (100, 100)
        self.features = nn.Sequential(*layers)
        self.fc6, self.fc7 = nn.Conv2d(channels, hidden, 7), nn.Conv2d(hidden, hidden, 1)
        self.dropout = nn.Dropout(dropout)
        skips = len(self.offsets) - 1
        self.score = nn.ModuleList(nn.Conv2d(n, classes, 1) for n in (hidden, 8 * width, 4 * width)[: skips + 1])
        for layer in filter(lambda module: isinstance(module, nn.Conv2d), self.modules()):
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        for layer in self.score:  # new layers begin at zero, so the first loss is the logarithm of `classes`
            nn.init.zeros_(layer.weight)
        self.up = nn.ModuleList(nn.ConvTranspose2d(classes, classes, 2 * s, stride=s, groups=classes, bias=False)
                                for s in [2] * skips + [32 >> skips])
        for layer in self.up:
            layer.weight.data.copy_(bilinear_kernel(layer.stride[0]).expand_as(layer.weight))
            layer.weight.requires_grad_(learn_upsampling)
        if vgg is not None:
            self._take_over(vgg)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pool3 = self.features[:POOL3](x)
        pool4 = self.features[POOL3:POOL4](pool3)
        deep = self.dropout(self.fc6(self.features[POOL4:](pool4)).relu_())
        scores = self.score[0](self.dropout(self.fc7(deep).relu_()))
        for offset, score, up, pool in zip(self.offsets, self.score[1:], self.up, (pool4, pool3)):
            scores = up(scores)
            scores = scores + crop(score(pool), offset, scores.shape[-2:])
        return crop(self.up[-1](scores), self.offsets[-1], x.shape[-2:])

    def _take_over(self, vgg: nn.Module) -> None:
        """VGG16's weights; those of the fully connected layers reshaped. ValueError if they do not fit."""
        pairs = [*zip(self.features, vgg.features), (self.fc6, vgg.classifier[0]), (self.fc7, vgg.classifier[3])]
        pairs = [(own, other) for own, other in pairs if isinstance(own, nn.Conv2d)]
        if any(own.weight.numel() != getattr(other, "weight", own.bias).numel() for own, other in pairs):
            raise ValueError("expected the layers of torchvision.models.vgg16(), found others (vgg16_bn?)")
        for own, other in pairs:
            own.weight.data.copy_(other.weight.detach().reshape(own.weight.shape))
            own.bias.data.copy_(other.bias.detach())


class FCN16s(FCN32s):
    """FCN32s with the scores of pool4 added before the last up-sampling, by 16 (Sec. 4.2)."""

    offsets = (5, 27)


class FCN8s(FCN32s):
    """FCN16s with the scores of pool3 added as well; the last up-sampling is by 8."""

    offsets = (5, 9, 31)
