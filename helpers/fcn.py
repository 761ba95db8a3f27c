"""FCN of Long, Shelhamer, Darrell 2015 (arXiv:1411.4038), twice. Chapter 01 builds `ThinFCN`.

`ThinFCN` is what the course trains from scratch: VGG16's plan of layers, thin, with batch norm.
`FCN32s`, `FCN16s` and `FCN8s` are the paper's own networks, on VGG16 and aligned as in the authors'
code: 100 pixels of padding at the first convolution, poolings that round up, and crops whose
offsets the end of the chapter derives.
"""

import torch
import torch.nn.functional as F
from torch import nn

from helpers.unet import he_init


def enlarge(scores: torch.Tensor, size) -> torch.Tensor:
    """Scores [N, C, h, w], interpolated bilinearly to `size` = (rows, columns)."""
    return F.interpolate(scores, size=tuple(size), mode="bilinear", align_corners=False)


def conv_norm_relu(in_channels: int, out_channels: int, kernel_size: int) -> list[nn.Module]:
    """A convolution that keeps the size, batch norm and ReLU."""
    padding = kernel_size // 2
    return [
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


def thin_block(in_channels: int, out_channels: int, convolutions: int) -> nn.Sequential:
    """3x3 convolutions and a pooling that halves the map, rounded up."""
    layers = []
    for _ in range(convolutions):
        layers += conv_norm_relu(in_channels, out_channels, 3)
        in_channels = out_channels
    layers.append(nn.MaxPool2d(2, ceil_mode=True))
    return nn.Sequential(*layers)


def score_layer(in_channels: int, num_classes: int) -> nn.Conv2d:
    """A 1x1 convolution to one score per class; it starts at zero (paper, Sec. 4.2)."""
    layer = nn.Conv2d(in_channels, num_classes, 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class ThinFCN(nn.Module):
    """Images float [N, 3, H, W] of any size to logits [N, num_classes, H, W].

    `stride` 32, 16 or 8 is the grid of the finest scores: FCN-32s, FCN-16s or FCN-8s. `width` and
    `hidden` are the channels of the first block and of the two converted layers (64 and 4096 in
    VGG16).
    """

    # For tiles: the stride of the coarsest map, and a multiple of it above the 246 pixels on each
    # side that an output sees: 202 of fc6, 44 of the three interpolations.
    grid = 32
    reach = 256

    def __init__(self, num_classes: int = 19, stride: int = 8, width: int = 12, hidden: int = 112):
        super().__init__()
        if stride not in (32, 16, 8):
            raise ValueError(f"an FCN has stride 32, 16 or 8, found {stride}")
        self.arguments = {
            "num_classes": num_classes,
            "stride": stride,
            "width": width,
            "hidden": hidden,
        }
        self.stride = stride
        self.block1 = thin_block(3, width, 2)
        self.block2 = thin_block(width, 2 * width, 2)
        self.block3 = thin_block(2 * width, 4 * width, 3)
        self.block4 = thin_block(4 * width, 8 * width, 3)
        self.block5 = thin_block(8 * width, 8 * width, 3)
        # VGG16's fully connected layers, as convolutions (paper, Sec. 3.1)
        self.fc6 = nn.Sequential(*conv_norm_relu(8 * width, hidden, 7))
        self.fc7 = nn.Sequential(*conv_norm_relu(hidden, hidden, 1))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")

        self.score32 = score_layer(hidden, num_classes)
        if stride <= 16:
            self.score16 = score_layer(8 * width, num_classes)
        if stride == 8:
            self.score8 = score_layer(4 * width, num_classes)

    def scores(self, images: torch.Tensor) -> torch.Tensor:
        """One score per class on the grid of `stride` pixels: [N, num_classes, H/8, W/8] for 8s."""
        x = self.block1(images)  # [N, 12, H/2, W/2]
        x = self.block2(x)  # [N, 24, H/4, W/4]
        pool3 = self.block3(x)  # [N, 48, H/8, W/8]
        pool4 = self.block4(pool3)  # [N, 96, H/16, W/16]
        pool5 = self.block5(pool4)  # [N, 96, H/32, W/32]

        # Coarse scores first; the finer ones are added on the way up.
        scores = self.score32(self.fc7(self.fc6(pool5)))
        if self.stride <= 16:
            scores = enlarge(scores, pool4.shape[-2:]) + self.score16(pool4)
        if self.stride == 8:
            scores = enlarge(scores, pool3.shape[-2:]) + self.score8(pool3)
        return scores

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return enlarge(self.scores(images), images.shape[-2:])


class WindowClassifier(nn.Module):
    """Windows float [N, 3, 32, 32] to one class each, logits [N, num_classes].

    `features` keeps places, [N, 32, 6, 6]; `classifier` flattens and forgets them. Chapter 01 turns
    it into a network for pictures of any size.
    """

    def __init__(self, num_classes: int = 19):
        super().__init__()
        self.arguments = {"num_classes": num_classes}
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Linear(32 * 6 * 6, num_classes)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(windows).flatten(1))


# The paper's networks.


def bilinear_kernel(stride: int) -> torch.Tensor:
    """float32 [2 stride, 2 stride]: a transposed convolution with it interpolates (Sec. 3.3)."""
    tent = 1 - (torch.arange(2 * stride) - (stride - 0.5)).abs() / stride
    return tent[:, None] * tent


def upsampling(num_classes: int, stride: int) -> nn.ConvTranspose2d:
    """Each class on its own, interpolated bilinearly and not learned, as in the authors' code."""
    layer = nn.ConvTranspose2d(
        num_classes, num_classes, 2 * stride, stride=stride, groups=num_classes, bias=False
    )
    layer.weight.data.copy_(bilinear_kernel(stride).expand_as(layer.weight))
    layer.weight.requires_grad_(False)
    return layer


def crop(x: torch.Tensor, offset: int, size) -> torch.Tensor:
    """The window of `size` = (rows, columns) of x [..., H, W] that starts at (offset, offset)."""
    height, width = size
    return x[..., offset : offset + height, offset : offset + width]


def vgg_block(in_channels: int, out_channels: int, convolutions: int) -> nn.Sequential:
    """One of VGG16's five blocks: 3x3 convolutions with ReLU, then a pooling that rounds up."""
    layers = []
    for _ in range(convolutions):
        layers.append(nn.Conv2d(in_channels, out_channels, 3, padding=1))
        layers.append(nn.ReLU(inplace=True))
        in_channels = out_channels
    layers.append(nn.MaxPool2d(2, ceil_mode=True))
    return nn.Sequential(*layers)


class FCN32s(nn.Module):
    """Images float [N, 3, H, W] of any size to logits [N, num_classes, H, W], stride 32.

    `width` and `hidden` are the channels of the first block and of the two converted layers: 64 and
    4096 in VGG16, fewer for a CPU.
    """

    grid = ThinFCN.grid
    reach = ThinFCN.reach
    stride = 32  # of the finest scores,
    offset = 19  # and where the picture begins in the last up-sampling

    def __init__(
        self, num_classes: int = 19, width: int = 64, hidden: int = 4096, dropout: float = 0.5
    ):
        super().__init__()
        self.arguments = {
            "num_classes": num_classes,
            "width": width,
            "hidden": hidden,
            "dropout": dropout,
        }
        self.to_pool3 = nn.Sequential(
            vgg_block(3, width, 2),
            vgg_block(width, 2 * width, 2),
            vgg_block(2 * width, 4 * width, 3),
        )
        self.to_pool4 = vgg_block(4 * width, 8 * width, 3)
        self.to_pool5 = vgg_block(8 * width, 8 * width, 3)
        first = self.to_pool3[0][0]
        first.padding = (100, 100)
        self.fc6 = nn.Conv2d(8 * width, hidden, 7)
        self.fc7 = nn.Conv2d(hidden, hidden, 1)
        self.dropout = nn.Dropout(dropout)
        self.apply(he_init)
        self.score_fc7 = score_layer(hidden, num_classes)
        self.up_to_image = upsampling(num_classes, self.stride)
        if self.stride <= 16:
            self.score_pool4 = score_layer(8 * width, num_classes)
            self.up_to_pool4 = upsampling(num_classes, 2)
        if self.stride == 8:
            self.score_pool3 = score_layer(4 * width, num_classes)
            self.up_to_pool3 = upsampling(num_classes, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        pool3 = self.to_pool3(images)
        pool4 = self.to_pool4(pool3)
        pool5 = self.to_pool5(pool4)
        fc6 = self.dropout(F.relu(self.fc6(pool5)))
        fc7 = self.dropout(F.relu(self.fc7(fc6)))

        # Coarse scores first; the finer ones are added on the way up (Sec. 4.2).
        scores = self.score_fc7(fc7)
        if self.stride <= 16:
            scores = self.up_to_pool4(scores)
            scores = scores + crop(self.score_pool4(pool4), 5, scores.shape[-2:])
        if self.stride == 8:
            scores = self.up_to_pool3(scores)
            scores = scores + crop(self.score_pool3(pool3), 9, scores.shape[-2:])
        return crop(self.up_to_image(scores), self.offset, images.shape[-2:])


class FCN16s(FCN32s):
    """FCN32s with the scores of pool4 added before the last up-sampling, by 16 (Sec. 4.2)."""

    stride = 16
    offset = 27


class FCN8s(FCN32s):
    """FCN16s with the scores of pool3 added as well; the last up-sampling is by 8."""

    stride = 8
    offset = 31
