"""Each keyword of a predictor and of an evaluator is an option with a help text, and each of a predictor works."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from torch import nn

from zoo.base.registry import Architecture, architectures, import_object
from zoo.cards import weights
from zoo.commands import main
from zoo.commands.options import Option, evaluate_options, predict_options, save_options

GIVEN = {"net", "data", "context", "self", "destination"}


def keywords(function: Callable, inputs: tuple[str, ...] = ()) -> set[str]:
    """Names of a function's arguments but callbacks, which are annotated as such."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name for p in parameters if "Callable" not in str(p.annotation)} - GIVEN - set(inputs)


def options(declared: Architecture) -> list[Option]:
    """All that ``zoo predict`` has for an architecture alone."""
    return [*predict_options(declared), *save_options(declared)]


def test_each_keyword_is_an_option_with_a_help_text(name: str):
    declared = architectures()[name]
    predict, evaluate = (import_object(path) for path in (declared.predictor, declared.evaluate))
    for found, wanted in (
        (predict_options(declared), keywords(predict.predict, declared.inputs)),
        (save_options(declared), keywords(import_object(declared.result).save) if declared.result else set()),
        (evaluate_options(declared), keywords(evaluate)),
    ):
        assert {option.name for option in found} == wanted
        assert all(len(option.help) > 10 for option in found)


def test_help_lists_the_options_of_that_model_and_no_other(name: str, saved: Path, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        main.main(["predict", str(saved), "--help"])
    told = capsys.readouterr().out
    own = {option.flag for option in options(architectures()[name])}
    every = {option.flag for declared in architectures().values() for option in options(declared)}
    assert {flag for flag in every if f"{flag} " in told or f"{flag}\n" in told} == own


@pytest.mark.parametrize("verb", ["predict", "evaluate", "fit"])
def test_help_alone_needs_no_torch(verb: str):
    program = (
        "import sys; from zoo.commands import main\n"
        "try: main.main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "sys.exit('torch is imported' if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program, verb, "--help"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")


@pytest.fixture
def saved(name: str, model: ModuleType, trained: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny network of an architecture, as ``zoo predict`` takes it."""
    monkeypatch.chdir(tmp_path)
    weights.save(trained, "model", name, model.ARGUMENTS, dtype="float32")
    return Path("model")


def words(option: Option) -> list[list[str]]:
    """Some values of an option, as a command would give them."""
    parts = [option.type, *typing.get_args(option.type)]
    choices = [[str(word)] for part in parts if typing.get_origin(part) is typing.Literal for word in part.__args__]
    if option.type is bool:
        return [[]]
    if choices or option.default is None:
        return choices or [["64"]]
    return [[str(option.default)]]


def test_each_option_works(name: str, saved: Path, model: ModuleType, capsys: pytest.CaptureFixture):
    declared = architectures()[name]
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save("picture.png")
    pictures = ["picture.png"] * len(declared.inputs)
    base = {f"--{key.replace('_', '-')}": "null" if value is None else str(value) for key, value in tiny(model).items()}
    base |= {option.flag: "picture.png" for option in predict_options(declared) if option.required}
    for option in options(declared):
        for given in getattr(model, "OPTIONS", {}).get(option.name, words(option)):
            others = [word for flag, value in base.items() if flag != option.flag for word in (flag, value)]
            mine = [option.flag, *given] if option.flag not in base else [option.flag, base[option.flag]]
            code = main.main(["predict", str(saved), *pictures, "-o", "out", *others, *mine])
            assert code == 0, (option.flag, given, capsys.readouterr().err)


def tiny(model: ModuleType) -> dict:
    return getattr(model, "PREDICT", {})
