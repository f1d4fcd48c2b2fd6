"""Checks of an installation and its machine; what cannot be imported is a finding."""

from __future__ import annotations

import importlib
import math
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from zoo.base import __version__
from zoo.base.memory import free_bytes, gigabytes
from zoo.base.packages import version_of, versions_of
from zoo.base.registry import card_names
from zoo.base.text import first_line
from zoo.doctor.findings import Finding, Report
from zoo.hub import client

DISTRIBUTION = "lightning-zoo"
SHOWN = ("torch", "lightning", "timm", "torchmetrics", "albumentations", "opencv-python-headless", "numpy", "pillow")
INTERNAL = ("dev", "docs", "release", "benchmarks")  # extras for people who change the zoo
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
EXTRA = re.compile(r"extra == ['\"]([\w-]+)['\"]")
PATIENCE = 3.0  # seconds to wait for the Hub
SCARCE = 1e9  # bytes of disk or memory below which little is left
CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def examine_machine(report: Report) -> None:
    """Checks versions, devices, memory, disk, the Hub, extras and the golden inputs of the installed cards."""
    checks = {
        "versions": versions,
        "devices": devices,
        "threads": threads,
        "memory": memory,
        "disk": disk,
        "hub": hub,
        "extras": extras,
        "models": models,
    }
    for name, check in checks.items():
        report.run(name, partial(check, report))


def versions(report: Report) -> Iterator[Finding]:
    """Installed packages against the versions that the zoo needs."""
    found = versions_of(SHOWN)
    python = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    packages = ", ".join(f"{name} {version}" for name, version in found.items())
    values = {"zoo": __version__, "python": platform.python_version(), "system": platform.platform(), **found}
    report.fact("versions", values, f"zoo {__version__}, Python {python}", packages)
    for text in _requires():
        if finding := _unmet(text):
            yield finding


def _requires(extra: str = "") -> list[str]:
    """The requirements of the distribution, or of one of its extras; empty for a checkout that is not installed."""
    return [text for text in _every() if (EXTRA.findall(text) or [""])[0] == extra]


def _every() -> list[str]:
    try:
        return metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []


def _unmet(text: str) -> Finding | None:
    from packaging.requirements import Requirement  # which Lightning needs too

    wanted = Requirement(text)
    if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
        return None
    way = f"pip install '{wanted.name}{wanted.specifier}'"
    if (have := version_of(wanted.name)) is None:
        return Finding("package", "error", f"{wanted.name} is not installed", way, (wanted.name,))
    if not wanted.specifier.contains(have, prereleases=True):
        told = f"{wanted.name} is {have}, the zoo needs {wanted.specifier}"
        return Finding("package", "error", told, way, (wanted.name,))
    return None


def devices(report: Report) -> Iterator[Finding]:
    """What torch can compute on, and whether bfloat16 is native there."""
    try:
        import torch

        from zoo.nn.device import devices as names_of
        from zoo.nn.precision import native_bfloat16
    except ImportError as error:
        told = f"torch cannot be imported: {first_line(error)}"
        report.fact("devices", [], "torch is missing: exported models can be used, others not")
        yield Finding("torch", "error", told, f"pip install {DISTRIBUTION}")
        return
    found, lines = {}, []
    for name in names_of():
        device = torch.device(name)
        native = native_bfloat16(device)
        title = f"{name} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else name
        lines.append(f"{title}: {'native' if native else 'no native'} bfloat16")
        found[name] = {"name": title, "native_bfloat16": native}
        torch.ones(2, device=device).sum().item()  # raises where the driver does not fit
    report.fact("devices", found, *lines)


def threads(report: Report) -> Iterator[Finding]:
    """Threads of torch against the cores that this process may use."""
    cores, allowed = os.cpu_count() or 1, _allowed_cores()
    used = None
    if torch := sys.modules.get("torch"):
        used = torch.get_num_threads()
    told = f"{allowed:g} of {cores} cores" if allowed != cores else f"{cores} cores"
    report.fact("threads", {"cores": cores, "allowed": allowed, "torch": used}, f"{told}, torch uses {used or 'none'}")
    if used and used > max(1.0, allowed):
        told = f"torch uses {used} threads, but this process has {allowed:g} cores: threads wait for each other"
        yield Finding("threads", "warning", told, f"export OMP_NUM_THREADS={max(1, int(allowed))}")


def _allowed_cores() -> float:
    """The cores by affinity and by the limit of a container (cgroup v2)."""
    get = getattr(os, "sched_getaffinity", None)
    allowed = float(len(get(0)) if get else os.cpu_count() or 1)
    try:
        limit, period = CPU_MAX.read_text().split()
        return min(allowed, int(limit) / int(period))
    except (OSError, ValueError):  # no container, or one without a limit
        return allowed


def memory(report: Report) -> Iterator[Finding]:
    """Free memory of the machine and its GPUs."""
    torch = sys.modules.get("torch")
    names = [
        "cpu",
        *(f"cuda:{i}" for i in range(torch.cuda.device_count() if torch and torch.cuda.is_available() else 0)),
    ]
    free = {name: free_bytes(name) for name in names}
    known = {name: each for name, each in free.items() if math.isfinite(each)}
    report.fact("memory", known, ", ".join(f"{gigabytes(each)} free on {name}" for name, each in known.items()))
    for name, each in free.items():
        if each < SCARCE:
            yield Finding("memory", "warning", f"{gigabytes(each)} of memory are free on {name}", "end other programs")


def disk(report: Report) -> Iterator[Finding]:
    """Free disk, and whether it can be written to: here, in the cache and for temporary files."""
    places = {"here": Path.cwd(), "cache": client.home(), "temporary": Path(tempfile.gettempdir())}
    found = dict[str, dict[str, Any]]()
    for name, place in places.items():
        there = next(each for each in (place, *place.parents) if each.exists())
        free, writable = shutil.disk_usage(there).free, os.access(there, os.W_OK)
        found[name] = {"path": str(place), "free": free, "writable": writable}
        if not writable:
            do = "go to another folder" if name == "here" else "HF_HOME=FOLDER" if name == "cache" else "TMPDIR=FOLDER"
            yield Finding("disk", "warning", f"{place} ({name}) cannot be written to", do, (str(place),))
        elif free < SCARCE:
            yield Finding(
                "disk", "warning", f"{gigabytes(free)} are free in {place} ({name})", "free some", (str(place),)
            )
    report.fact("disk", found, ", ".join(f"{gigabytes(each['free'])} free {name}" for name, each in found.items()))


def hub(report: Report) -> Iterator[Finding]:
    """Whether the Hugging Face Hub answers."""
    if told := next((name for name in OFFLINE if os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")), None):
        report.fact("hub", "offline", f"offline, since {told} is set: bundled and cached models load")
        return
    address = client.endpoint()
    begin = time.perf_counter()
    try:
        client.api()  # checks the settings of the connection
        from huggingface_hub import get_session

        code = get_session().head(address, timeout=PATIENCE).status_code
    except Exception as error:  # errors of the settings, of httpx, of the system
        report.fact("hub", "unreachable", f"{address} does not answer: bundled and cached models load")
        do = "if it should: HF_ENDPOINT, HTTPS_PROXY, SSL_CERT_FILE; if not, HF_HUB_OFFLINE=1 saves waiting"
        yield Finding("hub", "note", f"{address} does not answer: {first_line(error)}", do)
        return
    report.fact("hub", "reachable", f"{address} answers ({code}) in {time.perf_counter() - begin:.1f} s")


def extras(report: Report) -> Iterator[Finding]:
    """Which extras are installed; none of them is needed."""
    names = dict.fromkeys(EXTRA.findall(" ".join(_every())))
    found = {name: not any(map(_lacking, _requires(name))) for name in names if name not in INTERNAL}
    there = [name for name, whole in found.items() if whole]
    lacking = [name for name, whole in found.items() if not whole]
    lines = [f"installed: {', '.join(there) or 'none'}"]
    if lacking:
        lines.append(f"not installed: {', '.join(lacking)} (pip install '{DISTRIBUTION}[{','.join(lacking)}]')")
    report.fact("extras", found, *lines)
    yield from ()


def _lacking(text: str) -> bool:
    """Whether a requirement of an extra is not installed."""
    from packaging.requirements import Requirement

    wanted = Requirement(text)
    if wanted.name == DISTRIBUTION:  # an extra made of others
        return any(_lacking(each) for name in wanted.extras for each in _requires(name))
    return (have := version_of(wanted.name)) is None or not wanted.specifier.contains(have, prereleases=True)


def models(report: Report) -> Iterator[Finding]:
    """Replays the golden inputs of the installed cards."""
    try:
        weights = importlib.import_module("zoo.cards.weights")
    except ImportError:
        return  # torch is missing, which is told
    names, right = card_names(), list[str]()
    for name in names:
        try:
            weights.load(name, check=True)
            right.append(name)
        except Exception as error:  # the other models are tried all the same
            do = "install the package again; if that does not help, torch or this device computes something else"
            yield Finding("model", "error", f"{name}: {first_line(error)}", do, (name,))
    report.fact("models", right, f"{len(right)} of {len(names)} give the output that was published with them")
