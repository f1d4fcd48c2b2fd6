"""From a field of displacements to a homography."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from zoo.data.pairs import PROTOCOLS, draw_held_out
from zoo.models.homographynet import field as field_module
from zoo.models.homographynet.field import CELLS, cell_centers, corner_offsets, homography, moved
from zoo.models.homographynet.net import HomographyNet
from zoo.models.homographynet.predict import fitted
from zoo.pictures.geometry import corner_points, matrix_from_corners, transform_points

CORNERS = corner_points(128)
FUNCTIONS = ("function solved", "function fitted")


def truth(count: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Offsets of the corners, and how far the cells move, ``(B, 256, 2)``."""
    _, offsets = draw_held_out(2, count, PROTOCOLS["B"])
    return offsets, transform_points(matrix_from_corners(CORNERS + offsets, 128), cell_centers()) - cell_centers()


def field_of(moves: np.ndarray, scale: np.ndarray | float = 1.0) -> np.ndarray:
    moved = moves.transpose(0, 2, 1).reshape(-1, 2, CELLS, CELLS)
    return np.concatenate((moved, np.broadcast_to(scale, moves.shape[:2]).reshape(-1, 1, CELLS, CELLS)), 1)


def errors(field: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    return np.linalg.norm(corner_offsets(field, cell_centers(), CORNERS) - offsets, axis=2).mean(1)


def test_middles_of_cells_are_those_of_their_pixels():
    assert cell_centers()[0].tolist() == [3.5, 3.5]
    assert cell_centers()[1].tolist() == [11.5, 3.5]
    assert cell_centers()[-1].tolist() == [123.5, 123.5]


def test_an_exact_field_gives_the_exact_corners():
    offsets, moves = truth()
    assert errors(field_of(moves), offsets).max() < 0.01


def test_noise_of_single_cells_hardly_matters():
    offsets, moves = truth()
    noisy = moves + np.random.default_rng(0).laplace(0, 1, moves.shape)
    assert errors(field_of(noisy), offsets).mean() < 0.5
    by_opencv = [cv2.findHomography(cell_centers(), cell_centers() + each, 0)[0] for each in noisy]
    plain = np.linalg.norm(transform_points(np.stack(by_opencv), CORNERS) - CORNERS - offsets, axis=2).mean()
    assert errors(field_of(noisy), offsets).mean() < plain


@pytest.mark.parametrize("known", [True, False])
def test_cells_that_are_wrong_are_left_out_whether_or_not_the_network_knows(known: bool):
    rng = np.random.default_rng(0)
    offsets, moves = truth()
    wrong = rng.random(moves.shape[:2]) < 0.3
    moves = moves + rng.laplace(0, 0.3, moves.shape)
    moves[wrong] = rng.uniform(-32, 32, (int(wrong.sum()), 2))
    found = errors(field_of(moves, np.where(wrong & known, 16.0, 0.5)), offsets)
    assert np.median(found) < 0.5
    assert (found < 3).mean() > 0.97


def test_a_field_that_knows_nothing_gives_finite_corners():
    nothing = np.zeros((1, 3, CELLS, CELLS))
    nothing[:, 2] = 1e6
    assert np.abs(corner_offsets(nothing, cell_centers(), CORNERS)).max() < 1e-6
    wild = np.random.default_rng(0).uniform(-1e4, 1e4, (20, 3, CELLS, CELLS))
    wild[:, 2] = np.abs(wild[:, 2]) + 0.05
    assert np.isfinite(corner_offsets(wild, cell_centers(), CORNERS)).all()


def test_torch_gives_the_same_and_a_gradient():
    _, moves = truth(8)
    field = field_of(moves + np.random.default_rng(0).laplace(0, 1, moves.shape))
    tensors = [torch.from_numpy(each).float() for each in (field, cell_centers(), CORNERS)]
    tensors[0].requires_grad_()
    found = corner_offsets(*tensors, torch)
    np.testing.assert_allclose(found.detach().numpy(), corner_offsets(field, cell_centers(), CORNERS), atol=0.02)
    found.square().mean().backward()
    assert torch.isfinite(tensors[0].grad).all()
    assert tensors[0].grad[:, :2].abs().max() > 0


def test_no_field_stops_torch():
    """Float32 may know as good as nothing of wild fields, but validation goes on."""
    rng = np.random.default_rng(0)
    for reach in (0, 10, 1e4, 1e20):
        field = rng.uniform(-reach, reach, (4, 3, CELLS, CELLS))
        for scale in (0.0, 0.05, 1e9):
            field[:, 2] = scale
            tensors = [torch.from_numpy(each).float() for each in (field, cell_centers(), CORNERS)]
            assert torch.isfinite(corner_offsets(*tensors, torch)).all()


def test_it_is_computed_where_the_field_is():
    """On no device at all here, which refuses what lies on another."""
    field, cells, corners = (torch.empty(shape, device="meta") for shape in ((2, 3, CELLS, CELLS), (256, 2), (4, 2)))
    assert corner_offsets(field, cells, corners, torch).shape == (2, 4, 2)
    assert moved(torch.empty(2, 4, 2, device="meta"), cells, corners, torch).shape == (2, 256, 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_autocast_takes_nothing_from_its_precision(dtype: torch.dtype):
    net = HomographyNet(head="field").to(torch.float64 if dtype == torch.float64 else torch.float32).eval()
    offsets, moves = truth(20)
    raw = torch.from_numpy(field_of(moves)).to(next(net.parameters()).dtype)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        found = net.offsets(raw)
        seen = net.raw(torch.rand(1, 2, 128, 128, dtype=raw.dtype))
    assert np.linalg.norm(found.numpy() - offsets, axis=2).mean(1).max() < 0.02
    assert seen.dtype == raw.dtype
    assert (seen.bfloat16().to(seen.dtype) != seen).any()  # more than 8 bits


def test_points_move_as_the_corners_say():
    offsets, moves = truth(5)
    np.testing.assert_allclose(moved(offsets, cell_centers(), CORNERS) - cell_centers(), moves, atol=1e-9)


def test_cells_that_are_no_number_do_not_count():
    offsets, moves = truth(3)
    field = field_of(moves)
    field[0, 0, 3:8] = np.nan
    field[1, :, :, 2] = np.nan
    field[2, 2, :10] = np.nan  # most of it
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, (spread,) = fitted(field)
    assert np.abs(found[:2] - offsets[:2]).max() < 0.02
    assert np.isnan(found[2]).all()
    assert np.isnan(spread).tolist() == [False, False, True]


def test_four_points_decide_a_homography():
    square = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    moved = square + np.random.default_rng(0).uniform(-0.3, 0.3, (5, 4, 2))
    found = homography(square[:, 0], square[:, 1], moved[..., 0], moved[..., 1], np.ones((5, 4)))
    for entries, corners in zip(found, moved, strict=True):
        wanted = cv2.getPerspectiveTransform(np.float32(square), np.float32(corners)).ravel()[:8]
        np.testing.assert_allclose(entries, wanted, atol=1e-3)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_the_program_in_javascript_fits_the_same(tmp_path: Path):
    text = (Path(field_module.__file__).parent / "USE_field.md").read_text()
    [program] = [each for each in re.findall(r"```javascript\n(.*?)```", text, re.DOTALL) if "function fitted" in each]
    parts = [re.search(rf"^{start}.*?^(?:}}|\)\);)\n", program, re.DOTALL | re.MULTILINE)[0] for start in FUNCTIONS]
    times = re.search(r"^const times = .*\n", program, re.MULTILINE)[0]
    _, moves = truth(4)
    rng = np.random.default_rng(0)
    moves += rng.laplace(0, 1, moves.shape)
    field = field_of(moves, rng.uniform(0.1, 2, moves.shape[:2]))
    calls = "".join(f"console.log(JSON.stringify(fitted({each.ravel().tolist()})));\n" for each in field)
    (tmp_path / "fit.mjs").write_text("\n".join(["const SIDE = 128;", times, *parts, calls]))
    said = subprocess.run(["node", "fit.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    matrices = np.array([json.loads(line) for line in said.splitlines()]).reshape(-1, 3, 3)
    found = transform_points(matrices, CORNERS) - CORNERS
    np.testing.assert_allclose(found, corner_offsets(field, cell_centers(), CORNERS), atol=1e-6)
