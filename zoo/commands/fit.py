"""``zoo fit``, ``zoo validate`` and ``zoo test``: a recipe, any Lightning flag, any number of GPUs.

Torch is imported when the command line is known to be right, so that help answers at once.
"""

from __future__ import annotations

import argparse
import shlex
from itertools import chain
from pathlib import Path
from typing import Any

from zoo.base import processes
from zoo.base.bounds import seconds_of
from zoo.base.errors import ZooError
from zoo.base.files import read_text
from zoo.base.paths import shown
from zoo.base.registry import architecture_of, architectures
from zoo.base.text import listing
from zoo.cards.about import About, add_about_options, check_about
from zoo.commands import study, submit, trials
from zoo.commands.terminal import Parser
from zoo.training import recipes
from zoo.training.keys import SECTIONS, Keys, pairs
from zoo.training.recipes import CONFIG, MARK

PURPOSES = {
    "fit": "Train a network by a recipe. Results go to runs/RECIPE/version_N.",
    "validate": "Measure weights, or a checkpoint, on the validation data of a recipe.",
    "test": "Measure weights, or a checkpoint, on the test data of a recipe.",
}
KEYS = {  # the commonest keys of recipes
    "--trainer.max_epochs N": "number of epochs",
    "--trainer.devices N": "number of GPUs, or of processes on CPUs",
    "--trainer.precision P": "number format, such as 32-true or bf16-mixed",
    "--data.root FOLDER": "folder of the data",
    "--data.batch_size N": "batch size per device",
    "--data.num_workers N": "data loading processes per device",
    "--model.optimizer.lr RATE": "learning rate",
    "--seed_everything N": "random seed",
}
OF_TRAINING = ("--trainer.max_epochs", "--model.", "--seed")  # prefixes of keys that only fit has
MORE = {
    "--help.trainer": "all keys of the trainer",
    "--help.model [CLASS]": "all keys of the recipe's model, or of CLASS",
    "--help.data [CLASS]": "all keys of the recipe's data, or of CLASS",
}


def main(verb: str, argv: list[str]) -> int:
    """Runs ``zoo fit|validate|test``; Lightning's own command line takes the options that are not the zoo's."""
    processes.number_machine()
    parser = parser_of(verb)
    options, given = parser.parse_known_args(argv)
    resume = _run_folder(Path(options.resume).resolve()) if options.resume else None
    recipe = resume / CONFIG if resume else options.recipe and recipes.find(options.recipe)
    keys = Keys(verb, parser.options, recipe, given)
    for section in SECTIONS:
        if (name := getattr(options, f"help_{section}")) is not None:
            print(keys.help(section, name))  # noqa: T201
            return 0
    words = _checked(options, keys, resume)
    every = seconds_of("--every", options.every)
    if options.study:
        return study.main(options, keys, argv)
    if options.seeds is not None or options.sweep:
        return trials.main(options, keys, argv)
    if options.submit:
        text = submit.script(options, (resume.parent if resume else recipe or Path("run")).stem, argv, keys.value)
        print(text if options.dry_run else submit.submit(text))  # noqa: T201
        return 0
    from zoo.training import run
    from zoo.training.cli import ZooCLI

    run.prepare_process()
    cli = ZooCLI(words, recipe.stem if recipe else "run", verb, resume, options.ckpt_path)
    if verb != "fit":
        run.measure(cli, verb, options.ckpt_path)
        return 0
    folder = run.fit(cli, bool(options.publish), every)
    if not cli.trainer.is_global_zero:
        return 0
    if folder is None:
        print("Dry run: the command works; nothing was written.")  # noqa: T201
    else:
        _report(run.leave_results(cli, folder), architecture_of(type(cli.model)))
        if options.publish:
            _publish(options, folder)
    return 0


def parser_of(verb: str) -> Parser:
    """The zoo's own options of a verb; its help shows the commonest keys of recipes as well."""
    keys = {key: text for key, text in KEYS.items() if verb == "fit" or not key.startswith(OF_TRAINING)}
    parser = Parser(
        prog=f"zoo {verb}",
        usage=f"zoo {verb} --recipe NAME [options] [--KEY VALUE ...]",
        description=PURPOSES[verb],
        epilog=f"any key of the recipe is an option, such as:\n{_lines(keys)}\n\nmore help:\n{_lines(MORE)}",
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=32),
    )
    parser.set_defaults(resume=None, every="never", submit=None, publish=None, private=None, ckpt_path=None)
    parser.set_defaults(seeds=None, sweep=None, study=None)
    parser.add_argument("--recipe", metavar="NAME", help=f"installed recipe, or a file; zoo {verb} alone lists recipes")
    purpose = "start from" if verb == "fit" else "measure"
    parser.add_argument("--weights", metavar="NAME", help=f"{purpose} a model, a folder or a safetensors file")
    if verb == "fit":
        parser.add_argument("--resume", metavar="RUN_DIR", help="continue an interrupted run")
        every = "time between checkpoints within an epoch, or never (default 10m)"
        parser.add_argument("--every", metavar="TIME", default="10m", help=every)
        trials.add_trial_options(parser)
        submit.add_submit_options(parser)
        group: Any = parser.add_argument_group("publish the result on the Hugging Face Hub")
        group.add_argument("--publish", metavar="USER/NAME", help="repository, created if missing")
        group.add_argument("--private", action="store_true", default=None, help="make the repository private")
        add_about_options(group)
    else:
        parser.add_argument("--ckpt_path", metavar="FILE", help="measure a checkpoint of a run")
    for section in SECTIONS:
        parser.add_argument(f"--help.{section}", nargs="?", const="", dest=f"help_{section}", help=argparse.SUPPRESS)
    return parser


def _lines(about: dict[str, str]) -> str:
    return "\n".join(f"  {name:<29} {text}" for name, text in about.items())


def _checked(options: argparse.Namespace, keys: Keys, resume: Path | None) -> list[str]:
    """The words for Lightning's command line; raises ZooError for every mistake that can be seen by now."""
    words = ["--config", str(keys.recipe), *keys.given] if keys.recipe else list(keys.given)
    if resume:
        _check_resumable(resume, options, keys)
        recipes.parse(read_text(resume / "config.yaml"), resume / "config.yaml")
    elif keys.recipe:
        recipes.check(keys.recipe)
    recipes.check_given(pairs(keys.given))
    keys.check()
    if keys.verb == "fit":
        submit.check_submit(options)
    if not keys.recipe and not any(key in ("-c", "--config") or ".help" in key for key, _ in pairs(keys.given)):
        raise ZooError(f"zoo {keys.verb} needs --recipe NAME; there are {listing(recipes.names())}")
    if keys.verb != "fit" and not (options.weights or options.ckpt_path):
        raise ZooError(f"zoo {keys.verb} needs --weights NAME or --ckpt_path FILE")
    if options.publish:
        _check_publication(options)
    elif keys.verb == "fit":
        told = {**vars(About.of(options)), "private": options.private}
        if given := next((key for key, value in told.items() if value), None):
            raise ZooError(f"--{given.replace('_', '-')} needs --publish USER/NAME")
    if options.weights or keys.verb != "fit":
        words.append(f"--weights={options.weights or 'null'}")  # instead of the recipe's own weights
    return words


def _report(results: dict[str, Path], architecture: str | None) -> None:
    """Prints where the results are, and how to use the model."""
    from zoo.commands.options import usage  # jsonargparse takes a while to import

    width = max(map(len, results)) + 1
    how = usage(architectures()[architecture]) if architecture else ""
    for name, where in results.items():
        use = f"  (zoo predict {shown(where)} {how} -o OUT)" if name == "Model" else ""
        print(f"{name + ':':<{width}} {where}{use}")  # noqa: T201


def _run_folder(path: Path) -> Path:
    """The folder of the run that a path names; the path may lie in it, such as its last checkpoint or its model."""
    parts = ("checkpoints", "model")
    run = path.parents[1] if path.parent.name in parts else path.parent if path.name in (*parts, CONFIG) else path
    if path.is_file() and path.name not in ("last.ckpt", CONFIG) and path.parent.name != "model":
        raise ZooError(f"cannot resume from {path.name}, only from the run's last step: zoo fit --resume {shown(run)}")
    return run


def _check_resumable(run: Path, options: argparse.Namespace, keys: Keys) -> None:
    if not (run / CONFIG).is_file():
        newest = max(run.glob(f"*/{CONFIG}"), key=lambda path: path.stat().st_mtime, default=None)
        near = f"; did you mean {shown(newest.parent)}?" if newest else ", as in runs/RECIPE/version_0"
        raise ZooError(f"cannot resume {run}: {CONFIG} is missing{near}")
    if not (run / "checkpoints" / "last.ckpt").is_file():
        own = read_text(run / CONFIG).startswith(MARK)  # a recipe of the user may have that name too
        if not own or (run / "model").exists() or any((run / "checkpoints").glob("*")):
            raise ZooError(f"cannot resume {run}: checkpoints/last.ckpt is missing")
        if not processes.rank():
            print(f"{run.name} has no checkpoint yet: training starts over.")  # noqa: T201
    given = [option for option, _ in pairs(keys.given)]
    place = ("--trainer.logger", "--trainer.default_root_dir")
    changed = [option for option in given if not option.startswith("--trainer.") or option.startswith(place)]
    if changed or options.recipe or options.weights:
        what = changed[0] if changed else "a recipe or weights"
        raise ZooError(
            f"--resume continues {run.name} unchanged and cannot take {what}; to change it, fine-tune:\n"
            "zoo fit --recipe NAME --weights FOLDER"
        )


def _check_publication(options: argparse.Namespace) -> None:
    """Refuses before training what would be refused after it."""
    check_about(About.of(options))
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    from zoo.commands import repository

    rank_zero_only(repository.preflight)(options.publish, options.private)


def _publish(options: argparse.Namespace, run: Path) -> None:
    """Makes a card from the best checkpoint and publishes it."""
    from zoo.commands import card, publish

    folder, repo = run / "card", options.publish
    name, about = repo.partition("/")[2].lower(), About.of(options)
    try:
        card.make_card(run, name, folder, about, repo)
        published = publish.publish(folder, repo, private=options.private)
    except Exception as error:
        commands = [["zoo", "publish", str(folder), "--repo", repo, *(["--private"] if options.private else [])]]
        if not folder.exists():
            told = {f"--{key.replace('_', '-')}": value for key, value in vars(about).items() if value}
            words = [[flag, *([value] if isinstance(value, str) else value)] for flag, value in told.items()]
            commands.insert(0, ["zoo", "card", str(run), "--name", name, "-o", str(folder), *chain(*words)])
        raise ZooError(
            f"{str(error) or type(error).__name__}\nThe run is safe in {run}, but not published; to finish:\n"
            + " && ".join(map(shlex.join, commands))
        ) from error
    print(f"Published: {published.url}")  # noqa: T201
