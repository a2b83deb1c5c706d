"""Notifications: a run failed, the verdict changed or a champion was promoted.

FASHION_MNIST_WEBHOOK in the environment of the worker (or of the command) names an address; a JSON object is posted
there, whose `text` is a sentence, as chat programs expect it. Prefect's own automations work beside it.
"""

import json
import logging
import os
import socket
from http.client import HTTPException
from urllib.request import Request, urlopen

from tasks.pipeline.artifact import Artifact
from tasks.pipeline.champions import promote
from tasks.pipeline.errors import reason
from tasks.settings.settings import Settings

WEBHOOK = "FASHION_MNIST_WEBHOOK"
TIMEOUT = 10  # seconds


def notify(event: str, text: str, **facts: str | None) -> None:
    """Post an event, if an address is configured; a receiver that fails is a line in the log, without the address."""
    if not (address := os.environ.get(WEBHOOK)):
        return
    content = json.dumps({"event": event, "text": text, **facts}).encode()
    try:
        urlopen(Request(address, content, {"Content-Type": "application/json"}), timeout=TIMEOUT).close()  # noqa: S310
    except (OSError, ValueError, HTTPException) as error:
        why = reason(error) if isinstance(error, OSError) else "not a valid address"
        logging.getLogger("prefect.fashion_mnist").warning("notification failed (%s): %s", event, why)


def notify_of_failure(url: str, name: str, run: str, why: str) -> None:
    """Post that a run has failed, why, on which machine, and where a server that is kept shows it."""
    link = f"{url.removesuffix('/api')}/runs/flow-run/{run}" if url else None
    notify("failed", " · ".join(filter(None, [f"{name}: {why}", socket.gethostname(), link])), run=run, link=link)


def promote_winner(report: Artifact, settings: Settings, link: str | None = None) -> None:
    """Make the network champion that the report's decision promotes, and notify, unless it is champion already.

    Raises:
        RunError: the champion that it has beaten is no longer in use.
    """
    decision = report.summary.get("challenge")
    if decision and decision["promoted"]:
        champion = {name: decision[name] for name in ("network", "evaluate", "train", "reason")}
        of_run = {"recipe": settings.run_name, "command": settings.command}
        if promote(settings.data_dir, decision["beaten"], **champion, **of_run):
            text = f"{decision['reason']} {link or ''}".strip()
            notify("champion promoted", text, champion=decision["network"], report=link)
