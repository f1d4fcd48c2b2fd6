"""An architecture in a package of its own: trained, used, measured and published, with no file of the zoo touched."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo.base import registry
from zoo.base.errors import ZooError
from zoo.commands import main

TESTS = Path(__file__).parents[1]
ABOUT = ["--license", "cc0-1.0", "--data-license", "drawn by the program", "--datasets", "streets"]
PROSE = ["--description", "Reliefs of pictures.", "--limits", "Pictures without edges."]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package, installed; the working directory is empty."""
    site = tmp_path / "site"
    shutil.copytree(TESTS / "sixth", site, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.syspath_prepend(site)
    registry._foreign.cache_clear()
    importlib.invalidate_caches()
    yield site / "zoo_relief"
    registry._foreign.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "zoo_relief"]:
        del sys.modules[name]


def run(*arguments: str) -> None:
    assert main.main([*arguments, "--debug"]) == 0, arguments


def test_from_training_to_publication(package: Path, hub: Any, me: None, capsys: pytest.CaptureFixture):
    run("fit", "--recipe", "relief_streets")
    version = "runs/relief_streets/version_0"
    assert f"zoo predict {version}/model PICTURES... -o OUT" in capsys.readouterr().out
    card = package / "cards" / "relief_streets"
    run("card", version, "--name", "relief_streets", "-o", str(card), *ABOUT, *PROSE)
    capsys.readouterr()

    run("list")
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("relief_streets "))
    assert re.search(r" relief .* 0\.\d+ error on streets", line)
    assert "relief_streets" in zoo.list_models()
    run("evaluate", "relief")
    assert "holds" in capsys.readouterr().out
    assert main.main(["evaluate", "relief", "--gain", "2"]) == 1

    picture = str(card / "samples" / "validation.jpg")
    run("predict", "relief", picture, "-o", "out", "--depth", "0")
    assert Path("out/validation_relief.png").is_file()
    assert zoo.load("relief", check=True).predict(picture, depth=0).relief.std() == 0

    run("publish", "relief_streets", "--repo", "me/relief")
    assert zoo.load("me/relief").predict(picture).relief.std() > 0
    assert 'load("me/relief")' in (card / "README.md").read_text()


def test_its_options_are_told_and_checked(package: Path, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        main.main(["predict", str(make_model(package)), "--help"])
    told = capsys.readouterr().out
    assert "--depth N" in told
    assert "how deep it is" in told
    assert main.main(["predict", "model", "x.png", "-o", "out", "--depth", "2"]) == 2
    assert "--depth must be a number from 0 to 1, not '2'" in capsys.readouterr().err


def make_model(package: Path) -> Path:
    from zoo_relief import Relief

    from zoo.cards import weights

    weights.save(Relief(), "model", "relief", {"channels": 4}, dtype="float32")
    return Path("model")


def test_the_conformance_suite_tries_it(package: Path):
    shutil.copy(package.parent / "relief.py", ".")
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "ZOO_TEST_MODELS": "."}
    suite = str(TESTS / "conformance" / "test_networks.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", suite, "-k", "relief", "-n", "0", "-p", "no:cacheprovider",
         "--rootdir", str(TESTS.parent), "-c", str(TESTS.parent / "pyproject.toml")],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_a_strangers_card_names_registered_architectures_only(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"architecture": "relief", "arguments": {}}')
    with pytest.raises(ZooError, match="no architecture 'relief'"):
        zoo.load(tmp_path)


def test_a_broken_package_costs_none_of_the_others(package: Path, capsys: pytest.CaptureFixture):
    (package / "__init__.py").write_text("raise RuntimeError('not today')\n")
    assert "linknet" in registry.architectures()
    assert "relief" not in registry.architectures()
    assert "left out the architecture relief (zoo_relief:ARCHITECTURE): not today" in capsys.readouterr().err
