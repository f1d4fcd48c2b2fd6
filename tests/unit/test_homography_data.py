"""The DataModule of pairs: whose pictures, the same every time, true whatever was done to them, on CPU and device."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from PIL import Image

from zoo.base.errors import ZooError
from zoo.base.splits import split_of
from zoo.data import HomographyPairs
from zoo.data.device_pairs import as_pictures, device_batch
from zoo.data.homography import training_batch
from zoo.data.pairs import PROTOCOLS, Protocol
from zoo.data.pictures import fit
from zoo.data.sampling import EpochSampler
from zoo.data.training_pairs import Fractions, draw_training
from zoo.pictures.geometry import NET_SIZE, corner_points, matrix_from_corners

SPLITS = ("train", "val", "test")
pytestmark = pytest.mark.usefixtures("one_thread")  # small batches: threads would wait for each other


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def write_pictures(folder: Path, count: int, first: int = 0, size: tuple[int, int] = (160, 140)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        Image.new("RGB", size, (number % 256, 128, 7)).save(folder / f"{number:03d}.png")


def small(root: Path | None, **options) -> HomographyPairs:
    """Pictures of 64x48 and patches of 24 pixels of them."""
    sizes = {"size": (64, 48), "patch": 24, "perturbation": 6, "batch_size": 3, "num_workers": 0}
    return HomographyPairs(root, **{**sizes, "pairs_per_epoch": 12, "val_pairs": 5, "test_pairs": 5, **options})


def streets(**options) -> HomographyPairs:
    data = HomographyPairs(**{"pairs_per_epoch": 12, "val_pairs": 5, "batch_size": 3, "num_workers": 0, **options})
    channels = () if data.grey else (3,)
    shape = (5, data.protocol.height, data.protocol.width, *channels)
    for split in ("train", "val"):  # noise is drawn faster than streets
        data._kept[split] = rng().integers(0, 256, shape, dtype=np.uint8)
    return data


def smooth(protocol: Protocol, channels: tuple[int, ...] = (), count: int = 4) -> np.ndarray:
    pictures = []
    for seed in range(count):
        noise = rng(seed).normal(0, 1, (protocol.height, protocol.width, *channels))
        blurred = cv2.GaussianBlur(noise, (0, 0), protocol.patch / 16)
        pictures.append(np.clip(128 + 50 * blurred / blurred.std(), 0, 255).astype(np.uint8))
    return np.stack(pictures)


def detailed(protocol: Protocol, channels: tuple[int, ...] = ()) -> np.ndarray:
    return rng().integers(0, 256, (4, protocol.height, protocol.width, *channels), dtype=np.uint8)


# Truth is truth


def disagreement(pair: np.ndarray, offsets: np.ndarray) -> float:
    """Mean absolute difference, in grey levels, of a at p and b at M p, where b has that."""
    a, b = (np.ascontiguousarray(part.transpose(1, 2, 0)).astype(np.float32) for part in np.split(pair, 2))
    matrix = matrix_from_corners((corner_points(NET_SIZE) + offsets)[None], NET_SIZE)[0]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (NET_SIZE, NET_SIZE)
    shown = cv2.warpPerspective(b, matrix, size, flags=flags)
    inside = cv2.warpPerspective(np.ones(size, np.float32), matrix, size, flags=flags) > 0.999
    assert inside.mean() > 0.1
    return float(np.abs(shown.reshape(a.shape) - a)[inside].mean())


@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "RGB"])
@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_b_shows_at_the_moved_place_what_a_shows(protocol: Protocol, channels: tuple[int, ...]):
    pairs, offsets = training_batch(rng(), smooth(protocol, channels), 12, protocol)
    assert pairs.shape == (12, 6 if channels else 2, 128, 128)
    errors = [disagreement(*pair) for pair in zip(pairs, offsets, strict=True)]
    assert max(errors) < 1.5
    wrong = [disagreement(*pair) for pair in zip(pairs, offsets + 2.0, strict=True)]
    assert min(wrong) > 2 * max(errors)  # two pixels are seen


@pytest.mark.parametrize("fractions", [Fractions(swapped=1.0), Fractions(wide=1.0), Fractions(wide=1.0, swapped=1.0)])
@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_so_do_pairs_in_the_other_order_and_wide_ones(protocol: Protocol, fractions: Fractions):
    """Where b reaches; a patch that was warped is blurred by that, which is seen in either."""
    pairs, offsets = training_batch(rng(), smooth(protocol), 12, protocol, fractions)
    everywhere = np.ones((128, 128), np.float32)
    for pair, offset in zip(pairs, offsets, strict=True):
        a, b = pair.astype(np.float32)
        right, wrong = (
            [warped_by(part, offset + by) for part in (b, everywhere)] for by in (np.zeros(2), np.full(2, 3.0))
        )
        inside = (right[1] > 0.999) & (wrong[1] > 0.999)
        assert inside.mean() > 0.1
        assert np.abs(right[0] - a)[inside].mean() < 2
        assert np.abs(wrong[0] - a)[inside].mean() > 2 * np.abs(right[0] - a)[inside].mean()


def warped_by(picture: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """What a picture shows under a homography of 128x128 pixels, 0 where it does not reach."""
    matrix = matrix_from_corners((corner_points(NET_SIZE) + offsets)[None], NET_SIZE)[0]
    return cv2.warpPerspective(picture, matrix, (128, 128), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_so_do_pairs_of_a_second_pass(protocol: Protocol):
    """But where b ended and its edge is repeated."""
    pictures = smooth(protocol)
    drawn = draw_training(rng(), len(pictures), 12, protocol, Fractions(second_pass=1.0))
    pairs, offsets = training_batch(rng(), pictures, 12, protocol, Fractions(second_pass=1.0))
    assert np.array_equal(offsets, drawn.offsets)
    seen = [shown_by_b(estimate) for estimate in drawn.estimates]
    for pair, offset, known in zip(pairs, offsets, seen, strict=True):
        a, b = pair.astype(np.float32)
        matrix = matrix_from_corners((corner_points(NET_SIZE) + offset)[None], NET_SIZE)[0]
        shown, inside = (
            cv2.warpPerspective(part, matrix, (128, 128), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
            for part in (b, known)
        )
        assert (inside > 0.999).mean() > 0.2
        assert np.abs(shown - a)[inside > 0.999].mean() < 1.5


def shown_by_b(estimate: np.ndarray) -> np.ndarray:
    """1 where a pixel of the warped b lies inside of b."""
    ones = np.ones((128, 128), np.float32)
    return cv2.warpPerspective(ones, estimate, (128, 128), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def test_photometric_differences_move_nothing():
    protocol = PROTOCOLS["B"]
    plain, changed = (
        training_batch(rng(), smooth(protocol), 8, protocol, Fractions(0.5, fraction)) for fraction in (0.0, 1.0)
    )
    assert np.array_equal(plain[1], changed[1])
    assert (plain[0] != changed[0]).mean((1, 2, 3)).min() > 0.1


# On the device: OpenCV rounds what it interpolates, the device does not


@pytest.mark.parametrize("fractions", [Fractions(), Fractions(second_pass=1.0), Fractions(0.5, wide=0.5, swapped=0.5)])
@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "RGB"])
@pytest.mark.parametrize(("protocol", "roundings"), [("A", 2), ("B", 1)])
def test_the_device_makes_the_same_pairs(
    protocol: str, roundings: int, channels: tuple[int, ...], fractions: Fractions
):
    """Within 0.5 grey levels a rounding, and 0.1 for the interpolation: 1/32 pixel before OpenCV 5, exact since."""
    sizes = PROTOCOLS[protocol]
    pictures = smooth(sizes, channels)
    expected, offsets = training_batch(rng(3), pictures, 6, sizes, fractions)
    pairs, same = device_batch(rng(3), as_pictures(pictures, torch.device("cpu")), 6, sizes, fractions)
    assert torch.equal(torch.from_numpy(offsets), same)
    assert pairs.dtype == torch.float32
    error = (pairs - torch.from_numpy(expected)).abs()
    roundings += fractions.second_pass > 0
    assert error.mean() < 0.25 * roundings + 0.1
    assert error.max() < 0.5 * roundings + (0.1 if int(cv2.__version__.split(".")[0]) >= 5 else 2.0)


def test_the_device_makes_the_same_pairs_of_noise():
    """Where a neighbour is another grey altogether an error of a tenth of a pixel would be 10 grey levels and more."""
    protocol = PROTOCOLS["B"]
    pictures = detailed(protocol)
    expected, _ = training_batch(rng(3), pictures, 6, protocol)
    pairs, _ = device_batch(rng(3), as_pictures(pictures, torch.device("cpu")), 6, protocol)
    error = (pairs - torch.from_numpy(expected)).abs()
    assert error[:, 1].max() == 0  # b is a copy
    assert error.mean() < 1.0


def test_batches_from_the_device_are_those_from_the_cpu():
    there, here = (streets(make_on=place, second_pass=0.5) for place in ("device", "cpu"))
    for on_device, on_cpu in zip(epoch(there, 2), epoch(here, 2), strict=True):
        assert torch.equal(on_device[1], on_cpu[1])
        assert (on_device[0] - on_cpu[0]).abs().mean() < 1.5 / 255
        assert on_device[0].shape == (3, 2, 128, 128)
        assert 0.9 < on_device[0].max() <= 1


class Listener(LightningModule):
    """Learns nothing and keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.batches = torch.nn.Linear(1, 1), []

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        self.batches.append(batch)
        return self.layer(torch.ones(1)).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_lightning_hands_over_what_the_device_makes():
    data, listener = streets(make_on="device", second_pass=0.5), Listener()
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    Trainer(max_epochs=2, accelerator="cpu", limit_val_batches=0, **quiet).fit(listener, data)
    other = streets(make_on="device", second_pass=0.5)
    assert same(listener.batches, epoch(other, 0) + epoch(other, 1))


@pytest.mark.parametrize("photometric", [0.0, 1.0])
def test_the_device_repeats_itself(photometric: float):
    data = streets(make_on="device", photometric=photometric)
    first, later, again = epoch(data, 1), epoch(data, 2), epoch(data, 1)
    assert same(first, again)
    assert not same(first, later)


def test_photometric_differences_on_the_device_meet_their_fraction():
    protocol = PROTOCOLS["B"]
    pictures = as_pictures(smooth(protocol), torch.device("cpu"))
    drawn = draw_training(rng(), 4, 20, protocol, Fractions(photometric=0.5))
    plain, changed = (
        device_batch(rng(), pictures, 20, protocol, Fractions(photometric=fraction))[0] for fraction in (0.0, 0.5)
    )
    differs = (plain != changed).flatten(1).any(1).numpy()
    assert not differs[~drawn.unlike].any()
    assert differs[drawn.unlike].mean() > 0.8


def test_patches_that_the_device_cannot_make():
    with pytest.raises(ZooError, match=r"data\.make_on: patches of 100 pixels can only be made on the CPU"):
        HomographyPairs(patch=100, make_on="device")
    assert not HomographyPairs(patch=100)._makes_on_device()
    assert not HomographyPairs()._makes_on_device()  # without a GPU


# The same run every time


def epoch(data: HomographyPairs, number: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    loader = data.train_dataloader()
    loader.sampler.set_epoch(number)
    return [data.on_after_batch_transfer(batch, 0) for batch in loader]


def same(one: list, other: list) -> bool:
    return all(torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


def test_an_epoch_depends_on_its_number_alone():
    data = streets(second_pass=0.5, photometric=0.5)
    first = [epoch(data, number) for number in range(3)]
    assert len(first[0]) == 4
    assert same(epoch(streets(second_pass=0.5, photometric=0.5), 2), first[2])  # as in a resumed run
    assert not same(first[0], first[1])
    batches = [batch for part in first for batch in part]
    assert len({batch[0].numpy().tobytes() for batch in batches}) == 12


def test_a_seed_is_another_training():
    assert not same(epoch(streets(seed=1), 0), epoch(streets(), 0))
    assert streets(seed=1).digest("val") == streets().digest("val")


def test_workers_change_nothing():
    assert same(epoch(streets(num_workers=2, second_pass=0.5), 1), epoch(streets(second_pass=0.5), 1))


def test_ranks_get_different_batches():
    dataset = streets().train_dataloader().dataset
    dealt = []
    for rank in range(2):
        sampler = EpochSampler(dataset, num_replicas=2, rank=rank, shuffle=False, drop_last=True)
        sampler.set_epoch(3)
        dealt.append(list(sampler))
    assert sorted(dealt[0] + dealt[1]) == [12, 13, 14, 15]
    offsets = [dataset[key][1].tobytes() for keys in dealt for key in keys]
    assert len(set(offsets)) == 4


def test_held_out_pairs_as_the_network_sees_them():
    data = streets()
    pairs, offsets = data.held_out_pairs("val")
    batches = [data.on_after_batch_transfer(batch, 0) for batch in data.val_dataloader()]
    inputs, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert np.array_equal((inputs * 255).round().numpy(), np.stack(pairs))
    assert np.allclose(targets, offsets, atol=1e-4)


@pytest.mark.parametrize("grey", [True, False])
def test_batches_are_floats_between_0_and_1(grey: bool):
    for loader in ("train_dataloader", "val_dataloader"):
        data = streets(protocol="A", grey=grey)
        batch = next(iter(getattr(data, loader)()))
        assert batch[0].dtype == torch.uint8
        pairs, offsets = data.on_after_batch_transfer(batch, 0)
        assert pairs.shape == (3, 2 if grey else 6, 128, 128)
        assert pairs.dtype == offsets.dtype == torch.float32
        assert 0.9 < pairs.max() <= 1


# Whose pictures


def test_new_pictures_move_no_other_to_another_split(tmp_path: Path):
    write_pictures(tmp_path / "a", 60)
    data = small(tmp_path, val_fraction=0.2)
    before = {split: data.names(split) for split in SPLITS}
    assert sum(map(len, before.values())) == 60
    assert all(len(part) >= 4 for part in before.values())
    write_pictures(tmp_path / "a", 30, first=60)
    write_pictures(tmp_path / "b", 30)
    (tmp_path / "a" / "000.png").rename(tmp_path / "a" / "000.bmp")  # nor does another format
    for split, part in before.items():
        old = {p.stem for p in data.names(split) if p.parent.name == "a" and int(p.stem) < 60}
        assert old == {p.stem for p in part}


def test_folders_named_as_splits_are_the_splits(tmp_path: Path):
    write_pictures(tmp_path / "train" / "cat", 5)
    write_pictures(tmp_path / "val", 3)
    data = small(tmp_path, val_fraction=0.2)
    names = {split: [path.relative_to(tmp_path).parts[0] for path in data.names(split)] for split in ("train", "val")}
    assert names == {"train": ["train"] * 5, "val": ["val"] * 3}
    with pytest.raises(ZooError, match=r"has the folders train and val, but no folder test\n"):
        data.names("test")


def test_splits_are_fractions():
    splits = [split_of(f"folder/{number}", 0.1) for number in range(4000)]
    assert splits.count("val") / 4000 == pytest.approx(0.1, abs=0.02)
    assert splits.count("test") / 4000 == pytest.approx(0.1, abs=0.02)


def test_further_folders_are_trained_on_alone(tmp_path: Path):
    write_pictures(tmp_path / "own", 40)
    write_pictures(tmp_path / "more", 40)
    alone, more = (small(tmp_path / "own", extra=extra, val_fraction=0.2) for extra in ([], [tmp_path / "more"]))
    for split in ("val", "test"):
        assert more.names(split) == alone.names(split)
    added = set(more.names("train")) - set(alone.names("train"))
    assert {path.parent.name for path in added} == {"more"}
    assert len(added) == 40
    assert len(more.kept("train")) == len(alone.kept("train")) + 40


@pytest.mark.parametrize("extra", ["", "own", "own/part"])
def test_further_folders_hold_no_pictures_of_val_and_test(tmp_path: Path, extra: str):
    with pytest.raises(ZooError, match=r"data\.extra: .* overlaps data\.root"):
        small(tmp_path / "own", extra=[tmp_path / extra])


def test_held_out_pairs_go_through_the_pictures_in_the_order_of_their_paths(tmp_path: Path):
    for name in ("b.png", "a/2.png", "a/10.png", "B.png"):
        write_pictures(tmp_path, 1)
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "000.png").rename(tmp_path / name)
    names = [path.relative_to(tmp_path).as_posix() for split in SPLITS for path in small(tmp_path).names(split)]
    assert sorted(names) == ["B.png", "a/10.png", "a/2.png", "b.png"]
    train = [path.relative_to(tmp_path).as_posix() for path in small(tmp_path, val_fraction=1e-9).names("train")]
    assert train == sorted(names)


def test_useless_pictures_are_skipped_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_pictures(tmp_path, 6)
    write_pictures(tmp_path, 1, first=6, size=(300, 23))
    write_pictures(tmp_path, 1, first=7, size=(24, 24))
    whole = (tmp_path / "000.png").read_bytes()
    (tmp_path / "001.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "002.png").write_text("no picture")
    data = small(tmp_path, val_fraction=1e-9)
    assert data.kept("train").shape == (5, 48, 64)
    assert capsys.readouterr().err.startswith("train: 3 of 8 pictures skipped (2 broken, 1 small); ")
    assert len(epoch(data, 0)) == 4


def test_an_error_where_no_picture_is_left(tmp_path: Path):
    write_pictures(tmp_path, 3, size=(23, 100))
    with pytest.raises(
        ZooError, match=r"none of 3 pictures of train can be used; .*000\.png: 23x100 is smaller than 24"
    ):
        small(tmp_path, val_fraction=1e-9).setup("fit")


def test_folders_that_lack_something(tmp_path: Path):
    with pytest.raises(ZooError, match=r"nowhere: no such folder\npass yours: --data\.root FOLDER$"):
        small(tmp_path / "nowhere").setup("fit")
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ZooError, match=r"no pictures \(\.apng"):
        small(tmp_path).setup("fit")
    write_pictures(tmp_path / "own", 1)
    with pytest.raises(ZooError, match=r"own: the (train|val) split gets none of its pictures: add pictures"):
        small(tmp_path / "own").setup("fit")
    with pytest.raises(ZooError, match=r"missing: no such folder\npass yours: --data\.extra '\[FOLDER, \.\.\.\]'$"):
        small(tmp_path / "own", extra=[tmp_path / "missing"]).names("train")


def test_a_folder_that_moved_has_the_same_pairs(tmp_path: Path):
    write_pictures(tmp_path / "one", 20)
    before = small(tmp_path / "one", val_fraction=0.3).digest("test")
    shutil.move(tmp_path / "one", tmp_path / "other")
    assert small(tmp_path / "other", val_fraction=0.3).digest("test") == before


# How they are read


def test_pictures_of_any_kind(tmp_path: Path):
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    for name, mode in (("grey", "L"), ("colour", "RGB"), ("alpha", "RGBA"), ("palette", "P")):
        Image.fromarray(ramp).convert(mode).save(tmp_path / f"{name}.png")
    turned = Image.fromarray(np.ascontiguousarray(ramp.T[:, ::-1]))  # its upper left corner is the upper right one
    exif = Image.Exif()
    exif[0x0112] = 8
    turned.save(tmp_path / "turned.png", exif=exif)
    pictures = small(tmp_path, val_fraction=1e-9).kept("train")
    assert len(pictures) == 5
    for picture in pictures:
        assert np.abs(picture.astype(int) - ramp).max() <= 4


def test_more_pictures_than_memory_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_pictures(tmp_path, 1)
    data = HomographyPairs(tmp_path, size=(40_000, 20_000), val_fraction=1e-9)
    monkeypatch.setattr("zoo.base.memory.free_bytes", lambda _: 0.5e9)
    with pytest.raises(ZooError, match=r"pictures of 40000x20000 pixels: needs 0\.8 GB of memory and 0\.5 GB are free"):
        data.kept("train")


@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "RGB"])
def test_large_training_pictures_are_cut_into_pieces_too(tmp_path: Path, channels: tuple[int, ...]):
    """But where they show nothing; pictures of val and test, and smaller ones, stay whole."""
    noisy = rng().integers(0, 256, (720, 1000, 3), np.uint8)
    noisy[480:, :340] = 90  # the lower left one of nine pieces
    for split, shape in (("train", (720, 1000)), ("val", (720, 1000)), ("test", (479, 1000))):
        (tmp_path / split).mkdir()
        Image.fromarray(noisy[: shape[0], : shape[1]]).save(tmp_path / split / "large.png")
    Image.fromarray(noisy[:479]).save(tmp_path / "train" / "not_twice_as_high.png")
    data = HomographyPairs(tmp_path, tiles=3, grey=not channels, num_workers=0)
    train = data.kept("train")
    assert train.shape == (1 + 4 + 8 + 1, 240, 320, *channels)
    assert len(data.kept("val")) == len(data.kept("test")) == 1
    assert data.most(data.names("train"), "train") == 1 + 4 + 9 + 1
    whole = HomographyPairs(tmp_path, grey=not channels, num_workers=0).kept("train")
    assert np.array_equal(train[[0, -1]], whole)
    upper = np.asarray(Image.fromarray(noisy).convert("RGB" if channels else "L").crop((20, 0, 340, 240)))
    assert np.array_equal(train[5], upper)  # the middle 960x720 of 1000x720, pixel by pixel
    assert next(iter(data.train_dataloader()))[0].shape[1:] == (6 if channels else 2, 128, 128)


def test_how_many_pieces_there_are_is_told_by_pictures_as_they_are_shown(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn: 720x1000
    Image.new("RGB", (1000, 720)).save(tmp_path / "turned.png", exif=exif)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    data = HomographyPairs(tmp_path, tiles=3, num_workers=0)
    assert data.most([tmp_path / "turned.png", tmp_path / "broken.png"], "train") == 1 + 4 + 1
    assert data.most([tmp_path / "turned.png"], "val") == 1


def test_the_middle_of_another_aspect():
    wide = np.zeros((48, 128), np.uint8)
    wide[:, 32:96] = np.arange(64)
    assert np.array_equal(fit(Image.fromarray(wide), 64, 48), np.tile(np.arange(64), (48, 1)))
    tall = np.zeros((96, 64), np.uint8)
    tall[24:72] = 200
    assert np.array_equal(fit(Image.fromarray(tall), 64, 48), np.full((48, 64), 200))
    assert fit(Image.new("RGB", (1, 500)), 64, 48).shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"protocol": "C"}, "must be one of A, B, not 'C'"),
        ({"batch_size": 0}, "1 or more"),
        ({"val_pairs": 0}, "1 or more"),
        ({"second_pass": 1.5}, "fractions"),
        ({"wide": -0.1}, "fractions"),
        ({"swapped": 2.0}, "fractions"),
        ({"tiles": 0}, "tiles must be 1 or more, not 0"),
        ({"val_fraction": 0.5}, "val_fraction"),
        ({"patch": 300}, "needs pictures of at least 364x364"),
    ],
)
def test_refuses_arguments_that_cannot_be(arguments: dict, message: str):
    with pytest.raises(ZooError, match=message):
        HomographyPairs(**arguments)


# Real input


def test_real_photographs(real_data: Path):
    """Photographs have edges: places right to a fraction of a pixel disagree by few grey levels, wrong ones by many."""
    photographs = sorted((real_data / "homogr").rglob("*.jpg"))[:4] or sorted((real_data / "photos").rglob("*.jpg"))[:4]
    if not photographs:
        pytest.skip("no photographs in ZOO_TEST_DATA")
    protocol = PROTOCOLS["B"]
    pictures = np.stack([fit(Image.open(path).convert("L"), protocol.width, protocol.height) for path in photographs])
    pairs, offsets = training_batch(rng(), pictures, 20, protocol)
    right = np.mean([disagreement(*pair) for pair in zip(pairs, offsets, strict=True)])
    wrong = np.mean([disagreement(*pair) for pair in zip(pairs, offsets + 2.0, strict=True)])
    assert right < 0.5 * wrong


def test_pairs_that_do_not_move_teach_nothing():
    with pytest.raises(ZooError, match="perturbation must be 1 or more"):
        HomographyPairs(perturbation=0)
