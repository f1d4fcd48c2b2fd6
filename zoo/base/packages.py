"""Versions of what is installed."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib import metadata

from zoo.base import __version__


def version_of(package: str) -> str | None:
    """Version of an installed distribution; None where there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Versions by distribution, of those that are installed."""
    return {package: version for package in packages if (version := version_of(package)) is not None}


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of the zoo, of Python and of the distributions that are installed."""
    return {"zoo": __version__, "python": platform.python_version(), **versions_of(packages)}
