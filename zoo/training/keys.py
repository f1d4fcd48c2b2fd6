"""Keys of recipes as options of a command: valid names, and suggestions for wrong ones.

Classes are imported only to look up their arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from zoo.base.errors import ZooError
from zoo.base.files import read_text
from zoo.base.registry import architectures
from zoo.base.text import first_line, listing, nearest
from zoo.training import recipes

SECTIONS = ("trainer", "model", "data")
LIGHTNING = ("config", "c", "print_config", "seed_everything", "weights")  # options without sections
ALIKE = 0.82  # fraction of equal letters; a lower one suggests options that have nothing to do with the given one
MEANT = {  # names in other programs, and keys that mean the same; the first that exists counts
    ("epochs", "num_epochs", "n_epochs", "max_epoch"): ("trainer.max_epochs",),
    ("steps", "iterations", "num_steps", "max_iter"): ("trainer.max_steps",),
    ("gpus", "gpu", "num_gpus", "ngpus", "nproc_per_node"): ("trainer.devices",),
    ("device", "cpu", "cuda"): ("trainer.accelerator",),
    ("nodes", "nnodes"): ("trainer.num_nodes",),
    ("amp", "fp16", "bf16", "half"): ("trainer.precision",),
    ("batch", "bs", "batchsize"): ("data.batch_size",),
    ("workers", "num_worker", "jobs", "threads"): ("data.num_workers",),
    ("dataset", "data_dir", "data_path", "data_root", "images", "pictures"): ("data.root", "data.pictures"),
    ("lr", "lr0", "learning_rate"): ("model.lr", "model.optimizer.lr"),
    ("weight_decay", "wd"): ("model.optimizer.weight_decay",),
    ("opt", "optim"): ("model.optimizer",),
    ("scheduler", "lr_schedule", "sched"): ("model.lr_scheduler",),
    ("seed", "random_seed"): ("seed_everything",),
    ("cfg", "yaml", "recipes"): ("recipe",),
    ("checkpoint", "ckpt", "ckpt_path", "resume_from", "model_path"): ("ckpt_path", "weights or --resume"),
    ("pretrained", "init", "start_from", "finetune"): ("weights",),
    ("continue", "restart"): ("resume",),
    ("push", "push_to_hub", "upload"): ("publish",),
}


@dataclass(frozen=True)
class Keys:
    """The keys that a command has.

    Args:
        verb: command of the zoo.
        own: options of the command that are not keys.
        recipe: file of the recipe, if there is one.
        given: words of the command line without the verb's own options.
    """

    verb: str
    own: Collection[str]
    recipe: Path | None
    given: Sequence[str]

    def check(self) -> None:
        """Refuses unknown options.

        Raises:
            ZooError: names the first, and the option that was meant, if that is known.
        """
        for option, value in pairs(self.given):
            name = option.lstrip("-").rstrip("+")
            section, _, rest = name.partition(".")
            if not option:
                near = f"--recipe {value}" if value.removesuffix(".yaml") in recipes.names() else None
                raise self._refusal(f"unexpected argument {value!r}", near, "--help")
            key = rest.removeprefix("init_args.").partition(".")[0]
            if section in SECTIONS:
                known = self._names(section)
                if key and known is not None and key not in (*known, *recipes.CLASS_KEYS, "help"):
                    near = nearest(key, known)
                    meant = near and f"--{section}.{near}"
                    raise self._refusal(f"no key --{section}.{key}", meant, f"--help.{section}")
            elif name not in LIGHTNING:
                raise self._refusal(f"zoo {self.verb} has no option {option}", self.meant(name), "--help")

    def help(self, section: str, name: str) -> str:
        """Help on the keys of a section, for a named class or else for the recipe's.

        Args:
            section: "trainer", "model" or "data".
            name: name of an architecture, or path of a class; may be empty.

        Raises:
            ZooError: the class does not exist, or none is known.
        """
        if section != "trainer" and (declared := architectures().get(name)):
            name = (declared.module if section == "model" else declared.data) or ""
        target = recipes.import_class(name) if name else self.class_of(section)
        if not inspect.isclass(target):
            known = listing(architectures())
            raise ZooError(f"--help.{section} needs --recipe NAME, the path of a class, or one of these:\n{known}")
        from jsonargparse import ArgumentParser

        usage = f"zoo {self.verb} --recipe NAME [--{section}.KEY VALUE ...]"
        parser = ArgumentParser(usage=usage, add_help=False)
        try:
            parser.add_class_arguments(target, section, skip={"labels"}, fail_untyped=False)  # labels are of the data
        except ValueError as error:
            raise ZooError(f"--help.{section}: {first_line(error)}") from error
        return parser.format_help()

    def _refusal(self, problem: str, near: str | None, topic: str) -> ZooError:
        hint = f"; did you mean {near}?" if near else ""
        return ZooError(f"{problem}{hint}\nsee zoo {self.verb} {topic}")

    def meant(self, option: str) -> str | None:
        """The option that means the same as a name of other programs, or else the one with the nearest name."""
        first, dot, rest = option.replace("-", "_").lower().partition(".")
        meanings = {word: targets for words, targets in MEANT.items() for word in words}
        names = {key: f"{section}.{key}" for section in reversed(SECTIONS) for key in self._names(section) or ()}
        names |= {own.lstrip("-").replace("-", "_"): own.lstrip("-") for own in (*self.own, *SECTIONS)}
        for near in (first, nearest(first, (*meanings, *names), ALIKE)):
            targets = (*meanings.get(near or "", ()), *([names[near]] if near in names else ()))
            if found := next((target for target in targets if self._has(target)), None):
                return f"--{found}{dot}{rest}"
        return None

    def _has(self, target: str) -> bool:
        section, _, rest = target.partition(".")
        if rest:
            known = self._names(section)
            return known is None or rest.partition(".")[0] in known
        return f"--{target.partition(' ')[0]}" in self.own or target in (*SECTIONS, *LIGHTNING)

    def _names(self, section: str) -> tuple[str, ...] | None:
        """Names of a section's keys; None if they are unknown."""
        return recipes.parameters(self.class_of(section))

    def class_of(self, section: str) -> Any:
        """The class or function that takes the keys of a section; None if it is unknown."""
        told = {option.lstrip("-"): value for option, value in pairs(self.given)}
        own = recipes.TRAINER if section == "trainer" else (self._content.get(section) or {}).get("class_path", "")
        with suppress(ZooError):  # reported later with the line of the recipe, or by jsonargparse
            return recipes.import_class(told.get(f"{section}.class_path") or told.get(section) or own)
        return None

    def value(self, key: str) -> Any:
        """The value of a key such as ``data.num_workers``: the command's, or else the recipe's; None without either."""
        section, _, name = key.partition(".")
        for option, value in reversed([*pairs(self.given)]):
            if option.lstrip("-").replace(".init_args", "") == key:
                with suppress(yaml.YAMLError):  # reported by jsonargparse
                    return yaml.safe_load(value)
        content = self._content.get(section) or {}
        return content.get("init_args", content).get(name)

    @cached_property
    def _content(self) -> dict[str, Any]:
        return yaml.safe_load(read_text(self.recipe)) if self.recipe else {}


def pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Options with their values, which may be empty; a word that belongs to no option has an empty option."""
    left = list(reversed(words))
    while left:
        word = left.pop()
        if not word.startswith("-"):
            yield "", word
            continue
        option, equals, value = word.partition("=")
        yield option, value if equals or not left or left[-1].startswith("--") else left.pop()
