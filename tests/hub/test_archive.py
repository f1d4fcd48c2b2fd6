from __future__ import annotations

import json
import stat
import struct
import zipfile
from pathlib import Path

import pytest
import torch

from zoo import load
from zoo.base.errors import ZooError
from zoo.commands import main
from zoo.hub import archive, client, layout


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(client, "home", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "bundles"


@pytest.fixture
def bundle(tiny_linknet: Path, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.zip"
    archive.pack(layout.listing(tiny_linknet)[0], path)
    return path


def rewrite(path: Path, change: dict[str, bytes | None]) -> None:
    """The same bundle with other or without some files, its digests as they were unless they are changed too."""
    with zipfile.ZipFile(path) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in {**files, **change}.items():
            if content is not None:
                packed.writestr(name, content)


def test_what_was_bundled_is_loaded(bundle: Path, tiny_linknet: Path, cache: Path):
    want, have = load(tiny_linknet), load(bundle)
    assert all(torch.equal(a, b) for a, b in zip(want.state_dict().values(), have.state_dict().values(), strict=True))
    (folder,) = cache.iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_a_bundle_is_the_same_bytes_each_time(bundle: Path, tiny_linknet: Path, tmp_path: Path):
    archive.pack(layout.listing(tiny_linknet)[0], tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


def test_a_damaged_copy_in_the_cache_is_made_anew(bundle: Path, cache: Path):
    load(bundle)
    (copy,) = cache.glob("*/model.safetensors")
    copy.write_bytes(b"damaged")
    load(bundle)
    assert copy.stat().st_size > 1000


@pytest.mark.parametrize(
    "name", ["../x.json", "/config.json", "samples/../../x.jpg", "run.py", "a\\b.png", "c:x.png", ".env"]
)
def test_names_that_do_not_belong_are_refused(bundle: Path, name: str, tmp_path: Path, cache: Path):
    rewrite(bundle, {name: b"x"})
    with pytest.raises(ZooError, match="does not belong in a model"):
        load(bundle)
    assert not cache.exists()


def test_links_are_refused(bundle: Path):
    with zipfile.ZipFile(bundle, "a") as packed:
        link = zipfile.ZipInfo("results.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(link, "/etc/passwd")
    with pytest.raises(ZooError, match=r"results\.json is a link"):
        load(bundle)


def test_a_bomb_is_refused_before_it_is_unpacked(bundle: Path, cache: Path):
    with zipfile.ZipFile(bundle, "a", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("README.md", bytes(layout.PROSE + 1))
    with pytest.raises(ZooError, match=r"README\.md has 1,048,577 bytes, more than 1,048,576"):
        load(bundle)
    assert not cache.exists()


def test_a_size_that_is_a_lie(bundle: Path, cache: Path):
    """The header says 10 bytes, the data unpack to more."""
    with zipfile.ZipFile(bundle, "a", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("README.md", bytes(100_000))
    content = bytearray(bundle.read_bytes())
    for place in (content.find(b"README.md") - 8, content.rfind(b"README.md") - 22):  # places in the two headers
        assert struct.unpack_from("<I", content, place)[0] == 100_000
        struct.pack_into("<I", content, place, 10)
    bundle.write_bytes(content)
    with pytest.raises(ZooError):
        load(bundle)
    assert not list(cache.rglob("README.md")) if cache.exists() else True


def test_damage_is_named(bundle: Path, cache: Path):
    rewrite(bundle, {"model.safetensors": b"other"})
    with pytest.raises(ZooError, match=r"model\.safetensors is damaged"):
        load(bundle)
    assert not list(cache.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("digests", "message"),
    [
        (None, r"digests\.json is missing"),
        (b"[]", "does not list its files"),
        (b"{", "does not list"),
        (b"{}", "does not list"),
    ],
)
def test_digests_that_are_none(bundle: Path, digests: bytes | None, message: str):
    rewrite(bundle, {"digests.json": digests})
    with pytest.raises(ZooError, match=message):
        load(bundle)


def test_a_file_that_is_no_zip(tmp_path: Path):
    (tmp_path / "x.zip").write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(ZooError, match="not a bundle, or damaged"):
        load(tmp_path / "x.zip")


def test_a_truncated_bundle(bundle: Path):
    bundle.write_bytes(bundle.read_bytes()[:-1000])
    with pytest.raises(ZooError, match="not a bundle, or damaged"):
        load(bundle)


def test_the_command(
    tiny_linknet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main.main(["bundle", str(tiny_linknet)]) == 0
    assert (tmp_path / "tiny.zip").is_file()
    assert main.main(["info", "tiny.zip"]) == 0
    assert "linknet" in capsys.readouterr().out
    assert main.main(["bundle", str(tiny_linknet), "-o", "tiny.tar"]) == 2
    assert "must end in .zip" in capsys.readouterr().err


def test_where_a_bundle_goes(
    tiny_linknet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "there.zip").write_bytes(b"mine")
    for output, message in (("none/x.zip", "none: no such folder"), ("there.zip", "there.zip: already exists")):
        assert main.main(["bundle", str(tiny_linknet), "-o", output]) == 2
        assert message in capsys.readouterr().err
    assert (tmp_path / "there.zip").read_bytes() == b"mine"
    assert main.main(["bundle", str(tiny_linknet), "--output=~/MINE.ZIP"]) == 0
    assert load(tmp_path / "MINE.ZIP").training is False


@pytest.mark.parametrize("name", ["run.py", "README.md", "samples/many"])
def test_what_could_not_be_unpacked_is_not_packed(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archive, "FILES", 100)
    (tmp_path / "file").write_bytes(bytes(layout.PROSE + 1))
    names = [f"samples/{number}.jpg" for number in range(100)] if name == "samples/many" else [name]
    with pytest.raises(ZooError, match="not bundled"):
        archive.pack(dict.fromkeys(names, tmp_path / "file"), tmp_path / "x.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_another_process_made_is_not_taken_away(
    bundle: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    """The other ends while this one is unpacking, and has its files open."""
    extract, kept = archive._extract, []

    def meanwhile(packed: zipfile.ZipFile, digests: dict[str, str], folder: Path, path: Path) -> None:
        extract(packed, digests, folder, path)
        (folder / "held.txt").touch()
        kept.append(folder.stat().st_ino)
        extract(packed, digests, folder, path)

    monkeypatch.setattr(archive, "_extract", meanwhile)
    load(bundle)
    (folder,) = cache.iterdir()
    assert [folder.stat().st_ino] == kept
    assert (folder / "held.txt").exists()


def test_which_files_belong_to_a_model(tmp_path: Path):
    for name in (
        "README.md",
        "config.json",
        "model.safetensors",
        "samples/a.jpg",
        "splits/val.txt",
        ".eval_results/a.yaml",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in ("run.py", "samples/a.svg", ".env", "samples/b/c.jpg", "model.ckpt", "readme.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "recipe.yaml").symlink_to(tmp_path / "README.md")
    belonging, others = layout.listing(tmp_path)
    assert set(belonging) == {
        "README.md",
        "config.json",
        "model.safetensors",
        "samples/a.jpg",
        "splits/val.txt",
        ".eval_results/a.yaml",
    }
    assert set(others) == {
        "run.py",
        "samples/a.svg",
        ".env",
        "samples/b/c.jpg",
        "model.ckpt",
        "readme.md",
        "recipe.yaml",
    }


def test_digests_are_those_of_the_files(bundle: Path, tiny_linknet: Path):
    with zipfile.ZipFile(bundle) as packed:
        digests = json.loads(packed.read("digests.json"))
    assert digests["model.safetensors"] == json.loads((tiny_linknet / "config.json").read_text())["weights"]["sha256"]
