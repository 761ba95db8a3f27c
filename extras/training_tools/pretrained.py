"""torchvision's networks in the course's training and evaluation (chapter 13).

Their encoders have learned from ImageNet; what they return is a dictionary. `Torchvision` hides
both, so that Run, evaluate and load_model take them as they take a U-Net. `load_vgg16` is how the
FCN paper begins (Sec. 4.1).
"""

import torch
from torch import nn
from torchvision.models import segmentation

from helpers.checkpoints import NETWORKS
from helpers.config import TrainConfig
from helpers.fcn import FCN32s
from helpers.recipes import make_datasets
from helpers.training import Run

# What the encoders were trained with; pass them as mean and std of the config.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Torchvision(torch.nn.Module):
    """A segmentation network of torchvision: images [N, 3, H, W] to logits [N, classes, H, W].

    `name` is a function of torchvision.models.segmentation, such as "lraspp_mobilenet_v3_large" or
    "deeplabv3_resnet50". With `pretrained` its encoder begins with ImageNet's weights, which
    torchvision downloads. Of its dictionary, "out" is returned; an auxiliary head is left out.
    """

    padding = "same"

    def __init__(self, name: str, num_classes: int, pretrained: bool = False):
        super().__init__()
        if not hasattr(segmentation, name):
            raise ValueError(f"torchvision.models.segmentation has no {name!r}")
        # A checkpoint brings all weights along, so that none is downloaded to load it.
        self.arguments = {"name": name, "num_classes": num_classes}
        backbone = "DEFAULT" if pretrained else None
        make = getattr(segmentation, name)
        self.network = make(weights=None, weights_backbone=backbone, num_classes=num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        # DeepLabV3 has a batch norm over one value per picture: a picture alone is shown twice.
        if self.training and len(images) == 1:
            return self.network(images.repeat(2, 1, 1, 1))["out"][:1]
        return self.network(images)["out"]


# From now on load_model, and with it evaluate and the browser, knows it.
NETWORKS["Torchvision"] = Torchvision


def make_run(config: TrainConfig, name: str, pretrained: bool = True, **options) -> Run:
    """As helpers.training.make_run, with a network of torchvision. `options` are Run's."""
    config, train_set, val_set = make_datasets(config, options.get("progress", True))
    torch.manual_seed(config.seed)
    model = Torchvision(name, len(train_set.label_set), pretrained)
    return Run(config, model, train_set, val_set, **options)


def load_vgg16(model: FCN32s, vgg: nn.Module) -> None:
    """Copy the weights of torchvision's vgg16(), its linear layers reshaped to convolutions.

    `model` is an FCN of the paper. Raises ValueError for another network than vgg16().
    """
    own = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)][:13]
    own += [model.fc6, model.fc7]
    theirs = [layer for layer in vgg.features if isinstance(layer, nn.Conv2d)]
    theirs += [vgg.classifier[0], vgg.classifier[3]]
    normalized = any(isinstance(layer, nn.BatchNorm2d) for layer in vgg.features)
    if normalized or [w.weight.numel() for w in own] != [w.weight.numel() for w in theirs]:
        raise ValueError(
            "expected the layers of torchvision.models.vgg16(), found those of another network"
        )
    for ours, other in zip(own, theirs, strict=True):
        ours.weight.data.copy_(other.weight.detach().reshape(ours.weight.shape))
        ours.bias.data.copy_(other.bias.detach())
