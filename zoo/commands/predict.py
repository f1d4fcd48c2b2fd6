"""``zoo predict MODEL PICTURES... -o OUT``; a model of pairs takes ``A B`` or ``PAIRS.csv``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from zoo.base import progress, scratch
from zoo.base.processes import processors
from zoo.cards import exported
from zoo.commands.devices import chosen_device
from zoo.commands.failures import grouped
from zoo.commands.inputs import Failure, Inputs
from zoo.commands.lines import Lines, earlier, name_of
from zoo.commands.loading import is_pure, loaded, prepare
from zoo.commands.outputs import TEMPORARY, Outputs, writable
from zoo.commands.overheard import listening
from zoo.commands.pipeline import Job, Outcome, Stages
from zoo.commands.plan import CAMERA, Plan, read_plan, say
from zoo.commands.predictions import Predictions
from zoo.commands.shards import Shard, devices, of_slurm, spread

if TYPE_CHECKING:
    from zoo.base.progress import Bars

MOST_THREADS = 4  # of each stage

Todo: TypeAlias = list[tuple[Path, Inputs]]
Outcomes: TypeAlias = Generator[Outcome, None, None]


def main(argv: list[str]) -> int:
    """Runs a model on pictures, or on videos; each result writes itself. A bad picture does not stop the others.

    Returns:
        0, or 2 if a picture failed; the failures are named at the end.
    """
    if any(word.partition("=")[0] == CAMERA for word in argv):
        from zoo.commands import live  # which imports OpenCV

        return live.main(argv)
    plan, shard = read_plan(argv, say), of_slurm()
    items = list((shard.part if shard else list)(list(plan.work.items())))
    with writable(plan.out):
        scratch.sweep(plan.out, TEMPORARY, nested=True)
        outputs = plan.outputs()
        todo, kept = _left(plan, outputs, items)
        lines = Lines(plan.out / name_of(shard), kept, plan.verb["overwrite"] or plan.verb["skip_existing"])
        with closing(lines), progress.bars() as bars, closing(_outcomes(argv, plan, todo, shard, bars)) as outcomes:
            report = Report(plan, outputs, lines, bars)
            for outcome, (destination, _) in zip(outcomes, todo, strict=True):
                report.take(outcome, destination)
    return report.end(len(items), len(items) - len(todo))


def _left(plan: Plan, outputs: Outputs, items: Todo) -> tuple[Todo, list[str]]:
    """What is still to be done, and the lines on what an earlier run did."""
    if not plan.verb["skip_existing"]:
        return items, []
    settings, known = plan.settings(), earlier(plan.out)
    told = {place: known.get(tuple(map(str, paths))) for place, paths in items if outputs.is_done(place, settings)}
    return [item for item in items if told.get(item[0]) is None], list(filter(None, told.values()))


def _outcomes(argv: list[str], plan: Plan, todo: Todo, shard: Shard | None, bars: Bars) -> Outcomes:
    """The outcomes, by this process or by several."""
    if not todo:
        return _numbered([])
    engine = exported.engine_of(plan.name, plan.verb["engine"])
    device, count = chosen_device(plan.verb["device"], engine), min(plan.verb["devices"], len(todo))
    if plan.verb["devices"] > 1:
        each = devices(plan.verb["devices"], device)[:count]
        share = max(1, processors() // count)
        parts = [[str(place) for place, _ in todo[index::count]] for index in range(count)]
        shards = [(argv, part, where, share) for part, where in zip(parts, each, strict=True)]
        return _numbered(spread(serve, shards, "; --skip-existing goes on"))
    if shard is not None and plan.verb["device"] is None and device == "cuda:0":
        device = _gpu_of(shard)
    return predicted(plan, todo, device, processors(), bars)


def _numbered(outcomes: Iterable[Outcome]) -> Outcomes:
    """Outcomes with their places among all; each process counts its own."""
    for number, outcome in enumerate(outcomes):
        yield replace(outcome, number=number)


def _gpu_of(shard: Shard) -> str:
    """A GPU for each task of a machine, by turns; SLURM may show each task one GPU only."""
    import torch  # which found a GPU before

    return f"cuda:{shard.local % torch.cuda.device_count()}"


def serve(argv: list[str], places: Sequence[str], device: str, share: int) -> Outcomes:
    """The outcomes of one of several processes.

    Args:
        argv: arguments after the verb.
        places: beginnings of the names of the results.
        device: device of this process.
        share: processors that it may keep busy.
    """
    plan = read_plan(argv, lambda _: None)
    todo = [(Path(place), plan.work[Path(place)]) for place in places]
    with closing(predicted(plan, todo, device, share, progress.NoBars())) as outcomes:
        yield from outcomes


def predicted(plan: Plan, todo: Todo, device: str, share: int, bars: Bars) -> Outcomes:
    """Loads the model, and predicts and writes all that is to be done.

    Args:
        plan: what was asked for.
        todo: the predictions.
        device: device of the network.
        share: processors to keep busy.
        bars: show how far single predictions are.
    """
    net = loaded(plan.name, plan.verb["engine"], device, plan.verb["bfloat16"])
    options = plan.options | _news(net.predict, bars)
    work = Predictions(
        net, plan.declared, options, plan.saving, plan.chain, plan.verb["steady"], plan.outputs(), bars,
    )  # fmt: skip
    jobs = (Job(number, place, paths) for number, (place, paths) in enumerate(todo))
    threads = min(MOST_THREADS, share)
    alike = is_pure(net, plan.options)
    computing = threads if share > 1 and len(todo) > 1 and alike else 0
    stages = Stages(work.read, work.predict, work.write, work.batch, computing, threads)
    if alike:  # however many threads there are, so that results do not depend on their number
        prepare(net, plan.verb["bfloat16"])
    threading = _each(share // max(1, computing) if alike else 0)
    with listening(), threading, work.outputs.writing(), closing(stages.run(jobs)) as outcomes:
        yield from outcomes


@contextmanager
def _each(threads: int) -> Iterator[None]:
    """Gives each thread that computes so many processors; 0: nothing changes."""
    if not threads:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Report:
    """Says and records what came of each prediction, in order."""

    def __init__(self, plan: Plan, outputs: Outputs, lines: Lines, bars: Bars) -> None:
        self._plan, self._outputs, self._lines, self._bars = plan, outputs, lines, bars
        self._failures, self._doubtful, self._done = list[Failure](plan.failures), 0, 0
        self._settings = plan.settings()
        self._task = bars.add_task("Predicting", total=len(plan.work))

    def take(self, outcome: Outcome, destination: Path) -> None:
        """Records an outcome, and says what a user should know of it."""
        self._lines.write(outcome.line)
        if outcome.error:
            self._failures.append((outcome.who, outcome.error))
        else:
            self._outputs.finish(destination, outcome.files, self._settings)
        if outcome.printed:
            print(outcome.printed)  # noqa: T201
        for note in outcome.notes:
            say(f"{outcome.who}: {note}")
        self._doubtful += not outcome.trusted
        self._done += 1
        self._bars.update(self._task, completed=self._done)

    def end(self, total: int, skipped: int) -> int:
        """Prints how many there were, and what went wrong; returns the exit code."""
        failures, total = self._failures, total + len(self._plan.failures)
        doubts = f", {self._doubtful} not to be trusted (see above)" if self._doubtful else ""
        before = f", {skipped} of them by an earlier run" if skipped else ""
        print(f"{total - len(failures)} of {total} {self._plan.noun()}{before}{doubts}: {self._plan.out}")  # noqa: T201
        for line in grouped(failures):
            say(line)
        return 2 if failures else 0


def _news(predict: Callable[..., Any], bars: Bars) -> dict[str, Any]:
    """The arguments of ``predict`` that tell how far it is, as far as it has them."""
    known, listener = inspect.signature(predict).parameters, progress.listener()
    told: dict[str, Any] = {"progress": _part_bar(bars)} if "progress" in known else {}
    return told | ({"preview": listener.preview} if listener is not None and "preview" in known else {})


def _part_bar(bars: Bars) -> Callable[[int, int], None]:
    """Draws the progress within one picture that is predicted in parts."""
    task = bars.add_task("Parts", visible=False)

    def show(done: int, total: int) -> None:
        if done == 1:
            bars.reset(task, total=total)  # starts its clock
        bars.update(task, completed=done, visible=done < total)

    return show
