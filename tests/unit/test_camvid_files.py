from __future__ import annotations

import codecs
import hashlib
import os
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.base.errors import ZooError
from zoo.base.files import sha256_of
from zoo.data import camvid_files, download

COUNTS = {"train": 3, "val": 2, "test": 2}


def make_camvid(folder: Path) -> Path:
    """A CamVid of a few tiny pictures of noise."""
    rng = np.random.default_rng(0)
    for split, count in COUNTS.items():
        names = [f"{split}_{number}.png" for number in reversed(range(count))]
        for part, shape in ((split, (6, 8, 3)), (f"{split}annot", (6, 8))):
            (folder / part).mkdir(parents=True)
            for name in names:
                Image.fromarray(rng.integers(0, 12, shape, dtype=np.uint8)).save(folder / part / name)
        lines = [f"/SegNet/CamVid/{split}/{name} /SegNet/CamVid/{split}annot/{name}\n" for name in names]
        (folder / f"{split}.txt").write_text("".join(lines))
    return folder


class Handler(SimpleHTTPRequestHandler):
    """Serves the folder ``site``, notes what is asked for, and breaks off the first ``cuts`` answers."""

    cuts = 0
    asked: list[str]

    def copyfile(self, source: object, outputfile: object) -> None:
        type(self).asked.append(self.path)
        content = source.read()  # type: ignore[attr-defined]
        if type(self).cuts:
            type(self).cuts -= 1
            content = content[: len(content) // 2]
        outputfile.write(content)  # type: ignore[attr-defined]

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Handler]]:
    """The pinned address, the digests and what lies there, all in miniature; the original is ``site/CamVid``."""
    site = tmp_path / "site"
    original = make_camvid(site / "CamVid")
    with tarfile.open(site / "camvid.tar.gz", "w:gz") as tar:
        tar.add(original, camvid_files.FOLDER)
        tar.add(original / "val.txt", camvid_files.FOLDER + "README.md")
        tar.add(original / "val.txt", camvid_files.FOLDER + "../../../climbed.txt")
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(original).as_posix()}\n"
        for path in original.rglob("*.*")
    ]
    (site / "camvid.sha256").write_text("".join(lines))
    monkeypatch.setattr(camvid_files, "DIGESTS", site / "camvid.sha256")
    monkeypatch.setattr(download, "BACKOFF", 0.0)
    for name in ("http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    handler = type("SiteHandler", (Handler,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(site))) as http:
        monkeypatch.setattr(camvid_files, "URL", f"http://127.0.0.1:{http.server_port}/camvid.tar.gz")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield handler
        http.shutdown()
        thread.join()


@pytest.fixture
def site(server: type[Handler], tmp_path: Path) -> Path:
    return tmp_path / "site"


def left_in(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()} if root.exists() else set()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("root", ["data", "data/CamVid"])
def test_downloads_the_folder_once(server: type[Handler], tmp_path: Path, root: str) -> None:
    camvid_files.prepare(tmp_path / root)
    camvid_files.prepare(tmp_path / root)
    assert server.asked == ["/camvid.tar.gz"]
    assert left_in(tmp_path / "data") == {"CamVid"}
    for split, count in COUNTS.items():
        assert len(camvid_files.pairs(tmp_path / root, split)) == count
    assert contents(tmp_path / "data" / "CamVid") == contents(tmp_path / "site" / "CamVid")


def test_several_callers_download_once(server: type[Handler], tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:  # each opens the lock file anew, as a process would
        list(pool.map(camvid_files.prepare, [tmp_path / "data"] * 4))
    assert len(server.asked) == 1
    assert left_in(tmp_path / "data") == {"CamVid"}


def test_survives_cut_connections(server: type[Handler], tmp_path: Path) -> None:
    server.cuts = 2
    camvid_files.prepare(tmp_path / "data")
    assert len(server.asked) == 3
    assert left_in(tmp_path / "data") == {"CamVid"}


def test_leaves_alone_what_is_there(server: type[Handler], site: Path) -> None:
    (site / "CamVid" / "train" / "train_0.png").write_bytes(b"own")
    camvid_files.prepare(site)
    camvid_files.prepare(site / "CamVid")
    assert server.asked == []


@pytest.mark.parametrize("damage", ["hotel", "empty", "truncated", "flipped"])
def test_refuses_garbage(site: Path, tmp_path: Path, damage: str) -> None:
    archive = site / "camvid.tar.gz"
    whole = archive.read_bytes()
    middle = len(whole) // 2
    damaged = {
        "hotel": b"<html>Sign in to the network of this hotel</html>",
        "empty": b"",
        "truncated": whole[:middle],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :],
    }
    archive.write_bytes(damaged[damage])
    with pytest.raises(ZooError, match=r"tar\.gz is damaged or not an archive|not the original"):
        camvid_files.prepare(tmp_path / "data")
    assert left_in(tmp_path / "data") == set()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE], ids=repr)
def test_takes_no_links_and_devices(site: Path, tmp_path: Path, kind: bytes) -> None:
    link = tarfile.TarInfo(camvid_files.FOLDER + "val.txt")
    link.type, link.linkname = kind, "elsewhere.txt"
    with tarfile.open(site / "camvid.tar.gz", "w:gz") as tar:
        tar.add(site / "CamVid" / "val.txt", "elsewhere.txt")
        tar.add(site / "CamVid", camvid_files.FOLDER, filter=lambda info: None if info.name == link.name else info)
        tar.addfile(link)
    with pytest.raises(ZooError, match=r"val\.txt differs \(1 files in all\)"):
        camvid_files.prepare(tmp_path / "data")
    assert left_in(tmp_path / "data") == set()


def test_refuses_a_file_that_differs(site: Path, tmp_path: Path) -> None:
    listing = (site / "camvid.sha256").read_text()
    sha256 = next(line[:64] for line in listing.splitlines() if line.endswith("valannot/val_1.png"))
    (site / "camvid.sha256").write_text(listing.replace(sha256, "0" * 64))
    with pytest.raises(ZooError, match=r"not the original: valannot/val_1\.png differs \(1 files in all\)"):
        camvid_files.prepare(tmp_path / "data")
    assert left_in(tmp_path / "data") == set()


def test_refuses_a_list_that_lacks_a_picture(site: Path, tmp_path: Path) -> None:
    with (site / "camvid.sha256").open("a") as file:
        file.write(f"{'0' * 64}  test/test_9.png\n")
    with pytest.raises(ZooError, match=r"test/test_9\.png differs"):
        camvid_files.prepare(tmp_path / "data")


def test_without_a_network_says_what_to_do_in_three_lines(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/camvid.tar.gz"
        monkeypatch.setattr(camvid_files, "URL", url)
        with pytest.raises(ZooError) as caught:
            camvid_files.prepare(tmp_path / "data")
    what, where, otherwise = str(caught.value).splitlines()
    assert "no connection: Connection refused" in what
    assert url in where
    assert str(tmp_path / "data" / "CamVid") in where
    assert "linknet_streets.yaml" in otherwise


def test_names_what_a_folder_lacks(server: type[Handler], site: Path) -> None:
    (site / "CamVid" / "val.txt").unlink()
    for root in (site, site / "CamVid"):
        with pytest.raises(ZooError, match=r"CamVid lacks val\.txt"):
            camvid_files.prepare(root)
        with pytest.raises(ZooError, match=r"no CamVid in .*\npass yours: --data\.root FOLDER$"):
            camvid_files.pairs(root, "train")
    assert server.asked == []


def test_pairs_follow_the_list(tmp_path: Path) -> None:
    folder = make_camvid(tmp_path / "CamVid")
    for root in (tmp_path, folder):
        assert camvid_files.pairs(root, "val") == [
            (folder / "val" / name, folder / "valannot" / name) for name in ("val_1.png", "val_0.png")
        ]
    with pytest.raises(ZooError, match="no split 'trainval'; it has train, val, test"):
        camvid_files.pairs(folder, "trainval")


def test_a_list_may_have_a_mark_at_its_start(tmp_path: Path) -> None:
    folder = make_camvid(tmp_path)
    (folder / "val.txt").write_bytes(codecs.BOM_UTF8 + (folder / "val.txt").read_bytes())
    assert len(camvid_files.pairs(folder, "val")) == 2
    (folder / "val.txt").write_bytes(b"caf\xe9.png a.png")
    with pytest.raises(ZooError, match=r"val\.txt: line 1: not UTF-8"):
        camvid_files.pairs(folder, "val")


def test_pairs_find_pictures_stored_as_jpeg(tmp_path: Path) -> None:
    folder = make_camvid(tmp_path)
    (folder / "test" / "test_1.png").rename(folder / "test" / "test_1.jpg")
    pictures = [picture.name for picture, _ in camvid_files.pairs(folder, "test")]
    assert pictures == ["test_1.jpg", "test_0.png"]


def test_pairs_name_what_is_missing(tmp_path: Path) -> None:
    folder = make_camvid(tmp_path)
    (folder / "train" / "train_1.png").unlink()
    (folder / "trainannot" / "train_0.png").unlink()
    with pytest.raises(ZooError, match=r"train\.txt lists .*train/train_1\.png, which is missing \(2 files in all\)"):
        camvid_files.pairs(folder, "train")
    (folder / "val.txt").write_text("\n/a/val/val_0.png\n")
    with pytest.raises(ZooError, match=r"val\.txt, line 2: a picture and an annotation"):
        camvid_files.pairs(folder, "val")


def test_shipped_digests_are_those_of_the_official_split() -> None:
    names = [line[66:] for line in camvid_files.DIGESTS.read_text().splitlines()]
    assert len(names) == len(set(names))
    assert {name for name in names if "/" not in name} == {"train.txt", "val.txt", "test.txt"}
    for split, count in {"train": 367, "val": 101, "test": 233}.items():
        pictures, annotations = ({n for n in names if n.startswith(f"{part}/")} for part in (split, f"{split}annot"))
        assert len(pictures) == count
        assert annotations == {name.replace("/", "annot/") for name in pictures}


@pytest.mark.skipif("ZOO_TEST_DATA" not in os.environ, reason="ZOO_TEST_DATA names no folder with camvid-sample")
def test_sample_of_the_original() -> None:
    folder = Path(os.environ["ZOO_TEST_DATA"], "camvid-sample", "CamVid")
    original = {line[66:]: line[:64] for line in camvid_files.DIGESTS.read_text().splitlines()}
    for split in camvid_files.SPLITS:
        files = camvid_files.pairs(folder.parent, split)
        assert files
        for path in (path for pair in files for path in pair):
            assert sha256_of(path) == original[path.relative_to(folder).as_posix()]


def test_needs_no_torch() -> None:
    code = "import sys, zoo.data.camvid_files; print({'torch', 'lightning', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
