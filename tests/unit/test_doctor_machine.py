"""``zoo doctor`` alone: the installation in one screen, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import light
from zoo.base.errors import ZooError
from zoo.base.registry import card_names
from zoo.cards import weights
from zoo.commands import main
from zoo.doctor import machine
from zoo.doctor.findings import Report

SCREEN = 30  # lines


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cards instead of all, to be quick."""
    monkeypatch.setattr(machine, "card_names", lambda: ["homographynet_free", "linknet_camvid"])


def test_a_right_installation_in_one_screen(few: None, capsys: pytest.CaptureFixture):
    assert main.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) <= SCREEN
    assert "offline, since HF_HUB_OFFLINE is set" in out
    assert "2 of 2 give the output that was published with them" in out
    for title in ("versions", "devices", "threads", "memory", "disk", "hub", "extras", "models"):
        assert f"\n{title} " in f"\n{out}"


def test_json_has_the_facts(few: None, capsys: pytest.CaptureFixture):
    assert main.main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    assert report["facts"]["models"] == ["homographynet_free", "linknet_camvid"]
    assert report["facts"]["devices"]["cpu"]["native_bfloat16"] in (True, False)
    assert set(report["facts"]["extras"]) >= {"collect", "export", "video"}
    assert report["facts"]["disk"]["here"]["writable"] is True


def test_every_installed_card_is_replayed():
    assert machine.card_names is card_names


def test_a_model_that_computes_something_else_is_an_error(few: None, monkeypatch: pytest.MonkeyPatch, capsys):
    load = weights.load

    def one_wrong(name: str, **options: object):
        if name.startswith("linknet"):
            raise ZooError("golden.safetensors: the output differs")
        return load(name, **options)

    monkeypatch.setattr(weights, "load", one_wrong)
    assert main.main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "linknet_camvid: golden.safetensors: the output differs [model]" in out
    assert "1 of 2 give" in out


def test_a_package_that_lacks_or_is_too_old_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "_requires", lambda extra="": ["torch>=99", "no_such_package>=1", "numpy>=1"])
    found = list(machine.versions(Report()))
    assert [each.where for each in found] == [("torch",), ("no_such_package",)]
    assert "pip install 'torch>=99'" in found[0].do


def test_extras_that_lack_are_told_with_the_command_and_are_not_wrong(monkeypatch: pytest.MonkeyPatch):
    told = list[str]()
    needed = ["torch>=2.6", "no_such>=14; extra == 'video'", "lightning-zoo[video]; extra == 'demo'"]
    needed += ["numpy>=1; extra == 'export'", "no_such; extra == 'dev'"]
    monkeypatch.setattr(machine.metadata, "requires", lambda name: needed)
    report = Report(lambda title, lines: told.extend(lines))
    report.run("extras", lambda: machine.extras(report))
    assert report.facts["extras"] == {"video": False, "demo": False, "export": True}
    assert report.findings == []
    assert told == ["installed: export", "not installed: video, demo (pip install 'lightning-zoo[video,demo]')"]


def test_more_threads_than_cores_are_a_warning(monkeypatch: pytest.MonkeyPatch):
    import torch

    monkeypatch.setattr(machine, "_allowed_cores", lambda: 1.5)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    (finding,) = machine.threads(Report())
    assert (finding.level, finding.do) == ("warning", "export OMP_NUM_THREADS=1")


def test_a_full_or_read_only_disk_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(machine, "SCARCE", 1e30)
    assert {each.check for each in machine.disk(Report())} == {"disk"}
    monkeypatch.setattr(machine.os, "access", lambda *_: False)
    assert all("cannot be written to" in each.what for each in machine.disk(Report()))


def test_without_torch_it_says_so_and_checks_the_rest(tmp_path: Path):
    done = light.run(tmp_path, "doctor")
    assert done.code == 1
    assert "torch cannot be imported" in done.out
    assert "\nextras " in done.out
    assert done.err == ""
