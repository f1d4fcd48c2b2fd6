"""The training of fast style: one style, from any pictures."""

from __future__ import annotations

from pathlib import Path

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from zoo.base.errors import ZooError
from zoo.data.crops import PictureCrops
from zoo.data.style import read_style
from zoo.models.fast_style.net import FastStyle
from zoo.nn.learning import Learner, PictureLog
from zoo.nn.losses.style_transfer import TOLD, StyleTransferLoss
from zoo.nn.vgg import VGGFeatures
from zoo.pictures.sheets import contact_sheet
from zoo.pictures.tensors import to_array

ROWS = 4  # rows on a sheet of validation pictures
CONTENT_LAYERS = {"relu2_2": 1.0}
STYLE_LAYERS = {"relu1_2": 1.0, "relu2_2": 1.0, "relu3_3": 1.0, "relu4_3": 1.0}
WAY_OUT = "give a style picture to zoo fit by --model.style FILE, to zoo evaluate by --style FILE"


class FastStyleModule(Learner):
    """Trains :class:`FastStyle` for one style by :class:`zoo.nn.losses.style_transfer.StyleTransferLoss`.

    Logs the loss and its terms ``content``, ``style`` and ``tv``, in training as ``train/...`` and after validation and
    test as means over the pictures. The smallest ``val/loss`` selects the best checkpoint.

    Args:
        channels: number of channels of the first layer; see :class:`FastStyle`.
        blocks: number of residual blocks.
        style: picture whose style is learnt; None: a pattern that the program draws.
        style_size: shorter side of the resized style picture in pixels; a larger size makes larger strokes.
        content_layers: layers of VGG-16, by the paper's names, with their weights in the content term; None: relu2_2.
        style_layers: the same for the style term; None: the paper's relu1_2, relu2_2, relu3_3 and relu4_3.
        content_weight: weight of the content term.
        style_weight: weight of the style term.
        tv_weight: weight of the total variation.
        vgg: "timm", or the path of a safetensors file with VGG-16. None: random weights, which show colours and
            roughness but no shapes, for a try without any download.
        optimizer: makes the optimiser.
        lr_scheduler: makes the schedule, stepped after every batch.
        log_pictures_every: epochs between two sheets of validation pictures, in TensorBoard and in the run folder.
    """

    learns_from = PictureCrops

    def __init__(
        self,
        channels: int = 24,
        blocks: int = 5,
        style: Path | None = None,
        style_size: int = 256,
        content_layers: dict[str, float] | None = None,
        style_layers: dict[str, float] | None = None,
        content_weight: float = 0.01,
        style_weight: float = 1.0,
        tv_weight: float = 0.0,
        vgg: str | None = "timm",
        optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: LRSchedulerCallable | None = None,
        log_pictures_every: int = 1,
    ) -> None:
        super().__init__("content", "style", "tv", "loss")
        self.arguments = {"channels": channels, "blocks": blocks}
        self.net = FastStyle(channels, blocks)
        content_layers = CONTENT_LAYERS if content_layers is None else content_layers
        style_layers = STYLE_LAYERS if style_layers is None else style_layers
        features = VGGFeatures(list({**style_layers, **content_layers}), weights=vgg)
        try:
            self.style = read_style(style, style_size)
        except ZooError as error:
            raise ZooError(f"{error}\n{WAY_OUT}") from error
        self.criterion = StyleTransferLoss(
            features, self.style, content_layers=content_layers, style_layers=style_layers,
            content_weight=content_weight, style_weight=style_weight, tv_weight=tv_weight,
        )  # fmt: skip
        self.monitor = ("val/loss", "min")
        self.optimizer, self.lr_scheduler = optimizer, lr_scheduler
        self.pictures = PictureLog(log_pictures_every)
        self.shown: list[tuple[Tensor, Tensor]] = []
        self.steps = self.left_out = 0

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        terms = self.criterion.terms(self(batch), self.criterion.targets(batch))
        loss = terms.pop("loss")
        self.log("train/loss", loss, prog_bar=True)
        self.log_dict({f"train/{name}": term for name, term in terms.items()})
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        picture = self(batch)
        self.log_means(self.criterion.terms(picture, self.criterion.targets(batch)))
        if batch_idx < ROWS:
            self.shown.append((batch[0], picture[0]))
        return picture

    def end_epoch(self) -> str:
        rows = [[to_array(one) for one in pair] for pair in self.shown]
        self.pictures(self, lambda: contact_sheet(rows, ("content", "result"), width=self.shown[0][0].shape[-1]))
        self.shown = []
        return f"Loss on {self.split}: {TOLD.format(**self.found())}"

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Skips steps whose gradient is not finite, and counts them.

        A blank part of a picture has no variance, and every instance norm multiplies its gradient by 300.
        """
        self.steps += 1
        parameters = list(self.net.parameters())
        if not get_total_norm(p.grad for p in parameters if p.grad is not None).isfinite():
            self.left_out += 1
            for parameter in parameters:
                parameter.grad = None

    def on_train_end(self) -> None:
        if self.left_out:
            print(f"{self.left_out} of {self.steps} steps were skipped: their gradient was not finite")  # noqa: T201
