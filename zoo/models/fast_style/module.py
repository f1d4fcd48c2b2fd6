"""The training of fast style: one or many styles, from any pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from zoo.base.errors import ZooError
from zoo.data.crops import PictureCrops
from zoo.data.style import read_style
from zoo.models.fast_style.net import STRIDE, FastStyle
from zoo.nn.learning import Learner, PictureLog
from zoo.nn.losses.grid import grid_loss
from zoo.nn.losses.style_transfer import TOLD, StyleTransferLoss
from zoo.nn.vgg import VGGFeatures
from zoo.pictures.grain import BLUR, SOFTENED
from zoo.pictures.sheets import contact_sheet
from zoo.pictures.tensors import to_array, with_grain

GRID_WINDOWS = (8, 16)  # strides: in smaller windows a stroke looks like a grid
BORDER = 16  # pixels at the border of a picture whose painting depends most on what lies beyond
STYLES, NOISE, SHIFTS = range(PURPOSES := 3)  # what random numbers are for
ROWS = 3  # rows on a sheet of validation pictures
CONTENT_LAYERS = {"relu3_3": 1.0, "relu4_2": 0.5}  # by relu4_2 alone a network loses the shapes
STYLE_LAYERS = {"relu1_1": 1.0, "relu2_1": 1.0, "relu3_1": 1.0, "relu4_1": 1.0, "relu5_1": 1.0}
PATTERN = "pattern"  # name of the style that the program draws
WAY_OUT = "give style pictures to zoo fit by --model.styles '{NAME: FILE}', to zoo evaluate by --styles '{NAME: FILE}'"


class FastStyleModule(Learner):
    """Trains :class:`FastStyle` for some styles by :class:`zoo.nn.losses.style_transfer.StyleTransferLoss`.

    Every picture of a batch is painted in several styles, so that the features of its content are computed once.

    Logs the loss and its terms ``content``, ``style``, ``color`` and ``tv``, in training as ``train/...`` and after
    validation and test as means over the pictures, each in one style after the other. The smallest ``val/loss`` selects
    the best checkpoint.

    Args:
        channels: number of channels of the first layer; see :class:`FastStyle`.
        blocks: number of residual blocks.
        styles: pictures whose styles are learnt, by the names that users will choose them by; None: a pattern that the
            program draws.
        style_size: shorter side of the resized style pictures in pixels; a larger size makes larger strokes.
        style_sizes: sizes of single styles, by their names, instead of ``style_size``.
        styles_per_picture: number of styles in which each picture of a batch is painted.
        trunk_after: fraction of the training during which only the vectors of the styles learn, from 0 to 1: for new
            styles of a trained network (``weights``).
        content_layers: layers of VGG-16, by the paper's names, with their weights in the content term; None: relu3_3
            and half as much of relu4_2.
        style_layers: the same for the style term; None: the first layer of each block.
        content_weight: weight of the content term.
        style_weight: weight of the style term.
        color_weight: weight of the colour term.
        tv_weight: weight of the total variation.
        grid_weight: weight of :func:`zoo.nn.losses.grid.grid_loss`, against patterns that repeat with the stride.
        noise: standard deviation of noise on the training pictures, from 0 to 1: strokes begin from it where a picture
            is flat. Predictions get as much.
        steady_weight: weight of :meth:`unsteadiness`, so that strokes move along with the picture.
        vgg: "timm", or the path of a safetensors file with VGG-16. None: random weights, which show colours and
            roughness but no shapes, for a try without any download.
        style_lr_factor: learning rate of the vectors of the styles, relative to the trunk's: a step changes the vectors
            of its own styles only.
        optimizer: makes the optimiser.
        lr_scheduler: makes the schedule, stepped after every batch.
        log_pictures_every: epochs between two sheets of validation pictures, in TensorBoard and in the run folder.
    """

    learns_from = PictureCrops
    monitor = ("val/loss", "min")  # selects the best checkpoint
    net: FastStyle
    criterion: StyleTransferLoss
    shown: list[list[Tensor]]  # rows of the sheet: content, and a picture of each style

    def __init__(
        self,
        channels: int = 32,
        blocks: int = 5,
        styles: dict[str, Path] | None = None,
        style_size: int = 448,
        style_sizes: dict[str, int] | None = None,
        styles_per_picture: int = 2,
        trunk_after: float = 0.0,
        content_layers: dict[str, float] | None = None,
        style_layers: dict[str, float] | None = None,
        content_weight: float = 1.0,
        style_weight: float = 1.0,
        color_weight: float = 100.0,
        tv_weight: float = 15.0,
        grid_weight: float = 0.0,
        noise: float = 0.0,
        steady_weight: float = 0.0,
        vgg: str | None = "timm",
        style_lr_factor: float = 1.0,
        optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: LRSchedulerCallable | None = None,
        log_pictures_every: int = 1,
    ) -> None:
        super().__init__("content", "style", "color", "tv", "loss")
        self.paintings = paintings = read_styles(styles, style_size, style_sizes or {})
        check_numbers(styles_per_picture, trunk_after, noise, grid_weight, steady_weight, style_lr_factor)
        self.arguments = {"styles": list(paintings), "channels": channels, "blocks": blocks, "grain": noise}
        self.net = FastStyle(list(paintings), channels, blocks, noise).begin(list(paintings.values()))
        self.trunk_after, self.styles_per_picture = trunk_after, min(styles_per_picture, len(paintings))
        self.grid_weight, self.noise, self.steady_weight = grid_weight, noise, steady_weight
        content_layers, style_layers = content_layers or CONTENT_LAYERS, style_layers or STYLE_LAYERS
        criterion = StyleTransferLoss(
            VGGFeatures(list({**style_layers, **content_layers}), weights=vgg, pooling="average", padding="replicate"),
            list(paintings.values()), content_layers=content_layers, style_layers=style_layers,
            content_weight=content_weight, style_weight=style_weight, color_weight=color_weight, tv_weight=tv_weight,
        )  # fmt: skip
        self.hold(criterion=criterion)
        self.style_lr_factor, self.optimizer, self.lr_scheduler = style_lr_factor, optimizer, lr_scheduler
        self.pictures, self.shown, self.steps, self.left_out = PictureLog(log_pictures_every), [], 0, 0

    def forward(self, x: Tensor, mix: Tensor | None = None) -> Tensor:
        return self.net(self.as_weights(x), None if mix is None else self.as_weights(mix)).float()

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        mix = self.drawn_styles(len(batch))
        each = self.styles_per_picture
        targets = {layer: f.repeat_interleave(each, 0) for layer, f in self.criterion.targets(batch).items()}
        contents = batch.repeat_interleave(each, 0)
        given = self.noisy(contents)
        pictures = self(given, mix)
        terms = self.criterion.terms(pictures, targets, mix)
        loss = terms.pop("loss")
        if self.grid_weight:
            terms["grid"] = self.grid_weight * grid_loss(pictures, contents, STRIDE, GRID_WINDOWS)
            loss = loss + terms["grid"]
        if self.steady_weight:
            terms["steady"] = self.steady_weight * self.unsteadiness(given, pictures, mix)
            loss = loss + terms["steady"]
        self.log("train/loss", loss, prog_bar=True)
        self.log_dict({f"train/{name}": term for name, term in terms.items()})
        return loss

    def unsteadiness(self, contents: Tensor, pictures: Tensor, mix: Tensor) -> Tensor:
        """Mean squared difference between paintings and the paintings of the same contents moved by a few pixels.

        They differ where strokes follow the strides of the network instead of the picture. Borders, which also differ
        because of what lies beyond them, are left out.

        Args:
            contents: contents ``(B, 3, H, W)``, with their noise.
            pictures: their paintings, of the same shape.
            mix: weights of the styles ``(B, S)``.
        """
        height, width = (side - STRIDE for side in contents.shape[2:])
        if min(height, width) < 1:  # nothing is left to compare
            return pictures.new_zeros(())
        down, right = torch.randint(STRIDE, (2,), generator=self.generator(SHIFTS)).tolist()
        rows, columns = slice(down, down + height), slice(right, right + width)
        difference = pictures[..., rows, columns] - self(contents[..., rows, columns], mix)
        edge = min(BORDER, (min(height, width) - 1) // 2)
        return difference[..., edge : height - edge, edge : width - edge].square().mean()

    def generator(self, purpose: int) -> torch.Generator:
        """Random numbers that follow from step, rank and purpose, so that a resumed training goes on the same."""
        processes = self.trainer.world_size if self._trainer else 1
        place = self.global_step * processes + self.global_rank
        return torch.Generator().manual_seed(PURPOSES * place + purpose)  # of which torch takes the lower 32 bits

    def noisy(self, pictures: Tensor) -> Tensor:
        """Pictures with noise that is as soft as the grain that predictions get, and new in each step."""
        if not self.noise:
            return pictures
        height, width = (side + 2 * (BLUR - 1) for side in pictures.shape[2:])
        white = torch.randn(*pictures.shape[:2], height, width, generator=self.generator(NOISE))
        soft = F.avg_pool2d(F.avg_pool2d(white, BLUR, 1), BLUR, 1) / SOFTENED
        return (pictures + self.noise * soft.to(pictures)).clamp(0, 1)

    def drawn_styles(self, pictures: int) -> Tensor:
        """Weights ``(pictures * styles_per_picture, S)`` of this step's styles."""
        generator = self.generator(STYLES)
        count = len(self.net.styles)
        orders = [torch.randperm(count, generator=generator)[: self.styles_per_picture] for _ in range(pictures)]
        return F.one_hot(torch.cat(orders), count).float().to(self.device)

    def one_style(self, number: int) -> Tensor:
        """Weights ``(1, S)`` of one style; numbers beyond the last begin again."""
        count = len(self.net.styles)
        return F.one_hot(torch.tensor([number % count]), count).float().to(self.device)

    def validation_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        mix = self.one_style(batch_idx).expand(len(batch), -1)
        given = with_grain(batch, self.noise)
        picture = self(given, mix)
        self.log_means(self.criterion.terms(picture, self.criterion.targets(batch), mix))
        if batch_idx < ROWS:
            painted = [self(given[:1], self.one_style(number))[0] for number in range(len(self.net.styles))]
            self.shown.append([batch[0], *painted])
        return picture

    def end_epoch(self) -> str:
        rows = [[to_array(one) for one in row] for row in self.shown]
        titles = ("content", *self.net.styles)
        self.pictures(self, lambda: contact_sheet(rows, titles, width=self.shown[0][0].shape[-1]))
        self.shown = []
        return f"Loss on {self.split}: {TOLD.format(**self.found())}"

    def make_optimizer(self) -> Optimizer:
        """The vectors of the styles are no matrices, whatever their shape: Muon takes them by its fallback."""
        vectors = self.net.style_parameters()
        optimizer = self.optimizer([{"params": self.trunk()}, {"params": vectors, "use_fallback": True}])
        optimizer.param_groups[-1]["lr"] *= self.style_lr_factor
        return optimizer

    def trunk(self) -> list[nn.Parameter]:
        """The parameters that all styles share."""
        own = {id(vector) for vector in self.net.style_parameters()}
        return [parameter for parameter in self.net.parameters() if id(parameter) not in own]

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Skips steps whose gradient is not finite, and counts them.

        A blank part of a picture has no variance, and every instance norm multiplies its gradient by 300.
        """
        self.steps += 1
        if self.trunk_after and self.global_step < self.trunk_after * self.trainer.estimated_stepping_batches:
            for parameter in self.trunk():
                parameter.grad = None  # rather than no gradient asked for, which DDP does not know of
        parameters = list(self.net.parameters())
        if not get_total_norm(p.grad for p in parameters if p.grad is not None).isfinite():
            self.left_out += 1
            for parameter in parameters:
                parameter.grad = None

    def on_train_end(self) -> None:
        if self.left_out and self.global_rank == 0:  # every process skips the same steps
            print(f"{self.left_out} of {self.steps} steps were skipped: their gradient was not finite")  # noqa: T201


def check_numbers(
    styles_per_picture: int,
    trunk_after: float,
    noise: float,
    grid_weight: float,
    steady_weight: float,
    style_lr_factor: float,
) -> None:
    """Refuses arguments that are out of their range.

    Raises:
        ZooError: the argument, its range and its value.
    """
    if styles_per_picture < 1:
        raise ZooError(f"model.styles_per_picture must be 1 or more, not {styles_per_picture}")
    for name, value in {"trunk_after": trunk_after, "noise": noise}.items():
        if not 0 <= value <= 1:
            raise ZooError(f"model.{name} must be from 0 to 1, not {value}")
    weights = {"grid_weight": grid_weight, "steady_weight": steady_weight, "style_lr_factor": style_lr_factor}
    for name, value in weights.items():
        if not 0 <= value < float("inf"):
            raise ZooError(f"model.{name} must be 0 or more, not {value}")


def read_styles(styles: Mapping[str, Path] | None, size: int, sizes: Mapping[str, int]) -> dict[str, Tensor]:
    """Style pictures by their names, each ``(1, 3, H, W)`` with its size as the shorter side.

    Raises:
        ZooError: a picture cannot be read or is too small, or a size belongs to no style.
    """
    files = {PATTERN: None} if not styles else dict(styles)
    if unknown := sorted(sizes.keys() - files.keys()):
        raise ZooError(f"model.style_sizes: there is no style {unknown[0]!r}; the styles are {', '.join(files)}")
    try:
        return {name: read_style(file, sizes.get(name, size)) for name, file in files.items()}
    except ZooError as error:
        raise ZooError(f"{error}\n{WAY_OUT}") from error
