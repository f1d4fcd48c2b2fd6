from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo.base.registry import architectures, import_object


@pytest.fixture(params=sorted(architectures()))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def model(name: str, tiny: Callable[[str], ModuleType]) -> ModuleType:
    """``tests/models/NAME.py`` of one architecture."""
    return tiny(name)


@pytest.fixture
def net(model: ModuleType, name: str) -> nn.Module:
    torch.manual_seed(0)
    return import_object(architectures()[name].net)(**model.ARGUMENTS)


@pytest.fixture
def trained(model: ModuleType, net: nn.Module) -> nn.Module:
    """In eval mode, with statistics of batch norm that are not its defaults."""
    if hasattr(model, "SIZES"):
        net.train()(torch.rand(4, model.CHANNELS, *model.SIZES[-1]))
    return net.eval()


@pytest.fixture
def predict() -> Callable[[ModuleType, Any, Tensor], Any]:
    """Takes one picture for each that ``predict`` needs, and what ``tests/models/NAME.py`` says in ``PREDICT``."""

    def run(model: ModuleType, net: Any, picture: Tensor) -> Any:
        needed = [p for p in inspect.signature(net.predict).parameters.values() if p.default is p.empty]
        return net.predict(*[picture] * len(needed), **getattr(model, "PREDICT", {}))

    return run
