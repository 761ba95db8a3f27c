"""U-Net as in Ronneberger, Fischer, Brox 2015 (arXiv:1505.04597), Fig. 1. Chapter 06 builds it by
hand.

At its defaults it is the paper's network: 23 convolutions without padding, 572x572 in, 388x388 out,
and (3 channels in, 19 classes out) 31,032,915 parameters. Departures are options: `padding="same"`,
`norm="batch"`, width, depth.
"""

import torch
from torch import nn

from helpers.sizes import nearest_sizes, output_size, valid_size

__all__ = ["UNet", "center_crop", "nearest_sizes", "output_size", "valid_size"]


class DoubleConv(nn.Sequential):
    """Two 3x3 convolutions, each followed by ReLU (and batch normalization before it, if asked
    for).
    """

    def __init__(self, in_channels: int, out_channels: int, padding: str, norm: str | None):
        layers = []
        for channels in (in_channels, out_channels):
            layers.append(
                nn.Conv2d(
                    channels, out_channels, 3, padding=int(padding == "same"), bias=norm is None
                )
            )
            if norm == "batch":
                layers.append(nn.BatchNorm2d(out_channels))
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


def center_crop(x: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The center [..., height, width] of x, as a view: the gray arrows of the paper's Fig. 1."""
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]


class UNet(nn.Module):
    """Frames float [N, in_channels, H, W] to logits [N, num_classes, h, w]; h = output_size(H,
    depth, padding).

    `width` is the number of channels of the first level (64 in the paper), doubled at each of
    `depth` poolings. `dropout` acts at the end of the contracting path, on the two deepest levels:
    the paper names neither rate nor place; its released network has 0.5 there. A size that breaks
    the pooling raises ValueError.
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
        if padding not in ("valid", "same") or norm not in (None, "batch"):
            raise ValueError(
                f'padding is "valid" or "same", norm None or "batch"; found {padding!r} and '
                f"{norm!r}"
            )
        self.arguments = {
            "in_channels": in_channels,
            "num_classes": num_classes,
            "width": width,
            "depth": depth,
            "padding": padding,
            "norm": norm,
            "dropout": dropout,
        }
        self.depth, self.padding = depth, padding
        channels = [width * 2**level for level in range(depth + 1)]  # 64, 128, 256, 512, 1024
        pairs = list(zip([in_channels, *channels], channels))
        self.down = nn.ModuleList(DoubleConv(a, b, padding, norm) for a, b in pairs)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(dropout)
        deep_to_shallow = list(
            zip(channels[:0:-1], channels[-2::-1])
        )  # (1024, 512), (512, 256), ...
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in deep_to_shallow)
        self.merge = nn.ModuleList(DoubleConv(a, b, padding, norm) for a, b in deep_to_shallow)
        self.head = nn.Conv2d(width, num_classes, 1)
        self.apply(_he_init)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for size in x.shape[-2:]:
            output_size(size, self.depth, self.padding)
        skips = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else self.pool(x))
            if level >= self.depth - 1:
                x = self.dropout(x)
            skips.append(x)
        x = skips.pop()
        for up, merge in zip(self.up, self.merge):
            x = up(x)
            x = merge(torch.cat([center_crop(skips.pop(), *x.shape[-2:]), x], dim=1))
        return self.head(x)


def _he_init(module: nn.Module) -> None:
    """Gaussian weights of standard deviation sqrt(2 / fan-in), biases zero (paper, Sec. 3; He et
    al. 2015).
    """
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
