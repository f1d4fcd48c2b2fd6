"""What can be measured: models with engines, sizes and batches."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zoo.base.bounds import check_count
from zoo.base.errors import ZooError
from zoo.base.text import listing, unknown
from zoo.cards import golden, stored
from zoo.cards.card import Card, read_card
from zoo.cards.overview import headline
from zoo.cards.speeds import size_of
from zoo.engines import ENGINES as RUNTIMES
from zoo.hub import locate

MOST = 64  # candidates: each is a process with torch or another library
LARGEST = 16_384  # pixels of a side
GOLDEN = 1 << 20  # bytes of a golden file, at most
BFLOAT16, COMPILED, ALL = "torch-bfloat16", "torch-compile", "all"
ENGINES = ("torch", BFLOAT16, COMPILED, *RUNTIMES[1:])
HOW = {BFLOAT16: "bfloat16 autocast", COMPILED: "torch.compile, float32"}  # what is said of an engine in tables


@dataclass(frozen=True)
class Candidate:
    """What is measured.

    Args:
        model: what ``zoo.load`` takes.
        name: name of the model in tables.
        engine: one of :data:`ENGINES`: torch alone, by its autocast or compiled, or what runs exported files.
        shape: shape of the input, ``(B, C, H, W)``.
        device: device, as the engine names it.
        figure: the figure that tells most about the model; empty: not known.
        metric: metric, data and split of the main figure.
        value: value of the main figure.
    """

    model: str
    name: str
    engine: str
    shape: tuple[int, int, int, int]
    device: str
    figure: str = ""
    metric: str = ""
    value: float | None = None

    @property
    def size(self) -> str:
        return f"{self.shape[3]}x{self.shape[2]}"

    @property
    def precision(self) -> str:
        return "bfloat16" if self.engine == BFLOAT16 else "float32"

    @property
    def how(self) -> str:
        """Precision, and what is done to compute faster."""
        return HOW.get(self.engine, "float32")


def candidates(
    models: Sequence[str], engines: Sequence[str], sizes: Sequence[str], batches: Sequence[int], device: str
) -> list[Candidate]:
    """All combinations, model by model.

    Args:
        models: what ``zoo.load`` takes.
        engines: names of engines.
        sizes: sizes such as "480x360"; none: the size of each card's speeds, or else of its multiply-adds.
        batches: numbers of pictures in a batch.
        device: device, as the engines name it.

    Raises:
        ZooError: a name, a size or a number is wrong, or there are too many combinations.
    """
    for batch in batches:
        check_count("--batch", batch, "must be a number from 1 to 1024", most=1024)
    given = [parsed(size) for size in sizes]
    found = [each for model in models for each in _of(model, engines, given, batches, device)]
    if len(found) > MOST:
        raise ZooError(f"{len(found)} combinations are asked for: at most {MOST}; name fewer models, engines or sizes")
    return found


def _of(
    model: str,
    engines: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    batches: Sequence[int],
    device: str,
) -> Iterator[Candidate]:
    card = read_card(model)
    if card.size == "none":
        raise ZooError(f"{model}: has no weights, and optimises each picture; zoo predict tells its time")
    channels, figure = _channels(model), headline(card)
    main = card.figures[0] if card.figures else None
    metric, value = (f"{main.metric} on {main.where} {main.split}", main.value) if main else ("", None)
    places = sizes or [_size(card, model)]
    for (width, height), batch, engine in itertools.product(places, batches, engines):
        shape = (batch, channels, height, width)
        yield Candidate(model, card.name, engine, shape, device, figure, metric, value)


def parsed(size: str) -> tuple[int, int]:
    """Width and height of a text such as "480x360"."""
    width, x, height = size.partition("x")
    if not (x and width.isdecimal() and height.isdecimal() and all(1 <= int(s) <= LARGEST for s in (width, height))):
        raise ZooError(f"--sizes takes sizes such as 480x360, with sides up to {LARGEST}, not {size!r}")
    return int(width), int(height)


def _size(card: Card, model: str) -> tuple[int, int]:
    """The size of the speeds on the card, such that new ones are comparable, or of its multiply-adds."""
    for size in filter(None, (size_of(card.results), *card.results.macs)):
        try:
            return parsed(size)
        except ZooError:
            continue
    raise ZooError(f"{model}: its card names no size; give one: --sizes 480x360")


def _channels(model: str) -> int:
    """Channels of the golden input, or 3 where there is none."""
    source = locate.find(model)
    if not source.has(golden.FILE):
        return 3
    shape = stored.read(source.file(golden.FILE, GOLDEN))["input"].shape
    return int(shape[1]) if len(shape) == 4 else 3


def known(engines: str) -> list[str]:
    """Names of engines in a text such as "torch,onnx", or "all".

    Raises:
        ZooError: there is no such engine.
    """
    names = [name.strip() for name in engines.split(",") if name.strip()]
    if not names:
        raise ZooError(f"--engines takes names: {listing((*ENGINES, ALL))}")
    for name in names:
        if name not in (*ENGINES, ALL):
            raise unknown("engine", name, (*ENGINES, ALL))
    return list(ENGINES if ALL in names else dict.fromkeys(names))
