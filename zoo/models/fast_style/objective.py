"""What a network of fast style learns, and what it is measured by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.data.style import read_style
from zoo.nn.losses.style_transfer import StyleTransferLoss
from zoo.nn.vgg import VGGFeatures, WeightsError

CONTENT_LAYERS = {"relu2_2": 1.0}
STYLE_LAYERS = {"relu1_2": 1.0, "relu2_2": 1.0, "relu3_3": 1.0, "relu4_3": 1.0}


def objective(
    style: Path | None = None,
    style_size: int = 256,
    content_layers: Mapping[str, float] | None = None,
    style_layers: Mapping[str, float] | None = None,
    content_weight: float = 0.01,
    style_weight: float = 1.0,
    tv_weight: float = 0.0,
    vgg: str | None = "timm",
    *,
    option: str = "zoo fit takes such a file as --model.",
) -> StyleTransferLoss:
    """The loss of one style, in the words of ``FastStyleModule``.

    Args:
        style: picture; None: a pattern that the program draws.
        style_size: the style's shorter side is brought to this many pixels.
        content_layers: of VGG-16, with their weights; None: the paper's relu2_2.
        style_layers: likewise; None: the paper's relu1_2, relu2_2, relu3_3 and relu4_3.
        content_weight: of the content term.
        style_weight: of the style term.
        tv_weight: of the total variation.
        vgg: "timm", or the path of a safetensors file with VGG-16. None: random weights.
        option: how the message about a file that will not do goes on, before the argument's name.

    Raises:
        ZooError: a style or weights that are not there or will not do.
    """
    content_layers = CONTENT_LAYERS if content_layers is None else content_layers
    style_layers = STYLE_LAYERS if style_layers is None else style_layers
    with _advice(f"{option}vgg FILE.safetensors", WeightsError):
        features = VGGFeatures([*dict.fromkeys([*style_layers, *content_layers])], weights=vgg)
    with _advice(f"{option}style FILE", ZooError):
        picture = read_style(style, style_size)
    return StyleTransferLoss(
        features,
        picture,
        content_layers=content_layers,
        style_layers=style_layers,
        content_weight=content_weight,
        style_weight=style_weight,
        tv_weight=tv_weight,
    )


@contextmanager
def _advice(line: str, kind: type[ZooError]) -> Iterator[None]:
    try:
        yield
    except kind as error:
        raise ZooError(f"{error}\n{line}") from error
