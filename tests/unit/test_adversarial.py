from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.models.perceptual_sr.module import PerceptualSRModule
from zoo.nn.losses.adversarial import Discriminator, relativistic_losses


class Mean(torch.nn.Module):
    """Scores a picture by its mean, times a weight that learns."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.weight * pictures.mean((1, 2, 3))


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_losses_are_those_of_the_paper():
    scores = Mean()
    prediction, truth = (
        torch.tensor(means).view(-1, 1, 1, 1).expand(-1, 3, 8, 8) for means in ([0.1, 0.5], [0.4, 0.8])
    )
    deceiving, own = (loss.item() for loss in relativistic_losses(scores, prediction, truth))
    made, real = (0.2, 1.0), (0.8, 1.6)  # with the means 0.6 and 1.2
    by_hand = sum(softplus(1.2 - score) for score in made) / 2 + sum(softplus(score - 0.6) for score in real) / 2
    assert deceiving == pytest.approx(by_hand / 2, rel=1e-5)
    by_hand = sum(softplus(0.6 - score) for score in real) / 2 + sum(softplus(score - 1.2) for score in made) / 2
    assert own == pytest.approx(by_hand / 2, rel=1e-5)
    assert own < math.log(2) < deceiving


def test_each_network_learns_from_its_own_loss_only():
    torch.manual_seed(0)
    discriminator, prediction = Discriminator(4), torch.rand(2, 3, 24, 28, requires_grad=True)
    deceiving, own = relativistic_losses(discriminator, prediction, torch.rand(2, 3, 24, 28))
    deceiving.backward(retain_graph=True)
    assert prediction.grad is not None
    assert prediction.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in discriminator.parameters())
    prediction.grad = None
    own.backward()
    assert prediction.grad is None
    assert all(parameter.grad is not None for parameter in discriminator.parameters())


def test_scores_are_of_patches():
    torch.manual_seed(0)
    discriminator, pictures = Discriminator(4).eval(), torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        scores = discriminator(pictures)
        pictures[..., 40:, :] = 0
        changed = (discriminator(pictures) != scores)[0, 0].any(1)
    assert scores.shape == (1, 1, 16, 16)
    assert changed.tolist() == [False] * 6 + [True] * 10  # rows 24 to 27 see as far as row 40


def test_learns_to_tell_sharp_pictures_from_flat_ones():
    torch.manual_seed(0)
    module = PerceptualSRModule(channels=8, blocks=1, adversarial_weight=0.1)
    assert module.discriminator is not None
    optimizer = torch.optim.Adam(module.discriminator.parameters(), 1e-3)
    truth = torch.rand(4, 3, 32, 32)
    flat = torch.nn.functional.avg_pool2d(truth, 5, 1, 2)
    losses = []
    for _ in range(60):
        _, own = relativistic_losses(module.discriminator, flat, truth)
        optimizer.zero_grad()
        own.backward()
        optimizer.step()
        losses.append(own.item())
    assert losses[0] == pytest.approx(math.log(2), abs=0.1)
    assert losses[-1] < 0.3


def test_one_optimizer_trains_both():
    module = PerceptualSRModule(channels=8, blocks=1, adversarial_weight=0.1)
    held = {id(each) for group in module.make_optimizer().param_groups for each in group["params"]}
    assert held == {id(each) for each in module.parameters()}
    assert PerceptualSRModule(channels=8, blocks=1).discriminator is None
    with pytest.raises(ZooError, match="weights of losses must be 0 or more"):
        PerceptualSRModule(adversarial_weight=-0.1)


def test_a_step_minimises_both_losses(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "zoo.models.perceptual_sr.module.relativistic_losses", lambda *_: (torch.tensor(3.0), torch.tensor(0.25))
    )
    torch.manual_seed(0)
    low, truth = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 32, 32)
    module = PerceptualSRModule(channels=8, blocks=1, adversarial_weight=0.1)
    logged: dict[str, float] = {}
    monkeypatch.setattr(module, "log", lambda name, value, **_: logged.update({name: float(value)}))
    loss = module.training_step((low, truth), 0)
    assert loss.item() == pytest.approx(module.loss(module(low), truth).item() + 0.1 * 3 + 0.25, rel=1e-5)
    assert logged == {"train/discriminator": 0.25, "train/loss": pytest.approx(loss.item())}
