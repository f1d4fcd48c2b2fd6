import hashlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zoo.base.errors import ZooError
from zoo.collect.ledger import key_of, read
from zoo.collect.options import Options
from zoo.collect.store import SPILL, Looks, Store

ALL = Options(val_fraction=0)  # nothing but the labels' folders


def arrival(number: int, content: bytes | None = None, **fields: Any) -> tuple[dict[str, Any], bytes]:
    """A picture that came, and its record; no two numbers are near each other."""
    content = f"picture {number}".encode() if content is None else content
    digest = hashlib.sha256(content).hexdigest()
    record = {
        "url": f"https://example.org/{number}.jpg",
        "status": "saved",
        "final_url": f"https://example.org/{number}.jpg",
        "bytes": len(content),
        "digest": digest,
        "type": "jpeg",
        "phash": hashlib.sha256(b"look" + content).hexdigest()[:16],
        **fields,
    }
    return {name: value for name, value in record.items() if value is not None}, content


def failure(number: int, status: str = "failed") -> dict[str, Any]:
    return {"url": f"https://example.org/{number}.jpg", "status": status, "reason": "HTTP 404"}


def keep(store: Store, record: dict[str, Any], content: bytes) -> dict[str, Any]:
    return store.keep(record, io.BytesIO(content))


def take(store: Store, number: int, content: bytes | None = None, **fields: Any) -> dict[str, Any]:
    """Keeps and admits at once."""
    record, content = arrival(number, content, **fields)
    return store.admit(keep(store, record, content))


def files(folder: Path) -> dict[str, bytes]:
    """The pictures' files and their content."""
    found = (path for path in folder.rglob("*") if path.is_file() and ".collect" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if path.name != "ledger.jsonl"}


def lines(folder: Path) -> list[tuple[str, str]]:
    return [
        (one["url"].rpartition("/")[2].removesuffix(".jpg"), one["status"]) for one in read(folder / "ledger.jsonl")
    ]


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "collection"


# what is let in


def test_a_picture_lies_in_its_split_and_label_under_the_name_of_its_address(folder):
    with Store(folder, Options()) as store:
        record = take(store, 1, label="black cat")
        bare = take(store, 2)
        store.finish()
        assert store.kept == 2
    assert record["file"] == f"{record['split']}/black cat/1-{record['digest'][:16]}.jpg"
    assert bare["file"] == f"{bare['split']}/2-{bare['digest'][:16]}.jpg"
    assert files(folder) == {record["file"]: b"picture 1", bare["file"]: b"picture 2"}
    assert {path.name for path in folder.iterdir()} == {"train", "val", "test", "ledger.jsonl", ".collect"}
    assert list((folder / ".collect/parts").iterdir()) == []


def test_splits_may_be_off(folder):
    with Store(folder, ALL) as store:
        record = take(store, 1)
        store.finish()
    assert record["file"] == f"1-{record['digest'][:16]}.jpg"
    assert record["split"] is None
    assert not (folder / "val").exists()


@pytest.mark.parametrize("size", [0, SPILL, SPILL + 1, 3 * SPILL])
def test_what_comes_has_no_name_until_it_is_kept(folder, size):
    content = (bytes(range(251)) * (size // 251 + 1))[:size]
    record, _ = arrival(1)
    with Store(folder, ALL) as store:
        with store.sink(record["url"]) as sink:
            sink.write(content)
            assert list(store.parts.iterdir()) == []
            sink.seek(0)
            record = store.keep(record, sink)
        assert (record["bytes"], record["digest"]) == (size, hashlib.sha256(content).hexdigest())
        assert files(folder) == {}  # until it is its turn
        store.admit(record)
    assert list(files(folder).values()) == [content]


def test_of_the_same_bytes_the_first_address_is_kept(folder):
    with Store(folder, ALL) as store:
        first = take(store, 1, b"same")
        second = take(store, 2, b"same", label="other")
        assert (second["status"], second["of"]) == ("duplicate", first["file"])
        assert "file" not in second
        assert store.kept == 1
    with Store(folder, ALL) as store:  # also in a later run
        assert take(store, 3, b"same")["of"] == first["file"]
    assert list(files(folder).values()) == [b"same"]
    assert list((folder / ".collect/parts").iterdir()) == []


def test_the_same_picture_turned_upright_is_a_duplicate(folder):
    with Store(folder, ALL) as store:
        first = take(store, 1, b"turned by one encoder", arrived="ab" * 32)
        second = take(store, 2, b"turned by another encoder", arrived="ab" * 32)
        assert (second["status"], second["of"]) == ("duplicate", first["file"])


def test_what_looks_the_same_is_a_near_duplicate(folder):
    with Store(folder, Options(near=6, val_fraction=0)) as store:
        first = take(store, 1, phash="00000000000000ff")
        near = take(store, 2, phash="000000000000c0f0")  # 4 + 2 of 64 bits
        far = take(store, 3, phash="000000000001c0f0")
        assert (near["status"], near["of"]) == ("near_duplicate", first["file"])
        assert far["status"] == "saved"
        assert store.kept == 2
    with Store(folder, Options(near=None, val_fraction=0)) as store:
        assert take(store, 4, phash="00000000000000ff")["status"] == "saved"
    with Store(folder, Options(near=0, val_fraction=0)) as store:
        assert take(store, 5, phash="00000000000000fe")["status"] == "saved"
        assert take(store, 6, phash="00000000000000ff")["of"] == first["file"]  # the first of equally near ones


def test_what_has_no_look_is_like_nothing(folder):
    with Store(folder, Options(near=32, val_fraction=0)) as store:
        assert [take(store, number, phash=None)["status"] for number in range(3)] == ["saved"] * 3


def test_the_nearest_look_is_found_among_many():
    looks = Looks()
    assert looks.near("0" * 16, 64) is None
    hashes = [hashlib.sha256(str(number).encode()).hexdigest()[:16] for number in range(5000)]
    for number, look in enumerate(hashes):
        looks.add(look, 10 * number)
    for number in (0, 1, 1023, 1024, 1025, 4999):
        turned = f"{int(hashes[number], 16) ^ 0x8000000000000001:016x}"
        assert looks.near(turned, 2) == 10 * number
        assert looks.near(turned, 1) is None
    assert looks.near("f" * 16, 0) is None


def test_a_failure_is_accounted_for_until_it_goes_well(folder):
    with Store(folder, ALL) as store:
        store.admit(failure(1))
        store.admit(failure(2, "forbidden"))
        take(store, 3)
        assert store.failed == {key_of("https://example.org/1.jpg")}
        assert len(store.done) == 3
    with Store(folder, ALL) as store:
        assert len(store.failed) == 1
        assert len(store.done) == 3
        take(store, 1)
        assert not store.failed
        store.finish()
    assert lines(folder) == [("1", "saved"), ("2", "forbidden"), ("3", "saved")]


def test_labels_that_differ_in_case_have_folders_of_their_own_in_every_run(folder):
    found = []
    for number, label in enumerate(["Cat", "cat", "Cat", "cat"]):
        with Store(folder, ALL) as store:
            found.append(take(store, number, label=label)["file"].partition("/")[0])
    assert found[0] == found[2] == "Cat"
    assert found[1] == found[3]
    assert found[1].startswith("cat-")


def test_a_label_stays_in_the_folder(folder):
    with Store(folder, ALL) as store:
        for number, label in enumerate(["../../up", "/etc", "..", "a/../../b", "C:\\x", "con", "ledger.jsonl", "\0"]):
            file = take(store, number, label=label)["file"]
            assert (folder / file).resolve().parent.parent == folder.resolve()
    assert len(files(folder)) == 8
    assert len(lines(folder)) == 8


@pytest.mark.parametrize("where", ["train", "train/cat"])
def test_no_picture_is_written_through_a_link_out_of_the_folder(folder, tmp_path, where):
    outside = tmp_path / "outside"
    outside.mkdir()
    link = folder / where
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    record, content = arrival(1, label="cat")
    while True:  # one of the split train
        with Store(folder, Options()) as store:
            keep(store, record, content)
            try:
                store.admit(record)
            except ZooError as error:
                assert "link that leads out" in str(error)  # noqa: PT017
                break
            record, content = arrival(len(store.done) + 1, label="cat")
    assert [path for path in outside.rglob("*") if path.is_file()] == []
    assert (store.parts / f"{key_of(record['url']):016x}").read_bytes() == content  # nothing is lost


def test_a_link_within_the_folder_is_followed(folder):
    (folder / "elsewhere").mkdir(parents=True)
    (folder / "cat").symlink_to(folder / "elsewhere")
    with Store(folder, ALL) as store:
        record = take(store, 1, label="cat")
    assert (folder / "elsewhere" / Path(record["file"]).name).exists()


# kills


def again(folder: Path) -> None:
    """Takes up, as a run after a kill does, the one picture that had arrived."""
    with Store(folder, ALL) as store:
        [(key, record)] = store.arrived().items()
        assert key == key_of(record["url"])
        store.admit(record)
        store.finish()
        assert (store.kept, store.missing) == (1, 0)
        assert list(store.parts.iterdir()) == []


def test_a_picture_that_arrived_before_a_kill_need_not_be_fetched_again(folder):
    store = Store(folder, ALL)
    record, content = arrival(1, label="cat")
    keep(store, record, content)
    store.close()
    again(folder)
    assert list(files(folder).values()) == [content]
    assert lines(folder) == [("1", "saved")]


def test_a_kill_between_the_move_and_the_line_loses_and_doubles_nothing(folder, monkeypatch):
    store = Store(folder, ALL)
    record, content = arrival(1, label="cat")
    keep(store, record, content)

    def killed(line: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store.ledger, "append", killed)
    with pytest.raises(KeyboardInterrupt):
        store.admit(dict(record))
    store.close()
    assert lines(folder) == []
    before = files(folder)
    assert list(before.values()) == [content]
    again(folder)
    assert files(folder) == before
    assert lines(folder) == [("1", "saved")]


def test_a_kill_after_the_line_leaves_no_second_one(folder, monkeypatch):
    store = Store(folder, ALL)
    record, content = arrival(1)
    keep(store, record, content)
    part = store.parts / f"{key_of(record['url']):016x}.json"
    kept = part.read_bytes()
    store.admit(record)
    store.close()
    part.write_bytes(kept)  # as if it had not been removed yet
    with Store(folder, ALL) as store:
        assert store.arrived() == {}
        assert list(store.parts.iterdir()) == []
        assert store.kept == 1
    assert lines(folder) == [("1", "saved")]


@pytest.mark.parametrize("name", ["parts", "addresses.jsonl", "settings.json"])
def test_a_folder_that_somebody_sent_deletes_nothing_elsewhere(folder, tmp_path, name):
    outside = tmp_path / "mine"
    outside.mkdir()
    (outside / "letter.txt").write_text("dear")
    (folder / ".collect").mkdir(parents=True)
    (folder / ".collect" / name).symlink_to(outside if name == "parts" else outside / "letter.txt")
    with pytest.raises(ZooError, match="is a symbolic link"):
        Store(folder, ALL)
    assert (outside / "letter.txt").read_text() == "dear"


def test_what_is_not_its_own_stays(folder):
    with Store(folder, ALL) as store:
        (store.parts / "letter.txt").write_text("dear")
        store.arrived()
        assert (store.parts / "letter.txt").exists()


def test_a_line_that_was_torn_by_a_kill_is_written_anew(folder):
    store = Store(folder, ALL)
    record, content = arrival(1)
    keep(store, record, content)
    part = store.parts / f"{key_of(record['url']):016x}.json"
    kept = part.read_bytes()
    store.admit(record)
    store.close()
    part.write_bytes(kept)
    whole = (folder / "ledger.jsonl").read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        (folder / "ledger.jsonl").write_bytes(whole[:size])
        part.write_bytes(kept)
        again(folder)
        assert (folder / "ledger.jsonl").read_bytes() == whole
        assert list(files(folder).values()) == [content]


@pytest.mark.parametrize("left", ["{key}.tmp", "{key}", "{key}.3", ".{key}.json.77.tmp", "0123456789abcdef.json"])
def test_halves_that_a_kill_left_go(folder, left):
    record, content = arrival(1)
    key = f"{key_of(record['url']):016x}"
    with Store(folder, ALL) as store:
        take(store, 2)
        (store.parts / left.format(key=key)).write_bytes(content)
    with Store(folder, ALL) as store:
        assert store.arrived() == {}
        assert list(store.parts.iterdir()) == []


@pytest.mark.parametrize(
    "damaged", [b"", b"{", b"null", b"[]", b"{}", b'{"url": 7}', b"\xff\xfe", b'{"url": "https://other.example/"}']
)
def test_a_record_that_was_damaged_is_fetched_again(folder, damaged):
    store = Store(folder, ALL)
    record, content = arrival(1)
    keep(store, record, content)
    (store.parts / f"{key_of(record['url']):016x}.json").write_bytes(damaged)
    store.close()
    with Store(folder, ALL) as store:
        assert store.arrived() == {}
        assert list(store.parts.iterdir()) == []


def test_a_failure_that_went_well_at_last_is_taken_up_after_a_kill(folder):
    store = Store(folder, ALL)
    store.admit(failure(1))
    keep(store, *arrival(1))
    store.close()
    again(folder)
    assert lines(folder) == [("1", "saved")]


def test_pictures_that_somebody_removed_are_counted_and_stay_known(folder):
    with Store(folder, ALL) as store:
        record = take(store, 1, b"same")
        take(store, 2)
    (folder / record["file"]).unlink()
    with Store(folder, ALL) as store:
        assert (store.kept, store.missing) == (2, 1)
        assert take(store, 3, b"same")["status"] == "duplicate"


# processes


def test_two_processes_do_not_work_in_a_folder_at_once(folder):
    program = (
        "import sys; from pathlib import Path\n"
        "from zoo.collect.options import Options; from zoo.collect.store import Store\n"
        "store = Store(Path(sys.argv[1]), Options()); print('there', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "there\n"
        with pytest.raises(ZooError, match="another zoo collect is running in this folder"):
            Store(folder, Options())
        other.kill()  # and nothing of it stands in the way of the next
    with Store(folder, Options()) as store:
        take(store, 1)


def test_a_run_that_fails_before_anything_came_leaves_nothing(folder):
    with pytest.raises(ZooError), Store(folder, ALL):
        raise ZooError("the source cannot be read")
    assert not folder.exists()


def test_a_run_that_fails_later_leaves_what_came(folder):
    with pytest.raises(ZooError), Store(folder, ALL) as store:  # noqa: PT012
        take(store, 1)
        raise ZooError("the source went away")
    assert len(files(folder)) == 1
    assert lines(folder) == [("1", "saved")]


def test_a_damaged_ledger_is_told(folder):
    folder.mkdir()
    (folder / "ledger.jsonl").write_text("{}\n")
    with pytest.raises(ZooError, match="line 1"):
        Store(folder, ALL)
