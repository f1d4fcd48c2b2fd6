"""The work of ``zoo benchmark`` after its options are parsed."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from zoo.base import __version__
from zoo.base.bounds import check_count
from zoo.base.errors import ZooError
from zoo.benchmark import measuring, report
from zoo.benchmark.candidates import ALL, candidates, known
from zoo.benchmark.measuring import Measured
from zoo.cards.card import read_card
from zoo.cards.speeds import ENGINE, machine_of, put_on_card
from zoo.commands.terminal import table
from zoo.models.evaluation import Speed


def run(options: argparse.Namespace) -> int:
    """Checks the options, measures, prints, and writes what is asked for."""
    for name in ("rounds", "threads"):
        check_count(f"--{name}", getattr(options, name), "must be a number from 1 to 1000", most=1000)
    plot = _plot(options.plot) if options.plot else None
    batches = [_number("--batch", text) for text in options.batch.split(",")]
    sizes = [text.strip() for text in options.sizes.split(",")] if options.sizes else []
    models = list(dict.fromkeys(options.models))
    engines = options.engines or (ALL if options.write else "torch,onnx")
    asked = candidates(models, known(engines), sizes, batches, _device(options.device))
    if options.write:
        _check_writable(models, batches)
    first = report.baseline_of(asked, options.baseline)
    if plot:
        report.check_plot(asked)
    say = _say if options.form != "table" else print
    found = measuring.measure(asked, options.rounds, options.threads, say)
    baseline = next((each for each in found if each.candidate is first), found[0])
    _print(found, baseline, options)
    if plot:
        report.plot(found, plot)
        say(f"Plot: {plot}")
    if options.write:
        for name in models:
            _write(name, found, options)
            say(f"Card: {read_card(name).folder}")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201  standard output has the table alone


def _number(option: str, text: str) -> int:
    if not text.strip().isdecimal():
        raise ZooError(f"{option} takes numbers such as 1,8, not {text!r}")
    return int(text)


def _device(name: str) -> str:
    if name != "cpu":
        from zoo.nn.device import usable_device  # torch takes seconds to import

        usable_device(name)
    return name


def _plot(name: str) -> Path:
    path = Path(name).expanduser()
    if path.suffix.lower() != ".png" or path.is_dir():
        raise ZooError(f"--plot takes the name of a PNG file, not {name}")
    if not path.absolute().parent.is_dir():
        raise ZooError(f"--plot: there is no folder {path.parent}")
    return path


def _print(found: Sequence[Measured], baseline: Measured, options: argparse.Namespace) -> None:
    about = {"zoo": __version__, "machine": machine_of(options.threads, platform.platform()), "rounds": options.rounds}
    text = {
        "table": lambda: table([report.HEAD, *report.rows(found, baseline)]),
        "markdown": lambda: report.as_markdown(found, baseline),
        "csv": lambda: report.as_csv(found, baseline),
        "json": lambda: report.as_json(found, baseline, about),
    }[options.form]()
    print(text)  # noqa: T201


def _check_writable(models: Sequence[str], batches: Sequence[int]) -> None:
    if 1 not in batches:
        raise ZooError("--write: cards tell times of one picture; leave out --batch")
    for name in models:
        folder = read_card(name).folder
        if not (folder / "results.json").is_file() or not os.access(folder, os.W_OK):
            raise ZooError(f"--write: {folder} is no card that can be written to")


def _write(name: str, found: Sequence[Measured], options: argparse.Namespace) -> None:
    """Puts the medians on a card, each with its number of rounds and spread."""
    card, machine = read_card(name), machine_of(options.threads, f"zoo {__version__}", options.device)
    own = [each for each in found if each.candidate.name == card.name and each.candidate.shape[0] == 1]
    rows = [
        Speed(
            what=f"{ENGINE}{each.candidate.size}, {each.runtime}, {each.candidate.how}"
            f"{', as loaded' * (each.candidate.engine == 'torch')}",
            ms=round(1000 * each.median, 1),
            machine=machine,
            how=f"zoo benchmark: median of {options.rounds} rounds, ± {100 * each.spread:.1f} %",
        )
        for each in own
    ]
    if rows:
        put_on_card(card.folder, rows, engines=True)
