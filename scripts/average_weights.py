"""Averages the weights of models that were trained on from the same ones: often better than each of them.

python scripts/average_weights.py FOLDER NAME_OR_FOLDER NAME_OR_FOLDER...

Wortsman et al., 2022, https://arxiv.org/abs/2203.05482
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from zoo import load
from zoo.base.files import read_json
from zoo.cards import weights
from zoo.hub import locate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", nargs="+")
    options = parser.parse_args()
    nets = [load(model) for model in options.models]
    states = [net.state_dict() for net in nets]
    mean = {name: torch.stack([state[name].float() for state in states]).mean(0) for name in states[0]}
    nets[0].load_state_dict(mean)
    config = read_json(locate.find(options.models[0]).file(locate.CONFIG_FILE))
    weights.save(nets[0], options.folder, config["architecture"], config["arguments"], input=config["input"])
    print(f"{options.folder}: the mean of {len(nets)} models")


if __name__ == "__main__":
    main()
