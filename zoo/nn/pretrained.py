"""Weights that timm publishes on the Hub, and a clear error if the Hub cannot be reached."""

from __future__ import annotations

import socket
from urllib.parse import urlparse
from urllib.request import getproxies

import huggingface_hub

from zoo.base.errors import ZooError
from zoo.nn.uncompiled import timm

WEIGHTS = "model.safetensors"


def timm_file(name: str, way_out: str) -> str:
    """The safetensors file of a timm model, downloaded if necessary.

    Without a network it fails at once instead of after a minute of retries.

    Args:
        name: name of the timm model, with or without its tag.
        way_out: last line of the error: what to do without the Hub.

    Raises:
        ZooError: timm has no such weights; or they are not on this machine and the Hub cannot be reached.
    """
    config, host = timm.get_pretrained_cfg(name), urlparse(huggingface_hub.constants.ENDPOINT).hostname
    if not (config and config.hf_hub_id):
        raise ZooError(f"timm has no weights of {name} on the Hub;\n{way_out}")
    try:
        if not getproxies():
            socket.getaddrinfo(host, 443)
        return huggingface_hub.hf_hub_download(config.hf_hub_id, WEIGHTS)
    except OSError as error:  # from the resolver, the connection or the Hub's client
        cached = huggingface_hub.try_to_load_from_cache(config.hf_hub_id, WEIGHTS)
        if isinstance(cached, str):
            return cached
        raise ZooError(
            f"timm's weights of {name} are not on this machine and {host} cannot be reached;\n{way_out}"
        ) from error
