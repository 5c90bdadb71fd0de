"""A model behind an OpenAI-compatible endpoint: how a teacher is asked and read, and many requests at once.

A text that is judged cannot speak for itself: it is sent as a JSON string, which nothing in it can end, and a score is
read from the teacher's reply alone. What cannot be read is no score: neither a zero nor a guess.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

from tasks.measures.pace import Pace
from tasks.measures.verdicts import Verdicts, key_of
from tasks.redaction import redacted
from tasks.refusal import Refusal
from tasks.sections.asked import EndpointTeacher

RUBRICS = Path("assets/rubrics")
SCALE = (1.0, 10.0)  # what a rubric asks for
KEY = "OPENAI_API_KEY"
PLACE = "params.yaml: feedback.teacher"
KEPT = "what was answered is kept, and a new run asks only for the rest"

_SCORE = re.compile(r'\{[^{}]*"score"\s*:\s*"?(-?\d+(?:\.\d+)?)"?\s*[,}]')

Request = dict[str, Any]


class Endpoint(NamedTuple):
    """Who is asked, where in params.yaml that is said, and how many requests a minute it bears; None for any number."""

    model: EndpointTeacher
    place: str
    per_minute: int | None


def conversation(model: EndpointTeacher, rubric: str, texts: str) -> Request:
    """All that is sent: the rubric, the texts to judge and how to answer."""
    given = {"temperature": model.temperature, "max_tokens": model.reply_tokens}
    return {
        "model": model.model,
        "messages": [{"role": "system", "content": rubric}, {"role": "user", "content": texts}],
        **{name: value for name, value in given.items() if value is not None},
    }


def request(teacher: EndpointTeacher, rubric: str, document: str, summary: str) -> Request:
    """All that is sent to judge one summary."""
    texts = json.dumps({"document": document, "summary": summary}, ensure_ascii=False)
    return conversation(teacher, rubric, texts)


def rubric_of(at: Endpoint, folder: Path = RUBRICS) -> str:
    """The text of the rubric that the model judges by."""
    path = folder / f"{at.model.rubric}.txt"
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(f"{at.place}.rubric", f"{path} cannot be read ({error})", "write it there") from error


def score(reply: str) -> float | None:
    """The last {"score": n} of a reply; None where there is none, or n is not on the scale."""
    found = _SCORE.findall(reply)
    number = float(found[-1]) if found else None
    return number if number is not None and SCALE[0] <= number <= SCALE[1] else None


def replies(
    at: Endpoint,
    requests: Sequence[Request],
    verdicts: Verdicts,
    say: Callable[[str], None],
    step: Callable[[int, int], None],
) -> list[str]:
    """A reply to each request, in their order; only those without a verdict are sent."""
    missing = without_verdict(requests, verdicts)
    if missing:
        say(f"{len(missing)} requests to make to {at.model.model} at {at.model.url}; {KEPT}")
        _ask(at, missing, verdicts, step)
    return [str(verdicts.reply(one)) for one in requests]


def without_verdict(requests: Sequence[Request], verdicts: Verdicts) -> list[Request]:
    """Those that were never answered, each once."""
    return list({key_of(one): one for one in requests if verdicts.reply(one) is None}.values())


def _ask(
    at: Endpoint, requests: Sequence[Request], verdicts: Verdicts, step: Callable[[int, int], None]
) -> None:
    """Nothing; every reply is kept by the thread that gets it, so that whatever ends this loses none that is paid."""
    from openai import OpenAI

    given = {"timeout": at.model.timeout_seconds, "max_retries": at.model.max_attempts - 1}
    # a local server asks for no key, and the client for some
    with OpenAI(base_url=at.model.url, api_key=os.environ.get(KEY) or "none", **given) as client:
        pool, pace = ThreadPoolExecutor(at.model.concurrency), Pace(at.per_minute)
        try:
            sent = [pool.submit(_reply, at, client, one, verdicts, pace) for one in requests]
            for number, done in enumerate(as_completed(sent), start=1):
                done.result()
                step(number, len(requests))
        finally:
            pace.stop()
            pool.shutdown(cancel_futures=True)


def _reply(at: Endpoint, client: Any, request: Request, verdicts: Verdicts, pace: Pace) -> None:
    from openai import OpenAIError

    if not pace.turn():
        return
    try:
        answer = client.chat.completions.create(**request)
        verdicts.keep(request, answer.choices[0].message.content or "")
    except OpenAIError as error:
        raise _refusal(at.place, error) from error
    except (AttributeError, IndexError, TypeError) as error:
        cause = "does not answer as the OpenAI API does"
        raise Refusal(f"{at.place}.url", cause, "check the address; most end in /v1") from error


def _refusal(place: str, error: Exception) -> Refusal:
    """Why the endpoint gave no verdict; its own words may hold a key, and are told without."""
    status = getattr(error, "status_code", None)
    if status in (401, 403):
        known = "this key" if os.environ.get(KEY) else "a request without a key"
        return Refusal(f"{place}.url", f"refuses {known} ({status})", f"set {KEY}; {KEPT}")
    words = redacted(" ".join(str(error).split()))[:200]  # before it is cut, or half a key would stay
    if status is None:
        cause = f"cannot be reached ({words})"
        return Refusal(f"{place}.url", cause, f"start the server, or mend the address; {KEPT}")
    if status in (408, 409, 429) or status >= 500:
        cause = f"still fails after every attempt ({words})"
        return Refusal(f"{place}.url", cause, f"run it again later, or lower concurrency; {KEPT}")
    return Refusal(place, f"its request is refused ({words})", f"check url, model and what is null; {KEPT}")
