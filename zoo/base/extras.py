"""Packages that only an extra of the distribution installs."""

from __future__ import annotations

import importlib
from types import ModuleType

from zoo.base.errors import ZooError


def require(user: str, extra: str, *modules: str) -> list[ModuleType]:
    """Imports the modules of an extra.

    Args:
        user: what needs them, with which the message begins: "zoo collect".
        extra: its name: "collect".
        modules: dotted names.

    Raises:
        ZooError: one of them cannot be imported.
    """
    try:
        return [importlib.import_module(module) for module in modules]
    except ImportError:
        raise ZooError(f"{user} needs packages that are not installed: pip install 'lightning-zoo[{extra}]'") from None
