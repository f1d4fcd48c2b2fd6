"""What a page knows of its model: the ONNX file, facts, the published answer to one input, samples, thumbnails."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from PIL import Image

from zoo.base.errors import ZooError
from zoo.base.text import first_line
from zoo.cards import described, exported, replay
from zoo.cards.card import Card, read_card
from zoo.engines import engine_class
from zoo.exports.cached import export_once
from zoo.exports.demo import samples
from zoo.exports.demo.samples import Sample
from zoo.hub import locate
from zoo.pictures.images import on_white

FOLDER = "models"  # of a site
THUMBNAIL = (144, 96)  # largest width and height of a style's picture, in pixels
LISTED = (560, 420)  # that of the picture in the list of models
PAINTED = 480  # longer side at which thumbnails are painted


@dataclass(frozen=True)
class Shown:
    """A model that a page shows.

    Args:
        card: its card.
        page: kind of its page, see :attr:`zoo.base.registry.Architecture.page`.
        name: what ``zoo.load`` takes.
    """

    card: Card
    page: str
    name: str

    @classmethod
    def of(cls, name: str) -> Shown:
        """Reads the card of a model by any name that ``zoo.load`` takes.

        Raises:
            ZooError: the model does not exist, has no page, or its name is taken by the list of models.
        """
        card = read_card(name)
        if card.architecture is None or not card.architecture.page:
            raise ZooError(f"{card.name} has no page: browsers compute forward passes of the zoo's architectures only")
        if card.name == "index":
            raise ZooError(f"{name}: a model called index has no page: that is the list of models; rename it")
        if not isinstance(card.config.get("golden"), dict):
            raise ZooError(f"{card.name} has no page: its config.json names no golden input to check the browser with")
        return cls(card, card.architecture.page, name)

    @property
    def picture(self) -> str:
        """The file in a site that shows what the model makes of its first sample."""
        return f"{FOLDER}/{self.card.name}.jpg"

    def write(self, folder: Path, found: list[Sample]) -> None:
        """Writes the model's files into the folder of a site.

        Args:
            folder: folder of the site.
            found: samples, whose files :func:`write_samples` has written.

        Raises:
            ZooError: the model cannot be exported, or a file of its card is damaged.
        """
        export, name = exported.of_model(self.name, "onnx", export_once), self.card.name
        place = folder / FOLDER
        place.mkdir(exist_ok=True)
        assert isinstance(export.content, bytes)  # as for any file but OpenVINO's
        (place / f"{name}.onnx").write_bytes(export.content)
        content, golden = self.golden(replay.tolerance(export.metadata, export.where))
        (place / f"{name}.golden.bin").write_bytes(content)
        info = {
            "kind": self.page,
            "name": name,
            "model": f"{FOLDER}/{name}.onnx",
            "predicts": list(export.predicts),
            "facts": json.loads(export.metadata["facts"]),
            "golden": golden,
            "samples": [told(sample, self.page) for sample in found],
        }
        net = exported.Exported(export, engine_class("onnx")(export.content, export.predicts, "cpu"))
        if self.page == "style":
            info["thumbnails"] = thumbnails(net, found[0].pictures[0], place, name)
        if found:
            listed = on_white(net.predict(*found[0].pictures).shown())
            listed.thumbnail(LISTED)
            listed.save(folder / self.picture, quality=85)
        (place / f"{name}.json").write_text(json.dumps(info), encoding="utf-8")

    def golden(self, tolerance: float) -> tuple[bytes, dict[str, Any]]:
        """The card's golden input and output as bytes, and where they lie in them.

        The input comes first, uint8; then, from a multiple of four bytes on, the output as little-endian float32.
        """
        source = locate.find(self.name)
        try:
            tensors = safetensors.numpy.load(described.read(source, self.card.config["golden"]))
            picture, output = tensors["input"], tensors["output"]
        except (KeyError, safetensors.SafetensorError, TypeError) as error:
            problem = f"{source}: its golden input cannot be read: {first_line(error)}"
            raise ZooError(f"{problem}\n{source.restoring}") from None
        pixels, numbers = picture.astype(np.uint8).tobytes(), output.astype("<f4").tobytes()
        offset = -(-len(pixels) // 4) * 4
        place = {"file": f"{FOLDER}/{self.card.name}.golden.bin", "shape": list(picture.shape), "offset": offset}
        return pixels.ljust(offset, b"\0") + numbers, {**place, "count": output.size, "tolerance": tolerance}


def told(sample: Sample, page: str) -> dict[str, Any]:
    """What a page knows of a sample."""
    files = [file_of(sample, page, i) for i in range(len(sample.pictures))]
    return {"name": sample.name, "label": sample.label, "source": sample.source, "files": files}


def file_of(sample: Sample, page: str, number: int) -> str:
    """The file of one of a sample's pictures, in the folder of a site."""
    which = f"_{'ab'[number]}" if len(sample.pictures) > 1 else ""
    return f"samples/{page}_{sample.name}{which}.png"


def write_samples(folder: Path, page: str) -> list[Sample]:
    """Makes the samples of a kind of page, and writes their pictures into the folder of a site."""
    found = samples.of_page(page)
    (folder / "samples").mkdir(exist_ok=True)
    for sample in found:
        for i, picture in enumerate(sample.pictures):
            picture.save(folder / file_of(sample, page, i))
    return found


def thumbnails(net: Any, picture: Image.Image, place: Path, name: str) -> dict[str, str]:
    """Small pictures of a sample in each style, painted by the model itself; their paths in the site by style."""
    paths = {}
    for style in net.facts()["styles"]:
        small = net.predict(picture, style=style, size=PAINTED).picture
        small.thumbnail(THUMBNAIL)
        small.save(place / f"{name}.{style}.png")
        paths[style] = f"{FOLDER}/{name}.{style}.png"
    return paths
