"""What the files of a card must look like, for it may come from a stranger."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints, ValidationError

from zoo.base.errors import ZooError
from zoo.base.text import printable

LARGEST = 10**6  # of a number that data are made from
SIZES = ("size", "crop", "patch", "largest")  # arguments in pixels
PIXELS = 4096
FREE = re.compile("seed|train.*|batch_size|num_workers")  # arguments that cost a measurement nothing
OUTWARD = re.compile(r"[~/\\]|[A-Za-z][\w+.-]*:\S|(.*[/\\])?\.\.([/\\]|$)", re.DOTALL)  # an address, a drive, a way up
FRONT_MATTER = 64 << 10  # characters

Line = Annotated[str, StringConstraints(max_length=1000)]
Texts = Annotated[dict[Line, Line], Field(max_length=100)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]  # SHA-256
Count = Annotated[int, Field(ge=0, le=10**12)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class Figure(_Strict):
    metric: Line
    data: Line
    split: Line
    value: FiniteFloat
    tolerance: FiniteFloat


class Table(_Strict):
    title: Line
    columns: Annotated[list[Line], Field(max_length=50)]
    rows: Annotated[list[Annotated[list[Line | float | None], Field(max_length=50)]], Field(max_length=1000)]


class Speed(_Strict):
    what: Line
    ms: FiniteFloat
    machine: Line


class Results(_Strict):
    figures: Annotated[list[Figure], Field(max_length=200)] = []
    tables: Annotated[list[Table], Field(max_length=50)] = []
    parameters: Count = 0
    macs: Annotated[dict[Line, FiniteFloat], Field(max_length=20)] = {}
    speed: Annotated[list[Speed], Field(max_length=50)] = []
    command: Line = ""
    versions: Texts = {}
    data_digest: Texts = {}
    commit: Line = ""


class StoredFile(_Strict):
    file: Line
    sha256: Digest
    bytes: Count | None = None
    dtype: Line = ""


class Config(_Strict):
    """What is shown of ``config.json``; arguments are checked where a network is made of them."""

    name: Line = ""
    architecture: Line = ""
    arguments: dict[str, Any] = {}
    weights: StoredFile = Field(default_factory=StoredFile.model_construct)  # may be missing, but not null
    golden: StoredFile = Field(default_factory=StoredFile.model_construct)
    data: Line = ""
    input: Line = ""


class Data(_Strict):
    class_path: Line
    init_args: dict[str, Any] = {}


class Recipe(_Strict):
    data: Data
    model: dict[str, Any] | None = None


def check_config(config: Any, where: object) -> None:
    """Refuses a configuration that is not of this form; raises as :func:`check_results`."""
    _check(Config, config, where)


def check_results(results: Any, where: object) -> None:
    """Refuses results that are not of this form.

    Raises:
        ZooError: names the first place.
    """
    _check(Results, results, where)


def check_recipe(recipe: Any, where: object) -> None:
    """Refuses a recipe that names no data as a recipe does; raises as :func:`check_results`."""
    _check(Recipe, recipe, where)


def check_reach(recipe: Mapping[str, Any], where: object) -> None:
    """Refuses a stranger's recipe that reaches for files elsewhere, or for more memory than data need.

    Files below the working directory, where data are fetched to, may be named, and no others.

    Raises:
        ZooError: names the first value.
    """
    _refuse_places(recipe, where)
    for name, value in recipe["data"].get("init_args", {}).items():
        most = PIXELS if name in SIZES else LARGEST
        if not FREE.fullmatch(str(name)) and not all(number <= most for number in _numbers(value)):
            raise ZooError(
                f"{where}: refused, data.{name!s:.100} of {value!r:.100} is more than {most:,}\n"
                "where that is meant, say it yourself: --data.KEY VALUE"
            )


def _numbers(value: Any) -> list[float]:
    """Those in an argument, also where it is a text that is parsed once more."""
    if isinstance(value, str):
        try:
            value = yaml.load(value, _NoAliases)  # noqa: S506  # a safe loader
        except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError):
            return []
    if isinstance(value, list):
        return [number for item in value if not isinstance(item, str) for number in _numbers(item)]
    return [value] if isinstance(value, (int, float)) else []


def _refuse_places(value: Any, where: object) -> None:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for item in value:
            _refuse_places(item, where)
    elif isinstance(value, str) and OUTWARD.match(value):
        raise ZooError(
            f"{where}: refused, {value!r:.100} leads out of the working directory\n"
            "where that is meant, say it yourself: --data.KEY PATH"
        )


def _check(form: type[BaseModel], content: Any, where: object) -> None:
    try:
        form.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = printable(".".join(map(str, first["loc"])))  # with keys that a stranger chose
        raise ZooError(f"{where}: {place:.100}: {first['msg']:.100}") from None


class _NoAliases(yaml.SafeLoader):
    """Aliases make a few bytes stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not taken here", self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)


def parse_yaml(text: str, where: object) -> dict[str, Any]:
    """A mapping of plain values.

    Raises:
        ZooError: no YAML, no mapping, aliases, too deep or too long.
    """
    if len(text) > FRONT_MATTER:
        raise ZooError(f"{where}: has more than {FRONT_MATTER:,} characters")
    try:
        content = yaml.load(text, _NoAliases)  # noqa: S506  # a safe loader
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise ZooError(f"{where}: not YAML: {' '.join(str(error).split()):.300}") from None
    if not isinstance(content, dict):
        raise ZooError(f"{where}: holds no mapping")
    return content
