from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries

from zoo import list_models
from zoo.base.errors import ZooError
from zoo.cards import front, leaderboard
from zoo.cards.card import Card, begin_readme, check_card, fill, read_card, refresh
from zoo.cards.front import commercial_use
from zoo.cards.overview import headline, models_table, peers_table, speed
from zoo.cards.tables import macs_text, of_results
from zoo.models.evaluation import Figure, Results, Speed


def edit(path: Path, **entries: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def test_reads_a_card(card: Path):
    read = read_card("linknet")
    assert read == read_card(card)
    assert (read.name, read.task, read.size) == ("linknet_camvid", "semantic segmentation", "7.1 MB")
    assert read.front["license"] == "apache-2.0"
    assert read.figures[0] == Figure(metric="mIoU", data="CamVid", split="test", value=0.6125, tolerance=0.002)


def test_lists_by_pattern(card: Path):
    assert list_models() == ["linknet_camvid"]
    assert list_models("link*") == ["linknet_camvid"]
    assert list_models("resnet*") == []


def test_writing_fills_the_tables_and_leaves_the_prose(card: Path):
    refresh(card)
    text = (card / "README.md").read_text()
    assert "Prose before.\n\n<!-- zoo:begin results -->\n| figure" in text
    assert text.endswith("<!-- zoo:end results -->\n\nProse after.\n")
    assert "| mIoU | CamVid | test | 0.6125 | ± 0.002 |" in text
    assert "\n\nIoU of each class:\n\n| class | test | val |" in text
    assert "| Sky | 0.9 | 0.92 |" in text
    assert "| Pole | 0.3 |  |" in text
    assert "3,518,635 parameters; multiply-adds: 2.10 G at 480x360." in text
    assert "| zoo linknet, float32 | 21.0 | 2 cores |" in text
    assert "`zoo evaluate linknet_camvid --write` at commit `0123456` with torch 2.15.0" in text
    assert "test `abc`" in text
    assert check_card(card) == []
    refresh(card)
    assert (card / "README.md").read_text() == text


def test_a_model_without_weights_of_its_own(card: Path):
    """No parameters are a count, not a gap in the results."""
    edit(card / "results.json", parameters=0)
    (card / "model.safetensors").write_bytes(content := safetensors.torch.save({}, metadata={"format": "pt"}))
    described = {"file": "model.safetensors", "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    edit(card / "config.json", weights=described)
    refresh(card)
    assert check_card(card) == []
    assert read_card(card).size == "none"
    assert "\n\nNo parameters; multiply-adds: 2.10 G at 480x360.\n" in (card / "README.md").read_text()
    assert " | none | " in models_table("", "")


def test_one_number_is_a_weight():
    content = safetensors.torch.save({"a": torch.zeros(1, dtype=torch.float16)})
    card = Card("a", Path(), {"weights": {"bytes": len(content)}}, Results(), {})
    assert card.size == "0.0 MB"


def test_parameters_must_be_told(card: Path):
    refresh(card)
    edit(card / "results.json", parameters=None)
    assert check_card(card) == ["results.json has no parameters"]


def test_a_figure_says_on_what_and_how_it_was_measured():
    """Where the protocol is no more than the name of the data, it is told once."""
    figure = Figure(metric="MACE", data="photos", split="test", value=0.80123, tolerance=0.02, protocol="Protocol B")
    assert str(figure) == "MACE 0.8012 ± 0.02 on photos, Protocol B test"
    assert str(replace(figure, protocol="photos")) == "MACE 0.8012 ± 0.02 on photos test"
    assert "| MACE | photos, Protocol B | test | 0.8012 | ± 0.02 |" in of_results(Results(figures=[figure]))


def test_small_counts_are_told_in_millions():
    assert macs_text({"128x128": 90_473_472, "640x480": 1_260_000_000}) == "90.5 M at 128x128, 1.26 G at 640x480"


def test_a_table_without_a_field_is_a_problem(card: Path):
    refresh(card)
    edit(card / "results.json", tables=[{"title": "T", "columns": ["a"], "rows": []}, {"title": "U", "rows": []}])
    [problem] = check_card(card)
    assert problem.endswith("results.json: tables.1.columns: is missing")


def test_the_hub_reads_the_model_index(card: Path):
    refresh(card)
    data = ModelCard((card / "README.md").read_text()).data
    assert data.model_name == "linknet_camvid"
    figures = {(r.dataset_split, r.metric_type): r.metric_value for r in data.eval_results}
    assert figures == {("test", "mIoU"): 0.6125, ("test", "pixel accuracy"): 0.91, ("val", "mIoU"): 0.65}
    assert {r.task_type for r in data.eval_results} == {"image-segmentation"}
    assert data.license == "apache-2.0"


def test_figures_on_data_of_the_hub_go_to_its_leaderboards(card: Path):
    readme, path = card / "README.md", card / ".eval_results" / "zoo.yaml"
    refresh(card)
    assert not path.parent.exists()
    readme.write_text(readme.read_text().replace("- camvid\n", "- someone/CamVid\n"))
    refresh(card)
    [entry] = parse_eval_result_entries(yaml.safe_load(path.read_text()))
    assert (entry.dataset_id, entry.value, entry.notes) == ("someone/CamVid", 0.6125, "mIoU on test")
    assert check_card(card) == []
    path.unlink()
    assert check_card(card) == [".eval_results/zoo.yaml is out of step with results.json"]


def test_a_leaderboard_is_told_the_protocol():
    """Figures by other protocols compare with nothing there."""
    figure = Figure(metric="MACE", data="CamVid", split="test", value=0.8, tolerance=0.1, protocol="Protocol B")
    [entry] = yaml.safe_load(leaderboard.text([figure], ["someone/camvid"]))
    assert entry["notes"] == "MACE on test, Protocol B"
    [entry] = yaml.safe_load(leaderboard.text([replace(figure, protocol="CamVid")], ["someone/camvid"]))
    assert entry["notes"] == "MACE on test"
    own = replace(figure, data="someone/camvid")  # as `zoo card --datasets` may call own data
    assert yaml.safe_load(leaderboard.text([own], ["someone/camvid"]))[0]["dataset"]["id"] == "someone/camvid"


def test_a_readme_out_of_step_is_a_problem(card: Path):
    assert "README.md has no model-index" in check_card(card)
    refresh(card)
    figure = read_card(card).figures[0].to_dict()
    edit(card / "results.json", figures=[{**figure, "value": 0.7}])
    assert check_card(card) == ["README.md is out of step with results.json"]


def test_a_figure_typed_by_hand_is_a_problem(card: Path):
    refresh(card)
    readme = card / "README.md"
    readme.write_text(readme.read_text().replace("| 0.6125 |", "| 0.7125 |"))
    assert check_card(card) == ["README.md is out of step with results.json"]


@pytest.mark.parametrize(
    "name", ["README.md", "results.json", "recipe.yaml", "model.safetensors", "golden.safetensors"]
)
def test_a_missing_file_is_a_problem(card: Path, name: str):
    refresh(card)
    (card / name).unlink()
    assert check_card(card) == [f"{name} is missing"]


@pytest.mark.parametrize(
    ("name", "text"), [("config.json", b"{"), ("README.md", b"---\na: [\n---\n"), ("README.md", b"\xff\xfe")]
)
def test_a_file_that_cannot_be_read_is_a_problem(card: Path, name: str, text: bytes):
    (card / name).write_bytes(text)
    [problem] = check_card(card)
    assert str(card / name) in problem


def test_missing_fields_and_other_weights_are_problems(card: Path):
    refresh(card)
    (card / "model.safetensors").write_bytes(b"other weights")
    assert check_card(card) == ["model.safetensors is not the file that config.json describes"]
    edit(card / "results.json", commit="")
    edit(card / "config.json", architecture="resnet")
    assert check_card(card) == ["results.json has no commit", "config.json names no architecture: 'resnet'"]
    edit(card / "results.json", figures=[{"metric": "mIoU", "data": "CamVid", "split": "test", "value": 1}])
    assert check_card(card) == [f"{card}/results.json: figures.0.tolerance: is missing"]


def test_the_golden_file_is_that_of_the_config(card: Path):
    refresh(card)
    (card / "golden.safetensors").write_bytes(b"another")
    assert check_card(card) == ["golden.safetensors is not the file that config.json describes"]
    config = json.loads((card / "config.json").read_text())
    del config["golden"]
    (card / "config.json").write_text(json.dumps(config))
    assert check_card(card) == ["config.json has no golden, the file that zoo card makes"]


def test_terms_of_the_data_are_told(card: Path):
    readme = card / "README.md"
    readme.write_text(readme.read_text().replace("data_license: drawn by the program\n", ""))
    refresh(card)
    assert check_card(card) == ["README.md has no data_license"]


@pytest.mark.parametrize("said", ["yes", "'yes'", '"yes"', "no", "unclear"])
def test_commercial_use_may_be_written_as_people_write_it(card: Path, said: str):
    """An edit of a complete card by hand leaves it complete; YAML of old takes yes for true."""
    refresh(card)
    readme = card / "README.md"
    readme.write_text(readme.read_text().replace("\ndata_license", f"\ncommercial_use: {said}\ndata_license", 1))
    assert check_card(card) == []
    assert commercial_use(read_card(card).front) == said.strip("'\"")
    refresh(card)
    assert check_card(card) == []
    assert ModelCard(readme.read_text()).data.to_dict()["commercial_use"] == said.strip("'\"")


@pytest.mark.parametrize("said", ["maybe", "true", "[yes]", "''", "null"])
def test_another_word_on_commercial_use_is_a_problem(card: Path, said: str):
    refresh(card)
    readme = card / "README.md"
    readme.write_text(readme.read_text().replace("\ndata_license", f"\ncommercial_use: {said}\ndata_license", 1))
    [problem] = check_card(card)
    assert problem.startswith("commercial_use in README.md must be yes, no or unclear, not ")


def test_front_matter_is_read_as_the_hub_reads_it(card: Path):
    """Norway's language is no truth value."""
    readme = card / "README.md"
    readme.write_text(readme.read_text().replace("\ndata_license", "\nlanguage: no\ngated: false\ndata_license", 1))
    front = read_card(card).front
    assert (front["language"], front["gated"]) == ("no", False)


def test_a_list_of_sources_is_checked(card: Path):
    refresh(card)
    (card / "sources.csv").write_text("file,blob\na.png,1234\n")
    assert check_card(card) == []
    (card / "sources.csv").write_text("file,blob\n/etc/a.png,1234\n")
    assert check_card(card) == [f"{card}/sources.csv: line 2: '/etc/a.png' leads out of the folder"]


def test_a_name_of_its_own_goes_with_the_folder(card: Path, tmp_path: Path):
    """A card that was copied to another folder is still in step."""
    edit(card / "config.json", name="linknet_mine")
    refresh(card)
    copy = card.rename(tmp_path / "elsewhere")
    assert read_card(copy).name == "linknet_mine"
    assert check_card(copy) == []
    edit(copy / "config.json", name="../x\n")
    assert read_card(copy).name == "elsewhere"


def test_nothing_is_written_from_incomplete_results(card: Path):
    before = (card / "README.md").read_text()
    edit(card / "results.json", data_digest={})
    with pytest.raises(ZooError, match=r"results\.json has no data_digest"):
        refresh(card)
    assert (card / "README.md").read_text() == before


def test_markers_are_needed(card: Path):
    readme = card / "README.md"
    readme.write_text(readme.read_text().replace("<!-- zoo:end results -->", ""))
    with pytest.raises(ZooError, match=r"README\.md: needs the markers"):
        refresh(card)


@pytest.mark.parametrize(
    "text",
    ["", "<!-- zoo:begin a -->", "<!-- zoo:end a --><!-- zoo:begin a -->", "<!-- zoo:begin a --><!-- zoo:end b -->"],
)
def test_fill_refuses_broken_markers(text: str):
    with pytest.raises(ZooError, match="zoo:begin a"):
        fill(text, "a", "body")


def test_fill_replaces_only_its_own_part():
    text = "1<!-- zoo:begin a -->old<!-- zoo:end a -->2<!-- zoo:begin b -->kept<!-- zoo:end b -->3"
    want = "1<!-- zoo:begin a -->\nnew\n<!-- zoo:end a -->2<!-- zoo:begin b -->kept<!-- zoo:end b -->3"
    assert fill(text, "a", "new") == want


def test_models_table(card: Path):
    assert models_table("cards/", "/README.md").splitlines() == [
        "| task | model | good at | figure | speed on 2 cores | size | licence | commercial use |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| semantic segmentation | [linknet_camvid](cards/linknet_camvid/README.md) |  | "
        "mIoU 0.6125 ± 0.002 on CamVid test |  | 7.1 MB | apache-2.0 | unclear |",
    ]


def test_a_headline_names_figures(card: Path):
    read = read_card(card)
    named = replace(read, front={**read.front, "headline": "{mIoU:.0%} and {mIoU on CamVid:.3f} mIoU"})
    assert headline(named) == "61% and 0.613 mIoU"
    wrong = replace(read, front={**read.front, "headline": "{IoU}"})
    with pytest.raises(ZooError, match="linknet_camvid: headline names a figure that its results lack: 'IoU'"):
        headline(wrong)
    texts = {"zoo": 3.0, "engines: 48x36, torch 2.9.0, float32, as loaded": 27.44}
    for machine, shown in {"2 cores, x86_64": "27.4 ms at 48x36", "8 cores, x86_64": ""}.items():
        lines = [Speed(what=what, ms=ms, machine=machine) for what, ms in texts.items()]
        assert speed(replace(read, results=replace(read.results, speed=lines))) == shown
    assert speed(read) == ""


def test_peers_are_taken_from_the_results(card: Path):
    said = {"what": "IoU", "table": "IoU of", "column": "test", "rows": ["Sky", "Road"]}
    matter, body = front.read(card / "README.md")
    begin_readme(card, {**matter, "beside": [said]}, body)
    link = "[linknet_camvid](linknet_camvid.md)"
    row = f"| semantic segmentation | IoU | {link} | 0.9 | Road 0.8 |"
    tables = [{"title": "IoU of each class", "columns": ["class", "test"], "rows": [["Sky", 0.9], ["Road", 0.8]]}]
    edit(card / "results.json", tables=tables)
    assert peers_table("", ".md").splitlines()[2:] == [row]
    for wrong in ({"rows": ["Sky", "Sea"]}, {"column": "val"}, {"table": "ms"}):
        begin_readme(card, {**matter, "beside": [{**said, **wrong}]}, body)
        with pytest.raises(ZooError, match="linknet_camvid: beside names no "):
            peers_table("", ".md")
