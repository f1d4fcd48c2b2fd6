"""Changes of values anywhere in a configuration."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

from jsonargparse import Namespace


def plain(config: Namespace) -> Namespace:
    """Enumeration members as their values: YAML has no enumerations, but defaults of Lightning's callbacks do."""
    return _mapped(config, lambda leaf: leaf.value if isinstance(leaf, Enum) else leaf)


def absolute(config: Namespace) -> Namespace:
    """Makes paths absolute, and texts that name an existing file by a folder or a suffix."""

    def changed(leaf: Any) -> Any:
        if isinstance(leaf, Path):
            return leaf.absolute()
        names = isinstance(leaf, str) and (os.sep in leaf or Path(leaf).suffix) and os.path.exists(leaf)  # noqa: PTH110
        return str(Path(leaf).absolute()) if names else leaf

    return _mapped(config, changed)


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, Namespace):
        return Namespace({key: _mapped(item, change) for key, item in vars(value).items()})  # type: ignore[no-untyped-call]
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    return [_mapped(item, change) for item in value] if isinstance(value, list) else change(value)
