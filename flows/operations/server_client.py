"""A Prefect server's API as plain HTTP: what only asks it need not import Prefect, which takes seconds."""

import base64
import os
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tasks.pipeline.errors import RunError
from tasks.settings.studies import KINDS

if TYPE_CHECKING:
    import httpx

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
    how = {"json": content, "headers": _authorization()}
    for pause in (*PAUSES, 0):
        try:
            response = request(method or ("GET" if content is None else "POST"), f"{url}/{path}", **how)
        except ConnectionError as error:
            raise RunError(f"no Prefect server answers at {url} ({error})") from error
        if response.status_code not in BUSY:
            break
        time.sleep(pause)
    if response.status_code == 404:
        raise FileNotFoundError(path)
    if not response.is_success:
        raise RunError(f"the Prefect server at {url} refuses {path}: {response.text}")
    try:
        return response.json() if response.content else None
    except ValueError as error:
        raise RunError(f"what answers at {url} is no Prefect server") from error


def request(method: str, address: str, timeout: float = 30, **how: Any) -> "httpx.Response":
    """Return what an address responds.

    Raises:
        ConnectionError: nothing; the message does not hold the address.
    """
    import httpx

    try:
        return httpx.request(method, address, timeout=timeout, **how)
    except (httpx.InvalidURL, ValueError) as error:
        raise ConnectionError("this is no address") from error
    except httpx.HTTPError as error:
        raise ConnectionError(str(error) or type(error).__name__) from error


def same_server(one: str | None, other: str | None) -> bool:
    """Tell whether two addresses are spellings of one server's; none is nobody's."""
    spelled = [(url or "").rstrip("/").replace("//localhost", "//127.0.0.1", 1) for url in (one, other)]
    return spelled[0] == spelled[1] != ""


def seconds_of(moment: str) -> float:
    """Return a moment that the server names, in seconds since 1970."""
    return datetime.fromisoformat(moment).timestamp()


def _authorization() -> dict[str, str]:
    """Return the header that Prefect's own settings for it ask for, if there are any."""
    key, basic = os.environ.get("PREFECT_API_KEY"), os.environ.get("PREFECT_API_AUTH_STRING")
    if key:
        return {"Authorization": f"Bearer {key}"}
    return {"Authorization": f"Basic {base64.b64encode(basic.encode()).decode()}"} if basic else {}


def answers(address: str, timeout: float = 10) -> bool:
    """Tell whether something answers there, and well."""
    try:
        return request("GET", address, timeout).status_code == 200
    except ConnectionError:
        return False
