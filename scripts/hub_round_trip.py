"""Publishes a card to the real Hub, pulls it into another cache, compares, and takes it away again.

python scripts/hub_round_trip.py USER [NAME] [--with onnx]

For a maintainer, by hand: it needs a token that may write to USER (hf auth login, or HF_TOKEN), and makes the private
repository USER/zoo-round-trip-DIGITS, which it deletes at the end, whatever happened. NAME is a card, linknet_camvid if
not given; --with exports it for other runtimes too, as for zoo publish.
Where the endpoint is another than huggingface.co (HF_ENDPOINT), the same holds there.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import huggingface_hub

from zoo.commands import staging
from zoo.commands.publish import publish
from zoo.hub import client, layout, locate

CHECK = """
import sys, zoo
for engine in sys.argv[2:]:
    zoo.load(sys.argv[1], engine=engine, check=True)
    print(f"the golden output is the same with {engine}")
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("user")
    parser.add_argument("name", nargs="?", default="linknet_camvid")
    parser.add_argument("--with", dest="kinds", type=staging.kinds_of, default=())
    options = parser.parse_args()
    client.set_up_process()
    with staging.staged(locate.find(options.name).folder, options.kinds) as folder:
        try_with(folder, options.user, options.kinds)
    return 0


def try_with(folder: Path, user: str, engines: Sequence[str]) -> None:
    """Publishes a card, and what else is to be tried with it."""
    repo = f"{user}/zoo-round-trip-{secrets.token_hex(4)}"
    try:
        first = publish(folder, repo, private=True)
        print(f"published: {first.url}")
        again = publish(folder, repo, private=True)
        require(not again.new and again.commit == first.commit, "publishing the same again made another commit")
        with tempfile.TemporaryDirectory() as elsewhere:
            compare(folder, first.reference, Path(elsewhere), ("torch", *engines))
    finally:
        client.api().delete_repo(repo, missing_ok=True)
        print(f"deleted: {repo}")


def compare(folder: Path, reference: str, elsewhere: Path, engines: Sequence[str]) -> None:
    """Pulls in processes of their own, whose cache is empty, and looks at every file; then once more, offline."""
    caches = {"HF_HOME": str(elsewhere / "home"), "HF_HUB_CACHE": str(elsewhere / "home" / "hub")}
    environment = {**os.environ, **caches, "HF_TOKEN": huggingface_hub.get_token() or ""}
    zoo = [sys.executable, "-m", "zoo.commands.main"]
    subprocess.run([*zoo, "pull", reference, "--to", str(elsewhere / "pulled")], check=True, env=environment)
    own, _ = layout.listing(folder)
    pulled, _ = layout.listing(elsewhere / "pulled")
    require(set(own) == set(pulled), f"other files: {sorted(set(own) ^ set(pulled))}")
    for name, path in own.items():
        require(filecmp.cmp(path, pulled[name], shallow=False), f"{name} differs")
    print(f"pulled: {len(own)} files, all the same")
    for offline in ("0", "1"):
        done = [sys.executable, "-c", CHECK, reference, *engines]
        subprocess.run(done, check=True, env={**environment, "HF_HUB_OFFLINE": offline})


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SystemExit(f"FAILED: {otherwise}")


if __name__ == "__main__":
    sys.exit(main())
