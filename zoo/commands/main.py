"""The command ``zoo``. What a verb needs is imported when it is called: list, info and help need no torch."""

from __future__ import annotations

import argparse
import errno
import importlib
import re
import sys
import traceback
from collections.abc import Sequence

from zoo.base import __version__
from zoo.base.errors import ZooError
from zoo.base.processes import first_to_tell
from zoo.base.text import causes, did_you_mean, first_line, printable, shortened
from zoo.commands.terminal import Lasting, Parser, lasting_output
from zoo.hub import client
from zoo.hub.errors import redact

DISTRIBUTION = "lightning-zoo"
NAMES = {"PIL": "pillow", "cv2": "opencv-python-headless"}  # packages whose modules have another name
USER_ERROR = 2
BUG = 70  # EX_SOFTWARE of sysexits.h; 1 is the verdict of `zoo evaluate`
INTERRUPTED = 130  # as a shell reports SIGINT
BROKEN_PIPE = 141  # as a shell reports SIGPIPE
OF_DEVICES = (errno.EIO, errno.ESTALE, errno.ENXIO, errno.ENODEV)  # the system names no file for these
MAX_LINE = 300  # characters of a message's first line, which repeats what was given

VERBS = {  # what each does, and the function in zoo.commands that is imported when it is called
    "fit": ("train: zoo fit --recipe NAME", "fit:main"),
    "validate": ("run the validation of a recipe on a checkpoint", "fit:main"),
    "test": ("run the test of a recipe on a checkpoint", "fit:main"),
    "doctor": ("check the installation, or recipe and data before training: zoo doctor [RECIPE]", "doctor:main"),
    "runs": ("list trainings and how far they are: zoo runs [FOLDER]", "runs:main"),
    "benchmark": ("measure how fast models are here: zoo benchmark NAME ...", "benchmark:main"),
    "compare": ("put runs and cards side by side: zoo compare RUN|NAME ...", "compare:main"),
    "evaluate": ("measure what a card claims: zoo evaluate NAME", "evaluate:main"),
    "predict": ("run a model on pictures: zoo predict NAME FILES -o OUT", "predict:main"),
    "export": ("write a model for other runtimes: zoo export NAME --to onnx|openvino|torch", "export:main"),
    "demo": ("try models in a browser: zoo demo [NAME ...] -o DIR, or --serve", "demo:main"),
    "card": ("make a card from a run: zoo card RUN_DIR --name NAME", "card:main"),
    "publish": ("publish a card on the Hub: zoo publish NAME|DIR --repo USER/NAME", "publish:main"),
    "pull": ("fetch a model and verify it: zoo pull USER/NAME[@REVISION]", "pull:main_pull"),
    "bundle": ("pack a model into one file: zoo bundle NAME -o FILE.zip", "pull:main_bundle"),
    "collect": ("fetch pictures to train on: zoo collect LIST|PAGE|CATALOGUE:QUERY -o DIR", "collect:main"),
    "list": ("list the models with weights: zoo list [PATTERN]", "show:main_list"),
    "info": ("show what is known about a model: zoo info NAME", "show:main_info"),
    "completion": ("complete command lines: zoo completion bash|zsh|fish", "completion:run"),
}
MEANT = {  # names of the verbs elsewhere
    "fit": ("train", "training", "finetune", "resume"),
    "validate": ("val", "valid", "validation"),
    "doctor": ("check", "diagnose", "verify"),
    "evaluate": ("eval",),
    "benchmark": ("bench", "speed", "profile"),
    "predict": ("infer", "inference"),
    "publish": ("push", "upload"),
    "pull": ("download", "get"),
    "collect": ("crawl", "scrape"),
    "list": ("ls", "models"),
    "info": ("show",),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: arguments after the program's name; None: the arguments of the process.

    Returns:
        Exit code: 0; 1 if a measured figure is out of its tolerance; 2 for a user error; 3 if a claim was not
        compared; 70 for a bug in zoo; 130 after Ctrl-C; 141 if the reader of the output went away.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)  # a copy: DDP starts its processes from sys.argv
    debug = "--debug" in arguments
    with lasting_output() as output:
        try:
            code = run([argument for argument in arguments if argument != "--debug"])
        except (Exception, KeyboardInterrupt) as error:
            if debug:
                print(printable(redact(traceback.format_exc()), keep="\n"), file=sys.stderr)  # noqa: T201
            code, text = _explain(error)
            if code != USER_ERROR or first_to_tell(text):
                first, newline, way_out = printable(f"zoo: {redact(text)}", keep="\n").partition("\n")
                print(shortened(first, MAX_LINE) + newline + way_out, file=sys.stderr)  # noqa: T201
        return code or _judge(output)


def _judge(output: Lasting) -> int:
    """Exit code of a verb that did its work: it depends on whether the output could be written."""
    output.flush()
    if output.lost is None:
        return 0
    if isinstance(output.lost, BrokenPipeError):
        return BROKEN_PIPE
    told = f"zoo: error: standard output: {output.lost.strerror}; the work is done, but part of the output is lost"
    print(told, file=sys.stderr)  # noqa: T201
    return USER_ERROR


def _explain(error: BaseException) -> tuple[int, str]:
    """Exit code and message of what went wrong."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted"
    for cause in causes(error):  # an error in a recipe's class comes wrapped in another
        if isinstance(cause, ModuleNotFoundError) and (package := _required(cause.name or "")):
            return USER_ERROR, f"error: this needs {package}, which is not installed: pip install {DISTRIBUTION}"
    if isinstance(error, ZooError):
        return USER_ERROR, f"error: {error}"
    for cause in causes(error):  # the writer of checkpoints wraps the system's error
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return USER_ERROR, f"error: no space left on {cause.filename or 'the device that is written to'}"
    if isinstance(error, OSError) and (error.filename is not None or error.errno in OF_DEVICES):
        return USER_ERROR, f"error: {error.filename or 'a file or device that is used'}: {error.strerror}"
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop"):  # Path.resolve, before Python 3.13
        return USER_ERROR, f"error: {error}"
    told = f"bug: {type(error).__name__}: {first_line(error)}"
    return BUG, f"{told}\nrun the same with --debug to see where, and please report it"


def _required(module: str) -> str:
    """The package of a module that the zoo requires but a light installation lacks; empty for any other module."""
    from importlib import metadata  # takes a while to import

    package = module.partition(".")[0]
    package = NAMES.get(package, package)
    try:
        needed = [each for each in metadata.requires(DISTRIBUTION) or () if "extra ==" not in each]
    except metadata.PackageNotFoundError:  # a checkout that is not installed
        return ""
    known = {re.split(r"[^\w.-]", each)[0].replace("-", "_"): each for each in needed}
    return package if package.replace("-", "_") in known else ""


def run(arguments: list[str]) -> int:
    """Calls the function of a verb; help and version end in SystemExit, errors are raised."""
    own = next((index for index, argument in enumerate(arguments) if not argument.startswith("-")), len(arguments))
    parser = _parser()
    _, unknown = parser.parse_known_args(arguments[:own])  # help and version end here; the rest belongs to the verb
    if unknown:
        near = did_you_mean(unknown[0], parser.options) or f"; options go after the verb: zoo VERB {unknown[0]}"
        raise ZooError(f"zoo itself has no option {unknown[0]}{near}\nsee zoo --help")
    if own == len(arguments):
        raise ZooError(f"a verb is required: {', '.join(VERBS)}\nsee zoo --help")
    verb, rest = arguments[own], arguments[own + 1 :]
    if verb not in VERBS:
        meant = next((right for right, names in MEANT.items() if verb in names), None)
        near = f"; did you mean {meant}?" if meant else did_you_mean(verb, [*VERBS, *parser.options])
        raise ZooError(f"no verb {verb!r}{near}\nthere are: {', '.join(VERBS)}")
    client.set_up_process()
    module, _, name = VERBS[verb][1].partition(":")
    function = getattr(importlib.import_module(f"zoo.commands.{module}"), name)
    return function(verb, rest) if module == "fit" else function(rest)


def _parser() -> Parser:
    verbs = "\n".join(f"  {verb:<12}{text}" for verb, (text, _) in VERBS.items())
    parser = Parser(
        prog="zoo",
        usage="zoo [--version] [--debug] VERB ...",
        description=f"A zoo of vision architectures on Lightning.\n\nverbs:\n{verbs}",
        epilog="zoo VERB --help lists its options. Exit codes: 0; 1 if evaluate finds a figure out of its tolerance;\n"
        "2 for a user error; 3 if evaluate leaves a claim uncompared; 70 for a bug in zoo; 130 after Ctrl-C.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"zoo {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error; may follow the verb")
    return parser


if __name__ == "__main__":
    sys.exit(main())
