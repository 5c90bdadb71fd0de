"""`python -m tasks STAGE ...`: the only entry that DVC calls; also `check`, `table`, `track`, `runs`, `summarize`,
`agreement`, `rate`, `card`, `pretrain`, `receipt`, `verify`, `reproduce`.

A stage is a file in tasks/ with a function `run`. It is given what its signature asks for by name: sections
of params.yaml, arguments of the command line, `entry` (the branch's settings), `journal`, and `scratch` (a
folder for checkpoints, found again after a kill). Who asks for `compute` gets a GPU, or a share of the cores.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from tasks.ledger import environment, state
from tasks.redaction import redacted
from tasks.refusal import Refusal

if TYPE_CHECKING:
    from tasks.ledger.scratch import Scratch
    from tasks.ledger.target import Target

FAILED, REFUSED = 1, 2


class Terminated(BaseException):
    """SIGTERM, as an exception: what is open gets closed on the way out."""


def main(words: Sequence[str]) -> int:
    """Runs one stage or command; gives the exit code, and has said why when it is not 0."""
    name = words[0] if words else ""
    try:
        environment.die_with_parent()
        environment.settle(name)
        COMMANDS.get(name, _stage)(words)
    except Refusal as refusal:
        return _refused(refusal)
    except Terminated:
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:
        trouble = _trouble(error, name)
        if trouble:
            return _refused(trouble)
        print(redacted(traceback.format_exc()), file=sys.stderr, end="", flush=True)
        return FAILED
    return 0


def _stage(words: Sequence[str]) -> None:
    """From params.yaml to reports/metrics/<record>.json."""
    from tasks.ledger import device, graph, provenance, room, target, tracking
    from tasks.ledger.journal import Journal
    from tasks.ledger.signature import Signature

    wanted = target.parse(words)
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # nohup makes it deaf to its terminal's end
        signal.signal(signal.SIGHUP, _terminate)
    before = provenance.Snapshot()
    stage = Signature(wanted)
    settings = before.watch(stage.settings, stage.method())
    compute = settings.get("compute")
    room.require(wanted)
    with ExitStack() as held:
        if compute:
            wants, last = device.threads(wanted.stage, compute), wanted.stage in device.LAST
            held.enter_context(device.hold(compute["device"], wants, last=last))
            before.check()  # it may have waited for hours
        scratch = held.enter_context(_scratch(wanted, settings)) if stage.asks_for("scratch") else None
        journal = Journal(wanted.record, scratch.folder if scratch else None)
        with tracking.followed(wanted, settings, journal) as following:
            began = time.time()
            found = stage.call(journal=journal, scratch=scratch and scratch.folder)
            if not journal.started and graph.owns(wanted, journal.path):
                journal.leave_empty()
            before.check()
            room.require(wanted, graph.outputs(wanted))
            following.metrics = _recorded(wanted, found, began)
        if scratch:
            scratch.done()


def _scratch(wanted: Target, settings: dict[str, Any]) -> Scratch:
    from tasks.ledger import graph
    from tasks.ledger.scratch import Scratch, fingerprint

    inputs = graph.inputs(wanted)
    if inputs is None:  # nobody can say what decides its numbers, so it never resumes
        return Scratch(wanted.record, os.urandom(32).hex())
    return Scratch(wanted.record, fingerprint(settings, inputs))


def _recorded(wanted: Target, found: dict[str, Any] | None, began: float) -> dict[str, Any]:
    """The metrics, as written to reports/metrics where dvc.yaml has them as an output."""
    from tasks.ledger import costs, graph, held, version

    record = wanted.record
    metrics, path = _clean(record, found or {}), held.METRICS / f"{record}.json"
    if metrics and graph.owns(wanted, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        text = json.dumps(metrics, indent=2, sort_keys=True, ensure_ascii=False)
        fresh.write_text(text + "\n", encoding="utf-8")
        os.replace(fresh, path)  # never written into: the old one may be a link into DVC's cache
    ended = time.time()
    times = {"started": int(1000 * began), "ended": int(1000 * ended)}
    costs.write(record, ended - began, metrics, content=held.content(record), code=version.tags(), **times)
    return metrics


def _clean(record: str, found: dict[str, Any]) -> dict[str, Any]:
    """Plain values; a number that is not finite is no result."""
    plain = {name: value.item() if hasattr(value, "item") else value for name, value in found.items()}
    for name, value in plain.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise Refusal(f"{record}: {name}", f"is {value}", "it diverged; lower its learning_rate")
        if not isinstance(value, float | int | str | None):
            raise TypeError(f"{record}: metric {name} is a {type(value).__name__}")
    return plain


def _terminate(*_: object) -> None:
    # dvc's own death sends a second SIGTERM right after the first; it must not cut the clean-up short
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


def _refused(refusal: Refusal) -> int:
    print(f"gallim: {' '.join(str(refusal).split())}", file=sys.stderr, flush=True)
    return REFUSED


def _trouble(error: BaseException, place: str) -> Refusal | None:
    """A full or read-only disk and a full memory, which libraries tell in a hundred lines."""
    from tasks.ledger import room

    for cause in _chain(error):
        text, disk = str(cause), room.trouble(cause)
        if disk:
            return Refusal(place, *disk)
        if isinstance(cause, MemoryError) or "out of memory" in text or "can't allocate memory" in text:
            return Refusal(place, "there is not enough memory", "lower its batch_size in params.yaml")
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _table(_: Sequence[str]) -> None:
    from rich.console import Console

    from tasks import compare

    if not compare.JSON.exists():
        raise Refusal(str(compare.JSON), "there is no comparison yet", "run `make run`")
    found = json.loads(compare.JSON.read_text(encoding="utf-8"))
    Console(width=None if sys.stdout.isatty() else 140).print(compare.table(found))


def _track(_: Sequence[str]) -> None:
    from tasks.ledger import receipt, tracking

    try:
        print(tracking.track())
        tied = tracking.told()
    except Refusal as refusal:
        print(receipt.told(receipt.leave({"away": refusal.cause})))
        raise
    left = receipt.leave(tied)
    print(receipt.told(left), flush=True)
    if left:
        tracking.attach(left)


def _verify(words: Sequence[str]) -> None:
    from tasks import compare, verify
    from tasks.ledger.target import Parser

    parser = Parser(prog="python -m tasks verify", description="Hold every result against its receipt.")
    parser.add_argument("receipt", nargs="?", help="name or path; the newest of this tree without it")
    parser.add_argument(
        "--texts", action="store_true", help="every number of a text anew, too; takes minutes"
    )
    given = parser.parse_args(words[1:])
    if verify.run(given.receipt, compare.answered, texts=given.texts):
        raise SystemExit(FAILED)


def _reproduce(words: Sequence[str]) -> None:
    # flows stand above, and worktrees are theirs; in place of this process, so that a signal reaches it
    os.execv(sys.executable, [sys.executable, "-m", "flows.reproduce", *words[1:]])


def _runs(_: Sequence[str]) -> None:
    from tasks.ledger import tracking

    print(json.dumps(tracking.runs()))


def _summarize(words: Sequence[str]) -> None:
    from tasks import summarize
    from tasks.ledger.target import Parser

    parser = Parser(prog="python -m tasks summarize", description="Summarize a text file.")
    parser.add_argument("--model", required=True, help="models/sft or models/<branch>-<seed>")
    parser.add_argument("file", help="a text file, UTF-8")
    given = parser.parse_args(words[1:])
    summarize.run(given.model, given.file)


def _agreement(words: Sequence[str]) -> None:
    from tasks import agreement
    from tasks.ledger.target import Parser

    parser = Parser(prog="python -m tasks agreement", description="Hold a judge against people's verdicts.")
    parser.add_argument("file", help="a rated set: jsonl, csv or parquet (docs/judges.md)")
    parser.add_argument("--judge", required=True, help="rouge, rougeL, reward, or an entry of duel.judges")
    parser.add_argument("--criterion", help="one of the set's scores; their mean without it")
    parser.add_argument(
        "--field", action="append", default=[], metavar="NAME=COLUMN", help="e.g. document=article"
    )
    parser.add_argument("--pairs", type=int, help="so many, drawn by duel.seed; all without it")
    given = parser.parse_args(words[1:])
    names = dict(field.partition("=")[::2] for field in given.field)
    agreement.run(given.file, given.judge, given.criterion, names, given.pairs)


def _rate(words: Sequence[str]) -> None:
    from tasks import rate
    from tasks.ledger.target import Parser

    parser = Parser(prog="python -m tasks rate", description="Rate two models' summaries on a page, blind.")
    parser.add_argument("models", nargs="*", metavar="MODEL", help="two of sft and <branch>-<seed>")
    parser.add_argument(
        "--samples", action="store_true", help="sft's training samples instead, for own pairs"
    )
    parser.add_argument("--decoding", choices=("greedy", "sampled"), default="greedy")
    parser.add_argument("--prompts", type=int, help="so many, drawn by the seed; all without it")
    parser.add_argument("--seed", type=int, default=0, help="of the order and of the sides")
    parser.add_argument("--port", type=int, default=0, help="any free one without it")
    parser.add_argument("--rater", help="your name beside the answers; the login without it")
    parser.add_argument("--result", action="store_true", help="no page: write the files and tell the result")
    given = parser.parse_args(words[1:])
    if given.samples and given.models:
        parser.error("--samples are of sft alone and take no MODEL")
    if min(given.seed, given.port, given.prompts or 0) < 0 or given.prompts == 0 or given.port > 65535:
        parser.error("--seed is 0 or more, --port is 0 to 65535, --prompts is more than 0")
    rate.run(
        given.models,
        given.decoding,
        given.samples,
        given.prompts,
        given.seed,
        given.port,
        given.rater,
        serve=not given.result,
    )


def _card(words: Sequence[str]) -> None:
    from tasks import card
    from tasks.ledger.target import Parser

    parser = Parser(prog="python -m tasks card", description="Write the model card of a trained model.")
    parser.add_argument("model", help="<branch>-<seed>")
    print(card.run(parser.parse_args(words[1:]).model))


def _pretrain(_: Sequence[str]) -> None:
    from tasks import pretrain
    from tasks.ledger.journal import Journal

    pretrain.run(Journal("pretrain", folder=state.folder("pretrain")))


def _check(words: Sequence[str]) -> None:
    from tasks import check
    from tasks.ledger.target import Parser

    parser = Parser(prog="python -m tasks check", description="Look for what would go wrong, before it runs.")
    parser.add_argument("--json", metavar="FILE", help="the findings as JSON; - for standard output")
    parser.add_argument("--steps", choices=check.STEPS, default="due", help="branches to try a step of")
    parser.add_argument("--if-due", action="store_true", help="only where DVC has something to run")
    given = parser.parse_args(words[1:])
    failures = check.run(given.json, given.steps, given.if_due)
    if failures:
        raise Refusal("check", f"{failures} failures, told above", "mend them; nothing was run")


COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "check": _check,
    "table": _table,
    "track": _track,
    "receipt": _track,  # which leaves one
    "verify": _verify,
    "reproduce": _reproduce,
    "runs": _runs,
    "card": _card,
    "summarize": _summarize,
    "agreement": _agreement,
    "rate": _rate,
    "pretrain": _pretrain,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
