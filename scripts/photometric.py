"""Strong photometric augmentation: the same street, as other cameras, lights and files show it."""

import io

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2

colors = v2.ColorJitter(brightness=0.6, contrast=0.6, saturation=0.6, hue=0.12)
gray = v2.RandomGrayscale(0.1)
blur = v2.GaussianBlur(5, (0.1, 2.0))


def as_jpeg(image: torch.Tensor, quality: int) -> torch.Tensor:
    """uint8 [3, H, W] after a JPEG file of this quality."""
    file = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)


def happens(probability: float) -> bool:
    return float(torch.rand(())) < probability


def distort(image: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] in other light, color, sharpness, noise; draws from torch's generator."""
    picture = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
    picture = gray(colors(picture))
    if happens(0.4):
        picture = blur(picture)
    if happens(0.3):
        picture = as_jpeg(picture, int(torch.randint(20, 90, ())))

    # A cast of color over the whole picture, and noise in every pixel
    picture = picture.float() + 12 * torch.randn(3, 1, 1)
    if happens(0.4):
        picture = picture + 12 * float(torch.rand(())) * torch.randn_like(picture)
    return picture.clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
