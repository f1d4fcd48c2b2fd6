from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import zoo.commands
from zoo.base import text
from zoo.base.errors import ZooError
from zoo.commands import main, show

LIGHT = """
import sys
from pathlib import Path
from zoo.commands import main
from zoo.base import files
files.BUNDLED = Path(sys.argv[1])
try:
    code = main.main(sys.argv[2:])
except SystemExit as stop:
    code = stop.code
heavy = {"albumentations", "cv2", "lightning", "numpy", "rich", "timm", "torch", "torchmetrics"} & set(sys.modules)
sys.exit(f"imported {sorted(heavy)}" if heavy else code)
"""


def zoo_with(bundle: Path, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LIGHT, str(bundle), *arguments]
    return subprocess.run(command, capture_output=True, text=True, **options)


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Stands in for the modules behind the heavy verbs; returns what they are called with."""
    calls: list[tuple] = []
    for name in ("fit", "evaluate", "predict"):
        module = ModuleType(f"zoo.commands.{name}")
        module.main = lambda *arguments, name=name: calls.append((name, *arguments)) or 0
        monkeypatch.setitem(sys.modules, f"zoo.commands.{name}", module)
        monkeypatch.setattr(zoo.commands, name, module, raising=False)
    return calls


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def raise_it(argv: list[str]) -> int:
        raise error

    monkeypatch.setattr(show, "main_list", raise_it)


@pytest.mark.parametrize("arguments", [["list"], ["info", "linknet"], ["--help"], ["--version"]])
def test_light_verbs_import_nothing_heavy(card: Path, bundle: Path, arguments: list[str]):
    done = zoo_with(bundle, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize("verb", [verb for verb in main.VERBS if verb != "predict"])  # whose help needs numpy
def test_help_imports_nothing_heavy(bundle: Path, verb: str):
    done = zoo_with(bundle, verb, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: zoo {verb}" in done.stdout


def test_list(card: Path, capsys: pytest.CaptureFixture):
    assert main.main(["list"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "architecture", "task", "main", "figure", "size"]
    assert row.split("  ")[0] == "linknet_camvid"
    assert "mIoU 0.6125 ± 0.002 on CamVid test" in row
    assert head.index("size") == row.index("7.1 MB")
    assert main.main(["list", "resnet*"]) == 2
    assert capsys.readouterr().err == "zoo: error: no model matches 'resnet*'\nthere are: linknet_camvid\n"


def test_info(card: Path, capsys: pytest.CaptureFixture):
    assert main.main(["info", "linknet"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["parameters"] == "3,518,635"
    assert lines["MACs"] == "2.10 G at 480x360"
    assert lines["input"] == "RGB 0..1, any size"
    assert lines["labels"] == "Sky, Pole"
    assert lines["licence"] == "code Apache-2.0; weights apache-2.0"
    assert lines["data"] == "drawn by the program"
    assert lines["size"] == "7.1 MB float16"
    assert lines["folder"] == f"{card} (installed)"


def test_a_card_without_results_is_listed(card: Path, capsys: pytest.CaptureFixture):
    (card / "results.json").unlink()
    assert main.main(["list"]) == 0
    assert main.main(["info", "linknet"]) == 0
    assert "not measured" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["fit", "validate", "test"])
def test_lightning_verbs_get_all_their_arguments(verb: list[tuple], name: str):
    argv = [name, "--recipe", "x", "--trainer.max_epochs=3", "--help"]
    before = list(sys.argv)
    assert main.main(argv) == 0
    assert verb == [("fit", name, argv[1:])]
    assert sys.argv == before


def test_other_verbs_get_all_their_arguments(verb: list[tuple]):
    assert main.main(["evaluate", "linknet", "--data.root", "d", "--write", "--debug"]) == 0
    assert main.main(["predict", "linknet", "a.jpg", "-o", "out"]) == 0
    assert verb == [
        ("evaluate", ["linknet", "--data.root", "d", "--write"]),
        ("predict", ["linknet", "a.jpg", "-o", "out"]),
    ]


def test_arguments_of_the_process_are_taken_and_left(verb: list[tuple], monkeypatch: pytest.MonkeyPatch):
    argv = ["zoo", "fit", "--recipe", "x", "--debug"]
    monkeypatch.setattr(sys, "argv", argv)
    assert main.main() == 0
    assert argv == ["zoo", "fit", "--recipe", "x", "--debug"]
    assert verb == [("fit", "fit", ["--recipe", "x"])]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evalute"], "no verb 'evalute'; did you mean evaluate?"),
        (["train"], "no verb 'train'; did you mean fit?"),
        (["training"], "did you mean fit?"),
        (["val"], "did you mean validate?"),
        (["eval"], "did you mean evaluate?"),
        (["frobnicate"], "no verb 'frobnicate'\nthere are: fit, "),
        ([], "which verb? there are: fit, "),
        (["--verson"], "did you mean --version?"),
        (["info"], "name"),
        (["info", "linknet_camvit"], "did you mean linknet_camvid?"),
        (["info", "linknet", "--hlep"], "unrecognized arguments: --hlep; did you mean --help?"),
    ],
)
def test_user_errors_are_one_or_two_lines(card: Path, arguments: list[str], message: str, capsys):
    assert main.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("zoo: error: ")
    assert message in captured.err
    assert len(captured.err.splitlines()) <= 2


def test_every_meaning_of_a_verb_is_another_verb():
    assert set(main.MEANT) <= set(main.VERBS)
    assert not {name for names in main.MEANT.values() for name in names} & set(main.VERBS)


@pytest.mark.parametrize(
    ("name", "near"), [("evalute", "evaluate"), ("kinds", "kind"), ("trian", "train"), ("fat", "fit"), ("lr", None),
                       ("output", None), ("noise", None)]
)  # fmt: skip
def test_no_far_fetched_name_is_suggested(name: str, near: str | None):
    assert text.nearest(name, ["evaluate", "kind", "train", "fit", "lbfgs", "optimizer", "poisson"]) == near


def wrapped(error: Exception) -> Exception:
    outer = RuntimeError("writing failed")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ZooError("two\nlines"), 2, "zoo: error: two\nlines\n"),
        (OSError(errno.ENOSPC, "No space left", "a.ckpt"), 2, "zoo: error: no space left on a.ckpt\n"),
        (wrapped(OSError(errno.ENOSPC, "No")), 2, "zoo: error: no space left on the device that is written to\n"),
        (PermissionError(errno.EACCES, "Permission denied", "o"), 2, "zoo: error: o: Permission denied\n"),
        (KeyboardInterrupt(), 130, "zoo: interrupted\n"),
        (ValueError("one\ntwo"), 70, "zoo: bug: ValueError: one\nrun the same with --debug"),
    ],
)
def test_every_error_has_its_line_and_code(monkeypatch, capsys, error: BaseException, code: int, text: str):
    failing(monkeypatch, error)
    assert main.main(["list"]) == code
    err = capsys.readouterr().err
    assert err.startswith(text)
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [["--debug", "list"], ["list", "--debug"]])
def test_debug_shows_the_traceback(monkeypatch, capsys, arguments: list[str]):
    failing(monkeypatch, ValueError("a bug"))
    assert main.main(arguments) == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_closed_pipe_is_quiet(card: Path, bundle: Path):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", LIGHT, str(bundle), "list"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_no_space_for_the_output(card: Path, bundle: Path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", LIGHT, str(bundle), "list"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr == "zoo: error: no space left on the device that is written to\n"
