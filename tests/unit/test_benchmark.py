"""``zoo benchmark``: candidates in turns, their tables, and times on cards."""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.base.colors import COLORS
from zoo.base.errors import ZooError
from zoo.benchmark import candidates, measuring, report, worker
from zoo.benchmark.candidates import Candidate
from zoo.benchmark.measuring import Measured
from zoo.cards.card import read_card
from zoo.cards.speeds import put_on_card
from zoo.commands import main
from zoo.hub import locate
from zoo.models.evaluation import Speed


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main.main(["benchmark", *arguments]) == 2
    return capsys.readouterr().err


def measured(name: str, engine: str, seconds: list[float], value: float | None = 0.5, batch: int = 1) -> Measured:
    candidate = Candidate(name, name, engine, (batch, 3, 48, 64), "cpu", "0.5 mIoU", "mIoU on x test", value)
    return Measured(candidate, f"{engine} 1.0", 0.25, 0.5, seconds, 10**9)


FOUND = [measured("a", "torch", [0.011, 0.010, 0.030]), measured("b", "onnx", [0.005, 0.005, 0.005], 0.6)]


def test_models_are_measured_in_processes_of_their_own(tiny_linknet: Path, capsys: pytest.CaptureFixture[str]):
    """With torch and, where it is installed, ONNX Runtime."""
    given = [str(tiny_linknet), "--sizes", "64x48", "--threads", "1", "--rounds", "2", "--form", "json"]
    assert main.main(["benchmark", *given, "--engines", "torch,onnx", "--batch", "2"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {(each["engine"], each["batch"]) for each in told["measured"]} >= {("torch", 2)}
    for each in told["measured"]:
        assert len(each["seconds"]) == 2
        assert 0 < each["median"] < 5
        assert each["median"] == pytest.approx(np.median(each["seconds"]))
        assert 50e6 < each["memory"] < 5e9
        assert each["loading"] > 0
        assert each["size"] == "64x48"
    assert told["measured"][0]["times_the_baseline"] == 1
    assert told["baseline"].startswith("tiny, torch")


def test_what_cannot_run_is_left_out_with_its_reason(tiny_linknet: Path, tmp_path: Path):
    said: list[str] = []
    broken = shutil.copytree(tiny_linknet, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"x")
    shape = (1, 3, 48, 64)
    wrong = Candidate(str(broken), "broken", "torch", shape, "cpu")
    with pytest.raises(ZooError, match="nothing can be measured here"):
        measuring.measure([wrong], 1, 1, said.append)
    assert re.fullmatch(r"left out: broken, torch, 64x48: .*model.safetensors.*", said[0])


def test_torch_computes_in_three_ways(tiny_linknet: Path, monkeypatch: pytest.MonkeyPatch):
    """Without a compiler of C++, which takes half a minute: what is compiled is the graph that dynamo finds."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    torch._dynamo.reset()
    counters = torch._dynamo.utils.counters["stats"]
    found = {}
    for engine in ("torch", "torch-bfloat16", "torch-compile"):
        counters.clear()
        compute, runtime, _ = worker._load(Candidate(str(tiny_linknet), "tiny", engine, (1, 3, 48, 64), "cpu"), 1)
        (found[engine],) = compute()
        assert bool(counters["calls_captured"]) == (engine == "torch-compile")
        assert runtime.startswith("torch ")
    np.testing.assert_allclose(found["torch-compile"], found["torch"], rtol=1e-4, atol=1e-4)
    assert 1e-4 < np.abs(found["torch-bfloat16"] - found["torch"]).max() < 1


def test_rounds_begin_with_another_one_each(monkeypatch: pytest.MonkeyPatch):
    """Or the first would always pay for what the last has left."""
    turns: list[str] = []

    class Line:
        def __init__(self, name: str) -> None:
            self.name = name

        def send(self, request: object) -> None:
            turns.append(self.name)
            self.answer = (5, 6) if request is None else 0.1

        def poll(self, _: float) -> bool:
            return True

        def recv(self) -> object:
            return self.answer

    @contextlib.contextmanager
    def begun(candidate: Candidate, *_: object) -> Iterator[measuring.Begun]:
        yield measuring.Begun(Line(candidate.name), Measured(candidate, "runtime", 0.1, 0.1))

    monkeypatch.setattr(measuring, "begun", begun)
    asked = [Candidate(name, name, "torch", (1, 3, 8, 8), "cpu") for name in "abc"]
    found = measuring.measure(asked, 3, 1, print)
    assert "".join(turns) == "abc" + "bca" + "cab" + "abc"
    assert [each.seconds for each in found] == [[0.1] * 3] * 3
    assert [each.memory for each in found] == [5] * 3


def test_medians_spread_and_ratios():
    assert FOUND[0].median == 0.011
    assert FOUND[0].spread == pytest.approx((0.0205 - 0.0105) / 2 / 0.011)
    assert FOUND[1].spread == 0
    cells = [dict(zip(report.HEAD, row, strict=True)) for row in report.rows(FOUND, FOUND[0])]
    assert [each["ms"] for each in cells] == ["11.0", "5.00"]
    assert [each["times"] for each in cells] == ["1.00", "2.20"]
    assert [each["a second"] for each in cells] == ["90.9", "200"]
    assert cells[0]["MB"] == "1000"
    assert cells[0]["load ms"] == "250"


def test_forms():
    lines = report.as_markdown(FOUND, FOUND[0]).splitlines()
    assert len(lines) == 4
    assert all(line.count("|") == len(report.HEAD) + 1 for line in lines)
    first, second = csv.DictReader(io.StringIO(report.as_csv(FOUND, FOUND[0])))
    assert first["seconds"] == "0.011 0.01 0.03"
    assert float(second["times_the_baseline"]) == pytest.approx(2.2)
    assert json.loads(report.as_json(FOUND, FOUND[1], {"zoo": "1"}))["measured"][0]["times_the_baseline"] < 1


def test_the_plot_has_a_dot_for_each(tmp_path: Path):
    report.plot([*FOUND, measured("c", "torch", [1.0], None)], tmp_path / "plot.png")
    pixels = np.asarray(Image.open(tmp_path / "plot.png")).reshape(-1, 3)
    seen = {"#{:02x}{:02x}{:02x}".format(*color) for color in np.unique(pixels, axis=0)}
    assert {COLORS[0], COLORS[1]} <= seen
    assert COLORS[2] not in seen
    report.plot(FOUND[:1], tmp_path / "plot.png")  # an axis of one value


def test_candidates_are_all_combinations(tmp_path: Path):
    found = candidates.candidates(["linknet", "xfeat"], ["torch", "torch-bfloat16", "onnx"], [], [1, 4], "cpu")
    assert len(found) == 2 * 2 * 3
    assert found[0].shape == (1, 3, 360, 480)
    assert found[6].shape == (1, 1, 480, 640)
    assert found[0].figure.startswith("0.667 mIoU")
    assert report.baseline_of(found, None) is found[0]
    half = report.baseline_of(found, "xfeat_free 4 bfloat16")
    assert (half.shape, half.engine, half.precision) == ((4, 1, 480, 640), "torch-bfloat16", "bfloat16")
    assert candidates.known(" onnx, all") == [*candidates.ENGINES]
    card = shutil.copytree(locate.find("fast_style").folder, tmp_path / "fast_style")
    assert candidates.candidates([str(card)], ["torch"], [], [1], "cpu")[0].size == "512x512"
    results = (card / "results.json").read_text()
    (card / "results.json").write_text(results.replace("engines: 512x512", "engines: 512x384"))
    sizes = candidates.candidates([str(card)], ["torch"], [], [1], "cpu")
    assert sizes[0].size == "512x384"  # of the speeds on its card, not of its multiply-adds


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["linknot"], "linknot"),
        (["neural_style"], "optimises each picture"),
        (["linknet", "--engines", "tensorflow"], "no engine 'tensorflow'"),
        (["linknet", "--engines", ","], "--engines takes names"),
        (["linknet", "--sizes", "480"], "--sizes takes sizes such as 480x360"),
        (["linknet", "--sizes", "0x5"], "--sizes takes sizes"),
        (["linknet", "--batch", "x"], "--batch takes numbers"),
        (["linknet", "--batch", "0"], "--batch must be a number from 1 to 1024, not 0"),
        (["linknet", "--rounds", "0"], "--rounds must be a number from 1 to 1000, not 0"),
        (["linknet", "--device", "cuda:7"], "is not here"),
        (["linknet", "--plot", "x.jpg"], "--plot takes the name of a PNG file"),
        (["linknet", "--plot", "no/x.png"], "there is no folder no"),
        (["linknet", "xfeat", "--plot", "x.png"], "--plot needs one figure for all"),
        (["linknet", "--baseline", "gpu"], "nothing that is measured has these words"),
        (["linknet", "--batch", "2", "--write"], "cards tell times of one picture"),
        (["linknet", "--sizes", ",".join(f"{n}x8" for n in range(8, 48)), "--batch", "1,2"], "160 combinations"),
    ],
)
def test_mistakes_are_told_before_anything_is_measured(
    given: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(measuring, "measure", lambda *_: pytest.fail("it measures"))
    assert message in refused(capsys, *given)


def test_times_are_put_on_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    card = shutil.copytree(read_card("xfeat_free").folder, tmp_path / "xfeat_free")
    before = read_card(card).results

    def measure(asked: list[Candidate], *_: object) -> list[Measured]:
        return [Measured(each, f"{each.engine[:5]} 9.9", 0.1, 0.1, [0.012, 0.0123, 0.0126]) for each in asked]

    monkeypatch.setattr(measuring, "measure", measure)
    assert main.main(["benchmark", str(card), "--write", "--threads", "2", "--rounds", "3"]) == 0
    after = read_card(card).results
    assert after.figures == before.figures
    own = {each.what: each for each in after.speed if each.what.startswith("engines: ")}
    assert [name.removeprefix("engines: 640x480, ") for name in own] == [
        "torch 9.9, float32, as loaded",
        "torch 9.9, bfloat16 autocast",
        "torch 9.9, torch.compile, float32",
        "onnx 9.9, float32",
        "openv 9.9, float32",
        "openc 9.9, float32",
    ]
    assert {each.ms for each in own.values()} == {12.3}
    assert {each.how for each in own.values()} == {"zoo benchmark: median of 3 rounds, ± 1.2 %"}
    assert next(iter(own.values())).machine.startswith("2 cores, ")
    assert "onnx 9.9, float32 | 12.3 | 2 cores, " in (card / "README.md").read_text()
    assert [each for each in after.speed if each.what not in own] == [
        each for each in before.speed if not each.what.startswith("engines: ")
    ]


def test_more_times_than_a_card_holds_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    card = shutil.copytree(read_card("xfeat_free").folder, tmp_path / "xfeat_free")
    before = (card / "results.json").read_bytes()
    rows = [Speed(what=f"engines: {n}x8, torch", ms=1.0, machine="here") for n in range(51)]
    with pytest.raises(ZooError, match="speed"):
        put_on_card(card, rows, engines=True)
    assert (card / "results.json").read_bytes() == before
