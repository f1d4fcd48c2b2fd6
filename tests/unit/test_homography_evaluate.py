"""What HomographyNet's figures are made of."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from zoo.base.errors import ZooError
from zoo.cards.forms import check
from zoo.cards.tables import of_results
from zoo.data import HomographyPairs
from zoo.data.changes import CHANGES, changed, gradient_energy, low_texture
from zoo.data.pairs import PROTOCOLS, net_offsets
from zoo.data.streets import draw_street
from zoo.models import alignment, trials
from zoo.models.alignment import ECC, IDENTITY, ORB, SIFT, both_orders, disagreement, scores
from zoo.models.base import Model
from zoo.models.evaluation import Context, Results
from zoo.models.homographynet import evaluate as evaluation
from zoo.models.homographynet.evaluate import ONE, ONE_LOOK, POLISHED, THREE, methods
from zoo.models.homographynet.net import HomographyNet
from zoo.models.real_pairs import RealPair, estimates, pairs_to_show, read_real_pairs, real_table, save_sheet
from zoo.models.trials import Trial
from zoo.pictures.geometry import corner_points, matrix_from_corners


@pytest.fixture(scope="module", autouse=True)
def few_streets() -> Iterator[None]:
    """Drawing them would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HomographyPairs, "streets", {"test": 4})
        yield


@pytest.fixture(scope="module")
def net() -> HomographyNet:
    torch.manual_seed(0)
    return HomographyNet().eval()


@pytest.fixture(scope="module")
def trial() -> Trial:
    """Pairs that are easy for what looks at them: corners move by at most 12 pixels."""
    return Trial.of(HomographyPairs(perturbation=12, test_pairs=6, num_workers=0), Context())


class Told(Model):
    """A network that was told the answers, offsets ``(B, 4, 2)`` of the pairs in their order, plus an error.

    It is shown each pair in both orders.
    """

    def __init__(self, offsets: np.ndarray, error: float = 0.0) -> None:
        super().__init__()
        there = matrix_from_corners(corner_points(128) + offsets + error, 128)
        both = (offsets + error, net_offsets(np.linalg.inv(there), 128))
        self.offsets = torch.nn.Parameter(torch.from_numpy(np.stack(both)).float())

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:
        return self.offsets[:, : len(pairs) // 2].flatten(0, 1)

    def facts(self) -> dict[str, int]:
        return {"channels": 1}


def truth(trial: Trial) -> np.ndarray:
    size = trial.pairs[0][0].shape[0]
    return matrix_from_corners(corner_points(size) + trial.offsets, size)


def test_errors_are_those_of_the_corners(trial: Trial):
    """Against OpenCV's transformation of points; identity, truth, and truth beside itself by 3 and 4 pixels."""
    assert trial.errors(lambda _: list(truth(trial))) == pytest.approx(0, abs=1e-9)
    shift = np.array([[1, 0, 3], [0, 1, 4], [0, 0, 1.0]])
    assert trial.errors(lambda _: [shift @ matrix for matrix in truth(trial)]) == pytest.approx(5)
    assert trial.errors(lambda pairs: [np.eye(3)] * len(pairs)) == pytest.approx(trial.still())
    corners = corner_points(128)
    for matrix, offsets, error in zip(truth(trial), trial.offsets, trial.still(), strict=True):
        found = cv2.perspectiveTransform(corners[None], matrix)[0]
        assert found == pytest.approx(corners + offsets)
        assert np.linalg.norm(found - corners, axis=1).mean() == pytest.approx(error)


def test_what_nobody_would_believe_is_no_estimate(trial: Trial):
    thrown = np.array([[1, 0, 129.0], [0, 1, 0], [0, 0, 1]])
    almost = np.array([[1, 0, 128.0], [0, 1, 0], [0, 0, 1]])
    endless = np.array([[1, 0, 0], [0, 1, 0], [-1 / 127, 0, 1]])
    given = [None, thrown, almost, endless, np.full((3, 3), np.nan), np.eye(3)]
    assert np.isnan(trial.errors(lambda _: given)).tolist() == [True, True, False, True, True, False]


def test_a_pair_without_an_estimate_is_not_solved_however_little_moved():
    found = scores(np.array([np.nan, 0.2]), np.array([0.5, 0.5]))
    assert (found["< 1 px"], found["< 3 px"], found["failures"], found["mean"]) == (0.5, 0.5, 0.5, 0.35)


def test_scores():
    """Scores of five pairs: exact, good, fair, without an estimate, and worse than doing nothing."""
    errors, still = np.array([0.0, 0.5, 2.0, np.nan, 30.0]), np.array([20.0, 20, 20, 10, 25])
    assert scores(errors, still) == {
        "mean": 8.5,  # (0 + 0.5 + 2 + 10 + 30) / 5
        "median": 2.0,
        "< 1 px": 0.4,
        "< 3 px": 0.6,
        "no estimate": 0.2,
        "failures": 0.4,
    }


@pytest.mark.parametrize("method", [ORB, SIFT, ECC])
def test_classical_methods_map_a_to_b(net: HomographyNet, trial: Trial, method: str):
    errors = trial.errors(methods(net)[method])
    assert np.nanmedian(errors) < 0.3 * np.median(trial.still())


def test_the_network_is_measured_at_the_size_of_the_patches():
    """Answers in pixels of 128 become a matrix in pixels of 256; further looks add to it."""
    trial = Trial.of(HomographyPairs(protocol="A", perturbation=20, test_pairs=4, num_workers=0), Context())
    scaling = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
    seen = scaling @ truth(trial) @ np.linalg.inv(scaling)
    corners = corner_points(128)
    moved = np.stack([cv2.perspectiveTransform(corners[None], matrix)[0] for matrix in seen])
    every = methods(Told(moved - corners))
    assert trial.errors(every[ONE]) == pytest.approx(0, abs=1e-3)
    assert (trial.errors(every[THREE]) > 10).all()  # it answers the same again


def test_ecc_polishes_what_the_network_says_or_leaves_it(trial: Trial):
    every = methods(Told(trial.offsets, error=1.0))
    rough = trial.errors(every[ONE])
    assert rough == pytest.approx(2**0.5, abs=1e-3)
    starts = every[ONE](trial.pairs)
    polished = trial.errors(lambda pairs: alignment.each(alignment.polish, pairs, starts))
    assert np.median(polished) < 0.2
    blank = [(np.zeros_like(a), b) for a, b in trial.pairs]  # where ECC finds nothing
    kept = alignment.each(alignment.polish, blank, starts)
    assert all(np.array_equal(one, other) for one, other in zip(kept, starts, strict=True))
    assert alignment.polish(trial.pairs[0], None) is None


def test_polishing_is_part_of_the_methods(net: HomographyNet, trial: Trial):
    every = methods(net)
    want = [alignment.polish(pair, start) for pair, start in zip(trial.pairs, every[THREE](trial.pairs), strict=True)]
    assert trial.errors(every[POLISHED]) == pytest.approx(trial.errors(lambda _: want), nan_ok=True)


@pytest.fixture(scope="module")
def measured(net: HomographyNet) -> Results:
    return evaluation.evaluate(net, HomographyPairs(test_pairs=4, num_workers=0), Context())


def test_results_are_what_a_card_holds(measured: Results):
    assert check(Results, json.loads(measured.to_json()), "measured") == measured
    names = [(figure.metric, figure.data, figure.protocol) for figure in measured.figures]
    assert names[0] == ("MACE, 1 look", "drawn streets", "Protocol B")
    assert ("MACE, 3 passes + ECC, b to a", "drawn streets", "Protocol B") in names
    assert ("a to b and back, network, 3 passes + ECC", "drawn streets", "Protocol B") in names
    assert ("MACE, 3 passes", "drawn streets", "Protocol A") in names
    assert len({figure.key for figure in measured.figures}) == len(names)
    assert {figure.split for figure in measured.figures} == {"test"}
    assert 300_000 < (measured.parameters or 0) < 1_000_000
    (size, count), *others = measured.macs.items()
    assert (size, others) == ("128x128", [])
    assert 50e6 < count < 200e6
    assert measured.data_digest["test"] == HomographyPairs(test_pairs=4, num_workers=0).digest("test")
    assert "| identity |" in of_results(measured)


def test_tables_hold_every_method_and_change(measured: Results, net: HomographyNet):
    small, other, large, robustness = measured.tables
    assert [row[0] for row in small.rows] == [row[0] for row in other.rows] == list(methods(net))
    assert other.title.startswith("drawn streets, Protocol B, 4 test pairs of 128x128, b to a, errors")
    assert small.columns[0] == "method"
    assert small.columns[-1] == "ms"
    assert all(isinstance(row[-1], float) for row in small.rows)
    assert [row[0] for row in large.rows] == list(evaluation.UNDER_PROTOCOL_A)
    assert [row[0] for row in robustness.rows] == [*CHANGES, "none, little texture"]
    assert all(len(row) == len(table.columns) for table in measured.tables for row in table.rows)
    identity = dict(zip(small.columns, small.rows[0], strict=True))
    assert identity["method"] == IDENTITY
    offsets = HomographyPairs(test_pairs=4, num_workers=0).held_out_pairs("test")[1]
    assert identity["mean"] == pytest.approx(np.linalg.norm(offsets, axis=2).mean(), abs=1e-4)
    claimed = {figure.metric: figure.value for figure in measured.figures if figure.protocol == "Protocol B"}
    by_name = {row[0]: row[1] for row in small.rows}
    assert (claimed["MACE, 1 pass"], claimed["MACE, 3 passes"]) == (by_name[ONE], by_name[THREE])
    assert claimed["MACE, 1 look"] == by_name[ONE_LOOK]
    assert claimed["MACE, 3 passes, b to a"] == {row[0]: row[1] for row in other.rows}[THREE]


def test_the_other_order_is_measured_at_the_same_corners(trial: Trial):
    """The method is right from a to b alone, and from b to a beside the truth by 3 and 4 pixels of b."""
    known = {id(pair[0]): matrix for pair, matrix in zip(trial.pairs, truth(trial), strict=True)}
    beside = np.array([[1, 0, 3], [0, 1, 4], [0, 0, 1.0]])

    def method(pairs: list) -> list:
        return [known[id(a)] if id(a) in known else np.linalg.inv(beside @ known[id(b)]) for a, b in pairs]

    figures, (there, back) = both_orders(trial, {"told": method}, [("MACE", "told", "mean", 0.1)], "told")
    assert [(figure.metric, figure.value) for figure in figures[:2]] == [("MACE", 0.0), ("MACE, b to a", 5.0)]
    assert [row[:2] for row in there.rows + back.rows] == [["told", 0.0], ["told", 5.0]]
    assert figures[2].metric == "a to b and back, told"
    assert 3 < figures[2].value < 8  # pixels of a
    some = method(trial.pairs), [None, *method([(b, a) for a, b in trial.pairs])[1:]]
    assert 3 < disagreement(trial, "told", *some)[0].value < 8
    assert disagreement(trial, "told", some[0], [None] * len(trial.pairs)) == []


def test_what_keeps_the_better_of_both_orders_does_not_mind_the_order(net: HomographyNet, trial: Trial):
    there = methods(net)[THREE](trial.pairs)
    back = methods(net)[THREE]([(b, a) for a, b in trial.pairs])
    for one, other in zip(there, back, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            inverse = np.linalg.inv(other)
            np.testing.assert_allclose(one, inverse / inverse[2, 2], atol=1e-6)


def test_time_is_that_of_one_pair_after_another(trial: Trial, monkeypatch: pytest.MonkeyPatch):
    """But for the first, which finds its memory."""
    now, seen = [0.0], []

    def method(pairs: list) -> list:
        now[0] += 0.002 if seen else 60
        seen.append((len(pairs), torch.get_num_threads()))
        return pairs

    monkeypatch.setattr(alignment, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    assert alignment.ms_a_pair(method, trial.pairs) == pytest.approx(2.0)
    assert seen == [(1, 1)] * (1 + len(trial.pairs))


def test_threads_are_as_they_were(measured: Results, net: HomographyNet, trial: Trial):
    threads = cv2.getNumThreads(), torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), alignment.one_thread(cv2.getNumThreads, cv2.setNumThreads):
        alignment.ms_a_pair(lambda _: 1 / 0, trial.pairs)
    assert (cv2.getNumThreads(), torch.get_num_threads()) == threads


def test_a_protocol_of_its_own_is_described_by_its_sizes(tmp_path: Path):
    data = HomographyPairs(tmp_path / "photos", perturbation=20)
    source, protocol = trials.describe(data, Context())
    assert source == "photos"
    assert trials.describe(data, Context(data="mine")) == ("mine", protocol)
    assert "perturbation=20" in protocol
    assert evaluation.under_protocol_a(data).protocol == PROTOCOLS["A"]


def test_colours_must_agree(net: HomographyNet):
    with pytest.raises(ZooError, match=r"1 channels, but data\.grey is False"):
        evaluation.evaluate(net, HomographyPairs(grey=False), Context())


def test_colour_is_grey_to_classical_methods(net: HomographyNet, trial: Trial):
    colour = [(cv2.merge([a] * 3), cv2.merge([b] * 3)) for a, b in trial.pairs[:2]]
    every, rgb = methods(net), methods(HomographyNet(channels=3).eval())
    for one, other in zip(every[SIFT](trial.pairs[:2]), every[SIFT](colour), strict=True):
        assert one == pytest.approx(other)
    assert len(rgb[ONE](colour)) == 2


def test_changes(trial: Trial):
    for name in CHANGES:
        pairs = changed(trial.pairs, name)
        again = changed(trial.pairs[:2], name)
        for (a, b), (a2, b2), (was_a, was_b) in zip(pairs, again, trial.pairs, strict=False):
            assert np.array_equal(a, a2), name
            assert np.array_equal(b, b2), name
            assert np.array_equal(a, was_a) == (name == "none" or "of b" in name), name
            assert np.array_equal(b, was_b) == (name == "none"), name


@pytest.mark.parametrize("name", ["noise, sigma 20 of 255", "occlusion of 40 %"])
def test_chance_meets_each_patch_by_itself(name: str):
    grey = np.full((128, 128), 128, np.uint8)
    (a, b), (c, _) = changed([(grey, grey)] * 2, name)
    assert not np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_low_texture_is_the_flattest_quarter():
    rng = np.random.default_rng(0)
    patches = [
        np.clip(128 + s * rng.standard_normal((32, 32)), 0, 255).astype(np.uint8) for s in (9, 1, 7, 3, 8, 2, 6, 5)
    ]
    assert low_texture([(patch, patch) for patch in patches]).tolist() == [1, 5]
    ramp = np.tile(np.arange(32, dtype=np.uint8), (32, 1))
    assert gradient_energy(ramp[:, 2:-2]) == pytest.approx(64, rel=0.1)  # Sobel's weights sum to 8


def real_pair(shift: float = 40.0, points: int = 8) -> RealPair:
    """A street, and the same at half the size, moved."""
    a = draw_street(3, (240, 320))[0]
    matrix = np.array([[0.5, 0, shift / 2], [0, 0.5, 0], [0, 0, 1]])
    b = cv2.warpPerspective(a, matrix, (160, 120))
    points_a = np.random.default_rng(0).uniform((40, 20), (250, 220), (points, 2))
    return RealPair("street", a, b, points_a, points_a / 2 + (shift / 2, 0))


def write_pair(folder: Path, pair: RealPair) -> Path:
    for which, picture in (("A", pair.a), ("B", pair.b)):
        Image.fromarray(picture).save(folder / f"{pair.name}{which}.jpg", quality=95)
    with (folder / f"{pair.name}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["xA", "yA", "xB", "yB"], *np.hstack((pair.points_a, pair.points_b)).tolist()])
    return folder


def test_real_pairs_are_read(tmp_path: Path):
    pair = real_pair()
    [read] = read_real_pairs(write_pair(tmp_path, pair))
    assert (read.name, read.a.shape, read.b.shape) == ("street", (240, 320, 3), (120, 160, 3))
    assert read.points_a == pytest.approx(pair.points_a)
    assert read.points_b == pytest.approx(pair.points_b)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize(("by", "end"), [(";", "\r\n"), ("\t", "\n\n"), (",", "\n")])
def test_their_tables_are_read_as_programs_write_them(tmp_path: Path, encoding: str, by: str, end: str):
    pair = real_pair()
    rows = [
        ["yB", "XB", "note", "xa", "ya"],
        *([y, x, "1", *a] for a, (x, y) in zip(pair.points_a, pair.points_b, strict=True)),
    ]
    text = end.join(by.join(f'"{cell}"' for cell in row) for row in rows) + end
    (write_pair(tmp_path, pair) / "street.csv").write_bytes(text.encode(encoding))
    [read] = read_real_pairs(tmp_path)
    assert read.points_a == pytest.approx(pair.points_a)
    assert read.points_b == pytest.approx(pair.points_b)


@pytest.mark.parametrize("points", [3, 8])
def test_displacement_is_told_in_pixels_of_128(points: int):
    """40 of 320 pixels are 16 of 128, and the half has its pixels' centres a quarter of its pixels aside.

    By a fitted homography as by the points alone.
    """
    assert real_pair(40, points).displacement() == pytest.approx(16.2, abs=0.01)
    assert real_pair(120, points).displacement() > 32


def test_reprojection_error_is_in_pixels_of_b():
    pair = real_pair(40)
    assert pair.error(np.array([[0.5, 0, 20], [0, 0.5, 0], [0, 0, 1]])) == pytest.approx(0)
    assert pair.error(np.array([[0.5, 0, 23], [0, 0.5, 4], [0, 0, 1]])) == pytest.approx(5)


def test_real_table(net: HomographyNet):
    every = {**methods(net), "nothing": lambda _: [None]}
    table = real_table([real_pair(40)], estimates([real_pair(40)], every))
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert row["pair"] == "street"
    assert list(row)[2:] == list(every)
    assert row[IDENTITY] == pytest.approx(20.25)  # the half has its pixels' centres a quarter of a pixel aside
    assert row[SIFT] < 1
    assert row["nothing"] is None


def test_a_sheet_shows_what_every_method_says(net: HomographyNet, tmp_path: Path):
    pair = real_pair(40)
    every = {"right": lambda _: [np.array([[0.5, 0, 20], [0, 0.5, 0], [0, 0, 1]])], "nothing": lambda _: [None]}
    save_sheet(tmp_path / "sheet.png", [pair, pair], estimates([pair, pair], every))
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 4 * 324 + 4
        shown = np.asarray(sheet.convert("L")).astype(float)
    b, right, nothing = (shown[40:200, 4 + 324 * i : 324 + 324 * i].mean() for i in (1, 2, 3))
    assert abs(right - b) < 25
    assert nothing < b / 2
    with pytest.raises(ZooError, match="--sheet shows real pairs: give --real FOLDER"):
        pairs_to_show(None, tmp_path / "sheet.png")
    with pytest.raises(ZooError, match=r"the folder .* does not exist"):
        pairs_to_show(tmp_path, tmp_path / "missing" / "sheet.png")
    for name in ("sheet.jpg", "folder.png"):
        (tmp_path / "folder.png").mkdir(exist_ok=True)
        with pytest.raises(ZooError, match=r"a file that ends in \.png"):
            pairs_to_show(tmp_path, tmp_path / name)
    assert pairs_to_show(None, None) == []


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "expected the header"),
        ("x,y\n1,2\n", "expected the header"),
        ("xA,yA,xB,yB\n", "expected the header"),
        ("xA,yA,xB,yB\n1,2,3\n", "expected four numbers"),
        ("xA,yA,xB,yB\n1,2,3,four\n", "expected four numbers"),
        ("xA,yA,xB,yB\n1,2,3,nan\n", "expected four numbers"),
        ("xA;yA;xB;yB\n\n1,5;2;3;4\n", "wrong.csv, line 3: expected four numbers such as 1.5, not"),
        ("xA,yA,xB,yB\n1,2,3,4\n", r"wrongA\.jpg: no such file"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, table: str, message: str):
    (tmp_path / "wrong.csv").write_text(table)
    with pytest.raises(ZooError, match=message):
        read_real_pairs(tmp_path)


def test_a_folder_without_pairs_is_refused(tmp_path: Path):
    with pytest.raises(ZooError, match="no pairs there"):
        read_real_pairs(tmp_path)
    with pytest.raises(ZooError, match="no pairs there"):
        read_real_pairs(tmp_path / "missing")


def test_the_real_pairs_of_homogr(net: HomographyNet, real_data: Path):
    """Their tables agree with a homography, and SIFT finds it for some."""
    pairs = read_real_pairs(real_data / "homogr")
    assert len(pairs) == 8
    fitted = [cv2.findHomography(pair.points_a, pair.points_b)[0] for pair in pairs]
    assert max(pair.error(matrix) for pair, matrix in zip(pairs, fitted, strict=True)) < 5
    graf = next(pair for pair in pairs if pair.name == "graf")
    [matrix] = methods(net)[SIFT]([(graf.a, graf.b)])
    assert graf.error(matrix) < 3
