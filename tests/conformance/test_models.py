"""What every architecture keeps to."""

from __future__ import annotations

import copy
import inspect
from pathlib import Path
from types import ModuleType
from typing import get_args, get_type_hints

import pytest
import torch
from torch import nn

from zoo.base.errors import ZooError
from zoo.base.registry import architectures, import_object
from zoo.models.base import Model
from zoo.models.evaluation import Results
from zoo.nn.losses.style_transfer import StyleTransferLoss
from zoo.nn.vgg import VGGFeatures

TASKS = {  # tasks of computer vision, in the Hub's words: https://huggingface.co/tasks
    "depth-estimation", "image-classification", "image-feature-extraction", "image-segmentation", "image-to-image",
    "image-to-text", "image-to-video", "keypoint-detection", "mask-generation", "object-detection", "text-to-image",
    "unconditional-image-generation", "video-classification", "zero-shot-image-classification",
    "zero-shot-object-detection",
}  # fmt: skip


def test_a_prediction_leaves_the_network_as_it_was(model: ModuleType, trained: nn.Module, predict, tmp_path: Path):
    """In train mode too, where batch norm would take the picture into its statistics."""
    trained.train()
    before = {key: value.clone() for key, value in trained.state_dict().items()}
    result = predict(model, trained, torch.rand(3, 70, 80))
    assert trained.training
    assert all(torch.equal(value, before[key]) for key, value in trained.state_dict().items())
    assert all(path.is_file() for path in result.save(str(tmp_path / "out" / "result")))
    with pytest.raises(ZooError, match="is not a file name"):
        result.save(".")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_predicts_in_another_precision(
    model: ModuleType, trained: nn.Module, predict, dtype: torch.dtype, tmp_path: Path
):
    assert predict(model, trained.to(dtype), torch.rand(3, 70, 80)).save(tmp_path / "result")


def test_frozen_parts_of_the_loss_are_no_submodules_but_move_along(model: ModuleType):
    """DDP would send their buffers to all processes before every step, and weight averaging would average them."""
    module = model.module()
    assert not [name for name, part in module.named_modules() if isinstance(part, (VGGFeatures, StyleTransferLoss))]
    module.double()
    assert {buffer.dtype for part in module.held for buffer in part.buffers()} <= {torch.float64}
    copied = copy.deepcopy(module).float()
    assert {buffer.dtype for part in copied.held for buffer in part.buffers()} <= {torch.float32}


def test_declares_what_exists(name: str):
    architecture = architectures()[name]
    net, predictor = map(import_object, (architecture.net, architecture.predictor))
    assert issubclass(net, Model)
    assert architecture.paper.removeprefix("https://arxiv.org/abs/") in inspect.getdoc(net)
    assert architecture.weights
    assert architecture.task
    assert architecture.pipeline_tag in TASKS
    assert architecture.input
    _, *arguments = inspect.signature(predictor.predict).parameters
    assert tuple(arguments[: len(architecture.inputs)]) == architecture.inputs
    assert hasattr(predictor, "predict_frame") == bool(architecture.video)


def test_names_the_weights_to_start_from(name: str):
    """Which are then left out of what a network is built with."""
    architecture = architectures()[name]
    hints = get_type_hints(import_object(architecture.module).__init__)
    for argument in architecture.pretrained:
        assert type(None) in get_args(hints[argument]), argument


def test_an_evaluator_is_called_as_every_other(name: str):
    """With network, data and context, and what follows by name, which may be left out."""
    evaluate = import_object(architectures()[name].evaluate)
    parameters = inspect.signature(evaluate).parameters
    assert list(parameters)[:3] == ["net", "data", "context"]
    for parameter in list(parameters.values())[3:]:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, parameter.name
        assert parameter.default is not inspect.Parameter.empty, parameter.name
    assert get_type_hints(evaluate)["return"] is Results


def test_is_measured_on_the_data_that_it_is_trained_with(name: str):
    """Which say what of them matters to training only, and what are sizes in pixels."""
    data = import_object(architectures()[name].data)
    known = set(inspect.signature(data).parameters)
    assert data.training_only
    assert data.training_only <= known
    assert data.sizes <= known


def test_module_names_its_arguments(name: str):
    """Few, typed and by name: a recipe's key is checked against them."""
    architecture = architectures()[name]
    for path in (architecture.module, architecture.data):
        for parameter in inspect.signature(import_object(path)).parameters.values():
            assert parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
            assert parameter.annotation is not inspect.Parameter.empty, parameter.name
