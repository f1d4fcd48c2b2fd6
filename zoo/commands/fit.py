"""``zoo fit``, ``zoo validate`` and ``zoo test``: a recipe, any Lightning flag, any number of GPUs."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import re
import shlex
import shutil
import warnings
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentError
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import LightningModule

from zoo.base.errors import ZooError
from zoo.base.registry import architectures
from zoo.base.text import listing
from zoo.cards import weights
from zoo.cards.about import About, check_about
from zoo.commands import card
from zoo.commands.options import usage
from zoo.data.sampling import use_one_opencv_thread
from zoo.nn.cpu import keep_freed_memory
from zoo.training import portable, recipes
from zoo.training.checkpoints import Described, InterruptCheckpoint
from zoo.training.cli import LAST, ZooCLI

INTERRUPTED = 130  # as a shell reports SIGINT


def main(verb: str, argv: list[str]) -> int:
    """Runs ``zoo fit|validate|test``; what is not of the zoo itself goes to Lightning's own command line."""
    options, rest = _options(verb, argv)
    prepare_process()
    if publishing := getattr(options, "publish", None):
        _check_publication(publishing, options)
    elif getattr(options, "private", None):
        raise ZooError("--private goes with --publish USER/NAME")
    resume = Path(options.resume).resolve() if getattr(options, "resume", None) else None
    args, run = _config_of(verb, options, rest, resume)
    ckpt_path = getattr(options, "ckpt_path", None)
    if options.weights or resume or verb != "fit":
        args += [f"--weights={options.weights or 'null'}"]  # instead of what the recipe starts from
    if checkpoint := resume / LAST if resume else ckpt_path:
        _refuse_broken(Path(checkpoint))
    try:
        keep_config, whole = verb == "fit" and not resume, bool(resume or ckpt_path)
        cli = ZooCLI(args, run, resume, keep_config, whole)
    except (ArgumentError, MisconfigurationException, ValueError) as error:
        raise _user_error(error) from error
    if cli.start:
        new = start_from(cli.model, cli.start)
        if new and verb != "fit":
            raise ZooError(f"{cli.start} has no {new[0]} of that shape: a layer made anew is not worth a figure")
    if verb == "fit":
        return _fit(cli, resume, options)
    if not (cli.start or ckpt_path):
        raise ZooError(f"zoo {verb} needs something to {verb}: --weights NAME or --ckpt_path FILE")
    getattr(cli.trainer, verb)(cli.model, cli.datamodule, ckpt_path=ckpt_path, weights_only=True, verbose=False)
    return 0


def _options(verb: str, argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog=f"zoo {verb}", add_help=False, allow_abbrev=False)
    parser.add_argument("--recipe")
    parser.add_argument("--weights")
    if verb == "fit":
        parser.add_argument("--resume", metavar="RUN_DIR")
        parser.add_argument("--publish", metavar="USER/NAME")
        parser.add_argument("--private", action="store_true", default=None)
        card.add_arguments(parser)
    else:
        parser.add_argument("--ckpt_path")
    return parser.parse_known_args(argv)


def _config_of(verb: str, options: argparse.Namespace, rest: list[str], resume: Path | None) -> tuple[list[str], str]:
    if resume:
        return _resumed(resume, options, rest), resume.parent.name
    if options.recipe is None and not any(arg in ("-h", "--help", "--config", "-c") or ".help" in arg for arg in rest):
        raise ZooError(f"zoo {verb} needs --recipe NAME; there are {listing(recipes.names())}")
    if options.recipe is None:
        return rest, "run"
    path = recipes.find(options.recipe)
    recipes.check(path)
    return ["--config", str(path), *rest], path.stem


def _resumed(run: Path, options: argparse.Namespace, rest: list[str]) -> list[str]:
    for needed in (run / "config.yaml", run / LAST):
        if not needed.is_file():
            raise ZooError(f"{run} is no run that can be resumed: {needed.relative_to(run)} is missing")
    changed = [arg for arg in rest if arg.startswith("-") and not arg.startswith("--trainer.")]
    if changed or options.recipe or options.weights:
        what = changed[0] if changed else "another recipe or weights"
        raise ZooError(
            f"--resume continues {run.name} as it was, without {what}; a changed run is a fine-tune:\n"
            f"zoo fit --recipe NAME --weights FOLDER"
        )
    return ["--config", str(run / "config.yaml"), *rest]


def _refuse_broken(checkpoint: Path) -> None:
    if not checkpoint.is_file():
        raise ZooError(f"{checkpoint}: no such file")
    try:
        whole = "state_dict" in torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception:  # torch has no common error for what it cannot read
        whole = False
    if not whole:
        raise ZooError(f"{checkpoint}: damaged, or no checkpoint of Lightning")


def start_from(model: LightningModule, source: str) -> list[str]:
    """Copies the published weights ``source`` into the network; says in one line, and gives, which layers stay new."""
    new = weights.load_matching(model.net, source)  # type: ignore[arg-type]
    print(f"Weights of {source}; made anew: {', '.join(new) or 'nothing'}")  # noqa: T201
    return new


def _fit(cli: ZooCLI, resume: Path | None, options: argparse.Namespace) -> int:
    trainer = cli.trainer
    if options.publish and not (trainer.checkpoint_callback and (trainer.logger or options.samples)):
        raise ZooError("--publish needs checkpoints and a logger, which keeps pictures, or --samples PICTURE ...")
    # not trainer.log_dir, which waits for the other ranks
    run = Path(os.path.relpath(getattr(trainer.logger, "log_dir", None) or trainer.default_root_dir))
    fresh = not run.exists()
    trainer.callbacks.append(Described(_description(cli, run)))  # type: ignore[attr-defined]
    if trainer.checkpoint_callback:
        on_exception = InterruptCheckpoint(run / LAST.parent, LAST.stem)
        trainer.callbacks.append(on_exception)  # type: ignore[attr-defined]
    try:
        trainer.fit(cli.model, cli.datamodule, ckpt_path=str(resume / LAST) if resume else None, weights_only=True)
    except SystemExit:  # what Lightning makes of Ctrl-C, once it has shut down
        print(f"Stopped. It goes on with: zoo fit --resume {run}")  # noqa: T201
        return INTERRUPTED
    except ZooError:
        if fresh and not (run / LAST.parent).exists():
            _remove_run(run)
        raise
    best = getattr(trainer.checkpoint_callback, "best_model_path", "")
    if best:
        trainer.validate(cli.model, cli.datamodule, ckpt_path=best, weights_only=True, verbose=False)
        # what was measured: weight averaging has swapped the weights of the last step back in
        cli.model.load_state_dict(torch.load(best, map_location="cpu", weights_only=True)["state_dict"])
    if trainer.is_global_zero:
        _leave_results(cli, run)
        if options.publish:
            _publish(options, run)
    return 0


def _description(cli: ZooCLI, run: Path) -> dict[str, Any]:
    """What checkpoints say of their run, for ``zoo card``."""
    recipe, config = portable.text(cli, run.parent.name), portable.resolved(cli)
    return {"architecture": type(cli.model).__module__.split(".")[2], "recipe": recipe, "config": config}


def _check_publication(repo: str, options: argparse.Namespace) -> None:
    """Refuses before the training what would be refused after it."""
    check_about(About.of(options))
    if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
        from zoo.commands import publish

        publish.preflight(repo, options.private)


def _publish(options: argparse.Namespace, run: Path) -> None:
    """Exports the best checkpoint and publishes it."""
    from zoo.commands import publish

    folder, repo = run / "card", options.publish
    name, about = repo.partition("/")[2].lower(), About.of(options)
    try:
        card.make_card(run, name, folder, about, samples=options.samples, repo=repo)
        published = publish.publish(folder, repo, private=options.private)
    except Exception as error:
        commands = [["zoo", "publish", str(folder), "--repo", repo, *(["--private"] if options.private else [])]]
        if not folder.exists():
            told = {key: getattr(options, key) for key in (*vars(about), "samples") if getattr(options, key)}
            words = [[f"--{key.replace('_', '-')}", *([v] if isinstance(v, str) else v)] for key, v in told.items()]
            commands.insert(0, ["zoo", "card", str(run), "--name", name, "-o", str(folder), *chain(*words)])
        raise ZooError(
            f"{str(error) or type(error).__name__}\nThe run is safe in {run}, but not published; what is left to do:\n"
            + " && ".join(map(shlex.join, commands))
        ) from error
    print(f"Published: {published.url}")  # noqa: T201


def _remove_run(run: Path) -> None:
    """Takes away the folder of a run that never began, and those above it that were made for it."""
    shutil.rmtree(run, ignore_errors=True)
    with contextlib.suppress(OSError):  # other runs are in it
        run.parent.rmdir()
        run.parent.parent.rmdir()


def _leave_results(cli: ZooCLI, run: Path) -> None:
    """Puts the network where ``zoo predict`` and ``--weights`` find it, and says what lies where."""
    name = type(cli.model).__module__.split(".")[2]
    declared = architectures()[name]
    about = {"recipe": f"{run.parent.name}.yaml", "data": type(cli.datamodule).__name__, "input": declared.input}
    weights.save(cli.model.net, run / "model", name, cli.model.arguments, **about)
    sheets = sorted((run / "pictures").glob("*.png"))
    results = {"Pictures": sheets[-1]} if sheets else {}
    if leave := getattr(cli.model, "leave_results", None):
        results = leave(run)
    for what, where in {
        "Model": f"{run / 'model'}  (zoo predict {run / 'model'} {usage(declared)} -o OUT)",
        **results,
        "Run": run,
    }.items():
        print(f"{what + ':':<9} {where}")  # noqa: T201


def prepare_process() -> None:
    """Quiets what users can't act on and sets memory up for training."""
    keep_freed_memory()
    use_one_opencv_thread()
    for text in (
        "LightningCLI's args parameter",
        "does not have many workers",
        "The number of training batches",
        "was called without a model",  # the one given is meant
        "there is no last checkpoint available",  # there is none before the first epoch
        "`isinstance\\(treespec, LeafSpec\\)` is deprecated",
    ):
        warnings.filterwarnings("ignore", f".*{text}")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("timm.models._builder").setLevel(logging.ERROR)  # lists the classifier a features net leaves out


def _user_error(error: Exception) -> ZooError:
    """What the user should know of jsonargparse's error, which wraps ours and repeats the whole usage."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ZooError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return ZooError(" ".join(re.sub(r"<class '(.*?)'>|typing\.", r"\1", _said(error)).split()))


def _said(error: BaseException) -> str:
    """The innermost of jsonargparse's chained messages that says what was expected of which key."""
    chain: BaseException | None = error
    messages = []
    while chain is not None:
        messages.append(str(chain))
        chain = chain.__cause__ or chain.__context__
    for message in reversed(messages):
        if refused := re.search(r"(Option|Key) '.*' is not accepted", message):
            return f"{refused[0]}; see zoo fit --help"
        if re.match(r"Parser key .*:\s+Expected", message):
            return message.removeprefix("Parser key ")
    return messages[-1].splitlines()[0]
