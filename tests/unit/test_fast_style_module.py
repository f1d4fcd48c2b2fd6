"""The training of fast style in many styles at once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import timm.optim
import torch
from PIL import Image
from skimage import data
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.commands import main
from zoo.data.style import draw_pattern, read_style
from zoo.models.fast_style.module import SHIFTS, FastStyleModule
from zoo.pictures.tensors import with_grain

LAYERS = {"style_layers": {"relu1_1": 1.0, "relu2_1": 1.0}, "content_layers": {"relu2_1": 1.0}}
NAMES = ("cat", "coffee", "pattern")

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")  # there is no trainer here


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("styles")
    pictures = data.chelsea()[:200, :250], data.coffee()[100:300, 200:500], draw_pattern(96, 128)
    for name, picture in zip(NAMES, pictures, strict=True):
        Image.fromarray(picture).save(folder / f"{name}.png")
    return {name: folder / f"{name}.png" for name in NAMES}


def made(styles: dict[str, Path] | None, **changed: Any) -> FastStyleModule:
    torch.manual_seed(0)
    return FastStyleModule(channels=4, blocks=1, vgg=None, styles=styles, **{"style_size": 48, **LAYERS, **changed})


def at(module: FastStyleModule, step: int, rank: int = 0, processes: int = 1) -> FastStyleModule:
    """The module, at a step of a training."""
    module._trainer = SimpleNamespace(global_step=step, global_rank=rank, world_size=processes)
    return module


def batch(count: int = 4) -> Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


# Which styles


@pytest.mark.parametrize("each", [1, 2, 3])
def test_a_step_paints_each_picture_in_different_styles(files: dict[str, Path], each: int):
    module = made(files, styles_per_picture=each)
    painted, terms = [], module.criterion.terms
    module.net.register_forward_hook(lambda net, given, result: painted.append(given))
    module.criterion.terms = lambda picture, targets, mix: (
        painted.append((picture, targets, mix)) or terms(picture, targets, mix)
    )
    module.train().training_step(batch(), 0)
    (x, mix), (picture, targets, judged) = painted
    assert len(x) == len(picture) == 4 * each
    assert torch.equal(mix, judged)
    assert torch.equal(mix.sum(1), torch.ones(4 * each))
    for number, (contents, weights) in enumerate(zip(x.split(each), mix.split(each), strict=True)):
        assert torch.equal(contents, batch()[[number]].expand(each, -1, -1, -1))
        assert len({int(one.argmax()) for one in weights}) == each
    own = module.criterion.targets(batch().repeat_interleave(each, 0))["relu2_1"]
    torch.testing.assert_close(targets["relu2_1"], own)


def test_more_styles_per_picture_than_there_are(files: dict[str, Path]):
    assert made(files, styles_per_picture=9).styles_per_picture == 3
    assert made(None).styles_per_picture == 1


def test_styles_follow_from_step_and_process(files: dict[str, Path]):
    """So that a resumed training goes on with the same, and no two processes paint alike."""
    module = made(files, styles_per_picture=2)
    steps = [at(module, step).drawn_styles(8) for step in range(40)]
    assert all(torch.equal(at(module, step).drawn_styles(8), steps[step]) for step in (0, 7, 39))
    assert len({tuple(step.argmax(1).tolist()) for step in steps}) > 30
    assert not torch.equal(at(module, 3, 0, 2).drawn_styles(8), at(module, 3, 1, 2).drawn_styles(8))
    counts = Counter(torch.cat(steps).argmax(1).tolist())
    assert all(150 < counts[style] < 280 for style in range(3))  # of 640, about alike


def test_noise_follows_from_step_and_process(files: dict[str, Path]):
    module, x = made(files, noise=0.1), batch()
    x = x / 2 + 0.25  # black and white do not change
    noisy = at(module, 5).noisy(x)
    assert float((noisy - x).std()) == pytest.approx(0.1, rel=0.1)
    assert torch.equal(noisy, at(module, 5).noisy(x))
    assert not torch.equal(noisy, at(module, 6).noisy(x))
    assert not torch.equal(at(module, 3, 0, 2).noisy(x), at(module, 3, 1, 2).noisy(x))
    assert torch.equal(at(made(files), 5).noisy(x), x)


def test_each_style_is_moved_by_each_shift(files: dict[str, Path]):
    """Random numbers for one purpose say nothing of those for another."""
    module, seen = made(files, styles_per_picture=1), Counter()
    for step in range(400):
        style = int(at(module, step).drawn_styles(1).argmax())
        seen[style, int(torch.randint(4, (1,), generator=module.generator(SHIFTS)))] += 1
    assert len(seen) == 12
    assert min(seen.values()) > 15


def test_the_loss_sees_the_picture_without_noise(files: dict[str, Path]):
    module = at(made(files, noise=0.1), 5)
    seen, targets = [], module.criterion.targets
    module.net.register_forward_hook(lambda net, given, result: seen.append(given[0]))
    module.criterion.targets = lambda content: seen.append(content) or targets(content)
    module.log = module.log_dict = lambda *values, **options: None
    module.train().training_step(batch(), 0)
    contents, given = seen
    assert torch.equal(contents, batch())
    assert torch.equal(given, module.noisy(batch().repeat_interleave(2, 0)))


def test_a_grid_costs(files: dict[str, Path]):
    """A pattern that repeats with the stride, as an upsampling network can draw."""
    logged: dict[str, Tensor] = {}
    losses = []
    for weight in (0.0, 5.0):
        module = at(made(files, grid_weight=weight), 5)
        grid = torch.zeros(1, 3, 32, 32)
        grid[:, :, ::4, ::4] = 0.3
        module.net.register_forward_hook(lambda net, given, result, grid=grid: result + grid)
        module.log, module.log_dict = (lambda *values, **options: None), logged.update
        losses.append(float(module.train().training_step(batch(), 0)))
    assert losses[1] - losses[0] == pytest.approx(float(logged["train/grid"]), rel=1e-3)
    variance = 0.3**2 / 16 * 15 / 16  # of one pixel in 16; only the window of 8 strides fits into 32 pixels
    assert losses[1] - losses[0] > 0.9 * 5 * variance


def test_strokes_that_follow_the_strides_cost(files: dict[str, Path]):
    """The painting of a moved picture is to be the moved painting, as it is where only the pixel itself counts."""
    module, x, mix = at(made(files, steady_weight=3.0), 5), batch(2), torch.eye(3)[:2]
    module.net.forward = lambda x, mix=None: 1 - x
    assert float(module.unsteadiness(x, module(x, mix), mix)) == 0

    def with_strides(x: Tensor, mix: Tensor | None = None) -> Tensor:
        grid = torch.zeros_like(x)
        grid[..., ::4] = 0.4
        return x + grid

    module.net.forward = with_strides
    costs = [float(at(module, step).unsteadiness(x, with_strides(x), mix)) for step in range(20)]
    assert costs == pytest.approx([cost if cost < 0.01 else 2 * 0.4**2 / 4 for cost in costs], rel=0.1)
    assert 1 <= sum(cost < 0.01 for cost in costs) <= 12  # moved by 0 columns


def test_the_cost_of_strokes_that_do_not_move_along_is_part_of_the_loss(files: dict[str, Path]):
    logged: dict[str, Tensor] = {}
    losses = []
    for weight in (0.0, 1e4):
        module = at(made(files, steady_weight=weight, noise=0.1), 5)
        module.log, module.log_dict = (lambda *values, **options: None), logged.update
        losses.append(module.train().training_step(batch(), 0).item())
    assert losses[1] - losses[0] == pytest.approx(float(logged["train/steady"].detach()), rel=1e-3)
    assert logged["train/steady"] > 0


@pytest.mark.parametrize("side", [1, 4, 5, 12, 13, 20, 64])
def test_small_crops_are_compared_as_well(files: dict[str, Path], side: int):
    module, x, mix = at(made(files, steady_weight=3.0), 6), torch.rand(1, 3, side, side), torch.eye(3)[:1]
    assert torch.isfinite(module.unsteadiness(x, module(x, mix), mix))


def test_validation_sees_what_predictions_see(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch):
    """The grain that every picture gets, as strong as the noise in training."""
    module, given = made(files, noise=0.1), []
    assert module.net.grain == module.arguments["grain"] == 0.1
    module.log_means = lambda values: None
    module.net.register_forward_hook(lambda net, inputs, result: given.append(inputs[0]))
    module.validation_step(x := batch(1), 0)
    assert torch.equal(given[0], with_grain(x, 0.1))
    assert float((given[0] - x).std()) > 0.05


def test_random_numbers_of_the_training_stay_alone(files: dict[str, Path]):
    module = at(made(files, noise=0.1), 5)
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    module.drawn_styles(4)
    module.noisy(batch())
    module.unsteadiness(batch(), batch(), torch.eye(3)[[0, 1, 2, 0]])
    assert torch.equal(state, torch.random.get_rng_state())


def test_validation_takes_one_style_after_the_other(files: dict[str, Path]):
    module, seen = made(files).eval(), []
    module.log_means = seen.append
    picked = [module.one_style(number).argmax().item() for number in range(5)]
    assert picked == [0, 1, 2, 0, 1]
    with torch.no_grad():
        for number in range(4):
            module.validation_step(batch(2), number)
    assert set(seen[0]) == {"loss", "content", "style", "color", "tv"}
    assert len({float(terms["style"]) for terms in seen[:3]}) == 3
    assert float(seen[3]["style"]) == float(seen[0]["style"])
    assert [len(row) for row in module.shown] == [1 + 3] * 3  # content and each style, of three batches
    first = module.shown[0]
    assert torch.equal(first[0], batch(2)[0])
    assert all(torch.equal(first[1 + n], module(batch(1), module.one_style(n))[0]) for n in range(3))


def test_targets_are_in_the_order_of_the_styles(files: dict[str, Path]):
    module = made(files)
    assert module.net.styles == tuple(module.paintings) == NAMES
    assert module.arguments["styles"] == list(NAMES)
    for number, painting in enumerate(module.paintings.values()):
        targets = module.criterion.targets(painting)
        losses = [float(module.criterion.terms(painting, targets, module.one_style(n))["style"]) for n in range(3)]
        assert losses.index(min(losses)) == number
        assert losses[number] < 0.01


# Style pictures


def test_each_style_has_its_own_size(files: dict[str, Path]):
    module = made(files, style_size=40, style_sizes={"coffee": 64})
    assert [min(painting.shape[2:]) for painting in module.paintings.values()] == [40, 64, 40]
    assert torch.equal(module.paintings["coffee"], read_style(files["coffee"], 64))
    with pytest.raises(ZooError, match=r"^model\.style_sizes: there is no style 'tea'; the styles are cat, coffee"):
        made(files, style_sizes={"tea": 64})


@pytest.mark.parametrize("styles", [None, {}])
def test_without_pictures_the_style_is_the_pattern(styles: dict[str, Path] | None):
    module = made(styles)
    assert module.net.styles == ("pattern",)
    assert torch.equal(module.paintings["pattern"], read_style(None, 48))


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (Image.new("RGB", (1, 1)), "1x1 pixels show no style"),
        (Image.new("RGB", (20_000, 40)), "20000x40 pixels; a style is at most 8 times as long as wide"),
    ],
    ids=["one pixel", "20,000 pixels long"],
)
def test_pictures_that_show_no_style(files: dict[str, Path], tmp_path: Path, picture: Image.Image, message: str):
    picture.save(tmp_path / "odd.png")
    with pytest.raises(ZooError, match=rf"odd\.png: {message}.*\n.*--model\.styles"):
        made({**files, "odd": tmp_path / "odd.png"})


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "I;16"])
def test_grey_and_transparent_styles_are_learnt(tmp_path: Path, mode: str):
    picture = Image.fromarray(data.chelsea()[:100, :120]).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture).astype(np.uint16) * 257)
    if mode.endswith("A"):
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    picture.save(tmp_path / "odd.png")
    module = made({"odd": tmp_path / "odd.png"})
    loss = module.train().training_step(batch(2), 0)
    loss.backward()
    assert loss.isfinite()
    assert all(parameter.grad.isfinite().all() for parameter in module.net.parameters())


def test_names_are_checked(files: dict[str, Path]):
    with pytest.raises(ZooError, match="a style's name has up to 40 letters"):
        made({"the cat": files["cat"]})


# The optimiser


def test_vectors_of_styles_are_a_group_of_their_own(files: dict[str, Path]):
    module = made(files, optimizer=lambda groups: torch.optim.SGD(groups, lr=0.1))
    trunk, vectors = module.make_optimizer().param_groups
    assert "use_fallback" not in trunk
    assert vectors["use_fallback"] is True
    assert {id(p) for p in vectors["params"]} == {id(p) for p in module.net.style_parameters()}
    every = [id(p) for group in (trunk, vectors) for p in group["params"]]
    assert sorted(every) == sorted(id(p) for p in module.net.parameters())


def test_vectors_have_a_learning_rate_of_their_own(files: dict[str, Path]):
    module = made(files, optimizer=lambda groups: torch.optim.SGD(groups, lr=0.1), style_lr_factor=4.0)
    assert [group["lr"] for group in module.make_optimizer().param_groups] == [0.1, 0.4]


def test_muon_does_not_take_vectors_for_a_matrix(files: dict[str, Path]):
    """It would make the steps of all styles orthogonal, and so let styles without a picture move."""
    module = made(files, optimizer=lambda groups: timm.optim.Muon(groups, lr=0.1, weight_decay=0.0))
    optimizer = module.make_optimizer()
    vector = module.net.style_parameters()[0]
    before = vector.detach().clone()
    for parameter in module.net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    vector.grad[0] = torch.tensor([1.0, 0.1, -1.0, 0.0])
    optimizer.step()
    change = (vector.detach() - before)[0]
    assert change[0] == pytest.approx(-0.1, rel=0.01)  # the step of Adam: the rate, whatever the gradient's size
    assert change[1] == pytest.approx(-0.1, rel=0.01)
    assert change[2] == pytest.approx(0.1, rel=0.01)
    assert torch.equal(vector.detach()[1:], before[1:])


def test_a_step_changes_the_vectors_of_the_painted_styles_only(files: dict[str, Path]):
    module = made(files, styles_per_picture=1, optimizer=lambda groups: torch.optim.SGD(groups, lr=0.1))
    torch.nn.init.normal_(module.net.layers[-1].weight)  # at first it is 0, and so are the gradients before it
    module.train().training_step(batch(1), 0).backward()
    (painted,) = module.drawn_styles(1).argmax(1).tolist()
    for parameter in module.net.style_parameters():
        assert [bool(row.any()) for row in parameter.grad] == [number == painted for number in range(3)]


@pytest.mark.parametrize(("step", "learns"), [(0, False), (5, False), (6, True), (9, True)])
def test_the_trunk_learns_after_a_part_of_the_steps(files: dict[str, Path], step: int, learns: bool):
    module = made(files, trunk_after=0.6)
    for parameter in module.net.parameters():
        parameter.grad = torch.ones_like(parameter)
    at(module, step)._trainer.estimated_stepping_batches = 10
    module.on_before_optimizer_step(None)
    assert all(parameter.grad is not None for parameter in module.net.style_parameters())
    assert {parameter.grad is not None for parameter in module.trunk()} == {learns}
    assert len(module.trunk()) + len(module.net.style_parameters()) == len(list(module.net.parameters()))


@pytest.mark.parametrize("part", [-0.1, 1.1, float("nan")])
def test_parts_that_are_none(part: float):
    with pytest.raises(ZooError, match=r"^model\.trunk_after must be from 0 to 1, not "):
        made(None, trunk_after=part)


# A run


def test_a_resumed_run_leaves_the_weights_of_the_whole_run(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
):
    monkeypatch.chdir(tmp_path)
    styles = ", ".join(f"{name}: {path}" for name, path in files.items())
    arguments = ["--recipe", "fast_style_streets", f"--model.styles={{{styles}}}", "--model.style_size=32"]
    arguments += ["--data.crops_per_epoch=4", "--data.crop=32", "--data.size=40", "--data.batch_size=2"]
    arguments += ["--data.num_workers=0", "--trainer.max_epochs=2", "--trainer.accelerator=cpu"]
    arguments += ["--trainer.check_val_every_n_epoch=1", "--trainer.limit_val_batches=1", "--trainer.precision=32-true"]
    assert main.main(["fit", *arguments, "--trainer.logger.name=whole"]) == 0
    step = FastStyleModule.training_step

    def stop(self: FastStyleModule, *given: Any) -> Tensor:
        if self.global_step == 2:
            raise KeyboardInterrupt
        return step(self, *given)

    monkeypatch.setattr(FastStyleModule, "training_step", stop)
    assert main.main(["fit", *arguments, "--trainer.logger.name=cut"]) == 130
    monkeypatch.setattr(FastStyleModule, "training_step", step)
    assert main.main(["fit", "--resume", "runs/cut/version_0"]) == 0
    one, other = (
        (tmp_path / "runs" / name / "version_0/model/model.safetensors").read_bytes() for name in ("whole", "cut")
    )
    assert one == other
    sheet = Image.open(next((tmp_path / "runs/whole/version_0/pictures").glob("*.png")))
    assert sheet.width > 4 * 32  # the content and three styles
