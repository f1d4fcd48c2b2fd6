"""What every part of the suite shares: no network, and one tiny instance of each architecture."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # what would fetch weights fails at once
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:  # the workers are the parallelism: threads of several would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")


signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite that a script starts in the background ignores it


def pytest_xdist_auto_num_workers() -> int | None:
    """One worker more than cores: tests that wait, for servers, other processes or a scheduler, leave a core idle."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # xdist takes that number
    from zoo.base.processes import processors

    return processors() + 1


MODELS = [Path(__file__).with_name("models")]  # ZOO_TEST_MODELS names further folders, of other packages
MODELS += map(Path, filter(None, os.environ.get("ZOO_TEST_MODELS", "").split(os.pathsep)))


def model_file(name: str) -> Path:
    """``NAME.py``, which says how the suite tries an architecture."""
    found = [folder / f"{name}.py" for folder in MODELS if (folder / f"{name}.py").is_file()]
    assert found, f"{name} has no file in {', '.join(map(str, MODELS))}"
    return found[0]


@lru_cache
def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tiny_{name}", model_file(name))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny() -> Callable[[str], ModuleType]:
    """``tests/models/NAME.py``, by name."""
    return _load


@pytest.fixture(scope="session")
def tiny_linknet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny LinkNet of CamVid's classes, as ``load`` reads it."""
    import torch

    from zoo.cards import weights

    torch.manual_seed(0)
    net = _load("linknet").module().net
    net.train()(torch.rand(4, 3, 64, 64))  # batch norm's statistics leave their defaults
    folder = tmp_path_factory.mktemp("models") / "tiny"
    weights.save(net.eval(), folder, "linknet", _load("linknet").ARGUMENTS, dtype="float32", input="RGB 0..1")
    return folder


@pytest.fixture
def one_thread():
    """Sums in one order, so that two runs agree to the bit."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Data that does not ship with the project."""
    folder = os.environ.get("ZOO_TEST_DATA")
    if not folder:
        pytest.skip("ZOO_TEST_DATA names no folder with camvid-sample and weights")
    return Path(folder)
