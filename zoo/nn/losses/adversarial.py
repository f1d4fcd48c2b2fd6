"""An adversarial loss: a second network learns to tell predictions from truths, and the first one to deceive it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.parametrizations import spectral_norm


class Discriminator(nn.Module):
    """Scores how real the parts of pictures look, each of some 30 x 30 pixels, as logits.

    Convolutions at the full size, at half and at a quarter of it, with spectral norm (Miyato et al., 2018,
    https://arxiv.org/abs/1802.05957) but for the first and the last.

    Args:
        channels: at the full size, twice as many at each smaller one.
    """

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1), nn.LeakyReLU(0.2)]
        for width in (channels, 2 * channels):
            layers += [_halving(width), nn.LeakyReLU(0.2), _widening(width), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(4 * channels, 1, 3, padding=1))

    def forward(self, pictures: Tensor) -> Tensor:
        """RGB in 0..1 ``(B, 3, H, W)`` -> ``(B, 1, H / 4, W / 4)``, float32."""
        return self.layers(pictures - 0.5).float()


def relativistic_losses(discriminator: nn.Module, prediction: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """What the predicting network minimises, and what the discriminator does: two scalars.

    Relativistic average losses (Jolicoeur-Martineau, 2018, https://arxiv.org/abs/1807.00734), as ESRGAN has them: the
    truth shall score more than predictions do in the mean, and the other way round. Each network gets the gradient of
    its own loss only, so that one optimiser minimises their sum.

    Args:
        discriminator: such as :class:`Discriminator`.
        prediction: RGB in 0..1, ``(B, 3, H, W)``.
        truth: of the same shape.
    """
    frozen = {name: parameter.detach() for name, parameter in discriminator.named_parameters()}
    deceiving = functional_call(discriminator, frozen, (prediction,))
    real, made = discriminator(truth), discriminator(prediction.detach())
    return _told_apart(deceiving, real.detach()), _told_apart(real, made)


def _told_apart(more: Tensor, less: Tensor) -> Tensor:
    """How far scores are from being more than others: log 2 where they are alike."""
    return (F.softplus(less.mean() - more).mean() + F.softplus(less - more.mean()).mean()) / 2


def _halving(channels: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(channels, channels, 4, stride=2, padding=1, bias=False))


def _widening(channels: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False))
