"""README of a new card, made from the author's description of the model."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.registry import Architecture, import_object
from zoo.base.text import did_you_mean
from zoo.cards.front import USES, commercial_use

_LICENSES = """
    afl-3.0 agpl-3.0 apache-2.0 apple-amlr apple-ascl artistic-2.0 bigcode-openrail-m bigscience-bloom-rail-1.0
    bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5
    cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0
    cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 cdla-sharing-1.0 creativeml-openrail-m ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2
    gfdl gpl gpl-2.0 gpl-3.0 h-research intel-research isc lgpl lgpl-2.1 lgpl-3.0 lgpl-lr lppl-1.3c mit mpl-2.0 ms-pl
    ncsa odbl odc-by ofl-1.1 openmdw-1.0 openrail openrail++ osl-3.0 other pddl postgresql unlicense wtfpl
    zlib"""
LICENSES = frozenset(_LICENSES.split())  # ids of the Hub; "other" needs a name
TEXTS = ("license", "license_name", "license_link", "data_license", "commercial_use")  # a line each
TEMPLATE = """\
# {name}: {task}

{description}

Network: {title} ([paper]({paper})). Input: {input}.

```python
from zoo import load

result = load("{reference}").predict({pictures})
result.save("result")
```

```
zoo predict {reference} {usage} -o out/
```

{samples}

## Where it fails

{limits}

## Figures

<!-- zoo:begin results -->
<!-- zoo:end results -->

## Training

`zoo fit --recipe recipe.yaml` trains the model; the recipe is in this folder. The weights are from epoch {epoch}, step
{steps}.

## Licence

Code: Apache-2.0. Weights: {license}. Data: {data_license}.{sources}
May the weights be used commercially? See `commercial_use` at the top of this file.
"""


@dataclass(frozen=True)
class About:
    """Facts about a model that only its author knows.

    Args:
        license: licence of the weights, an id of the Hub.
        license_name: name of an "other" licence.
        license_link: address of its text.
        data_license: one line on the licence of the training data.
        commercial_use: whether commercial use of the weights is allowed, one of :data:`zoo.cards.front.USES`; default:
            the value of the card.
        datasets: names of the training data, or ids on the Hub.
        description: paragraph of the README on the purpose of the model.
        limits: paragraph of the README on where the model fails.
        samples: paths of pictures to show with their results in a new README; default: the last validation pictures of
            the run.
    """

    license: str = ""
    license_name: str = ""
    license_link: str = ""
    data_license: str = ""
    commercial_use: str = ""
    datasets: tuple[str, ...] = ()
    description: str = ""
    limits: str = ""
    samples: tuple[str, ...] = ()

    @classmethod
    def of(cls, options: argparse.Namespace) -> About:
        return cls(**{each.name: getattr(options, each.name) for each in fields(cls)})

    def front(self, card: Mapping[str, Any], name: str, architecture: Architecture) -> dict[str, Any]:
        """Front matter: given values, before those of an existing card, before those of the architecture."""
        words = (architecture.task, name.replace("_", "-"))
        own = {"license": self.license, "data_license": self.data_license, "datasets": list(self.datasets)}
        if any(value and value != card.get(key) for key, value in own.items()):  # the card describes other weights
            card = {key: value for key, value in card.items() if key != "commercial_use"}
        given = {
            **{key: getattr(self, key) for key in TEXTS},
            "commercial_use": self.commercial_use or commercial_use(card),
            "library_name": "lightning-zoo",
            "pipeline_tag": architecture.pipeline_tag,
            "tags": card.get("tags") or [*(re.sub(r"\W+", "-", word) for word in words), "pytorch", "lightning"],
            "datasets": list(self.datasets),
        }
        if self.license:  # replaces the card's
            card = {key: value for key, value in card.items() if not key.startswith("license")}
        return {**card, **{key: value for key, value in given.items() if value}}


def add_about_options(parser: Any) -> None:
    """Adds the options that describe a card."""
    parser.add_argument("--license", default="", help="licence of the weights: an id of the Hub, such as cc-by-nc-4.0")
    parser.add_argument("--license-name", default="", help="name of a licence 'other'")
    parser.add_argument("--license-link", default="", metavar="URL", help="address of the licence's text")
    parser.add_argument("--data-license", default="", metavar="TEXT", help="licence of the training data, in one line")
    parser.add_argument(
        "--commercial-use", default="", choices=USES, metavar="USE",
        help="yes, no or unclear (default: the card's, or unclear)",
    )  # fmt: skip
    parser.add_argument("--datasets", default=(), nargs="+", metavar="NAME", help="training data of the model")
    parser.add_argument("--description", default="", metavar="TEXT", help="what the model is for (new README)")
    parser.add_argument("--limits", default="", metavar="TEXT", help="where the model fails (new README)")
    parser.add_argument("--samples", default=(), nargs="+", metavar="FILE", help="pictures to show with results")


def check_about(about: About, card: Mapping[str, Any] | None = None) -> None:
    """Refuses empty fields of a card.

    Args:
        about: the given values.
        card: front matter of an existing README.

    Raises:
        ZooError: names every empty field, or the first wrong one.
    """
    given = {key: value for key, value in vars(about).items() if value}
    for key in given.keys() - {"samples"}:
        try:
            "".join(given[key]).encode()
        except UnicodeEncodeError:
            raise ZooError(f"--{key.replace('_', '-')}: not a text in UTF-8") from None
    known = {**(card or {}), **given}
    needed = ["license", "data_license", "datasets", *(() if card else ("description", "limits"))]
    if known.get("license") == "other":
        needed.append("license_name")
    missing = ["--" + key.replace("_", "-") for key in needed if not known.get(key)]
    if missing:
        raise ZooError(f"the card has empty fields; give {', '.join(missing)}")
    _check_texts(known)
    if known["license"] not in LICENSES:
        near = did_you_mean(known["license"], LICENSES)
        raise ZooError(f"--license: the Hub has no licence {known['license']!r}{near}; 'other' needs --license-name")


def _check_texts(known: Mapping[str, Any]) -> None:
    """Refuses values that are not texts, and names of data sets that are not a list of texts."""
    for key in TEXTS:
        flag, text = f"--{key.replace('_', '-')}", known.get(key, "")
        if not isinstance(text, str):
            raise ZooError(f"{key} in the README must be a text, not {text!r:.60}; give {flag}")
        if "\n" in text:
            raise ZooError(f"{flag} must be one line")
    if (said := commercial_use(known)) not in USES:
        raise ZooError(f"commercial_use in the README is {said!r:.60}, not yes, no or unclear; give --commercial-use")
    names = known["datasets"]
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ZooError(f"datasets in the README must be a list of names, not {names!r:.60}; give --datasets NAME ...")


def write_readme(about: About, architecture: Architecture, **known: Any) -> str:
    """Text of the README below its front matter.

    Args:
        about: values, all of them given.
        architecture: architecture of the model.
        known: further values of the template.
    """
    predict = inspect.signature(import_object(architecture.predictor).predict)
    needed = [name for name, each in predict.parameters.items() if each.default is each.empty and name != "self"]
    return TEMPLATE.format(
        task=architecture.task,
        paper=architecture.paper,
        input=architecture.input,
        pictures=", ".join(f'"{letter}.jpg"' for letter in "abcd"[: len(needed)]),
        description=about.description.strip(),
        limits=about.limits.strip(),
        license=about.license_name or about.license,
        data_license=about.data_license.rstrip("."),
        **known,
    )
