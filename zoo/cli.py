"""The command ``zoo``. What a verb needs is imported when it is called: list, info and help need no torch."""

from __future__ import annotations

import argparse
import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from zoo import __version__
from zoo.arguments import Parser
from zoo.errors import ZooError
from zoo.files import did_you_mean

USER_ERROR = 2
BUG = 70  # EX_SOFTWARE of sysexits.h; 1 is the verdict of `zoo evaluate`
INTERRUPTED = 130  # as a shell reports SIGINT
BROKEN_PIPE = 141  # and SIGPIPE

VERBS = {
    "fit": "train: zoo fit --recipe NAME",
    "validate": "run the validation of a recipe on a checkpoint",
    "test": "run the test of a recipe on a checkpoint",
    "evaluate": "measure what a card claims: zoo evaluate NAME",
    "predict": "run a model on pictures: zoo predict NAME FILES -o OUT",
    "list": "the models with weights: zoo list [PATTERN]",
    "info": "what is known about one: zoo info NAME",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: arguments after the program's name; those of the process if None.

    Returns:
        Exit code: 0, 1 where a measured figure is out of its tolerance, 2 for an error of the user, 70 for a bug in
        zoo, 130 after Ctrl-C, 141 where the reader of the output went away.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)  # a copy: DDP starts its processes from sys.argv
    debug = "--debug" in arguments
    if sys.stdout is None:  # closed by the shell
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
    try:
        code = _run([argument for argument in arguments if argument != "--debug"])
        sys.stdout.flush()  # a broken pipe shows here, not at exit
        return code
    except BrokenPipeError:
        _discard_unwritten()
        return BROKEN_PIPE
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        code, text = _explain(error)
        print(f"zoo: {text}", file=sys.stderr)  # noqa: T201
        _discard_unwritten()
        return code


def _discard_unwritten() -> None:
    """Drops output that cannot be written, or Python would complain of it once more at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _explain(error: BaseException) -> tuple[int, str]:
    """Exit code and message of what went wrong."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted"
    if isinstance(error, ZooError):
        return USER_ERROR, f"error: {error}"
    for cause in _causes(error):  # what writes checkpoints wraps the system's error in its own
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return USER_ERROR, f"error: no space left on {cause.filename or 'the device that is written to'}"
    if isinstance(error, OSError) and error.filename is not None:
        return USER_ERROR, f"error: {error.filename}: {error.strerror}"
    summary = (str(error).splitlines() or [""])[0]
    return BUG, f"bug: {type(error).__name__}: {summary}\nrun the same with --debug to see where, and please report it"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _run(arguments: list[str]) -> int:
    own = next((index for index, argument in enumerate(arguments) if not argument.startswith("-")), len(arguments))
    _parser().parse_args(arguments[:own])  # help and version end here; the rest belongs to the verb
    if own == len(arguments):
        raise ZooError(f"which verb? there are: {', '.join(VERBS)}\nsee zoo --help")
    verb, rest = arguments[own], arguments[own + 1 :]
    if verb in ("fit", "validate", "test"):
        from zoo import fit

        return fit.main(verb, rest)
    if verb == "evaluate":
        from zoo import evaluate

        return evaluate.main(rest)
    if verb == "predict":
        from zoo import predict

        return predict.main(rest)
    light: dict[str, Callable[[list[str]], int]] = {"list": _list, "info": _info}
    if verb in light:
        return light[verb](rest)
    raise ZooError(f"no verb {verb!r}{did_you_mean(verb, VERBS)}\nthere are: {', '.join(VERBS)}")


def _parser() -> Parser:
    verbs = "\n".join(f"  {verb:<10}{text}" for verb, text in VERBS.items())
    parser = Parser(
        prog="zoo",
        usage="zoo [--version] [--debug] VERB ...",
        description=f"A zoo of vision architectures on Lightning.\n\nverbs:\n{verbs}",
        epilog="zoo VERB --help says more. Exit codes: 0; 1 where evaluate finds a figure out of its tolerance;\n"
        "2 for an error to correct; 70 for a bug in zoo; 130 after Ctrl-C.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"zoo {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error; goes after a verb too")
    return parser


def _list(arguments: list[str]) -> int:
    from zoo import cards

    parser = Parser(prog="zoo list", description="Lists the models with weights.", allow_abbrev=False)
    parser.add_argument("pattern", nargs="?", default="*", help="a shell pattern, such as 'linknet*'")
    pattern = parser.parse_args(arguments).pattern
    rows = [("name", "architecture", "task", "main figure", "size")]
    for card in map(cards.read, cards.names(pattern)):
        figure = cards.figure_text(card.figures[0]) if card.figures else "not measured"
        rows.append((card.name, card.config.get("architecture", ""), card.task, figure, card.size))
    if len(rows) == 1:
        raise ZooError(f"no model matches {pattern!r}\nthere are: {', '.join(cards.names()) or 'none'}")
    _print_aligned(rows)
    return 0


def _info(arguments: list[str]) -> int:
    from zoo import cards
    from zoo.registry import architectures

    parser = Parser(prog="zoo info", description="Says what is known about a model.", allow_abbrev=False)
    parser.add_argument("name", help="of a model or an architecture, or a folder")
    card = cards.read(parser.parse_args(arguments).name)
    architecture = card.config.get("architecture", "")
    known = architectures().get(architecture)
    rows = [
        ("name", card.name),
        ("architecture", architecture),
        ("task", card.task),
        ("paper", known.paper if known else ""),
        ("parameters", f"{card.results['parameters']:,}" if "parameters" in card.results else ""),
        ("MACs", cards.macs_text(card.results.get("macs", {}))),
        ("input", card.config.get("input", "")),
        ("labels", ", ".join(card.config.get("arguments", {}).get("labels") or ())),
        ("licence", str(card.front.get("license", ""))),
        *(("figure", cards.figure_text(figure)) for figure in card.figures),
        ("size", card.size if card.size == "none" else f"{card.size} {_dtype(card.config)}"),
        ("folder", str(card.folder)),
    ]
    _print_aligned([row for row in rows if row[1]])
    return 0


def _dtype(config: Mapping[str, Any]) -> str:
    return config.get("weights", {}).get("dtype", "")


def _print_aligned(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
