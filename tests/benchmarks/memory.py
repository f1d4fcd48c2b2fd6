"""Seconds a training step of LinkNet with and without `keep_freed_memory`, in processes that take turns.

python tests/benchmarks/memory.py
"""

import subprocess
import sys

STEP = """
import sys, time, torch
from zoo.models.linknet import LinkNet
from zoo.nn.cpu import keep_depthwise_float32, keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
net = LinkNet(11, "tf_efficientnet_lite0", stem_skip=True)
keep_depthwise_float32(net)
pictures, masks = torch.rand(8, 3, 320, 448), torch.randint(0, 11, (8, 320, 448))
def step():
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16):
        logits = net(pictures)
    torch.nn.functional.cross_entropy(logits.float().contiguous(), masks).backward()
    net.zero_grad()
    return time.perf_counter() - start
step()
print(min(step() for _ in range(5)))
"""


def seconds(kind: str) -> float:
    done = subprocess.run([sys.executable, "-c", STEP, kind], capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    best = {"given back": float("inf"), "kept": float("inf")}
    for _ in range(3):
        for kind in best:
            best[kind] = min(best[kind], seconds(kind))
    for kind, value in best.items():
        print(f"freed memory {kind:<10} {value:.3f} s a step")
    print(f"ratio {best['given back'] / best['kept']:.2f}")
