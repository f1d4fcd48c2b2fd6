"""Asking a catalogue, as politely as anything else is asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.text import printable
from zoo.collect.fetch import Client, Redirect, parse
from zoo.collect.frontier import PATIENCE, Frontier, backoff
from zoo.collect.options import Options
from zoo.collect.picture import RejectedError
from zoo.collect.trouble import FetchError

LARGEST = 1 << 20  # bytes of an answer
PACE = 1.0  # seconds from one question to the next, which is what anonymous users of Openverse are asked to keep
LATER = {"maxlag", "ratelimited"}  # by which a MediaWiki says, under status 200, that it is too much
LAG = 5.0  # seconds, which its documentation asks to wait then


class PoliteApi:
    """The :class:`~zoo.collect.addresses.Api` of a run.

    A documented API is meant for programs, so robots.txt, which tells crawlers of pages what to leave, is not asked.
    """

    def __init__(self, client: Client, frontier: Frontier, options: Options) -> None:
        self._client, self._frontier, self._options = client, frontier, options

    async def __call__(self, url: str, parameters: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._ask(url, parameters, headers)
            except RejectedError as error:
                raise ZooError(f"{url}: {error}") from None
            except FetchError as error:
                wait = backoff(attempt, error.wait)
                if not error.again or attempt > self._options.retries or wait > PATIENCE:
                    raise ZooError(f"{url}: {printable(error.reason)}") from None
            await asyncio.sleep(wait)

    async def _ask(self, url: str, parameters: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        parsed = parse(url).update_query(dict(parameters))
        host = self._frontier.host(str(parsed.origin()))
        await self._frontier.turn(host)
        self._frontier.hold(host, PACE)
        content = await self._client.read(parsed, LARGEST, headers=headers)
        if isinstance(content, Redirect):
            raise FetchError("moved; give the new address by --endpoint")
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            raise FetchError("the answer is not JSON") from None
        match answer:
            case {"error": {"code": str(code)}} if code in LATER:
                raise FetchError(f"the server says {code}", again=True, wait=LAG)
        return answer
