"""What every architecture keeps to."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from zoo import load, registry, weights
from zoo.errors import ZooError

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")  # there is no trainer here


@pytest.fixture
def net(model: ModuleType, name: str) -> nn.Module:
    torch.manual_seed(0)
    return registry.import_object(registry.architectures()[name].net)(**model.ARGUMENTS)


@pytest.fixture
def trained(model: ModuleType, net: nn.Module) -> nn.Module:
    """In eval mode, with statistics of batch norm that are not its defaults."""
    net.train()(pictures(model, 4))
    return net.eval()


def pictures(model: ModuleType, count: int) -> Tensor:
    """A batch of the last, most usual of the sizes that the network takes."""
    return torch.rand(count, model.CHANNELS, *model.SIZES[-1])


def learn(model: ModuleType, steps: int) -> tuple[nn.Module, list[float]]:
    """A module and its losses over some steps on one batch."""
    torch.manual_seed(0)
    module, batch = model.module().train(), model.batch()
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    losses = []
    for _ in range(steps):
        loss = module.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return module, losses


def test_every_parameter_gets_a_finite_gradient(model: ModuleType):
    module, _ = learn(model, 2)  # in the first step residual branches are zero
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_every_size_that_it_takes(model: ModuleType, trained: nn.Module):
    for height, width in model.SIZES:
        with torch.inference_mode():
            out = trained(torch.rand(2, model.CHANNELS, height, width))
        assert out.shape == (2, *model.out_shape(height, width)), (height, width)
        assert out.isfinite().all(), (height, width)


def test_pictures_of_a_batch_do_not_see_each_other(model: ModuleType, trained: nn.Module):
    batch = pictures(model, 3)
    with torch.inference_mode():
        together = trained(batch)
        for picture, out in zip(batch, together, strict=True):
            torch.testing.assert_close(trained(picture[None])[0], out, rtol=1e-4, atol=1e-4)


def test_what_is_saved_is_loaded(model: ModuleType, trained: nn.Module, name: str, tmp_path: Path):
    weights.save(trained, tmp_path, name, model.ARGUMENTS, dtype="float32")
    picture = pictures(model, 1)
    net = load(tmp_path)
    assert not net.training
    with torch.inference_mode():
        assert torch.equal(net(picture), trained(picture))


def test_the_module_says_how_its_network_is_built(model: ModuleType, name: str, tmp_path: Path):
    """``zoo fit`` leaves its network by these arguments."""
    module = model.module().eval()
    weights.save(module.net, tmp_path, name, module.arguments, dtype="float32")
    picture = pictures(model, 1)
    with torch.inference_mode():
        assert torch.equal(load(tmp_path)(picture), module(picture))


def test_a_prediction_leaves_the_network_as_it_was(trained: nn.Module, name: str, tmp_path: Path):
    """In train mode too, where batch norm would take the picture into its statistics."""
    trained.train()
    before = {key: value.clone() for key, value in trained.state_dict().items()}
    result = trained.predict(*[torch.rand(3, 70, 80)] * registry.architectures()[name].pictures)
    assert trained.training
    assert all(torch.equal(value, before[key]) for key, value in trained.state_dict().items())
    assert all(path.is_file() for path in result.save(str(tmp_path / "out" / "result")))
    with pytest.raises(ZooError, match="names no files"):
        result.save(".")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_predicts_in_another_precision(trained: nn.Module, name: str, dtype: torch.dtype, tmp_path: Path):
    pictures = [torch.rand(3, 70, 80)] * registry.architectures()[name].pictures
    assert trained.to(dtype).predict(*pictures).save(tmp_path / "result")


def test_learns_one_batch_by_heart(model: ModuleType):
    _, losses = learn(model, 40)
    assert losses[-1] < 0.35 * losses[0]


def test_the_same_seed_gives_the_same_network(model: ModuleType, one_thread: None):
    (first, losses), (second, again) = learn(model, 3), learn(model, 3)
    assert losses == again
    for (name, one), other in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def test_declares_what_exists(name: str):
    architecture = registry.architectures()[name]
    for path in (architecture.net, architecture.module, architecture.data, architecture.evaluate):
        assert callable(registry.import_object(path))
    cls = registry.import_object(architecture.net)
    assert architecture.paper.removeprefix("https://arxiv.org/abs/") in inspect.getdoc(cls)
    assert architecture.weights
    assert architecture.task


def test_module_names_its_arguments(name: str):
    """Few, typed and by name: a recipe's key is checked against them."""
    architecture = registry.architectures()[name]
    for path in (architecture.module, architecture.data):
        for parameter in inspect.signature(registry.import_object(path)).parameters.values():
            assert parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
            assert parameter.annotation is not inspect.Parameter.empty, parameter.name
