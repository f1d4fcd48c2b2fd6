"""From a name to a network: the files are verified, then parsed, then loaded into a class of the zoo's registry.

A model is a folder with ``config.json`` and safetensors, and nobody vouches for models on the Hub. So the network is
first made without memory for its tensors. This tells which tensors the file must hold, and how large it may be, before
the file is fetched or read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.base import __version__
from zoo.base.errors import ZooError
from zoo.base.files import expanded, read_json, replace
from zoo.base.memory import running_out
from zoo.base.registry import architectures
from zoo.cards import forms, golden, replay, stored
from zoo.cards.network import build, check_arguments, network_class
from zoo.hub import layout, locate
from zoo.hub.locate import CONFIG_FILE, Source
from zoo.models.base import Model
from zoo.nn.device import usable_device

WEIGHTS_FILE = "model.safetensors"
AUTO = "auto"
DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
HEADER = 1 << 20  # bytes of a safetensors file that are not tensors


@dataclass(frozen=True)
class ModelFiles:
    """A model's files, after its configuration was checked."""

    source: Source
    config: dict[str, Any]
    skeleton: Model  # on the meta device

    @classmethod
    def find(cls, name: str | Path, refresh: bool = False) -> ModelFiles:
        """Finds a model by a name that `zoo.load` takes; `refresh` asks the Hub for the newest commit."""
        source = locate.find(name, refresh)
        config, where = read_json(source.file(CONFIG_FILE, layout.PROSE)), f"{source}/{CONFIG_FILE}"
        skeleton = build(config, where, "meta")
        forms.check(forms.Config, config, where)
        return cls(source, config, skeleton)

    @property
    def file(self) -> str:
        """Name of the weights."""
        return str(self.config["weights"]["file"])

    def path(self) -> Path:
        """The weights, fetched if needed; refused if they are larger than the network's own."""
        tensors = sum(max(4, tensor.element_size()) * tensor.numel() for tensor in self.skeleton.state_dict().values())
        if tensors > layout.WEIGHTS:
            raise ZooError(f"{self.source}: refused, {CONFIG_FILE} describes a network of {tensors:,} bytes")
        return self.source.file(self.file, tensors + HEADER)

    def state(self) -> dict[str, Tensor]:
        """The tensors as they are stored."""
        return stored.read(self.path(), self.config["weights"], self.source.restoring)


def load(name: str | Path, *, device: str | torch.device = "cpu", check: bool = False) -> Model:
    """Loads a network with verified weights, in eval mode and float32; see `zoo.load`."""
    place, model = usable_device(device), ModelFiles.find(name)
    state = model.state()
    _refuse_misfit(model, state)
    net = build(model.config, f"{model.source}/{CONFIG_FILE}")
    net.load_state_dict(state)  # copies into float32 parameters, whatever the floating type of the file
    with running_out(f"device {str(device)!r}: too little memory for the network"):
        net = net.eval().to(place)
    if check and architectures()[model.config["architecture"]].example:
        golden.check(net, model.source.file(golden.FILE, replay.LIMIT).parent, model.config)
    return net


def read_state(source: str | Path) -> dict[str, Tensor]:
    """The tensors of a card, an architecture's first card, a folder, or a safetensors file, as they are stored.

    Raises:
        ZooError: the source does not exist, is a pickle, or is damaged.
    """
    path = expanded(source)
    if path.suffix != ".safetensors":
        return ModelFiles.find(source).state()
    return stored.read(path)


def load_matching(net: nn.Module, source: str | Path) -> list[str]:
    """Copies the weights that fit into a network, which may have another head, for fine-tuning.

    Args:
        net: changed in place.
        source: what `read_state` takes.

    Returns:
        Names of the network's tensors that kept their values, since the source has none of that name and shape.

    Raises:
        ZooError: no tensor fits.
    """
    source_state, state = read_state(source), net.state_dict()
    if isinstance(net, Model) and expanded(source).suffix != ".safetensors":
        source_state = net.adopted(source_state, ModelFiles.find(source).config.get("arguments") or {})
    fits = {name for name, own in state.items() if name in source_state and source_state[name].shape == own.shape}
    if not fits:
        raise ZooError(f"{source}: none of its tensors fits {type(net).__name__}; is it another architecture?")
    net.load_state_dict({name: source_state[name] for name in fits}, strict=False)
    return [name for name in state if name not in fits]


def save(
    net: nn.Module,
    folder: str | Path,
    architecture: str,
    arguments: Mapping[str, Any],
    dtype: str = AUTO,
    **extra: Any,
) -> None:
    """Writes ``model.safetensors`` and ``config.json`` as `load` reads them.

    Args:
        net: network to save.
        folder: destination, made if it is missing.
        architecture: name in the registry.
        arguments: arguments of the network's constructor: plain values, without names of pretrained weights.
        dtype: type of floating tensors in the file; integer buffers keep theirs. "auto": float16, or float32 if that
            overflows.
        extra: further entries of the config, such as ``recipe``, ``data`` and ``input``.

    Raises:
        ZooError: `load` would refuse the arguments, or values overflow ``dtype`` or are not finite.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    check_arguments(network_class(architecture, folder), arguments, folder)
    state = net.state_dict()
    if dtype == AUTO:
        dtype = "float16" if all(map(_fits_float16, state.values())) else "float32"
    tensors = {name: _convert(name, tensor, dtype) for name, tensor in state.items()}
    content, described = stored.pack(WEIGHTS_FILE, tensors)
    config = {
        "architecture": architecture,
        "arguments": dict(arguments),
        "zoo_version": __version__,
        "weights": {**described, "dtype": dtype},
        **extra,
    }
    config_text = json.dumps(config, indent=2) + "\n"  # before anything is replaced: it may fail
    replace(folder / WEIGHTS_FILE, content)
    replace(folder / CONFIG_FILE, config_text)


def _fits_float16(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(tensor.detach().half().isfinite().all())


def _convert(name: str, tensor: Tensor, dtype: str) -> Tensor:
    if not tensor.is_floating_point():
        return tensor.detach().cpu().contiguous()
    if not tensor.isfinite().all():
        raise ZooError(f"{name} has values that are not finite: the training diverged; take a smaller learning rate")
    converted = tensor.detach().to("cpu", DTYPES[dtype]).contiguous()
    if not converted.isfinite().all():
        raise ZooError(f"{name} has values that {dtype} cannot hold; save with dtype='float32'")
    return converted


def _refuse_misfit(model: ModelFiles, state: Mapping[str, Tensor]) -> None:
    """Compares names, shapes and types of the stored tensors with those of the network."""
    own, skeleton = model.skeleton.state_dict(), type(model.skeleton).__name__
    floating = DTYPES.get(model.config["weights"].get("dtype"))
    for name in [*own, *(name for name in state if name not in own)]:
        if problem := _difference(own.get(name), state.get(name), floating):
            raise ZooError(f"{model.source}/{model.file}: does not fit {skeleton}: {name!r:.100} {problem}")


def _difference(own: Tensor | None, stored: Tensor | None, floating: torch.dtype | None) -> str:
    if stored is None:
        return "is missing"
    if own is None:
        return "is not one of its tensors"
    if own.shape != stored.shape:
        return f"has shape {tuple(stored.shape)}, not {tuple(own.shape)}"
    want = floating if own.is_floating_point() else own.dtype
    return "" if stored.dtype == want else f"is {stored.dtype}, not {want}"
