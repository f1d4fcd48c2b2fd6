"""``zoo doctor``: checks of this installation, or of a recipe and its data before any training."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import textwrap
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.text import printable
from zoo.commands import fit
from zoo.commands.terminal import Parser
from zoo.doctor.findings import LEVELS, Finding, Report, some
from zoo.training import recipes
from zoo.training.keys import Keys, pairs

SHOWN = 3  # names of a finding that are shown
WIDTH = 100  # columns of text
TITLE = 12  # columns of a title
FAULTY = 1  # exit code where something is wrong


def main(argv: list[str]) -> int:
    """Runs ``zoo doctor``; returns 1 where something is wrong."""
    debug = "--debug" in sys.argv
    parser = parser_of()
    options, given = parser.parse_known_args(argv)
    report = Report() if options.json else Report(_tell)
    with redirect_stdout(sys.stderr if options.json else sys.stdout):
        _examine(parser, options, given, report)
    if options.json:
        print(json.dumps(report.to_dict(), indent=2, default=str))  # noqa: T201
    else:
        print("\n".join([*_lines(report), *_next(report, options, argv)]))  # noqa: T201
    for error in report.failures if debug else ():
        traceback.print_exception(error)
    return 0 if report.ok else FAULTY


def parser_of() -> Parser:
    """The options of the verb; those of recipes are taken as ``zoo fit`` takes them."""
    parser = Parser(
        prog="zoo doctor",
        usage="zoo doctor [RECIPE] [options] [--KEY VALUE ...]",
        description="Without a recipe: checks this installation. With one: checks recipe, data and model before\n"
        "training. Every file is read; only a sheet of samples is written.",
        epilog="options of zoo fit, such as --data.root FOLDER, are taken too. Exit codes: 0; 1 if there is an error;\n"
        "2 for wrong usage.",
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=28),
    )
    parser.add_argument("--recipe", metavar="NAME", help="the same as RECIPE: an installed recipe, or a file")
    parser.add_argument("--weights", metavar="NAME", help="start from a model, a folder or a safetensors file")
    parser.add_argument("--data-only", action="store_true", help="check recipe and files, without steps of the network")
    parser.add_argument("--all", action="store_true", help="look at every picture, also of more than 4000")
    parser.add_argument("--sheet", metavar="FILE.png", help="sheet of samples (default: runs/doctor/RECIPE.png)")
    parser.add_argument("--json", action="store_true", help="print facts and findings as JSON, with all file names")
    return parser


def _examine(parser: Parser, options: argparse.Namespace, given: list[str], report: Report) -> None:
    place = _place_of_recipe(given)
    if options.recipe and place is not None:
        raise ZooError(f"two recipes, {options.recipe} and {given[place]}: give one")
    name = options.recipe if place is None else given.pop(place)
    if not name:
        own = ("weights", "data_only", "all", "sheet")
        if wrong := [*given, *(f"--{key.replace('_', '-')}" for key in own if getattr(options, key))]:
            raise ZooError(f"{wrong[0]} needs a recipe: zoo doctor RECIPE; zoo doctor alone checks the installation")
        from zoo.doctor.machine import examine_machine

        examine_machine(report)
        return
    of_fit, given = fit.parser_of("fit").parse_known_args(given)  # so that the words of a training can be pasted
    if of_fit.resume:
        raise ZooError("--resume goes on with a run that was checked; zoo doctor checks a recipe: zoo doctor RECIPE")
    sheet = Path(options.sheet or Path("runs", "doctor", f"{Path(name).stem}.png"))
    if sheet.suffix.lower() != ".png":
        raise ZooError(f"--sheet {sheet}: a sheet is a PNG, name it FILE.png")
    path = recipes.find(name)
    keys = Keys("doctor", parser.options, path, given)
    recipes.check_given(pairs(given))
    words = [*given, *([f"--weights={options.weights}"] if options.weights else [])]
    try:
        recipes.check(path)
    except ZooError as error:
        what, _, do = str(error).partition("\n")
        report.findings.append(Finding("recipe", "error", what, do or "mend this line", (str(path),)))
        return
    keys.check()
    _of_recipe(path, words, options, sheet, report)


def _place_of_recipe(given: Sequence[str]) -> int | None:
    """Where the word lies that belongs to no option, as :func:`zoo.training.keys.pairs` reads them."""
    place = 0
    while place < len(given):
        word, after = given[place], given[place + 1 : place + 2]
        if not word.startswith("-"):
            return place
        place += 1 if "=" in word or not after or after[0].startswith("--") else 2
    return None


def _of_recipe(path: Path, words: list[str], options: argparse.Namespace, sheet: Path, report: Report) -> None:
    from zoo.doctor.examine import examine
    from zoo.doctor.listing import MOST
    from zoo.doctor.recipe import Examined
    from zoo.training import run

    run.prepare_process()
    try:
        examined = Examined(["--config", str(path), *words], path.stem)
    except ZooError as error:
        if words and _reads(path):
            raise  # the command line is wrong, not the recipe
        what, _, do = str(error).partition("\n")
        report.findings.append(Finding("recipe", "error", what, do or "see zoo fit --help.data", (str(path),)))
        return
    report.fact("recipe", str(path), f"{path}: keys and types are right")
    examine(examined, report, sheet, not options.data_only, sys.maxsize if options.all else MOST)


def _reads(path: Path) -> bool:
    """Whether a recipe alone has right values."""
    from zoo.doctor.recipe import Examined

    try:
        Examined(["--config", str(path)], path.stem)
    except ZooError:
        return False
    return True


def _tell(title: str, lines: Sequence[str]) -> None:
    """Prints a fact as soon as it is known."""
    for number, line in enumerate(lines):
        print(f"{'' if number else title:<{TITLE}} {printable(line)}", flush=True)  # noqa: T201


def _lines(report: Report) -> list[str]:
    """The findings, the worst first, and a sum."""
    lines = [""]
    for each in report.sorted():
        lines += _wrapped(f"{each.level:<{TITLE}} {each.what} [{each.check}]")
        if each.where:
            more = f" and {len(each.where) - SHOWN} more" if len(each.where) > SHOWN else ""
            names = [printable(name.replace(f"{Path.cwd()}/", "")) for name in each.where[:SHOWN]]
            lines += [f"{'':<{TITLE}} {name}" for name in [*names[:-1], names[-1] + more]]
        lines += _wrapped(f"{'':<{TITLE}} -> {each.do}") if each.do else []
    counts = [some(report.count(level), level) for level in LEVELS]
    total = "Nothing is wrong." if not report.findings else ", ".join(counts)
    named = any(len(each.where) > SHOWN for each in report.findings)
    return [*(lines if report.findings else [""]), total + (" (--json lists all names)" if named else "")]


def _next(report: Report, options: argparse.Namespace, argv: Sequence[str]) -> list[str]:
    """The command that trains, where nothing is in its way."""
    if not report.ok or "recipe" not in report.facts:
        return []
    own = [word for word in argv if word not in ("--data-only", "--all")]
    if options.sheet:
        own = [word for word in own if word not in ("--sheet", options.sheet, f"--sheet={options.sheet}")]
    if not options.recipe and (place := _place_of_recipe(own)) is not None:
        own.insert(place, "--recipe")
    return [f"Train: {shlex.join(['zoo', 'fit', *own])}"]


def _wrapped(text: str) -> list[str]:
    indent = " " * (TITLE + 1)
    return textwrap.wrap(
        printable(text), WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False,
        drop_whitespace=True,
    )  # fmt: skip
