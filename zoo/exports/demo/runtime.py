"""ONNX Runtime for browsers: three files of a package of npm, pinned by their digests and kept in the cache."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.files import replace, sha256_of
from zoo.base.text import first_line
from zoo.data.download import DownloadError, fetch, naming_disk_errors
from zoo.hub import client

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
ARCHIVE = f"{PACKAGE}-{VERSION}.tgz"
URL = f"https://registry.npmjs.org/{PACKAGE}/-/{ARCHIVE}"
ARCHIVE_SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
INSIDE = "package/dist"  # where the files lie in the archive
FILES = {  # WebAssembly with SIMD and threads; WebGPU would take twice as many bytes, and lacks GridSample
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}


def find(given: Path | None, say: Callable[[str], None]) -> dict[str, Path]:
    """The files of the runtime by name, each verified: from a given place, from the cache, or else from npm's registry.

    Args:
        given: a folder with the files, the folder of the package, or its archive; None: the cache or the registry.
        say: prints where the files come from.

    Raises:
        ZooError: a file is missing or a different one, the registry is out of reach, or the cache cannot be written.
    """
    cache = client.home() / "runtimes" / f"{PACKAGE}-{VERSION}"
    kept = {name: cache / name for name in FILES}
    if given is not None and given.is_dir():
        return _in_folder(given)
    if given is None and all(map(_is_sound, kept.values())):
        say(f"runtime: {PACKAGE} {VERSION} of the cache, {cache}")
        return kept
    archive = given or _downloaded(cache / ARCHIVE, cache)
    try:
        _unpack(archive, cache)
    finally:
        if given is None:
            archive.unlink(missing_ok=True)  # the files are a tenth of it once it is unpacked
    source = given or "npm's registry"
    say(f"runtime: {PACKAGE} {VERSION} from {source}, kept in {cache}")
    return kept


def _is_sound(path: Path) -> bool:
    return path.is_file() and sha256_of(path) == FILES[path.name]


def _in_folder(folder: Path) -> dict[str, Path]:
    """The files in a folder, or in the folder of the package."""
    places = (folder, folder / "dist", folder / INSIDE)
    place = next((each for each in places if all((each / name).is_file() for name in FILES)), None)
    if place is None:
        raise ZooError(f"--runtime {folder}: holds no {' or '.join(FILES)}\nunpack {URL} there, or pass that file")
    if strange := next((name for name in FILES if not _is_sound(place / name)), ""):
        raise ZooError(f"{place / strange}: refused, it is not that of {PACKAGE} {VERSION}\nunpack {URL} there")
    return {name: place / name for name in FILES}


def _downloaded(path: Path, cache: Path) -> Path:
    """The package's archive from the registry."""
    try:
        return fetch(URL, path)
    except DownloadError as error:
        raise ZooError(
            f"{PACKAGE} {VERSION} is not in the cache ({cache}), and {first_line(error)}\n"
            f"on a machine with a network: fetch {URL}; then copy that file here, and pass it: --runtime {ARCHIVE}"
        ) from error


def _unpack(archive: Path, folder: Path) -> None:
    """Puts the files of an archive into a folder, each verified."""
    if not archive.is_file():
        raise ZooError(f"--runtime {archive}: no such file or folder")
    if (found := sha256_of(archive)) != ARCHIVE_SHA256:
        raise ZooError(
            f"{archive}: refused, it is not {ARCHIVE} of npm's registry\n"
            f"have SHA-256 {found}, want {ARCHIVE_SHA256}; fetch {URL} again"
        )
    for name, content in _members(archive).items():
        with naming_disk_errors(folder / name):
            folder.mkdir(parents=True, exist_ok=True)
            replace(folder / name, content)


def _members(archive: Path) -> Mapping[str, bytes]:
    """The contents of the files in an archive whose digest was compared."""
    contents = {}
    with tarfile.open(archive, "r:gz") as packed:
        for name, digest in FILES.items():
            member = packed.extractfile(f"{INSIDE}/{name}")
            contents[name] = member.read() if member else b""
            if hashlib.sha256(contents[name]).hexdigest() != digest:
                raise ZooError(f"{archive}: refused, its {name} is a different one")
    return contents
