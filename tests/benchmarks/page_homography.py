"""How far the corners of XFeat's page lie from Python's, and how far Python's own move with the order of matches.

    python tests/benchmarks/page_homography.py

Needs Node.js, which runs the page's estimator on the same matches. Pairs are drawn streets, and the photograph of a
cup, under random homographies; every second one in another light and with noise.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import numpy as np

from zoo import load
from zoo.data.pairs import sample
from zoo.data.streets import FIRST_SCENE, draw_street
from zoo.exports.demo import samples, site
from zoo.models.xfeat import predict
from zoo.models.xfeat.features import find
from zoo.models.xfeat.robust import homography_of
from zoo.pictures.classical import to_grey
from zoo.pictures.geometry import corner_points, matrix_from_corners, transform_points

SCENES = (45, 5, 17, 41, 3, 14, 15, 34)
SIZE = 640, 480
MIDDLE = np.array([[160.0, 120], [799, 120], [799, 599], [160, 599]])
ORDERS = 6
SCRIPT = """
const { homographyOf } = await import(process.argv[1]);
let text = "";
for await (const part of process.stdin) text += part;
console.log(JSON.stringify(JSON.parse(text).map(matches => homographyOf(matches, 3).matrix)));
"""


def pairs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of pictures of 640x480 pixels."""
    draw = np.random.default_rng(5)
    cup = samples.photograph()
    assert cup is not None
    pictures = [draw_street(FIRST_SCENE["test"] + scene, (720, 960))[0] for scene in SCENES]
    for picture in (*pictures, np.asarray(cup.resize((960, 720)))):
        for reach, hard in ((30, False), (70, True)):
            corners = MIDDLE + draw.uniform(-reach, reach, (4, 2))
            second = picture[120:600, 160:800].astype(float)
            if hard:
                second = 0.8 * second + 20 + draw.normal(0, 6, second.shape)
            yield sample(picture, matrix_from_corners(corners, *SIZE), *SIZE), second.clip(0, 255).astype(np.uint8)


def corners(matches: np.ndarray) -> np.ndarray:
    """Corners by ``zoo predict``."""
    return transform_points(np.asarray(homography_of(matches, predict.NEAR)), corner_points(*SIZE))


def main() -> None:
    engine = load("xfeat_free").engine
    seen = [[find(engine, to_grey(each), 2048) for each in pair] for pair in pairs()]
    every = [predict.matched(a, b) for a, b in seen]
    command = ["node", "--input-type=module", "-e", SCRIPT, str(site.PAGE / "compute" / "robust.js")]
    asked = json.dumps([matches.tolist() for matches in every])
    printed = subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout
    order, off, own = np.random.default_rng(0), [], []
    for matches, matrix in zip(every, json.loads(printed), strict=True):
        python = corners(matches)
        page = transform_points(np.array(matrix).reshape(3, 3), corner_points(*SIZE))
        off.append(np.abs(page - python).max())
        own += [np.abs(corners(order.permutation(matches)) - python).max() for _ in range(ORDERS)]
    for name, each in (("page and Python", off), ("Python and Python, matches in another order", own)):
        print(f"{name}: median {np.median(each):.2f} px, largest {max(each):.2f} px, {len(each)} pairs")


if __name__ == "__main__":
    main()
