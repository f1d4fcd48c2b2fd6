"""ms a pair, one pass on one core in float32: our network and the paper's, in turns in one run.

python tests/benchmarks/homographynet_speed.py [--write cards/homographynet_photos]
"""

import argparse
import time
from pathlib import Path

import torch

import zoo
from zoo.cards.speeds import machine_of, put_on_card
from zoo.models.evaluation import Speed
from zoo.models.homographynet import HomographyNet

ROUNDS, REPEATS = 15, 10
PEER = "the paper's network of 34 M parameters"


@torch.inference_mode()
def seconds(net: torch.nn.Module) -> float:
    pairs = torch.rand(1, 2, 128, 128)
    net(pairs)
    start = time.perf_counter()
    for _ in range(REPEATS):
        net(pairs)
    return (time.perf_counter() - start) / REPEATS


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", type=Path, help="card folder whose results.json takes the figures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    nets = {
        "zoo, squeeze with correlation, as loaded": zoo.load(options.write or "homographynet"),
        "zoo, squeeze with both pictures stacked": HomographyNet(fusion="stack").eval(),
        PEER: HomographyNet("vgg").eval(),
    }
    best = dict.fromkeys(nets, float("inf"))
    for _ in range(ROUNDS):
        for name, net in nets.items():
            best[name] = min(best[name], seconds(net))
    for name, value in best.items():
        print(f"{1000 * value:7.2f} ms  {best[PEER] / value:5.2f} x  {name}")
    if options.write:
        machine = machine_of(torch.get_num_threads(), f"torch {torch.__version__}")
        how = f"best of {ROUNDS} rounds"
        rows = [Speed(what=name, ms=round(1000 * value, 1), machine=machine, how=how) for name, value in best.items()]
        put_on_card(options.write, rows)


if __name__ == "__main__":
    main()
