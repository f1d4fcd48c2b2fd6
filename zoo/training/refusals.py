"""Refusals of Lightning, torch and jsonargparse as errors that name the key of the command line."""

from __future__ import annotations

import os
import re
import textwrap
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonargparse
import lightning
import torch
from jsonargparse import ArgumentError
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.strategies import ParallelStrategy
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from zoo.base.errors import ZooError
from zoo.base.processes import NODE
from zoo.base.text import causes, first_line

MAX_MESSAGE = 250  # characters of another program's message
SEEDS = 2**32  # seeds of NumPy
MINIMUMS = {  # smallest value of the trainer's numbers, and special values
    "max_epochs": (1, "-1 is no limit"),
    "max_steps": (1, "-1 is no limit"),
    "limit_train_batches": (0, ""),
    "check_val_every_n_epoch": (1, ""),
    "val_check_interval": (0, ""),
    "accumulate_grad_batches": (1, ""),
    "gradient_clip_val": (0, "0 is off"),
    "log_every_n_steps": (0, "0 is never"),
    "num_sanity_val_steps": (0, "-1 is all"),
}
ABOVE = ("limit_train_batches", "val_check_interval")  # keys that must be above the smallest value
ENDLESS = ("max_epochs", "max_steps", "num_sanity_val_steps")  # keys that may be -1
SHARDING = ("fsdp", "deepspeed", "modelparallel")  # starts of strategies' names
WAYS_OUT = {  # part of a message of torch or Lightning, and the way out
    "Expected more than 1 value per channel": "batch norm needs more than one value: raise data.batch_size or the crop",
    "Connection closed by peer": "another process of the run ended",
    "Connection reset by peer": "another process of the run ended",
    "torch_xla": "--trainer.accelerator tpu and --trainer.profiler xla need the package torch_xla",
    "barebones=True": "--trainer.barebones: a run of the zoo keeps checkpoints and figures, which this forbids",
    "SparseAdam does not support dense": "--model.optimizer: torch.optim.SparseAdam takes sparse gradients only",
}
KINDS = {  # types in the user's words
    "<class 'int'>": "a whole number",
    "<class 'float'>": "a number",
    "<class 'bool'>": "true, false",
    "<class 'str'>": "a text",
    "<class 'NoneType'>": "null",
    "<class 'tuple'>": "a list",
}
OTHERS = {  # folder of a package, and the key that causes its errors
    Path(torch.optim.lr_scheduler.__file__): "model.lr_scheduler",
    Path(torch.optim.__file__).parent: "model.optimizer",
    Path(lightning.__file__).parent: "trainer",
    Path(jsonargparse.__file__).parent: "",
}


def check_numbers(config: Any) -> None:
    """Refuses impossible numbers, which Lightning accepts or fails on in the middle of a run.

    Raises:
        ZooError: names the key, the value and the range.
    """
    seed = config.seed_everything
    if isinstance(seed, int) and not 0 <= seed < SEEDS:
        raise ZooError(f"--seed_everything must be 0..{SEEDS - 1}, or true for any seed, not {seed}")
    for key, (least, beside) in MINIMUMS.items():
        value = config.trainer.get(key)
        if not isinstance(value, (int, float)) or (key in ENDLESS and value == -1):
            continue
        if value < least or (key in ABOVE and value == least):
            what = f"more than {least}" if key in ABOVE else f"{least} or more"
            raise ZooError(f"--trainer.{key} must be {what}{beside and f' ({beside})'}, not {value}")


def check_devices(trainer: Trainer, model: LightningModule) -> None:
    """Refuses devices that a run cannot use.

    Raises:
        ZooError: names the flag.
    """
    on_cpus, cores = isinstance(trainer.accelerator, CPUAccelerator), max(os.cpu_count() or 1, 2)
    if on_cpus and trainer.num_devices > cores:
        told = f"this machine has {cores} CPU cores and no other device"
        raise ZooError(f"--trainer.devices {trainer.num_devices}: {told}; take at most {cores}")
    if trainer.world_size > 1 and getattr(model, "one_device", False):
        told = f"optimises one picture, which {trainer.world_size} processes would all do alike"
        raise ZooError(f"{type(model).__name__} {told}: add --trainer.devices 1 --trainer.num_nodes 1")
    if trainer._accelerator_connector._layer_sync and isinstance(trainer.strategy, ParallelStrategy):
        if on_cpus and trainer.world_size > 1:
            raise ZooError("--trainer.sync_batchnorm works on GPUs only: leave it out on CPUs")
        check_batch_norm(model)
    check_processes(trainer.world_size, trainer.num_nodes)


def check_processes(world_size: int, machines: int) -> None:
    """Refuses to train if another program started several processes that would not know of each other.

    Args:
        world_size: number of the trainer's processes.
        machines: number of its machines.

    Raises:
        ZooError: names the flags that are missing.
    """
    environ, started, by = os.environ, 1, ""
    if TorchElasticEnvironment.detect():
        started, here, by = int(environ["WORLD_SIZE"]), int(environ.get("LOCAL_WORLD_SIZE", 1)), "torchrun"
    elif SLURMEnvironment.detect():
        started, by = int(environ.get("SLURM_STEP_NUM_TASKS") or environ["SLURM_NTASKS"]), "SLURM"
        here = started // int(environ.get("SLURM_STEP_NUM_NODES") or environ.get("SLURM_NNODES") or 1)
    elif NODE in environ and "LOCAL_RANK" not in environ:
        least = max(int(environ[NODE]) + 1, int(environ.get("WORLD_SIZE", 1)))
        if least not in (machines, world_size) and (least > machines or "WORLD_SIZE" in environ):
            told = f"{NODE} or RANK and WORLD_SIZE tell of {least} machines, but the trainer has {machines}"
            raise ZooError(f"{told}: use --trainer.num_nodes {least}")
    if started > 1 and started != world_size:
        if by == "SLURM" and "SLURM_STEP_ID" not in environ:
            raise ZooError(f"this job has {started} tasks, but only one was started: use srun, or ask for --ntasks=1")
        flags = f"--trainer.devices {here} --trainer.num_nodes {started // max(here, 1)}"
        raise ZooError(f"{by} started {started} processes, but the trainer has {world_size}: use {flags}")


def check_batch_norm(model: nn.Module) -> None:
    """Refuses batch norm that does more, such as timm's with an activation: ``SyncBatchNorm`` would replace all of it.

    Raises:
        ZooError: names the layer.
    """
    plain = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    for name, layer in model.named_modules():
        if isinstance(layer, _BatchNorm) and type(layer) not in plain:
            told = f"--trainer.sync_batchnorm: {name} is a {type(layer).__name__}, which would lose its activation"
            raise ZooError(f"{told}; leave it out, or take an encoder with plain batch norm, such as resnet18")


def check_sharding(strategy: Any, own: bool) -> None:
    """Refuses strategies that split the weights of a network: checkpoints, averages and resuming need them whole.

    Args:
        strategy: name or object.
        own: whether the network belongs to an architecture; others' are left to Lightning.

    Raises:
        ZooError: names the strategy to use.
    """
    name = strategy if isinstance(strategy, str) else type(strategy).__name__
    if own and name.lower().startswith(SHARDING):
        told = f"--trainer.strategy {name} splits the weights over devices"
        raise ZooError(f"{told}, for which the zoo's networks are too small: use ddp")


def check_strategy(strategy: Any) -> None:
    """Refuses a strategy whose processes cannot receive the objects of the command line.

    Raises:
        ZooError: names the strategy to use.
    """
    if isinstance(strategy, str) and any(way in strategy for way in ("spawn", "fork", "notebook")):
        raise ZooError(f"--trainer.strategy {strategy}: zoo needs newly started processes: use ddp")


def explained(error: BaseException, given: Mapping[str, Any]) -> ZooError | None:
    """The user's mistake behind an error; None if there is none, or it is unknown.

    Args:
        error: error from constructing the classes of a command line, or from training.
        given: arguments of the trainer.
    """
    chain = list(causes(error))
    if ours := next((each for each in chain if isinstance(each, ZooError)), None):
        return ours
    said = " ".join(str(error).split())
    if known := next((way for part, way in WAYS_OUT.items() if part in said), None):
        return ZooError(known)
    if isinstance(error, UnicodeDecodeError):
        return ZooError(f"--config: the file is not YAML, since it is not UTF-8: {error.reason} at byte {error.start}")
    if isinstance(error, ZeroDivisionError):
        said = "a length or period is 0"
    key = "trainer" if isinstance(error, MisconfigurationException) else _raised_in(error)
    if isinstance(error, ArgumentError) or key == "":
        return _of_parser(error, chain[-1])
    if key is None:
        return None
    said = textwrap.shorten(said or type(error).__name__, MAX_MESSAGE)
    return ZooError(f"--{_key_in(said, given) if key == 'trainer' else key}: {said}")


def _of_parser(error: BaseException, cause: BaseException) -> ZooError:
    """A short form of jsonargparse's error, which wraps another and repeats the types of every key above."""
    text = str(error)
    keys = list(dict.fromkeys(re.findall(r'Parser key "(.*?)"', text)))
    key, value = ".".join(keys), _value(text)
    refused = re.search(r"(?:Option|Key) '.*?' is not accepted", text)
    if missing := re.search(r"arguments are required: (\w+)", text):
        return ZooError(f"--{'.'.join([*keys, missing[1]])} is missing")
    if named := re.search(r"Expected a dot import path string: (.*)", text):
        return ZooError(f"--{key}: no class {named[1]!r}; a class is named by its path, such as torch.optim.Adam")
    if "Unable to load config" in text:
        return ZooError(f"--{key}: no such file; keys are given by themselves, such as --{key}.KEY VALUE")
    if nested := re.match(r"NestedArg\(key='class_path', val='(.*)'\)", value):
        return ZooError(f"--{key}: cannot import {nested[1]!r}")
    if keys and (len(keys) > 1 or not refused) and "Namespace(" not in value and (kinds := _kinds(text)):
        return ZooError(f"--{key} must be {kinds}, not {value!r}")
    said = refused[0] if refused else re.sub(r"<class '(.*?)'>|typing\.", r"\1", first_line(cause))
    return ZooError(f"--{key}: {said}" if key else said)


def _kinds(text: str) -> str:
    """Types of the innermost key of jsonargparse's error, in a user's words; empty if it names none."""
    lines = text.splitlines()
    indents = [len(line) - len(line.lstrip()) for line in lines]
    last = max(index for index, line in enumerate(lines) if "Parser key" in line)
    below = [
        line for line, indent in zip(lines[last + 1 :], indents[last + 1 :], strict=True) if indent > indents[last]
    ]
    found = re.findall(r"Expected an? (.+?)(?:\. Got value: .*)?$", "\n".join(below), re.MULTILINE)
    words = list(dict.fromkeys(word for each in found for word in _words(each)))
    return " or ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _words(kind: str) -> list[str]:
    """A type of jsonargparse in a user's words, one entry for each choice."""
    if kind.startswith("typing.Literal"):
        return re.findall(r"'(.*?)'", kind) or re.findall(r"\d+", kind)
    return [KINDS.get(kind, re.sub(r"<class '(?:.*\.)?(.*?)'>|(?:\w+\.)+(\w+)", r"\1\2", kind))]


def _value(text: str) -> str:
    """The value that jsonargparse's error is about."""
    given = re.findall(r"(?:Got|Given) value: (.*)", text)
    return textwrap.shorten(given[0], MAX_MESSAGE) if given else ""


def _raised_in(error: BaseException) -> str | None:
    """The key that caused an error, by the package that raised it; None for any other package."""
    frames = list(traceback.walk_tb(error.__traceback__))
    if not frames:
        return None
    frame, file = frames[-1][0], Path(frames[-1][0].f_code.co_filename)
    key = next((key for place, key in OTHERS.items() if file == place or place in file.parents), None)
    raised_by = type(frame.f_locals.get("self")).__name__
    return f"{key} {raised_by}" if key and key.startswith("model") else key


def _key_in(said: str, given: Mapping[str, Any]) -> str:
    """The trainer's key that a message is about, found by its name or its given value."""
    words = set(re.findall(r"\w+", said))
    named = sorted((key for key in given if key in words), key=said.index)
    values = [key for key, value in given.items() if isinstance(value, str) and value and value in words]
    return f"trainer.{[*named, *values][0]}" if named or values else "trainer"
