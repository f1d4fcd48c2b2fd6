"""Torch's compiler takes a second to import: what does not compile goes without, and what does has it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from zoo.base.registry import architectures
from zoo.cards import weights
from zoo.nn.uncompiled import timm, without_compiler

for declared in architectures().values():  # networks on meta, too
    for name in declared.weights:
        weights.ModelFiles.find(name)
assert "torch._dynamo" not in sys.modules
assert "torch._dynamo.utils" not in sys.modules

import torch, torchvision
with without_compiler():
    @torch.compiler.disable
    def plain(x): return x + 1
    @torch.compiler.disable(recursive=False)
    def other(x): return x + 2
    from torch._dynamo.utils import is_compile_supported
    assert "torch._dynamo" not in sys.modules
    from torch._dynamo.utils import counters  # of the module itself, which is imported for it
    assert sys.modules["torch._dynamo.utils"].counters is counters
assert torch.compiler.disable.__module__ == "torch.compiler"
assert (plain(1), other(1)) == (2, 3)
assert is_compile_supported("cpu") in (True, False)
boxes = torch.tensor([[0, 0.0, 0.0, 4.0, 4.0]])
assert torchvision.ops.roi_align(torch.ones(1, 1, 8, 8), boxes, 2).shape == (1, 1, 2, 2)
print(timm.__name__)
"""


def test_timm_and_networks_on_meta_go_without_the_compiler():
    assert subprocess.check_output([sys.executable, "-c", PROGRAM], text=True) == "timm\n"
