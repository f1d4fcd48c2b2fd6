"""What OpenCV's dnn makes of each network's ONNX file, beside torch: a table, with a column for each OpenCV.

python tests/benchmarks/opencv.py [--python FOLDER/bin/python ...] [--exporters torchscript dynamo] [--precision fp16]

This interpreter's OpenCV comes first; others need no more than NumPy and another opencv-python-headless. A cell is the
fraction of equal pixels of LinkNet's mask; else the largest difference from torch, of pictures in 0..1 or in pixels of
128x128. Files of a fixed size are asked for one picture, those of any size for pictures of five sizes and a batch.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

SIZE = (240, 320)  # size of the files of fixed size
SIZES = ((1, *SIZE), (1, 100, 101), (1, 33, 500), (1, 320, 240), (2, 64, 97), (1, 7, 9))
PAPER = "linknet, ResNet-18"  # as in the paper, with random weights


def tried(folder: Path) -> dict[str, str]:
    """What this interpreter's OpenCV makes of the files in a folder, by their names."""
    getattr(cv2.utils, "logging", cv2).setLogLevel(0)  # where older ones of OpenCV 4 have it
    found = {}
    for file in sorted(folder.glob("*.onnx")):
        try:
            found[file.stem] = compared(cv2.dnn.readNetFromONNX(str(file)), np.load(file.with_suffix(".npz")))
        except cv2.error as error:
            found[file.stem] = "fails: " + str(error).split("error: ")[-1].split(" in function")[0].strip()[:60]
    return found


def compared(net: cv2.dnn.Net, reference: np.lib.npyio.NpzFile) -> str:
    """The worst case of what is stored: inputs, and what torch gives for them."""
    differences, equal = [], []
    for case in range(len([name for name in reference.files if name.startswith("input")])):
        names = [name.split("/")[0] for name in reference.files if name.endswith(f"/{case}")][1:]
        net.setInput(reference[f"input/{case}"], "input")
        for name, output in zip(names, net.forward(names), strict=True):
            truth = reference[f"{name}/{case}"]
            if output.size != truth.size:
                return f"wrong shape {output.shape}"
            output = output.reshape(truth.shape)
            equal += [(output == truth).mean()] * (name == "mask")
            differences += [np.abs(output - truth).max()] * (name != "mask")
    return f"{min(equal):.4%}" if equal else f"{max(differences):.1e}"


def networks() -> list[str]:
    """Every card whose network has a forward pass, and LinkNet as in the paper."""
    import zoo
    from zoo.cards.card import read_card

    return [PAPER, *(name for name in zoo.list_models() if read_card(name).architecture.example is not None)]


def network(card: str):
    import torch

    import zoo
    from zoo.models.linknet import LinkNet

    if card != PAPER:
        return zoo.load(card)
    torch.manual_seed(0)
    paper = LinkNet(11)
    for _ in range(3):  # batch norm's statistics leave their defaults
        paper(torch.rand(2, 3, 96, 128))
    return paper.eval()


def pictures(net, sizes) -> list[np.ndarray]:
    """Drawn street scenes, or pairs of parts of them, in 0..1."""
    from PIL import Image

    from zoo.data.streets import draw_street

    def drawn(seed: int, height: int, width: int) -> np.ndarray:
        scene = Image.fromarray(draw_street(seed)[0])
        if net.any_size:
            return np.asarray(scene.resize((width, height))).transpose(2, 0, 1)
        boxes = ((20, 10, 340, 250), (31, 4, 345, 255))
        return np.stack([np.asarray(scene.convert("L").resize((128, 128), box=box)) for box in boxes])

    return [
        np.stack([drawn(seed, height, width) for seed in range(batch)]) / np.float32(255)
        for batch, height, width in sizes
    ]


def make(card: str, exporter: str, fixed: bool, precision: str, file: Path) -> None:
    """Writes a network's file and, beside it, inputs with what torch gives for them."""
    import torch

    from zoo.exports import convert, formats, quantize

    net = network(card)
    example = (3, *SIZE) if net.any_size else (2, 128, 128)
    content = convert.to_onnx(net, example, exporter, example[1:] if fixed else None)
    batches = pictures(net, SIZES[:1] if fixed else SIZES)
    if precision != "fp32":
        content = formats.halved(content) if precision == "fp16" else quantize.quantized(content, batches[:1])
    file.write_bytes(content)
    stored = {}
    for case, x in enumerate(batches):
        x = np.ascontiguousarray(x)
        with torch.inference_mode():
            outputs = convert.Exported(net).eval()(torch.from_numpy(x))
            names = convert.output_names(net, torch.from_numpy(x))
        stored[f"input/{case}"] = x
        stored |= {f"{name}/{case}": output.numpy() for name, output in zip(names, outputs, strict=True)}
    np.savez(file.with_suffix(".npz"), **stored)


def by(python: str, folder: Path) -> tuple[str, dict[str, str]]:
    """The version of an interpreter's OpenCV, and what it makes of the files."""
    done = subprocess.run([python, __file__, "--folder", str(folder)], stdout=subprocess.PIPE, text=True, check=True)
    version, found = json.loads(done.stdout)
    return version, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", nargs="+", default=[], help="interpreters with other versions of OpenCV")
    parser.add_argument("--exporters", nargs="+", default=["torchscript", "dynamo"])
    parser.add_argument("--precision", choices=["fp32", "fp16", "int8"], default="fp32")
    parser.add_argument("--cards", nargs="+", help="by default all of them")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        print(json.dumps([cv2.__version__, tried(options.folder)]))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for card in options.cards or networks():
            for exporter in options.exporters:
                for kind in ("any", "fixed"):
                    file = folder / f"{card} | {exporter} | {kind}.onnx"
                    make(card, exporter, kind == "fixed", options.precision, file)
        columns = [by(python, folder) for python in (sys.executable, *options.python)]
    print(f"| network | exporter | size | {' | '.join(f'OpenCV {version}' for version, _ in columns)} |")
    print("|" + " --- |" * (3 + len(columns)))
    for name in columns[0][1]:
        print(f"| {name} | {' | '.join(found[name] for _, found in columns)} |")


if __name__ == "__main__":
    main()
