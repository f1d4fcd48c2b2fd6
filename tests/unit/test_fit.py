"""``zoo fit``, ``validate`` and ``test``, on street scenes of 64x64 pixels."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from zoo import load
from zoo.base.registry import card_names
from zoo.commands import main
from zoo.data.labels import CAMVID
from zoo.training.checkpoints import WholeCheckpointIO

RECIPE = """\
seed_everything: 1
model:
  class_path: zoo.models.linknet.module.LinkNetModule
  init_args:
    encoder: test_resnet
    encoder_weights: null
    lr_scheduler:
      class_path: zoo.nn.schedule.WarmupPolyLR
    log_pictures_every: 1
data:
  class_path: zoo.data.StreetScenes
  init_args:
    size: [64, 64]
    train: 8
    val: 5
    batch_size: 2
    num_workers: 0
    augment: {crop: [48, 64]}
trainer:
  accelerator: cpu
  max_epochs: 3
  log_every_n_steps: 1
  callbacks:
    - class_path: zoo.nn.averaging.WarmupEMA
      init_args: {decay: 0.9}
"""
STEPS = 4  # steps of an epoch
SIGNAL = """\
import os
from lightning.pytorch import Callback


class SignalAtStep(Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == int(os.environ["AT_STEP"]):
            os.kill(os.getpid(), int(os.environ["SIGNAL"]))
"""


@dataclass(frozen=True)
class Run:
    folder: Path
    output: str

    def checkpoint(self, name: str = "last") -> dict:
        return torch.load(self.folder / "checkpoints" / f"{name}.ckpt", weights_only=True)

    def scalars(self, tag: str) -> dict[int, float]:
        events = EventAccumulator(str(self.folder)).Reload()
        return {event.step: event.value for event in events.Scalars(tag)}


def in_folder(folder: Path, *arguments: object) -> str:
    """What a verb prints, run in this process."""
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(output):
        patch.chdir(folder)
        assert main.main([*map(str, arguments), "--debug"]) == 0
    return output.getvalue()


def in_process(folder: Path, *arguments: object, **environment: object) -> subprocess.CompletedProcess[str]:
    """The console script, as a user runs it."""
    command = [sys.executable, Path(sys.executable).with_name("zoo"), *arguments]
    variables = {name: str(value) for name, value in environment.items()}
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path, "PYTHONUNBUFFERED": ""} | variables,
        capture_output=True,
        text=True,
    )


def table(output: str) -> dict[str, str]:
    """The last table of IoU, by class and mean."""
    rows = re.findall(r"^(\w[\w ]*?) +(\d\.\d{4}|nan)$", output, re.MULTILINE)
    return dict(rows[-len(CAMVID) - 3 :])


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    (folder / "mini.yaml").write_text(RECIPE)
    (folder / "signals.py").write_text(SIGNAL)
    return folder


@pytest.fixture(scope="module")
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(workplace: Path, threads: None) -> Run:
    """Three epochs without an interruption."""
    output = in_folder(workplace, "fit", "--recipe", "mini.yaml", "--trainer.logger.name=whole")
    return Run(workplace / "runs" / "whole" / "version_0", output)


# A whole run


def test_leaves_a_model_that_loads_and_predicts(whole: Run):
    net = load(whole.folder / "model")
    assert net.labels == CAMVID.names
    assert net.palette == CAMVID.palette
    assert net.predict(np.zeros((40, 50, 3), np.uint8)).mask.shape == (40, 50)
    assert str(Path("runs", "whole", "version_0", "model")) in whole.output


def test_the_model_is_that_of_the_best_checkpoint(whole: Run):
    best = whole.checkpoint("best")
    scores = whole.scalars("val/mIoU")
    assert best["global_step"] - 1 == max(scores, key=scores.get)
    for name, tensor in load_file(whole.folder / "model" / "model.safetensors").items():
        torch.testing.assert_close(tensor.float(), best["state_dict"][f"net.{name}"].float(), rtol=1e-3, atol=1e-4)


def test_logs_the_curve(whole: Run):
    losses, scores = whole.scalars("train/loss"), whole.scalars("val/mIoU")
    assert list(losses) == list(range(3 * STEPS))
    assert losses[3 * STEPS - 1] < losses[0]
    assert [step + 1 for step in scores if step < 3 * STEPS] == [STEPS, 2 * STEPS, 3 * STEPS]
    sheets = sorted((whole.folder / "pictures").glob("epoch_*.png"))
    assert len(sheets) == 3
    assert Image.open(sheets[-1]).size[0] > 4 * 300


def test_prints_a_line_an_epoch_where_there_is_no_terminal(whole: Run):
    losses, scores = whole.scalars("train/loss"), whole.scalars("val/mIoU")
    lines = re.findall(r"^epoch (\d)/3  train/loss ([\d.]+)  val/mIoU ([\d.]+)  \d+ s$", whole.output, re.MULTILINE)
    assert [int(number) for number, _, _ in lines] == [1, 2, 3]
    for number, loss, score in lines:
        end = int(number) * STEPS
        assert float(loss) == pytest.approx(np.mean([losses[step] for step in range(end - STEPS, end)]), rel=1e-3)
        assert float(score) == pytest.approx(scores[end - 1], rel=1e-3)


def test_prints_the_iou_of_each_class(whole: Run):
    rows = table(whole.output)
    assert set(rows) == {*CAMVID.names, "mIoU", "mean accuracy", "pixel accuracy"}
    assert float(rows["mIoU"]) == pytest.approx(max(whole.scalars("val/mIoU").values()), abs=1e-4)


def test_keeps_the_last_checkpoint(whole: Run):
    """A finished run can be made longer."""
    assert whole.checkpoint()["global_step"] == 3 * STEPS


def test_writes_the_resolved_recipe(whole: Run):
    config = yaml.safe_load((whole.folder / "config.yaml").read_text())
    assert config["model"]["init_args"]["encoder"] == "test_resnet"
    assert config["data"]["init_args"]["train"] == 8
    assert config["seed_everything"] == 1


# Validation and test


def test_validate_and_test_are_the_evaluation_of_the_card(whole: Run, workplace: Path):
    """Lightning's batches and ``zoo evaluate``'s single pictures give one figure."""
    from zoo.data import StreetScenes
    from zoo.models.linknet.evaluate import confusion
    from zoo.nn.metrics.segmentation import segmentation_scores

    net = load(model := whole.folder / "model")
    data = StreetScenes((64, 64), train=8, val=5)
    for verb, split in (("validate", "val"), ("test", "test")):
        output = in_folder(workplace, verb, "--recipe", "mini.yaml", "--weights", model, "--trainer.logger=false")
        pixels = sum(confusion(net, data, (split, n)) for n in range(len(data.kept(split))))
        expected = segmentation_scores(torch.from_numpy(pixels))
        assert f"IoU on {split}" in output
        assert float(table(output)["mIoU"]) == pytest.approx(expected.miou, abs=2e-4)
        assert float(table(output)["pixel accuracy"]) == pytest.approx(expected.pixel_accuracy, abs=2e-4)


def test_two_processes_train_and_measure_as_one(workplace: Path):
    """Five pictures on two processes: none is counted twice."""
    done = in_process(
        workplace, "fit", "--recipe", "mini.yaml", "--trainer.logger.name=ddp", "--trainer.max_epochs=1",
        "--trainer.devices=2", "--trainer.strategy=ddp",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    run = Run(workplace / "runs" / "ddp" / "version_0", done.stdout)
    assert run.checkpoint("best")["global_step"] == STEPS // 2
    assert run.checkpoint("best")["zoo"]["architecture"] == "linknet"  # what zoo card reads
    assert [path.name for path in run.folder.parent.iterdir()] == ["version_0"]
    assert done.stdout.count("IoU on val") == 1
    assert len(re.findall(r"^epoch 1/1  ", done.stdout, re.MULTILINE)) == 1
    best = run.folder / "checkpoints" / "best.ckpt"
    alone = in_folder(workplace, "validate", "--recipe", "mini.yaml", "--ckpt_path", best, "--trainer.logger=false")
    assert table(done.stdout) == table(alone)
    assert len(table(alone)) == len(CAMVID) + 3


# Interrupted runs


def interrupted(workplace: Path, name: str, at_step: int, number: int) -> tuple[subprocess.CompletedProcess[str], Run]:
    """A run that gets a signal after a step, with the run as it was left."""
    done = in_process(
        workplace, "fit", "--recipe", "mini.yaml", f"--trainer.logger.name={name}",
        "--trainer.callbacks+=signals.SignalAtStep", AT_STEP=at_step, SIGNAL=number,
    )  # fmt: skip
    return done, Run(workplace / "runs" / name / "version_0", done.stdout)


def resume(run: Run, monkeypatch: pytest.MonkeyPatch, elsewhere: Path) -> Run:
    """Continues a run from another folder, without the signal."""
    workplace = run.folder.parents[2]
    monkeypatch.syspath_prepend(workplace)
    monkeypatch.setenv("AT_STEP", "-1")
    return Run(run.folder, in_folder(elsewhere, "fit", "--resume", run.folder))


def assert_same(one: object, other: object, where: str = "") -> None:
    """Equality of what checkpoints hold, tensors to 1e-6."""
    if isinstance(one, torch.Tensor):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6, msg=lambda text: f"{where}: {text}")
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for index, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{where}.{index}")
    else:
        assert one == other, where


def test_killed_and_resumed_ends_as_if_nothing_had_been(
    whole: Run, workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    done, killed = interrupted(workplace, "killed", STEPS + 2, signal.SIGKILL)
    assert done.returncode == -signal.SIGKILL, done.stderr[-3000:]
    assert killed.checkpoint()["global_step"] == STEPS  # two steps are lost
    assert re.findall(r"^epoch (\S+)", done.stdout, re.MULTILINE) == ["1/3"]  # not lost in a buffer
    resumed = resume(killed, monkeypatch, tmp_path)
    ours, theirs = resumed.checkpoint(), whole.checkpoint()
    for key in ("epoch", "global_step", "state_dict", "current_model_state", "optimizer_states", "lr_schedulers"):
        assert_same(ours[key], theirs[key], key)
    assert_same(resumed.checkpoint("best")["state_dict"], whole.checkpoint("best")["state_dict"])
    for tag in ("train/loss", "val/mIoU"):
        assert resumed.scalars(tag) == pytest.approx(whole.scalars(tag), rel=1e-5)
    assert table(resumed.output) == table(whole.output)
    assert list(tmp_path.iterdir()) == []  # it goes on where it was
    assert [path.name for path in killed.folder.parent.iterdir()] == ["version_0"]


def test_ctrl_c_ends_cleanly_and_goes_on(whole: Run, workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    done, stopped = interrupted(workplace, "stopped", STEPS + 2, signal.SIGINT)
    assert done.returncode == 130, done.stderr[-3000:]
    assert "Traceback" not in done.stdout + done.stderr
    assert f"Interrupted. Resume with: zoo fit --resume {stopped.folder.relative_to(workplace)}\n" in done.stdout
    assert stopped.checkpoint()["global_step"] == STEPS + 2  # in the middle of an epoch
    resumed = resume(stopped, monkeypatch, tmp_path).checkpoint()
    assert resumed["global_step"] == 3 * STEPS
    for name, tensor in whole.checkpoint()["state_dict"].items():
        assert torch.equal(resumed["state_dict"][name], tensor), name


@pytest.fixture
def copied(whole: Run, tmp_path: Path) -> Run:
    """A finished run, to be spoiled."""
    return Run(shutil.copytree(whole.folder, tmp_path / "runs" / "whole" / "version_0"), "")


def test_a_finished_run_can_be_made_longer(copied: Run, tmp_path: Path):
    output = in_folder(tmp_path, "fit", "--resume", copied.folder, "--trainer.max_epochs=4")
    assert re.findall(r"^epoch (\S+)", output, re.MULTILINE) == ["4/4"]
    assert copied.checkpoint()["global_step"] == 4 * STEPS


def test_a_resume_that_fails_leaves_the_run_as_it_was(copied: Run, tmp_path: Path, capsys: pytest.CaptureFixture):
    """Such as with data that were moved away."""
    before = (copied.folder / "checkpoints" / "last.ckpt").read_bytes()
    config = yaml.safe_load((copied.folder / "config.yaml").read_text())
    folders = {"pictures": str(tmp_path / "gone"), "masks": str(tmp_path), "classes": list(CAMVID.names)}
    config["data"] = {"class_path": "zoo.data.SegmentationFolder", "init_args": folders}
    (copied.folder / "config.yaml").write_text(yaml.safe_dump(config))
    fails(capsys, ["fit", "--resume", str(copied.folder)], r"gone: no such folder")
    assert (copied.folder / "checkpoints" / "last.ckpt").read_bytes() == before


def fails(capsys: pytest.CaptureFixture, arguments: list[str], message: str) -> None:
    """A line or three, and exit code 2."""
    capsys.readouterr()
    code = main.main(arguments)
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert code == 2, error
    assert error.startswith("zoo: error: ")
    assert len(error.splitlines()) <= 3
    assert max(map(len, error.splitlines())) < 300


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--model.encoder=resnet18"], r"cannot take --model\.encoder.*fine-tune"),
        (["--model.encoder", "resnet18"], r"cannot take --model\.encoder.*fine-tune"),
        (["--data.batch_size=3"], r"cannot take --data\.batch_size"),
        (["--recipe", "mini.yaml"], "cannot take a recipe"),
        (["--weights", "linknet"], "cannot take a recipe or weights"),
    ],
)
def test_resuming_with_another_model_is_refused(
    whole: Run, capsys: pytest.CaptureFixture, change: list[str], message: str
):
    fails(capsys, ["fit", "--resume", str(whole.folder), *change], message)


def test_what_cannot_be_resumed(copied: Run, tmp_path: Path, capsys: pytest.CaptureFixture):
    fails(capsys, ["fit", "--resume", str(tmp_path / "none")], r"cannot resume .*none: config\.yaml is missing")
    last = copied.folder / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:2000])
    fails(capsys, ["fit", "--resume", str(copied.folder)], r"last\.ckpt")
    last.unlink()
    fails(capsys, ["fit", "--resume", str(copied.folder)], r"cannot resume .*: checkpoints/last\.ckpt is missing")


# Own data


@pytest.fixture
def own(tmp_path: Path) -> list[str]:
    """Arguments for pictures and masks of two classes."""
    rng = np.random.default_rng(0)
    for folder in ("pictures", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(16):
        mask = rng.integers(0, 2, (4, 4), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
        Image.fromarray(np.stack([mask * 200] * 3, 2)).save(tmp_path / "pictures" / f"{number}.jpg")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{number}.png")
    (tmp_path / "classes.txt").write_text("field\nweed\n")
    (tmp_path / "mini.yaml").write_text(RECIPE)
    return [
        "--data.class_path=zoo.data.SegmentationFolder", f"--data.pictures={tmp_path / 'pictures'}",
        f"--data.masks={tmp_path / 'masks'}", f"--data.classes=[{tmp_path / 'classes.txt'}]",
        "--data.val_fraction=0.25", "--data.batch_size=4", "--data.num_workers=0",
    ]  # fmt: skip


def test_fine_tuning_reinitialises_the_head_and_says_so(whole: Run, own: list[str], tmp_path: Path):
    recipe = yaml.safe_load(RECIPE)
    del recipe["data"]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(recipe))
    output = in_folder(
        tmp_path, "fit", "--recipe", "own.yaml", *own, "--weights", whole.folder / "model", "--trainer.max_epochs=1",
        "--trainer.callbacks=null", "--model.optimizer.class_path=torch.optim.SGD", "--model.optimizer.lr=0.0",
    )  # fmt: skip
    (line,) = [line for line in output.splitlines() if line.startswith("Weights of")]
    assert line.endswith("re-initialised: classifier.weight, classifier.bias")
    net = load(tmp_path / "runs" / "own" / "version_0" / "model")
    assert net.labels == ("field", "weed")
    start = load_file(whole.folder / "model" / "model.safetensors")
    for name, parameter in net.named_parameters():  # which a learning rate of 0 left where they were
        if not name.startswith("classifier"):
            torch.testing.assert_close(parameter, start[name].float(), rtol=1e-3, atol=1e-3, msg=name)


def test_a_recipe_names_what_it_starts_from(whole: Run, tmp_path: Path):
    (tmp_path / "second.yaml").write_text(f"weights: {whole.folder / 'model'}\n{RECIPE}")
    frozen = ["--model.optimizer.class_path=torch.optim.SGD", "--model.optimizer.lr=0.0", "--trainer.callbacks=null"]
    command = ["fit", "--recipe", "second.yaml", "--trainer.max_epochs=1", *frozen]
    assert "re-initialised: nothing" in in_folder(tmp_path, *command)
    assert "re-initialised" not in in_folder(tmp_path, *command, "--weights=null", "--seed_everything=2")
    runs = tmp_path / "runs" / "second"
    start, kept, anew = (
        load_file(folder / "model" / "model.safetensors")["classifier.weight"].float()
        for folder in (whole.folder, runs / "version_0", runs / "version_1")
    )
    torch.testing.assert_close(kept, start, rtol=1e-3, atol=1e-3)
    assert (anew - start).abs().max() > 1e-2
    in_folder(tmp_path, "fit", "--resume", runs / "version_0", "--trainer.max_epochs=2")
    recorded = [yaml.safe_load((runs / f"version_{i}" / "config.yaml").read_text())["weights"] for i in range(2)]
    assert recorded == [str(whole.folder / "model"), None]
    assert "re-initialised: nothing" in in_folder(
        tmp_path, "fit", "--trainer.logger=false", "--config", "second.yaml", "--trainer.max_epochs=1", *frozen
    )


def test_weights_that_leave_a_layer_at_random_are_not_tested(
    whole: Run, own: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    recipe = yaml.safe_load(RECIPE)
    del recipe["data"]
    Path("own.yaml").write_text(yaml.safe_dump(recipe))
    weights = str(whole.folder / "model")
    fails(
        capsys,
        ["test", "--recipe", "own.yaml", *own, "--weights", weights],
        "cannot test: classifier.weight is missing from",
    )


def test_the_recipe_of_one_data_set_trains_on_another(own: list[str], tmp_path: Path):
    """The one documented command: the recipe's own data section gives way."""
    in_folder(tmp_path, "fit", "--recipe", "mini.yaml", *own, "--trainer.max_epochs=1")
    assert load(tmp_path / "runs" / "mini" / "version_0" / "model").labels == ("field", "weed")


# Errors of the user


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "needs --recipe NAME; there are .*homographynet_free"),
        (["--recipe", "linknet_camvit"], "no recipe 'linknet_camvit'; did you mean linknet_camvid"),
        (["--recipe", "./none.yaml"], r"none\.yaml: no such recipe"),
        (["--recipe", "mini.yaml", "--weights", "linknet_camvit"], "no model 'linknet_camvit'; did you mean"),
        (["--recipe", "mini.yaml", "--weights", "none.safetensors"], r"none\.safetensors: no such file"),
        (["--recipe", "mini.yaml", "--model.encoder_weights=no.safetensors"], r"no\.safetensors: no such file"),
        (["--recipe", "mini.yaml", "--model.encoder=resnet81"], "no encoder 'resnet81'; did you mean resnet"),
        (["--recipe", "mini.yaml", "--model.encoderr=resnet18"], "encoderr"),
        (["--recipe", "mini.yaml", "--trainer.max_epoch=3"], "max_epoch"),
        (["--recipe", "mini.yaml", "--data.batch_size=many"], "batch_size"),
        (["--recipe", "mini.yaml", "--data.batch_size=9"], "batch_size 9 is more than the 8 training pictures"),
        (["--recipe", "mini.yaml", "--data.size=[8,8]"], r"data\.size: .* not \[8, 8\]"),
        (["--recipe", "mini.yaml", "--data.augment.focus=[Pool]"], "no class 'Pool'"),
        (["--recipe", "mini.yaml", "--data.class_path=zoo.data.CamVit"], "CamVit"),
        (["--recipe", "mini.yaml", "--data.class_path=zoo.data.CamVid", "--data.root=part"], "CamVid lacks train"),
        (["--recipe", "misspelt.yaml"], r"misspelt\.yaml:6: no key 'model\.init_args\.encoder_weight'; did you mean"),
    ],
)
def test_errors_of_the_user_are_told_in_three_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, arguments: list[str], message: str
):
    monkeypatch.chdir(tmp_path)
    Path("mini.yaml").write_text(RECIPE)
    Path("misspelt.yaml").write_text(RECIPE.replace("encoder_weights", "encoder_weight"))
    Path("part", "CamVid", "val").mkdir(parents=True)
    fails(capsys, ["fit", *arguments], message)
    assert not Path("runs").exists()


@pytest.mark.parametrize("verb", ["validate", "test"])
def test_something_must_be_validated(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, verb: str
):
    monkeypatch.chdir(tmp_path)
    recipe = ["--recipe", str(workplace / "mini.yaml"), "--trainer.logger=false"]
    fails(capsys, [verb, *recipe], f"zoo {verb} needs --weights NAME or --ckpt_path FILE")
    fails(capsys, [verb, *recipe, "--ckpt_path", "none.ckpt"], r"none\.ckpt: no such file")
    assert list(tmp_path.iterdir()) == []


# Real input


def test_the_best_recipe_learns_from_real_pictures(real_data: Path, tmp_path: Path):
    encoder = real_data / "weights" / "tf_efficientnet_lite0.safetensors"
    in_folder(
        tmp_path, "fit", "--recipe", "linknet_camvid.yaml", f"--data.root={real_data / 'camvid-sample'}",
        f"--model.encoder_weights={encoder}", "--trainer.max_steps=2", "--trainer.accelerator=cpu",
        "--data.batch_size=2", "--data.num_workers=0", "--trainer.limit_val_batches=1",
        "--trainer.check_val_every_n_epoch=1", "--trainer.limit_train_batches=2",
    )  # fmt: skip
    run = tmp_path / "runs" / "linknet_camvid" / "version_0"
    assert Run(run, "").checkpoint("best")["global_step"] == 2
    assert load(run / "model").labels == CAMVID.names


def test_the_bundled_card_is_where_fine_tuning_starts():
    if "linknet_camvid" not in card_names():
        pytest.skip("the card linknet_camvid is not in this checkout")
    assert load("linknet").labels == CAMVID.names


def test_a_full_disk_costs_no_checkpoint_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place = tmp_path / "checkpoints" / "last.ckpt"
    WholeCheckpointIO().save_checkpoint({"epoch": 1}, place)

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left") as raised:
        WholeCheckpointIO().save_checkpoint({"epoch": 2}, place)
    assert raised.value.filename == str(place)
    assert list(place.parent.iterdir()) == [place]
    assert torch.load(place, weights_only=True) == {"epoch": 1}
