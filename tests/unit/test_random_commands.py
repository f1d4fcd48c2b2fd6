"""Wrong command lines, drawn at random: each ends with an exit code and a short message, and leaves nothing by halves.

A line is a right one of some verb that was changed in one to four places. Every line runs in this process, in a folder
of its own making, without a network; a training ends after one step.
"""

from __future__ import annotations

import io
import json
import random
import shlex
import shutil
import socket
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import lightning.pytorch
import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from zoo.base import files
from zoo.base.registry import architectures
from zoo.cards import weights
from zoo.commands import completion, main
from zoo.training import recipes

SEED, GROUPS, LINES = 33, 10, 10  # those of the suite: 100 lines, of which two once ended as bugs
RECIPE = """\
seed_everything: 1
model:
  class_path: zoo.models.linknet.module.LinkNetModule
  init_args:
    encoder: test_resnet
    encoder_weights: null
    lr_scheduler:
      class_path: zoo.nn.schedule.WarmupPolyLR
data:
  class_path: zoo.data.StreetScenes
  init_args:
    size: [64, 64]
    train: 2
    val: 2
    batch_size: 2
    num_workers: 0
    augment: {crop: [32, 32]}
trainer:
  accelerator: cpu
  max_epochs: 1
  num_sanity_val_steps: 0
"""
RUN = "runs/good/version_0"
ABOUT = "--license mit --data-license drawn --datasets streets --description streets --limits all"
OFFLINE = {  # nothing is fetched, nothing is written outside of the working folder
    "HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_TOKEN": "", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HTTP_PROXY": "", "HTTPS_PROXY": "",
}  # fmt: skip
NAMES = (  # what may stand where a file, a folder or a model is meant
    "missing.png", "empty.bin", "empty", "noise.jpg", "text.png", "half.png", "Straße ž 道路.png", "picture.png",
    "pictures", "masks", "mini.yaml", "broken.yaml", "list.yaml", "binary.yaml", "pairs.csv", "list.txt", "page.html",
    "latin.txt", "loop", "new\nline.png", "models/linknet", "models/homographynet", "models/linknet/config.json",
    "models/linknet/model.safetensors", "broken", "alien", "card", RUN, f"{RUN}/model",
    f"{RUN}/checkpoints/best.ckpt", f"{RUN}/config.yaml", "runs", "linknet", "linknet_camvid", "neural_style",
    "linknet_streets", "user/name", "user/name@main", "/dev/null", "/dev/full", "/proc/self/mem", ".", "..", "../",
    "~", "~nobody/x", "missing/deep/x", "picture.png/x", "*.png", "[", "film.mp4", "postscript.jpg", "zip.zip",
)  # fmt: skip
NUMBERS = (
    "0", "-1", "1", "2", "3", "7", "1.5", "0.5", "-0.0", "nan", "-inf", "1e400", "1e-400", str(10**30),
    "-" + "9" * 40, "0x10", "1_000", "1e3", "[0, 0]", "[1, 1]", "[64, 64]", "[-1]", "[1.5, 2]", "65536", "4294967296",
    "255", "256",
)  # fmt: skip
CLASSES = (
    "torch.nn.Linear", "torch.nn.ReLU", "os.system", "zoo.data.StreetScenes", "zoo.data.SegmentationFolder", "zoo",
    "a.b", "zoo.models.linknet.net.LinkNet", "zoo.models.linknet.module.LinkNetModule", "zoo.data.StylePictures",
    "builtins.dict", "torch.optim.SGD", "torch.optim.LBFGS", "torch.optim.Optimizer",
    "torch.optim.lr_scheduler.StepLR", "lightning.pytorch", "lightning.pytorch.callbacks.EarlyStopping",
    "lightning.pytorch.callbacks.ModelCheckpoint", "zoo.nn.schedule.WarmupPolyLR",
    "lightning.pytorch.LightningModule", "lightning.pytorch.demos.boring_classes.BoringModel",
    "collections.OrderedDict", "{class_path: torch.nn.ReLU}", "{class_path: 3}", "{init_args: {}}",
    "{class_path: torch.optim.SGD, init_args: {lr: x}}",
)  # fmt: skip
TEXTS = (
    "", " ", "true", "no", "null", "~", "None", "{}", "{", "[", "[]", "[1, 2", "a: b: c", "a: &a [*a]", "*x",
    "{a: 1}", "!!python/object/apply:os.getcwd []", "!!binary x", "%", "@", "`", "|", ">", "? x", "--- a", "\t",
    "a\nb", "\x1b[31m", "\u202e", "道路", "\udcff", "é" * 5, "x" * 5000, "x " * 2000, "../../x", "cpu", "cuda",
    "cuda:9", "meta", "auto", "nonsense", ".", "..a", "2020-01-01", "1:30", "=", "-", "--", "http://",
    "http://127.0.0.1:9/a.jpg", "http://[::1", "http://user:secret@127.0.0.1:9/", "file:///etc/hostname",
    "openverse:x", "commons:", "ftp://127.0.0.1/x", "val/mIoU", "16-mixed", "bf16-true", "mit", "url=picture.png",
    "100K", "off", "float16", "max", "none", "test_resnet",
)  # fmt: skip
FEW = ("0", "-1", "1", "2", "1.5", "0.5", "100", "nan", str(10**30), "[0, 0]", "true", "")  # for keys of recipes
WORDS = {  # what some of them take besides numbers, or seem to
    "precision": ("16-true", "bf16-true", "64-true", "16-mixed", "bf16-mixed", "64", "fp16", "transformer-engine"),
    "accelerator": ("cpu", "gpu", "cuda", "mps", "tpu", "auto"), "max_time": ("00:00:00:01", "1:30", "{minutes: x}"),
    "profiler": ("simple", "advanced", "xla"), "gradient_clip_algorithm": ("norm", "value"),
    "encoder": ("test_resnet", "test_vit", "test_byobnet", "resnet999"), "encoder_weights": ("timm", "picture.png"),
    "callbacks": lightning.pytorch.callbacks, "logger": lightning.pytorch.loggers, "plugins": lightning.pytorch.plugins,
    "optimizer": torch.optim, "lr_scheduler": torch.optim.lr_scheduler,
}  # fmt: skip
DAMAGES = 24  # damages of each kind of file that is damaged at random
NESTED = (
    "model.optimizer.lr", "model.optimizer.class_path", "model.optimizer.init_args.lr", "model.lr_scheduler.power",
    "model.lr_scheduler.warmup", "model.lr_scheduler.total_steps", "model.lr_scheduler.class_path",
    "data.augment.crop", "data.augment.scale", "data.augment", "trainer.logger.name", "trainer.logger.version",
    "trainer.logger.class_path", "trainer.callbacks.monitor", "trainer.callbacks.class_path", "seed_everything",
    "weights", "config", "model", "data", "trainer", "print_config", "ckpt_path", "model.class_path",
    "data.class_path",
)  # fmt: skip
OTHERS = ("fast_style", "homographynet", "perceptual_sr")  # which have recipes of drawn streets too
ENDLESS = (
    "size",
    "train",
    "val",
    "test",
    "num_workers",
    "devices",
    "num_nodes",
    "strategy",
    "pairs_per_epoch",
    "val_pairs",
    "crops_per_epoch",
    "val_fraction",
)  # a right value takes long
UNFIT = (".devices", ".num_nodes", ".strategy", "--debug")  # processes are started; a traceback is printed
RIGHT = {  # right lines of each verb, and how often one is drawn
    "fit": (40, ["--recipe mini.yaml", "--recipe mini.yaml", "--recipe mini.yaml --weights models/linknet",
                 "--recipe fast_style.yaml", "--recipe homographynet.yaml", "--recipe perceptual_sr.yaml",
                 f"--resume {RUN}"]),
    "validate": (4, [f"--recipe mini.yaml --weights {RUN}/model",
                     f"--recipe mini.yaml --ckpt_path {RUN}/checkpoints/best.ckpt"]),
    "test": (3, [f"--recipe mini.yaml --weights {RUN}/model"]),
    "evaluate": (10, [f"{RUN}/model --data.val 2 --data.size [64,64]", "card --data.val 2 --data.size [64,64]",
                      "models/homographynet --data.root pictures", "models/perceptual_sr --data.root pictures"]),
    "predict": (18, ["models/linknet picture.png -o out", "models/fast_style picture.png pictures -o out",
                     "models/homographynet picture.png picture.png -o out", "models/perceptual_sr picture.png -o out",
                     "models/homographynet pairs.csv -o out", "models/neural_style picture.png picture.png -o out"]),
    "card": (8, [f"{RUN} --name mine {ABOUT}", f"{RUN}/checkpoints/best.ckpt --name mine -o new {ABOUT}"]),
    "publish": (4, ["card --repo user/name --dry-run", "card --repo user/name --private"]),
    "pull": (3, ["user/name --to got", "user/name@main"]),
    "bundle": (4, ["models/linknet -o new.zip", "models/fast_style"]),
    "collect": (10, ["list.txt -o got --retries 0 --timeout 1", "pairs.csv -o got", "page.html -o got --retries 0",
                     "openverse:cats -o got --retries 0 --limit 2", "--resume got", "list.txt -o pictures --report"]),
    "list": (3, ["", "linknet*"]),
    "info": (4, ["linknet_camvid", "models/linknet", "card"]),
    "completion": (3, ["bash", "--words fit --rec", "--words predict linknet --"]),
}  # fmt: skip


class Draw(random.Random):
    """Draws command lines."""

    def line(self) -> list[str]:
        """A verb and its arguments."""
        verb = self.choices(list(RIGHT), [weight for weight, _ in RIGHT.values()])[0]
        words = [verb, *self.choice(RIGHT[verb][1]).split()]
        for _ in range(self.choice((1, 1, 1, 1, 2, 2, 3))):
            words = self.changed(words, verb)
        short = ["--trainer.max_steps=1", "--data.num_workers=0"] if verb == "fit" and "--resume" not in words else []
        return [*words, *short]

    def changed(self, words: list[str], verb: str) -> list[str]:
        """The line with one thing wrong, or at least unusual."""
        place = self.randrange(len(words) + 1)
        some = min(place, len(words) - 1)
        kinds = [*["value", "option"] * 3, "drop", "cut", "twice", "swap", "spelling", "verb"]
        kind = self.choice([*kinds, *["key"] * 24] if verb in ("fit", "validate", "test") else kinds)
        if kind == "value" and len(words) > 1:
            some = self.randrange(1, len(words))
            option, equals, _ = words[some].partition("=")
            return [*words[:some], f"{option}={self.value()}" if equals else self.value(), *words[some + 1 :]]
        if kind == "option":
            return [*words[: max(place, 1)], *self.option(verb), *words[max(place, 1) :]]
        if kind == "key":
            return [*words, self.key(words)]
        if kind == "drop":
            return words[:some] + words[some + 1 :] or [verb]
        if kind == "cut":
            return words[: max(place, 1)]
        if kind == "twice":
            return [*words[: some + 1], *words[some : some + self.randint(1, 2)], *words[some + 1 :]]
        if kind == "swap":
            other = self.randrange(len(words))
            words = list(words)
            words[some], words[other] = words[other], words[some]
            return words
        if kind == "spelling" and words[some]:
            letter = self.randrange(len(words[some]))
            return [*words[:some], words[some][:letter] + words[some][letter + 1 :], *words[some + 1 :]]
        return [self.choice(list(main.VERBS)), *words[1:]] if kind == "verb" and self.random() < 0.3 else words

    def value(self) -> str:
        kind = self.choice((NAMES, NUMBERS, TEXTS, CLASSES, None))
        if kind is None:
            return self.choice(("damaged/recipe_{}.yaml", "damaged/model_{}", "damaged/card_{}")).format(
                self.randrange(DAMAGES)
            )
        return self.choice(kind)

    def damaged(self, content: Any) -> Any:
        """What was read from YAML or JSON, with one leaf or branch replaced, taken away or added."""
        if isinstance(content, dict) and content and self.random() < 0.85:
            key = self.choice(list(content))
            kind = self.random()
            if kind < 0.1:
                return {name: value for name, value in content.items() if name != key}
            if kind < 0.2:
                return content | {self.choice(("x", "", "class_path", "init_args", "0")): self.plain()}
            return content | {key: self.damaged(content[key])}
        if isinstance(content, list) and content and self.random() < 0.7:
            place = self.randrange(len(content))
            return [*content[:place], self.damaged(content[place]), *content[place + 1 :]]
        return self.plain()

    def plain(self) -> Any:
        """A value of a type that JSON has."""
        of_kinds = (None, True, [], {}, [[]], [None], {"a": None}, 0, -1, 1.5, 10**30, 1e308, "", "x" * 5000, "a\nb")
        return self.choice((self.choice(of_kinds), self.choice(NUMBERS), self.choice(TEXTS)))

    def option(self, verb: str) -> list[str]:
        """An option of the verb, or one of its models, with a value, without one, or with one too many."""
        known = [word for word in options_of(verb, self.choice([*architectures(), ""])) if not word.endswith(UNFIT)]
        option, value = self.choice([*known, "-o", "-x", "--nonsense"]), self.value()
        return self.choice(([f"{option}={value}"], [option, value], [option, value], [option], [option, value, value]))

    def key(self, words: list[str]) -> str:
        """A key of recipes with a value; not those that a right value of makes a training long."""
        if self.random() < 0.3:
            return f"--{self.choice(NESTED)}{self.choice(('', '', '', '+', '.x'))}={self.value()}"
        section = self.choice(("trainer", "trainer", "model", "data"))
        declared = architectures()[next((name for name in OTHERS if f"{name}.yaml" in words), "linknet")]
        path = {"trainer": recipes.TRAINER, "model": declared.module, "data": declared.data}[section]
        known = recipes.parameters(recipes.import_class(path or "zoo.data.SegmentationFolder")) or ("x",)
        key = self.choice([key for key in known if key not in ENDLESS] or ["x"])
        known = WORDS.get(key, ())
        if isinstance(known, ModuleType):
            known = [f"{known.__name__}.{name}" for name in dir(known) if isinstance(getattr(known, name), type)]
        value = self.choice(self.choice((known or FEW, known or FEW, FEW, FEW, FEW, (self.value(),))))
        below = (
            "+" if key == "callbacks" else self.choice(("", "", "", "", "", "", ".init_args", ".class_path", ".x", "+"))
        )
        return f"--{section}.{key}{below}={value}"


def options_of(verb: str, model: str, known: dict[tuple[str, str], list[str]] = {}) -> list[str]:  # noqa: B006  a cache
    if (verb, model) not in known:
        known[verb, model] = completion.options(verb, model)
    return known[verb, model]


def write_workplace(folder: Path, tiny: Callable[[str], ModuleType]) -> None:
    """Everything that ``NAMES`` tells of."""
    rng = np.random.default_rng(0)
    for name in ("pictures", "masks", "empty", "models", "damaged", "broken", "alien"):
        (folder / name).mkdir(parents=True)
    for number in range(4):
        mask = rng.integers(0, 2, (4, 4), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
        Image.fromarray(np.stack([mask * 200] * 3, 2)).save(folder / "pictures" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    for name in ("picture.png", "Straße ž 道路.png", "new\nline.png"):
        shutil.copy(folder / "pictures" / "0.png", folder / name)
    contents: dict[str, bytes | str] = {
        "empty.bin": b"", "noise.jpg": rng.bytes(3000), "text.png": "no picture\n", "film.mp4": rng.bytes(2000),
        "half.png": (folder / "picture.png").read_bytes()[:100], "mini.yaml": RECIPE, "broken.yaml": "model: [\n",
        "list.yaml": "- 1\n- 2\n", "binary.yaml": rng.bytes(500), "latin.txt": "Stra\xdfe\n".encode("latin-1"),
        "pairs.csv": "moving,fixed\npicture.png,picture.png\nmissing.png,picture.png\n", "zip.zip": b"PK\x03\x04half",
        "list.txt": "http://127.0.0.1:9/a.jpg\n", "page.html": "<img src=http://127.0.0.1:9/a.jpg>",
        "postscript.jpg": "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "alien/config.json": "[1]",
        "broken/config.json": '{"architecture": "linknet", "arguments": {"num_classes": "x"}}',
        "broken/model.safetensors": b"\xff" * 40,
    }  # fmt: skip
    for name, content in contents.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "loop").symlink_to("loop")
    torch.manual_seed(0)
    for name in architectures():
        parts = tiny(name)
        weights.save(parts.module().net.eval(), folder / "models" / name, name, parts.ARGUMENTS)
    for line in ("fit --recipe mini.yaml --trainer.logger.name=good", f"card {RUN} --name mine -o card {ABOUT}"):
        code, _, told = run(line.split(), folder)
        assert code == 0, told
    write_damaged(folder)
    for name in OTHERS:
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(small_recipe(name, tiny(name), folder / "data" / name)))
    shutil.copytree(folder, folder.with_suffix(".whole"), symlinks=True)


def small_recipe(name: str, parts: ModuleType, folder: Path) -> dict[str, Any]:
    """The recipe of an architecture on drawn streets, with so little of everything that a step takes no time."""
    recipe = yaml.safe_load((files.bundled("recipes") / f"{name}_streets.yaml").read_text())
    for word in parts.miniature(recipe, folder):
        key, _, value = word.removeprefix("--").partition("=")
        section, _, name = key.partition(".")
        recipe[section]["init_args"][name] = yaml.safe_load(value)
    small = {"accelerator": "cpu", "max_epochs": 1, "precision": "32-true", "num_sanity_val_steps": 0}
    return recipe | {"trainer": small | {"limit_val_batches": 1, "check_val_every_n_epoch": 1}}


def write_damaged(folder: Path) -> None:
    """Recipes, models and cards with one thing wrong in a file that is YAML or JSON else."""
    draw = Draw(20)
    for number in range(DAMAGES):
        recipe = draw.damaged(yaml.safe_load(RECIPE))
        (folder / "damaged" / f"recipe_{number}.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True))
        for kind, source in (("model", folder / "models" / "linknet"), ("card", folder / "card")):
            copy = shutil.copytree(source, folder / "damaged" / f"{kind}_{number}")
            file = draw.choice(sorted(copy.glob("*.json")))
            file.write_text(json.dumps(draw.damaged(json.loads(file.read_text()))))


def run(line: list[str], folder: Path) -> tuple[Any, str, str]:
    """Exit code of a line, what it prints, and what it says of errors."""
    output, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        patch.chdir(folder)
        try:
            code: Any = main.main(line)
        except SystemExit as stop:  # help ends so
            code = stop.code or 0
    return code, output.getvalue(), errors.getvalue()


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """What lies in a folder, with sizes and times of the files."""
    found = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        found[str(path.relative_to(folder))] = (0, 0) if path.is_dir() else (status.st_size, status.st_mtime_ns)
    return found


def faults_of(line: list[str], folder: Path) -> list[str]:
    """What is wrong with how a line ends; what it leaves or changes is set right again."""
    before = stamps(folder)
    code, _, told = run(line, folder)
    after = stamps(folder)
    left = sorted(name for name in after if name not in before)
    changed = sorted(name for name in before if after.get(name) != before[name])
    found = [] if code in (0, 1, 2, 3) else [f"exit code {code}"]
    if code == 2:
        found += message_faults(told)
        whole = line[0] == "collect" or "zoo: error: " not in told  # what was fetched or predicted before stays
        halves = [name for name in left if name.endswith(".tmp") or not whole]
        found += [f"{what} {names[:4]}" for what, names in (("leaves", halves), ("changes", changed)) if names]
    restore(folder, left, changed)
    return [*found, told] if found else []


def message_faults(told: str) -> list[str]:
    lines = told.splitlines()
    starts = [index for index, line in enumerate(lines) if line.startswith("zoo: ")]
    error = next((index for index in reversed(starts) if lines[index].startswith("zoo: error: ")), None)
    if error is None:  # predict tells about each picture
        return [] if starts[:1] == [0] else ["says no error"]
    lines = lines[error:]
    found = [f"an error of {len(lines)} lines"] if len(lines) > 3 else []
    return [*found, *(f"a line of {len(line)} characters" for line in lines if len(line) > 300)]


def restore(folder: Path, left: list[str], changed: list[str]) -> None:
    """Takes away what came into the workplace, and copies what changed from ``folder.whole``, if there is that."""
    for name in left:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for name in changed:
        source = folder.with_suffix(".whole") / name
        if source.is_dir():
            (folder / name).mkdir(exist_ok=True)
        elif source.exists():
            shutil.copy2(source, folder / name)


@contextmanager
def shut_in(folder: Path) -> Iterator[None]:
    """An installation of its own, and no network."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def connect_here(self: socket.socket, address: Any) -> None:
        if not isinstance(address, tuple) or address[0] not in ("127.0.0.1", "::1"):
            raise OSError(101, "Network is unreachable")
        connect(self, address)

    def look_up_here(host: Any, *rest: Any, **more: Any) -> Any:
        if host not in ("127.0.0.1", "::1", "localhost", None):
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return look_up(host, *rest, **more)

    installation = folder / "installation"
    for kind in ("recipes", "cards"):
        shutil.copytree(files.bundled(kind), installation / kind)
    caches = {name: str(folder / "cache" / name) for name in ("HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME", "HOME")}
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, value in (OFFLINE | caches).items():
            patch.setenv(name, value)
        patch.setattr(files, "BUNDLED", installation)
        patch.setattr(socket.socket, "connect", connect_here)
        patch.setattr(socket, "getaddrinfo", look_up_here)
        yield


@pytest.fixture(scope="module")
def workplace(tiny: Callable[[str], ModuleType]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "a", "b")  # .. is in it too
        with shut_in(Path(name)):
            write_workplace(folder, tiny)
            yield folder


@pytest.mark.parametrize("group", range(GROUPS))
def test_every_wrong_line_ends_with_a_code_and_a_short_message(workplace: Path, group: int):
    draw = Draw(SEED * 1000 + group)
    lines = [draw.line() for _ in range(LINES)]
    found = {shlex.join(line): wrong for line in lines if (wrong := faults_of(line, workplace))}
    assert not found, "\n".join(f"zoo {line}\n  " + "\n  ".join(each) for line, each in found.items())
