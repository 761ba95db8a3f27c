"""U-Net as in Ronneberger, Fischer, Brox 2015 (arXiv:1505.04597), Fig. 1. Chapter 06 builds it by hand.

At its defaults it is the paper's network: 23 convolutions without padding, 572x572 in, 388x388 out, and (3 channels
in, 19 classes out) 31,032,915 parameters. Departures are options: `padding="same"`, `norm="batch"`, width, depth.
"""
import torch
from torch import nn


def bottom_size(n: int, depth: int = 4) -> int:
    """The size that enters the two bottom convolutions of the unpadded network, or -1 where a pooling is uneven."""
    for _ in range(depth):
        n -= 4  # two 3x3 convolutions without padding
        if n < 2 or n % 2:
            return -1
        n //= 2
    return n


def valid_size(n: int, depth: int = 4, padding: str = "valid") -> bool:
    """Whether an input of n pixels is legal: every 2x2 pooling meets an even size, and something is left at the end.

    Unpadded, depth 4: n = 12 (mod 16) and n >= 188. Padded: a multiple of 2**depth. (Paper, Sec. 2, last sentence.)
    """
    if padding == "same":
        return n > 0 and n % 2**depth == 0
    bottom = bottom_size(n, depth)
    return bottom > 0 and _expand(bottom, depth) > 0


def _expand(bottom: int, depth: int) -> int:
    size = bottom - 4
    for _ in range(depth):
        if size <= 0:
            return 0
        size = 2 * size - 4
    return size


def nearest_sizes(n: int, depth: int = 4, padding: str = "valid") -> list[int]:
    """The legal input sizes next to n: the largest that is not above it (if there is one) and the smallest above."""
    below = next((m for m in range(n, 0, -1) if valid_size(m, depth, padding)), None)
    above = n + 1
    while not valid_size(above, depth, padding):
        above += 1
    return [above] if below is None else [below, above]


def output_size(n: int, depth: int = 4, padding: str = "valid") -> int:
    """Pixels out for n pixels in (572 -> 388). Raises ValueError with the nearest legal sizes if n is not legal."""
    if not valid_size(n, depth, padding):
        near = " or ".join(map(str, nearest_sizes(n, depth, padding)))
        raise ValueError(f"input size {n} is not legal for depth {depth} and {padding} padding: a 2x2 pooling would "
                         f"drop a row, or nothing would be left; the nearest legal size is {near}")
    return n if padding == "same" else _expand(bottom_size(n, depth), depth)


class DoubleConv(nn.Sequential):
    """Two 3x3 convolutions, each followed by ReLU (and batch normalisation before it, if asked for)."""

    def __init__(self, in_channels: int, out_channels: int, padding: str, norm: str | None):
        layers = []
        for channels in (in_channels, out_channels):
            layers.append(nn.Conv2d(channels, out_channels, 3, padding=int(padding == "same"), bias=norm is None))
            if norm == "batch":
                layers.append(nn.BatchNorm2d(out_channels))
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


def center_crop(x: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The centre [..., height, width] of x, as a view: the grey arrows of the paper's Fig. 1."""
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]


class UNet(nn.Module):
    """Frames float [N, in_channels, H, W] to logits [N, classes, h, w]; h = output_size(H, depth, padding).

    `width` is the number of channels of the first level (64 in the paper), doubled at each of `depth` poolings.
    `dropout` acts at the end of the contracting path, on the two deepest levels: the paper names neither rate nor
    place; its released network has 0.5 there. A size that breaks the pooling raises ValueError.
    """

    def __init__(self, in_channels: int = 3, classes: int = 19, width: int = 64, depth: int = 4,
                 padding: str = "valid", norm: str | None = None, dropout: float = 0.5):
        super().__init__()
        if padding not in ("valid", "same") or norm not in (None, "batch"):
            raise ValueError(f'padding is "valid" or "same", norm None or "batch"; found {padding!r} and {norm!r}')
        self.arguments = {"in_channels": in_channels, "classes": classes, "width": width, "depth": depth,
                          "padding": padding, "norm": norm, "dropout": dropout}
        self.depth, self.padding = depth, padding
        channels = [width * 2**level for level in range(depth + 1)]  # 64, 128, 256, 512, 1024
        pairs = list(zip([in_channels, *channels], channels))
        self.down = nn.ModuleList(DoubleConv(a, b, padding, norm) for a, b in pairs)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(dropout)
        deep_to_shallow = list(zip(channels[:0:-1], channels[-2::-1]))  # (1024, 512), (512, 256), ...
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in deep_to_shallow)
        self.merge = nn.ModuleList(DoubleConv(a, b, padding, norm) for a, b in deep_to_shallow)
        self.head = nn.Conv2d(width, classes, 1)
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
    """Gaussian weights of standard deviation sqrt(2 / fan-in), biases zero (paper, Sec. 3; He et al. 2015)."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
