import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.collect.names import OWN, Folders, picture_name, safe

DIGEST = "0123456789abcdef" * 4
ANYTHING = st.text() | st.text(st.characters(categories=["Cs", "Cc", "Cf", "Zs", "Mn", "L"]))
PATHS = st.text("aA.: /\\?*|<>\"'%~-_$\u00e9e\u0301\u200b\u202e\ud800\0\nß", max_size=80)
DEVICES = ["con", "PRN", "aux", "NUL", "CLOCK$", "CONIN$", "conout$", "COM1", "com0", "LPT9", "COM¹", "lpt³"]
DEVICE = re.compile(r"(?i)(con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9¹²³])")


def assert_legal(name: str) -> None:
    """On Linux, macOS and Windows."""
    assert 0 < len(name.encode()) <= 143
    assert not set(name) & set('<>:"/\\|?*')
    assert name.isprintable()
    assert name == unicodedata.normalize("NFC", name)
    assert name[0] not in " .~-"
    assert name[-1] not in " ."
    assert not DEVICE.fullmatch(name.partition(".")[0].strip())


@given(ANYTHING | PATHS)
def test_any_text_is_a_legal_name_or_nothing(text):
    name = safe(text)
    if name:
        assert_legal(name)


@given(ANYTHING | PATHS, st.sampled_from(["", "http://example.org/", "http://[", "https://a.example/b/c%2F"]))
def test_any_address_names_a_picture(text, start):
    name = picture_name(start + text, DIGEST, ".jpg")
    assert_legal(name)
    assert name.endswith("0123456789abcdef.jpg")


@given(st.lists(ANYTHING | PATHS, unique=True, max_size=8))
def test_any_labels_have_folders_of_their_own(labels):
    folders = Folders()
    names = [folders.of(label) for label in labels]
    for name in names:
        assert_legal(name)
    for same in (str.casefold, str.upper, str.lower):
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            assert len({same(unicodedata.normalize(form, name)) for name in names}) == len(labels)
    assert [folders.of(label) for label in labels] == names


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.org/a/red%20boat.JPG?x=1#y", "red boat"),
        ("https://example.org/a/boat.tar.gz", "boat.tar"),
        ("https://example.org/boat/", "boat"),
        ("https://example.org/%2e%2e%2f%2e%2e%2fetc%2fpasswd.jpg", "etc_passwd"),
        ("https://example.org/..%5C..%5Cboot.ini", "boot"),
        ("https://example.org/%E7%8C%AB.png", "猫"),
        ("https://example.org/a%00b.png", "a_b"),
        ("https://example.org/", ""),
        ("https://example.org", ""),
        ("https://example.org/%ff%fe.jpg", "\N{REPLACEMENT CHARACTER}" * 2),
    ],
)
def test_a_name_tells_where_a_picture_came_from(url, expected):
    assert picture_name(url, DIGEST, ".jpg") == (f"{expected}-" if expected else "") + "0123456789abcdef.jpg"


def test_a_long_name_is_cut_between_letters():
    name = picture_name("https://example.org/" + "%E7%8C%AB" * 300, DIGEST, ".webp")
    assert name == "猫" * 20 + "-0123456789abcdef.webp"


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("text", ["{}", "{}.jpg", "{}.tar.gz", " {} ", "-{}", "{}_", "..{}..", "{} .x", "~{}~"])
def test_no_label_names_a_device_of_windows(device, text):
    assert_legal(Folders().of(text.format(device)))


def test_labels_that_look_the_same_to_some_file_system_are_told_apart():
    folders = Folders()
    names = [
        folders.of(label) for label in ("Café", "cafe\u0301", "CAFÉ", "café ", "ca/fé", "ca:fé", "straße", "STRASSE")
    ]
    assert names[0] == "Café"
    assert names[4] == "ca_fé"
    assert names[6] == "straße"
    assert all(re.fullmatch(r".+-[0-9a-f]{8}", names[index]) for index in (1, 2, 3, 5, 7))
    assert len({name.casefold() for name in names}) == 8


def test_a_label_that_is_the_folder_of_another_is_told_apart():
    """As whoever writes the labels of a list may choose them."""
    third = Folders()
    third.of("cat")
    taken = third.of("CAT")
    folders = Folders()
    names = [folders.of(label) for label in ("cat", taken, "CAT")]
    assert names[:2] == ["cat", taken]
    assert names[2].startswith("CAT-")
    assert names[2] != taken


def test_labels_of_which_nothing_is_left_are_told_apart():
    folders = Folders()
    names = [folders.of(label) for label in ("..", "\ud800", "\ud801", "\udfff", "unnamed", "---")]
    assert names[0] == "unnamed"
    assert len(set(names)) == 6


@pytest.mark.parametrize("own", OWN)
def test_a_label_does_not_take_the_name_of_a_file_of_the_collection(own):
    assert Folders().of(own) != own
    assert Folders().of(own.upper()).casefold() != own
    assert Folders().of(".collect") == "collect"
