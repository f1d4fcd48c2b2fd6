"""The grain of pictures, which is the same on every machine and in every language."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from zoo.base.errors import ZooError
from zoo.exports.demo.site import PAGE
from zoo.models.fast_style.module import FastStyleModule
from zoo.models.fast_style.net import FastStyle
from zoo.pictures.grain import grain, grained
from zoo.pictures.tensors import to_tensor, with_grain

LAYERS = {"style_layers": {"relu1_1": 1.0}, "content_layers": {"relu2_1": 1.0}}
USE = Path(__file__).parents[2] / "zoo" / "models" / "fast_style" / "USE.md"
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")


def hashed(row: int, column: int, channel: int) -> int:
    """The upper half of lowbias32 in plain Python."""
    x = (row * 0x9E3779B1 + column * 0x85EBCA77 + channel * 0xC2B2AE3D) % 2**32
    x = (x ^ x >> 16) * 0x7FEB352D % 2**32
    x = (x ^ x >> 15) * 0x846CA68B % 2**32
    return (x ^ x >> 16) >> 16


def test_each_value_is_a_sum_of_hashes_around_its_place():
    found, weights = grain(40, 70, 0.03, first_row=3_000), [1, 2, 3, 4, 5, 4, 3, 2, 1]
    for row, column, channel in ((0, 0, 0), (0, 69, 2), (39, 0, 1), (17, 31, 0)):
        around = [(i, j) for i in range(9) for j in range(9)]
        total = sum(weights[i] * weights[j] * hashed(2_996 + row + i, column - 4 + j, channel) for i, j in around)
        level = math.floor((total - 625 * 65_535 / 2) * (255 * 0.03 / 1_608_082) + 0.5)
        assert found[row, column, channel] == level


@pytest.mark.parametrize("strength", [0.01, 0.03, 0.2])
def test_values_have_the_strength_and_are_soft(strength: float):
    values = grain(300, 400, strength).astype(float) / 255
    assert values.std() == pytest.approx(strength, rel=0.02)
    assert abs(values.mean()) < 0.02 * strength
    unit = (values - values.mean()) / values.std()
    for axis in range(2):
        near, far = ((unit * np.roll(unit, by, axis)).mean() for by in (1, 12))
        assert near > 0.85
        assert abs(far) < 0.03
    assert abs((unit * np.roll(unit, 1, 2)).mean()) < 0.03  # of another channel


def test_training_sees_noise_of_the_same_softness():
    module = FastStyleModule(channels=4, blocks=1, vgg=None, noise=0.1, style_size=48, **LAYERS)
    drawn = ((module.noisy(torch.full((1, 3, 200, 300), 0.5)) - 0.5) / 0.1)[0].numpy()
    fixed = grain(200, 300, 0.1).transpose(2, 0, 1) / 25.5
    for by in (0, 1, 2, 4, 6, 9):
        here, there = ((each * np.roll(each, by, 2)).mean() for each in (drawn, fixed))
        assert here == pytest.approx(there, abs=0.05)


@pytest.mark.filterwarnings("error")  # torch warns of arrays that nothing may be written to
def test_a_part_of_a_picture_gets_the_grain_of_the_whole():
    whole = grain(64, 48, 0.1)
    assert np.array_equal(grain(20, 30, 0.1, first_row=11), whole[11:31, :30])
    picture = Image.fromarray(data.rocket())  # of several bands
    changed = np.asarray(grained(picture, 0.1)).astype(int)
    assert np.array_equal(changed, (data.rocket() + grain(*data.rocket().shape[:2], 0.1)).clip(0, 255))
    tensor = with_grain(to_tensor(picture)[None], 0.1)
    torch.testing.assert_close(tensor[0], to_tensor(Image.fromarray(changed.astype(np.uint8))), rtol=0, atol=1e-6)


def test_without_grain_a_picture_stays():
    assert np.array_equal(grained(Image.fromarray(data.coffee()), 0.0), data.coffee())


@needs_node
@pytest.mark.parametrize("strength", [0.0, 0.03, 1.0])
def test_the_page_adds_the_same(strength: float, tmp_path: Path):
    shutil.copy(PAGE / "compute" / "grain.js", tmp_path / "grain.mjs")
    (tmp_path / "run.mjs").write_text(
        'import { grained } from "./grain.mjs";\n'
        "const data = Uint8ClampedArray.from({ length: 4 * 37 * 29 }, (_, i) => (7 * i) % 256);\n"
        f"console.log(JSON.stringify(Array.from(grained({{ data, width: 37, height: 29 }}, {strength}).data)));\n"
    )
    given = ((7 * np.arange(4 * 37 * 29)) % 256).astype(np.uint8).reshape(29, 37, 4)
    found = np.array(spoken(tmp_path)).reshape(29, 37, 4)
    assert np.array_equal(found[..., :3], grained(Image.fromarray(given[..., :3].copy()), strength))
    assert np.array_equal(found[..., 3], given[..., 3])


@needs_node
def test_the_program_in_javascript_adds_the_same(tmp_path: Path):
    [function] = re.findall(r"^function grain\(.*?^}\n", USE.read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "run.mjs").write_text(
        f"const GRAIN = 0.03;\n{function}const added = [0, 1, 2].map(channel => grain(23, 17, channel));\n"
        "const all = Array.from({ length: 17 * 23 }, (_, i) => added.map(each => each(Math.floor(i / 23), i % 23)));\n"
        "console.log(JSON.stringify(all));\n"
    )
    assert np.array_equal(np.array(spoken(tmp_path)).reshape(17, 23, 3), grain(17, 23, 0.03))


STUB = """#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>
using uchar = unsigned char;
namespace cv {
template <class T> T saturate_cast(int x) { return T(std::clamp(x, 0, 255)); }
struct Vec3b { uchar at[3]; uchar& operator[](int i) { return at[i]; } };
struct Mat {
    int rows, cols;
    std::vector<Vec3b> values;
    template <class T> T& at(int row, int column) { return values[row * cols + column]; }
};
}
const double GRAIN = 0.03;
"""


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_the_program_in_cpp_adds_the_same(tmp_path: Path):
    [function] = re.findall(r"^void add_grain\(.*?^}\n", USE.read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "run.cpp").write_text(
        f"{STUB}{function}int main() {{\n"
        "    cv::Mat bgr{17, 23, std::vector<cv::Vec3b>(17 * 23, cv::Vec3b{{200, 128, 5}})};\n"
        "    add_grain(bgr);\n"
        '    for (cv::Vec3b& each : bgr.values) std::printf("%d %d %d ", each[2], each[1], each[0]);\n}\n'
    )
    subprocess.run(["g++", "-std=c++17", "run.cpp", "-o", "run"], cwd=tmp_path, check=True)
    said = subprocess.run(["./run"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    given = np.full((17, 23, 3), (5, 128, 200), np.uint8)
    assert np.array_equal(np.array(said.split(), int).reshape(17, 23, 3), grained(Image.fromarray(given), 0.03))


def spoken(folder: Path) -> object:
    """The JSON that a program prints."""
    return json.loads(subprocess.run(["node", "run.mjs"], cwd=folder, check=True, capture_output=True).stdout)


# In pictures of fast style


@pytest.fixture
def net(style_net: FastStyle) -> FastStyle:
    net = FastStyle(style_net.styles, style_net.channels, style_net.blocks, grain=0.03).eval()
    net.load_state_dict(style_net.state_dict())
    return net


def test_a_picture_is_painted_with_the_grain_of_the_network(net: FastStyle, style_net: FastStyle):
    cat = data.chelsea()[100:164, 120:190]
    assert (
        np.asarray(net.predict(cat, size="original")).tobytes()
        == np.asarray(style_net.predict(grained(Image.fromarray(cat), 0.03), size="original")).tobytes()
    )
    assert np.array_equal(net.predict(cat, grain=0), style_net.predict(cat))
    assert np.array_equal(net.predict(cat), style_net.predict(cat, grain=0.03))
    assert not np.array_equal(net.predict(cat), net.predict(cat, grain=0))


def test_grain_is_of_the_size_at_which_a_picture_is_painted(net: FastStyle, style_net: FastStyle):
    cat = data.chelsea()[100:164, 120:184]
    made = np.asarray(net.predict(cat, size=48))
    small = grained(Image.fromarray(cat).resize((48, 48), Image.Resampling.BICUBIC, reducing_gap=3.0), 0.03)
    painted = style_net.predict(small, size="original").picture.resize((64, 64), Image.Resampling.LANCZOS)
    assert np.array_equal(made, painted)


@pytest.mark.parametrize("rows", [16, 40])
def test_strips_have_the_same_grain(net: FastStyle, rows: int):
    cat = data.chelsea()[100:191, 120:187]
    whole = np.asarray(net.predict(cat, tile=None, size="original")).astype(int)
    assert np.abs(np.asarray(net.predict(cat, tile=rows, size="original")) - whole).max() <= 1


def test_a_frame_of_a_video_has_none(net: FastStyle, style_net: FastStyle):
    """It would stand still before what moves."""
    cat = data.chelsea()[100:164, 120:190]
    assert np.array_equal(net.predict_frame(cat), style_net.predict(cat))


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "much", True])
def test_grain_outside_its_range(net: FastStyle, value: object):
    with pytest.raises(ZooError, match=r"^grain must be a number from 0 to 1, not"):
        net.predict(data.chelsea(), grain=value)
    if isinstance(value, float):
        with pytest.raises(ZooError, match=r"^grain must be from 0 to 1, not"):
            FastStyle(grain=value)


def test_a_network_of_before_has_none():
    """Whose config.json says nothing of grain."""
    assert FastStyle(styles=["a"], channels=4, blocks=1).facts()["grain"] == 0
