"""Neural style by optimisation (https://arxiv.org/abs/1508.06576)."""

from __future__ import annotations

from zoo.base.registry import Architecture, lazy

ARCHITECTURE = Architecture(
    net="zoo.models.neural_style.net.NeuralStyle",
    module="zoo.models.neural_style.module.NeuralStyleModule",
    data="zoo.data.style_pair.StylePair",
    predictor="zoo.models.neural_style.predict.Painter",
    evaluate="zoo.models.neural_style.evaluate.evaluate",
    weights=("neural_style",),
    task="style transfer",
    pipeline_tag="image-to-image",
    paper="https://arxiv.org/abs/1508.06576",
    input="RGB 0..1, 32 pixels a side or more",
    inputs=("content",),
)

__getattr__ = lazy(ARCHITECTURE)
