"""Command rate: people say which of two summaries is better, on a page of this machine that names no model."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks import parameters
from tasks.ledger.target import NAME
from tasks.people import answers, app, outcome, subjects
from tasks.people.answers import Log
from tasks.people.outcome import Rater
from tasks.people.questions import drawn
from tasks.people.sitting import Sitting
from tasks.people.subjects import Subject
from tasks.refusal import Refusal

FOLDER = Path("reports/people")
MINE = "command line"


def run(
    models: Sequence[str],
    decoding: str,
    samples: bool,
    most: int | None,
    seed: int,
    port: int,
    rater: str | None,
    serve: bool = True,
) -> None:
    """Serves the page until Ctrl-C, unless only the result is wanted; then files are written and the rate is told."""
    every = parameters.read()
    rater = rater or _login()
    if not NAME.fullmatch(rater):
        raise Refusal(MINE, f"--rater {rater!r} is no name", "take letters, digits, - and _")
    subject = subjects.of_samples(every.text) if samples else subjects.of_models(models, decoding)
    folder = FOLDER / subject.name
    if serve:
        log = Log(folder / "answers" / f"{rater}.jsonl")
        try:
            _serve(subject, log, rater, seed, most, port)
        finally:
            log.close()
    print("\n".join(written(subject, folder, 1 - every.compare.confidence)))


def written(subject: Subject, folder: Path, alpha: float) -> list[str]:
    """Writes what the answers of all raters come to into the folder; lines that tell it."""
    raters = _raters(folder)
    rows = outcome.rated(subject.questions, raters)
    files = {"rated.jsonl": rows}
    if subject.render is not None:
        files["pairs.jsonl"] = outcome.preferences(subject.questions, raters, subject.render)
    names = {row["rater"] for row in rows}
    lines = [f"{subject.told}: {len(rows)} verdicts, {len(names)} raters ({', '.join(sorted(names))})"]
    for name, some in files.items():
        if not some:
            (folder / name).unlink(missing_ok=True)  # of answers that were taken back
            continue
        _write(folder / name, some)
        lines.append(f"  {folder / name}: {len(some)} rows")
    return [*lines, *_told(subject, raters, alpha)] if rows else [f"{subject.told}: no verdict yet"]


def _serve(subject: Subject, log: Log, rater: str, seed: int, most: int | None, port: int) -> None:
    former = answers.seed_of(log.standing, log.path)
    if former not in (None, seed):
        raise Refusal(str(log.path), f"was begun with the seed {former}", f"say --seed {former}")
    who = {"models": list(subject.models), "rater": rater, "seed": seed}
    sitting = Sitting(drawn(subject.questions, seed, most), log, who)
    at, token = app.bound(port), app.new_token()
    address = f"http://{app.LOOPBACK}:{at.getsockname()[1]}/{token}"
    print(
        f"{sitting.place} of {sitting.total} questions have an answer; Ctrl-C ends, and later goes on from there"
    )
    print(f"English: {address}/en/\n한국어:  {address}/ko/", flush=True)
    app.serve(app.made(sitting, token), at)


def _told(subject: Subject, raters: Sequence[Rater], alpha: float) -> list[str]:
    """Of two models the win rate of the first; of anything how often the left side was chosen."""
    left, decided = outcome.sides(subject.questions, raters)
    lines = [f"  the left side was chosen {left} times of {decided}"]
    if subject.render is not None:
        return lines
    (first, second), (interval, counts) = subject.models, outcome.win_rate(subject.questions, raters, alpha)
    lines.append(
        f"  {first} against {second}: {counts['a']} wins, {counts['tie']} ties, {counts['b']} losses, "
        f"{counts['skip']} skipped; {counts['one_text']} prompts where both wrote one text are ties, too"
    )
    if interval is not None:
        said = f"{interval.mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
        lines.append(f"  win rate {said}: {100 * (1 - alpha):g} %, however often one looks")
    return [*lines, "  no pairs to train on are written: these documents are for evaluation"]


def _raters(folder: Path) -> list[Rater]:
    found = []
    for path in sorted(folder.glob("answers/*.jsonl")):
        standing = answers.standing(answers.read(path))
        found.append(Rater(path.stem, answers.seed_of(standing, path), standing))
    return found


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    os.replace(fresh, path)


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:  # a container's user may have no name
        raise Refusal(MINE, "your login has no name", "give one by --rater") from error
