"""U-Net as in Ronneberger, Fischer, Brox 2015 (arXiv:1505.04597), Fig. 1. Chapter 06 builds it.

At its defaults it is the paper's network: 23 convolutions without padding, 572x572 in, 388x388 out,
and (3 channels in, 19 classes out) 31,032,915 parameters. Departures are options:
`padding="same"`, `norm="batch"`, width, depth.
"""

import torch
from torch import nn

from helpers.sizes import output_size


def double_conv(in_channels: int, out_channels: int, padding: str, norm: str | None):
    """Two 3x3 convolutions, each with a ReLU, and batch norm before it if asked for."""
    layers = []
    for channels in (in_channels, out_channels):
        # Batch norm subtracts the mean, and any bias with it.
        bias = norm is None
        border = 1 if padding == "same" else 0
        layers.append(nn.Conv2d(channels, out_channels, 3, padding=border, bias=bias))
        if norm == "batch":
            layers.append(nn.BatchNorm2d(out_channels))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def crop_and_concat(skip: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The center of `skip`, cut to the size of x, and then x: the gray arrows of Fig. 1.

    [N, C, H, W] and [N, D, h, w] become [N, C + D, h, w].
    """
    height, width = x.shape[-2:]
    top = (skip.shape[-2] - height) // 2
    left = (skip.shape[-1] - width) // 2
    center = skip[..., top : top + height, left : left + width]
    return torch.cat([center, x], dim=1)


def he_init(layer: nn.Module) -> None:
    """Gaussian weights of deviation sqrt(2 / N), zero biases (paper, Sec. 3; He et al. 2015).

    N is the number of incoming nodes; for the up-convolutions PyTorch counts twice as many, so
    that they start at sqrt(1 / N), as in the authors' release.
    """
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


class UNet(nn.Module):
    """Images float [N, in_channels, H, W] to logits [N, num_classes, h, w].

    Without padding, h = H - 184 at depth 4 (helpers.sizes.output_size); a size that the poolings
    cannot halve raises ValueError. `width` is the number of channels of the first level, doubled by
    each of the `depth` poolings. `dropout` acts at the end of the contracting path, on the two
    deepest levels: the paper names neither rate nor place; its released network has 0.5 there.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 19,
        width: int = 64,
        depth: int = 4,
        padding: str = "valid",
        norm: str | None = None,
        dropout: float = 0.5,
    ):
        super().__init__()
        if padding not in ("valid", "same"):
            raise ValueError(f'padding is "valid" or "same", found {padding!r}')
        if norm not in (None, "batch"):
            raise ValueError(f'norm is None or "batch", found {norm!r}')
        self.arguments = {
            "in_channels": in_channels,
            "num_classes": num_classes,
            "width": width,
            "depth": depth,
            "padding": padding,
            "norm": norm,
            "dropout": dropout,
        }
        self.depth = depth
        self.padding = padding
        channels = [width * 2**level for level in range(depth + 1)]  # 64, 128, 256, 512, 1024

        # The contracting path: one block per level, a pooling between them.
        self.down = nn.ModuleList()
        previous = in_channels
        for out_channels in channels:
            self.down.append(double_conv(previous, out_channels, padding, norm))
            previous = out_channels
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(dropout)

        # The expanding path: an up-convolution halves the channels, the skip doubles them again.
        self.up = nn.ModuleList()
        self.merge = nn.ModuleList()
        for out_channels in reversed(channels[:-1]):
            up = nn.ConvTranspose2d(2 * out_channels, out_channels, 2, stride=2)
            merge = double_conv(2 * out_channels, out_channels, padding, norm)
            self.up.append(up)
            self.merge.append(merge)
        self.head = nn.Conv2d(width, num_classes, 1)
        self.apply(he_init)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for size in x.shape[-2:]:
            output_size(size, self.depth, self.padding)  # refuses what the poolings cannot halve

        # Down: 64x568x568, 128x280x280, 256x136x136, 512x64x64 are kept as skips, 1024x28x28.
        skips = []
        for level, block in enumerate(self.down):
            if level > 0:
                x = self.pool(x)
            x = block(x)
            if level >= self.depth - 1:
                x = self.dropout(x)
            skips.append(x)
        skips.pop()  # the deepest map is where we are

        # Up: 512x52x52, 256x100x100, 128x196x196, 64x388x388.
        for up, merge in zip(self.up, self.merge):
            x = up(x)
            x = crop_and_concat(skips.pop(), x)
            x = merge(x)
        return self.head(x)  # 19x388x388
