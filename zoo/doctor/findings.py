"""What checks find, and a report in which no check hides the findings of another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from zoo.base.errors import ZooError
from zoo.base.text import first_line

Level: TypeAlias = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")  # the worst first


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or that a user may not expect.

    Args:
        check: name of its kind, such as "mask-size"; it stays the same in later versions.
        level: "error" where a training would refuse or fail, "warning" where it would learn or measure something else
            than meant, "note" for the rest.
        what: what was found, and how often.
        do: the way out.
        where: names of all files, classes or packages that it is about.
    """

    check: str
    level: Level
    what: str
    do: str
    where: tuple[str, ...] = ()


Check: TypeAlias = Callable[[], Iterable[Finding]]


@dataclass
class Report:
    """Facts and findings.

    Args:
        told: called with the title and the lines of each fact as soon as it is known.
        facts: values by title.
        findings: what checks found.
        failures: what checks raised that is no mistake of the user.
    """

    told: Callable[[str, Sequence[str]], object] = field(default=lambda *_: None)
    facts: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def fact(self, title: str, value: Any, *lines: str) -> None:
        """Keeps a value for JSON, and tells it in lines for people; without lines it is not told."""
        self.facts[title] = value
        if lines:
            self.told(title, lines)

    def run(self, check: str, find: Check, level: Level = "error") -> None:
        """Runs a check; whatever it raises is a finding, and those that it yielded before are kept.

        Args:
            check: name of the check.
            find: the check.
            level: level of what it raises.
        """
        try:
            for finding in find():
                self.findings.append(finding)
        except ZooError as error:
            what, _, do = str(error).partition("\n")
            self.findings.append(Finding(check, level, what, "; ".join(filter(None, do.split("\n")))))
        except Exception as error:  # a check of anything that people have may meet anything
            told = f"this check failed itself: {type(error).__name__}: {first_line(error)}"
            self.findings.append(Finding(check, level, told, "the other checks went on; --debug shows where it failed"))
            self.failures.append(error)

    def count(self, level: Level) -> int:
        """The number of findings of a level."""
        return sum(each.level == level for each in self.findings)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; warnings and notes do not count."""
        return not self.count("error")

    def sorted(self) -> list[Finding]:
        """The findings, the worst first, otherwise in the order in which they were found."""
        return sorted(self.findings, key=lambda each: LEVELS.index(each.level))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        findings = [{**asdict(each), "where": list(each.where), "count": len(each.where)} for each in self.sorted()]
        return {"ok": self.ok, "facts": self.facts, "findings": findings}


def some(count: int, noun: str, total: int | None = None) -> str:
    """A count with its noun, such as "3 of 40 pictures"."""
    of = "" if total is None else f" of {total}"
    plural = "es" if noun.endswith("s") else "s"
    return f"{count}{of} {noun}{'' if (total or count) == 1 else plural}"
