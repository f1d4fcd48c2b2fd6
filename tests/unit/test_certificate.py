"""What certificates are of, and exports that cannot be kept."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from zoo.base.errors import ZooError
from zoo.exports import cached, certificate, job, metadata, pictures
from zoo.exports.certificate import UnlikeError
from zoo.exports.settings import Settings


def test_it_is_of_the_file_that_is_written(tiny_linknet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Not of the graph before that got its metadata and shapes."""
    describe = metadata.describe

    def spoiled(content, *others):
        model = onnx.load_model_from_string(content)
        for each in model.graph.initializer:
            if len(each.dims) == 4:  # weights of a convolution
                each.CopyFrom(numpy_helper.from_array(2 * numpy_helper.to_array(each), each.name))
        return describe(model.SerializeToString(), *others)

    monkeypatch.setattr(metadata, "describe", spoiled)
    monkeypatch.setattr(pictures, "own_size", lambda _macs, example: example[1:])
    monkeypatch.setitem(certificate.RUNTIMES, "onnx", ("onnx",))
    with pytest.raises(UnlikeError, match="is off by"):
        job.export(tiny_linknet, Settings("onnx"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_cache_that_cannot_be_written_is_told_before_anything_is_computed(
    tiny_linknet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setattr(cached.client, "home", lambda: tmp_path / "cache")
    monkeypatch.setattr(job, "make", lambda *_: pytest.fail("it was computed"))
    with pytest.raises(ZooError, match=r"cannot store .*cache.*: Not a directory\nset HF_HOME to another cache"):
        cached.export_once(tiny_linknet)
