"""What ``zoo fit``, ``validate`` and ``test`` say of their options."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from zoo.commands import fit, main
from zoo.training import recipes
from zoo.training.keys import MEANT, SECTIONS, Keys, pairs

LIGHT = """
import sys
from zoo.commands import main
try:
    code = main.main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
heavy = {"lightning", "numpy", "torch"} & set(sys.modules)
sys.exit(f"imported {sorted(heavy)}" if heavy else code)
"""


def lightly(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A verb in a process of its own that may import nothing heavy."""
    command = [sys.executable, "-c", LIGHT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "100"})


@pytest.mark.parametrize("verb", ["fit", "validate", "test"])
def test_help_is_one_screen_with_the_own_options_first(verb: str):
    done = lightly(verb, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 100
    assert all(f"--{own}" in done.stdout for own in ("recipe", "weights", "help.trainer", "help.model", "help.data"))
    assert done.stdout.index("--weights") < done.stdout.index("--trainer.devices") < done.stdout.index("--help.trainer")
    own = {"--resume", "--publish", "--private", "--license", "--samples", "--trainer.max_epochs"}
    assert {option for option in own if option in done.stdout} == (own if verb == "fit" else set())


def test_the_keys_in_the_help_are_keys():
    for key in fit.KEYS:
        keys_of("linknet_camvid", *key.split()).check()


def keys_of(recipe: str, *given: str, verb: str = "fit") -> Keys:
    return Keys(verb, fit.parser_of(verb).options, recipes.find(recipe), given)


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--help.trainer"], "--trainer.max_epochs MAX_EPOCHS"),
        (["--recipe", "linknet_streets", "--help.model"], "--model.encoder ENCODER"),
        (["--recipe", "linknet_streets", "--help.data"], "--data.batch_size BATCH_SIZE"),
        (["--recipe", "linknet_streets", "--help.model", "neural_style"], "--model.content_layers"),
        (["--help.data", "zoo.data.SegmentationFolder"], "--data.masks MASKS"),
        (["--help.data", "linknet"], "--data.root ROOT"),
    ],
)
def test_the_other_keys_are_shown_on_demand(capsys: pytest.CaptureFixture[str], arguments: list[str], shown: str):
    assert main.main(["fit", *arguments]) == 0
    output = capsys.readouterr().out
    assert shown in output
    assert "--model.labels" not in output  # which the command takes from the data


def test_whose_keys_are_to_be_shown_is_asked_without_torch():
    done = lightly("fit", "--help.model")
    assert done.returncode == 2
    assert "--help.model needs --recipe NAME, the path of a class, or one of these:\n" in done.stderr
    assert "linknet" in done.stderr


@pytest.mark.parametrize(
    ("verb", "option", "meant"),
    [
        ("fit", "--epochs", "--trainer.max_epochs"),
        ("fit", "--epoch", "--trainer.max_epochs"),
        ("fit", "--max-epochs", "--trainer.max_epochs"),
        ("fit", "--batch_size", "--data.batch_size"),
        ("fit", "--batch-size", "--data.batch_size"),
        ("fit", "--batchsize", "--data.batch_size"),
        ("fit", "--lr", "--model.optimizer.lr"),
        ("fit", "--learning-rate", "--model.optimizer.lr"),
        ("fit", "--optimizer.lr", "--model.optimizer.lr"),
        ("fit", "--gpus", "--trainer.devices"),
        ("fit", "--device", "--trainer.accelerator"),
        ("fit", "--workers", "--data.num_workers"),
        ("fit", "--num-workers", "--data.num_workers"),
        ("fit", "--checkpoint", "--weights or --resume"),
        ("validate", "--checkpoint", "--ckpt_path"),
        ("test", "--resume", None),
        ("fit", "--seed", "--seed_everything"),
        ("fit", "--recpie", "--recipe"),
        ("fit", "--licence", "--license"),
        ("fit", "--encoder", "--model.encoder"),
        ("fit", "--trainr.max_epochs", "--trainer.max_epochs"),
        ("fit", "--output", None),
        ("fit", "--verbose", None),
        ("fit", "--warmup-epochs", None),
        ("fit", "--drop", None),
    ],
)
def test_an_unknown_option_names_the_one_that_is_meant(verb: str, option: str, meant: str | None):
    assert keys_of("linknet_camvid", verb=verb).meant(option.lstrip("-")) == meant


def test_what_a_recipe_has_not_is_not_suggested():
    keys = keys_of("neural_style")
    assert keys.meant("lr") == "--model.lr"
    assert keys.meant("batch_size") is None
    assert keys.meant("encoder") is None


def test_the_class_that_is_given_counts_not_that_of_the_recipe():
    assert keys_of("neural_style", "--data.class_path=zoo.data.CamVid").meant("batch_size") == "--data.batch_size"
    assert keys_of("neural_style", "--data", "zoo.data.CamVid").meant("batch_size") == "--data.batch_size"


def test_every_meaning_is_an_option_somewhere():
    classes = {section: set() for section in SECTIONS}
    for name in recipes.names():
        for section in SECTIONS:
            classes[section] |= set(recipes.parameters(keys_of(name).class_of(section)))
    classes["data"] |= set(recipes.parameters(recipes.import_class("zoo.data.SegmentationFolder")))
    own = {option.lstrip("-") for verb in ("fit", "test") for option in fit.parser_of(verb).options}
    for targets in MEANT.values():
        for target in targets:
            section, _, rest = target.partition(".")
            if section in SECTIONS:
                assert rest.partition(".")[0] in classes[section], target
            else:
                assert target.partition(" ")[0] in {*own, "seed_everything"}


def test_the_learning_rate_that_is_suggested_is_that_of_the_optimiser(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ["--model.optimizer.lr=0.125", "--model.encoder_weights=null", "--print_config"]
    with pytest.raises(SystemExit):
        main.main(["fit", "--recipe", "linknet_camvid", *options])
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["model"]["init_args"]["optimizer"]["init_args"]["lr"] == 0.125


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--epochs", "3"], "zoo fit has no option --epochs; did you mean --trainer.max_epochs?\nsee zoo fit --help"),
        (["--trainer.max_epoch=3"], "no key --trainer.max_epoch; did you mean --trainer.max_epochs?\n"),
        (["--model.encoderr", "x"], "no key --model.encoderr; did you mean --model.encoder?\nsee zoo fit --help.model"),
        (["--data.colour=red"], "no key --data.colour\nsee zoo fit --help.data"),
        (["streets"], "unexpected argument 'streets'\n"),
        (["linknet_streets.yaml"], "did you mean --recipe linknet_streets.yaml?"),
    ],
)
def test_what_is_wrong_is_told_in_two_lines(capsys: pytest.CaptureFixture[str], given: list[str], message: str):
    assert main.main(["fit", "--recipe", "linknet_camvid", *given]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 2


@pytest.mark.parametrize(
    "given",
    [
        ["--trainer.callbacks+=RichProgressBar", "--trainer.callbacks.leave=true"],
        ["--model.init_args.encoder", "resnet18", "--data.dict_kwargs.any=1"],
        ["--model.help", "--trainer.logger.help=TensorBoardLogger"],
        ["--config", "more.yaml", "-c", "more.yaml", "--print_config=skip_unset", "--seed_everything", "1"],
        ["--trainer.gradient_clip_val", "-1"],
    ],
)
def test_what_lightning_takes_passes(given: list[str]):
    keys_of("linknet_camvid", *given).check()


def test_words_are_read_as_options_with_values():
    words: Sequence[str] = ["a", "--b", "c", "d", "--e=f", "g", "--h", "--i", "-1"]
    expected = [("", "a"), ("--b", "c"), ("", "d"), ("--e", "f"), ("", "g"), ("--h", ""), ("--i", "-1")]
    assert list(pairs(words)) == expected


def test_without_a_recipe_all_are_listed(capsys: pytest.CaptureFixture[str]):
    assert main.main(["fit"]) == 2
    assert re.search(r"needs --recipe NAME; there are [\w, \n]*linknet_camvid", capsys.readouterr().err)
