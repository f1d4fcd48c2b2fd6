"""Prints how much faster neural style is than a straightforward implementation, in the same run.

python tests/benchmarks/neural_style_speed.py CONTENT STYLE [--vgg FILE] [--size 512] [--iterations 60]

The straightforward one, as PyTorch's tutorial has it: VGG as an nn.Sequential up to the last layer that is needed, with
modules that compute the losses in it, float32, channels first, torch.optim.LBFGS. Same picture, layers and loss. Prints
iterations per second of both at one size (blocks of them in turn, so that both see the same machine), and then the
loss at the full size, in float32, of what both make of as many seconds, the zoo from coarse to fine as by default.

--scales instead: coarse to fine beside one size, as many iterations each: seconds and loss.
--precision instead: bfloat16 beside float32: seconds, losses, and PSNR of the results, beside the PSNR of two float32
results of which one starts from a picture that differs by 1e-4 of the range at most: so much tells nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import torch
from PIL import Image
from torch import Tensor, nn

from zoo.data.style import read_style
from zoo.models.neural_style.net import NeuralStyle
from zoo.models.neural_style.objective import Objective, plan
from zoo.models.neural_style.predict import optimize, shrink
from zoo.nn.losses.perceptual import total_variation
from zoo.nn.losses.style_transfer import EPSILON, StyleTransferLoss
from zoo.nn.vgg import IMAGENET_MEAN, IMAGENET_STD, VGGFeatures
from zoo.pictures.images import open_rgb
from zoo.pictures.tensors import to_tensor

BLOCK = 3  # iterations of one before it is the other's turn


def gram(features: Tensor) -> Tensor:
    batch, channels, height, width = features.shape
    flat = features.view(batch * channels, height * width)
    return torch.mm(flat, flat.t()) / (channels * height * width)


class Normalization(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mean = torch.tensor(IMAGENET_MEAN).view(-1, 1, 1)
        self.std = torch.tensor(IMAGENET_STD).view(-1, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class ContentLoss(nn.Module):
    def __init__(self, target: Tensor) -> None:
        super().__init__()
        self.target = target.detach()

    def forward(self, x: Tensor) -> Tensor:
        self.loss = nn.functional.mse_loss(x, self.target) / self.target.square().mean()
        return x


class StyleLoss(nn.Module):
    def __init__(self, target: Tensor) -> None:
        super().__init__()
        self.target = gram(target).detach()

    def forward(self, x: Tensor) -> Tensor:
        self.loss = ((gram(x) - self.target).square().sum() / self.target.square().sum() + EPSILON).sqrt()
        return x


class NoFeatures(nn.Module):
    def forward(self, x: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        return {}


class Straightforward:
    """PyTorch's tutorial with the zoo's settings."""

    def __init__(self, net: NeuralStyle, features: VGGFeatures, content: Tensor, style: Tensor) -> None:
        self.net, self.layers = net, nn.Sequential(Normalization())
        self.contents: list[tuple[float, ContentLoss]] = []
        self.styles: list[tuple[float, StyleLoss]] = []
        self.picture = content.clone(memory_format=torch.contiguous_format).requires_grad_()
        self.colors = StyleTransferLoss(
            NoFeatures(), [style], content_layers={}, style_layers={}, content_weight=0.0, color_weight=1.0
        )  # for its colour term alone; without layers it asks for no features
        content, style = self.layers(content), self.layers(style)
        for name in features.computed:
            self.layers.append(_layer(name, features))
            content, style = self.layers[-1](content), self.layers[-1](style)
            if name in net.content_layers:
                self.contents.append((net.content_layers[name], ContentLoss(content)))
                self.layers.append(self.contents[-1][1])
            if name in net.style_layers:
                self.styles.append((net.style_layers[name], StyleLoss(style)))
                self.layers.append(self.styles[-1][1])

    def color(self) -> Tensor:
        return (self.colors.sorted_colors(self.picture) - self.colors.colors).square().mean()

    def run(self) -> Iterator[float]:
        """Yields the loss after each evaluation; the tutorial's weight of 1e6 is here the number of values."""
        losses: list[float] = []

        def closure() -> Tensor:
            with torch.no_grad():
                self.picture.clamp_(0, 1)
            optimizer.zero_grad()
            self.layers(self.picture)
            loss = (
                self.net.content_weight * sum(weight * layer.loss for weight, layer in self.contents)
                + self.net.style_weight * sum(weight * layer.loss for weight, layer in self.styles)
                + self.net.color_weight * self.color()
                + self.net.tv_weight * total_variation(self.picture)
            )
            (loss * self.picture.numel()).backward()
            losses.append(float(loss.detach()))
            return loss * self.picture.numel()

        optimizer = torch.optim.LBFGS([self.picture], max_iter=1)
        while True:
            optimizer.step(closure)
            yield losses[-1]


def _layer(name: str, features: VGGFeatures) -> nn.Module:
    if name.startswith("relu"):
        return nn.ReLU(inplace=False)
    if name.startswith("pool"):
        return nn.AvgPool2d(2) if features.pooling == "average" else nn.MaxPool2d(2)
    weight = getattr(features, f"{name}_weight").contiguous()
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, padding_mode="replicate")
    conv.weight.data, conv.bias.data = weight, getattr(features, f"{name}_bias")
    return conv.requires_grad_(False)


def seconds(step: Callable[[], object], count: int = BLOCK) -> float:
    start = time.perf_counter()
    for _ in range(count):
        step()
    return time.perf_counter() - start


def compare(net: NeuralStyle, features: VGGFeatures, content: Tensor, style: Image.Image, iterations: int) -> None:
    one_size = NeuralStyle(**{**vars_of(net), "coarse_to_fine": False})
    objective = Objective(one_size, features, content, [style])
    size = (content.shape[2], content.shape[3])
    plain = Straightforward(net, features, content, read_style(style, min(size)))
    straight, own = plain.run(), optimize(objective, 10**6, "content", 0)
    for each in (straight, own):
        next(each)
    spent = {"straightforward": 0.0, "zoo": 0.0}
    blocks = max(1, iterations // BLOCK)
    for _ in range(blocks):
        spent["straightforward"] += seconds(lambda: next(straight))
        spent["zoo"] += seconds(lambda: next(own))
    for name, took in spent.items():
        print(f"{name:16} {blocks * BLOCK / took:6.3f} iterations/s at {size[1]}x{size[0]}")
    print(f"ratio            {spent['straightforward'] / spent['zoo']:6.2f}")
    stages = plan(*size, 300, net.coarse_to_fine)
    fraction = sum((s.end - s.first) / 300 * s.size[0] * s.size[1] / (size[0] * size[1]) for s in stages)
    planned = max(3, int(spent["straightforward"] / (spent["zoo"] / (blocks * BLOCK) * fraction)))
    start = time.perf_counter()
    *_, last = optimize(Objective(net, features, content, [style]), planned, "content", 0)
    took = time.perf_counter() - start
    with torch.no_grad():
        losses = [float(objective(x, size)) for x in (plain.picture.clamp(0, 1), last.picture)]
    print(
        f"straightforward  loss {losses[0]:.4f} after {spent['straightforward']:.0f} s, {1 + blocks * BLOCK} iterations"
    )
    print(f"zoo              loss {losses[1]:.4f} after {took:.0f} s, {planned} iterations, coarse to fine")


def one_run(objective: Objective, iterations: int, bfloat16: bool | None = None) -> tuple[float, float, Tensor]:
    """Seconds, loss at the full size in float32, and the picture."""
    start = time.perf_counter()
    *_, last = optimize(objective, iterations, "content", 0, bfloat16)
    took = time.perf_counter() - start
    with torch.no_grad():
        return took, float(objective(last.picture, objective.content.shape[2:])), last.picture


def scales(net: NeuralStyle, features: VGGFeatures, content: Tensor, style: Image.Image, iterations: int) -> None:
    for name, several in (("coarse to fine", True), ("one size", False)):
        settings = NeuralStyle(**{**vars_of(net), "coarse_to_fine": several})
        took, loss, _ = one_run(Objective(settings, features, content, [style]), iterations)
        print(f"{name:16} {iterations} iterations: {took:6.1f} s, loss {loss:.4f}")


def precision(net: NeuralStyle, features: VGGFeatures, content: Tensor, style: Image.Image, iterations: int) -> None:
    moved = (content + 1e-4 * (2 * torch.rand(content.shape) - 1)).clamp(0, 1)
    pictures = []
    for name, start, bfloat16 in (("float32", content, False), ("bfloat16", content, True), ("moved", moved, False)):
        took, loss, picture = one_run(Objective(net, features, start, [style]), iterations, bfloat16)
        pictures.append(picture)
        print(f"{name:16} {iterations} iterations: {took:6.1f} s, loss {loss:.4f}")
    for name, picture in zip(("bfloat16", "moved"), pictures[1:], strict=True):
        print(f"PSNR of {name} to float32: {-10 * (picture - pictures[0]).square().mean().log10():.1f} dB")


def vars_of(net: NeuralStyle) -> dict[str, object]:
    weights = ("content_weight", "style_weight", "color_weight", "tv_weight")
    return {name: getattr(net, name) for name in ("content_layers", "style_layers", *weights, "pooling", "depth")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("--vgg", default="timm")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scales", action="store_true")
    parser.add_argument("--precision", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    net = NeuralStyle()
    features = net.loss_network(options.vgg)
    picture = open_rgb(options.content)
    longer = options.size / max(picture.size)
    picture = picture.resize([round(side * max(1, longer)) for side in picture.size])  # a smaller one is enlarged
    content = to_tensor(shrink(picture, options.size))[None]
    chosen = scales if options.scales else precision if options.precision else compare
    chosen(net, features, content, open_rgb(options.style), options.iterations)


if __name__ == "__main__":
    main()
