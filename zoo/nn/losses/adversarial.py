"""An adversarial loss: a discriminator learns to tell predictions from truths, the network to deceive it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.parametrizations import spectral_norm


class Discriminator(nn.Module):
    """Scores how real patches of pictures look, each of 32 x 32 pixels, as logits.

    Convolutions at the full size, half of it and a quarter of it, all but the first and the last with spectral norm
    (Miyato et al., 2018, https://arxiv.org/abs/1802.05957).

    Args:
        channels: number of channels at the full size; twice as many at each smaller size.
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
    """The loss of the predicting network and the loss of the discriminator: two scalars.

    Relativistic average losses (Jolicoeur-Martineau, 2018, https://arxiv.org/abs/1807.00734), as in ESRGAN: truths
    should score higher than the mean of predictions, and predictions lower than the mean of truths. Each network gets
    the gradient of its own loss only, so that one optimiser can minimise the sum.

    Args:
        discriminator: network that scores pictures, such as :class:`Discriminator`.
        prediction: RGB in 0..1, ``(B, 3, H, W)``.
        truth: RGB in 0..1, of the same shape.
    """
    frozen = {name: parameter.detach() for name, parameter in discriminator.named_parameters()}
    deceiving = functional_call(discriminator, frozen, (prediction,))
    real, made = discriminator(truth), discriminator(prediction.detach())
    return _told_apart(deceiving, real.detach()), _told_apart(real, made)


def _told_apart(more: Tensor, less: Tensor) -> Tensor:
    """The loss of ``more`` scoring higher than ``less``: log 2 if they are equal."""
    return (F.softplus(less.mean() - more).mean() + F.softplus(less - more.mean()).mean()) / 2


def _halving(channels: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(channels, channels, 4, stride=2, padding=1, bias=False))


def _widening(channels: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False))
