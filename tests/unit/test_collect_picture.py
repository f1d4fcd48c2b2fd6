import io
import random
import struct
import threading
import time
import tracemalloc
import zlib
from typing import Any

import imagehash
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile, ImageOps

from zoo.collect.options import Options
from zoo.collect.picture import SUFFIXES, Memory, Picture, inspect, kind, refuse_kind
from zoo.collect.trouble import RejectedError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # what Pillow says of damaged tags

DEFAULT = Options()


def scene(width: int = 160, height: int = 120, seed: int = 0) -> Image.Image:
    """Something with large and small structure, as a photo has; no two seeds look the same."""
    noise = np.random.default_rng(seed)
    coarse = Image.fromarray((noise.random((6, 8, 3)) * 255).astype(np.uint8)).resize((width, height), 3)
    fine = Image.fromarray((noise.random((height, width, 3)) * 255).astype(np.uint8))
    return Image.blend(coarse, fine, 0.1)


def encoded(image: Image.Image, format_: str, **options: Any) -> bytes:
    written = io.BytesIO()
    image.save(written, format_, **options)
    return written.getvalue()


def look(content: bytes, **options: Any) -> Picture:
    refuse_kind(content[:512])
    return inspect(io.BytesIO(content), Options(**options), Memory())


def distance(one: Picture, other: Picture) -> int:
    assert one.phash
    assert other.phash
    return (int(one.phash, 16) ^ int(other.phash, 16)).bit_count()


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG of grey pixels, with whatever the header claims."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


# types


@pytest.mark.parametrize("format_", SUFFIXES)
def test_a_picture_of_each_type_is_taken(format_):
    found = look(encoded(scene(), format_))
    assert (found.format, found.width, found.height) == (format_, 160, 120)
    assert found.phash is not None
    assert len(found.phash) == 16
    assert found.upright is None


@pytest.mark.parametrize(
    ("mode", "format_"),
    [
        *(("1", one) for one in ("PNG", "TIFF", "BMP")),
        *(("L", one) for one in SUFFIXES),
        *(("P", one) for one in ("PNG", "TIFF", "BMP")),
        *(("LA", one) for one in ("PNG", "WEBP", "TIFF")),
        *(("RGBA", one) for one in ("PNG", "WEBP", "TIFF")),
        *(("CMYK", one) for one in ("JPEG", "TIFF")),
        ("YCbCr", "JPEG"),
    ],
)
def test_a_picture_of_each_mode_looks_like_itself(mode, format_):
    original = look(encoded(scene(), "PNG"))
    image = scene().convert("L") if mode == "LA" else scene()
    found = look(encoded(image.convert(mode), format_))
    assert (found.format, found.width, found.height) == (format_, 160, 120)
    assert distance(found, original) <= (10 if mode == "1" else 6)


def test_colours_that_nothing_converts_to_rgb_are_refused():
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(scene(), *profiles, outputMode="LAB")
    assert image is not None
    with pytest.raises(RejectedError, match="LAB"):
        look(encoded(image, "TIFF"))


def test_sixteen_bits_are_kept_without_a_hash_that_would_say_nothing():
    deep = Image.fromarray(np.linspace(0, 65535, 160 * 120).reshape(120, 160).astype(np.uint16))
    for format_ in ("PNG", "TIFF"):
        assert look(encoded(deep, format_)) == Picture(format_, 160, 120, None)


def test_a_picture_of_one_colour_has_no_hash():
    assert look(encoded(Image.new("RGB", (64, 64), "teal"), "PNG")).phash is None
    assert look(encoded(Image.new("P", (64, 64), 7), "PNG")).phash is None


def test_what_it_is_is_told_by_the_content():
    assert look(encoded(scene(), "PNG")).format == "PNG"  # whatever the address or the server called it


def test_a_photo_with_its_depth_or_preview_is_a_jpeg():
    content = encoded(scene(), "MPO", save_all=True, append_images=[scene(seed=1)])
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "MPO"
    assert look(content) == look(encoded(scene(), "JPEG"))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "empty"),
        (b"GIF89a" + bytes(20), "GIF"),
        (b"%PDF-1.7\n", "PDF"),
        (b"PK\3\4" + bytes(20), "ZIP"),
        (b"\x1f\x8b\x08" + bytes(20), "gzip"),
        (b"8BPS\0\1", "PSD"),
        (b"\0\0\1\0\1\0", "ICO"),
        (b"\0\0\0\x1cftypavif", "AVIF"),
        (b"\0\0\0\x1cftypheic", "HEIC"),
        (b"\0\0\0\x1cftypisom", "video"),
        (b"RIFF\0\0\0\0WAVE", "unknown data"),
        (b"<!doctype HTML><p>Not found", "HTML"),
        (b"\xef\xbb\xbf \n<HTML><p>Not found", "HTML"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"<svg onload='alert(1)'/>", "SVG"),
        (b"<Error><Code>AccessDenied</Code></Error>", "markup"),
        (b'{"error": "not found"}', "text"),
        (b"\0" * 64, "unknown data"),
        (b"%!PS-Adobe-3.0", "text"),
    ],
)
def test_what_is_no_picture_is_named(content, name):
    with pytest.raises(RejectedError) as caught:
        refuse_kind(content)
    assert str(caught.value) == (name if name == "empty" else f"{name}, not JPEG, PNG, WEBP, TIFF, BMP")
    with pytest.raises(RejectedError):  # nor by itself
        inspect(io.BytesIO(content), DEFAULT, Memory())


@pytest.mark.parametrize("format_", ["GIF", "ICO", "PPM", "TGA", "JPEG2000", "PCX"])
def test_other_types_that_pillow_knows_are_not_decoded(format_):
    with pytest.raises(RejectedError, match="damaged"):
        inspect(io.BytesIO(encoded(scene(), format_)), DEFAULT, Memory())


# damage


@pytest.mark.parametrize("format_", SUFFIXES)
@pytest.mark.parametrize("fraction", [0.02, 0.5, 0.97])
def test_a_picture_that_was_cut_is_refused(format_, fraction):
    content = encoded(scene(), format_)
    with pytest.raises(RejectedError, match="damaged"):
        look(content[: max(16, int(len(content) * fraction))])


def test_a_large_jpeg_is_decoded_to_its_end_although_it_is_shrunk():
    content = encoded(scene(2000, 1500), "JPEG")
    assert look(content).width == 2000
    with pytest.raises(RejectedError, match="damaged"):
        look(content[:-3000])


REAL = [
    *(encoded(scene(48, 40), one) for one in SUFFIXES),
    encoded(
        scene(48, 40), "JPEG", progressive=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
    ),
    encoded(scene(48, 40).convert("P"), "PNG"),
    encoded(scene(48, 40), "WEBP", lossless=True),
    encoded(scene(48, 40), "MPO", save_all=True, append_images=[scene(48, 40, 1)]),
    encoded(scene(48, 40), "TIFF", compression="tiff_lzw"),
    encoded(scene(48, 40), "TIFF", compression="jpeg"),
]


def assert_taken_or_refused(content: bytes) -> None:
    for upright in (False, True):
        try:
            inspect(io.BytesIO(content), Options(upright=upright), Memory())
        except RejectedError as error:
            assert str(error)  # noqa: PT017


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*", b"RIFF\0\0\0\0WEBPVP8 ", b""]),
    st.binary(),
)
def test_whatever_comes_is_refused_in_words(start, rest):
    assert_taken_or_refused(start + rest)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(REAL), st.integers(0, 2**32))
def test_damaged_pictures_are_taken_or_refused(content, seed):
    chance = random.Random(seed)
    for _ in range(8):
        damaged = bytearray(content)
        for _ in range(chance.choice([1, 2, 4, 16])):
            damaged[chance.randrange(min(len(damaged), chance.choice([100, 400, len(damaged)])))] = chance.randrange(
                256
            )
        assert_taken_or_refused(bytes(damaged[: chance.choice([len(damaged), chance.randrange(len(damaged))])]))


def test_damaged_exif_does_not_stand_in_the_way_of_turning():
    """Written anew, as by ImageOps.exif_transpose, these tags raise struct.error."""
    exif = Image.Exif()
    exif[0x0112], exif[0x0128] = 6, 2
    content = encoded(scene(), "JPEG", exif=exif).replace(
        struct.pack("<HHI", 0x128, 3, 1), struct.pack("<HHI", 0x128, 2, 1)
    )
    content = content.replace(struct.pack(">HHI", 0x128, 3, 1), struct.pack(">HHI", 0x128, 2, 1))
    with pytest.raises(Exception, match="integer"), Image.open(io.BytesIO(content)) as image:  # noqa: PT012
        image.load()
        ImageOps.exif_transpose(image)
    found = look(content, upright=True)
    assert (found.width, found.height) == (120, 160)


# limits


@pytest.mark.parametrize("side", [100_000, 2**31 - 1, 14_000, 8_000])
def test_a_header_that_claims_too_much_is_refused_before_anything_is_decoded(side, recwarn, monkeypatch):
    decoded: list[Image.Image] = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: decoded.append(image))
    with pytest.raises(RejectedError, match="more than 50,000,000"):
        look(png(side, side, bytes(100)))
    assert decoded == []


def test_a_bomb_in_a_text_chunk_is_refused_or_left():
    text = b"zTXt" + b"Comment\0\0" + zlib.compress(bytes(200 << 20))
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    content = png(64, 64, bytes(65 * 64))
    tracemalloc.start()
    with pytest.raises(RejectedError, match="damaged"):
        look(content[:33] + chunk + content[33:])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20  # and not the 200 MiB that it unpacks to


@pytest.mark.parametrize(
    ("size", "options", "reason", "smaller"),
    [
        ((64, 31), {}, "64x31 pixels, a side below 32", False),
        ((64, 49), {"min_side": 50}, "64x49 pixels, a side below 50", False),
        ((64, 48), {"max_side": 63}, "64x48 pixels, a side above 63", True),
        ((64, 48), {"max_pixels": 3071}, "64x48 pixels, more than 3,071 in all", True),
        ((161, 32), {}, "161x32 pixels, longer than 5:1", False),
        ((32, 161), {}, "32x161 pixels, longer than 5:1", False),
    ],
)
def test_sizes_out_of_the_limits_are_told(size, options, reason, smaller):
    with pytest.raises(RejectedError) as caught:
        look(encoded(scene(*size), "PNG"), **options)
    assert str(caught.value) == reason
    assert caught.value.smaller == smaller  # whether a thumbnail may do


def test_sizes_at_the_limits_are_taken():
    look(encoded(scene(160, 32), "PNG"))
    look(encoded(scene(64, 48), "PNG"), max_side=64, min_side=48, max_pixels=3072)


@pytest.mark.parametrize("format_", ["PNG", "WEBP"])
def test_what_moves_is_refused(format_):
    content = encoded(scene(), format_, save_all=True, append_images=[scene(seed=1)])
    with pytest.raises(RejectedError, match="animated"):
        look(content)
    assert look(encoded(scene(), format_, save_all=True)).width == 160


# orientation


def corners(image: Image.Image) -> list[str]:
    """The colours of the four corners, row by row."""
    names = {(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 1): "white"}
    width, height = image.size
    pixels = [image.convert("RGB").getpixel((x, y)) for y in (4, height - 5) for x in (4, width - 5)]
    return [names[tuple(int(value > 127) for value in pixel)] for pixel in pixels]


def flag() -> Image.Image:
    image = Image.new("RGB", (96, 64), "red")
    image.paste((0, 255, 0), (48, 0, 96, 32))
    image.paste((0, 0, 255), (0, 32, 48, 64))
    image.paste((255, 255, 255), (48, 32, 96, 64))
    return image


SEEN = {
    1: ["red", "green", "blue", "white"],
    2: ["green", "red", "white", "blue"],
    3: ["white", "blue", "green", "red"],
    4: ["blue", "white", "red", "green"],
    5: ["red", "blue", "green", "white"],
    6: ["blue", "red", "white", "green"],
    7: ["white", "green", "blue", "red"],
    8: ["green", "white", "red", "blue"],
}


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "MPO"])
@pytest.mark.parametrize("orientation", SEEN)
def test_pictures_are_turned_as_exif_says(format_, orientation):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = orientation, "a description"
    more = {"save_all": True, "append_images": [flag()]} if format_ == "MPO" else {}
    found = look(encoded(flag(), format_, exif=exif, **more), upright=True)
    assert found.format == ("JPEG" if format_ == "MPO" else format_)
    if orientation == 1:
        assert found.upright is None
        return
    assert found.upright is not None
    with Image.open(io.BytesIO(found.upright)) as image:
        assert image.size == (found.width, found.height) == ((96, 64) if orientation < 5 else (64, 96))
        assert image.format == found.format
        assert image.getexif().get(0x0112, 1) == 1  # no viewer turns it again
        assert corners(image) == SEEN[orientation]


def test_pictures_are_left_as_they_are_without_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    found = look(encoded(flag(), "JPEG", exif=exif))
    assert found.upright is None
    assert (found.width, found.height) == (96, 64)


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
def test_an_orientation_that_is_none_turns_nothing(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert look(encoded(flag(), "JPEG", exif=exif), upright=True).upright is None


def test_a_turned_picture_keeps_its_profile():
    exif = Image.Exif()
    exif[0x0112] = 3
    found = look(encoded(flag(), "JPEG", exif=exif, icc_profile=b"wide gamut"), upright=True)
    assert found.upright is not None
    with Image.open(io.BytesIO(found.upright)) as image:
        assert image.info["icc_profile"] == b"wide gamut"


def test_a_turned_picture_looks_like_the_same_one_that_was_never_turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = look(encoded(scene(), "JPEG"), upright=True)
    turned = look(encoded(scene().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif), upright=True)
    assert (turned.width, turned.height) == (160, 120)
    assert distance(plain, turned) <= DEFAULT.near


# near duplicates


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("size", "format_", "options"),
    [
        ((800, 600), "JPEG", {"quality": 30}),
        ((400, 300), "JPEG", {"quality": 85}),
        ((320, 240), "PNG", {}),
        ((200, 150), "WEBP", {"quality": 50}),
        ((811, 607), "BMP", {}),
        ((160, 120), "TIFF", {}),
    ],
)
def test_the_same_picture_in_another_size_and_quality_is_near(seed, size, format_, options):
    original = scene(800, 600, seed)
    found = look(encoded(original.resize(size, Image.Resampling.LANCZOS), format_, **options))
    assert distance(found, look(encoded(original, "JPEG"))) <= DEFAULT.near


def test_other_pictures_are_not_near():
    found = [look(encoded(scene(seed=seed), "JPEG")) for seed in range(12)]
    nearest = min(distance(one, other) for index, one in enumerate(found) for other in found[:index])
    assert nearest > DEFAULT.near + 6


def test_the_hash_is_the_one_of_imagehash():
    assert look(encoded(scene(), "PNG")).phash == str(imagehash.phash(scene()))


# memory


def test_no_more_is_decoded_at_a_time_than_memory_allows():
    memory, under_way, most = Memory(100), [0], [0]
    lock = threading.Lock()

    def work(size: int) -> None:
        with memory.of(size):
            with lock:
                under_way[0] += size
                most[0] = max(most[0], under_way[0])
            time.sleep(0.002)
            with lock:
                under_way[0] -= size

    threads = [threading.Thread(target=work, args=(size,), daemon=True) for size in [30, 60, 10, 50] * 8]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 60 < most[0] <= 100


def test_what_is_larger_than_memory_goes_alone_and_an_error_gives_back():
    memory = Memory(100)
    with pytest.raises(ValueError, match="damaged"), memory.of(500):
        raise ValueError("damaged")
    with memory.of(100):
        pass


def test_kinds_are_told_by_few_bytes():
    assert [kind(encoded(scene(), one)[:16]) for one in SUFFIXES] == list(SUFFIXES)
    assert kind(b"") is None
