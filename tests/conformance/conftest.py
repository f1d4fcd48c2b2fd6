from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from zoo.registry import architectures


@pytest.fixture(params=sorted(architectures()))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def model(name: str, tiny: Callable[[str], ModuleType]) -> ModuleType:
    """``tests/models/NAME.py`` of one architecture."""
    return tiny(name)
