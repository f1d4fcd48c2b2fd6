"""Stages of ``zoo predict``: order, batches, and bounds of memory."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo import load
from zoo.base.ahead import Held, ahead
from zoo.commands.pipeline import Job, Outcome, Stages, in_order, memory_of
from zoo.engines import auto_batch
from zoo.pictures.held import PicturePath
from zoo.pictures.images import decoded, one_or_many

SIZES = [(8, 8), (8, 8), (16, 8), (8, 8), (8, 8), (16, 8), (8, 8)]  # width and height


def test_results_come_in_order_whichever_thread_is_faster():
    """The first item waits for the last that may begin before it ends."""
    gate = threading.Event()

    def work(number: int) -> int:
        if number == 3:
            gate.set()
        elif number == 0:
            assert gate.wait(10)
        return number

    assert list(ahead(work, range(20), threads=4, most=4)) == list(range(20))


def test_no_more_is_taken_than_may_be_under_way():
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        while taken < 1000:
            yield (taken := taken + 1)

    for number, _ in enumerate(ahead(str, items(), threads=2, most=5), 1):
        assert taken <= number + 4
    assert taken == 1000


def test_a_stage_takes_one_item_though_too_much_is_held():
    held = Held(10)
    held.add(11)
    taken: list[int] = []
    results = ahead(lambda number: number, (taken.append(n) or n for n in range(5)), threads=2, most=4, held=held)
    assert next(results) == 0
    assert taken == [0]
    held.add(-11)
    assert list(results) == [1, 2, 3, 4]


def test_a_closed_stage_finishes_what_runs_and_drops_the_rest():
    full, began, gate, done = threading.Event(), threading.Event(), threading.Event(), list[int]()

    def items() -> Iterator[int]:
        for number in range(10):
            if number == 4:
                full.set()
            yield number

    def work(number: int) -> int:
        assert full.wait(10)
        if number == 1:
            began.set()
            assert gate.wait(10)
        done.append(number)
        return number

    results = ahead(work, items(), threads=1, most=5)
    assert next(results) == 0
    assert began.wait(10)
    threading.Timer(0.05, gate.set).start()
    results.close()
    assert done == [0, 1]


class Counted:
    """Stages that count the jobs between reading and writing, and what is computed together."""

    def __init__(self, sizes: list[tuple[int, int]], batch: int, computing: int = 0, most: float = 1 << 20) -> None:
        self.sizes, self.now, self.most, self.batches = sizes, 0, 0, list[list[int]]()
        self._lock = threading.Lock()
        self.stages = Stages(self.read, self.predict, self.write, lambda _: batch, computing, 2, most)

    def read(self, job: Job) -> Job:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        path = PicturePath("p.png")
        path.decoded = Image.new("RGB", self.sizes[job.number]), ()
        job.pictures = (path,)
        return job

    def predict(self, batch: list[Job]) -> list[Job]:
        with self._lock:
            self.batches.append([job.number for job in batch])
        for job in batch:
            job.result = np.zeros(job.size or (1, 1), np.uint8)  # type: ignore[assignment]
        return batch

    def write(self, job: Job) -> Outcome:
        with self._lock:
            self.now -= 1
        return Outcome(job.number, "")

    def run(self) -> list[int]:
        jobs = (Job(number, Path(str(number)), (Path("p.png"),)) for number in range(len(self.sizes)))
        return [outcome.number for outcome in self.stages.run(jobs)]


@pytest.mark.parametrize("computing", [0, 2])
def test_pictures_of_one_size_are_predicted_together_and_come_in_order(computing: int):
    counted = Counted(SIZES, 2, computing)
    assert counted.run() == list(range(7))
    assert sorted(counted.batches) == [[0, 1], [2, 5], [3, 4], [6]]


def test_a_job_does_not_wait_for_ever_for_another_of_its_size():
    counted = Counted([(1, 1), *itertools.islice(itertools.cycle([(8, 8), (9, 9)]), 60)], 4)
    assert counted.run() == list(range(61))
    assert counted.batches.index([0]) < 8


@pytest.mark.parametrize("computing", [0, 2])
def test_pictures_under_way_are_bounded_by_number_and_by_bytes(computing: int):
    counted = Counted([(8, 8)] * 500, 4, computing)
    assert counted.run() == list(range(500))
    assert counted.most <= 60
    large = Counted([(64, 64)] * 100, 4, computing, most=3 * 64 * 64 * 4)
    assert large.run() == list(range(100))
    assert large.most <= 16


def test_outcomes_that_come_early_wait():
    assert [each.number for each in in_order(Outcome(n, "") for n in (2, 0, 1, 4, 3))] == [0, 1, 2, 3, 4]


def test_memory_counts_the_pixels_that_are_held():
    path = PicturePath("p.png")
    assert memory_of(path) == memory_of(None) == 0
    path.decoded = Image.new("RGB", (10, 20)), ()
    assert memory_of(path) == 800
    assert memory_of(Image.new("L", (10, 20))) == 200


def test_a_cpu_takes_one_picture_at_a_time_and_a_gpu_many_small_ones():
    assert auto_batch("cpu", 64, 64) == 1
    assert [auto_batch("cuda:0", side, side) for side in (64, 512, 1024, 9000)] == [32, 16, 4, 1]


def test_a_decoded_path_is_a_path_like_any_other(tmp_path: Path):
    Image.new("RGBA", (6, 4), (255, 0, 0, 0)).save(tmp_path / "a.png")
    path = decoded(tmp_path / "a.png")
    (tmp_path / "a.png").unlink()
    assert isinstance(path, Path)
    assert (path, path.stem, path.with_suffix(".txt")) == (tmp_path / "a.png", "a", tmp_path / "a.txt")
    assert path.decoded is not None
    assert path.decoded[0].mode == "RGBA"


def test_an_iterator_gives_results_as_they_are_asked_for(tiny_linknet: Path, tmp_path: Path):
    taken: list[int] = []

    def pictures() -> Iterator[Path]:
        for number in range(50):
            Image.new("RGB", (40, 32), (number, 9, 9)).save(path := tmp_path / f"{number}.png")
            taken.append(number)
            yield path

    net = load(tiny_linknet)
    results = net.predict(pictures(), batch_size=2)
    assert taken == []
    first = next(results)
    assert len(taken) < 12
    assert first.picture[0, 0, 0] == 0
    assert [result.picture[0, 0, 0] for result in results] == list(range(1, 50))


def test_an_iterator_of_other_than_files_is_taken_as_it_is():
    assert list(one_or_many(iter([1, 2]), lambda many: (10 * one for one in many))) == [10, 20]
