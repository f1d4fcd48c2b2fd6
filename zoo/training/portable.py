"""The recipe of a run for other machines: values that differ from the defaults, without this machine's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from jsonargparse import Namespace

from zoo.base.files import read_text
from zoo.base.paths import without_folders
from zoo.training import recipes
from zoo.training.cli import ZooCLI

MACHINE = ("accelerator", "default_root_dir", "devices", "enable_progress_bar", "logger", "num_nodes", "strategy")


def resolved(cli: ZooCLI, config: Namespace) -> dict[str, Any]:
    """A configuration without the parser's defaults, with the paths of this machine."""
    content = yaml.safe_load(cli.parser.dump(config, skip_default=True, skip_none=False))
    content["seed_everything"] = config["seed_everything"]  # the parser takes a seed of 1 for its default
    return {key: content[key] for key in recipes.KEYS if content.get(key) is not None}


def text(cli: ZooCLI, name: str) -> str:
    """A recipe: the installed file of that name if the run followed it, else a text without a header."""
    own = portable(resolved(cli, cli.given))
    if name in recipes.names():
        installed = read_text(recipes.find(f"{name}.yaml"))
        if portable(resolved(cli, cli.parser.parse_string(installed))) == own:
            return installed
    return yaml.safe_dump(own, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)


def portable(config: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves out settings and folders of this machine."""
    trainer = {key: value for key, value in config.get("trainer", {}).items() if key not in MACHINE}
    return without_folders({**config, "trainer": _without_none(trainer)}, "data")


def _without_none(value: Any) -> Any:
    """Arguments of the trainer and of its callbacks are None by default."""
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value
