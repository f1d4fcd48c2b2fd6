"""Jobs of ``zoo demo --serve`` that browsers cannot do: optimisation with previews, and videos."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from serving import Served, png, processes, soon, write_export

pytest.importorskip("uvicorn", reason="the extra demo is not installed")
pytest.importorskip("onnx", reason="the extra export is not installed")
pytestmark = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc to look for processes in")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    import torch

    from zoo.cards import weights
    from zoo.models.fast_style.net import FastStyle

    folder, arguments = tmp_path_factory.mktemp("models"), {"styles": ["red", "blue"], "channels": 4, "blocks": 1}
    torch.manual_seed(0)
    net = FastStyle(**arguments).eval()
    for parameter in net.parameters():  # else the styles would be alike
        parameter.data += 0.05 * torch.rand_like(parameter)
    weights.save(net, folder / "paint", "fast_style", arguments, dtype="float32", name="paint")
    paint = write_export(folder / "paint", folder / "paint.onnx")
    with Served(folder / "served", "neural_style", str(paint), "--jobs", "2", "--fix", "vgg=null") as running:
        yield running


def picture_of(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def test_an_optimisation_shows_previews_and_ends_or_is_stopped(server: Served):
    files = {"content": ("cat.png", png(48, 40, seed=1)), "style": ("sea.png", png(40, 40, seed=2))}
    options = {"iterations": 6, "preview-every": 2, "optimizer": "adam"}
    finite = server.begin("neural_style", files, options)
    endless = server.begin("neural_style", files, {**options, "iterations": 3000})
    states = list(server.events(finite))
    previews = [state["preview"] for state in states]
    assert previews == sorted(previews)
    assert {0, 6} <= set(previews)
    assert states[-1]["state"] == "done", states[-1]
    assert set(states[-1]["results"]) == {"content_styled.png", "content_compare.png", "content_strip.png"}
    styled = picture_of(server.ask("GET", f"/api/jobs/{finite}/results/content_styled.png").body)
    assert np.array_equal(styled, picture_of(server.ask("GET", f"/api/jobs/{finite}/preview").body))
    soon(lambda: server.ask("GET", f"/api/jobs/{endless}").json["preview"], 30)
    assert picture_of(server.ask("GET", f"/api/jobs/{endless}/preview").body).shape == (40, 48, 3)
    state = server.ask("GET", f"/api/jobs/{endless}").json
    assert (state["state"], state["doing"], state["total"]) == ("working", "Parts", 3000)
    start = time.monotonic()
    assert server.ask("DELETE", f"/api/jobs/{endless}").status == 204
    assert time.monotonic() - start < 0.3
    assert not processes(server.jobs / endless)
    assert not (server.jobs / endless).exists()


def test_options_and_optional_pictures_reach_the_model(server: Served):
    content = png(40, 32, seed=3)
    white, black = png(40, 32), io.BytesIO()
    Image.new("RGB", (40, 32), "white").save(black, "PNG")
    files = {"picture": ("a.png", content)}
    plain, blue, none, masked, whole = (
        server.finished(server.begin("paint", {**files, **more}, options, Cookie=server.visitor()))
        for options, more in (
            ({}, {}),
            ({"style": "blue"}, {}),
            ({"strength": 0}, {}),
            ({}, {"mask": ("m.png", white)}),  # black: nothing is painted
            ({}, {"mask": ("m.png", black.getvalue())}),
        )
    )
    made = [
        picture_of(server.ask("GET", f"/api/jobs/{state['id']}/results/picture_styled.png").body)
        for state in (plain, blue, none, masked, whole)
    ]
    assert not np.array_equal(made[0], picture_of(content))
    assert not np.array_equal(made[0], made[1])
    assert np.array_equal(made[2], picture_of(content))
    assert np.array_equal(made[3], picture_of(content))
    assert np.array_equal(made[4], made[0])


def test_a_video_is_painted_frame_by_frame(server: Served, tmp_path: Path):
    av = pytest.importorskip("av", reason="the extra video is not installed")
    with av.open(str(tmp_path / "film.mp4"), "w") as film:
        stream = film.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for level in range(0, 250, 50):
            frame = av.VideoFrame.from_ndarray(np.full((32, 48, 3), level, np.uint8), format="rgb24")
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    job = server.begin("paint", {"picture": ("film.mp4", (tmp_path / "film.mp4").read_bytes())})
    states = list(server.events(job))
    assert states[-1]["state"] == "done", states[-1]
    assert list(states[-1]["results"]) == ["picture_styled.mp4"]
    answer = server.ask("GET", f"/api/jobs/{job}/results/picture_styled.mp4")
    assert answer.headers["content-type"] == "video/mp4"
    with av.open(io.BytesIO(answer.body)) as film:
        assert sum(1 for _ in film.decode(video=0)) == 5
    part = server.ask("GET", f"/api/jobs/{job}/results/picture_styled.mp4", Range="bytes=0-7")
    assert (part.status, part.body) == (206, answer.body[:8])  # players ask for parts
