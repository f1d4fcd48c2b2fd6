from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from zoo.base.errors import ZooError
from zoo.data.archives import extract

FILES = {"top/a.txt": b"a" * 5000, "top/sub/b.txt": b"b", "other/c.txt": b"c"}


def write_archive(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
            bundle.writestr("top/", b"")  # a folder
            for name, content in files.items():
                bundle.writestr(name, content)
    else:
        write_tar(path, *((tarfile.TarInfo(name), content) for name, content in files.items()))
    return path


def write_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture(params=["a.zip", "a.tar.gz"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_archive(tmp_path / request.param, FILES)


def refused(archive: Path, match: str) -> None:
    """Extracting is refused, and nothing is left, neither in the folder nor beside it."""
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(ZooError, match=match):
        extract(archive, archive.parent / "in" / "out")
    (archive.parent / "in").rmdir()  # which fails where anything is in it
    assert sorted(archive.parent.rglob("*")) == before


def read(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_extracts_everything(archive: Path, tmp_path: Path) -> None:
    extract(archive, tmp_path / "out")
    assert read(tmp_path / "out") == FILES
    assert sorted(tmp_path.iterdir()) == [archive, tmp_path / "out"]


def test_extracts_what_is_wanted(archive: Path, tmp_path: Path) -> None:
    extract(archive, tmp_path / "out", strip="top/")
    assert read(tmp_path / "out") == {"a.txt": b"a" * 5000, "sub/b.txt": b"b"}
    with pytest.raises(ZooError, match="holds no elsewhere/"):
        extract(archive, tmp_path / "none", strip="elsewhere/")


def test_replaces_no_folder(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ZooError, match="exists already"):
        extract(archive, tmp_path / "out")


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize(
    "name", ["../evil", "top/../../evil", "/evil", "..\\evil", "C:\\evil", "\\\\host\\share\\evil"]
)
def test_refuses_names_that_climb_out(tmp_path: Path, kind: str, name: str) -> None:
    archive = write_archive(tmp_path / f"a.{kind}", FILES | {name: b"evil"})
    refused(archive, "would lie outside the folder")
    with pytest.raises(ZooError, match="would lie outside the folder"):  # though it is not wanted
        extract(archive, tmp_path / "out", strip="top/sub")
    with pytest.raises(ZooError, match="would lie outside the folder"):
        extract(archive, tmp_path / "out", strip=name)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_refuses_names_that_climb_out_once_stripped(tmp_path: Path, kind: str) -> None:
    evil = tmp_path / "evil"
    archive = write_archive(tmp_path / f"a.{kind}", {f"top/{evil}": b"evil"})
    with pytest.raises(ZooError, match="would lie outside the folder"):
        extract(archive, tmp_path / "out", strip="top/")
    assert not evil.exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE], ids=repr
)
def test_refuses_links_and_devices_in_a_tar(tmp_path: Path, kind: bytes) -> None:
    link, through = tarfile.TarInfo("link"), tarfile.TarInfo("link/evil")
    link.type, link.linkname = kind, ".."
    refused(write_tar(tmp_path / "a.tar.gz", (link, b""), (through, b"evil")), "'link' in the archive is a link")


def test_refuses_symlinks_in_a_zip(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as bundle:
        bundle.writestr(link, "..")
        bundle.writestr("link/evil", "evil")
    refused(tmp_path / "a.zip", "'link' in the archive is a link")


def test_refuses_an_archive_bomb(archive: Path, tmp_path: Path) -> None:
    size = sum(map(len, FILES.values()))
    with pytest.raises(ZooError, match=f"more than {size - 1} bytes"):
        extract(archive, tmp_path / "small", max_bytes=size - 1)
    assert sorted(tmp_path.iterdir()) == [archive]
    extract(archive, tmp_path / "out", max_bytes=size)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 0.99])
def test_refuses_a_truncated_archive(archive: Path, share: float) -> None:
    content = archive.read_bytes()
    archive.write_bytes(content[: int(share * len(content))])
    refused(archive, "damaged or no archive|neither a zip nor a tar.gz")


def test_refuses_a_flipped_bit(archive: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[content.index(b"a.txt") + 7 if archive.suffix == ".zip" else len(content) // 2] ^= 4  # of what is packed
    archive.write_bytes(content)
    refused(archive, "damaged or no archive")


@pytest.mark.parametrize("content", [b"<html>Not Found</html>", b"PK, but no zip", b"\x1f\x8b, but no gzip", b""])
def test_refuses_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(content)
    refused(tmp_path / "a.bin", "damaged or no archive|neither a zip nor a tar.gz")


def test_names_an_archive_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"a\.zip"):
        extract(tmp_path / "a.zip", tmp_path / "out")
