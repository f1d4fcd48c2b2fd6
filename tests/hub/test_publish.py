"""A card on the Hub: checked first, one commit, the same on another machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from loopback import Cut, Lost, Stall, Status
from zoo import load
from zoo.base.errors import ZooError
from zoo.commands import main, publish
from zoo.hub import locate
from zoo.training import recipes

CARD = "perceptual_sr_pixel"  # a small one
REPO = "me/wave"
WRITES = ("POST", "PUT", "DELETE")


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A complete card that a test may change."""
    return shutil.copytree(locate.find(CARD).folder, tmp_path / CARD)


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def use(name: str) -> None:
        monkeypatch.setenv("HF_TOKEN", name)

    use("hf_write")
    return use


def commits(hub: Any, repo: str = REPO, branch: str = "main") -> list[Any]:
    return [one for one in hub.repos[repo].branches[branch] if "initial" not in one.title.lower()]


def written(hub: Any) -> list[str]:
    """What changed something; questions that the client puts as a POST are none."""
    asked = [one.path for method in WRITES for one in hub.asked(method)]
    return [path for path in asked if not path.startswith("/api/validate-yaml")]


def test_published_and_pulled_on_another_machine(
    hub: Any, token: Any, card: Path, cold: Callable[[], Path], capsys: pytest.CaptureFixture[str]
):
    assert main.main(["publish", str(card), "--repo", REPO]) == 0
    (commit,) = commits(hub)
    out = capsys.readouterr().out
    assert f"{hub.endpoint}/{REPO}/tree/{commit.id}" in out
    assert json.loads((card / "config.json").read_text())["weights"]["sha256"] in out
    own = {path.relative_to(card).as_posix(): path.read_bytes() for path in card.rglob("*") if path.is_file()}
    assert {name: content for name, content in commit.files.items() if name != ".gitattributes"} == own
    cold()
    reference = out.partition("load('")[2].partition("'")[0]
    net = load(reference, check=True)
    assert all(
        torch.equal(a, b) for a, b in zip(net.state_dict().values(), load(card).state_dict().values(), strict=True)
    )
    assert locate.find(reference).commit == commit.id


def test_a_run_publishes_its_best_checkpoint(
    hub: Any, token: Any, tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cold: Callable[[], Path]
):
    monkeypatch.chdir(tmp_path)
    recipe = yaml.safe_load(recipes.find("linknet_streets.yaml").read_text())
    given = [*tiny("linknet").miniature(recipe, tmp_path / "data"), "--trainer.max_epochs=1"]
    told = ["--license", "mit", "--data-license", "drawn", "--datasets", "streets"]
    prose = ["--description", "A try.", "--limits", "Everywhere."]
    command = ["fit", "--recipe", "linknet_streets.yaml", *given, "--publish", "me/streets", *told, *prose]
    assert main.main([*command, "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"]) == 0
    (commit,) = commits(hub, "me/streets")
    cold()
    net = load("me/streets", check=True)
    best = torch.load(next(tmp_path.glob("runs/*/version_0/checkpoints/best.ckpt")), weights_only=True)["state_dict"]
    for name, tensor in net.state_dict().items():
        assert torch.allclose(tensor.float(), best[f"net.{name}"].float(), rtol=1e-3, atol=1e-6), name
    assert b'load("me/streets")' in commit.files["README.md"]
    assert not any(str(tmp_path).encode() in content for content in commit.files.values())
    (run,) = tmp_path.glob("runs/*/version_0")
    made = ["card", str(run), "--name", "streets_mine", *told, *prose, "-o", "streets_mine"]
    published = ["publish", "streets_mine", "--repo", "me/streets-mine"]
    assert [main.main(verb) for verb in (made, [*published, "--dry-run"], published)] == [0, 0, 0]
    readme = commits(hub, "me/streets-mine")[-1].files["README.md"]
    assert b'load("me/streets-mine")' in readme
    assert b"zoo predict me/streets-mine " in readme
    assert b"USER/" not in readme


def test_the_readme_is_given_the_repositorys_name(hub: Any, token: Any, card: Path, capsys: pytest.CaptureFixture[str]):
    """Where it has none yet, as a card has that was made without --repo; a try changes nothing."""
    readme = card / "README.md"
    prose = f'\n```\nload("USER/{CARD}")\nzoo predict USER/{CARD} a.jpg\n```\nIt reads /home/USER/x.\n'
    readme.write_text(readme.read_text() + prose)
    before = readme.read_bytes()
    named = before.replace(b'"USER/perceptual_sr_pixel', b'"me/wave').replace(
        b"predict USER/perceptual_sr_pixel", b"predict me/wave"
    )
    assert main.main(["publish", str(card), "--repo", REPO, "--dry-run"]) == 0
    assert f"{len(named):,}  README.md" in capsys.readouterr().out
    assert readme.read_bytes() == before
    assert publish.publish(card, REPO).new
    assert readme.read_bytes() == commits(hub)[-1].files["README.md"] == named
    assert b"/home/USER/x" in named
    assert not publish.publish(card, REPO).new


def test_what_came_from_elsewhere_is_looked_at_first(
    hub: Any, token: Any, card: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    publish.publish(card, REPO)
    assert main.main(["publish", REPO, "--repo", "me/again"]) == 2
    assert f"zoo pull {REPO} --to DIR" in capsys.readouterr().err
    assert main.main(["pull", REPO, "--to", str(tmp_path / "copy")]) == 0
    assert main.main(["publish", str(tmp_path / "copy"), "--repo", "me/again"]) == 0


def test_publishing_the_same_twice_makes_no_second_commit(
    hub: Any, token: Any, card: Path, capsys: pytest.CaptureFixture[str]
):
    first = publish.publish(card, REPO)
    assert main.main(["publish", str(card), "--repo", REPO]) == 0
    assert "Already published" in capsys.readouterr().out
    assert [commit.id for commit in commits(hub)] == [first.commit]


def test_a_changed_card_is_one_more_commit_with_only_what_changed(hub: Any, token: Any, card: Path):
    publish.publish(card, REPO)
    uploads = len(hub.asked("PUT"))
    (card / "samples" / "crops.jpg").rename(card / "samples" / "limits.jpg")
    readme = (card / "README.md").read_text()
    (card / "README.md").write_text(readme.replace("samples/crops.jpg", "samples/limits.jpg"))
    done = publish.publish(card, REPO)
    assert done.new
    assert len(commits(hub)) == 2
    assert len(hub.asked("PUT")) == uploads
    assert "samples/crops.jpg" not in commits(hub)[-1].files
    assert "samples/limits.jpg" in commits(hub)[-1].files


def test_what_else_is_in_the_repository_stays(hub: Any, token: Any, card: Path):
    hub.put(REPO, {"notes.txt": b"mine", "config.json": b"{}", "model-1.safetensors": b"theirs", "LICENSE": b"mine"})
    publish.publish(card, REPO)
    assert commits(hub)[-1].files["notes.txt"] == commits(hub)[-1].files["LICENSE"] == b"mine"
    assert commits(hub)[-1].files["model-1.safetensors"] == b"theirs"
    assert commits(hub)[-1].files["config.json"] == (card / "config.json").read_bytes()


def test_a_branch_and_privacy(hub: Any, token: Any, card: Path):
    publish.publish(card, REPO, private=True, revision="next")
    assert hub.repos[REPO].private
    assert commits(hub, branch="main") == []
    assert locate.find(f"{REPO}@next").has("model.safetensors")


def test_private_where_it_is_public_already(hub: Any, token: Any, card: Path):
    hub.put(REPO, {"a.txt": b""})
    with pytest.raises(ZooError, match="already exists and is public"):
        publish.publish(card, REPO, private=True)
    assert written(hub) == []


def test_dry_run_connects_to_nothing(hub: Any, card: Path, capsys: pytest.CaptureFixture[str]):
    assert main.main(["publish", str(card), "--repo", REPO, "--dry-run"]) == 0
    out = capsys.readouterr().out
    for path in card.rglob("*"):
        if path.is_file():
            assert f"{path.stat().st_size:,}  {path.relative_to(card).as_posix()}" in out
    assert hub.requests == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: (card / "results.json").unlink(), "results.json is missing"),
        (lambda card: (card / "model.safetensors").write_bytes(b"x"), "is not the file that config.json describes"),
        (lambda card: (card / "secrets.txt").write_text("x"), "secrets.txt does not belong in a card"),
        (lambda card: (card / "samples" / "link.jpg").symlink_to("/etc/hostname"), "link.jpg does not belong"),
        (lambda card: (card / ".env").write_text("x"), ".env does not belong"),
    ],
)
def test_a_card_that_is_not_whole_is_not_sent(
    hub: Any, token: Any, card: Path, change: Callable[[Path], object], message: str, capsys: pytest.CaptureFixture[str]
):
    change(card)
    assert main.main(["publish", str(card), "--repo", REPO]) == 2
    assert message in capsys.readouterr().err
    assert hub.requests == []


def test_the_owner_is_told_what_is_left_unclear(hub: Any, token: Any, card: Path, capsys: pytest.CaptureFixture[str]):
    readme = card / "README.md"
    for said in ("commercial_use: unclear", ""):
        text = re.sub("(?m)^commercial_use.*\n", f"{said}\n" if said else "", readme.read_text())
        readme.write_text(text)
        for given in (["--dry-run"], []):
            assert main.main(["publish", str(card), "--repo", REPO, *given]) == 0
            assert f"unclear: if you know, set commercial_use: yes or no in {card}/README.md" in capsys.readouterr().out
    (card / "sources.csv").write_text("file\na.png\n")
    readme.write_text(readme.read_text().replace("\ndata_license", "\ncommercial_use: yes\ndata_license", 1))
    assert main.main(["publish", str(card), "--repo", REPO]) == 0
    assert "unclear" not in capsys.readouterr().out
    assert commits(hub)[-1].files["sources.csv"] == b"file\na.png\n"


@pytest.mark.parametrize("field", ["license", "data_license", "datasets", "tags"])
def test_a_card_without_a_licence_is_not_sent(hub: Any, token: Any, card: Path, field: str):
    readme = (card / "README.md").read_text()
    lines = [line for line in readme.split("\n") if not line.startswith(f"{field}:")]
    (card / "README.md").write_text("\n".join(lines))
    with pytest.raises(ZooError):
        publish.publish(card, REPO)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("name", "repo", "message"),
    [
        ("hf_read", "me/net", "it may only read"),
        ("hf_stranger", "me/net", "belongs to stranger, who is not a member of me"),
        ("hf_fine", "me/net", "fine-grained, and writing to me is not among its permissions"),
        ("hf_unknown", "me/net", "HTTP 401"),
    ],
)
def test_a_token_that_may_not_write(
    hub: Any, token: Any, card: Path, name: str, repo: str, message: str, capsys: pytest.CaptureFixture[str]
):
    token(name)
    assert main.main(["publish", str(card), "--repo", repo]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert name not in error
    assert written(hub) == []


def test_a_fine_grained_token_may_write_where_it_says(hub: Any, token: Any, card: Path):
    token("hf_fine")
    hub.put("lab/net", {"a.txt": b""})
    assert publish.publish(card, "lab/net").new


def test_without_a_token(hub: Any, card: Path):
    with pytest.raises(ZooError, match="hf auth login"):
        publish.publish(card, REPO)
    assert hub.requests == []


@pytest.mark.parametrize("repo", ["wave", "me/wave@main", "../wave", "me/wa ve", "me/" + "x" * 100, "me/a--b"])
def test_names_that_are_none(hub: Any, token: Any, card: Path, repo: str):
    with pytest.raises(ZooError, match="not a repository's name"):
        publish.publish(card, repo)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("method", "path", "fault"),
    [
        ("PUT", ".", Cut(after=1000)),
        ("PUT", ".", Status(500)),
        ("POST", "/commit/", Status(500)),
        ("POST", "/commit/", Status(429, {"Retry-After": "3"})),
        ("POST", "/commit/", Cut(after=10)),
        ("POST", "preupload", Status(403)),
        ("POST", "validate-yaml", Status(400)),
    ],
)
def test_an_interrupted_upload_leaves_nothing_half_published(
    hub: Any, token: Any, card: Path, method: str, path: str, fault: Any, capsys: pytest.CaptureFixture[str]
):
    hub.fault(method, path, fault, times=20)
    assert main.main(["publish", str(card), "--repo", REPO]) == 2
    assert capsys.readouterr().err.startswith("zoo: error: ")
    assert commits(hub) == []
    hub.mend()
    assert publish.publish(card, REPO).new
    assert len(commits(hub)) == 1


@pytest.mark.parametrize(("method", "path"), [("GET", "whoami"), ("POST", "/commit/"), ("PUT", ".")])
def test_a_hub_that_falls_silent(
    hub: Any, token: Any, card: Path, method: str, path: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
):
    monkeypatch.setattr("zoo.hub.client.TIMEOUT", 1.0)
    monkeypatch.setattr("zoo.hub.client.PATIENCE", 0.5)
    hub.fault(method, path, Stall(), times=100)
    assert main.main(["publish", str(card), "--repo", REPO]) == 2
    error = capsys.readouterr().err
    assert "is out of reach" in error
    assert "nothing was published" in error


def test_an_answer_that_was_lost_makes_no_second_commit(hub: Any, token: Any, card: Path):
    """The commit was made, and the connection ended before it said so."""
    hub.fault("POST", "/commit/", Lost(), times=1)
    try:
        publish.publish(card, REPO)
    except ZooError:
        publish.publish(card, REPO)
    assert len(commits(hub)) == 1


def test_a_race_is_noticed(hub: Any, token: Any, card: Path, monkeypatch: pytest.MonkeyPatch):
    """Somebody else's commit between the look and the own one is not undone."""
    publish.publish(card, REPO)
    real = publish._commit

    def late(*args: Any) -> Any:
        hub.put(REPO, {"notes.txt": b"theirs"})
        return real(*args)

    monkeypatch.setattr(publish, "_commit", late)
    (card / "LICENSE").write_text("a licence")
    with pytest.raises(ZooError):
        publish.publish(card, REPO)
    assert "LICENSE" not in commits(hub)[-1].files


def test_a_token_appears_nowhere(hub: Any, token: Any, card: Path, tmp_path: Path):
    """Not in output, errors, tracebacks, logs or files, even where the Hub says it back."""
    home = Path(os.environ["HF_HOME"])
    for name, fault in (("hf_write", None), ("hf_write", Status(500)), ("hf_unknown", None), ("hf_read", None)):
        if fault:
            hub.fault("POST", "/commit/", fault, times=20)
        done = subprocess.run(
            [sys.executable, "-m", "zoo.commands.main",
             "publish", str(card), "--repo", f"me/net-{fault is None}", "--debug"],
            capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "HF_TOKEN": name, "HF_DEBUG": "1"},
        )  # fmt: skip
        assert done.returncode == (0 if name == "hf_write" and not fault else 2), done.stderr
        assert name not in done.stdout + done.stderr
    for path in [*home.rglob("*"), *card.rglob("*"), *tmp_path.rglob("*")]:
        if path.is_file():
            assert b"hf_write" not in path.read_bytes(), path
    for repo in hub.repos.values():
        for commit in repo.branches["main"]:
            assert "hf_write" not in commit.title
            assert not any(b"hf_write" in content for content in commit.files.values())
