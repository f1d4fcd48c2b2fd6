"""Figures of a card over several runs that differ only in their seed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from zoo.base.errors import ZooError
from zoo.base.files import expanded
from zoo.commands.evaluate import Measure
from zoo.models.evaluation import Figure, Results, Seeds
from zoo.training.recipes import CONFIG


def check(source: str, seeds: Sequence[str]) -> None:
    """Refuses runs that differ in more than their seed.

    Args:
        source: folder of a run.
        seeds: folders of the others.

    Raises:
        ZooError: one is no run, differs in more, or has the seed of another.
    """
    if not seeds:
        return
    from zoo.compare.subject import read  # NumPy and Pillow take a while to import
    from zoo.compare.verdict import differing_keys, same_but_seed

    for name in (source, *seeds):
        if not (expanded(name) / CONFIG).is_file():
            raise ZooError(f"--seeds: {name} is no folder of a run, which has {CONFIG}")
    own, *others = (read(name) for name in (source, *seeds))
    for name, other in zip(seeds, others, strict=True):
        if not same_but_seed(own, other):
            keys = [key for key in differing_keys([own, other]) if "seed" not in key]
            told = ", ".join(keys[:3]) or "the seed is the same, or data and versions are others or not known"
            raise ZooError(f"--seeds: {name} differs from {source} in more than its seed: {told}")
    numbers = [each.seed for each in (own, *others)]
    if len(set(numbers)) < len(numbers):
        raise ZooError(f"--seeds: the seeds must be different ones, not {', '.join(map(str, numbers))}")


def measured(own: Results, measure: Measure, seeds: Sequence[str], device: str) -> Results:
    """The results of a card with mean and deviation of each figure over several runs.

    Args:
        own: results of the card's network.
        measure: measures a network on the same data.
        seeds: folders of the other runs.
        device: device that measures.
    """
    if not seeds:
        return own
    from zoo.training.trained import find_checkpoint, read  # torch takes seconds to import

    others = [measure(read(find_checkpoint(expanded(name))).net.to(device)) for name in seeds]
    return replace(own, figures=[_over(figure, others) for figure in own.figures])


def _over(figure: Figure, others: Sequence[Results]) -> Figure:
    found = [each.value for other in others for each in other.figures if each.key == figure.key]
    values = [figure.value, *found]
    mean, deviation = round(statistics.fmean(values), 6), round(statistics.stdev(values), 6)
    return replace(figure, seeds=Seeds(seeds=len(values), mean=mean, deviation=deviation))
