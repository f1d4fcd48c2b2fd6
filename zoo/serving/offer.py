"""What visitors may do with a model: its pictures and options, and the command line that they come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from zoo.base.text import printable
from zoo.serving.limits import RefusedError

LONGEST = 200  # characters of a text


@dataclass(frozen=True)
class Field:
    """An option of ``zoo predict`` that visitors may set.

    Args:
        name: name of the option, without dashes before it.
        kind: kind of its value.
        help: what it does.
        choices: the values of a choice, the names that a blend has weights of, or suggestions for a text.
        default: value that an empty field stands for, as a text.
        low: least number; None: any.
        high: largest number; None: any.
        whole: whether the number is whole.
        preset: whether the default is the server's own, which the verb has to be told.
    """

    name: str
    kind: Literal["number", "choice", "blend", "tick", "text"]
    help: str
    choices: tuple[str, ...] = ()
    default: str = ""
    low: float | None = None
    high: float | None = None
    whole: bool = False
    preset: bool = False

    def word(self, value: Any) -> str | None:
        """The option as a word of a command line; None where the value is left at its default.

        Raises:
            RefusedError: the value is of another kind or out of range.
        """
        if value is None or value is False or value == "":
            return f"--{self.name}={self.default}" if self.preset else None
        if self.kind == "tick" and value is True:
            return f"--{self.name}"
        if self.kind == "number" and self._is_number(value):
            return f"--{self.name}={value}"
        if self.kind in ("choice", "blend") and isinstance(value, str) and value in self.choices:
            return f"--{self.name}={value}"
        if self.kind == "blend" and self._is_blend(value):
            return f"--{self.name}={{{', '.join(f'{name}: {weight:g}' for name, weight in value.items())}}}"
        if self.kind == "text" and isinstance(value, str) and len(value) <= LONGEST and value.isprintable():
            return f"--{self.name}={value}"
        raise RefusedError(400, f"The option {self.name} must be {self._wanted()}.")

    def _is_blend(self, value: Any) -> bool:
        """Whether a value has weights of some of the names, one of them above 0."""
        if not isinstance(value, Mapping) or not set(value) <= set(self.choices):
            return False
        numbers = [each for each in value.values() if isinstance(each, (int, float)) and not isinstance(each, bool)]
        return len(numbers) == len(value) and all(0 <= each <= 1 for each in numbers) and any(numbers)

    def _is_number(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return False
        low, high = (otherwise if each is None else each for each, otherwise in ((self.low, -1e18), (self.high, 1e18)))
        return low <= value <= high  # not true of NaN

    def _wanted(self) -> str:
        if self.kind in ("choice", "blend"):
            names = f"one of {', '.join(self.choices)}"
            return names if self.kind == "choice" else f"{names}, or weights from 0 to 1 by such names"
        if self.kind == "number":
            low = "" if self.low is None else f" from {self.low:,}"
            high = "" if self.high is None else f" to {self.high:,}"
            return f"a {'whole ' * self.whole}number{low}{high}"
        return "on or off" if self.kind == "tick" else f"a text of at most {LONGEST} characters"


@dataclass(frozen=True)
class Offer:
    """A model that the server runs.

    Args:
        name: name in addresses.
        model: what ``zoo predict`` calls it.
        task: task in the field's words.
        summary: one sentence about it.
        inputs: names of the pictures that make one prediction.
        pictures: options that take a picture, each with what it does.
        needed: those of the options that must be given.
        fields: other options.
        video: whether the first picture may be a video.
        fixed: further words of each command line, which visitors cannot change.
    """

    name: str
    model: str
    task: str
    summary: str
    inputs: tuple[str, ...]
    pictures: Mapping[str, str] = field(default_factory=dict)
    needed: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    video: bool = False
    fixed: tuple[str, ...] = ()

    def words(self, values: Any) -> list[str]:
        """The options of a command line from the values of fields by name.

        Raises:
            RefusedError: an option is unknown, or its value does not fit.
        """
        if not isinstance(values, Mapping):
            raise RefusedError(400, "The options must be an object.")
        known = {each.name: each for each in self.fields}
        if strange := next((str(name) for name in values if name not in known), None):
            raise RefusedError(400, f"{self.name} has no option {printable(strange):.40}.")
        return [word for name, each in known.items() if (word := each.word(values.get(name))) is not None]

    def slots(self, names: Any) -> dict[str, str]:
        """The names of a visitor's files by what they are for.

        Raises:
            RefusedError: a file is missing, or for nothing.
        """
        if not isinstance(names, Mapping) or not all(isinstance(name, str) for name in names.values()):
            raise RefusedError(400, "The files must be an object of names.")
        if missing := next((slot for slot in (*self.inputs, *self.needed) if slot not in names), None):
            raise RefusedError(400, f"{self.name} needs a file for {missing}.")
        if any(slot not in (*self.inputs, *self.pictures) for slot in names):
            takes = ", ".join((*self.inputs, *self.pictures))
            raise RefusedError(400, f"{self.name} takes files for {takes} only.")
        return {slot: names[slot] for slot in (*self.inputs, *self.pictures) if slot in names}

    def command(self, files: Mapping[str, Path], words: Sequence[str], out: Path) -> list[str]:
        """The command line of a prediction.

        Args:
            files: paths of the pictures, by what they are for.
            words: options, see :meth:`words`.
            out: folder of the results.
        """
        options = [f"--{name}={files[name]}" for name in self.pictures if name in files]
        paths = (str(files[name]) for name in self.inputs)
        return ["predict", self.model, *paths, "-o", str(out), *self.fixed, *words, *options]

    def to_dict(self) -> dict[str, Any]:
        """What the model's page knows of it; nothing of this machine."""
        hidden = ("model", "fixed")
        return {name: value for name, value in asdict(self).items() if name not in hidden}
