"""``zoo export``: files that compute what torch does, and what becomes of those that do not."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from safetensors import safe_open

from zoo import load
from zoo.base.errors import ZooError
from zoo.base.registry import architectures, card_names, import_object
from zoo.cards import parity, weights
from zoo.commands import main
from zoo.engines import open_engine
from zoo.engines.opencv import OpenCVEngine
from zoo.exports import cached, convert, formats, job, parting, pictures
from zoo.exports.certificate import UnlikeError
from zoo.exports.settings import Settings
from zoo.models.evaluation import Figure, Results
from zoo.models.perceptual_sr.net import PerceptualSR

CARDS = [name for name in card_names() if name != "neural_style"]
EXAMPLE = (3, 48, 64)
RECIPE = """\
data:
  class_path: zoo.data.StreetScenes
  init_args:
    size: [64, 64]
    train: 2
    val: 3
    batch_size: 2
    augment: {crop: [64, 64]}
"""
FIGURE = {"metric": "mIoU", "data": "streets", "split": "test", "tolerance": 0.002}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of the card's size are small."""
    monkeypatch.setattr(pictures, "own_size", lambda _macs, example: example[1:])


@pytest.fixture
def model(tiny_linknet: Path, tmp_path: Path) -> Path:
    """A tiny network with a recipe whose data are drawn."""
    folder = tmp_path / "tiny"
    shutil.copytree(tiny_linknet, folder)
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes exporters change the weights of a layer of the graph."""
    export = convert.to_onnx

    def use(layer: str) -> None:
        def spoiled(net, example, _exporter, size=None):
            graph = onnx.load_model_from_string(export(net, example, "torchscript", size))
            node = next(node for node in graph.graph.node if layer in node.name and "Conv" in node.op_type)
            tensor = next(each for each in graph.graph.initializer if each.name == node.input[1])
            tensor.CopyFrom(numpy_helper.from_array(1 + numpy_helper.to_array(tensor), tensor.name))
            return graph.SerializeToString()

        monkeypatch.setattr(convert, "to_onnx", spoiled)

    return use


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", CARDS)
def test_every_card_is_exported_and_agrees_with_torch_on_every_runtime(name: str, tmp_path: Path):
    assert main.main(["export", name, "--to", "onnx", "-o", str(tmp_path), "--no-figures"]) == 0
    told = parity.read(tmp_path)[f"{name}.onnx"]
    assert [runtime.partition(" ")[0] for runtime in told.runtimes] == ["onnxruntime", "OpenVINO", "OpenCV"]
    for runtime in told.runtimes.values():
        assert (runtime.cannot, runtime.parting) == ("", "")
        assert len(runtime.pictures) == (5 if any_size(told_architecture(tmp_path, name)) else 2)
        assert all(each.largest <= 1e-4 for each in runtime.pictures)
        assert all(each.equal is None or each.equal >= 0.9998 for each in runtime.pictures)
    load(tmp_path / f"{name}.onnx", check=True)


def any_size(architecture: str) -> bool:
    return bool(import_object(architectures()[architecture].net).any_size)


def told_architecture(folder: Path, name: str) -> str:
    props = onnx.load(folder / f"{name}.onnx").metadata_props
    return next(entry.value for entry in props if entry.key == "architecture")


@pytest.mark.parametrize("shape", [(1, 8, 9), (1, 200, 31), (3, 33, 47), (2, 64, 64)])
def test_a_file_takes_any_size_and_batch(shape: tuple[int, int, int], model: Path, graph: bytes):
    x = np.random.default_rng(0).random((shape[0], 3, *shape[1:]), np.float32)
    net = load(model)
    logits, mask = open_engine("onnx", graph, ["logits", "mask"])(x)
    want = net.engine(x)[0]
    assert np.abs(logits - want).max() < 1e-4
    assert (mask == want.argmax(1)).mean() > 0.999


@pytest.fixture(scope="session")
def graph(tiny_linknet: Path) -> bytes:
    return convert.to_onnx(weights.load(tiny_linknet), EXAMPLE, "torchscript")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("layer", ["stem_lateral", "head_conv.0"])  # the second has a batch norm folded into it
def test_a_spoiled_weight_is_found_and_its_layer_named(layer: str, model: Path, tmp_path: Path, spoil, capsys):
    spoil(layer)
    assert main.main(["export", str(model), "--to", "onnx", "-o", str(tmp_path / "out"), "--no-figures"]) == 1
    told = capsys.readouterr().err
    assert "onnxruntime" in told
    assert f"they part at the layer {layer} (Conv2d)" in told
    assert "--force" not in told
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("small")
def test_force_writes_no_file_that_the_runtime_it_is_for_computes_otherwise(model: Path, tmp_path: Path, spoil):
    spoil("stem_lateral")
    assert (
        main.main(["export", str(model), "--to", "onnx", "-o", str(tmp_path / "out"), "--no-figures", "--force"]) == 1
    )
    assert not (tmp_path / "out").exists()


def test_a_convolution_that_a_batch_norm_was_folded_into_is_not_blamed(model: Path, graph: bytes):
    x = np.random.default_rng(0).random((1, 3, 40, 56), np.float32)
    net = load(model)
    steps = parting.record(net, x)
    there = list(parting.tensors(graph, "onnx", x).values())
    unmatched = [step.name for step in steps if not any(parting.same(step.output, each) for each in there)]
    assert unmatched  # which the folding hides
    assert parting.from_torch(net, graph, x) == "what follows the last layer"


@pytest.mark.usefixtures("small")
def test_a_runtime_that_gives_something_else_is_refused_unless_forced(model: Path, tmp_path: Path, monkeypatch, capsys):
    compute = OpenCVEngine._run
    monkeypatch.setattr(OpenCVEngine, "_run", lambda self, x: [each + 1 for each in compute(self, x)])
    argv = ["export", str(model), "--to", "onnx", "-o", str(tmp_path / "out"), "--no-figures"]
    assert main.main(argv) == 1
    told = capsys.readouterr().err
    assert "OpenCV" in told
    assert "onnxruntime" not in told.partition("it parts from")[0]
    assert "--force writes the file anyway" in told
    assert not (tmp_path / "out").exists()
    assert main.main([*argv, "--force"]) == 0
    runtimes = parity.read(tmp_path / "out")["tiny.onnx"].runtimes
    assert [bool(each.parting) for each in runtimes.values()] == [False, False, True]


@pytest.mark.usefixtures("small")
def test_a_runtime_that_cannot_read_the_file_is_told_with_its_reason(model: Path, tmp_path: Path, monkeypatch):
    def refuse(self, x):
        raise ZooError("no such operator")

    monkeypatch.setattr(OpenCVEngine, "_run", refuse)
    done = job.export(model, Settings("onnx"), tmp_path / "out")
    assert [each.cannot for each in done.certificate.runtimes.values()] == ["", "", "no such operator"]


@pytest.mark.usefixtures("small")
def test_where_one_exporter_fails_the_other_is_taken(model: Path, tmp_path: Path, monkeypatch):
    def refuse(*_):
        raise RuntimeError("unsupported\nmore")

    monkeypatch.setitem(convert.EXPORT, "torchscript", refuse)
    done = job.export(model, Settings("onnx"), tmp_path / "out")
    assert done.certificate.exporter == "dynamo"
    assert all(each.largest <= 1e-4 for each in done.certificate.runtimes.popitem()[1].pictures)


@pytest.mark.usefixtures("small")
def test_exporters_that_both_fail_are_told_in_one_line(model: Path, tmp_path: Path, monkeypatch, capsys):
    def refuse(*_):
        raise RuntimeError("unsupported\nmore")

    for exporter in convert.EXPORTERS:
        monkeypatch.setitem(convert.EXPORT, exporter, refuse)
    assert main.main(["export", str(model), "--to", "onnx", "-o", str(tmp_path / "out"), "--no-figures"]) == 2
    assert capsys.readouterr().err == "zoo: error: torch's dynamo exporter refuses LinkNet: unsupported\n"
    assert not (tmp_path / "out").exists()


def test_an_export_leaves_the_network_in_its_mode(model: Path):
    net = load(model)
    convert.to_onnx(net, EXAMPLE, "torchscript")
    assert not any(module.training for module in net.modules())


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("to", "precision", "suffixes"),
    [
        ("openvino", "fp32", [".xml", ".bin"]),
        ("torch", "fp32", [".pt2"]),
        ("onnx", "fp16", [".onnx"]),
        ("openvino", "fp16", [".xml", ".bin"]),
    ],
)
def test_other_kinds_and_precisions(to: str, precision: str, suffixes: list[str], model: Path, tmp_path: Path):
    done = job.export(model, Settings(to, precision=precision), tmp_path / "out")
    assert [path.suffix for path in done.files] == suffixes
    assert done.certificate.precision == precision
    first = next(iter(done.certificate.runtimes.values()))
    assert len(first.pictures) == 5
    off = max(each.largest for each in first.pictures)
    assert off <= (1e-4 if precision == "fp32" else 2e-2)
    if to == "openvino":
        load(done.files[0], check=True)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_files_for_spandrel(precision: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """They are compared by spandrel itself, and load() takes them, and such files of others."""
    spandrel = pytest.importorskip("spandrel")
    name = f"--precision={precision}"
    assert main.main(["export", "perceptual_sr_pixel", "--to=spandrel", "--no-figures", name, f"-o={tmp_path}"]) == 0
    assert f"spandrel {version('spandrel')}" in capsys.readouterr().out
    path = tmp_path / "perceptual_sr_pixel.safetensors"
    model = spandrel.ModelLoader("cpu").load_from_file(path)
    net, same = load("perceptual_sr_pixel"), load(path)
    with torch.inference_mode():
        x = torch.rand(1, 3, 20, 31)
        torch.testing.assert_close(model.model(x), net(x), rtol=0, atol=1e-4)
        torch.testing.assert_close(same(x), net(x), rtol=0, atol=1e-6)
    assert "ComfyUI" in (tmp_path / "USE.md").read_text()
    certificates = json.loads((tmp_path / "parity.json").read_text())
    assert certificates[path.name]["precision"] == precision
    with safe_open(path, "pt") as file:
        assert file.metadata()["name"] == "perceptual_sr_pixel"


def test_the_paper_s_network_is_nothing_for_spandrel(tmp_path: Path, card: Path):
    folder, arguments = card.parent / "paper_sr", {"network": "paper", "channels": 4, "blocks": 1}
    weights.save(PerceptualSR(**arguments), folder, "perceptual_sr", arguments)
    for file in ("README.md", "recipe.yaml"):
        shutil.copy(card / file, folder / file)
    with pytest.raises(ZooError, match="spandrel knows no network with the tensors of this PerceptualSR"):
        job.export(folder, Settings("spandrel"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_fp16_halves_the_file(graph: bytes):
    assert len(formats.halved(graph)) < 0.55 * len(graph)


def test_weights_that_float16_cannot_hold_are_refused(graph: bytes):
    large = onnx.load_model_from_string(graph)
    tensor = next(each for each in large.graph.initializer if len(each.dims) == 4)
    tensor.CopyFrom(numpy_helper.from_array(np.full(tuple(tensor.dims), 1e6, np.float32), tensor.name))
    with pytest.raises(ZooError, match="float16 cannot hold: export with --precision fp32"):
        formats.halved(large.SerializeToString())


@pytest.mark.usefixtures("small")
def test_a_file_of_fixed_size_takes_that_only_and_keeps_a_golden_answer(model: Path, tmp_path: Path):
    done = job.export(model, Settings("onnx", size=(200, 320)), tmp_path / "out")
    found = load(done.files[0], check=True)
    assert [value.type.tensor_type.shape.dim[2].dim_value for value in onnx.load(done.files[0]).graph.input] == [200]
    with pytest.raises(ZooError, match="takes 1x3x200x320"):
        found(np.zeros((1, 3, 64, 64), np.float32))


REFUSED = {
    "neural_style --to onnx": "not a forward pass",
    "homographynet_photos --to onnx --size 100x128": "takes 128x128 only",
    "linknet_camvid --to onnx --size 4x400": "sides must be 8 to 8192 pixels",
    "linknet_camvid --to onnx --size 400": "such as 360x480, not '400'",
    "linknet_camvid --to onnx --precision int8": "--calibrate FOLDER",
    "linknet_camvid --to onnx --calibrate .": "is for --precision int8",
    "linknet_camvid --to torch --precision int8": "fp32 only",
    "linknet_camvid --to torch --precision fp16": "fp32 only",
    "linknet_camvid --to openvino --precision int8 --calibrate x": "--to onnx",
    "linknet_camvid --to onnx --precision int8 --calibrate nothere": "nothere: no such file or folder",
    "linknet_camvid --to onnx --check nothere": "nothere: no such file or folder",
    "linknet_camvid --to onnx --nofigures": "did you mean --no-figures?",
    "linknet_camvid --to tflite": "invalid choice",
    "linknet_camvid --to torch --write": "--write is for",
    "linknet_camvid --to spandrel": "spandrel, which does not know this network",
    "perceptual_sr_pixel --to spandrel --size 64x64": "spandrel takes pictures of any size",
    "perceptual_sr_pixel --to spandrel --write": "--write is for",
    "nothing --to onnx": "no model 'nothing'",
}


def test_what_cannot_be_is_refused_in_a_line_and_without_torch(tmp_path: Path):
    program = (
        "import json, sys\nfrom zoo.commands import main\n"
        "codes = [main.main(['export', *line.split()]) for line in json.loads(sys.argv[1])]\n"
        "print(json.dumps([codes, 'torch' in sys.modules]))"
    )
    argv = [sys.executable, "-c", program, json.dumps(list(REFUSED))]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[2] * len(REFUSED), False]
    errors = done.stderr.split("zoo: error: ")[1:]
    for told, wanted in zip(errors, REFUSED.values(), strict=True):
        assert wanted in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("to", "package", "extra"), [("onnx", "onnx", "export"), ("openvino", "openvino", "export,openvino")]
)
def test_missing_packages_are_told_before_anything_is_computed(to, package, extra, model: Path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(weights, "load", lambda *_: pytest.fail("the weights were read"))
    assert main.main(["export", str(model), "--to", to]) == 2
    assert f"pip install 'lightning-zoo[{extra}]'" in capsys.readouterr().err


@pytest.mark.usefixtures("small")
def test_a_file_that_is_there_is_replaced_only_if_that_is_asked_for(model: Path, tmp_path: Path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "tiny.onnx").write_text("mine")
    argv = ["export", str(model), "--to", "onnx", "-o", str(tmp_path / "out"), "--no-figures"]
    assert main.main(argv) == 2
    assert "replace it with --overwrite" in capsys.readouterr().err
    assert (tmp_path / "out" / "tiny.onnx").read_text() == "mine"
    assert main.main([*argv, "--overwrite"]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["USE.md", "parity.json", "tiny.onnx"]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("there", [True, False])
def test_a_full_disk_leaves_the_folder_as_it_was(there: bool, model: Path, tmp_path: Path, monkeypatch, capsys):
    out = tmp_path / "some" / "out"
    if there:
        out.mkdir(parents=True)
        (out / "tiny.onnx").write_text("mine")
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.suffix == ".onnx":
            write(path, content[:100])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main.main(["export", str(model), "--to", "onnx", "-o", str(out), "--no-figures", "--overwrite"]) == 2
    assert "no space left on" in capsys.readouterr().err
    assert [path.read_text() for path in out.glob("*")] == ["mine"] if there else not (tmp_path / "some").exists()


@pytest.mark.usefixtures("small")
def test_figures_are_measured_on_every_runtime_where_the_data_are_at_hand(model: Path, tmp_path: Path, capsys):
    assert main.main(["export", str(model), "--to", "onnx", "-o", str(tmp_path / "out")]) == 0
    assert "figures: measured on StreetScenes" in capsys.readouterr().out
    for runtime in parity.read(tmp_path / "out")["tiny.onnx"].runtimes.values():
        assert [each.name for each in runtime.figures][:2] == [
            "mIoU on StreetScenes test", "mean class accuracy on StreetScenes test",
        ]  # fmt: skip
        assert all(abs(each.torch - each.engine) <= 1.5e-4 for each in runtime.figures)


@pytest.mark.usefixtures("small")
def test_data_that_are_not_here_are_told_and_none_are_fetched(model: Path, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (model / "recipe.yaml").write_text("data:\n  class_path: zoo.data.CamVid\n  init_args: {batch_size: 2}\n")
    assert main.main(["export", str(model), "--to", "onnx"]) == 0
    assert "figures: not measured: data/CamVid does not exist; pass yours: --data.KEY PATH" in capsys.readouterr().out
    assert (tmp_path / "exports" / "tiny" / "tiny.onnx").is_file()
    assert not (tmp_path / "data").exists()


@pytest.mark.usefixtures("small")
def test_figures_that_cannot_be_measured_cost_the_export_only_if_they_were_asked_for(
    model: Path, tmp_path: Path, monkeypatch, capsys
):
    def refuse(*_, **__):
        raise ZooError("no connection\nand no weights")

    monkeypatch.setattr("zoo.models.linknet.evaluate.confusion", refuse)
    argv = ["export", str(model), "--to", "onnx", "-o", str(tmp_path / "out")]
    assert main.main(argv) == 0
    told = capsys.readouterr()
    assert told.err == "zoo: figures are not measured: no connection\n"
    assert "figures: not measured" in told.out
    assert main.main([*argv, "--overwrite", "--data.val", "2"]) == 2


@pytest.mark.usefixtures("small")
def test_a_run_is_exported_under_the_name_of_its_recipe_and_version(
    tiny_linknet: Path, tmp_path: Path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_linknet, tmp_path / "runs" / "streets" / "version_3" / "model")
    assert main.main(["export", "runs/streets/version_3", "--to", "onnx"]) == 0
    told = "recipe.yaml is missing; make a card to measure figures: zoo card runs/streets/version_3 --name NAME"
    assert told in capsys.readouterr().out
    file = tmp_path / "exports" / "streets_version_3" / "streets_version_3.onnx"
    assert "streets_version_3" in [entry.value for entry in onnx.load(file).metadata_props]
    assert cached.find("runs/streets/version_3/model")[0].name == "streets_version_3"


def measuring(torchs: float, engines: float):
    """Measures one figure, by whether torch computes."""

    def measure(net) -> Results:
        value = torchs if net._other is None else engines
        return Results(figures=[Figure(**FIGURE, value=value)])

    return measure


@pytest.mark.usefixtures("small")
def test_a_figure_that_differs_is_refused(model: Path, tmp_path: Path):
    with pytest.raises(UnlikeError, match=r"onnxruntime [\d.]+: mIoU on streets test is 0.6666, with torch 0.6671"):
        job.export(model, Settings("onnx"), tmp_path / "out", measuring(0.6671, 0.6666))
    assert not (tmp_path / "out").exists()
    job.export(model, Settings("onnx"), tmp_path / "out", measuring(0.6671, 0.6670))  # either side of a half


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for i in range(2):
        pictures.drawn()[i].picture.resize((96, 64)).save(tmp_path / "photos" / f"{i}.png")
    return tmp_path / "photos"


@pytest.mark.usefixtures("small")
def test_int8_is_refused_where_it_costs_too_much_unless_forced(model: Path, tmp_path: Path, calibration: Path):
    settings = Settings("onnx", precision="int8", calibrate=[calibration])
    with pytest.raises(UnlikeError, match=r"int8 costs 2\.0%, more than 1%: mIoU on streets test is 0\.4900"):
        job.export(model, settings, tmp_path / "out", measuring(0.5, 0.49))
    assert not (tmp_path / "out").exists()
    for chosen, value in ((settings, 0.496), (Settings(**{**vars(settings), "force": True}), 0.49)):
        done = job.export(model, chosen, tmp_path / "out", measuring(0.5, value))
        first = next(iter(done.certificate.runtimes.values()))
        assert [(each.torch, each.engine) for each in first.figures] == [(0.5, value)]
        types = {node.op_type for node in onnx.load(done.files[0]).graph.node}
        assert {"QuantizeLinear", "DequantizeLinear"} <= types
        graph = onnx.load(done.files[0]).graph
        taken = {name for node in graph.node for name in node.input}
        assert {tensor.name for tensor in graph.initializer} <= taken  # or ONNX Runtime warns of each
    load(done.files[0], check=True)


@pytest.mark.usefixtures("small")
def test_int8_whose_cost_nobody_can_measure_is_refused_unless_forced(model: Path, tmp_path: Path, calibration, capsys):
    (model / "recipe.yaml").unlink()
    argv = ["export", str(model), "--to", "onnx", "-o", str(tmp_path / "out"), "--precision", "int8"]
    argv += ["--calibrate", str(calibration)]
    assert main.main(argv) == 2
    assert capsys.readouterr().err.splitlines()[1] == "name the data, or give --force"
    assert main.main([*argv, "--force"]) == 0


@pytest.mark.usefixtures("small")
def test_own_pictures_are_compared_by_their_names(model: Path, tmp_path: Path, calibration: Path):
    done = job.export(model, Settings("onnx", check=[calibration]), tmp_path / "out")
    names = [each.what for each in next(iter(done.certificate.runtimes.values())).pictures]
    assert names[:3] == ["0.png, 64x48", "1.png, 64x48", "0.png, 101x100"]
    assert names[-1] == "1.png and 0.png, 94x66"


def test_a_picture_that_is_none_is_told(model: Path, tmp_path: Path, capsys):
    (tmp_path / "a.png").write_text("none")
    assert main.main(["export", str(model), "--to", "onnx", "--no-figures", "--check", str(tmp_path / "a.png")]) == 2
    assert "a.png" in capsys.readouterr().err


@pytest.mark.usefixtures("small")
def test_an_export_is_made_once_and_found_again(model: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(cached.client, "home", lambda: tmp_path / "cache")
    first = cached.export_once(model)
    assert load(first).predict(pictures.drawn()[0].picture).mask.shape == (360, 480)
    make = job.make
    monkeypatch.setattr(job, "make", lambda *_: pytest.fail("it was made again"))
    assert cached.export_once(model) == first
    monkeypatch.setattr(job, "make", make)
    content = first.read_bytes()
    first.write_bytes(content[:1000])
    assert cached.export_once(model).read_bytes()[:1000] == content[:1000]
    assert len(first.read_bytes()) == len(content)


@pytest.mark.usefixtures("small")
def test_what_a_file_says_of_itself_is_a_line_each(model: Path, tmp_path: Path):
    (model / "README.md").write_text(
        f"---\nlicense: mit\ndata_license: |\n  two\n  lines, and {'more ' * 80}\n---\n# tiny\n"
    )
    done = job.export(model, Settings("onnx"), tmp_path / "out")
    said = {entry.key: entry.value for entry in onnx.load(done.files[0]).metadata_props}
    assert said["license"] == "mit"
    assert said["data_license"].startswith("two lines, and more")
    assert len(said["data_license"]) <= 200
    assert said["predicts"] == '["logits"]'
    assert json.loads(said["labels"])[0] == "Sky"
    assert said["weights_sha256"] == json.loads((model / "config.json").read_text())["weights"]["sha256"]
    load(done.files[0], check=True)


def test_dimensions_bear_the_names_of_what_they_are():
    net = load("perceptual_sr")
    picture, enlarged = convert.named_shapes(net, (3, 24, 32), None)
    assert picture == ["batch", 3, "height", "width"]
    assert enlarged == ["batch", 3, "4 * height", "4 * width"]
