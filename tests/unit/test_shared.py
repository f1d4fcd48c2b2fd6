"""Samples that the processes of a machine share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.data import shared
from zoo.data.super_resolution import Pair


def array(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).integers(0, 256, shape, np.uint8)


def equal(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, (list, tuple)):
        return type(one) is type(other) and all(equal(*parts) for parts in zip(one, other, strict=True))
    return one == other


@pytest.mark.parametrize(
    ("samples", "make"),
    [
        (array(3, 5, 7, 3), list),
        ([(array(4, 5, 3), array(4, 5)), (array(2, 9, 3), array(2, 9))], tuple),
        ([Pair(array(2, 3, 3), array(4, 6, 3), "a/b.png"), Pair(array(1, 1, 3), array(2, 2, 3))], Pair._make),
        ([[array(8, 8), array(4, 4)], [array(6, 6)]], list),
    ],
    ids=["array", "masks", "pairs", "levels"],
)
def test_samples_come_back_and_stay_when_their_files_are_removed(tmp_path: Path, samples: object, make: object):
    folder = tmp_path / "samples"
    shared.write(folder, samples)
    found = shared.read(folder, make)
    shared.remove(folder)
    assert list(tmp_path.iterdir()) == []
    assert equal(samples, found)


def test_a_view_of_the_first_column_is_written_as_it_looks(tmp_path: Path):
    shared.write(tmp_path / "samples", [(array(6, 4)[:, ::2],)])
    assert np.array_equal(shared.read(tmp_path / "samples", tuple)[0][0], array(6, 4)[:, ::2])


def test_what_has_no_8_bits_leaves_no_file(tmp_path: Path):
    for samples in ([(np.zeros(3, np.float32),)], [(1, 2)], [], np.zeros((0, 4, 4), np.uint8)):
        with pytest.raises(TypeError, match=r"samples have 8 bits, not|there are no samples"):
            shared.write(tmp_path / "samples", samples)
    assert list(tmp_path.iterdir()) == []


def test_samples_of_another_user_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shared.write(tmp_path / "samples", array(2, 3))
    monkeypatch.setattr(shared.os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(FileNotFoundError):
        shared.read(tmp_path / "samples", tuple)


def test_a_process_of_another_run_has_another_folder(monkeypatch: pytest.MonkeyPatch):
    folders = {shared.place("train"), shared.place("val")}
    monkeypatch.setenv("MASTER_PORT", "1")
    assert not folders & {shared.place("train"), shared.place("val")}
