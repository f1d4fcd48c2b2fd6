"""Packages that only an extra of the distribution installs."""

from __future__ import annotations

import importlib
from types import ModuleType

from zoo.base.errors import ZooError


def require(user: str, extra: str, *modules: str) -> list[ModuleType]:
    """Imports the modules of an extra.

    Args:
        user: program or function that needs them, named in the error: "zoo collect".
        extra: name of the extra: "collect".
        modules: dotted names of the modules.

    Raises:
        ZooError: one of them cannot be imported.
    """
    try:
        return [importlib.import_module(module) for module in modules]
    except ImportError:
        raise ZooError(f"{user} needs packages that are not installed: pip install 'lightning-zoo[{extra}]'") from None
