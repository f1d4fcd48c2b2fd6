"""``zoo completion bash|zsh|fish``: a script that completes verbs, models, recipes and options.

The script asks ``zoo completion --words`` for the possible last words of a line. The command runs at every press of a
key, so nothing here imports torch: keyword arguments of predictors and evaluators are read from their source.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout, suppress
from importlib.util import find_spec
from pathlib import Path

from zoo.base.registry import architectures, card_names
from zoo.commands import main
from zoo.commands.terminal import Parser
from zoo.training import recipes

SCRIPTS = {
    "bash": """\
# eval "$(zoo completion bash)", for example in ~/.bashrc
_zoo() {
    local IFS=$'\\n'
    COMPREPLY=($("$1" completion --words "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _zoo zoo
""",
    "zsh": """\
#compdef zoo
# eval "$(zoo completion zsh)", for example in ~/.zshrc after compinit
_zoo() {
    local -a found
    found=(${(f)"$("${words[1]}" completion --words "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( $#found )); then compadd -a found; else _files; fi
}
compdef _zoo zoo
""",
    "fish": """\
# zoo completion fish > ~/.config/fish/completions/zoo.fish
function __zoo_words
    set -l line (commandline -opc) (commandline -ct)
    $line[1] completion --words $line[2..-1] 2>/dev/null
end
complete -c zoo -a '(__zoo_words)'
""",
}
OPTION = re.compile(r"^  (?:-\w(?: \S+)?, )?(--[\w.-]+)", re.MULTILINE)  # an option at the start of a line of help
# verbs that a model's name follows
OF_MODELS = ("bundle", "demo", "evaluate", "export", "info", "predict", "publish", "pull")


def run(argv: list[str]) -> int:
    """Prints the script for a shell, or the possible last words of a line."""
    if argv[:1] == ["--words"]:
        print("\n".join(words(argv[1:])))  # noqa: T201
        return 0
    parser = Parser(
        prog="zoo completion",
        description="Prints a script that completes verbs, models, recipes and options in a shell.",
        epilog='In bash: eval "$(zoo completion bash)"',
    )
    parser.add_argument("shell", choices=SCRIPTS)
    print(SCRIPTS[parser.parse_args(argv).shell], end="")  # noqa: T201
    return 0


def words(line: Sequence[str]) -> list[str]:
    """The possible last words of a line.

    Args:
        line: words of the line after ``zoo``. The last is the beginning of the word to complete, and may be empty.
            ``=`` is a separate word, as in bash.
    """
    complete = [*line, ""] if line[-1:] in ([], ["="]) else line
    *before, last = [word for word in complete if word != "="]
    own = next((place for place, word in enumerate(before) if not word.startswith("-")), None)
    if own is None:
        found: Iterable[str] = [*main.VERBS, "--help", "--version", "--debug"]
    else:
        found = _after(before[own], before[own + 1 :], last)
    return [word for word in found if word.startswith(last)]


def _after(verb: str, before: list[str], last: str) -> list[str]:
    """The possible words after a verb and the words that follow it."""
    name, equals, _ = last.partition("=")
    option = name if equals else before[-1] if before else ""
    values = {
        "--recipe": recipes.names,
        "--weights": _models,
        "--help.model": architectures,
        "--help.data": architectures,
    }
    if option in values:
        return [f"{name}={value}" if equals else value for value in values[option]()]
    if last.startswith("-"):
        return options(verb, before[0] if before else "")
    if before:
        return []  # a file, which shells complete themselves
    if verb == "doctor":
        return recipes.names()
    return list(SCRIPTS) if verb == "completion" else _models() if verb in OF_MODELS else []


def options(verb: str, model: str = "") -> list[str]:
    """The options that the help of a verb shows, and the options of a model."""
    output = io.StringIO()
    with redirect_stdout(output), suppress(SystemExit):
        main.run([verb, "--help"])
    found = [*OPTION.findall(output.getvalue()), "--debug"]
    declared = next((each for name, each in architectures().items() if model in (name, *each.weights)), None)
    if declared and verb == "predict":
        found += keywords(declared.predictor, declared.inputs, "predict")
        found += keywords(declared.result, ("destination",), "save") if declared.result else []
        found += ["--chain"] if declared.chain else []
        found += ["--steady"] if declared.steady else []
    if declared and verb == "evaluate":
        found += keywords(declared.evaluate, ("net", "data", "context"))
    return list(dict.fromkeys(found))


def keywords(path: str, skip: Iterable[str], method: str = "") -> list[str]:
    """The options for the arguments of a function, or of a method of a class; callbacks have no option.

    The arguments are read from the source, since importing the module may take seconds.
    """
    module, _, name = path.rpartition(".")
    spec = find_spec(module)
    body = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body if spec and spec.origin else []
    for wanted in filter(None, (name, method)):
        node = next((each for each in body if getattr(each, "name", None) == wanted), None)
        body = getattr(node, "body", [])
    given = [*node.args.args, *node.args.kwonlyargs] if isinstance(node, ast.FunctionDef) else []
    kept = (each for each in given if each.arg not in ("self", *skip) and "Callable" not in ast.dump(each))
    return [f"--{each.arg.replace('_', '-')}" for each in kept]


def _models() -> list[str]:
    return [*card_names(), *architectures()]
