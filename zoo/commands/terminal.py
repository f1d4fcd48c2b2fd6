"""How the verbs read their arguments."""

from __future__ import annotations

import argparse
from typing import NoReturn

from zoo.base.errors import ZooError
from zoo.base.text import did_you_mean


class Parser(argparse.ArgumentParser):
    """Reports a wrong option in one line, with the nearest right one."""

    def error(self, message: str) -> NoReturn:
        wrong = message.removeprefix("unrecognized arguments: ").split()[0]
        near = did_you_mean(wrong, self._option_string_actions) if wrong.startswith("-") else ""
        raise ZooError(f"{message}{near}\nsee {self.prog} --help")
