"""Certificates in ``parity.json``: outputs of exported files compared with torch. Nothing here needs torch."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from zoo.base.bounds import Fraction, Interval
from zoo.base.files import read_json, replace
from zoo.cards.forms import Digest, check
from zoo.models.evaluation import Finite, Line, Texts

FILE = "parity.json"
Difference = Annotated[Finite, Interval(ge=0)]


@dataclass(frozen=True)
class Compared:
    """The outputs of a runtime for one input, compared with torch.

    Args:
        what: name of the input, such as "1x3x360x480".
        largest: largest difference of two numbers, over all outputs.
        mean: mean difference.
        equal: fraction of the mask's pixels that have the same class; None if there is no mask.
    """

    what: Line
    largest: Difference
    mean: Difference
    equal: Fraction | None = None


@dataclass(frozen=True)
class Measured:
    """A figure of the card.

    Args:
        name: its name, such as "mIoU on CamVid test".
        torch: its value with torch.
        engine: its value with the exported file.
    """

    name: Line
    torch: Finite
    engine: Finite


@dataclass(frozen=True)
class OnRuntime:
    """What a runtime computed.

    Args:
        pictures: comparisons, one for each input.
        figures: figures of the card, if the data were available.
        cannot: why the runtime does not run the file; empty if it does.
        parting: where it computes something else, for a file that was made anyway; else empty.
    """

    pictures: list[Compared]
    figures: list[Measured]
    cannot: Line = ""
    parting: Line = ""


@dataclass(frozen=True)
class Certificate:
    """What is known about an exported file.

    Args:
        file: name of the file.
        sha256: SHA-256 of the file.
        weights_sha256: SHA-256 of the weights that it was made from.
        zoo_version: version of the zoo that made it.
        exporter: torch's exporter that made it.
        precision: "fp32", "fp16" or "int8".
        versions: versions of the packages that made it, by package.
        runtimes: what runtimes computed, by their names and versions.
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
    """The certificates in a folder, by the names of their files; none if there is no ``parity.json``.

    Raises:
        ZooError: the file has another form.
    """
    path = folder / FILE
    return check(dict[str, Certificate], read_json(path), path) if path.is_file() else {}


def write(folder: Path, certificate: Certificate) -> None:
    """Adds a certificate to those in a folder; it replaces an earlier one of the same file."""
    content = {name: each.to_dict() for name, each in {**read(folder), certificate.file: certificate}.items()}
    replace(folder / FILE, json.dumps(content, indent=2) + "\n")
