"""``zoo fit --study``: values that Optuna chooses, trials that end early, and a study that goes on."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from pathlib import Path

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from zoo.base.errors import ZooError
from zoo.commands import main, study, trials
from zoo.models.linknet.module import LinkNetModule
from zoo.training import recipes
from zoo.training.keys import Keys
from zoo.training.states import State
from zoo.training.study import GIVEN, Pruning, Record, before, hopeless, suggested

SPACE = {
    "lr": FloatDistribution(1e-4, 1e-1, log=True),
    "width": IntDistribution(2, 8),
    "encoder": CategoricalDistribution(["a", "b"]),
}
FIT = ["fit", "--recipe", "mini.yaml", "--study", "study.yaml"]


def plan(folder: Path, trials_: int = 2, rest: str = "pruning: {trials: 1}\n") -> None:
    space = "{model.optimizer.lr: {float: [1e-4, 1e-1], log: true}, data.batch_size: {int: [1, 2]}}"
    (folder / "study.yaml").write_text(f"trials: {trials_}\n{rest}space: {space}\n")


@pytest.fixture
def place(mini_recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a recipe of two epochs, and a study of two trials."""
    (tmp_path / "mini.yaml").write_text(f"{mini_recipe}  max_epochs: 2\n  log_every_n_steps: 1\n")
    plan(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands of the runs, which are made in this process."""
    commands: list[list[str]] = []

    def run(command: list[str], environment: dict[str, str]) -> int:
        commands.append(command[3:])
        with monkeypatch.context() as own:
            for name, value in environment.items():
                own.setenv(name, value)
            return main.main(command[3:])

    monkeypatch.setattr(trials, "run", run)
    return commands


def test_a_study_prunes_goes_on_and_tells_the_best(
    place: Path, ran: list[list[str]], capsys: pytest.CaptureFixture[str]
):
    plan(place, 1)
    assert main.main(FIT) == 0
    (first,) = (place / "runs" / "mini").iterdir()
    record = Record.read(first)
    assert record
    assert (record.figure, record.direction, [*record.reports], record.pruned) == ("val/mIoU", "max", [0, 1], False)
    assert f"--model.optimizer.lr={record.values['model.optimizer.lr']}" in ran[0]
    assert GIVEN not in os.environ

    record.reports = {0: 1.0, 1: 1.0}  # so that no other can be as good
    record.write(first)
    plan(place, 2)
    capsys.readouterr()
    assert main.main(FIT) == 0
    assert len(ran) == 2  # the first is complete
    second = first.with_name(first.name.replace("001", "002"))
    pruned = Record.read(second)
    assert pruned
    assert pruned.pruned
    assert [*pruned.reports] == [0]
    assert pruned.values != record.values
    assert (State.read(second).epoch, State.read(second).complete) == (1, True)
    assert (second / "model" / "model.safetensors").is_file()
    out = capsys.readouterr().out
    assert re.search(
        rf"Pruned: val/mIoU \S+ at validation 1 is behind most trials.* --resume runs/mini/{second.name}", out
    )
    assert f"Best: runs/mini/{first.name} (val/mIoU 1)" in out
    assert f"zoo fit --resume runs/mini/{first.name} --trainer.max_epochs N" in out
    rate = record.values["model.optimizer.lr"]
    assert f"zoo fit --recipe mini.yaml --model.optimizer.lr={rate} --data.batch_size=" in out
    assert f"zoo compare runs/mini/{first.name} runs/mini/{second.name} -o compare.html" in out
    assert re.search(r"\n    2 .* 1 +pruned", out)

    State(1, 2).write(second)  # as if it had been killed
    second.with_name(first.name.replace("001", "003")).mkdir()  # and the third before its first step
    plan(place, 3)
    assert main.main(FIT) == 0
    assert ran[2] == ["fit", "--resume", f"runs/mini/{second.name}"]
    assert len(ran) == 4
    whole = Record.read(second)
    assert whole
    assert whole.values == pruned.values
    assert whole.reports[0] == pruned.reports[0]
    assert [*whole.reports] == [0, 1]
    assert not whole.pruned  # the training was over anyway
    plan(place, 3, "seed: 1\n")
    assert main.main([*FIT, "--trainer.fast_dev_run=true"]) == 2  # another study, with another first trial
    assert "no validation has measured a figure" in capsys.readouterr().err


def test_trials_that_diverge_fail_and_the_others_go_on(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    plan(place, 3, "pruning: false\n")
    figures = iter([math.nan, 0.5, math.nan])

    def run(command: list[str], environment: dict[str, str]) -> int:
        told = json.loads(environment[GIVEN])
        folder = Path("runs", "mini", command[-1].partition("=")[2])
        folder.mkdir(parents=True)
        Record(told["number"], told["values"], "val/loss", "min", {0: next(figures)}).write(folder)
        return 0

    monkeypatch.setattr(trials, "run", run)
    assert main.main(FIT) == 1
    said = capsys.readouterr()
    assert re.search(r"Best: runs/mini/\w+-002 \(val/loss 0.5\)", said.out)
    assert re.fullmatch(r"(failed: runs/mini/\w+-00[13]\n){2}", said.err)


def test_without_a_figure_or_validation_nothing_can_be_compared(
    place: Path, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as end:
        main.main([*FIT, "--trainer.limit_val_batches=0"])
    assert end.value.code == 2
    assert "compares trials by validation" in capsys.readouterr().err
    monkeypatch.setattr(LinkNetModule, "monitor", None)
    with pytest.raises(SystemExit):
        main.main(FIT)
    assert "LinkNetModule names no figure to compare trials by" in capsys.readouterr().err
    assert not (place / "runs").exists()


def test_values_depend_on_seed_number_and_the_trials_before():
    """So a study that was killed goes on as if it had not been."""
    records: list[Record] = []
    for number in range(1, 41):
        values = suggested(SPACE, 7, number, records)
        assert values == suggested(SPACE, 7, number, [*records])
        assert all(SPACE[key]._contains(SPACE[key].to_internal_repr(value)) for key, value in values.items())
        loss = abs(math.log10(values["lr"]) + 3) + (values["encoder"] == "b")
        records.append(Record(number, values, "val/loss", "min", {0: loss}))
    assert len({json.dumps(each.values) for each in records}) == len(records)
    assert suggested(SPACE, 8, 1, []) != suggested(SPACE, 7, 1, [])
    losses = [each.reports[0] for each in records]
    assert sum(losses[20:]) / 20 < 0.75 * sum(losses[:10]) / 10  # the first ten are random


def test_a_trial_behind_the_median_is_hopeless():
    others = [Record(n, {}, "val/loss", "min", {0: value, 1: value / 2}) for n, value in enumerate((1.0, 2.0, 3.0), 1)]
    own = Record(4, {}, "val/loss", "min", {0: 2.5})
    assert hopeless(own, Pruning(3, 0), others)
    assert not hopeless(own, Pruning(4, 0), others)  # too few trials
    assert not hopeless(own, Pruning(3, 1), others)  # too early
    assert not hopeless(own, Pruning(None, 0), others)
    assert not hopeless(Record(4, {}, "val/loss", "min", {0: 1.5}), Pruning(3, 0), others)
    assert not hopeless(Record(4, {}, "val/loss", "min", {0: 2.5, 1: 0.9}), Pruning(3, 0), others)
    assert hopeless(Record(4, {}, "val/loss", "min", {0: math.nan}), Pruning(3, 0), others)
    more = [Record(each.number, {}, "val/mIoU", "max", each.reports) for each in others]
    assert not hopeless(Record(4, {}, "val/mIoU", "max", {0: 2.5}), Pruning(3, 0), more)
    assert hopeless(Record(4, {}, "val/mIoU", "max", {0: 1.5}), Pruning(3, 0), more)


def test_records_are_whole_or_none(tmp_path: Path):
    record = Record(2, {"lr": 0.1, "encoder": "a"}, "val/loss", "min", {0: math.nan, 3: 0.5}, True)
    for name in ("x_trial-001", "x_trial-002", "x_trial-010", "y_trial-001", "version_0"):
        (tmp_path / name).mkdir()
        Record(1, {"name": name}).write(tmp_path / name)
    record.write(tmp_path / "x_trial-002")
    found = Record.read(tmp_path / "x_trial-002")
    assert found
    assert (found.values, found.best, found.pruned, [*found.reports]) == (record.values, 0.5, True, [0, 3])
    assert [each.values.get("name") for each in before(tmp_path / "x_trial-010")] == ["x_trial-001", None]
    assert before(tmp_path / "version_0") == []
    for damaged in ("", "[]", "{}", '{"number": 1, "values": 2, "reports": []}', '{"number": 1, "reports": [[1]]}'):
        (tmp_path / "x_trial-001" / "trial.json").write_text(damaged)
        assert Record.read(tmp_path / "x_trial-001") is None


def test_the_file_in_the_guide(tmp_path: Path):
    text = (Path(__file__).parents[2] / "docs" / "guides" / "figures.md").read_text()
    found = re.search(r"```yaml\n(trials:.*?)```", text, re.DOTALL)
    assert found
    path = tmp_path / "study.yaml"
    path.write_text(found[1])
    keys = study.read_plan(path).space
    given = [f"--{key}=" for key in keys]
    Keys("fit", [], recipes.find("linknet_streets"), given).check()
    assert {kind for kind, *_ in keys.values()} == {"float", "int", "choice"}


def test_a_file_of_a_study(tmp_path: Path):
    path = tmp_path / "study.yaml"
    path.write_text(
        "trials: 3\npruning: false\nspace:\n  a: {float: [1e-4, 1]}\n  b: {int: [1, 8], log: true}\n"
        "  c: {choice: [resnet18, 2, 1.5, null, true, [48, 64]]}\n"
    )
    found = study.read_plan(path)
    assert (found.trials, found.seed, found.pruning.trials) == (3, 0, None)
    words = ("resnet18", "2", "1.5", "null", "true", "[48, 64]")
    assert found.distributions() == {
        "a": FloatDistribution(1e-4, 1.0),
        "b": IntDistribution(1, 8, log=True),
        "c": CategoricalDistribution(words),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trials: [", "study.yaml:"),
        (f"trials: {'9' * 5000}", "study.yaml: not YAML"),
        ("trials: 3\nspace: {a: {int: [1, 2]}, a: {int: [1, 3]}}", "study.yaml:2: "),
        ("- 1", "a study needs trials: NUMBER, and space:"),
        ("trials: 3", "a study needs trials: NUMBER, and space:"),
        ("trials: 3\nspaces: {}\nspace: {a: 1}", "no key 'spaces'; did you mean space?"),
        ("space: {a: {int: [1, 2]}}", "trials must be a number from 1 to 1000, not None"),
        ("trials: 1001\nspace: {a: {int: [1, 2]}}", "trials must be a number from 1 to 1000, not 1001"),
        ("trials: 3\nseed: -1\nspace: {a: {int: [1, 2]}}", "seed must be a number from 0 to 4294967295, not -1"),
        ("trials: 3\npruning: yes\nspace: {a: {int: [1, 2]}}", "pruning: must be false, or such as {trials: 5"),
        ("trials: 3\npruning: {trial: 2}\nspace: {a: {int: [1, 2]}}", "no key 'trial'; did you mean trials?"),
        ("trials: 3\npruning: {trials: -2}\nspace: {a: {int: [1, 2]}}", "pruning: trials must be a number from 0"),
        ("trials: 3\nspace: {a: 1}", "space: a: takes {float: [1e-4, 1e-2], log: true}, {int: [2, 8]} or {choice:"),
        ("trials: 3\nspace: {a: {int: [1, 2], float: [1, 2]}}", "space: a: takes {float:"),
        ("trials: 3\nspace: {a: {int: [1, 2], lg: true}}", "no key 'lg'; did you mean log?"),
        ("trials: 3\nspace: {a: {int: [1, 2], log: 1}}", "log must be true or false, not 1"),
        ("trials: 3\nspace: {a: {choice: [a, b], log: true}}", "no key 'log'"),
        ("trials: 3\nspace: {a: {choice: [a]}}", "choice takes two or more different values"),
        ("trials: 3\nspace: {a: {choice: [a, a]}}", "choice takes two or more different values"),
        ("trials: 3\nspace: {a: {float: [1]}}", "float takes its lowest and highest value, such as [1e-4, 1e-2]"),
        ("trials: 3\nspace: {a: {float: [x, 1]}}", "float takes its lowest and highest value"),
        ("trials: 3\nspace: {a: {float: [0, .inf]}}", "float takes its lowest and highest value"),
        ("trials: 3\nspace: {a: {int: [1.5, 3]}}", "int takes its lowest and highest value, such as [2, 8]"),
        ("trials: 3\nspace: {a: {int: [true, 3]}}", "int takes its lowest and highest value"),
        ("trials: 3\nspace: {a: {float: [1e-2, 1e-4]}}", "the lowest value, 0.01, must be below the highest, 0.0001"),
        ("trials: 3\nspace: {a: {float: [0, 1], log: true}}", "log: true needs values above 0, not 0.0"),
        ("trials: 3\nspace: {seed_everything: {int: [0, 1]}}", "a seed is not chosen"),
    ],
)
def test_a_wrong_file_is_refused(text: str, message: str, tmp_path: Path):
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(ZooError, match=re.escape(message)) as error:
        study.read_plan(tmp_path / "study.yaml")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "2"], "--study chooses the values itself: leave out --seeds and --sweep"),
        (["--submit", "slurm", "--time", "1h"], "--submit is for a single run"),
        (["--study", "no.yaml"], "--study no.yaml: no such file"),
        (["--study", "wrong.yaml"], "no key --model.optimiser; did you mean --model.optimizer?"),
    ],
)
def test_mistakes_are_told_first(place: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str):
    (place / "wrong.yaml").write_text("trials: 2\nspace: {model.optimiser.lr: {float: [0, 1]}}")
    assert main.main([*FIT, *options]) == 2
    assert message in capsys.readouterr().err
    assert not (place / "runs").exists()


def test_without_optuna_the_error_names_the_extra(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert main.main(FIT) == 2
    error = capsys.readouterr().err
    assert error.splitlines() == [error.strip()]
    assert "pip install 'lightning-zoo[sweep]'" in error
