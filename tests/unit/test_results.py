"""What results have in common: files, plain values, and how they show themselves in a notebook."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from zoo.base.registry import architectures
from zoo.models.linknet.predict import Segmentation
from zoo.models.neural_style.result import Painting
from zoo.models.perceptual_sr.result import Upscaled
from zoo.pictures.homography import Homography
from zoo.pictures.results import SHOWN_SIDE, Shown
from zoo.pictures.stylized import Stylized

CAT = data.chelsea()[100:145, 120:187]
CLEAR = np.dstack([CAT, CAT[..., 0]])
SHIFT = np.array([[1.0, 0, 5], [0, 1, -3], [0, 0, 1]])


class Example(Shown):
    def __init__(self, picture: Image.Image, caption: str = "") -> None:
        self.picture, self.said = picture, caption

    def shown(self) -> Image.Image:
        return self.picture

    def caption(self) -> str:
        return self.said


def segmentation(probabilities: bool = False) -> Segmentation:
    mask = (CAT[..., 0] > 110).astype(np.uint8)
    maps = np.stack([1.0 - mask, mask]).astype(np.float16) if probabilities else None
    return Segmentation(mask, ("<fur>", "eye & nose"), ((255, 0, 0), (0, 0, 255)), CAT, maps)


def homography(valid: bool = True) -> Homography:
    return Homography(SHIFT, 0.75, valid, None, 3, 0.01, CAT, CAT[:40, :50], ("left.png", None))


def matched() -> Homography:
    """Points of two pictures, of which the last pair is wrong."""
    a = np.array([[10.123, 12], [50, 30.5], [30, 40]])
    b = a + np.array([5.004, -3])
    b[2] += 20
    return replace(homography(), passes=None, matches=np.hstack((a, b)), inliers=np.array([True, True, False]))


def upscaled(pixels: np.ndarray = CAT) -> Upscaled:
    source = Image.fromarray(pixels)
    return Upscaled(source.resize((268, 180)), source, ("16 bits a channel became 8",))


def stylized(pixels: np.ndarray = CAT) -> Stylized:
    return Stylized(Image.fromarray(255 - pixels), Image.fromarray(pixels), ("a <note>",))


def painting(previews: bool = True) -> Painting:
    content = Image.fromarray(CAT)
    return Painting(content, content, (), {5: content} if previews else {}, (3.0, 1.0))


RESULTS: dict[str, tuple[Callable[[], object], list[str]]] = {
    "linknet": (segmentation, ["_mask.png", "_overlay.png"]),
    "linknet with probabilities": (lambda: segmentation(True), ["_mask.png", "_overlay.png", "_probabilities.npy"]),
    "homographynet": (homography, ["_overlay.png", "_warped.png", ".json"]),
    "homographynet that found none": (lambda: homography(False), ["_overlay.png", "_warped.png", ".json"]),
    "xfeat": (matched, ["_overlay.png", "_warped.png", ".json"]),
    "perceptual_sr": (upscaled, ["_x4.png", "_compare.png"]),
    "perceptual_sr of grey": (lambda: upscaled(CAT[..., 0]), ["_x4.png", "_compare.png"]),
    "perceptual_sr of transparency": (lambda: upscaled(CLEAR), ["_x4.png", "_compare.png"]),
    "fast_style": (stylized, ["_styled.png", "_compare.png"]),
    "fast_style of transparency": (lambda: stylized(CLEAR), ["_styled.png", "_compare.png"]),
    "neural_style": (painting, ["_styled.png", "_compare.png", "_strip.png"]),
    "neural_style without previews": (lambda: painting(False), ["_styled.png", "_compare.png"]),
}


@pytest.fixture(params=RESULTS, ids=lambda name: name.replace(" ", "-"))
def case(request: pytest.FixtureRequest) -> tuple[object, list[str]]:
    make, endings = RESULTS[request.param]
    return make(), endings


def shown_size(content: bytes) -> tuple[int, int]:
    """The size of a PNG that can be decoded."""
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "PNG"
        picture.load()
        return picture.size


def test_every_architecture_has_its_result_here():
    """So that none of another is forgotten."""
    assert {name.partition(" ")[0] for name in RESULTS} >= architectures().keys()


def test_saves_what_it_says(case: tuple[object, list[str]], tmp_path: Path):
    result, endings = case
    written = result.save(tmp_path / "deep" / "v1.2")
    assert written == [tmp_path / "deep" / f"v1.2{ending}" for ending in endings]
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == sorted(f"v1.2{end}" for end in endings)
    for path in written:
        if path.suffix == ".png":
            shown_size(path.read_bytes())
    assert result.save(str(tmp_path / "text"))[0] == tmp_path / f"text{endings[0]}"


def test_plain_values_are_json(case: tuple[object, list[str]]):
    result, _ = case
    values = result.to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert len(json.dumps(values)) < 1000  # no pixels


def test_shows_itself(case: tuple[object, list[str]]):
    result, _ = case
    width, height = shown_size(result._repr_png_())
    assert 0 < max(width, height) <= SHOWN_SIDE
    figure = result._repr_html_()
    assert figure.count("<") == (10 if isinstance(result, Upscaled) else 5)  # nothing of the caption is markup
    assert base64.b64encode(result._repr_png_()).decode() in figure or isinstance(
        result, Upscaled
    )  # which shows a part


def test_results_are_compared_as_things(case: tuple[object, list[str]]):
    """By identity: arrays have no truth value."""
    result, _ = case
    assert result in [result]
    assert result not in [homography()]
    assert len({result, result}) == 1
    assert len(repr(result)) < 500


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda: segmentation(True),
            {
                "size": [67, 45],
                "fractions": {"eye & nose": (CAT[..., 0] > 110).mean(), "<fur>": (CAT[..., 0] <= 110).mean()},
            },
        ),
        (upscaled, {"size": [268, 180], "mode": "RGB", "notes": ["16 bits a channel became 8"]}),
        (lambda: stylized(CLEAR), {"size": [67, 45], "mode": "RGBA", "notes": ["a <note>"]}),
        (painting, {"size": [67, 45], "mode": "RGB", "notes": []}),
    ],
    ids=["linknet", "perceptual_sr", "fast_style", "neural_style"],
)
def test_what_the_values_are(make: Callable[[], object], expected: dict):
    assert make().to_dict() == expected


def test_values_of_a_homography():
    values = homography().to_dict()
    assert values["matrix"] == SHIFT.tolist()
    np.testing.assert_allclose(values["corners"], [[5, -3], [71, -3], [71, 41], [5, 41]])
    assert values["a"] == {"name": "left.png", "width": 67, "height": 45}
    assert values["b"] == {"name": None, "width": 50, "height": 40}
    assert values["trusted"]
    assert not {"matches", "inliers"} & values.keys()


def test_values_of_matches():
    values = matched().to_dict()
    assert values["passes"] is None
    assert values["matches"] == [[10.12, 12, 15.13, 9], [50, 30.5, 55, 27.5], [30, 40, 55, 57]]
    assert values["inliers"] == [True, True, False]
    none = replace(matched(), matches=np.empty((0, 4)), inliers=np.empty(0, bool))
    assert not {"matches", "inliers"} & none.to_dict().keys()


def test_a_line_a_value_in_the_file(tmp_path: Path):
    result = matched()
    path = result.save(tmp_path / "pair")[-1]
    assert json.loads(path.read_text()) == result.to_dict()
    assert len(path.read_text().splitlines()) == len(result.to_dict()) + 2


@pytest.mark.parametrize(
    ("make", "caption"),
    [
        (segmentation, r"(&lt;fur&gt; \d+%|eye &amp; nose \d+%)(, |$)(&lt;fur&gt; \d+%|eye &amp; nose \d+%)"),
        (homography, "confidence 0.75"),
        (lambda: homography(False), "not to be trusted: no homography was found; .*"),
        (stylized, "67x45; a &lt;note&gt;"),
        (painting, "67x45"),
    ],
)
def test_captions_are_escaped(make: Callable[[], object], caption: str):
    found = re.fullmatch(
        r'<figure><img src="data:image/png;base64,([\w+/=]+)"><figcaption>(.*)</figcaption></figure>',
        make()._repr_html_(),
    )
    assert found
    assert re.fullmatch(caption, found[2])
    assert base64.b64decode(found[1], validate=True) == make()._repr_png_()


def test_a_caption_names_what_can_be_seen():
    """Classes of less than half a percent are left out, the largest comes first."""
    mask = np.zeros((100, 100), np.uint8)
    mask[:60], mask[99, :49] = 1, 2
    result = Segmentation(mask, ("sky", "road", "pole"), ((0, 0, 0),) * 3, np.zeros((100, 100, 3), np.uint8))
    assert result.caption() == "road 60%, sky 40%"
    assert result.fractions()["pole"] == 0.0049


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1, 1), (1, 1)),
        ((1024, 1024), (1024, 1024)),
        ((2048, 512), (1024, 256)),
        ((300, 3000), (102, 1024)),
        ((5000, 1), (1024, 1)),
    ],
)
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_what_is_shown_is_small(size: tuple[int, int], expected: tuple[int, int], mode: str):
    picture = Image.new(mode, size)
    assert shown_size(Example(picture)._repr_png_()) == expected
    assert picture.size == size  # what is shown stays as it is


@pytest.mark.parametrize("text", ["<script>alert('x')</script>", '"> & <b>', "a\nb"])
def test_no_caption_gets_out_of_its_place(text: str):
    figure = Example(Image.new("RGB", (2, 2)), text)._repr_html_()
    assert figure.startswith('<figure><img src="data:image/png;base64,')
    assert figure.count("<") == figure.count(">") == 5
    assert figure.endswith("</figcaption></figure>")


def test_without_a_caption_the_kind_is_told():
    class Kind(Shown):
        def shown(self) -> Image.Image:
            return Image.new("RGB", (2, 2))

    assert "<figcaption>Kind</figcaption>" in Kind()._repr_html_()
    with pytest.raises(NotImplementedError):
        Shown()._repr_png_()


def test_before_and_after_are_the_middle_of_either_and_notes_are_escaped():
    source = Image.fromarray(CAT)
    result = Upscaled(source.resize((2000, 1500)), source, ("a <note>",))
    figure = result._repr_html_()
    assert "a &lt;note&gt;" in figure
    after, before = (Image.open(io.BytesIO(base64.b64decode(url))) for url in re.findall(r"base64,([\w+/=]+)", figure))
    assert before.size == after.size == (800, 600)
    assert np.array_equal(after, result.picture.crop((600, 450, 1400, 1050)))
    whole = result.bicubic().crop((600, 450, 1400, 1050))
    assert np.abs(np.asarray(before).astype(int) - np.asarray(whole)).max() <= 1
