"""Neural style as a training; the picture is its only parameter."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor, nn

from zoo.base.bounds import MOST_ITERATIONS
from zoo.base.errors import ZooError
from zoo.base.files import replace
from zoo.base.memory import gigabytes
from zoo.data.style_pair import StylePair
from zoo.models.neural_style.memory import check_memory
from zoo.models.neural_style.net import NeuralStyle
from zoo.models.neural_style.objective import Objective, Stage, plan
from zoo.models.neural_style.predict import shrink
from zoo.models.neural_style.result import strip_of
from zoo.nn.descent import keep_finite, make_optimizer
from zoo.nn.learning import Learner, PictureLog
from zoo.nn.losses.style_transfer import TOLD
from zoo.nn.vgg import VGGFeatures
from zoo.pictures.images import open_rgb
from zoo.pictures.results import save_png
from zoo.pictures.stylized import as_content, finish
from zoo.pictures.tensors import to_array, to_tensor


class NeuralStyleModule(Learner):
    """Optimises a picture by the steps of :meth:`NeuralStyle.predict`; a step of the trainer is an iteration.

    Logs ``train/loss`` at the size of the stage. After every epoch it logs ``val/loss`` with its terms ``content``,
    ``style``, ``color`` and ``tv``, computed from the clipped picture at its full size. It writes the picture after
    every epoch into ``pictures``, and at the end ``picture.png``, ``strip.png`` and ``loss.csv``. The final picture
    comes from the epoch with the smallest ``val/loss``, while ``predict`` returns the best picture of the last size.

    Arguments down to ``coarse_to_fine`` are described at :class:`NeuralStyle`. The trainer sets the number of
    iterations, by ``max_steps`` or by epochs.

    Args:
        vgg: "timm", or the path of a safetensors file with VGG. None: random weights, which show colours but hardly
            shapes, for a try without any download.
        preserve_color: whether ``picture.png`` has the colours of the content.
    """

    learns_from = StylePair
    one_device = True
    net: NeuralStyle
    features: VGGFeatures
    monitor = ("val/loss", "min")

    def __init__(
        self,
        content_layers: dict[str, float] | None = None,
        style_layers: dict[str, float] | None = None,
        content_weight: float = 0.1,
        style_weight: float = 1.0,
        color_weight: float = 100.0,
        tv_weight: float = 30.0,
        pooling: Literal["average", "max"] = "average",
        depth: Literal[16, 19] = 16,
        start: Literal["content", "noise", "style"] = "content",
        optimizer: Literal["lbfgs", "adam"] = "lbfgs",
        lr: float | None = None,
        stroke: float = 1.0,
        size: int = 512,
        coarse_to_fine: bool = True,
        vgg: str | None = "timm",
        preserve_color: bool = False,
    ) -> None:
        given = locals()
        super().__init__("loss", "content", "style", "color", "tv")
        names = set(signature(NeuralStyle).parameters) & set(given)
        self.arguments: dict[str, Any] = {name: given[name] for name in sorted(names)}
        self.net = NeuralStyle(**self.arguments)
        self.hold(features=self.net.loss_network(vgg))
        self.preserve_color = preserve_color
        self.picture = nn.Parameter(torch.zeros(1, 3, 1, 1))  # until its size is known
        self.previews = PictureLog(1)
        self.stages: list[Stage] = []
        self.losses: list[float] = []

    def setup(self, stage: str) -> None:
        if hasattr(self, "objective"):  # validation after the fit
            return
        pair = self.trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(pair, StylePair):
            raise ZooError(f"neural style learns from zoo.data.StylePair, not {type(pair).__name__}")
        self.source, self.alpha, _ = as_content(pair.content)
        colors = shrink(self.source, self.net.size)
        need = check_memory(self.features, colors.height, colors.width, self.trainer.strategy.root_device)
        if stage == "fit" and self.trainer.is_global_zero:
            print(f"{colors.width}x{colors.height} pixels: about {gigabytes(need)} of memory")  # noqa: T201
        self.objective = Objective(self.net, self.features, to_tensor(colors)[None], pair.styles, pair.blend)
        iterations = self._iterations() if stage == "fit" else 1
        self.arguments["iterations"] = iterations
        self.stages = plan(colors.height, colors.width, iterations, self.net.coarse_to_fine)
        start = self.objective.begin(self.net.start, self.stages[0].size)
        self.picture = nn.Parameter(start.contiguous())

    def _iterations(self) -> int:
        count = self.trainer.estimated_stepping_batches
        if not 0 < count <= MOST_ITERATIONS:
            most = f"{MOST_ITERATIONS:,} at most"
            raise ZooError(
                f"neural style needs the number of iterations, {most}: give --trainer.max_steps 300, for example"
            )
        return int(count)

    def configure_optimizers(self) -> Any:
        return make_optimizer(self.picture, self.net.optimizer, self.net.lr)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if self.global_step and self.global_step == self._stage().first:
            self.picture.data.clamp_(0, 1)
            self.trainer.optimizers[0].state.clear()  # its history belongs to another loss

    def _stage(self) -> Stage:
        return next((stage for stage in self.stages if self.global_step < stage.end), self.stages[-1])

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = self.objective(self.picture, self._stage().size)
        self.log("train/loss", loss, prog_bar=True, batch_size=1)
        self.losses.append(float(loss.detach()))
        return loss

    def on_after_backward(self) -> None:
        keep_finite(self.picture)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log_means(self.objective.terms(self.picture.clamp(0, 1), self.stages[-1].size))
        self.previews(self, self._image)

    def end_epoch(self) -> str:
        return f"Loss at full size: {TOLD.format(**self.found())}"

    def _image(self) -> Image.Image:
        return Image.fromarray(to_array(self.picture[0]))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["losses"] = self.losses[: self.global_step]  # an interrupted step left a loss too many

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        losses = checkpoint.get("losses", ())
        if len(losses) > len(self.losses):  # the best, loaded after the fit, lacks the last losses
            self.losses = list(losses)

    def leave_results(self, run: Path) -> dict[str, Path]:
        """Writes the picture, a strip of the epochs and the losses into the run folder; returns the file to name."""
        picture = self.picture[0].detach().cpu().numpy()
        made = finish(picture, self.source, self.alpha, preserve_color=self.preserve_color)
        save_png(made.picture, run / "picture.png")
        previews = sorted((int(path.stem[6:]) + 1, path) for path in (run / "pictures").glob("epoch_*.png"))
        images = [(f"epoch {number}", open_rgb(path)) for number, path in previews]
        save_png(strip_of([("content", made.content), *images], made.picture), run / "strip.png")
        lines = ["iteration,loss", *(f"{number},{loss:.6g}" for number, loss in enumerate(self.losses, 1))]
        replace(run / "loss.csv", "\n".join(lines) + "\n")
        return {"Picture": run / "picture.png"}
