from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from zoo.base import files, registry
from zoo.base.errors import ZooError


def test_every_folder_of_models_is_an_architecture():
    folders = {path.parent.name for path in Path(registry.__file__).parents[1].glob("models/*/__init__.py")}
    assert set(registry.architectures()) == folders
    assert "linknet" in folders


@pytest.mark.parametrize("path", ["os.system", "zoo", "zooos.system", "zoo.nothing.here", "zoo.base.errors.Nothing"])
def test_import_object_stays_inside_the_zoo(path: str):
    with pytest.raises(ZooError):
        registry.import_object(path)


def test_import_object():
    assert registry.import_object("zoo.base.errors.ZooError") is ZooError


def test_architecture_exports_its_classes_lazily():
    program = (
        "import sys, zoo.models.linknet as m\n"
        "assert 'torch' not in sys.modules\n"
        "assert m.LinkNet.__name__ == 'LinkNet'\n"
        "assert 'lightning' not in sys.modules\n"
        "assert not hasattr(m, 'Nothing')"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.fixture
def other_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Packages that declare architectures: a whole one, one that breaks, one that is none, and one called linknet."""
    for name, text in {
        "relief": "from zoo.models.linknet import ARCHITECTURE\nclass Net: pass\n",
        "broken": "raise RuntimeError('no such library')\n",
        "odd": "ARCHITECTURE = 'relief.Net'\n",
        "twin": "from zoo.models.neural_style import ARCHITECTURE\n",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(text)
    (tmp_path / "relief" / "cards" / "relief_streets").mkdir(parents=True)
    (tmp_path / "relief" / "cards" / "relief_streets" / "config.json").write_text("{}")
    monkeypatch.syspath_prepend(tmp_path)
    names = {"relief": "relief", "broken": "broken", "odd": "odd", "linknet": "twin"}
    entries = [EntryPoint(name, f"{package}:ARCHITECTURE", registry.GROUP) for name, package in names.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: [each for each in entries if each.group == group])
    registry._foreign.cache_clear()
    yield
    registry._foreign.cache_clear()
    for name in names.values():
        sys.modules.pop(name, None)


def test_other_packages_bring_architectures_and_cards(
    other_packages: None, tmp_path: Path, capsys: pytest.CaptureFixture
):
    """A broken one costs none of the others, and none takes the name of the zoo's own."""
    found = registry.architectures()
    assert {"relief", "linknet", "fast_style"} <= set(found)
    assert not {"broken", "odd", "twin"} & set(found)
    assert found["linknet"].task == "semantic segmentation"
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "zoo: left out the architecture broken (broken:ARCHITECTURE): no such library",
        "zoo: left out the architecture odd (odd:ARCHITECTURE): is a str, not an Architecture",
    ]
    assert registry.card_folder("relief_streets") == tmp_path / "relief" / "cards" / "relief_streets"
    assert registry.card_names("relief*") == ["relief_streets"]
    assert registry.card_folder("linknet_camvid") == files.bundled("cards") / "linknet_camvid"


def test_their_classes_can_be_imported_and_no_other_ones(other_packages: None):
    assert registry.import_object("relief.Net").__name__ == "Net"
    for path in ("relief.Nothing", "broken.Net", "json.loads"):
        with pytest.raises(ZooError):
            registry.import_object(path)


def test_an_architecture_is_known_by_its_classes_and_theirs():
    network = registry.import_object("zoo.models.linknet.net.LinkNet")
    assert registry.architecture_of(network) == "linknet"
    assert registry.architecture_of(type("Own", (network,), {})) == "linknet"
    assert registry.architecture_of(registry.import_object("zoo.models.linknet.module.LinkNetModule")) == "linknet"
    assert registry.architecture_of(Path) is None


def test_a_wheel_carries_recipes_and_cards_inside_the_package(card: Path, tmp_path: Path):
    package = tmp_path / "site" / "zoo"
    shutil.copytree(Path(files.__file__).parents[1], package, ignore=shutil.ignore_patterns("__pycache__", "_bundled"))
    shutil.copytree(card, package / "_bundled" / "cards" / "from_the_wheel")
    (package / "_bundled" / "recipes").mkdir()
    (package / "_bundled" / "recipes" / "also.yaml").touch()
    program = "import zoo, zoo.training.recipes; print(zoo.list_models(), zoo.training.recipes.names())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=package.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout == "['from_the_wheel'] ['also']\n"


def test_replace_leaves_the_old_file_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = tmp_path / "results.json"
    files.replace(target, "old")

    def half_written(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half_written)
    with pytest.raises(OSError, match="No space"):
        files.replace(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
