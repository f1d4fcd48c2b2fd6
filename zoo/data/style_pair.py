"""One content picture and one or more style pictures, as training data."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from lightning.pytorch import LightningDataModule
from PIL import Image
from torch.utils.data import DataLoader

from zoo.base.errors import ZooError
from zoo.data.streets import draw_streets
from zoo.pictures.images import Picture


class StylePair(LightningDataModule):
    """The pictures of neural style. A batch is only the number of an iteration in its epoch.

    Args:
        content: content picture. None: a street scene drawn by the program.
        style: style picture, or several, which are blended. None: a pattern drawn by the program.
        blend: weight of each of several styles, on any scale; None: equal weights.
        preview_every: iterations per epoch; a preview and a checkpoint follow each epoch. With ``max_steps`` an epoch
            has the divisor of ``max_steps`` that is nearest to ``preview_every`` and at least half of it, so that the
            run ends with an epoch. If ``max_steps`` is prime, the whole run is one epoch.
    """

    training_only: ClassVar[frozenset[str]] = frozenset({"preview_every"})
    sizes: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        content: Path | None = None,
        style: Path | list[Path] | None = None,
        blend: list[float] | None = None,
        preview_every: int = 25,
    ) -> None:
        super().__init__()
        if preview_every < 1:
            raise ZooError(f"data.preview_every must be 1 or more, not {preview_every}")
        paths = style if isinstance(style, list) else [style]
        if not paths:
            raise ZooError("data.style needs at least one picture")
        if blend is not None and len(blend) != len(paths):
            raise ZooError(f"data.blend needs a weight for each style, {len(paths)} in all, not {blend}")
        self.content: Picture = (
            Image.fromarray(draw_streets("test", 1, (240, 320))[0][0]) if content is None else content
        )
        self.styles: list[Path | None] = list(paths)
        self.blend, self.preview_every = blend, preview_every

    def train_dataloader(self) -> DataLoader:
        return DataLoader(range(self._epoch()), batch_size=None)  # type: ignore[arg-type]

    def _epoch(self) -> int:
        """The divisor of the number of iterations nearest to ``preview_every``: the last iteration ends an epoch."""
        steps = self.trainer.max_steps if self.trainer else -1
        if steps < 1:
            return self.preview_every
        divisors = [n for n in range(1, steps + 1) if steps % n == 0 and 2 * n >= min(self.preview_every, steps)]
        return min(divisors, key=lambda n: max(n / self.preview_every, self.preview_every / n))

    def val_dataloader(self) -> DataLoader:
        return DataLoader(range(1), batch_size=None)  # type: ignore[arg-type]

    test_dataloader = val_dataloader
