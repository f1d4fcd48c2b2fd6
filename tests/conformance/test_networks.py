"""What every network keeps to through which pictures go: ``tests/models/NAME.py`` says in ``SIZES`` of which sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from lightning.pytorch.plugins.layer_sync import TorchSyncBatchNorm
from torch import Tensor, nn

from conftest import model_file
from zoo import load
from zoo.base.registry import architectures
from zoo.cards import weights
from zoo.training.refusals import check_batch_norm

# read, not imported, since all of them together import much
NETWORKS = [name for name in sorted(architectures()) if "\nSIZES = " in model_file(name).read_text()]

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")  # there is no trainer here


@pytest.fixture(params=NETWORKS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def pictures(model: ModuleType, count: int) -> Tensor:
    """A batch of the last, most usual of the sizes that the network takes."""
    return torch.rand(count, model.CHANNELS, *model.SIZES[-1])


def answers(net: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    """What a network gives, or the module that trains it: one output or several."""
    out = net(x)
    return out if isinstance(out, tuple) else (out,)


def same(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> bool:
    return all(map(torch.equal, one, other))


def as_it_is(module: nn.Module) -> nn.Module:
    return module


def learn(
    model: ModuleType, steps: int, change: Callable[[nn.Module], nn.Module] = as_it_is
) -> tuple[nn.Module, list[float]]:
    """A module and its losses over some steps on one batch."""
    torch.manual_seed(0)
    module, batch = change(model.module()).train(), model.batch()
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    losses = []
    for _ in range(steps):
        loss = module.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return module, losses


def test_synchronised_batch_norm_learns_the_same(model: ModuleType):
    """In one process, where no other has statistics; and what it leaves is again the network."""
    sync = TorchSyncBatchNorm()
    check_batch_norm(model.module())
    module, losses = learn(model, 3, sync.apply)
    plain, expected = learn(model, 3)
    assert losses == expected
    left, there = sync.revert(module).state_dict(), plain.state_dict()
    assert left.keys() == there.keys()
    assert all(torch.equal(left[name], there[name]) for name in there)


def test_every_parameter_gets_a_finite_gradient(model: ModuleType):
    module, _ = learn(model, 2)  # in the first step residual branches are zero
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:  # such as slopes that stay as they are
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_every_size_that_it_takes(model: ModuleType, trained: nn.Module):
    for height, width in model.SIZES:
        with torch.inference_mode():
            out = answers(trained, torch.rand(2, model.CHANNELS, height, width))
        assert out[0].shape == (2, *model.out_shape(height, width)), (height, width)
        assert all(each.isfinite().all() for each in out), (height, width)


def test_pictures_of_a_batch_do_not_see_each_other(model: ModuleType, trained: nn.Module):
    batch = pictures(model, 3)
    with torch.inference_mode():
        together = answers(trained, batch)
        for picture, *out in zip(batch, *together, strict=True):
            alone = [each[0] for each in answers(trained, picture[None])]
            torch.testing.assert_close(alone, out, rtol=1e-4, atol=1e-4)


def test_what_is_saved_is_loaded(model: ModuleType, trained: nn.Module, name: str, tmp_path: Path):
    weights.save(trained, tmp_path, name, model.ARGUMENTS, dtype="float32")
    picture = pictures(model, 1)
    net = load(tmp_path)
    assert not net.training
    with torch.inference_mode():
        assert same(answers(net, picture), answers(trained, picture))


def test_the_module_says_how_its_network_is_built(model: ModuleType, name: str, tmp_path: Path):
    """``zoo fit`` leaves its network by these arguments."""
    module = model.module().eval()
    weights.save(module.net, tmp_path, name, module.arguments, dtype="float32")
    picture = pictures(model, 1)
    with torch.inference_mode():
        assert same(answers(load(tmp_path), picture), answers(module, picture))


def test_learns_one_batch_by_heart(model: ModuleType):
    _, losses = learn(model, 40)
    assert losses[-1] < 0.35 * losses[0]


def test_the_same_seed_gives_the_same_network(model: ModuleType, one_thread: None):
    (first, losses), (second, again) = learn(model, 3), learn(model, 3)
    assert losses == again
    for (name, one), other in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(one, other), name
