"""Cards with exports: the table that is made of their certificates, and what is wrong with them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from zoo.base.errors import ZooError
from zoo.cards import described, forms, parity
from zoo.cards.card import add_export, certify, check_card, read_card, refresh
from zoo.cards.parity import Certificate, Compared, Measured, OnRuntime
from zoo.cards.tables import of_exports
from zoo.hub import layout, locate

ORT = OnRuntime(
    [Compared("1x3x360x480", 3e-6, 1e-7, 1.0), Compared("2x3x33x500", 7.1e-6, 1e-7, 0.99996)],
    [Measured("mIoU on CamVid test", 0.61249, 0.6125)],
)


def certified(folder: Path, name: str, **changed: Any) -> Certificate:
    config, entry = json.loads((folder / "config.json").read_text()), described.entry_of(folder / name)
    certificate = Certificate(
        file=name, sha256=entry["sha256"], weights_sha256=config["weights"]["sha256"], zoo_version="0.1.0",
        exporter="torchscript", precision="fp32", versions={"torch": "2.14.1"}, runtimes={"onnxruntime 1.32.0": ORT},
    )  # fmt: skip
    return dataclasses.replace(certificate, **changed)


@pytest.fixture
def exported(card: Path) -> Path:
    """The card with an export to ONNX that is as good as any for what is said of it."""
    (card / "net.onnx").write_bytes(b"a graph")
    parity.write(card, certified(card, "net.onnx"))
    add_export(card, "onnx", card / "net.onnx")
    return card


def test_the_certificate_is_a_table_of_the_readme(exported: Path):
    text = (exported / "README.md").read_text()
    assert (
        "| file | runtime | largest difference | equal pixels | figure | in torch | exported |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        "| net.onnx | onnxruntime 1.32.0 | 7.1e-06 | 99.99 % | mIoU on CamVid test | 0.6125 | 0.6125 |\n"
    ) in text
    assert (
        text.index("<!-- zoo:begin results -->") < text.index("| net.onnx |") < text.index("<!-- zoo:end results -->")
    )
    digest = described.entry_of(exported / "net.onnx")["sha256"]
    assert "Pictures: 1x3x360x480; 2x3x33x500." in text
    assert (
        f"\n- `net.onnx`: fp32, made by zoo 0.1.0 and the torchscript exporter of torch 2.14.1, SHA-256 `{digest}`.\n"
        in text
    )
    assert read_card(exported).config["exports"] == {"onnx": {"file": "net.onnx", "sha256": digest, "bytes": 7}}
    assert check_card(exported) == []


def test_another_export_is_added_and_a_new_one_takes_the_place_of_the_old(exported: Path):
    for name, content in {"net.xml": b"<net/>", "net.bin": b"numbers", "net.onnx": b"another"}.items():
        (exported / name).write_bytes(content)
    for kind, files in {"openvino": ("net.xml", "net.bin"), "onnx": ("net.onnx",)}.items():
        parity.write(exported, certified(exported, files[0]))
        add_export(exported, kind, *(exported / name for name in files))
    assert check_card(exported) == []
    entries = described.entries(read_card(exported).config)
    assert {"net.onnx", "net.xml", "net.bin"} < entries.keys()
    assert entries["net.bin"] == described.entry_of(exported / "net.bin")
    text = (exported / "README.md").read_text()
    assert text.count("| net.onnx |") == text.count("| net.xml |") == 1


def edit(path: Path, change: Any) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda card: (card / "net.onnx").write_bytes(b"tampered"), "net.onnx is not the file that config.json desc"),
        (lambda card: (card / "net.onnx").unlink(), "net.onnx is missing"),
        (lambda card: (card / "parity.json").unlink(), "parity.json has no certificate of net.onnx"),
        (
            lambda card: parity.write(card, certified(card, "net.onnx", weights_sha256="0" * 64)),
            "net.onnx in parity.json was made from other weights: make it again with zoo export",
        ),
        (
            lambda card: parity.write(card, certified(card, "net.onnx", sha256="0" * 64)),
            "parity.json certifies another net.onnx than config.json names",
        ),
        (
            lambda card: parity.write(card, certified(card, "net.onnx", file="gone.onnx", weights_sha256="0" * 64)),
            "gone.onnx in parity.json was made from other weights",
        ),
        (
            lambda card: parity.write(card, certified(card, "net.onnx", runtimes={"opencv 5.0": ORT})),
            "README.md is out of step with results.json or parity.json",
        ),
        (
            lambda card: (card / "README.md").write_text((card / "README.md").read_text().replace("7.1e-06", "1e-09")),
            "README.md is out of step with results.json or parity.json",
        ),
        (lambda card: (card / "other.onnx").write_bytes(b"x"), "config.json does not name other.onnx"),
        (lambda card: (card / "parity.json").write_text("[]"), "parity.json: holds a list, not an object"),
        (lambda card: (card / "parity.json").write_text('{"a": 5}'), "parity.json: a: "),
        (
            lambda card: edit(
                card / "parity.json", lambda all_: all_["net.onnx"]["runtimes"].update({"x": {"pictures": []}})
            ),
            "parity.json: net.onnx.runtimes.x.figures: is missing",
        ),
    ],
)
def test_a_card_whose_exports_are_not_what_it_says(exported: Path, change: Any, problem: str):
    change(exported)
    assert any(problem in each for each in check_card(exported)), check_card(exported)


def test_a_card_may_show_a_certificate_and_leave_the_file_out(card: Path, tmp_path: Path):
    """As an installed card does, of which exports are made where they are needed."""
    refresh(card)
    (tmp_path / "net.onnx").write_bytes(b"a graph")
    entry = described.entry_of(tmp_path / "net.onnx")
    (card / "net.onnx").write_bytes(b"")
    certificate = certified(card, "net.onnx", sha256=entry["sha256"])
    (card / "net.onnx").unlink()
    before = (card / "README.md").read_text()
    with pytest.raises(ZooError, match=r"net\.onnx was made from other weights than those in"):
        certify(card, dataclasses.replace(certificate, weights_sha256="0" * 64))
    assert (card / "README.md").read_text() == before
    assert not (card / "parity.json").exists()
    results = (card / "results.json").read_bytes()
    (card / "results.json").unlink()
    with pytest.raises(ZooError, match=r"results\.json has no figures"):
        certify(card, certificate)
    assert not (card / "parity.json").exists()
    (card / "results.json").write_bytes(results)
    certify(card, certificate)
    assert "| net.onnx | onnxruntime 1.32.0 |" in (card / "README.md").read_text()
    assert check_card(card) == []


def test_a_card_without_exports_shows_none(card: Path):
    refresh(card)
    text = (card / "README.md").read_text()
    assert "runtime" not in text
    assert of_exports([]) == []


def test_columns_that_nothing_has_are_left_out(exported: Path):
    """The network has no mask, the machine no data."""
    bare = OnRuntime([Compared("1x3x360x480", 3e-6, 1e-7)], [])
    _, table, words, _ = of_exports([certified(exported, "net.onnx", runtimes={"onnxruntime 1.32.0": bare})])
    assert "Largest difference" in words
    assert "Equal pixels" not in words
    assert "Figure" not in words
    assert table.splitlines()[0] == "| file | runtime | largest difference |"
    assert table.splitlines()[2:] == ["| net.onnx | onnxruntime 1.32.0 | 3.0e-06 |"]


def test_a_runtime_that_does_not_run_it_or_answers_differently_is_told(exported: Path):
    runtimes = {
        "onnxruntime 1.32.0": ORT,
        "opencv 4.10.0": OnRuntime([], [], cannot="it has no GridSample"),
        "openvino 2026": dataclasses.replace(ORT, parting="Resize_12 is 0.1 off"),
    }
    _, table, _, origins = of_exports([certified(exported, "net.onnx", runtimes=runtimes)])
    assert "opencv" not in table
    assert "opencv 4.10.0 does not run it: it has no GridSample." in origins
    assert "openvino 2026 answers differently: Resize_12 is 0.1 off." in origins


def test_the_first_figure_is_shown(exported: Path):
    """The others are as equal, or there would be no certificate."""
    two = dataclasses.replace(ORT, figures=[Measured("mIoU", 0.5, 0.5), Measured("accuracy", 0.9, 0.8999)])
    _, table, _, _ = of_exports([certified(exported, "net.onnx", runtimes={"onnxruntime 1.32.0": two})])
    [row] = table.splitlines()[2:]
    assert row.endswith("| mIoU | 0.5 | 0.5 |")


ONNX = {"file": "net.onnx", "sha256": "0" * 64, "bytes": 7}
GRAPH = {**ONNX, "file": "net.xml", "weights": {**ONNX, "file": "net.bin"}}


@pytest.mark.parametrize(
    ("exports", "message"),
    [
        ([], "exports: must be"),
        (None, "exports: must be"),
        ({"onnx": None}, r"exports\.onnx: must be"),
        *(
            ({"onnx": {**ONNX, "file": file}}, r"exports\.onnx\.file: must be a text that is the name of a \.onnx file")
            for file in ("../net.onnx", "/net.onnx", "a/net.onnx", "net.onnx/..", "net.pkl", "", ".onnx", 5)
        ),
        ({"onnx": {**ONNX, "bytes": 0}}, r"exports\.onnx\.bytes"),
        ({"onnx": {**ONNX, "bytes": 1 << 40}}, r"exports\.onnx\.bytes"),
        ({"onnx": {"file": "net.onnx", "sha256": "0" * 64}}, r"exports\.onnx\.bytes: is missing"),
        ({"onnx": {**ONNX, "sha256": "0"}}, r"exports\.onnx\.sha256"),
        ({"openvino": ONNX}, r"exports\.openvino\.file"),
        ({"openvino": {**ONNX, "file": "net.xml"}}, r"exports\.openvino\.weights: is missing"),
        ({"openvino": {**GRAPH, "weights": {**ONNX, "file": "../net.bin"}}}, r"exports\.openvino\.weights\.file"),
    ],
)
def test_exports_of_another_form_are_refused(card: Path, exports: Any, message: str):
    edit(card / "config.json", lambda config: config.update(exports=exports))
    with pytest.raises(ZooError, match=rf"config\.json: {message}"):
        described.read_config(locate.find(card))
    with pytest.raises(ZooError, match=rf"config\.json: {message}"):
        read_card(card)


def test_exports_of_a_later_version_are_left_alone(card: Path):
    edit(card / "config.json", lambda config: config.update(exports={"onnx": ONNX, "later": {"file": "../../x"}}))
    config = described.read_config(locate.find(card))
    assert described.exports(config) == {"onnx": ONNX}
    assert not any(Path(name).name == "x" for name in described.entries(config))


@pytest.mark.parametrize("name", ["net.onnx", "net.fp16.onnx", "net.xml", "net.bin", "parity.json", "USE.md"])
def test_a_models_folder_may_hold_exports(name: str):
    assert layout.limit(name)
    assert layout.limit(f"samples/{name}") is None
    assert name.endswith(layout.EXPORTED)


def test_the_form_is_that_of_what_is_written(exported: Path):
    config = read_card(exported).config
    assert dataclasses.asdict(forms.check(forms.Config, config, "config").exports.onnx) == config["exports"]["onnx"]
