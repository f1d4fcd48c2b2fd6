"""Compares a measurement with the claims of a card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from zoo.base.text import printable
from zoo.commands.terminal import table
from zoo.models.evaluation import Figure, Results

HOLD, BROKEN, OPEN = 0, 1, 3  # exit codes of zoo evaluate; 2 is an error of the user
HOLDS, OTHER_DATA = "holds", "not compared: other data"
NAMED = 6  # claims in a line, at most
LOSS_NETWORK = "weights of "  # other versions differ a little; tolerances allow for it


@dataclass(frozen=True)
class Line:
    """A claim, a measured figure, or both, and the verdict."""

    claim: Figure | None
    figure: Figure | None
    said: str

    @property
    def name(self) -> str:
        figure = self.figure or self.claim
        return f"{figure.where} {figure.split} {figure.metric}" if figure else ""

    def row(self) -> list[str | float | None]:
        claim, figure = (each.value if each else None for each in (self.claim, self.figure))
        return [self.name, claim, figure, self.said]


@dataclass(frozen=True)
class Verdict:
    """Compares figures of one metric, split and protocol, whatever the name of their data's folder.

    Figures of other data neither confirm nor refute a claim. If digests differ, the pictures may differ, or only their
    decoder. Then figures confirm claims under the same name of the data only if all figures of these data are near
    their claims, since chance brings some near on any data.

    Args:
        claimed: figures of the card.
        measured: figures measured now.
    """

    claimed: Results
    measured: Results

    @property
    def differing(self) -> list[str]:
        """Names of data whose digest is not the card's."""
        known = self.claimed.data_digest
        return [name for name, digest in self.measured.data_digest.items() if known.get(name, digest) != digest]

    @cached_property
    def lines(self) -> list[Line]:
        """Each measured figure, then the claims without a measured figure."""
        claims, figures = self.claimed.figures, self.measured.figures
        found, new = list[Line](), "not claimed" if claims else "not on the card yet"
        for figure in figures:
            of = [claim for claim in claims if claim.key == figure.key]
            found += [Line(claim, figure, self._compare(claim, figure)) for claim in of] or [Line(None, figure, new)]
        there = {figure.key for figure in figures}
        return found + [Line(claim, None, "not measured") for claim in claims if claim.key not in there]

    def _compare(self, claim: Figure, figure: Figure) -> str:
        if self._is_of_other_data(figure):
            return OTHER_DATA
        return HOLDS if _near(claim, figure) else f"OUT of ±{claim.tolerance}"

    def _is_of_other_data(self, figure: Figure) -> bool:
        """Whether its data differ, and a figure of the same data is out of tolerance or gives them another name."""
        own, pairs = self._differing_of(figure), product(self.claimed.figures, self.measured.figures)
        same = ((claim, other) for claim, other in pairs if claim.key == other.key and own & self._differing_of(other))
        return any(not _near(claim, other) or claim.data != other.data for claim, other in same)

    def _differing_of(self, figure: Figure) -> set[str]:
        """Names of the differing data of a figure: names that are not the split or protocol of another figure."""
        own = {figure.split, figure.protocol}
        others = {name for each in self.measured.figures for name in (each.split, each.protocol)} - own
        return {name for name in self.differing if name not in others and not name.startswith(LOSS_NETWORK)}

    @property
    def code(self) -> int:
        """0: every claim was measured and holds; 1: a claim does not hold; 3: neither is known."""
        said = [line.said for line in self.lines if line.claim]
        if any(each.startswith("OUT") for each in said):
            return BROKEN
        return HOLD if said and all(each == HOLDS for each in said) else OPEN

    def summary(self) -> str:
        """The verdict in one line."""
        claims = [line for line in self.lines if line.claim]
        broken = [line for line in claims if line.said.startswith("OUT")]
        left = [line for line in claims if line.said != HOLDS and line not in broken]
        if not claims:
            return "The card claims nothing yet: --write puts these figures on it."
        if len(left) == len(claims):
            return "No claim was compared: the figures are of other data or another protocol than the card's."
        told = f"Claims that hold: {len(claims) - len(broken) - len(left)} of {len(claims)}."
        return told + (f" Not compared: {_names(left)}." if left else "")

    def report(self, engine: str) -> str:
        """The measured tables; claim, measurement and verdict of each figure; notes; and the summary.

        Args:
            engine: what computed the network.
        """
        lines = [f"{each.title}:\n{table([each.columns, *each.rows])}\n" for each in self.measured.tables]
        lines.append(table([["figure", "claim", "measured", ""], *(line.row() for line in self.lines)]))
        for name in self.differing:
            digest = self.measured.data_digest[name]
            lines.append(f"note: the {name} data differ from the card's (SHA-256 {digest[:12]}...)")
        if engine != "torch":
            lines.append(f"note: computed by the engine {engine}, not by torch")
        return "\n".join([*lines, self.summary()])

    def lost(self) -> str:
        """The claims or tables that the card would lose if it held only this measurement; empty if none."""
        unmeasured = [line for line in self.lines if not line.figure]
        tables = len(self.claimed.tables) - len(self.measured.tables)
        if not self.claimed.figures or not (unmeasured or tables > 0):
            return ""
        return _names(unmeasured) or f"{tables} of {len(self.claimed.tables)} tables"


def _near(claim: Figure, figure: Figure) -> bool:
    return abs(figure.value - claim.value) <= claim.tolerance


def _names(lines: Sequence[Line]) -> str:
    more = f" and {len(lines) - NAMED} more" if len(lines) > NAMED else ""
    return printable(", ".join(line.name for line in lines[:NAMED])) + more
