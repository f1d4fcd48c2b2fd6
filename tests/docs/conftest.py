from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from hub_client import cold, hub, use_hub  # noqa: F401  fixtures
from zoo.data.streets import draw_streets


def save(picture: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that guides speak of, in miniature."""
    folder = tmp_path_factory.mktemp("guides")
    photograph = Image.fromarray(data.astronaut())
    photograph.crop((0, 0, 400, 400)).save(folder / "left.jpg")
    photograph.rotate(5, Image.Resampling.BICUBIC, center=(256, 256)).crop((60, 40, 460, 440)).save(
        folder / "right.jpg"
    )
    save(data.coffee()[:80, 200:320], folder / "small.jpg")
    save(data.chelsea()[:200, :280], folder / "photo.jpg")
    save(data.coffee()[100:300, 200:420], folder / "painting.jpg")
    for i, (scene, annotation) in enumerate(draw_streets("train", 24, (360, 480))):
        save(scene, folder / "photos" / f"{i:02}.jpg")
        save((annotation == 8).astype(np.uint8), folder / "masks" / f"{i:02}.png")
    shutil.copy(folder / "photos" / "00.jpg", folder / "street.jpg")
    for split in ("train", "val", "test"):
        camvid = folder / "data" / "CamVid"
        for i, (scene, annotation) in enumerate(draw_streets(split, 3, (360, 480))):
            save(scene, camvid / split / f"{i}.png")
            save(annotation, camvid / f"{split}annot" / f"{i}.png")
        listed = [f"{split}/{i}.png {split}annot/{i}.png" for i in range(3)]
        (camvid / f"{split}.txt").write_text("\n".join(listed))
    return folder
