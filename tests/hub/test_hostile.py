"""Models that somebody made to do harm: each is refused with an error of the zoo, or is the network that it says."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import resource
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo import load
from zoo.base.errors import ZooError
from zoo.base.registry import architectures, import_object
from zoo.cards import described as described_files
from zoo.cards import weights
from zoo.commands import main
from zoo.hub import layout, locate
from zoo.models.fast_style.net import FastStyle

CASES = 3000  # cases of each of the two kinds
MEMORY = 300 << 10  # KiB that all cases together may add to the peak

NET = {"architecture": "fast_style", "arguments": {"channels": 2, "blocks": 1}}
ARGUMENTS = sorted(
    {name for one in architectures().values() for name in inspect.signature(import_object(one.net)).parameters}
)
TEXTS = [
    "", "timm", "hf-hub:a/b", "../../etc/passwd", "/etc/passwd", "os.system", "zoo.base.files.replace", "resnet18",
    "test_vit", "vit_base_patch16_224", "\x1b[2J", "a" * 10_000, "squeeze", "vgg", "pixel_shuffle", "paper", "\ud800",
    "model.safetensors",
]  # fmt: skip
NUMBERS = [
    0,
    -1,
    1,
    2,
    3,
    255,
    256,
    257,
    4096,
    4097,
    10**6,
    2**31,
    2**63,
    10**400,
    0.5,
    -0.0,
    1e308,
    float("inf"),
    float("nan"),
]
scalars = (
    st.none()
    | st.booleans()
    | st.sampled_from(NUMBERS)
    | st.integers()
    | st.floats()
    | st.sampled_from(TEXTS)
    | st.text(max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(TEXTS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)
arguments = st.dictionaries(st.sampled_from(ARGUMENTS) | st.text(max_size=6), values, max_size=4)
described = st.dictionaries(st.sampled_from(["file", "sha256", "bytes", "dtype", "hub"]), values, max_size=3)


@st.composite
def configs(draw: st.DrawFn) -> bytes:
    """A sound configuration with some of its entries replaced, or something else altogether."""
    config: dict[str, Any] = {**NET, "weights": {**WEIGHTS}}
    for _ in range(draw(st.integers(1, 2))):
        what = draw(
            st.sampled_from(["architecture", "known", "arguments", "argument", "weights", "entry", "all", "text"])
        )
        if what == "text":
            return draw(st.binary(max_size=60) | st.just(b"[" * 100_000) | st.just(json.dumps(config).encode()[:-9]))
        if what == "all":
            return json.dumps(draw(values)).encode()
        if what == "entry":
            config[draw(st.sampled_from([*config]) | st.text(max_size=5))] = draw(values)
        elif what == "known":
            config["architecture"] = draw(st.sampled_from([*architectures()]))
        elif what == "architecture":
            config["architecture"] = draw(values)
        elif what == "weights":
            config["weights"] = {**WEIGHTS, **draw(described)}
        elif what == "arguments":
            config["arguments"] = draw(arguments)
        elif isinstance(config["arguments"], dict):
            config["arguments"] = {**config["arguments"], **draw(arguments)}
    return json.dumps(config).encode()


def tiny() -> FastStyle:
    torch.manual_seed(0)
    return FastStyle(channels=2, blocks=1)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    weights.save(tiny(), folder, "fast_style", NET["arguments"])
    return folder


WEIGHTS: dict[str, Any] = {}


@pytest.fixture(scope="module", autouse=True)
def _described(sound: Path) -> None:
    WEIGHTS.update(json.loads((sound / "config.json").read_text())["weights"])


def attempt(folder: Path, expected: FastStyle) -> str:
    """What comes of loading: the right network, or an error of the zoo."""
    try:
        net = load(folder)
    except ZooError as error:
        return str(error)
    for name, tensor in expected.state_dict().items():
        assert torch.equal(net.state_dict()[name], tensor.half().float()), name
    return "loaded"


@pytest.fixture
def bounded():
    """Fails where the peak of memory rises by more than MEMORY."""
    load("perceptual_sr_pixel")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY


@settings(max_examples=CASES, deadline=None, database=None, derandomize=True, suppress_health_check=[*HealthCheck])
@given(data=st.data())
def _fuzz_config(folder: Path, expected: FastStyle, data: st.DataObject) -> None:
    (folder / "config.json").write_bytes(data.draw(configs()))
    outcomes.append(attempt(folder, expected))


outcomes: list[str] = []


def test_any_config_is_refused_or_right(sound: Path, bounded: None):
    outcomes.clear()
    original = (sound / "config.json").read_bytes()
    try:
        _fuzz_config(sound, tiny())
    finally:
        (sound / "config.json").write_bytes(original)
    assert len(outcomes) >= CASES
    assert 0 < outcomes.count("loaded") < CASES / 2  # what was tried is neither all sound nor all nonsense


EXPORT = {"file": "net.onnx", "sha256": "0" * 64, "bytes": 9}
GRAPH = {**EXPORT, "file": "net.xml", "weights": {**EXPORT, "file": "net.bin"}}
NAMES = ["net.onnx", "net.xml", "net.bin", "../net.onnx", "/net.xml", "a/net.bin", "net.onnx\0", "net.onnx\n", "..onnx"]
exports = st.dictionaries(
    st.sampled_from(["onnx", "openvino", "torch"]),
    st.builds(
        lambda sound, changed: {**sound, **changed},
        st.sampled_from([EXPORT, GRAPH]),
        st.dictionaries(
            st.sampled_from(["file", "sha256", "bytes", "weights"]),
            values | st.sampled_from([*NAMES, EXPORT]),
            max_size=2,
        ),
    )
    | values,
    max_size=3,
)


@settings(max_examples=1000, deadline=None, database=None, derandomize=True, suppress_health_check=[*HealthCheck])
@given(told=exports | values)
def _fuzz_exports(folder: Path, told: Any) -> None:
    (folder / "config.json").write_text(json.dumps({**NET, "weights": WEIGHTS, "exports": told}))
    try:
        config = described_files.read_config(locate.find(folder))
    except ZooError as error:
        outcomes.append(str(error))
        return
    found = described_files.entries(config)
    assert all(re.fullmatch(r"[\w-][\w.-]*\.(safetensors|onnx|xml|bin)", name) for name in found)
    assert all(0 < entry["bytes"] <= layout.WEIGHTS for entry in found.values())
    assert set(described_files.exports(config)) <= {"onnx", "openvino"}
    outcomes.append("read")


def test_any_exports_of_a_config_are_refused_or_files_of_its_folder(sound: Path):
    outcomes.clear()
    original = (sound / "config.json").read_bytes()
    try:
        _fuzz_exports(sound)
    finally:
        (sound / "config.json").write_bytes(original)
    assert 0 < outcomes.count("read") < len(outcomes) * 0.9


def recipe(name: str, **arguments: Any) -> str:
    return yaml.safe_dump({"data": {"class_path": f"zoo.data.{name}", "init_args": arguments}}, allow_unicode=True)


HOSTILE_RECIPES = {
    "code": ("data: {class_path: os.system, init_args: {command: ls}}", "not a path inside zoo"),
    "our code": (
        "data: {class_path: zoo.base.files.replace, init_args: {path: x, content: y}}",
        "no LightningDataModule",
    ),
    "absolute": ("data: {class_path: zoo.data.CamVid, init_args: {root: /etc}}", "leads out of the working directory"),
    "home": ("data: {class_path: zoo.data.CamVid, init_args: {root: ~/.ssh}}", "leads out of"),
    "climbing": ("data: {class_path: zoo.data.CamVid, init_args: {root: a/../../b}}", "leads out of"),
    "address": ("data: {class_path: zoo.data.CamVid, init_args: {root: 'http://a/b'}}", "leads out of"),
    "aliases": ("a: &a [1]\ndata: *a", "not YAML"),
    "python": ("data: !!python/object/apply:os.system [ls]", "not YAML"),
    "none": ("[]", "not a mapping"),
    "no data": ("data: 5", "recipe.yaml: data: "),
    "no class": ("data: {class_path: 3}", "recipe.yaml: data.class_path: "),
    "no arguments": ("data: {class_path: zoo.data.StreetScenes, init_args: [1]}", "recipe.yaml: data.init_args: "),
    "large": ("data: {class_path: zoo.data.StreetScenes, init_args: {size: [9000000, 9000000]}}", "more than 4,096"),
    "large text": ("data: {class_path: zoo.data.StreetScenes, init_args: {val: '4294967295'}}", "more than 1,000,000"),
    "hexadecimal": (recipe("StreetScenes", val="0xFFFFFFFF"), "--data.val must be a whole number, not "),
    "text of digits": (recipe("StreetScenes", val="01000001"), "more than 1,000,000"),
    "digits of Python": (recipe("StreetScenes", val="\N{FULLWIDTH DIGIT ONE}0000000"), "more than 1,000,000"),
    "power": (recipe("StreetScenes", val="1e7"), "--data.val must be a whole number, not "),
    "texts in a list": (recipe("StreetScenes", size=["64", "5000"]), "more than 4,096"),
    "list in a text": (recipe("StreetScenes", size="[64, 5000]"), "more than 4,096"),
    "endless": (recipe("StreetScenes", size=[float("inf"), 1]), "--data.size must be whole numbers, not "),
    "endless text": (recipe("PictureCrops", val_fraction=".inf"), "--data.val_fraction must be a number, not "),
    "place in a text": (recipe("StylePair", style="[a, /etc]"), "'/etc' leads out of"),
    "name that is no list": (recipe("StylePair", style="# a\n- /etc"), "cannot be measured by this recipe: "),
    "aliases in a text": (recipe("StylePair", style="[&a /etc, *a]"), "'/etc' leads out of"),
    "place in JSON": (recipe("StylePair", style='\n["/etc"]'), "'/etc' leads out of"),
    "no model": ("data: {class_path: zoo.data.PictureCrops, init_args: {size: 16, crop: 8}}", "KeyError: 'model'"),
    "no file": (
        "data: {class_path: zoo.data.PictureCrops, init_args: {size: 16, crop: 8}}\nmodel: {init_args: {vgg: [1]}}",
        "recipe.yaml: cannot be measured by this recipe: ",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE_RECIPES)
def test_recipes_of_strangers_name_no_code_and_no_places(
    hub: Any, sound: Path, kind: str, capsys: pytest.CaptureFixture[str]
):
    text, message = HOSTILE_RECIPES[kind]
    files = {path.name: path.read_bytes() for path in sound.iterdir()}
    hub.put("stranger/net", {**files, "recipe.yaml": text.encode()})
    assert main.main(["evaluate", "stranger/net"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) <= 3


@pytest.mark.parametrize("kind", ["absolute", "aliases", "python"])
def test_a_folder_that_somebody_gave_is_no_safer(
    hub: Any, sound: Path, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    text, message = HOSTILE_RECIPES[kind]
    files = {path.name: path.read_bytes() for path in sound.iterdir()}
    hub.put("stranger/net", {**files, "recipe.yaml": text.encode()})
    assert main.main(["pull", "stranger/net", "--to", str(tmp_path / "copy")]) == 0
    assert main.main(["evaluate", str(tmp_path / "copy")]) == 2
    assert message in capsys.readouterr().err


def test_a_place_that_the_command_names_may_be_anywhere(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Instead of the recipe's."""
    folder = shutil.copytree(sound, tmp_path / "own")
    (folder / "recipe.yaml").write_text("data: {class_path: zoo.data.CamVid, init_args: {root: /etc}}")
    (tmp_path / "data" / "CamVid" / "val").mkdir(parents=True)
    assert main.main(["evaluate", str(folder), "--data.root", str(tmp_path / "data")]) == 2
    assert f"{tmp_path / 'data' / 'CamVid'} lacks train.txt" in capsys.readouterr().err


@st.composite
def files(draw: st.DrawFn, content: bytes) -> bytes:
    """A safetensors file with another header, or with bytes changed, cut or added anywhere."""
    size = struct.unpack("<Q", content[:8])[0]
    header, body = json.loads(content[8 : 8 + size]), content[8 + size :]
    what = draw(st.sampled_from(["entry", "field", "length", "raw", "flip", "cut", "add", "twice"]))
    name = draw(st.sampled_from([*header]))
    if what == "entry":
        header[draw(st.just(name) | st.text(max_size=5))] = draw(values)
    elif what == "field":
        field = draw(st.sampled_from(["dtype", "shape", "data_offsets", "x"]))
        dtypes = st.sampled_from(["F16", "F32", "F64", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "F4", "C64", "U64", ""])
        offsets = st.lists(
            st.sampled_from([0, 1, 2**32, 2**63, 2**64 - 1, -1, len(body)]) | st.integers(0, 99), max_size=3
        )
        header[name] = {**header[name], field: draw(dtypes | offsets | values)}
    elif what == "raw":
        text = draw(st.binary(max_size=50) | st.just(b"[" * 9999) | st.just(b'{"a":' * 999))
        return struct.pack("<Q", len(text)) + text + body
    elif what == "twice":
        text = json.dumps(header)[:-1] + "," + json.dumps({name: header[name]})[1:]
        return struct.pack("<Q", len(text)) + text.encode() + body
    elif what == "length":
        return struct.pack("<Q", draw(st.integers(0, 2**64 - 1) | st.integers(0, 2 * size))) + content[8:]
    elif what == "flip":
        place = draw(st.integers(0, len(content) - 1) | st.integers(0, 8 + size))
        return content[:place] + bytes([content[place] ^ draw(st.integers(1, 255))]) + content[place + 1 :]
    elif what == "cut":
        return content[: draw(st.integers(0, len(content) - 1))]
    elif what == "add":
        return content + draw(st.binary(min_size=1, max_size=9) | st.just(bytes(4 << 20)))
    text = json.dumps(header)
    return struct.pack("<Q", len(text)) + text.encode("utf-8", "surrogatepass") + body


@settings(max_examples=CASES, deadline=None, database=None, derandomize=True, suppress_health_check=[*HealthCheck])
@given(data=st.data())
def _fuzz_file(folder: Path, content: bytes, data: st.DataObject) -> None:
    """Its digest is right: who made the file made the configuration too."""
    changed = data.draw(files(content))
    (folder / "model.safetensors").write_bytes(changed)
    about = {**WEIGHTS, "sha256": hashlib.sha256(changed).hexdigest(), "bytes": len(changed)}
    (folder / "config.json").write_text(json.dumps({**NET, "weights": about}))
    try:
        net = load(folder)
    except ZooError as error:
        outcomes.append(str(error))
        return
    own = tiny().state_dict()
    assert {name: tensor.shape for name, tensor in net.state_dict().items()} == {n: t.shape for n, t in own.items()}
    outcomes.append("loaded")  # with other numbers in it, which is its author's right


def test_any_safetensors_file_is_refused_or_has_the_networks_tensors(sound: Path, bounded: None):
    outcomes.clear()
    original = {path: path.read_bytes() for path in sound.iterdir()}
    try:
        _fuzz_file(sound, original[sound / "model.safetensors"])
    finally:
        for path, content in original.items():
            path.write_bytes(content)
    assert len(outcomes) >= CASES
    assert 0 < outcomes.count("loaded") < CASES / 2
