from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from zoo.base.errors import ZooError
from zoo.data.style import draw_pattern, read_style


def test_the_shorter_side_gets_the_size(tmp_path: Path):
    path = tmp_path / "cat.png"
    Image.fromarray(data.chelsea()).save(path)  # 451x300
    style = read_style(path, 100)
    assert style.shape == (1, 3, 100, 150)
    assert style.dtype == torch.float32
    assert 0 <= style.min() < 0.2 < 0.8 < style.max() <= 1
    assert read_style(data.chelsea().transpose(1, 0, 2).copy(), 600).shape == (1, 3, 902, 600)


def test_any_mode(tmp_path: Path):
    grey = read_style(data.camera(), 64)
    assert torch.equal(grey[:, 0], grey[:, 2])
    clear = np.zeros((64, 64, 4), np.uint8)
    clear[:, :32, 3] = 255  # black, then nothing
    style = read_style(clear, 64)
    assert style[..., :30].max() == 0
    assert style[..., 34:].min() == 1


def test_refuses_what_shows_no_style(tmp_path: Path):
    path = tmp_path / "small.png"
    Image.new("RGB", (300, 16)).save(path)
    with pytest.raises(ZooError, match=r"small\.png: 300x16 pixels show no style; each side needs 32"):
        read_style(path, 256)
    with pytest.raises(ZooError, match="the style: 16x16"):
        read_style(np.zeros((16, 16, 3), np.uint8), 256)
    Image.new("RGB", (40, 400)).save(path)
    with pytest.raises(ZooError, match=r"small\.png: 40x400 pixels; a style is at most 8 times as long as wide"):
        read_style(path, 256)
    assert read_style(Image.new("RGB", (40, 320)), 40).shape == (1, 3, 320, 40)
    with pytest.raises(ZooError, match="32 pixels or more, not 8"):
        read_style(None, 8)
    with pytest.raises(ZooError, match=r"nowhere\.png: no such file"):
        read_style(tmp_path / "nowhere.png", 256)


def test_the_pattern_is_the_same_every_time():
    pattern = draw_pattern(96, 128)
    assert pattern.shape == (96, 128, 3)
    assert np.array_equal(pattern, draw_pattern(96, 128))
    assert not np.array_equal(pattern, draw_pattern(96, 128, seed=1))
    assert len(np.unique(pattern.reshape(-1, 3), axis=0)) == 10  # five colours and their outlines
    assert torch.equal(read_style(None, 256), read_style(draw_pattern(), 256))
