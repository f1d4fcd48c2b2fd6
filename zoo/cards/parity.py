"""Certificates: what exported files answer beside torch, as ``parity.json`` keeps it. Nothing here needs torch."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from zoo.base.bounds import Interval, Share
from zoo.base.files import read_json, replace
from zoo.cards.forms import Digest, check
from zoo.models.evaluation import Finite, Line, Texts

FILE = "parity.json"
Difference = Annotated[Finite, Interval(ge=0)]


@dataclass(frozen=True)
class Compared:
    """Outputs for one input, of a runtime and of torch.

    Args:
        what: the input, such as "1x3x360x480".
        largest: difference of two numbers, over all outputs.
        mean: difference.
        equal: share of the mask's pixels that have the same class; None where there is no mask.
    """

    what: Line
    largest: Difference
    mean: Difference
    equal: Share | None = None


@dataclass(frozen=True)
class Measured:
    """A figure of the card.

    Args:
        name: such as "mIoU on CamVid test".
        torch: its value there.
        engine: its value with the exported file.
    """

    name: Line
    torch: Finite
    engine: Finite


@dataclass(frozen=True)
class OnRuntime:
    """What a runtime computed.

    Args:
        pictures: that were compared.
        figures: of the card, where the data were at hand.
        cannot: why it does not run the file; empty where it does.
        parting: where it computes something else, of a file that was made all the same; else empty.
    """

    pictures: list[Compared]
    figures: list[Measured]
    cannot: Line = ""
    parting: Line = ""


@dataclass(frozen=True)
class Certificate:
    """What is known of an exported file.

    Args:
        file: its name.
        sha256: of it.
        weights_sha256: of the weights that it was made of.
        zoo_version: that made it.
        exporter: of torch.
        precision: "fp32", "fp16" or "int8".
        versions: of what it was made with, by package.
        runtimes: by their names and versions.
    """

    file: Line
    sha256: Digest
    weights_sha256: Digest
    zoo_version: Line
    exporter: Line
    precision: Line
    versions: Texts
    runtimes: dict[Line, OnRuntime]

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def read(folder: Path) -> dict[str, Certificate]:
    """The certificates in a folder, by the names of their files; none where there is no ``parity.json``.

    Raises:
        ZooError: it has another form.
    """
    path = folder / FILE
    return check(dict[str, Certificate], read_json(path), path) if path.is_file() else {}


def write(folder: Path, certificate: Certificate) -> None:
    """Adds a certificate to those in a folder; it takes the place of an earlier one of the same file."""
    content = {name: each.to_dict() for name, each in {**read(folder), certificate.file: certificate}.items()}
    replace(folder / FILE, json.dumps(content, indent=2) + "\n")
