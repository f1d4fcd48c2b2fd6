"""From pictures to masks: batches, tiles of large pictures, and results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from PIL import Image

from zoo.base.bounds import Byte, Count, Interval, check_count
from zoo.base.errors import ZooError
from zoo.base.files import replacing
from zoo.base.text import is_line
from zoo.base.typed import Form, Longest
from zoo.engines import Engine, Shapes, auto_batch
from zoo.models.linknet.forms import written_forms
from zoo.pictures.images import Picture, name_of, one_or_many, to_floats, to_pixels
from zoo.pictures.results import Shown, save_json, save_pngs
from zoo.pictures.tiling import Window, tiles, within

Label = Annotated[str, Form(is_line, "of one short line")]
MIN_FRACTION = 0.005  # least fraction of a picture that a caption names
STRIDE = 32  # stride of the deepest feature
KINDS = ("mask", "overlay", "json", "classes", "csv", "rle", "polygons")  # of files
Named: TypeAlias = "tuple[str, np.ndarray]"  # the name of a picture's file, and its values
OF_OUTPUTS = f"of one or more of {', '.join(KINDS)}, separated by commas"


def _are_outputs(text: Any) -> bool:
    return isinstance(text, str) and set(text.split(",")) <= {*KINDS}


Outputs = Annotated[str, Form(_are_outputs, OF_OUTPUTS)]


@dataclass(frozen=True, eq=False)
class Segmentation(Shown):
    """The classes that a picture shows, pixel by pixel.

    Args:
        mask: class ids ``(H, W)`` uint8, at the picture's own size.
        labels: names of the classes.
        palette: one RGB colour per class.
        picture: the segmented picture, ``(H, W, 3)`` uint8.
        probabilities: probabilities of the classes, ``(classes, H, W)`` float16; None unless they were asked for.
        name: name of the picture's file; empty: it came from none.
    """

    mask: np.ndarray = field(repr=False)
    labels: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...] = field(repr=False)
    picture: np.ndarray = field(repr=False)
    probabilities: np.ndarray | None = field(default=None, repr=False)
    name: str = ""

    def colored(self) -> Image.Image:
        """The mask as a palette picture: its values are the class ids, its colours the palette's."""
        image = Image.fromarray(self.mask, mode="P")
        image.putpalette(np.asarray(self.palette, np.uint8).tobytes())
        return image

    def overlay(self, opacity: float = 0.5) -> Image.Image:
        """The colours of the classes laid over the picture."""
        return Image.blend(Image.fromarray(self.picture), self.colored().convert("RGB"), opacity)

    def save(self, destination: str | Path, *, outputs: Outputs = "mask,overlay") -> list[Path]:
        """Writes ``DESTINATION_mask.png`` (palette, values are class ids) and ``DESTINATION_overlay.png``.

        Probabilities, where there are some, go to ``DESTINATION_probabilities.npy``.

        Args:
            destination: beginning of the files' names, such as ``out/street``.
            outputs: files to write, separated by commas: mask, overlay, json (the fraction of each class), classes (a
                black and white PNG of each class), csv (pixels of each class), rle and polygons (COCO JSON)

        Raises:
            ZooError: there is no such output.
        """
        if not _are_outputs(outputs):
            raise ZooError(f"outputs must be a text {OF_OUTPUTS}, not {outputs!r:.60}")
        wanted, make = outputs.split(","), {"mask": self.colored, "overlay": self.overlay}
        written = save_pngs({kind: make[kind]() for kind in make if kind in wanted}, destination)
        if "json" in wanted:
            written.append(save_json(self.to_dict(), destination))
        written += written_forms(self, Path(destination), wanted)
        if self.probabilities is not None:
            destination = Path(destination)
            written.append(destination.with_name(f"{destination.name}_probabilities.npy"))
            with replacing(written[-1]) as temporary, temporary.open("wb") as file:
                np.save(file, self.probabilities)
        return written

    def fractions(self) -> dict[str, float]:
        """Fraction of the picture that each class covers, largest first; classes that don't occur are left out."""
        counts = np.bincount(self.mask.ravel(), minlength=len(self.labels))
        order = np.argsort(-counts, kind="stable")
        return {self.labels[i]: float(counts[i] / self.mask.size) for i in order if counts[i]}

    def shown(self) -> Image.Image:
        return self.overlay()

    def caption(self) -> str:
        return ", ".join(
            f"{label} {fraction:.0%}" for label, fraction in self.fractions().items() if fraction >= MIN_FRACTION
        )

    def to_dict(self) -> dict[str, Any]:
        """Size and the fraction of each class."""
        return {"size": list(self.mask.shape[::-1]), "fractions": self.fractions()}


@dataclass(frozen=True)
class Segmenter:
    """Segments pictures by an engine that gives logits ``(B, classes, H, W)``.

    Args:
        engine: computes the network.
        labels: names of the classes.
        palette: one RGB colour (0..255) per class.
        stride: pixels after which the network's grid repeats itself: tiles that start at its multiples have the grid of
            the whole picture.
    """

    engine: Engine
    labels: Annotated[tuple[Label, ...], Longest(256)]  # a mask holds their ids in 8 bits
    palette: tuple[tuple[Byte, Byte, Byte], ...]
    stride: Annotated[int, Interval(ge=1, le=1024)] = STRIDE

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.palette):
            raise ZooError(f"there are {len(self.labels)} labels, but {len(self.palette)} colours")

    def shapes(self, batch: int, height: int, width: int) -> Shapes:
        """Shapes of the engine's input and output."""
        return (batch, 3, height, width), (batch, len(self.labels), height, width)

    def predict(
        self,
        picture: Picture | Sequence[Picture],
        *,
        probabilities: bool = False,
        tile: Annotated[int, Interval(ge=2 * STRIDE)] | Literal["auto"] = "auto",
        overlap: Annotated[int, Interval(ge=0)] | None = None,
        batch_size: Count | Literal["auto"] = "auto",
    ) -> Any:
        """Segments a picture of any size: a :class:`Segmentation`, or a list of them for a list or a batch.

        Args:
            picture: path, PIL picture, uint8 array ``(H, W, 3)`` or tensor ``(3, H, W)``; a list of these, or a
                tensor ``(B, 3, H, W)``, gives a list; an iterator of these gives an iterator.
            probabilities: keep the probability of each class in the result
            tile: tile size in pixels; larger pictures are segmented by tiles, so that memory stays bounded; "auto" is
                1024
            overlap: overlap of neighbouring tiles in pixels; each tile decides up to the middle of it. By default 256,
                or a quarter of a smaller tile
            batch_size: number of equally large pictures segmented at a time; "auto" is 1 on a CPU, and up to 32 small
                pictures on a GPU

        Raises:
            ZooError: a picture cannot be read, the tile size is invalid, or the overlap leaves too little of a tile.
        """
        tile = 1024 if tile == "auto" else tile
        least = 2 * self.stride
        check_count("tile", tile, f'must be a number of pixels from {least} on or "auto"', least=least)
        overlap = min(256, tile // 4) if overlap is None else overlap
        wanted = f"of tiles of {tile} pixels must be 0 to {tile - self.stride}"
        check_count("overlap", overlap, wanted, least=0, most=tile - self.stride)
        check_count("batch_size", 1 if batch_size == "auto" else batch_size, 'must be 1 or more, or "auto"')
        cut = partial(tiles, tile=tile, halo=overlap // 2, multiple=self.stride)

        def segment(pictures: Iterable[Picture]) -> Iterator[Segmentation]:
            named = ((Path(name_of(each) or "").name, to_floats(each)) for each in pictures)
            for batch in _batches(named, batch_size, self.engine.device):
                yield from self._segment(batch, cut, probabilities)

        return one_or_many(picture, segment)

    def predict_frame(
        self,
        frame: np.ndarray,
        *,
        tile: Annotated[int, Interval(ge=2 * STRIDE)] | Literal["auto"] = "auto",
        overlap: Annotated[int, Interval(ge=0)] | None = None,
    ) -> np.ndarray:
        """Lays the colours of the classes over a frame of a video, ``(H, W, 3)`` uint8; see :meth:`predict`."""
        return np.asarray(self.predict(frame, tile=tile, overlap=overlap).overlay())

    def _segment(
        self, named: list[Named], cut: Callable[..., Iterable[tuple[Window, Window]]], probabilities: bool
    ) -> Iterator[Segmentation]:
        """Segments pictures ``(3, H, W)`` of one size. Memory is bounded by a tile of each, and by the results."""
        names, batch = zip(*named, strict=True)
        height, width = batch[0].shape[1:]
        masks = np.empty((len(batch), height, width), np.uint8)
        maps = np.empty((len(batch), len(self.labels), height, width), np.float16) if probabilities else None
        for seen, kept in cut(height, width):
            (logits,) = self.engine(np.stack([picture[seen] for picture in batch]))
            logits = logits[within(kept, seen)]
            masks[kept] = likeliest(logits)
            if maps is not None:
                maps[kept] = softmax(logits)
        for i, picture in enumerate(batch):
            own = None if maps is None else maps[i]
            yield Segmentation(masks[i], self.labels, self.palette, to_pixels(picture), own, names[i])


def likeliest(logits: np.ndarray) -> np.ndarray:
    """The class with the largest of ``(B, classes, H, W)``: ``(B, H, W)`` uint8. NumPy's argmax takes longer."""
    best, classes = logits[:, 0].copy(), np.zeros(logits[:, 0].shape, np.uint8)
    for number in range(1, logits.shape[1]):
        larger = logits[:, number] > best
        np.maximum(best, logits[:, number], out=best)
        np.maximum(classes, larger * np.uint8(number), out=classes)
    return classes


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of ``(B, classes, H, W)``."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def _batches(pictures: Iterable[Named], size: int | Literal["auto"], device: str) -> Iterator[list[Named]]:
    """Batches of successive pictures of the same size, at most ``size`` pictures each."""
    for (_, height, width), run in groupby(pictures, key=lambda named: named[1].shape):
        most = auto_batch(device, width, height) if size == "auto" else size
        while batch := list(islice(run, most)):
            yield batch
