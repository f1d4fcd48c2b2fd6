"""Gives a network of fast style more channels and the same results, so that training can go on from it.

python scripts/fast_style_widen.py NAME_OR_FOLDER CHANNELS FOLDER
zoo fit --recipe fast_style_wave --weights FOLDER ...

Channels that are new begin at random, as those of a new network; what was there takes nothing from them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from zoo import load
from zoo.cards import weights
from zoo.models.fast_style.net import FastStyle


def widened(net: FastStyle, channels: int) -> FastStyle:
    wider = FastStyle(channels, net.blocks)
    state = wider.state_dict()
    for name, old in net.state_dict().items():
        new = state[name]
        if old.ndim == 4:  # a convolution: (outputs, inputs, height, width)
            new[: len(old)] = 0
            new[: len(old), : old.shape[1]] = old
        else:
            new[: len(old)] = old
    wider.load_state_dict(state)
    return wider


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("channels", type=int)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    torch.manual_seed(3)
    net = load(options.model)
    wider = widened(net, options.channels)
    x = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        difference = float((wider.eval()(x) - net(x)).abs().max())
    arguments = {"channels": options.channels, "blocks": net.blocks}
    weights.save(wider, options.folder, "fast_style", arguments, input="RGB 0..1, any size")
    print(f"{options.folder}: {net.channels} to {options.channels} channels; results differ by {difference:.1g}")


if __name__ == "__main__":
    main()
