"""A Prefect server's API as plain HTTP: what only asks it need not import Prefect, which takes seconds."""

import base64
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from datetime import datetime
from typing import Any

from tasks.pipeline.errors import RunError
from tasks.studies import KINDS

PAUSES = (0.5, 1.0, 2.0, 4.0)  # seconds before it is asked again where it is busy
BUSY = (408, 429, 502, 503)  # 503: another holds its database
OUR_FLOWS = {"name": {"any_": [kind.flow for kind in KINDS]}}  # as the server's filters are told of them


def deployments(url: str) -> list[dict[str, Any]]:
    """Return this project's deployments, as the server knows them."""
    return ask(url, "deployments/filter", {"flows": OUR_FLOWS, "sort": "NAME_ASC"})


def ask(url: str, path: str, content: Any = None, method: str | None = None) -> Any:
    """Return what the server's API answers.

    Raises:
        FileNotFoundError: it knows no such thing.
        RunError: it refuses, or does not answer.
    """
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(  # noqa: S310 (the address is the user's own)
        f"{url}/{path}", data=body, headers={"Content-Type": "application/json", **_authorization()}, method=method
    )
    for pause in (*PAUSES, None):
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
                told = response.read()
            break
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise FileNotFoundError(path) from error
            if error.code not in BUSY or pause is None:
                said = error.read().decode(errors="replace")
                raise RunError(f"the Prefect server at {url} refuses {path}: {said}") from error
            time.sleep(pause)
        except (OSError, http.client.HTTPException) as error:
            raise RunError(f"no Prefect server answers at {url} ({getattr(error, 'reason', error)})") from error
    try:
        return json.loads(told) if told else None
    except ValueError as error:
        raise RunError(f"what answers at {url} is no Prefect server") from error


def as_one(url: str) -> str:
    """Return an address as all of its spellings have it in common."""
    return url.rstrip("/").replace("//localhost", "//127.0.0.1", 1)


def seconds_of(moment: str) -> float:
    """Return a moment that the server names, in seconds since 1970."""
    return datetime.fromisoformat(moment).timestamp()


def _authorization() -> dict[str, str]:
    """Return the header that Prefect's own settings for it ask for, if there are any."""
    key, basic = os.environ.get("PREFECT_API_KEY"), os.environ.get("PREFECT_API_AUTH_STRING")
    if key:
        return {"Authorization": f"Bearer {key}"}
    return {"Authorization": f"Basic {base64.b64encode(basic.encode()).decode()}"} if basic else {}


def answers(address: str) -> bool:
    """Tell whether something answers there, and well."""
    try:
        with urllib.request.urlopen(address, timeout=10) as response:  # noqa: S310 (as in `ask`)
            return response.status == 200
    except (OSError, ValueError, http.client.HTTPException):  # ValueError: it is no address
        return False
