"""``zoo card``: makes a card, the folder that is published, from a checkpoint of ``zoo fit``."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from zoo.base.errors import ZooError
from zoo.base.files import expanded, read_json, replace
from zoo.base.registry import architectures
from zoo.cards import sources
from zoo.cards.about import About, add_about_options, check_about, write_readme
from zoo.cards.card import NAME, begin_readme, check_card, read_card
from zoo.cards.front import unclear_use
from zoo.cards.samples import last_sheet, write_samples
from zoo.commands import evaluate, siblings
from zoo.commands.options import usage
from zoo.commands.repository import check_names
from zoo.commands.terminal import Parser
from zoo.hub import layout
from zoo.hub.locate import CONFIG_FILE

if TYPE_CHECKING:
    from zoo.models.base import Model
    from zoo.training.trained import Trained


def main(argv: list[str]) -> int:
    parser = Parser(
        prog="zoo card",
        description="Makes a card, ready to publish, from a checkpoint.",
        epilog="zoo evaluate measures the card's figures; it takes further arguments, such as --data.root FOLDER.",
    )
    parser.add_argument("source", help="folder of a run, or a checkpoint")
    parser.add_argument("--name", required=True, help="name of the model")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder of the card (default: cards/NAME)")
    parser.add_argument("--repo", metavar="USER/NAME", help="repository to publish to; a new README names it")
    parser.add_argument(
        "--dtype", choices=("auto", "bfloat16", "float16", "float32"), default="auto", help="dtype of the weights"
    )
    parser.add_argument("--device", default="cpu", help="device that measures the figures")
    seeds = "runs that differ only in their seed; the card tells mean and deviation"
    parser.add_argument("--seeds", nargs="+", default=(), metavar="RUN", help=seeds)
    add_about_options(parser)
    options, rest = parser.parse_known_args(argv)
    if options.repo:
        check_names(options.repo)
    folder, repo = options.output or Path("cards", options.name), options.repo or f"USER/{options.name}"
    about = About.of(options)
    kinds = {"dtype": options.dtype, "device": options.device, "given": rest, "seeds": options.seeds}
    make_card(options.source, options.name, folder, about, repo, **kinds)
    if note := unclear_use(read_card(folder).front, folder):
        print(note)  # noqa: T201
    print(f"Card:    {folder}\nPublish: zoo publish {shlex.quote(str(folder))} --repo {repo}")  # noqa: T201
    return 0


def make_card(
    source: str | Path,
    name: str,
    folder: str | Path,
    about: About,
    repo: str,
    *,
    dtype: str = "auto",
    device: str = "cpu",
    given: Sequence[str] = (),
    seeds: Sequence[str] = (),
) -> None:
    """Makes a card, whole or not at all.

    Args:
        source: folder of a run, whose best checkpoint is taken, or a checkpoint.
        name: name of the model.
        folder: folder of the card. Its content stays, the prose of its README included, except what is generated.
        about: what only the author knows about the model; an existing README supplies the rest.
        repo: repository where the card will be published.
        dtype: dtype of the weights; "auto" is float16, or float32 where float16 overflows.
        device: device that measures the figures.
        given: arguments of ``zoo evaluate``, for data and evaluator.
        seeds: runs that differ from the source only in their seed, which are measured too.

    Raises:
        ZooError: the checkpoint does not exist, fields are empty, or data cannot be found. Nothing is written then.
    """
    folder = expanded(folder).absolute()
    siblings.check(str(source), seeds)
    trained, front, sheet = _checked(source, name, folder, about)
    pictures = _pictures(trained)
    given = [*trained.own_arguments(given), *given]
    datasets = about.datasets or front["datasets"]
    called = evaluate.called_by(datasets)
    measure = evaluate.prepare(name, trained.declared, trained.config, given, device, called=called)
    with _replacing(folder) as draft:
        net = _write_weights(trained, draft, name, dtype, datasets).to(device)
        shown = write_samples(net, about.samples, sheet, draft / "samples")
        if pictures:
            sources.write(draft / sources.FILE, pictures)
        _write_readme(draft, name, about, trained, front, shown, repo)
        measured = siblings.measured(measure(net), measure, seeds, device)
        evaluate.write(draft, measured, evaluate.command([name, *given, "--write"]))
        replace(draft / "recipe.yaml", trained.recipe_for(name, measured.figures))
        if problems := check_card(draft):
            raise ZooError(f"{folder}: not written, {'; '.join(problems)}")


def _checked(source: str | Path, name: str, folder: Path, about: About) -> tuple[Trained, dict[str, Any], Path | None]:
    """The checkpoint, the existing front matter and the sheet of samples; raises as :func:`make_card`."""
    if not NAME.fullmatch(name):
        raise ZooError(f"--name {name!r}: small letters, digits, '_', '.' and '-'; the first is a letter or digit")
    from zoo.training.trained import find_checkpoint, read  # torch takes seconds to import

    path = find_checkpoint(expanded(source))
    trained = read(path)
    front = _front_of(folder, trained.architecture)
    check_about(about, front)
    return trained, front, last_sheet(path, about.samples)


def _pictures(trained: Trained) -> sources.Rows:
    """The merged lists of pictures from the folders of the training data."""
    rows, unlisted = sources.gather(trained.config.get("data", {}))
    if rows:
        missing = f"; {', '.join(unlisted)} without a {sources.FILE}" if unlisted else ""
        print(f"Sources: {sources.summary(rows)}{missing}")  # noqa: T201
    return rows


def _write_weights(trained: Trained, folder: Path, name: str, dtype: str, datasets: Sequence[str]) -> Model:
    """Writes weights, configuration and golden file; returns the network as other people will load it."""
    from zoo.cards import weights

    for file, path in layout.listing(folder)[0].items():
        if file.endswith(layout.EXPORTED):  # exported from other weights
            path.unlink()
    about = {"name": name, "recipe": "recipe.yaml", "data": ", ".join(datasets), "input": trained.declared.input}
    weights.save(trained.net, folder, trained.architecture, trained.arguments, dtype, **about)
    return add_golden(folder)


def add_golden(folder: Path) -> Model:
    """Rewrites a card's golden file and its entry in ``config.json``; returns the network."""
    from zoo.cards import golden, weights

    net = weights.load(folder)
    content = read_json(folder / CONFIG_FILE)
    if example := architectures()[content["architecture"]].example:
        content["golden"] = golden.write(net, folder, example)
        replace(folder / CONFIG_FILE, json.dumps(content, indent=2) + "\n")
    return net


def _front_of(folder: Path, architecture: str) -> dict[str, Any]:
    """Front matter of the existing card; empty if there is no card."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return {}
    if not (folder / CONFIG_FILE).is_file():
        raise ZooError(f"{folder} exists and is not a card; name another folder: -o DIR")
    card = read_card(folder)
    if card.config.get("architecture") != architecture:
        raise ZooError(f"{folder} is a card of another architecture than {architecture}; name another folder: -o DIR")
    return card.front


def _write_readme(
    folder: Path, name: str, about: About, trained: Trained, front: Mapping[str, Any], shown: list[str], reference: str
) -> None:
    """Writes the front matter, and a text if there is no README."""
    text = None
    if not (folder / "README.md").is_file():
        shows = "\n\n".join(f"![{Path(file).stem.replace('_', ' ')}](samples/{file})" for file in shown)
        text = write_readme(
            about, trained.declared, name=name, title=trained.architecture, samples=shows, reference=reference,
            usage=usage(trained.declared), epoch=trained.epoch, steps=trained.steps, sources=_sources_text(folder),
        )  # fmt: skip
    begin_readme(folder, about.front(front, trained.architecture, trained.declared), text)
    (folder / "results.json").unlink(missing_ok=True)  # figures of other weights


def _sources_text(folder: Path) -> str:
    return f" The pictures are listed in [{sources.FILE}]({sources.FILE})." if (folder / sources.FILE).is_file() else ""


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Gives a copy of a folder to change; the copy replaces the folder if the block succeeds."""
    fresh = not folder.parent.exists()
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
            draft, old = Path(temporary, "new"), Path(temporary, "old")
            if folder.exists():
                shutil.copytree(folder, draft, symlinks=True)
            else:
                draft.mkdir()
            yield draft
            try:
                if folder.exists():
                    folder.rename(old)
                draft.rename(folder)
            finally:
                if old.exists() and not folder.exists():
                    old.rename(folder)
    finally:
        if fresh:
            with suppress(OSError):  # the card is in it
                folder.parent.rmdir()
