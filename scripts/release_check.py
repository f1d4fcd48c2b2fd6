"""Checks everything that a release needs, and names what fails; `make release-check` calls it.

python scripts/release_check.py [--quick]     (needs the extra "release")

Builds wheel and sdist, reads them, and installs the wheel in an empty environment for each Python that is there, with
the newest dependencies, and once with the oldest that pyproject.toml allows. There the published models replay their
golden inputs. --quick takes this Python and the newest dependencies only.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
MAX_BYTES = 60e6  # bytes of a wheel, and of an sdist
REPLAY = "import zoo\nfor name in zoo.list_models():\n    zoo.load(name, check=True)\n    print(name)"
UV = (sys.executable, "-m", "uv")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="this Python and the newest dependencies only")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        problems = [*versions(), *built(Path(folder))]
        for wheel in Path(folder).glob("*.whl"):
            problems += installed(wheel, Path(folder), quick)
    print("\n".join(f"FAILED: {problem}" for problem in problems) or "ready for release")
    return bool(problems)


def versions() -> Iterator[str]:
    """The version and the changelog agree."""
    version = re.search(r'__version__ = "(.+)"', (ROOT / "zoo/base/__init__.py").read_text())
    first = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    if version is None or first is None or version[1] != first[1]:
        yield f"zoo is {version and version[1]}, and CHANGELOG.md begins with {first and first[1]}"


def built(folder: Path) -> Iterator[str]:
    """Wheel and sdist are small, hold the licence and the weights, and PyPI can show their README."""
    yield from run("build", sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT))
    files = sorted(folder.glob("lightning_zoo-*"))
    if len(files) != 2:
        yield f"built {len(files)} files, not a wheel and an sdist"
        return
    yield from run("twine check", sys.executable, "-m", "twine", "check", "--strict", *map(str, files))
    for path in files:
        if path.stat().st_size > MAX_BYTES:
            yield f"{path.name} has {path.stat().st_size / 1e6:.0f} MB, more than {MAX_BYTES / 1e6:.0f}"
        for part in ("LICENSE", "linknet_camvid/model.safetensors", "linknet_camvid.yaml"):
            if not any(name.endswith(part) for name in names(path)):
                yield f"{path.name} has no {part}"
    if re.search(r"\]\((?!https?:|#)", description(files)):
        yield "the README of the wheel has links that lead nowhere from PyPI"


def names(path: Path) -> list[str]:
    """Names of the files in a wheel or an sdist."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return wheel.namelist()
    with tarfile.open(path) as sdist:
        return sdist.getnames()


def description(files: list[Path]) -> str:
    """The README as PyPI will show it."""
    wheel = zipfile.ZipFile(next(path for path in files if path.suffix == ".whl"))
    metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return wheel.read(metadata).decode().partition("\n\n")[2]


def installed(wheel: Path, folder: Path, quick: bool) -> Iterator[str]:
    """The wheel works in empty environments."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    cases = [(here, "highest")] if quick else [*((python, "highest") for python in PYTHONS), (here, "lowest-direct")]
    for python, resolution in cases:
        what, environment = f"Python {python}, {resolution}", folder / f"{python}-{resolution}"
        interpreter = sys.executable if python == here else python
        make = [*UV, "venv", "--quiet", "--no-python-downloads", "--python", interpreter, str(environment)]
        if problems := list(run(f"environment, {what}", *make)):
            if python == here:
                yield from problems
            else:  # none there, or a version manager's stand-in for one that is not chosen
                print(f"{what}: left out, {problems[0].splitlines()[1]}")
            continue
        inside = environment / "bin" / "python"
        options = ["--quiet", "--python", str(inside), "--resolution", resolution]
        problems = list(run(f"install, {what}", *UV, "pip", "install", *options, str(wheel)))
        problems = problems or list(run(f"golden inputs, {what}", str(inside), "-I", "-c", REPLAY, cwd=folder))
        print(f"{what}: {'failed' if problems else 'fine'}", flush=True)
        yield from problems
        shutil.rmtree(environment)


def run(what: str, *command: str, cwd: Path = ROOT) -> Iterator[str]:
    """What went wrong with a command, if anything did."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        yield f"{what}: {' '.join(command[:4])}\n{(done.stdout + done.stderr)[-2000:]}"


if __name__ == "__main__":
    sys.exit(main())
