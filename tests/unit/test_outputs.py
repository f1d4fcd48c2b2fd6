"""What ``zoo predict`` may replace in the folder of its results."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from zoo.commands import main
from zoo.commands.outputs import RECORD, ForeignError, Outputs


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("one/a.png", "one/b.png", "two/a.png"):
        Path(name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 32), (len(name), 9, 9)).save(name)
    return tmp_path


def predict(model: Path, *words: str) -> int:
    return main.main(["predict", str(model), *words, "-o", "masks", "--device", "cpu"])


def content(folder: str = "masks") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).glob("[!.]*[!l]")}


def test_masks_by_hand_are_not_replaced(here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    """Nor is anything computed for nothing: the first result tells the names of all others."""
    Path("masks").mkdir()
    Path("masks/b_mask.png").write_text("of a day's work")
    assert predict(tiny_linknet, "one") == 2
    assert content() == {"b_mask.png": b"of a day's work"}
    assert capsys.readouterr().err == (
        "zoo: error: masks/b_mask.png would be replaced: not made by this command before\n"
        "name another folder with -o, or give --overwrite\n"
    )
    assert predict(tiny_linknet, "one", "--overwrite") == 0
    assert content()["b_mask.png"] != b"of a day's work"
    assert sorted(content()) == ["a_mask.png", "a_overlay.png", "b_mask.png", "b_overlay.png"]


def test_the_same_command_twice_replaces_its_results(here: Path, tiny_linknet: Path, monkeypatch: pytest.MonkeyPatch):
    assert predict(tiny_linknet, "one") == 0
    first = content()
    Image.new("RGB", (48, 40)).save("one/a.png")  # a better one by the same name
    assert predict(tiny_linknet, "one") == 0
    assert content().keys() == first.keys()
    assert content()["a_mask.png"] != first["a_mask.png"]
    monkeypatch.chdir("one")  # nor does it matter how the pictures are named
    assert main.main(["predict", str(tiny_linknet), "a.png", "-o", "../masks", "--device", "cpu"]) == 0


def test_a_result_that_was_changed_since_is_kept(here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    assert predict(tiny_linknet, "one") == 0
    Image.new("L", (40, 32), 3).save("masks/a_mask.png")  # retouched
    before = content()
    assert predict(tiny_linknet, "one") == 2
    assert content() == before
    assert "masks/a_mask.png would be replaced" in capsys.readouterr().err


def test_a_result_of_another_picture_is_kept(here: Path, tiny_linknet: Path, capsys: pytest.CaptureFixture):
    assert predict(tiny_linknet, "one/a.png") == 0
    before = content()
    assert predict(tiny_linknet, "two/a.png") == 2
    assert content() == before
    assert "masks/a_mask.png and 1 more would be replaced" in capsys.readouterr().err
    assert predict(tiny_linknet, "one/a.png", "two/a.png") == 0  # a name of its own beside the other
    assert sorted(content()) == ["a_2_mask.png", "a_2_overlay.png", "a_mask.png", "a_overlay.png"]


def test_a_picture_is_never_replaced(here: Path, tiny_linknet: Path):
    Image.new("RGB", (40, 32), "red").save("one/a_mask.png")
    before = content("one")
    words = ["predict", str(tiny_linknet), "one/a.png", "one/a_mask.png", "-o", "one", "--device", "cpu", "--overwrite"]
    assert main.main(words) == 2
    assert content("one") == before


def test_results_come_all_or_none_and_leave_nothing_else(here: Path):
    outputs = Outputs(Path("one"), {Path("sub/a"): (Path("two/a.png"),)}, "it", overwrite=False)

    def write(place: Path) -> None:
        place.with_name(f"{place.name}_x.png").write_text("x")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        outputs.save(Path("sub/a"), write)
    assert not list(Path("one/sub").iterdir())
    outputs.save(Path("sub/a"), lambda place: place.with_name("a.json").write_text("{}"))
    assert [path.name for path in Path("one/sub").iterdir()] == ["a.json"]


def test_what_another_process_of_the_run_wrote_meanwhile_is_not_foreign(here: Path):
    work = {Path(name): (Path(f"one/{name}.png"),) for name in "ab"}
    first, second = (Outputs(Path("two"), work, "it", overwrite=False) for _ in range(2))
    first.save(Path("a"), lambda place: place.with_name("a_x.txt").write_text("1"))
    second.save(Path("b"), lambda place: place.with_name("b_x.txt").write_text("1"))
    Path("two/b_x.txt").write_text("2 by hand")
    with pytest.raises(ForeignError):
        first.save(Path("b"), lambda place: place.with_name("b_x.txt").write_text("1"))


def test_a_record_that_was_cut_is_no_obstacle(here: Path):
    work = {Path("a"): (Path("one/a.png"),)}
    folder = Path("two")
    Outputs(folder, work, "it", overwrite=False).save(Path("a"), lambda place: place.with_name("a.txt").write_text("1"))
    with (folder / RECORD).open("a") as file:
        file.write('["a.txt", "12')
    Outputs(folder, work, "it", overwrite=False).save(Path("a"), lambda place: place.with_name("a.txt").write_text("2"))
    assert (folder / "a.txt").read_text() == "2"
    with pytest.raises(ForeignError):  # a_compare.png is what several models make of a picture
        Outputs(folder, work, "other", overwrite=False).check(Path("a"), [".txt"])
