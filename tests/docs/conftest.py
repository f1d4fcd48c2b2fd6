from __future__ import annotations

import json
import shutil
import tarfile
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


def save_masks(folder: Path) -> None:
    """The photographs' masks in every form, and splits of them."""
    images, annotations, rows = [], [], ["file,split"]
    (folder / "label_colors.txt").write_text("0 0 0 background\n255 0 0\tcrack\n9 9 9 Void\n")
    for number in range(24):
        name, split = f"{number:02}", ("train", "train", "val")[number % 3]
        mask = np.zeros((360, 480), np.uint8)
        mask[100:200, 40 + number : 300] = 1
        shape = [40 + number, 100, 300, 100, 300, 200, 40 + number, 200]
        save(mask, folder / "named" / f"{name}_ids.png")
        save(mask * 0, folder / "named" / f"{name}_edges.png")
        save(mask, folder / "split" / split / "masks" / f"{name}.png")
        save(mask * 255, folder / "binary" / f"{name}.png")
        save(mask[..., None] * np.array([255, 0, 0], np.uint8), folder / "colored" / f"{name}.png")
        save(mask * 255, folder / "by_class" / "crack" / f"{name}.png")
        save(mask, folder / "beside" / f"{name}_mask.png")
        for place in ("beside", f"split/{split}/images"):
            (folder / place).mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / "photos" / f"{name}.jpg", folder / place)
        images.append({"id": number, "file_name": f"{name}.jpg", "height": 360, "width": 480})
        annotations.append({"id": number, "image_id": number, "category_id": 1, "segmentation": [shape]})
        rows.append(f"{name}.jpg,{split}")
    coco = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "crack"}]}
    (folder / "annotations.json").write_text(json.dumps(coco))
    (folder / "splits.csv").write_text("\n".join(rows))


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
    save_masks(folder)
    shutil.copy(folder / "photos" / "00.jpg", folder / "street.jpg")
    with tarfile.open(folder / "pictures.tar", "w") as tar:
        tar.add(folder / "street.jpg", "street.jpg")
    for split in ("train", "val", "test"):
        camvid = folder / "data" / "CamVid"
        for i, (scene, annotation) in enumerate(draw_streets(split, 3, (360, 480))):
            save(scene, camvid / split / f"{i}.png")
            save(annotation, camvid / f"{split}annot" / f"{i}.png")
        listed = [f"{split}/{i}.png {split}annot/{i}.png" for i in range(3)]
        (camvid / f"{split}.txt").write_text("\n".join(listed))
    return folder
