from __future__ import annotations

import shutil
import subprocess
import sys
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
