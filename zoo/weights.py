"""From a name to a network: the files are verified, then parsed, then loaded into a class of the zoo's registry.

A model is a folder with ``config.json`` and safetensors. Nothing read from it names code to run: the architecture is a
name in the registry, its arguments are plain values, and the weights are no pickle.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from zoo import __version__
from zoo.errors import ZooError
from zoo.files import bundled, did_you_mean, read_json, replace, unknown
from zoo.registry import architectures, card_folder, import_object

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
PICKLES = frozenset({".bin", ".ckpt", ".pkl", ".pt", ".pth"})
DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


def load(name: str | Path, *, device: str | torch.device = "cpu") -> nn.Module:
    """Loads a network with verified weights, in eval mode and float32; see `zoo.load`."""
    folder = card_folder(name)
    config = read_json(folder / CONFIG_FILE)
    state = _read_verified(folder, config)
    net = _build(config, folder / CONFIG_FILE)
    _load_strict(net, state, folder / _weights_file(folder, config))
    try:
        return net.eval().to(device)
    except (AssertionError, RuntimeError) as error:  # torch has no common one for a device that is not there
        raise ZooError(f"device {str(device)!r}: {_first_line(error)}") from error


def read_state(source: str | Path) -> dict[str, Tensor]:
    """The tensors of a card, an architecture's first card, a folder, or a safetensors file, as they are stored.

    Raises:
        ZooError: no such source, a pickle, or a file that is damaged.
    """
    path = Path(source).expanduser()
    if path.suffix in PICKLES:
        raise ZooError(f"{source}: a {path.suffix} file is a pickle, which can run code; zoo reads safetensors only")
    if path.suffix != ".safetensors":
        folder = card_folder(source)
        return _read_verified(folder, read_json(folder / CONFIG_FILE))
    if not path.is_file():
        raise ZooError(f"{source}: no such file")
    return _parse(path.read_bytes(), path)


def load_matching(net: nn.Module, source: str | Path) -> list[str]:
    """Copies what fits into a network that may have another head, for fine-tuning.

    Args:
        net: changed in place.
        source: what `read_state` takes.

    Returns:
        Names of the network's tensors that kept their values, since the source has none of that name and shape.

    Raises:
        ZooError: nothing fits.
    """
    source_state, state = read_state(source), net.state_dict()
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
    dtype: str = "float16",
    **extra: Any,
) -> None:
    """Writes ``model.safetensors`` and ``config.json`` as `load` reads them.

    Args:
        net: what is saved.
        folder: made if it is missing.
        architecture: name in the registry.
        arguments: of the network's constructor, plain values, without those that name pretrained weights.
        dtype: of floating tensors in the file; integer buffers stay as they are.
        extra: further entries of the config, such as ``recipe``, ``data`` and ``input``.

    Raises:
        ZooError: arguments that `load` would refuse, or values that overflow ``dtype``.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _check_arguments(_network_class(architecture, folder), arguments, folder)
    tensors = {name: _convert(name, tensor, dtype) for name, tensor in net.state_dict().items()}
    content = safetensors.torch.save(tensors, metadata={"format": "pt"})
    digest = hashlib.sha256(content).hexdigest()
    config = {
        "architecture": architecture,
        "arguments": dict(arguments),
        "zoo_version": __version__,
        "weights": {"file": WEIGHTS_FILE, "sha256": digest, "bytes": len(content), "dtype": dtype},
        **extra,
    }
    config_text = json.dumps(config, indent=2) + "\n"  # before anything is replaced: it may fail
    replace(folder / WEIGHTS_FILE, content)
    replace(folder / CONFIG_FILE, config_text)


def _convert(name: str, tensor: Tensor, dtype: str) -> Tensor:
    if not tensor.is_floating_point():
        return tensor.detach().cpu().contiguous()
    converted = tensor.detach().to("cpu", DTYPES[dtype]).contiguous()
    if not torch.equal(converted.isfinite(), tensor.detach().cpu().isfinite()):
        raise ZooError(f"{name} has values that {dtype} cannot hold; save with dtype='float32'")
    return converted


def _weights_file(folder: Path, config: Mapping[str, Any]) -> str:
    weights = config.get("weights")
    name = weights.get("file") if isinstance(weights, dict) else None
    if not isinstance(name, str) or not re.fullmatch(r"[\w-][\w.-]*\.safetensors", name):
        raise ZooError(f"{folder / CONFIG_FILE}: weights.file must name a safetensors file in the folder, not {name!r}")
    return name


def _read_verified(folder: Path, config: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors, parsed from the very bytes whose digest was compared."""
    path = folder / _weights_file(folder, config)
    if not path.is_file():
        raise ZooError(f"{path}: no such file\n{_how_to_restore(folder)}")
    content, want = path.read_bytes(), config["weights"].get("sha256")
    have = hashlib.sha256(content).hexdigest()
    if have != want:
        sizes = f"{len(content)} bytes of {config['weights'].get('bytes')}"
        raise ZooError(
            f"{path}: refused, its SHA-256 is not that of {CONFIG_FILE} ({sizes})\n"
            f"have {have}, want {want}\n{_how_to_restore(folder)}"
        )
    return _parse(content, path)


def _how_to_restore(folder: Path) -> str:
    if folder.parent == bundled("cards"):
        return "restore it: git checkout in a clone, pip install --force-reinstall --no-deps lightning-zoo otherwise"
    return "restore it: copy or download the folder again"


def _parse(content: bytes, path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise ZooError(f"{path}: refused, not a whole safetensors file: {_first_line(error)}") from error


def _network_class(architecture: Any, where: Path) -> type[nn.Module]:
    known = architectures()
    if not isinstance(architecture, str) or architecture not in known:
        raise ZooError(f"{where}: {unknown('architecture', str(architecture), known)}")
    return import_object(known[architecture].net)


def _build(config: Mapping[str, Any], where: Path) -> nn.Module:
    cls = _network_class(config.get("architecture"), where)
    arguments = config.get("arguments")
    if not isinstance(arguments, dict):
        raise ZooError(f"{where}: arguments must be an object, not {json.dumps(arguments):.60}")
    _check_arguments(cls, arguments, where)
    try:
        return cls(**arguments)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ZooError(f"{where}: {cls.__name__} refuses its arguments: {_first_line(error)}") from error


def _check_arguments(cls: type[nn.Module], arguments: Mapping[str, Any], where: Path) -> None:
    signature = inspect.signature(cls)
    for name, value in arguments.items():
        if name not in signature.parameters:
            near = did_you_mean(name, signature.parameters)
            raise ZooError(f"{where}: {cls.__name__} has no argument {name!r}{near}")
        if not _is_harmless(name, value):
            raise ZooError(f"{where}: arguments.{name} may not be {json.dumps(value, default=repr):.60}")
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise ZooError(f"{where}: {cls.__name__}: {error}") from error


def _is_harmless(name: str, value: Any) -> bool:
    """Whether an argument is a plain value that neither fetches nor opens anything.

    Arguments that name further weights must be None, since full weights follow. Text must be a plain name: timm would
    take ``hf-hub:user/repo`` for an address. Text in lists, such as the labels, is only ever shown, and a table holds
    numbers by the names of layers.
    """
    if name == "weights" or name.endswith("_weights"):
        return value is None
    if isinstance(value, str):
        return _is_name(value)
    if isinstance(value, dict):
        return all(_is_name(key) and isinstance(number, (int, float)) for key, number in value.items())
    return _is_plain(value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[\w.-]+", value) is not None


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))


def _load_strict(net: nn.Module, state: dict[str, Tensor], where: Path) -> None:
    own = net.state_dict()
    for name in [*own, *(name for name in state if name not in own)]:
        if problem := _difference(own.get(name), state.get(name)):
            raise ZooError(f"{where}: does not fit {type(net).__name__}: {name} {problem}")
    net.load_state_dict(state)  # copies into float32 parameters, whatever the floating type of the file


def _difference(own: Tensor | None, stored: Tensor | None) -> str:
    if stored is None:
        return "is missing"
    if own is None:
        return "is not one of its tensors"
    if own.shape != stored.shape:
        return f"has shape {tuple(stored.shape)}, not {tuple(own.shape)}"
    if own.dtype != stored.dtype and not (own.is_floating_point() and stored.is_floating_point()):
        return f"is {stored.dtype}, not {own.dtype}"
    return ""


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
