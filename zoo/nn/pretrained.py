"""Weights that timm publishes on the Hub, and a plain answer where it cannot be reached."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlparse
from urllib.request import getproxies

import huggingface_hub
import timm

from zoo.base.errors import ZooError

WEIGHTS = "model.safetensors"
Loaded = TypeVar("Loaded")


def timm_pretrained(name: str, load: Callable[[str | None], Loaded], way_out: str) -> Loaded:
    """What ``load`` makes of a timm model's weights: it gets None to fetch them, or the file in the Hub's cache.

    Fails at once where there is no network, instead of after a minute of retries.

    Args:
        name: of the timm model, with or without its tag.
        load: is tried with None first, and with the file where the Hub cannot be reached.
        way_out: last line of the error, what to do without the Hub.

    Raises:
        ZooError: the weights are not on this machine and the Hub cannot be reached.
    """
    host = urlparse(huggingface_hub.constants.ENDPOINT).hostname
    try:
        if not getproxies():
            socket.getaddrinfo(host, 443)
        return load(None)
    except OSError as error:  # of the resolver, the connection, the Hub's client
        cached = _cached_weights(name)
        if cached:
            return load(cached)
        raise ZooError(
            f"timm's weights of {name} are not on this machine and {host} cannot be reached;\n{way_out}"
        ) from error


def timm_file(name: str, way_out: str) -> str:
    """The safetensors file of a timm model, whose name has its tag, fetched if need be; as :func:`timm_pretrained`."""

    def locate(cached: str | None) -> str:
        return cached or huggingface_hub.hf_hub_download(f"timm/{name}", WEIGHTS)

    return timm_pretrained(name, locate, way_out)


def _cached_weights(name: str) -> str | None:
    cfg = timm.get_pretrained_cfg(name)
    source = cfg.hf_hub_id if cfg else None
    found = huggingface_hub.try_to_load_from_cache(source, WEIGHTS) if source else None
    return found if isinstance(found, str) else None
