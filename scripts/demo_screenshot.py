"""Makes the picture of a page that README and guide show, from a sample that the program draws.

    zoo demo linknet_camvid -o site/ && python scripts/demo_screenshot.py site/ docs/demo.jpg

Needs a Chromium: the system's, or ZOO_TEST_BROWSER.
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from browser import Browser, program, served

PAGE = "linknet_camvid.html#sample=street1&opacity=0.6"
SIZE = 1180, 760


def main(site: Path, picture: Path) -> None:
    if (path := program()) is None:
        sys.exit("no Chromium: install it, or name it in ZOO_TEST_BROWSER")
    with served(site) as address, Browser(path) as browser:
        tab = browser.open(f"{address}/{PAGE}", *SIZE)
        tab.wait("document.querySelector('[role=status]')?.textContent.startsWith('Done')", 120)
        shot = tab.send("Page.captureScreenshot", format="jpeg", quality=80)
    picture.write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
