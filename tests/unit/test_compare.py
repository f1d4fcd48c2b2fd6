"""``zoo compare``: what differs between runs and cards, and what their figures may be compared with."""

from __future__ import annotations

import json
import re
import shutil
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import html5lib
import pytest
import yaml
from PIL import Image

from zoo.cards.card import read_card
from zoo.commands import main
from zoo.compare import curves, verdict
from zoo.compare.subject import Measured, Subject, flat, read
from zoo.training.states import Facts

RUNS = ("a", "b", "c")  # b has another seed than a, c another learning rate


@pytest.fixture(scope="module")
def runs(mini_recipe: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three short trainings."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "mini.yaml").write_text(f"{mini_recipe}  max_epochs: 2\n  log_every_n_steps: 1\n")
    given = {"a": ["--seed_everything=1"], "b": ["--seed_everything=2"], "c": ["--model.optimizer.lr=0.02"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, options in given.items():
            options += ["--seed_everything=1"] * (name == "c")
            options += [f"--trainer.default_root_dir={name}", "--trainer.logger.version=one"]
            assert main.main(["fit", "--recipe", "mini.yaml", *options]) == 0
            (folder / name / "mini" / "one").rename(folder / f"run_{name}")
        yield folder


@pytest.fixture
def names(runs: Path) -> list[str]:
    return [str(runs / f"run_{name}") for name in RUNS]


def compared(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    capsys.readouterr()
    assert main.main(["compare", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main.main(["compare", *arguments]) == 2
    return capsys.readouterr().err


def test_a_run_tells_what_its_figures_depend_on(runs: Path):
    facts = Facts.read(runs / "run_a")
    assert facts.versions.keys() >= {"zoo", "torch", "lightning"}
    assert facts.data.keys() == {"train", "val"}
    assert facts.data == Facts.read(runs / "run_b").data
    assert facts.devices == 1
    assert facts.monitor == ("val/mIoU", "max")


def test_only_keys_that_differ_are_listed(names: list[str], capsys: pytest.CaptureFixture[str]):
    found = compared(capsys, *names)
    (rates,) = (values for key, values in found["keys"].items() if key.endswith("lr"))
    assert rates[0] == rates[1] != rates[2] == 0.02
    assert found["keys"]["seed_everything"] == [1, 2, 1]
    assert len(found["keys"]) == 2


def test_runs_that_differ_in_their_seed_tell_what_chance_does(names: list[str], capsys: pytest.CaptureFixture[str]):
    found = compared(capsys, *names)
    both, other = found["seeds"]
    assert both["members"] == [0, 1]
    assert other["members"] == [2]
    values = [subject["figures"][0]["value"] for subject in found["subjects"]]
    assert both["mean"] == pytest.approx(sum(values[:2]) / 2)
    assert both["deviation"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    assert found["conclusion"] == "Comparable: the held-out data are the same."
    first = found["figures"][0]
    assert first["name"] == "mIoU val"
    assert all("the noise of seeds" in said for said in first["said"][1:])


def test_the_figure_is_that_of_the_best_checkpoint(names: list[str]):
    subject = read(names[0])
    values = [value for _, value in subject.curves["val/mIoU"]]
    assert subject.figures[0].value == max(values)
    assert len(values) >= 2


def test_the_table_and_the_page(names: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    page = tmp_path / "new" / "compare.html"
    assert main.main(["compare", *names, "-o", str(page)]) == 0
    out = capsys.readouterr().out
    assert "Keys of the recipes that differ" in out
    assert "over 2 runs that differ only in their seed" in out
    text = page.read_text()
    parser = html5lib.HTMLParser()
    parser.parse(text)
    assert not parser.errors
    assert text.count("<polyline") >= 3
    assert text.count("data:image/jpeg") == 3
    assert not re.search(r"(?:src|href)=\"(?!data:)", text)
    assert "already exists; replace it with --overwrite" in refused(capsys, *names, "-o", str(page))
    assert main.main(["compare", *names, "-o", str(page), "--overwrite"]) == 0


def test_what_a_stranger_wrote_is_only_shown(names: list[str], tmp_path: Path):
    """A recipe may hold anything: the page shows it as text."""
    for name in ("one", "two"):
        shutil.copytree(names[0], tmp_path / name)
    config = tmp_path / "two" / "config.yaml"
    config.write_text(config.read_text() + "\n'<script>': '</style><img src=x onerror=alert(1)>'\n")
    page = tmp_path / "page.html"
    assert main.main(["compare", str(tmp_path / "one"), str(tmp_path / "two"), "-o", str(page)]) == 0
    assert "<script>" not in page.read_text()
    assert "onerror=alert(1)&gt;" in page.read_text()


def test_other_data_are_not_compared(names: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    other = shutil.copytree(names[1], tmp_path / "other")
    facts = Facts.read(other)
    replace(facts, data={**facts.data, "val": "0" * 64}).write(other)
    found = compared(capsys, names[0], str(other))
    assert found["conclusion"] == "Not comparable: the held-out data differ."
    assert not found["comparable"]
    assert {said for row in found["figures"] for said in row["said"][1:]} == {"not comparable: other data"}
    (other / "facts.json").unlink()  # as of an earlier zoo
    assert compared(capsys, names[0], str(other))["conclusion"].startswith("Perhaps comparable")


def test_cards_are_compared_by_metric_and_protocol(capsys: pytest.CaptureFixture[str]):
    found = compared(capsys, "linknet_camvid", "linknet_camvid_fine")
    assert found["conclusion"] == "Comparable: the held-out data are the same."
    miou = read_card("linknet_camvid_fine").figures[0].value - read_card("linknet_camvid").figures[0].value
    assert found["figures"][0]["said"] == ["", f"{miou:+.4g}"]
    assert found["keys"]["model.init_args.input_scale"] == ["default", 1.5]
    assert compared(capsys, "linknet", "xfeat")["conclusion"].startswith("Not comparable: no metric")


def test_a_run_and_a_card_meet_where_their_data_are_the_same():
    figure = Measured("mIoU", "val", "CamVid", 0.7, 0.01)
    card = Subject("card", False, {"x": 1, "z": 3}, data={"val": "d"}, figures=(figure,))
    run = Subject(
        "run", True, {"x": 2, "y": 3, "z": 3}, data={"val": "d"}, figures=(Measured("mIoU", "val", "", 0.705),)
    )
    (row,) = verdict.rows([card, run])
    assert row.name == "mIoU on CamVid val"
    assert row.said == ("", "+0.005, within the tolerance")
    assert verdict.differing_keys([card, run]) == {"x": [1, 2]}  # y has perhaps the default
    apart = verdict.rows([card, replace(run, data={"val": "e"})])
    assert [sum(cell is not None for cell in row.cells) for row in apart] == [1, 1]


def test_a_difference_beyond_the_noise_of_seeds_is_told():
    def run(seed: int, lr: float, value: float) -> Subject:
        recipe = {"seed_everything": seed, "lr": lr}
        figure = Measured("mIoU", "val", "", value)
        return Subject(f"{seed}", True, recipe, seed, {"val": "d"}, {"zoo": "1"}, figures=(figure,))

    runs = [run(1, 0.1, 0.70), run(2, 0.1, 0.71), run(3, 0.1, 0.72), run(1, 0.2, 0.71), run(1, 0.3, 0.80)]
    (row,) = verdict.rows(runs)
    assert row.said[3] == "+0.01, within the noise of seeds (± 0.061)"  # Student's t of 3 runs: 4.30 √2 0.01
    assert row.said[4] == "+0.1, beyond the noise of seeds (± 0.061)"


def test_curves_of_csv_are_read_and_values_that_are_not_finite_left_out(tmp_path: Path):
    (tmp_path / "metrics.csv").write_text("epoch,step,val/loss,lr-x\n0,1,2.5,1\n0,2,nan,1\n1,3,,1\n1,x,3,\n2,4,1.5,1\n")
    (tmp_path / "metrics_1.csv").write_text("step,val/loss\n1,9\n0,3\n")
    assert curves.read_curves(tmp_path) == {"val/loss": [(0, 3.0), (1, 9.0), (4, 1.5)]}


@pytest.mark.parametrize("curve", [[(0, 0.0)], [(0, 1.0), (5, 1.0)], [(i, i % 7) for i in range(5000)], [(3, -1e30)]])
def test_any_curve_is_drawn_inside_its_frame(curve: curves.Curve):
    drawing = curves.drawing([("red", curve), ("blue", [])])
    html5lib.parse(drawing)
    pairs = [pair.split(",") for line in re.findall(r'points="([^"]*)"', drawing) for pair in line.split()]
    assert len(pairs) <= curves.POINTS
    assert all(0 <= float(x) <= curves.WIDTH for x, _ in pairs)
    assert all(0 <= float(y) <= curves.HEIGHT for _, y in pairs)


def test_numbers_that_yaml_takes_for_text_are_numbers():
    assert flat(yaml.safe_load("a: 1e-3\nb: [1, {c: x}]\nd: {}\ne: null")) == {
        "a": 0.001, "b.0": 1, "b.1.c": "x", "d": "{}", "e": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["linknet"], "name two or more runs or cards"),
        (["linknet", "linknet"], "name two or more runs or cards"),
        (["linknet", "linknot"], "linknot"),
        (["linknet", "{empty}"], "neither a run, which has config.yaml, nor a card, which has config.json"),
        (["linknet", "{runs}"], "holds runs, and is none itself; name one, such as"),
        (["linknet", "xfeat", "-o", "{empty}"], "is a folder; name a file"),
        (["linknet", "{broken}"], "not YAML"),
        (["linknet", "{text}"], "a recipe is a mapping"),
    ],
)
def test_mistakes_are_told_in_a_line(
    given: list[str], message: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    places = {name: tmp_path / name for name in ("empty", "broken", "text")}
    for path in places.values():
        path.mkdir()
    (places["broken"] / "config.yaml").write_text("a: [")
    (places["text"] / "config.yaml").write_text("text")
    assert message in refused(capsys, *(word.format(runs=runs, **places) for word in given))


def test_damaged_facts_and_pictures(names: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = shutil.copytree(names[0], tmp_path / "run")
    for text in ("[", "{}", '{"versions": 3, "data": [1], "devices": "x", "monitor": ["a"]}'):
        (run / "facts.json").write_text(text)
        assert compared(capsys, names[1], str(run))["subjects"][1]["data"] == {}
    picture = next((run / "pictures").glob("*.png"))
    picture.write_bytes(picture.read_bytes()[:50])
    assert picture.name in refused(capsys, names[1], str(run), "-o", str(tmp_path / "x.html"))
    assert not (tmp_path / "x.html").exists()
    Image.new("L", (3000, 10)).save(picture)
    assert main.main(["compare", names[1], str(run), "-o", str(tmp_path / "x.html")]) == 0


TOLD = [
    "--license",
    "mit",
    "--data-license",
    "drawn",
    "--datasets",
    "streets",
    "--description",
    "A try.",
    "--limits",
    "All.",
]


def test_a_card_tells_mean_and_deviation_over_seeds(
    names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """As the cards of the two runs do, measured on the same data; a later measurement keeps them."""
    monkeypatch.chdir(tmp_path)
    for made, (own, *others) in {"one": names[:1], "two": names[1:2], "both": names[:2]}.items():
        seeds = ["--seeds", *others] if others else []
        assert main.main(["card", own, "--name", made, "-o", made, *seeds, *TOLD]) == 0
    one, two, both = (read_card(tmp_path / made).results.figures for made in ("one", "two", "both"))
    assert {figure.seeds for figure in (*one, *two)} == {None}
    for first, second, figure in zip(one, two, both, strict=True):
        assert figure.value == first.value
        assert figure.seeds
        assert figure.seeds.seeds == 2
        values = [first.value, second.value]  # rounded weights
        assert figure.seeds.mean == pytest.approx(statistics.fmean(values), abs=1e-3)
        assert figure.seeds.deviation == pytest.approx(statistics.stdev(values), abs=1e-3)
    assert max(figure.seeds.deviation for figure in both if figure.seeds) > 1e-3
    shown = f"{both[0].seeds.mean:.4g} ± {both[0].seeds.deviation:.2g} (2 seeds)" if both[0].seeds else ""
    assert f"| {shown} |" in (tmp_path / "both" / "README.md").read_text()
    assert "seeds" not in (tmp_path / "one" / "README.md").read_text().lower()
    assert main.main(["evaluate", "./both", "--write"]) == 0
    assert read_card(tmp_path / "both").results.figures == both
    results = json.loads((tmp_path / "both" / "results.json").read_text())
    digests = dict.fromkeys(results["data_digest"], "0" * 64)
    (tmp_path / "both" / "results.json").write_text(json.dumps({**results, "data_digest": digests}))
    assert main.main(["evaluate", "./both", "--write"]) == 0  # other data than those of the seeds
    assert {figure.seeds for figure in read_card(tmp_path / "both").results.figures} == {None}


def test_seeds_of_a_card_differ_in_nothing_else(names: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    a, b, c = names
    for own, others, message in (
        (a, [c], f"{c} differs from {a} in more than its seed: model.init_args.optimizer.init_args.lr"),
        (a, [b, b], "the seeds must be different ones, not 1, 2, 2"),
        (a, ["linknet"], "linknet is no folder of a run"),
        (str(Path(a, "checkpoints", "best.ckpt")), [b], "best.ckpt is no folder of a run"),
        (a, ["nowhere"], "nowhere is no folder of a run"),
    ):
        capsys.readouterr()
        folder = tmp_path / "card"
        assert main.main(["card", own, "--name", "x", "-o", str(folder), "--seeds", *others, *TOLD]) == 2
        assert message in capsys.readouterr().err
        assert not folder.exists()
