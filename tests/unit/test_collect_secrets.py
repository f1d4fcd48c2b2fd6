"""What opens an address to whoever has it: sent where it belongs, and told to nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gallery import Gallery
from loopback import Redirect
from zoo.collect.addresses import Address, without_password, without_secrets
from zoo.collect.ledger import key_of, read
from zoo.commands import main
from zoo.hub.errors import redact

QUICK = ["--allow-private", "--delay", "0", "--contact", "tests", "--retries", "0"]
NAMES = (
    "token", "access_token", "X-Amz-Signature", "X-Amz-Credential", "X-Goog-Signature", "sig", "Signature", "apikey",
    "api_key", "client_secret", "password", "X-Amz-Security-Token", "sessionid",
)  # fmt: skip


@pytest.fixture
def gallery() -> Iterator[Gallery]:
    with Gallery() as server:
        yield server


@pytest.mark.parametrize("name", NAMES)
def test_tokens_become_digests_once(name: str):
    url = f"https://example.org/a.jpg?width=3&{name}=s3cr%2Fet&b=1#{name}"
    hidden = without_secrets(url)
    assert hidden.startswith(f"https://example.org/a.jpg?width=3&{name}=***")
    assert hidden.endswith(f"&b=1#{name}")
    assert "s3cr" not in hidden
    assert without_secrets(hidden) == hidden
    assert key_of(hidden) == key_of(url) != key_of(url.replace("s3cr", "other")), "pictures may differ in it alone"
    assert "s3cr" not in redact(f"failed: {url} was refused")


def test_passwords_become_asterisks():
    for url in ("http://user:p@ss@h/x.jpg?a=1", "//user@h/x.jpg?a=1", "http://:pass word'@h/x.jpg?a=1"):
        assert without_password(url) == without_secrets(url) == f"{url.partition('//')[0]}//***@h/x.jpg?a=1"
    for url in ("http://h/x.jpg", "http://h/@user/x.jpg?tokens=3", "http://h/x.jpg?q=a@b", "not an address @ all"):
        assert without_secrets(url) == url


def test_a_ledger_tells_no_secret_and_a_collection_goes_on(gallery: Gallery, tmp_path: Path, capsys):
    """The picture is asked for with its token; on a resume it is known without."""
    host = gallery.endpoint.partition("://")[2]
    gallery.fault("GET", "/fine/3.jpg", Redirect("/fine/4.jpg?X-Amz-Signature=s3cret"))
    gallery.fault("GET", "/fine/5.jpg", Redirect(f"http://user:s3cret@{host}/fine/6.jpg"))
    source, out = tmp_path / "list.csv", tmp_path / "out"
    urls = [
        f"{gallery.endpoint}/fine/1.jpg?token=s3cret1",
        f"{gallery.endpoint}/fine/2.jpg?token=s3cret2",
        f"{gallery.endpoint}/fine/3.jpg",
        f"{gallery.endpoint}/fine/5.jpg",
        f"http://user:s3cret@{host}/fine/7.jpg",
        f"{gallery.endpoint}/missing/8.jpg?sig=s3cret",
    ]
    page = "https://example.org/?session=s3cret"
    source.write_text("url,page\n" + "".join(f"{url},{page}\n" for url in urls))
    for _ in range(2):
        assert main.main(["collect", str(source), "-o", str(out), "--report", *QUICK]) == 0
        records = list(read(out / "ledger.jsonl"))
        assert [one["status"] for one in records] == ["saved", "saved", "saved", "blocked", "blocked", "failed"]
    assert len(gallery.asked("GET", "fine/1.jpg")) == 1, "it was known"
    assert "token=s3cret1" in gallery.asked("GET", "fine/1.jpg")[0].path
    assert main.main(["collect", "--resume", str(out), "--retry-failed", *QUICK]) == 0
    assert "sig=s3cret" in gallery.asked("GET", "missing/8.jpg")[-1].path, "it is still asked for whole"
    told = [path.read_text(errors="replace") for path in (out / "ledger.jsonl", out / "report.html")]
    assert not [text for text in (*told, *capsys.readouterr()) if "s3cret" in text]
    kept = (out / ".collect" / "addresses.jsonl").read_text()
    assert "user:" not in kept
    assert "***@" in kept
    assert [line.get("page") for line in map(json.loads, kept.splitlines()) if "url" in line] == [page] * 6


def test_an_old_ledger_is_known_and_its_secrets_are_not_shown(gallery: Gallery, tmp_path: Path, capsys):
    source, out = tmp_path / "list.txt", tmp_path / "out"
    source.write_text(f"{gallery.endpoint}/fine/1.jpg?token=s3cret\n{gallery.endpoint}/missing/2.jpg?token=s3cret\n")
    assert main.main(["collect", str(source), "-o", str(out), *QUICK]) == 0
    records = [
        {**one, "url": url} for one, url in zip(read(out / "ledger.jsonl"), source.read_text().split(), strict=True)
    ]
    (out / "ledger.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    gallery.requests.clear()
    assert main.main(["collect", str(source), "-o", str(out), "--report", *QUICK]) == 0
    assert not gallery.requests
    assert "s3cret" not in (out / "report.html").read_text()


@pytest.mark.parametrize("option", ["--endpoint", "--base"])
def test_options_take_no_password(tmp_path: Path, capsys: pytest.CaptureFixture, option: str):
    (tmp_path / "page.html").write_text("<img src=a.jpg>")
    source = str(tmp_path / "page.html") if option == "--base" else "commons:cat"
    words = ["collect", source, "-o", str(tmp_path / "out"), option, "http://user:s3cret@127.0.0.1:9/"]
    assert main.main([*words, *QUICK]) == 2
    error = capsys.readouterr().err
    assert f"{option}: has a password, which zoo collect never sends; leave it out" in error
    assert "s3cret" not in error
    assert not (tmp_path / "out").exists()


def test_every_address_of_one_is_changed():
    given = Address("u", "t", "label", "license", "p", "creator")
    assert given.changed(str.upper) == Address("U", "T", "label", "license", "P", "creator")
