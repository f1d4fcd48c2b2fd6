"""``zoo predict`` of many pictures: going on after a stop, results.jsonl, chosen outputs, tars, several processes."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo import load
from zoo.base.errors import ZooError
from zoo.commands import main
from zoo.commands.outputs import Outputs
from zoo.commands.predictions import Predictions
from zoo.commands.shards import Shard, devices, of_slurm
from zoo.engines.torch import TorchEngine
from zoo.models.linknet.predict import Segmenter
from zoo.pictures import tars

COUNT = 5


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a folder of five different pictures of two sizes."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        noise = rng.integers(0, 256, (32 + 8 * (number % 2), 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(f"in/{number}.png")
    return tmp_path


def predict(model: Path, *words: str, out: str = "out") -> int:
    return main.main(["predict", str(model), *words, "-o", out, "--device", "cpu"])


def lines(out: str = "out", name: str = "results.jsonl") -> list[dict]:
    return [json.loads(line) for line in Path(out, name).read_text().splitlines()]


def files(out: str = "out") -> dict[str, bytes]:
    """What is there, but for what a killed run left in a hidden folder."""
    found = {path.relative_to(out).as_posix(): path for path in sorted(Path(out).rglob("*.png"))}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".")}


def test_each_picture_has_a_line_in_order(here: Path, tiny_linknet: Path):
    Path("in/1.png").write_bytes(b"no picture")
    assert predict(tiny_linknet, "in", "--batch-size", "2") == 2
    told = lines()
    assert [line["file"] for line in told] == [f"in/{number}.png" for number in range(COUNT)]
    assert told[1] == {"file": "in/1.png", "error": told[1]["error"]}
    assert "not a picture" in told[1]["error"]
    assert told[3]["size"] == [40, 40]
    assert sum(told[3]["fractions"].values()) == pytest.approx(1)
    assert told[3]["seconds"] > 0


def test_names_of_any_bytes_are_written_and_found_again(here: Path, tiny_linknet: Path, capsys):
    names = [b"in/\xe9.png", "in/\u00e9 \U0001f600.png".encode()]
    for name in names:
        Path(f"in/{names.index(name)}.png").rename(os.fsdecode(name))
    assert predict(tiny_linknet, "in") == 0
    assert {os.fsencode(line["file"]) for line in lines()} >= {*names}
    capsys.readouterr()
    assert predict(tiny_linknet, "in", "--skip-existing") == 0
    assert capsys.readouterr().out == "5 of 5 pictures, 5 of them by an earlier run: out\n"


def test_a_line_of_a_pair_tells_corners_and_no_matches(here: Path, tmp_path: Path):
    from zoo.cards import weights
    from zoo.models.xfeat.net import XFeat

    weights.save(XFeat(), tmp_path / "pairs", "xfeat", {}, dtype="float32")
    Path("pairs.csv").write_text("in/0.png,in/1.png\nin/2.png,in/no.png\n")
    assert predict(tmp_path / "pairs", "pairs.csv") == 2
    first, second = lines()
    assert first["files"] == ["in/0.png", "in/1.png"]
    assert np.shape(first["corners"]) == (4, 2)
    assert "matches" not in first
    assert second["files"] == ["in/2.png", "in/no.png"]
    assert "no such file" in second["error"]


def test_a_list_by_somebody_else_is_not_replaced(here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    Path("out").mkdir()
    Path("out/results.jsonl").write_text('{"mine": 1}\n')
    assert predict(tiny_linknet, "in") == 2
    assert Path("out/results.jsonl").read_text() == '{"mine": 1}\n'
    assert "out/results.jsonl would be replaced" in capsys.readouterr().err
    assert not files()
    assert predict(tiny_linknet, "in", "--overwrite") == 0
    assert len(lines()) == COUNT


def count_predictions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pictures that are read from now on."""
    read, seen = Predictions.read, list[str]()

    def watched(self: Predictions, job):
        seen.extend(map(str, job.paths))
        return read(self, job)

    monkeypatch.setattr(Predictions, "read", watched)
    return seen


def test_goes_on_after_a_stop(here: Path, tiny_linknet: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """What is complete, by the same options and of pictures that did not change, is left out."""
    assert predict(tiny_linknet, "in") == 0
    whole, told = files(), lines()
    Path("out/3_overlay.png").unlink()
    with Path("out/results.jsonl").open("r+") as file:  # as a killed run may leave it
        text = file.read()
        file.truncate(text.rindex("\n", 0, -1) + 20)
    os.utime("in/0.png", ns=(2**62, 2**62))
    seen = count_predictions(monkeypatch)
    capsys.readouterr()
    assert predict(tiny_linknet, "in", "--skip-existing") == 0
    assert sorted(seen) == ["in/0.png", "in/3.png", "in/4.png"]
    assert files() == whole
    assert [line["file"] for line in lines()] == ["in/1.png", "in/2.png", "in/0.png", "in/3.png", "in/4.png"]
    assert [line["fractions"] for line in lines()[:2]] == [line["fractions"] for line in told[1:3]]
    assert capsys.readouterr().out == "5 of 5 pictures, 2 of them by an earlier run: out\n"
    os.utime("in/0.png")
    seen.clear()
    assert predict(tiny_linknet, "in", "--skip-existing") == 0
    assert seen == ["in/0.png"]  # whose time was in the future
    seen.clear()
    assert predict(tiny_linknet, "in", "--skip-existing") == 0
    assert seen == []
    assert len(lines()) == COUNT


def test_other_options_and_failures_are_done_again(here: Path, tiny_linknet: Path, monkeypatch: pytest.MonkeyPatch):
    Path("in/1.png").write_bytes(b"no picture")
    assert predict(tiny_linknet, "in") == 2
    seen = count_predictions(monkeypatch)
    assert predict(tiny_linknet, "in", "--skip-existing") == 2
    assert seen == ["in/1.png"]
    seen.clear()
    assert predict(tiny_linknet, "in", "--skip-existing", "--outputs", "mask") == 2
    assert len(seen) == COUNT


def test_a_run_that_dies_leaves_whole_results_and_lines(here: Path, tiny_linknet: Path):
    """And the next one ends with what a whole run would have written."""
    assert predict(tiny_linknet, "in", out="whole") == 0
    program = (
        "import os, sys\nfrom zoo.commands import main\nfrom zoo.commands.outputs import Outputs\n"
        "put = Outputs._put\n"
        "def dies(self, path, name, paths):\n"
        "    if str(name) == '3_overlay.png': os.kill(os.getpid(), 9)\n"
        "    put(self, path, name, paths)\n"
        "Outputs._put = dies\nsys.exit(main.main(sys.argv[1:]))\n"
    )
    words = ["predict", str(tiny_linknet), "in", "-o", "out", "--device", "cpu"]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True)
    assert done.returncode == -signal.SIGKILL
    for line in lines() if Path("out/results.jsonl").exists() else ():
        assert {f"{Path(line['file']).stem}_{kind}.png" for kind in ("mask", "overlay")} <= files().keys()
    assert predict(tiny_linknet, "in", "--skip-existing") == 0
    assert files() == files("whole")
    assert sorted(line["file"] for line in lines()) == [f"in/{number}.png" for number in range(COUNT)]


def test_an_interrupt_leaves_nothing_half_written(here: Path, tiny_linknet: Path, monkeypatch, capsys):
    segment, calls = Segmenter._segment, []

    def interrupted(self: Segmenter, *given):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return segment(self, *given)

    monkeypatch.setattr(Segmenter, "_segment", interrupted)
    assert predict(tiny_linknet, "in") == 130
    assert capsys.readouterr().err == "zoo: interrupted\n"
    hidden = [path.name for path in Path("out").rglob(".*") if path.name != ".zoo-predict.jsonl"]
    assert hidden == []
    for content in files().values():
        Image.open(io.BytesIO(content)).load()
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert predict(tiny_linknet, "in", "--skip-existing") == 0
    assert len(files()) == 2 * COUNT


def test_a_full_disk_ends_the_run_with_whole_lines(here: Path, tiny_linknet: Path, monkeypatch, capsys):
    put = Outputs._put

    def full(self: Outputs, path: Path, name: Path, paths: tuple[Path, ...]) -> None:
        if str(name) == "2_mask.png":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        put(self, path, name, paths)

    monkeypatch.setattr(Outputs, "_put", full)
    assert predict(tiny_linknet, "in") == 2
    assert capsys.readouterr().err.startswith("zoo: error: no space left on ")
    assert [line["file"] for line in lines()] == ["in/0.png", "in/1.png"]
    assert "2_mask.png" not in files()


@pytest.mark.parametrize(
    ("given", "endings"),
    [("mask", {"_mask.png"}), ("json,overlay", {".json", "_overlay.png"}), ("mask,overlay,json", None)],
)
def test_outputs_are_chosen(here: Path, tiny_linknet: Path, given: str, endings: set[str] | None):
    assert predict(tiny_linknet, "in/0.png", "--outputs", given) == 0
    endings = {"_mask.png", "_overlay.png", ".json"} if endings is None else endings
    assert {path.name for path in Path("out").glob("0*")} == {f"0{ending}" for ending in endings}
    if "json" in given:
        assert json.loads(Path("out/0.json").read_text())["size"] == [40, 32]


@pytest.mark.parametrize("given", ["masks", "mask,", "", "mask overlay"])
def test_unknown_outputs_are_refused_with_the_list(here: Path, tiny_linknet: Path, capsys, given: str):
    assert predict(tiny_linknet, "in", "--outputs", given) == 2
    outputs = "mask, overlay, json, classes, csv, rle, polygons"
    told = f"--outputs must be a text of one or more of {outputs}, separated by commas, not"
    assert capsys.readouterr().err.startswith(f"zoo: error: {told} {given!r}\n")
    assert not Path("out").exists()


def add(tar: tarfile.TarFile, name: str, content: bytes, **values: object) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in values.items():
        setattr(member, key, value)
    tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def shard(here: Path) -> Path:
    """A tar as webdataset has it, whose last picture is damaged."""
    with tarfile.open("pictures.tar", "w") as tar:
        for number in range(COUNT):
            add(tar, f"a/{number}.png", Path(f"in/{number}.png").read_bytes())
            add(tar, f"a/{number}.cls", b"3")
        add(tar, "a/.hidden.png", b"x")
        add(tar, "torn.png", Path("in/0.png").read_bytes()[:500])
    return Path("pictures.tar")


def test_a_tar_is_predicted_like_a_folder(shard: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    assert predict(tiny_linknet, "in", out="whole") == 0
    capsys.readouterr()
    assert predict(tiny_linknet, "pictures.tar", "--batch-size", "2") == 2
    assert capsys.readouterr() == (
        "5 of 6 pictures: out\n",
        "zoo: pictures.tar: left out 5 files of other kinds (5 .cls)\n"
        "zoo: pictures.tar/torn.png: damaged picture (image file is truncated)\n",
    )
    assert files() == {f"a/{name}": content for name, content in files("whole").items()}
    assert lines()[0]["file"] == "pictures.tar/a/0.png"
    assert predict(tiny_linknet, "*.tar", "--skip-existing") == 2
    assert "5 of them by an earlier run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("../out.png", {}, "refused for its member ../out.png: its name leads out of the tar"),
        ("/etc/a.png", {}, "its name leads out of the tar"),
        ("a/../../b.png", {}, "its name leads out of the tar"),
        ("a.png", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "it is a link or a special file"),
        ("a.png", {"type": tarfile.LNKTYPE, "linkname": "ok.png"}, "it is a link or a special file"),
        ("a.png", {"type": tarfile.FIFOTYPE}, "it is a link or a special file"),
        ("a.png", {"size": 1 << 40}, "it has 1,099,511,627,776 bytes, and 536,870,912 are allowed"),
        ("a.png", {"size": 10_000_000}, "damaged or cut off after 2 members"),
    ],
)
def test_hostile_tars_are_refused(here: Path, tiny_linknet: Path, capsys, name: str, values: dict, told: str):
    with tarfile.open("evil.tar", "w") as tar:
        add(tar, "ok.png", Path("in/0.png").read_bytes())
        member = tarfile.TarInfo(name)
        for key, value in values.items():
            setattr(member, key, value)
        tar.addfile(member)
    assert predict(tiny_linknet, "evil.tar") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("zoo: error: evil.tar: ")
    assert told in line
    assert not Path("out").exists()


def test_a_tar_that_was_cut_or_is_none_is_refused(shard: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    content = shard.read_bytes()
    for name, part, told in (
        ("cut.tar", content[: len(content) // 2], "damaged or cut off after "),
        ("none.tar", b"something else" * 100, "not a tar"),
        ("a.tar.gz", b"", "a compressed tar; decompress it to a .tar first"),
    ):
        Path(name).write_bytes(part)
        assert predict(tiny_linknet, name) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"zoo: error: {name}: ")
        assert told in line
    with pytest.raises(ZooError, match=r"no\.tar: No such file"):
        tars.find(Path("no.tar"))


def test_two_processes_write_what_one_does(shard: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    words = ["in", "pictures.tar", "missing.png"]
    assert predict(tiny_linknet, *words, out="one") == 2
    one = capsys.readouterr()
    assert predict(tiny_linknet, *words, "--devices", "2", out="two") == 2
    two = capsys.readouterr()
    assert (two.out.replace("two", "one"), two.err) == one
    assert list(files("one")) == list(files("two"))
    for name in files("one"):  # rounding differs with the number of threads
        assert (np.asarray(Image.open(f"one/{name}")) == np.asarray(Image.open(f"two/{name}"))).mean() > 0.99
    want, have = lines("one"), lines("two")
    assert [(line["file"], line.get("error"), line.get("size")) for line in want] == [
        (line["file"], line.get("error"), line.get("size")) for line in have
    ]
    assert sorted(path.name for path in Path("two").glob("*.jsonl")) == [".zoo-predict.jsonl", "results.jsonl"]


def test_what_stops_one_of_several_processes_stops_all(here: Path, tiny_linknet: Path, capsys):
    Path("out").mkdir()
    Path("out/3_mask.png").write_text("by hand")
    assert predict(tiny_linknet, "in", "--devices", "2") == 2
    assert "out/3_mask.png would be replaced" in capsys.readouterr().err
    assert list(files()) == ["3_mask.png"]


def test_how_many_devices_there_are(monkeypatch: pytest.MonkeyPatch, here: Path, tiny_linknet: Path, capsys):
    assert devices(3, "cpu") == ["cpu"] * 3
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert devices(2, "cuda:0") == ["cuda:0", "cuda:1"]
    with pytest.raises(ZooError, match="--devices 3: this machine has 2 GPUs"):
        devices(3, "cuda")
    with pytest.raises(ZooError, match="takes the first 2 GPUs; leave out --device cuda:1"):
        devices(2, "cuda:1")
    for given in ("0", "-1", "two", "1.5"):
        assert predict(tiny_linknet, "in", "--devices", given) == 2
        assert f"--devices must be a whole number from 1 on, not '{given}'" in capsys.readouterr().err


def test_a_task_of_slurm_takes_its_share(here: Path, tiny_linknet: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    assert predict(tiny_linknet, "in", out="whole") == 0
    monkeypatch.setenv("SLURM_NTASKS", "2")
    monkeypatch.setenv("SLURM_PROCID", "1")
    assert of_slurm() is None  # a batch script, not srun
    monkeypatch.setenv("SLURM_STEP_ID", "0")
    assert of_slurm() == Shard(1, 2)
    capsys.readouterr()
    assert predict(tiny_linknet, "in") == 0
    assert capsys.readouterr().out == "2 of 2 pictures: out\n"
    assert [line["file"] for line in lines(name="results-1-of-2.jsonl")] == ["in/1.png", "in/3.png"]
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert predict(tiny_linknet, "in") == 0
    assert files() == files("whole")
    monkeypatch.delenv("SLURM_STEP_ID")
    seen = count_predictions(monkeypatch)
    assert predict(tiny_linknet, "in", "--skip-existing") == 0  # by whatever number of processes
    assert seen == []


def test_bfloat16_is_used_where_it_is_native(here: Path, tiny_linknet: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr("zoo.nn.precision.native_bfloat16", lambda _: False)
    assert predict(tiny_linknet, "in", "--bfloat16") == 2
    assert "--bfloat16: cpu does not compute in it natively" in capsys.readouterr().err
    seen = []
    monkeypatch.setattr("zoo.nn.precision.native_bfloat16", lambda _: True)
    watched = TorchEngine.__init__

    def init(self: TorchEngine, net, autocast: bool = False) -> None:
        seen.append(autocast)
        watched(self, net, autocast)

    monkeypatch.setattr(TorchEngine, "__init__", init)
    assert predict(tiny_linknet, "in", "--bfloat16") == 0
    assert True in seen


def test_an_engine_in_bfloat16_rounds_its_outputs(tiny_linknet: Path):
    net, x = load(tiny_linknet), np.random.default_rng(0).random((1, 3, 32, 40), dtype=np.float32)
    (exact,), (rounded,) = net.engine(x), TorchEngine(net, autocast=True)(x)
    assert rounded.dtype == np.float32
    assert 0 < abs(rounded - exact).max() < 0.1 * abs(exact).max()
