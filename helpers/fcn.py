"""FCN-32s, FCN-16s and FCN-8s on VGG16: Long, Shelhamer, Darrell 2015 (arXiv:1411.4038). Chapter 01
builds them.

As in the authors' code: 100 pixels of padding at the first convolution and poolings that round up,
so that every size of image can be scored; VGG16's fully connected layers as convolutions (7x7 and
1x1); scores of pool4 and pool3 added; bilinear up-sampling; and crops whose offsets the chapter
derives.
"""

import torch
import torch.nn.functional as F
from torch import nn

LAST_CROP = {
    32: 19,
    16: 27,
    8: 31,
}  # offset of the input's first pixel in the last, up-sampled scores
POOL4_CROP, POOL3_CROP = 5, 9  # offsets of the coarser scores in those of pool4 and of pool3


def bilinear_kernel(stride: int) -> torch.Tensor:
    """float32 [2 stride, 2 stride]: with this kernel a transposed convolution interpolates
    bilinearly (Sec. 3.3).
    """
    tent = 1 - (torch.arange(2 * stride) - (stride - 0.5)).abs() / stride
    return tent[:, None] * tent


def crop(x: torch.Tensor, offset: int, size) -> torch.Tensor:
    """The window of `size` (rows, columns) of x [..., H, W] that starts `offset` from the top and
    from the left.
    """
    return x.narrow(-2, offset, size[0]).narrow(-1, offset, size[1])


def conv_block(in_channels: int, out_channels: int, convolutions: int) -> nn.Sequential:
    """One of VGG16's five blocks: 3x3 convolutions with ReLU, then a pooling that rounds up."""
    layers = []
    for _ in range(convolutions):
        layers.append(nn.Conv2d(in_channels, out_channels, 3, padding=1))
        layers.append(nn.ReLU(inplace=True))
        in_channels = out_channels
    layers.append(nn.MaxPool2d(2, ceil_mode=True))
    return nn.Sequential(*layers)


def upsampling(num_classes: int, stride: int) -> nn.ConvTranspose2d:
    """Each class on its own, interpolated bilinearly and not learned, as in the authors' code."""
    layer = nn.ConvTranspose2d(
        num_classes, num_classes, 2 * stride, stride=stride, groups=num_classes, bias=False
    )
    layer.weight.data.copy_(bilinear_kernel(stride).expand_as(layer.weight))
    layer.weight.requires_grad_(False)
    return layer


class FCN(nn.Module):
    """Frames float [N, 3, H, W] of any size to logits [N, num_classes, H, W], scored on a grid of
    `stride` pixels.

    `width` and `hidden` are the channels of the first block and of the two converted layers: 64 and
    4096 in VGG16, fewer for a CPU.
    """

    padding = "same"  # what a View needs to know: as many pixels out as in,
    depth = 0  # and every size is legal

    def __init__(
        self,
        num_classes: int = 19,
        stride: int = 8,
        width: int = 64,
        hidden: int = 4096,
        dropout: float = 0.5,
    ):
        super().__init__()
        if stride not in LAST_CROP:
            raise ValueError(f"an FCN has stride 32, 16 or 8, found {stride}")
        self.arguments = {
            "num_classes": num_classes,
            "stride": stride,
            "width": width,
            "hidden": hidden,
            "dropout": dropout,
        }
        self.stride = stride
        self.to_pool3 = nn.Sequential(
            conv_block(3, width, 2),
            conv_block(width, 2 * width, 2),
            conv_block(2 * width, 4 * width, 3),
        )
        self.to_pool4 = conv_block(4 * width, 8 * width, 3)
        self.to_pool5 = conv_block(8 * width, 8 * width, 3)
        self.to_pool3[0][0].padding = (100, 100)
        self.fc6 = nn.Conv2d(8 * width, hidden, 7)
        self.fc7 = nn.Conv2d(hidden, hidden, 1)
        self.dropout = nn.Dropout(dropout)

        # VGG16 starts as He et al. 2015; new layers start at zero, so the first loss is
        # log(num_classes).
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        self.score_fc7 = self.new_score(hidden, num_classes)
        if stride <= 16:
            self.score_pool4 = self.new_score(8 * width, num_classes)
            self.up_to_pool4 = upsampling(num_classes, 2)
        if stride == 8:
            self.score_pool3 = self.new_score(4 * width, num_classes)
            self.up_to_pool3 = upsampling(num_classes, 2)
        self.up_to_image = upsampling(num_classes, stride)

    @staticmethod
    def new_score(channels: int, num_classes: int) -> nn.Conv2d:
        layer = nn.Conv2d(channels, num_classes, 1)
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        return layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pool3 = self.to_pool3(x)
        pool4 = self.to_pool4(pool3)
        pool5 = self.to_pool5(pool4)
        features = self.dropout(F.relu(self.fc6(pool5)))
        features = self.dropout(F.relu(self.fc7(features)))
        scores = self.score_fc7(features)  # one score per 32 x 32 pixels
        if self.stride <= 16:
            scores = self.up_to_pool4(scores)
            scores = scores + crop(self.score_pool4(pool4), POOL4_CROP, scores.shape[-2:])
        if self.stride == 8:
            scores = self.up_to_pool3(scores)
            scores = scores + crop(self.score_pool3(pool3), POOL3_CROP, scores.shape[-2:])
        scores = self.up_to_image(scores)
        return crop(scores, LAST_CROP[self.stride], x.shape[-2:])

    def load_vgg16(self, vgg: nn.Module) -> None:
        """Take the weights of torchvision's vgg16(); its fully connected layers are reshaped to
        convolutions.
        """
        if any(isinstance(layer, nn.BatchNorm2d) for layer in vgg.features):
            raise ValueError(
                "expected torchvision.models.vgg16(), found batch normalization (vgg16_bn?)"
            )
        own = [layer for layer in self.modules() if isinstance(layer, nn.Conv2d)][:13] + [
            self.fc6,
            self.fc7,
        ]
        theirs = [layer for layer in vgg.features if isinstance(layer, nn.Conv2d)]
        theirs += [vgg.classifier[0], vgg.classifier[3]]
        for ours, other in zip(own, theirs, strict=True):
            ours.weight.data.copy_(other.weight.detach().reshape(ours.weight.shape))
            ours.bias.data.copy_(other.bias.detach())
