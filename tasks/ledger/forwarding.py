"""A training's curve in MLflow while it trains: a thread that neither blocks nor kills the training."""

from __future__ import annotations

import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.ledger import graph, held, run, store, unended, version
from tasks.ledger.journal import Journal
from tasks.ledger.run import Card
from tasks.ledger.target import Target
from tasks.ledger.unended import Words

if TYPE_CHECKING:
    from mlflow import MlflowClient

PATIENCE_SECONDS = 10.0  # importing MLflow costs 2 s: a shorter stage leaves its run to `track`
PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0
GRACE_SECONDS = {"FINISHED": 20.0, "FAILED": 5.0, "KILLED": 2.0}


@dataclass(frozen=True)
class Ending:
    """FINISHED, FAILED or KILLED, when in ms, and the stage's own metrics."""

    status: str
    ended: int
    metrics: dict[str, Any]


class Following:
    """What the stage's end has to say to MLflow."""

    metrics: dict[str, Any] | None = None  # set when all went well


@contextmanager
def followed(target: Target, settings: dict[str, Any], journal: Journal) -> Iterator[Following]:
    """The block's training in MLflow: FINISHED at its end, FAILED on an exception, KILLED on a signal."""
    forwarder, following = Forwarder(target, settings, journal), Following()
    forwarder.start()
    status = "KILLED"
    try:
        yield following
        status = "FINISHED"
    except Exception:
        status = "FAILED"
        raise
    finally:
        forwarder.finish(status, following.metrics)


class Forwarder:
    """Reads the journal's file and sends what is new; the store may be away, and the file has it all."""

    def __init__(
        self,
        target: Target,
        settings: dict[str, Any],
        journal: Journal,
        patience: float = PATIENCE_SECONDS,
    ):
        self._target, self._settings, self._journal = target, settings, journal
        self._patience, self._began, self._began_ms = patience, time.monotonic(), run.now()
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._store: tuple[MlflowClient, str] | None = None
        self._run: str | None = None
        self._card: Card | None = None  # until it is sent
        self._read = 0  # bytes of the curve
        self._pending: list[run.Stamped] = []  # read and not yet taken by MLflow
        self._at_work = self._warned = self._left = self._told = False
        self._ending: Ending | None = None
        self._token, self._uri = uuid.uuid4().hex, store.uri()
        self._guard = threading.Lock()  # of what is read and pending
        self._wake = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def finish(self, status: str, metrics: dict[str, Any] | None = None) -> None:
        """The stage is over: FINISHED, FAILED or KILLED. Waits a little for the rest to be sent."""
        self._ending = Ending(status, run.now(), metrics or {})
        self._wake.set()
        self._thread.join(GRACE_SECONDS[status])
        if self._thread.is_alive():
            self._warn("it does not answer in time")
        if self._at_work and not self._told:
            self._leave(self._ending)

    def _work(self) -> None:
        pause = PAUSE_SECONDS
        while True:
            ending = self._ending
            try:
                self._at_work = self._at_work or (not ending and self._is_due())
                if self._at_work:
                    self._forward(ending)
                pause = PAUSE_SECONDS
            except Exception as error:  # whatever MLflow, its database or the network raise
                self._warn(run.cause(error))
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            if ending:
                return
            self._wake.wait(pause)

    def _is_due(self) -> bool:
        return self._journal.started and time.monotonic() - self._began >= self._patience

    def _forward(self, ending: Ending | None) -> None:
        if self._store is None:
            self._store = store.opened()
            unended.settle(*self._store, self._uri)
        client, experiment = self._store
        if self._run is None:
            tags, inputs = {**version.tags(), **run.process()}, graph.inputs(self._target) or []
            self._card = Card(self._target, self._settings, tags, inputs)
            self._run = run.create_once(client, experiment, self._card, self._began_ms, self._token)
        if self._card is not None:
            run.describe(client, self._run, self._card)
            self._card = None
        with self._guard:
            if self._left:
                return  # the rest is written down for another process
            self._read_on()
            pending = list(self._pending)
        run.send(client, self._run, pending, run.CURVE)
        with self._guard:
            self._pending = self._pending[len(pending) :]
        if ending:
            run.end(client, self._run, ending.status, (ending.ended, self._last(ending)), self._tags(ending))
            self._told = True

    def _read_on(self) -> None:
        self._read, lines = run.whole_lines(self._journal.path, self._read)
        self._pending += [(run.now(), line) for line in lines]

    def _last(self, ending: Ending) -> dict[str, Any]:
        return {"step": run.last_step(self._journal.path), **ending.metrics}

    def _tags(self, ending: Ending) -> dict[str, str]:
        """What is known only now, of a training that ended well."""
        if ending.status != "FINISHED":
            return {}
        # of the stages that train for long, `base` alone stands below models/sft
        tags = {} if self._target.stage == "base" else run.lineage([run.DATA, run.SFT])
        return tags | {run.CONTENT: held.content(self._target.record)}

    def _leave(self, ending: Ending) -> None:
        """Writes down what MLflow has not heard, for whoever reaches it next."""
        if self._run is None and self._card is None:
            return  # no run was ever asked for: `track` makes it, if there is a result
        try:
            with self._guard:
                self._left = True
                self._read_on()
                rest = list(self._pending)
            described, last = self._card is None, self._last(ending)
            words = (self._token, described, rest, ending.status, ending.ended, last, self._tags(ending))
            unended.keep(self._uri, Words(*words))
        except OSError as error:  # the disk is full: `track` ends the run as KILLED
            self._warn(run.cause(error))

    def _warn(self, cause: str) -> None:
        if not self._warned:
            self._warned = True
            print(
                f"warning: MLflow at {store.shown()} is away ({cause}); the training goes on, "
                "and `python -m tasks track` makes up for it later",
                file=sys.stderr,
                flush=True,
            )
