"""Runs that their own process could not end: MLflow was away at its end, or it died without a word.

Last words are kept in .state/unsent, a file a run, for the next one that reaches the store: `track`, or a training.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tasks.ledger import lock, run, state
from tasks.ledger.run import Stamped

if TYPE_CHECKING:
    from mlflow import MlflowClient

FOLDER = "unsent"


@dataclass(frozen=True)
class Words:
    """What a training had still to say; the times are those of its own attempts, so that nothing shows twice."""

    token: str  # of its process: the run's id is not known where the answer was lost
    described: bool  # whether its settings are there
    lines: list[Stamped]  # of its curve
    status: str
    ended: int
    last: dict[str, Any]
    tags: dict[str, str]


def keep(uri: str, words: Words) -> None:
    """Writes them down for the store at this address; whole or not at all."""
    path = state.folder(FOLDER) / f"{_key(uri)}-{words.token}.json"
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(words)), encoding="utf-8")
    os.replace(fresh, path)


def settle(client: MlflowClient, experiment: str, uri: str) -> None:
    """Says what was left unsaid, then ends the runs of dead processes."""
    handle = lock.take(state.folder("locks") / FOLDER)
    if handle is None:
        return  # another process is at it
    try:
        for path in sorted(state.folder(FOLDER).glob(f"{_key(uri)}-*.json")):
            _say(client, experiment, Words(**json.loads(path.read_text(encoding="utf-8"))))
            path.unlink()
        _end_dead(client, experiment)
    finally:
        os.close(handle)


def _key(uri: str) -> str:
    """The address as a file's name, without the password that it may carry."""
    return hashlib.sha256(uri.encode()).hexdigest()[:16]


def _say(client: MlflowClient, experiment: str, words: Words) -> None:
    for made in run.of(client, experiment, words.token):
        if words.status == "FINISHED" and not words.described:
            client.delete_run(made)  # `track` makes it whole
            continue
        run.send(client, made, words.lines, run.CURVE)
        run.end(client, made, words.status, (words.ended, words.last), words.tags)


def _end_dead(client: MlflowClient, experiment: str) -> None:
    """KILLED for a training; a copy that `track` was making goes away, and it will make it again."""
    for one in client.search_runs([experiment], "attributes.status = 'RUNNING'", max_results=1000):
        tags = one.data.tags
        if not _is_dead(tags):
            continue
        if run.CONTENT in tags:  # all was said
            client.set_terminated(one.info.run_id, "FINISHED")
        elif run.COPY in tags:
            client.delete_run(one.info.run_id)
        else:
            client.set_terminated(one.info.run_id, "KILLED")


def _is_dead(tags: dict[str, str]) -> bool:
    """Whether the run's process was on this machine and is gone."""
    if tags.get("process.host") != platform.node() or not tags.get("process.id", "").isdecimal():
        return False
    number = int(tags["process.id"])
    if "process.began" in tags:  # after a restart, or in a container, another one may have its number
        return run.began(number) != tags["process.began"]
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
