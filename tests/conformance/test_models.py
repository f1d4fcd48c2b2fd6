"""What every architecture keeps to."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from zoo.base import registry
from zoo.base.errors import ZooError


def test_a_prediction_leaves_the_network_as_it_was(model: ModuleType, trained: nn.Module, predict, tmp_path: Path):
    """In train mode too, where batch norm would take the picture into its statistics."""
    trained.train()
    before = {key: value.clone() for key, value in trained.state_dict().items()}
    result = predict(model, trained, torch.rand(3, 70, 80))
    assert trained.training
    assert all(torch.equal(value, before[key]) for key, value in trained.state_dict().items())
    assert all(path.is_file() for path in result.save(str(tmp_path / "out" / "result")))
    with pytest.raises(ZooError, match="names no files"):
        result.save(".")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_predicts_in_another_precision(
    model: ModuleType, trained: nn.Module, predict, dtype: torch.dtype, tmp_path: Path
):
    assert predict(model, trained.to(dtype), torch.rand(3, 70, 80)).save(tmp_path / "result")


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
