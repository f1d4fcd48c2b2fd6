"""``zoo evaluate``: a card's claims against a measurement."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from sklearn.metrics import accuracy_score, balanced_accuracy_score, jaccard_score

from zoo import load
from zoo.base import __version__
from zoo.base.bounds import Count
from zoo.cards.card import check_card, refresh
from zoo.commands import evaluate, main
from zoo.data import SegmentationFolder, StreetScenes, camvid_files
from zoo.data.labels import CAMVID
from zoo.data.streets import draw_street
from zoo.models.evaluation import Context, Figure, Results, Table
from zoo.models.linknet import evaluate as protocol


@pytest.fixture
def measured(claimed: Path) -> Path:
    assert main.main(["evaluate", "linknet", "--write"]) == 0
    return claimed


def results(card: Path) -> dict:
    return json.loads((card / "results.json").read_text())


def edit(card: Path, change: float) -> None:
    """Changes the main figure."""
    content = results(card)
    content["figures"][0]["value"] += change
    (card / "results.json").write_text(json.dumps(content))
    refresh(card)


def test_writes_a_card_that_is_in_step(measured: Path):
    assert check_card(measured) == []
    content = results(measured)
    assert content["command"] == "zoo evaluate linknet --write"
    assert content["parameters"] == sum(p.numel() for p in load(measured).parameters())
    [table] = content["tables"]
    assert table["columns"] == ["class", "test", "val"]
    assert tuple(row[0] for row in table["rows"]) == CAMVID.names
    assert set(content["versions"]) >= {"zoo", "python", "torch", "timm", "opencv-python-headless"}
    assert content["speed"]  # what it does not measure stays
    assert all(len(digest) == 64 for digest in content["data_digest"].values())


def test_figures_are_those_of_scikit_learn(measured: Path):
    """Over all pixels of a split that are not void, at the pictures' own size."""
    net, data = load(measured), StreetScenes((64, 64), train=2, val=3)
    content = results(measured)
    figures = {(figure["metric"], figure["split"]): figure["value"] for figure in content["figures"]}
    per_class = {name: {"test": test, "val": val} for name, test, val in content["tables"][0]["rows"]}
    for split in ("val", "test"):
        truth = np.stack([mask for _, mask in data.kept(split)])
        prediction = np.stack([net.predict(picture).mask for picture, _ in data.kept(split)])
        truth, prediction = truth[truth != 11], prediction[truth != 11]
        occurring = np.union1d(truth, prediction)
        iou = jaccard_score(truth, prediction, average=None, labels=occurring)
        assert figures["mIoU", split] == pytest.approx(iou.mean(), abs=1e-4)
        assert figures["pixel accuracy", split] == pytest.approx(accuracy_score(truth, prediction), abs=1e-4)
        recall = balanced_accuracy_score(truth, prediction)
        assert figures["mean class accuracy", split] == pytest.approx(recall, abs=1e-4)
        for index, value in zip(occurring, iou, strict=True):
            assert per_class[CAMVID.names[index]][split] == pytest.approx(value, abs=1e-4)


def test_results_are_json_that_anything_reads(measured: Path):
    """A class that does not occur is no NaN there."""
    json.loads((measured / "results.json").read_text(), parse_constant=pytest.fail)


def test_macs_are_counted(measured: Path):
    """A convolution of 3x3 from 32 to 32 channels at half the size alone is 9.4 M."""
    (size, macs), *others = results(measured)["macs"].items()
    assert (size, others) == ("64x64", [])
    assert 9_437_184 < macs < 1e9


@pytest.mark.parametrize("spoilt", ["the README", "the evaluator"])
def test_a_card_is_written_whole_or_not_at_all(
    claimed: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, spoilt: str
):
    if spoilt == "the README":
        readme = claimed / "README.md"
        readme.write_text(readme.read_text().replace("zoo:end results", ""))
    else:
        monkeypatch.setattr(protocol, "evaluate", lambda net, data, context: Results(parameters=1))
    before = {path: path.read_bytes() for path in claimed.rglob("*") if path.is_file()}
    assert main.main(["evaluate", "linknet", "--write"]) == 2
    assert str(claimed) in capsys.readouterr().err
    assert {path: path.read_bytes() for path in claimed.rglob("*") if path.is_file()} == before


def test_claims_that_hold(measured: Path, capsys: pytest.CaptureFixture):
    capsys.readouterr()
    before = (measured / "results.json").read_bytes()
    assert main.main(["evaluate", "linknet"]) == 0
    out = capsys.readouterr().out
    assert out.count("holds") == 6
    assert "OUT" not in out
    assert "note:" not in out
    assert (measured / "results.json").read_bytes() == before


@pytest.mark.parametrize("change", [0.01, -0.01])
def test_a_claim_that_does_not_hold(measured: Path, capsys: pytest.CaptureFixture, change: float):
    edit(measured, change)
    capsys.readouterr()
    assert main.main(["evaluate", "linknet"]) == 1
    out = capsys.readouterr().out
    assert out.count("OUT of ±0.002") == 1
    assert out.count("holds") == 5


def test_a_claim_within_its_tolerance(measured: Path):
    edit(measured, 0.001)
    assert main.main(["evaluate", "linknet"]) == 0


def test_other_data_are_noted(measured: Path, capsys: pytest.CaptureFixture):
    """And refute no claim."""
    edit(measured, 0.5)
    capsys.readouterr()
    assert main.main(["evaluate", "linknet", "--data.val", "2"]) == 3
    out = capsys.readouterr().out
    assert "note: the test data differ from the card's" in out
    assert "note: the val data differ from the card's" in out
    assert "not compared: other data" in out
    assert "OUT" not in out


def test_a_card_without_figures_is_measured(claimed: Path, capsys: pytest.CaptureFixture):
    (claimed / "results.json").unlink()
    assert main.main(["evaluate", "linknet"]) == 3
    out = capsys.readouterr().out
    assert out.count("not on the card yet") == 6
    assert out.splitlines()[-1] == "The card claims nothing yet: --write puts these figures on it."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["linknet_camvit"], "no model 'linknet_camvit'; did you mean linknet_camvid"),
        (["linknet", "--data.vall=2"], "linknet_camvid has no option --data.vall; did you mean --data.val?\n"),
        (["linknet", "--val", "2"], "linknet_camvid has no option --val; did you mean --data.val?\n"),
        (["linknet", "--data.batch_size", "2"], "linknet_camvid has no option --data.batch_size"),  # for training only
        (["linknet", "--data.val"], "--data.val: expected one argument"),
        (["linknet", "--data.val", "many"], "--data.val must be a whole number, not 'many'\n"),
        (["linknet", "--data.val", "0"], "data.val must be 1 or more, not 0"),
        (["linknet", "--data.size", "64", "wide"], "--data.size must be whole numbers, not '"),
        (["linknet", "--device", "abacus"], "device 'abacus'"),
        (["--data.val", "2", "linknet"], "name the model before --data.val: zoo evaluate MODEL [options]\n"),
    ],
)
def test_errors_of_the_user(claimed: Path, capsys: pytest.CaptureFixture, arguments: list[str], message: str):
    before = (claimed / "results.json").read_bytes()
    assert main.main(["evaluate", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) <= 3
    assert (claimed / "results.json").read_bytes() == before


def test_data_of_other_classes_are_refused(claimed: Path, capsys: pytest.CaptureFixture):
    config = json.loads((claimed / "config.json").read_text())
    config["arguments"]["labels"] = [f"class {i}" for i in range(11)]
    (claimed / "config.json").write_text(json.dumps(config))
    assert main.main(["evaluate", "linknet"]) == 2
    assert "classes" in capsys.readouterr().err


# Which code measured


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    return subprocess.check_output(["git", "-C", str(folder), *who, *words], text=True).strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose package measures, with a card beside it."""
    root = tmp_path / "checkout"
    for file in ("zoo/__init__.py", "zoo/data/pairs.py", "cards/mine/README.md", ".gitignore"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("*.pyc\n")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message=first")
    monkeypatch.setattr(evaluate, "PACKAGE", root / "zoo")
    return root


def test_the_commit_is_that_of_the_code(checkout: Path, measured: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever repository the card lies in, or a hook of git runs in."""
    git(measured, "init", "--quiet")
    git(measured, "add", ".")
    git(measured, "commit", "--quiet", "--message=theirs")
    monkeypatch.setenv("GIT_DIR", str(measured / ".git"))
    assert main.main(["evaluate", str(measured), "--write"]) == 0
    monkeypatch.delenv("GIT_DIR")
    commit = git(checkout, "rev-parse", "HEAD")
    assert results(measured)["commit"] == commit != git(measured, "rev-parse", "HEAD")
    assert f"at commit `{commit}` with" in (measured / "README.md").read_text()


@pytest.mark.parametrize("file", ["zoo/data/pairs.py", "zoo/__init__.py", "zoo/new.py"])
def test_local_changes_of_the_code_are_marked(checkout: Path, file: str):
    commit = git(checkout, "rev-parse", "HEAD")
    (checkout / "zoo" / "__init__.pyc").write_text("ignored")
    (checkout / "cards" / "mine" / "README.md").write_text("a card that was measured just before")
    assert evaluate._commit() == commit
    (checkout / file).write_text("changed")
    assert evaluate._commit() == f"{commit} + local changes"
    git(checkout, "add", ".")
    assert evaluate._commit() == f"{commit} + local changes"


def test_a_package_that_is_only_inside_a_repository_has_a_release(
    checkout: Path, measured: Path, monkeypatch: pytest.MonkeyPatch
):
    """An environment in the folder of a project."""
    package = checkout / ".venv" / "lib" / "zoo"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(evaluate, "PACKAGE", package)
    assert main.main(["evaluate", "linknet", "--write"]) == 0
    assert results(measured)["commit"] == f"release {__version__}"
    assert f" at release {__version__} with " in (measured / "README.md").read_text()


def test_so_has_one_where_there_is_no_git(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    assert evaluate._commit() == f"release {__version__}"


def test_an_absolute_path_stays_off_the_card(claimed: Path):
    assert main.main(["evaluate", str(claimed), "--write"]) == 0
    text = (claimed / "results.json").read_text() + (claimed / "README.md").read_text()
    assert str(claimed.parent) not in text


@pytest.mark.parametrize("separator", [" ", "="])
def test_nor_does_one_that_is_a_value(tmp_path: Path, separator: str):
    argv = f"linknet --data.root{separator}{tmp_path / 'own'} --data.seed{separator}3".split()
    assert evaluate.command(argv) == f"zoo evaluate linknet --data.root{separator}own --data.seed{separator}3"


def test_folders_of_one_name_are_told_apart():
    argv = ["net", "--data.test", "/x/Set5/HR", "/x/Set14/HR", "--data.val=/y/HR"]
    assert evaluate.command(argv) == "zoo evaluate net --data.test Set5/HR Set14/HR --data.val=y/HR"


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("--data.root=../own", "--data.root=own"),
        ("--data.root=..", "--data.root=data"),
        ("--data.root=~someone", "--data.root=data"),
        ("~/own", "own"),
        ("--data.root=/home/me=you/own", "--data.root=own"),
        ("file:///home/me/own%20ones", "'own ones'"),
        ("[/home/me/a, '~/b', c, 3]", """'["a", "b", "c", 3]'"""),
        ("--names={a: /home/me/a}", """'--names={"a": "a"}'"""),
        ("[1, 2]", "'[1, 2]'"),
        ("[/x/Set5/HR, /x/Set14/HR]", """'["Set5/HR", "Set14/HR"]'"""),
        ("--data.root=/x/\udcff", "'--data.root=?'"),  # bytes that are no text
        ("1..2", "1..2"),
        ("{[", "'{['"),
    ],
)
def test_nor_any_other_way_to_a_folder(word: str, shown: str):
    assert evaluate.command(["linknet", word]) == f"zoo evaluate linknet {shown}"


def test_leaves_nothing_behind_where_the_data_are_missing(
    claimed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    (claimed / "recipe.yaml").write_text("data: {class_path: zoo.data.CamVid}\n")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(camvid_files, "URL", f"http://127.0.0.1:{unused.getsockname()[1]}/camvid.tar.gz")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert main.main(["evaluate", "linknet"]) == 2
        assert "could not be downloaded" in capsys.readouterr().err
        assert sorted(tmp_path.rglob("*")) == before
        (tmp_path / "data").mkdir()  # what was there stays
        assert main.main(["evaluate", "linknet"]) == 2
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "data"])


def take(net: object, data: object, context: Context, *, real: Path | None = None, times: Count = 1) -> Results:
    """An evaluator with arguments of its own.

    Args:
        real: folder of pairs
        times: what is measured
    """
    table = Table(title=f"A table of {real}", columns=["method", "error"], rows=[["one", 1.5], ["other", None]])
    figure = Figure(metric="mIoU", data="elsewhere", split="test", value=times / 10, tolerance=0.1, protocol="B")
    return Results(figures=[figure], tables=[table], parameters=1, macs={"1x1": 1}, data_digest={"test": "abc"})


@pytest.fixture
def own_evaluator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "evaluate", take)


def verdicts(out: str) -> list[str]:
    """The rows below the last head, with single spaces."""
    lines = [" ".join(line.split()) for line in out.splitlines()]
    return lines[lines.index("figure claim measured") + 1 :]


def test_an_evaluator_may_take_arguments(own_evaluator: None, claimed: Path, capsys: pytest.CaptureFixture):
    assert main.main(["evaluate", "linknet", "--real", "pairs", "--times=3"]) == 3
    out = capsys.readouterr().out
    assert out.splitlines()[:5] == ["A table of pairs:", "method  error", "one       1.5", "other", ""]
    assert verdicts(out)[0] == "elsewhere, B test mIoU 0.3 not on the card yet"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--reel", "pairs"], "linknet_camvid has no option --reel; did you mean --real?"),
        (["--times", "many"], "--times must be a whole number from 1 on, not 'many'"),
        (["--times=0"], "--times must be a whole number from 1 on, not '0'"),
        (["--times"], "--times: expected one argument"),
        (["--recipe", "other"], "linknet_camvid has no option --recipe"),  # it is that of the card
    ],
)
def test_their_wrong_arguments(
    own_evaluator: None, claimed: Path, capsys: pytest.CaptureFixture, wrong: list[str], told: str
):
    assert main.main(["evaluate", "linknet", *wrong]) == 2
    assert capsys.readouterr().err.splitlines() == [f"zoo: error: {told}", "see zoo evaluate linknet_camvid --help"]


def test_help_lists_the_options_of_a_model_and_of_its_data(
    own_evaluator: None, claimed: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit, match="0"):
        main.main(["evaluate", "linknet", "--help"])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "--real REAL folder of pairs" in lines
    assert "--times N what is measured (default: 1)" in lines
    assert any(line.startswith("--data.val N ") and line.endswith("(default: 3)") for line in lines)  # the recipe's
    assert not any("batch_size" in line or "augment" in line for line in lines)


def test_an_evaluator_may_ask_for_the_recipe(claimed: Path, monkeypatch: pytest.MonkeyPatch):
    """Without what matters to training only, and without what the command says otherwise."""
    given: list[Context] = []

    def ask(net: object, data: object, context: Context) -> Results:
        given.append(context)
        return Results()

    monkeypatch.setattr(protocol, "evaluate", ask)
    assert main.main(["evaluate", "linknet", "--data.val=2"]) == 3
    want = yaml.safe_load((claimed / "recipe.yaml").read_text())
    want["data"]["init_args"] = {"size": [64, 64]}
    assert [context.recipe for context in given] == [want]


@pytest.mark.parametrize(("given", "called"), [([], "camvid"), (["--data.root=photos"], "")])
def test_data_are_called_as_the_card_does_unless_the_command_names_a_folder(
    claimed: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], called: str
):
    (claimed / "recipe.yaml").write_text("data: {class_path: zoo.data.PictureCrops}\n")
    seen: list[str] = []

    def ask(net: object, data: object, context: Context) -> Results:
        seen.append(context.data)
        return Results()

    monkeypatch.setattr(protocol, "evaluate", ask)
    assert main.main(["evaluate", "linknet", *given]) == 3
    assert seen == [called]


@pytest.mark.parametrize("datasets", [None, "abc", [], [3], {"a": 1}])
def test_what_is_no_list_of_data_sets_is_no_name(datasets: object):
    assert evaluate.called_by(datasets) == ""
    assert evaluate.called_by(["a" * 2000, "b"]) == "a" * evaluate.MAX_NAME


def claim(card: Path, **changed: object) -> Path:
    """A card with the claims "mIoU of protocol B is 0.2", changed, and "accuracy is 0.9", measured on photos."""
    first = {"metric": "mIoU", "data": "photos", "split": "test", "value": 0.2, "tolerance": 0.05, "protocol": "B"}
    second = {"metric": "accuracy", "data": "photos", "split": "test", "value": 0.9, "tolerance": 0.1}
    (card / "results.json").write_text(json.dumps({**results(card), "figures": [{**first, **changed}, second]}))
    return card


@pytest.mark.parametrize(("times", "code", "verdict"), [(2, 3, "holds"), (3, 1, "OUT of ±0.05")])
def test_a_figure_is_matched_by_its_protocol_whatever_its_folder_is_called(
    own_evaluator: None, claimed: Path, capsys: pytest.CaptureFixture, times: int, code: int, verdict: str
):
    claim(claimed)
    assert main.main(["evaluate", "linknet", f"--times={times}"]) == code
    assert verdicts(capsys.readouterr().out)[0] == f"elsewhere, B test mIoU 0.2 0.{times} {verdict}"


@pytest.mark.parametrize("other", [{"protocol": "A"}, {"protocol": ""}, {"split": "val"}, {"metric": "mean IoU"}])
def test_a_figure_of_another_protocol_is_another(
    own_evaluator: None, claimed: Path, capsys: pytest.CaptureFixture, other: dict[str, str]
):
    """However far it is from the one that is claimed, nothing is out of its tolerance, and nothing holds."""
    claim(claimed, data="elsewhere", **other)
    assert main.main(["evaluate", "linknet", "--times=9"]) == 3
    measured, *claims, summary = verdicts(capsys.readouterr().out)
    assert measured == "elsewhere, B test mIoU 0.9 not claimed"
    assert [line.rpartition(" 0.")[2] for line in claims] == ["2 not measured", "9 not measured"]
    assert summary.startswith("No claim was compared: the figures are of other data or another protocol")


def test_of_the_claims_those_that_were_not_measured_are_named(
    own_evaluator: None, claimed: Path, capsys: pytest.CaptureFixture
):
    claim(claimed)
    assert main.main(["evaluate", "linknet", "--times=2"]) == 3  # nobody knows whether the other holds
    assert verdicts(capsys.readouterr().out) == [
        "elsewhere, B test mIoU 0.2 0.2 holds",
        "photos test accuracy 0.9 not measured",
        "Claims that hold: 1 of 2. Not compared: photos test accuracy.",
    ]


def test_what_was_not_measured_is_not_lost(own_evaluator: None, claimed: Path, capsys: pytest.CaptureFixture):
    claim(claimed)
    before = (claimed / "results.json").read_bytes()
    assert main.main(["evaluate", "linknet", "--times=2", "--write"]) == 2
    error = capsys.readouterr().err
    assert "not written, the card would lose photos test accuracy\n" in error
    assert "measure all that `zoo evaluate linknet_camvid --write` measured, or delete its results.json" in error
    assert (claimed / "results.json").read_bytes() == before


def test_nor_is_a_table(own_evaluator: None, claimed: Path, capsys: pytest.CaptureFixture):
    claim(claimed)
    table = {"title": "Real pairs", "columns": ["a"], "rows": [[1.0]]}
    content = results(claimed)
    content = {**content, "figures": content["figures"][:1], "tables": [table, table]}
    (claimed / "results.json").write_text(json.dumps(content))
    assert main.main(["evaluate", "linknet", "--times=2", "--write"]) == 2
    assert "the card would lose 1 of 2 tables" in capsys.readouterr().err
    (claimed / "results.json").write_text(json.dumps({**content, "tables": [table]}))
    assert main.main(["evaluate", "linknet", "--times=2", "--write"]) == 0


@pytest.mark.parametrize("split", ["val", "test"])
def test_data_in_which_nothing_is_labelled_make_no_figure(
    claimed: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, split: str
):
    def load(data: StreetScenes, wanted: str) -> list:
        pairs = [draw_street(number, (64, 64)) for number in range(2)]
        return [(picture, np.full_like(mask, 11) if wanted == split else mask) for picture, mask in pairs]

    monkeypatch.setattr(StreetScenes, "load", load)
    before = (claimed / "results.json").read_bytes()
    assert main.main(["evaluate", "linknet", "--write"]) == 2
    assert re.search(rf"on StreetScenes {split} is nan: are .* masks all void", capsys.readouterr().err)
    assert (claimed / "results.json").read_bytes() == before


@pytest.fixture
def own_data(claimed: Path, tmp_path: Path) -> Path:
    """A folder with a card that was trained on own data, which lie elsewhere, and the pictures and masks."""
    card = claimed.rename(tmp_path / "mine")
    given = {"pictures": "data/pictures", "masks": "data/masks", "classes": list(CAMVID.names), "ignore_index": 11}
    given |= {"val_fraction": 0.3, "batch_size": 2, "augment": {"crop": [64, 64]}}
    data = {"class_path": "zoo.data.SegmentationFolder", "init_args": given}
    (card / "recipe.yaml").write_text(yaml.safe_dump({"data": data}))
    for number in range(12):
        for part, suffix, array in zip(("p", "m"), ("jpg", "png"), draw_street(number, (48, 64)), strict=True):
            (tmp_path / part).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / part / f"{number}.{suffix}")
    return tmp_path


def test_a_card_of_own_data_is_measured_wherever_they_lie(
    own_data: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(own_data)
    assert main.main(["evaluate", "mine"]) == 2
    said = "zoo: error: data/pictures: no such folder\npass yours: --data.pictures FOLDER --data.masks FOLDER\n"
    assert capsys.readouterr().err == said
    assert main.main(["evaluate", "mine", "--data.pictures=p"]) == 2
    said = "zoo: error: data/masks: no such folder\npass yours: --data.masks FOLDER\n"
    assert capsys.readouterr().err == said
    assert main.main(["evaluate", "mine", "--data.pictures=q", "--data.masks=m"]) == 2
    assert capsys.readouterr().err == "zoo: error: q: no such folder\npass yours: --data.pictures FOLDER\n"
    folders = ["--data.pictures", str(own_data / "p"), "--data.masks=m"]
    assert main.main(["evaluate", "mine", *folders, "--write"]) == 0
    assert check_card(own_data / "mine") == []
    content = results(own_data / "mine")
    assert content["command"] == "zoo evaluate mine --data.pictures p --data.masks=m --write"
    data = SegmentationFolder(own_data / "p", own_data / "m", list(CAMVID.names), 11, val_fraction=0.3)
    assert content["data_digest"] == {split: data.digest(split) for split in ("test", "val")}
    assert {(figure["data"], figure["split"]) for figure in content["figures"]} == {
        *(("camvid", split) for split in ("test", "val"))
    }


def test_a_value_may_hold_an_equals_sign(claimed: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    (claimed / "recipe.yaml").write_text("data: {class_path: zoo.data.CamVid}\n")
    (tmp_path / "a=b" / "CamVid" / "val").mkdir(parents=True)  # which lacks everything else
    assert main.main(["evaluate", "linknet", f"--data.root={tmp_path / 'a=b'}"]) == 2
    assert f"{tmp_path / 'a=b' / 'CamVid'} lacks train.txt" in capsys.readouterr().err
