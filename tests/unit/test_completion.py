from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.base.registry import architectures
from zoo.commands import completion, main
from zoo.commands.options import evaluate_options, predict_options, save_options

LIGHT = """
import sys
from zoo.commands import main
code = main.main(sys.argv[1:])
heavy = {"cv2", "lightning", "timm", "torch"} & set(sys.modules)
sys.exit(f"imported {sorted(heavy)}" if heavy else code)
"""


@pytest.mark.parametrize("verb", main.VERBS)
def test_options_of_a_verb_need_nothing_heavy(verb: str):
    command = [sys.executable, "-c", LIGHT, "completion", "--words", verb, "--"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert {"--help", "--debug"} <= set(done.stdout.split())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (["fi"], {"fit"}),
        (["fit", "--res"], {"--resume"}),
        (["fit", "--recipe", "x", "--trainer.max"], {"--trainer.max_epochs"}),
        (["test", "--ck"], {"--ckpt_path"}),
        (["fit", "--recipe", "linknet_str"], {"linknet_streets"}),
        (["fit", "--recipe=linknet_str"], {"--recipe=linknet_streets"}),
        (["fit", "--recipe", "=", "linknet_str"], {"linknet_streets"}),
        (["fit", "--help.model", "linkn"], {"linknet"}),
        (["predict", "linknet_c"], {"linknet_camvid", "linknet_camvid_fine"}),
        (["predict", "linknet_camvid", "--ti"], {"--tile"}),
        (["predict", "linknet", "--ti"], {"--tile"}),
        (["predict", "homographynet", "--ti"], set()),
        (["predict", "linknet", "street"], set()),
        (["publish", "--dry"], {"--dry-run"}),
        (["completion", "z"], {"zsh"}),
        (["--vers"], {"--version"}),
    ],
)
def test_words_at_the_end_of_a_line(line: list[str], expected: set[str]):
    assert set(completion.words(line)) == expected


def test_an_empty_word_can_be_anything_of_its_place():
    assert set(main.VERBS) < set(completion.words([""]))
    assert set(completion.words([])) == set(completion.words([""]))
    assert {"linknet_camvid", "linknet"} <= set(completion.words(["info", ""]))
    assert "linknet_streets" in completion.words(["fit", "--recipe", "="])
    assert completion.words(["list", ""]) == []


def test_options_of_saving_and_of_chains_are_those_of_models_that_have_them():
    assert {"--chain", "--stitch"} <= set(completion.words(["predict", "homographynet", "--"]))
    assert not {"--chain", "--stitch"} & set(completion.words(["predict", "linknet", "--"]))


@pytest.mark.parametrize("name", sorted(architectures()))
def test_options_of_a_model_are_those_of_its_verbs(name: str):
    declared = architectures()[name]
    predict = completion.keywords(declared.predictor, declared.inputs, "predict")
    assert predict == [option.flag for option in predict_options(declared)]
    if declared.result:
        save = completion.keywords(declared.result, ("destination",), "save")
        assert save == [option.flag for option in save_options(declared)]
    evaluate = completion.keywords(declared.evaluate, ("net", "data", "context"))
    assert evaluate == [option.flag for option in evaluate_options(declared)]


def test_the_script_for_bash_completes(tmp_path: Path):
    """Sourced in bash itself, with the variables that it sets for a function."""
    program = """
    eval "$(zoo completion bash)"
    complete -p zoo
    try() { COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); COMPREPLY=(); _zoo zoo; echo "${COMPREPLY[*]}"; }
    try zoo fi
    try zoo fit --recipe linknet_st
    try zoo fit --recipe = linknet_st
    try zoo fit --resu
    try zoo predict linknet_camvid --til
    try zoo list ""
    """
    zoo = tmp_path / "zoo"
    zoo.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m zoo.commands.main "$@"\n')
    zoo.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, env=environment)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "complete -o default -F _zoo zoo", "fit", "linknet_streets", "linknet_streets", "--resume", "--tile", "",
    ]  # fmt: skip


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_scripts_for_other_shells_parse(shell: str, capsys: pytest.CaptureFixture[str]):
    assert main.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "completion --words" in script
    if path := shutil.which(shell):
        done = subprocess.run([path, "--no-execute", "-c", script], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]):
    assert main.main(["completion", "tcsh"]) == 2
    assert "invalid choice: 'tcsh'" in capsys.readouterr().err


def test_recipes_follow_doctor():
    known = [name for name in completion.recipes.names() if name.startswith("linknet_cam")]
    assert completion.words(["doctor", "linknet_cam"]) == known
    assert len(known) > 1
