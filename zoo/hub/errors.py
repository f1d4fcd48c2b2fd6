"""Errors of the Hub, in one or two lines with the way out, and never with a token."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal, TypeAlias

from zoo.base.errors import ZooError
from zoo.base.text import causes, first_line

FOREIGN = ("httpx", "httpcore", "huggingface_hub")  # packages whose errors mean a failed connection
SECRET = re.compile(  # values of URL parameters that grant access
    r"(?<=[?&;])([\w.-]*(?:token|signature|secret|credential)|sig|auth|pass(?:word|wd)?|pwd|api[-_]?key|awsaccesskeyid"
    r"|key-pair-id|policy|session[\w-]*)=([^\s&;#'\"]+)",
    re.IGNORECASE,
)
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EMFILE)
Doing: TypeAlias = Literal["fetch", "send", "list"]


class OutOfReachError(ZooError):
    """There is no connection to the Hub."""


@contextmanager
def in_plain_words(reference: object, doing: Doing = "fetch", file: str = "") -> Iterator[None]:
    """Turns the errors of the Hub's client into ours.

    Args:
        reference: the repository, as the user would write it.
        doing: the task that failed, which decides the way out.
        file: the file to fetch, if it is a single one.

    Raises:
        ZooError: has no cause, since the text of the client's error may hold secrets.
    """
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        for cause in causes(error):  # the client wraps the errors of an upload
            if isinstance(cause, ZooError):
                raise cause from None
            if known := _explain(str(reference), cause, doing, file):
                raise type(known)(redact(str(known))) from None
        raise


def redact(text: str) -> str:
    """The text without the tokens in use, without anything that looks like a token, and without secrets in URLs."""
    for token in _known_tokens():
        text = text.replace(token, "***")
    text = SECRET.sub(r"\1=***", re.sub(r"(?<=://)[^\s/?#'\"]*@", "***@", text))
    return re.sub(r"\bhf_\w{4,}|(?<=Bearer )\S+", "***", text)


def _known_tokens() -> list[str]:
    """Tokens in the environment and, if the client is loaded, the token that it uses."""
    found = [os.environ.get(name, "") for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")]
    if "huggingface_hub" in sys.modules:
        with suppress(Exception):  # a token that cannot be read cannot be shown either
            found.append(sys.modules["huggingface_hub"].get_token() or "")
    return [token for token in found if len(token) >= 4]


def _explain(reference: str, error: BaseException, doing: Doing, file: str) -> ZooError | None:
    """The error in plain words; None if it has nothing to do with the Hub."""
    from huggingface_hub import constants, errors

    hub = constants.ENDPOINT
    said = (  # specific errors before general ones
        (errors.GatedRepoError, f"{reference}: access needs the owner's approval; ask for it on {hub}"),
        (
            errors.RepositoryNotFoundError,
            f"no folder and no model {reference} on {hub}, or it is private\n"
            "private models need a token that may read them: hf auth login, or HF_TOKEN",
        ),
        (errors.RevisionNotFoundError, f"{reference}: no such revision on {hub}"),
        ((errors.RemoteEntryNotFoundError, errors.HFValidationError), f"{reference}: {first_line(error)}"),
    )
    for kind, text in said:
        if isinstance(error, kind):
            return ZooError(text)
    if isinstance(error, errors.HfHubHTTPError):
        return ZooError(f"{hub} refused {reference}: {_refusal(error)}")
    if isinstance(error, OSError) and error.errno is not None:
        if error.filename is not None:
            return None  # an error of the disk, which names its file
        if error.errno in DISK:
            what = "cannot read one of its files" if doing == "send" else f"cannot write to {constants.HF_HUB_CACHE}"
            return ZooError(f"{reference}: {what}: {error.strerror}")
    if isinstance(error, OSError) or type(error).__module__.partition(".")[0].startswith(FOREIGN):
        return OutOfReachError(_out_of_reach(reference, error, doing, file))
    return None


def _refusal(error: Any) -> str:
    """Status and reason, and what to do or when to try again."""
    response = error.response
    text = f"HTTP {response.status_code} {response.reason_phrase}"
    if response.status_code in (401, 403):
        return f"{text}; check the permissions of your token (hf auth login or HF_TOKEN)"
    after = response.headers.get("Retry-After", "")
    return f"{text}; try again " + (f"in {after} s" if after.isdigit() else "later")


def _out_of_reach(reference: str, error: BaseException, doing: Doing, file: str) -> str:
    """The message for a Hub that is out of reach."""
    from huggingface_hub import constants

    *_, cause = causes(error)
    why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else first_line(cause)[:200]
    unreachable = f"{constants.ENDPOINT} is out of reach: {why}"
    if doing == "send":
        return f"{reference}: {unreachable}\nnothing was published; try again"
    if doing == "list":
        return f"{unreachable}\nzoo list without --remote needs no connection"
    name = reference.partition("/")[2].partition("@")[0] or "model"
    what = f"{file} of {reference}" if file else reference
    return (
        f"{what} is not in the cache ({constants.HF_HUB_CACHE}), and {unreachable}\n"
        f"on a machine with a network: zoo bundle {reference} -o {name}.zip; then copy that file here and pass its path"
    )
