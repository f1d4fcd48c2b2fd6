"""``zoo doctor`` asks the Hub whether it answers, unless it is told to work offline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zoo.doctor import machine
from zoo.doctor.findings import Report


def asked() -> Report:
    report = Report()
    report.run("hub", lambda: machine.hub(report))
    return report


def test_a_hub_that_answers_has_no_finding(hub: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    report = asked()
    assert (report.facts["hub"], report.findings) == ("reachable", [])


def test_a_hub_that_does_not_answer_is_a_note(use_hub: Callable[[str], None], monkeypatch: pytest.MonkeyPatch):
    use_hub("http://127.0.0.1:9")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    report = asked()
    assert report.facts["hub"] == "unreachable"
    assert [each.level for each in report.findings] == ["note"]


def test_offline_nothing_is_asked(hub: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    before = len(hub.requests)
    assert (asked().facts["hub"], len(hub.requests)) == ("offline", before)
