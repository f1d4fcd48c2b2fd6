"""ms a 480x360 picture: our networks and segmentation_models_pytorch's Linknet with ResNet-18, in turns in one run.

python tests/benchmarks/linknet_speed.py [--write cards/linknet_camvid]     (needs the extra "benchmarks")
"""

import argparse
import contextlib
import time
from pathlib import Path

import segmentation_models_pytorch as smp
import torch

import zoo
from zoo.cards.speeds import machine_of, put_on_card
from zoo.models.evaluation import Speed
from zoo.models.linknet import LinkNet

ROUNDS, REPEATS = 15, 4
PEER = "segmentation_models_pytorch Linknet, ResNet-18, float32"


def contenders() -> dict[str, tuple[torch.nn.Module, torch.dtype, torch.memory_format]]:
    ours, paper = zoo.load("linknet"), LinkNet(11).eval()
    plain = zoo.load("linknet").to(memory_format=torch.contiguous_format)
    peer = smp.Linknet("resnet18", encoder_weights=None, classes=11).eval()
    peer_last = smp.Linknet("resnet18", encoder_weights=None, classes=11).eval().to(memory_format=torch.channels_last)
    last, contiguous = torch.channels_last, torch.contiguous_format
    return {
        "zoo linknet_camvid, float32, as loaded (channels_last)": (ours, torch.float32, last),
        "zoo linknet_camvid, float32, contiguous": (plain, torch.float32, contiguous),
        "zoo linknet_camvid, bfloat16 autocast, channels_last": (ours, torch.bfloat16, last),
        "zoo LinkNet, ResNet-18 of the paper, float32, channels_last": (paper, torch.float32, last),
        PEER: (peer, torch.float32, contiguous),
        f"{PEER}, channels_last": (peer_last, torch.float32, last),
    }


@torch.inference_mode()
def seconds(net: torch.nn.Module, dtype: torch.dtype, memory_format: torch.memory_format) -> float:
    picture = torch.rand(1, 3, 360, 480).to(memory_format=memory_format)
    if "smp" in type(net).__module__ or "segmentation_models" in type(net).__module__:
        picture = torch.nn.functional.pad(picture, (0, 0, 12, 12))  # it takes multiples of 32 only: 480x384
    autocast = torch.autocast("cpu", dtype) if dtype != torch.float32 else contextlib.nullcontext()
    with autocast:
        net(picture)
        start = time.perf_counter()
        for _ in range(REPEATS):
            net(picture)
    return (time.perf_counter() - start) / REPEATS


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", type=Path, help="card folder whose results.json takes the figures")
    options = parser.parse_args()
    entries = contenders()
    best = dict.fromkeys(entries, float("inf"))
    for _ in range(ROUNDS):
        for name, entry in entries.items():
            best[name] = min(best[name], seconds(*entry))
    for name, value in best.items():
        print(f"{1000 * value:7.1f} ms  {best[PEER] / value:5.2f} x  {name}")
    if options.write:
        machine = machine_of(torch.get_num_threads(), f"torch {torch.__version__}")
        how = f"best of {ROUNDS} rounds"
        rows = [Speed(what=name, ms=round(1000 * value, 1), machine=machine, how=how) for name, value in best.items()]
        put_on_card(options.write, rows)


if __name__ == "__main__":
    main()
