from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TextIO

import numpy as np
import pytest
from PIL import Image

import zoo.commands
from zoo import load
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
    assert head.split() == ["name", "task", "commercial", "size", "main", "figure"]
    assert row.split("  ")[0] == "linknet_camvid"
    assert row.endswith("  0.6125 mIoU on CamVid test")
    assert head.index("size") == row.index("7.1 MB")
    assert head.index("commercial") == row.index("unclear")
    assert main.main(["list", "resnet*"]) == 2
    assert capsys.readouterr().err == "zoo: error: no model matches 'resnet*'\nthere are: linknet_camvid\n"


def say(card: Path, line: str) -> None:
    """Adds a line to the front matter."""
    readme = card / "README.md"
    readme.write_text(readme.read_text().replace("\ndata_license", f"\n{line}\ndata_license", 1))


def test_list_for_programs(card: Path, capsys: pytest.CaptureFixture):
    say(card, "commercial_use: yes")
    assert main.main(["list", "--json"]) == 0
    [told] = json.loads(capsys.readouterr().out)
    assert (told["name"], told["architecture"], told["bytes"]) == ("linknet_camvid", "linknet", 7_100_000)
    assert (told["license"], told["data_license"]) == ("apache-2.0", "drawn by the program")
    assert told["commercial_use"] == "yes"
    assert told["figures"][0]["value"] == 0.6125


@pytest.mark.parametrize(
    "line", ["commercial_use: no", "commercial_use: unclear", "commercial_use: [yes]", "other: yes"]
)
def test_list_for_business_shows_what_may_be_used(card: Path, line: str, capsys: pytest.CaptureFixture):
    other = shutil.copytree(card, card.parent / "linknet_free")
    say(other, "commercial_use: yes")
    say(card, line)
    assert main.main(["list", "--commercial"]) == 0
    _, row = capsys.readouterr().out.splitlines()
    assert row.split()[0] == "linknet_free"
    assert main.main(["list", "linknet_camvid", "--commercial"]) == 2
    assert "says that the weights may be used commercially\nomit --commercial" in capsys.readouterr().err


def test_lines_are_cut_to_the_terminal(card: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """But nowhere else, such as in a file."""
    main.main(["list"])
    whole = capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "80")
    main.main(["list"])
    assert capsys.readouterr().out == whole
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    main.main(["list"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines[1]) == 80 < len(whole.splitlines()[1])
    assert lines[1].endswith("...")


def test_info_says_what_it_was_trained_on(card: Path, capsys: pytest.CaptureFixture):
    assert main.main(["info", "linknet"]) == 0
    assert "\nsources" not in capsys.readouterr().out
    (card / "sources.csv").write_text("file,repository,license\na.png,me/one,CC0-1.0\nb.png,me/two,CC0-1.0\n")
    assert main.main(["info", "linknet"]) == 0
    assert "2 pictures; 1 of me/one, 1 of me/two; 2 under CC0-1.0\n" in capsys.readouterr().out
    (card / "sources.csv").write_text("file\n../a.png\n")
    assert main.main(["info", "linknet"]) == 2
    assert "sources.csv: line 2: '../a.png' leads out of the folder" in capsys.readouterr().err


def test_info(card: Path, capsys: pytest.CaptureFixture):
    assert main.main(["info", "linknet"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["parameters"] == "3,518,635"
    assert lines["MACs"] == "2.10 G at 480x360"
    assert lines["input"] == "RGB 0..1, any size"
    assert lines["labels"] == "Sky, Pole"
    assert lines["licence"] == "code Apache-2.0; weights apache-2.0"
    assert lines["data"] == "drawn by the program"
    assert lines["commercial"] == "use unclear"
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
        ([], "a verb is required: fit, "),
        (["--verson"], "did you mean --version?"),
        (["--device", "cpu", "predict"], "no option --device; options go after the verb: zoo VERB --device"),
        (["help"], "no verb 'help'; did you mean --help?"),
        (["version"], "did you mean --version?"),
        (["list", f"--remot={'a' * 30}"], "did you mean --remote?"),
        (["info"], "name"),
        (["info", "linknet_camvit"], "did you mean linknet_camvid?"),
        (["info", "linknet", "--hlep"], "unrecognized arguments: --hlep; did you mean --help?"),
        (["info", "linknet", ""], "unrecognized arguments: one is empty"),
        (["info", "x" * 5000], "x" * 90),
        ([f"{'x ' * 3000}y"], "..."),
    ],
)
def test_user_errors_are_one_or_two_lines(card: Path, arguments: list[str], message: str, capsys):
    assert main.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("zoo: error: ")
    assert message in captured.err
    assert len(captured.err.splitlines()) <= 2
    assert max(map(len, captured.err.splitlines())) <= 300


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
        (
            OSError(errno.EIO, "Input/output error"),
            2,
            "zoo: error: a file or device that is used: Input/output error\n",
        ),
        (OSError(errno.EBADF, "Bad file descriptor"), 70, "zoo: bug: OSError: "),
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


# Output that cannot be written

STREETS = "Straße ž 道路"
ENCODINGS = ("ascii", "cp1252", "utf-8")
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")


def command(*arguments: object, **options) -> subprocess.CompletedProcess[bytes]:
    """The console script, as a user runs it."""
    words = [sys.executable, Path(sys.executable).with_name("zoo"), *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | options.pop("variables", {})
    return subprocess.run(list(map(str, words)), stderr=subprocess.PIPE, env=environment, **options)


@pytest.fixture
def closed() -> Iterator[TextIO]:
    """A pipe that nobody reads from."""
    read, write = os.pipe()
    os.close(read)
    file = open(write, "w")  # noqa: SIM115, PTH123
    yield file
    with suppress(OSError):
        file.close()


@pytest.fixture
def streets(tmp_path: Path, mini_recipe: str) -> list[str]:
    """Arguments of a training of few pictures, whose classes and folders have letters of several languages."""
    rng = np.random.default_rng(0)
    for folder in ("pictures", "masks"):
        (tmp_path / STREETS / folder).mkdir(parents=True)
    for number in range(12):
        mask = rng.integers(0, 2, (4, 4), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
        Image.fromarray(np.stack([mask * 200] * 3, 2)).save(tmp_path / STREETS / "pictures" / f"{number}.png")
        Image.fromarray(mask).save(tmp_path / STREETS / "masks" / f"{number}.png")
    (tmp_path / f"{STREETS}.yaml").write_text(f"{mini_recipe}  max_epochs: 1\n")
    return [
        "fit", "--recipe", f"{STREETS}.yaml", "--data.class_path=zoo.data.SegmentationFolder",
        f"--data.pictures={STREETS}/pictures", f"--data.masks={STREETS}/masks", "--data.classes=[Straße, 道路]",
        "--data.val_fraction=0.25", "--data.batch_size=2", "--data.num_workers=0",
    ]  # fmt: skip


def left_by(folder: Path) -> tuple[str, ...]:
    """Classes of the one model that a training left."""
    return load(folder / "runs" / STREETS / "version_0" / "model").labels


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_letters_that_the_output_lacks_are_spelt(card: Path, bundle: Path, encoding: str):
    results = json.loads((card / "results.json").read_text())
    results["figures"][0]["data"] = STREETS
    (card / "results.json").write_text(json.dumps(results))
    for arguments in (["list"], ["info", "linknet"]):
        done = subprocess.run(
            [sys.executable, "-c", LIGHT, str(bundle), *arguments],
            env=os.environ | {"PYTHONIOENCODING": encoding},
            capture_output=True,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert STREETS.encode(encoding, "backslashreplace") in done.stdout


def test_a_training_and_a_prediction_end_whatever_letters_their_log_lacks(streets: list[str], tmp_path: Path):
    variables = {"PYTHONIOENCODING": "ascii"}
    fitted = command(*streets, cwd=tmp_path, stdout=subprocess.PIPE, variables=variables)
    assert fitted.returncode == 0, fitted.stderr.decode()
    assert left_by(tmp_path) == ("Straße", "道路")
    assert b"\\u9053\\u8def  " in fitted.stdout
    model = Path("runs", STREETS, "version_0", "model")
    done = command(
        "predict", model, f"{STREETS}/pictures/0.png", "-o", STREETS, cwd=tmp_path,
        stdout=subprocess.PIPE, variables=variables,
    )  # fmt: skip
    assert (done.returncode, done.stderr.decode()) == (0, "")
    assert b"1 of 1 pictures: Stra\\xdfe" in done.stdout
    assert list((tmp_path / STREETS).glob("0*.png"))


def test_a_training_outlives_the_reader_of_its_log(
    streets: list[str], tmp_path: Path, closed: TextIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", closed)
    assert main.main(streets) == 141
    assert left_by(tmp_path) == ("Straße", "道路")
    assert "zoo:" not in capsys.readouterr().err


@needs_full
def test_a_training_outlives_the_space_for_its_log(
    streets: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.chdir(tmp_path)
    with FULL.open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main.main(streets) == 2
    assert left_by(tmp_path) == ("Straße", "道路")
    assert "zoo: error: standard output: No space left on device; the work is done" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_a_link_that_leads_to_itself(card: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for arguments in (["pull", str(card), "--to", str(loop)], ["fit", "--resume", str(loop)]):
        assert main.main(arguments) == 2
        assert "loop" in capsys.readouterr().err


def test_a_closed_pipe_is_quiet(card: Path, bundle: Path, closed: TextIO):
    for arguments in (["list"], ["--help"]):
        run = [sys.executable, "-c", LIGHT, str(bundle), *arguments]
        done = subprocess.run(run, stdout=closed, stderr=subprocess.PIPE, text=True)
        assert (done.returncode, done.stderr) == (141 if arguments == ["list"] else 0, "")


@needs_full
def test_no_space_for_the_output(card: Path, bundle: Path):
    with FULL.open("w") as full:
        run = [sys.executable, "-c", LIGHT, str(bundle), "list"]
        done = subprocess.run(run, stdout=full, stderr=subprocess.PIPE, text=True)
        deaf = subprocess.run(run, stdout=full, stderr=full)
    assert done.returncode == 2
    assert done.stderr.startswith("zoo: error: standard output: No space left on device; ")
    assert deaf.returncode == 2


@needs_full
def test_no_space_for_the_errors(card: Path, bundle: Path):
    with FULL.open("w") as full:
        for arguments, code in ((["list"], 0), (["lsit"], 2)):
            run = [sys.executable, "-c", LIGHT, str(bundle), *arguments]
            assert subprocess.run(run, stdout=subprocess.PIPE, stderr=full).returncode == code


@pytest.mark.skipif(os.name == "nt", reason="needs a shell that closes streams")
def test_streams_that_the_shell_closed(card: Path, bundle: Path):
    for arguments, code in (("list", 0), ("lsit", 2)):
        line = f'"$0" -c "$1" "$2" {arguments} >&- 2>&-'
        assert subprocess.run(["sh", "-c", line, sys.executable, LIGHT, str(bundle)]).returncode == code
