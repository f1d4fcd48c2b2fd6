"""timm, imported without torch's compiler, which takes longer than timm and torchvision together and is never used.

``from zoo.nn.uncompiled import timm`` instead of ``import timm`` lets predictions start a second earlier.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from types import FunctionType, ModuleType
from typing import Any

import torch

COMPILER, UTILS = "torch._dynamo", "torch._dynamo.utils"


class _Utils(ModuleType):
    """Stands for :data:`UTILS` while others take functions of it; whatever else they take is the real module's."""

    def is_compile_supported(self, device: str) -> bool:
        """Asks the real function, when it is called."""
        return bool(self.real().is_compile_supported(device))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import system asks for
            raise AttributeError(name)
        return getattr(self.real(), name)

    def real(self) -> ModuleType:
        if sys.modules.get(UTILS) is self:
            del sys.modules[UTILS]
        return importlib.import_module(UTILS)


@contextmanager
def without_compiler() -> Iterator[None]:
    """Lets modules be imported that name torch's compiler, without importing it.

    torchvision takes a function of it, and timm excludes functions from it. Both are put off until such a function is
    called, and do then what they would have done.
    """
    if COMPILER in sys.modules:
        yield
        return
    utils, disable = _Utils(UTILS), torch.compiler.disable
    sys.modules[UTILS] = utils
    torch.compiler.disable = partial(_disabled, disable)
    try:
        yield
    finally:
        torch.compiler.disable = disable
        if sys.modules.get(UTILS) is utils:
            del sys.modules[UTILS]


def _disabled(disable: Callable[..., Any], function: Any = None, recursive: bool = True, **more: Any) -> Any:
    """``torch.compiler.disable`` that imports the compiler at the first call of the function."""
    if function is None:
        return partial(_disabled, disable, recursive=recursive, **more)
    if not isinstance(function, FunctionType):
        return disable(function, recursive, **more)
    made: list[Any] = []

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not made:
            made.append(disable(function, recursive, **more))
        return made[0](*args, **kwargs)

    return call


with without_compiler():
    import timm as timm
    from timm.layers.conv2d_same import Conv2dSame as Conv2dSame
