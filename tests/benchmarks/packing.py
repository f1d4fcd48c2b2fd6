"""Milliseconds of LinkNet on a picture of 384x384 pixels in one thread, with plain and with packed convolutions.

python tests/benchmarks/packing.py
"""

import time
from statistics import median

import torch

from zoo import load
from zoo.engines.torch import TorchEngine
from zoo.nn.cpu import keep_freed_memory
from zoo.nn.folding import fold_norms
from zoo.nn.packing import pack_convolutions


def engine(bfloat16: bool, packed: bool) -> TorchEngine:
    net, example = load("linknet_camvid"), torch.rand(1, 3, 48, 64)
    fold_norms(net, net.infer, example)
    if packed:
        pack_convolutions(net, net.infer, example, torch.bfloat16 if bfloat16 else torch.float32)
    return TorchEngine(net, bfloat16)


if __name__ == "__main__":
    keep_freed_memory()
    torch.set_num_threads(1)
    x = torch.rand(1, 3, 384, 384).numpy()
    engines = {
        f"{'bfloat16' if bfloat16 else 'float32':<8} {'packed' if packed else 'plain'}": engine(bfloat16, packed)
        for bfloat16 in (False, True)
        for packed in (False, True)
    }
    times: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(22):
        for name, each in engines.items():
            start = time.perf_counter()
            each(x)
            if turn > 1:
                times[name].append(1000 * (time.perf_counter() - start))
    for name, found in times.items():
        print(f"{name:<16} {median(found):6.1f} ms, at best {min(found):.1f}")
