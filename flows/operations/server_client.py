"""The client of a Prefect server's API. Plain HTTP: importing Prefect's own client takes 2.5 s of processor time."""

import os
import time
from datetime import datetime
from typing import Any

from tasks.pipeline.errors import RunError
from tasks.settings.studies import KINDS

PAUSES = (0.5, 1.0, 2.0, 4.0, 0.0)  # seconds after each try at a busy server
BUSY = (429, 503)  # 503: another process holds its database
PAGE = 200  # items: the most that Prefect puts into one reply
OUR_FLOWS = {"name": {"any_": [kind.flow for kind in KINDS]}}  # a filter


def deployments(url: str) -> list[dict[str, Any]]:
    """Return this project's deployments on the server."""
    return find(url, "deployments", flows=OUR_FLOWS, sort="NAME_ASC")


def find(url: str, path: str, **filters: Any) -> list[dict[str, Any]]:
    """Return all items at a path that pass the filters, read page by page; it raises what `request` does."""
    items: list[dict[str, Any]] = []
    while len(page := request(url, f"{path}/filter", {**filters, "limit": PAGE, "offset": len(items)})) == PAGE:
        items += page
    return items + page


def request(url: str, path: str, content: Any = None, method: str | None = None, timeout: float = 30) -> Any:
    """Return the server's reply: to a GET, or to a POST if there is content, or to another method.

    Raises:
        FileNotFoundError: the server has no such thing.
        RunError: it refuses, or does not answer.
    """
    import httpx

    key, basic = os.environ.get("PREFECT_API_KEY"), os.environ.get("PREFECT_API_AUTH_STRING")
    user, _, password = (basic or "").partition(":")
    how: dict[str, Any] = {
        "headers": {"Authorization": f"Bearer {key}"} if key else None,
        "auth": (user, password) if basic else None,
        "json": content,
        "timeout": timeout,
    }
    for pause in PAUSES:
        try:
            response = httpx.request(method or ("GET" if content is None else "POST"), f"{url}/{path}", **how)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RunError(f"no Prefect server answers at {url} ({str(error) or type(error).__name__})") from error
        if response.status_code not in BUSY:
            break
        time.sleep(pause)
    if response.status_code == 404:
        raise FileNotFoundError(path)
    if not response.is_success:
        raise RunError(f"the Prefect server at {url} refused {path}: {response.text}")
    return response.json() if response.content else None


def require_api(url: str) -> None:
    """Raise a RunError unless a Prefect API answers there."""
    try:
        request(url, "health", timeout=10)
    except (FileNotFoundError, ValueError) as error:
        raise RunError(f"something else than a Prefect API answers at {url} (the address ends in /api)") from error


def seconds_of(moment: str) -> float:
    """Return the server's ISO 8601 time in seconds since 1970."""
    return datetime.fromisoformat(moment).timestamp()
