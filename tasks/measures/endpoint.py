"""A teacher behind an OpenAI-compatible endpoint: what it is asked, how its reply is read, and many requests at once.

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
from typing import Any

from tasks.measures.verdicts import Verdicts, key_of
from tasks.parameters import EndpointTeacher
from tasks.refusal import Refusal

RUBRICS = Path("assets/rubrics")
SCALE = (1.0, 10.0)  # what a rubric asks for
KEY = "OPENAI_API_KEY"
PLACE = "params.yaml: feedback.teacher"
KEPT = "what was answered is kept, and a new run asks only for the rest"

_SCORE = re.compile(r'\{[^{}]*"score"\s*:\s*"?(-?\d+(?:\.\d+)?)"?\s*[,}]')

Request = dict[str, Any]


def request(teacher: EndpointTeacher, rubric: str, document: str, summary: str) -> Request:
    """All that is sent to judge one summary."""
    texts = json.dumps({"document": document, "summary": summary}, ensure_ascii=False)
    given = {"temperature": teacher.temperature, "max_tokens": teacher.reply_tokens}
    return {
        "model": teacher.model,
        "messages": [{"role": "system", "content": rubric}, {"role": "user", "content": texts}],
        **{name: value for name, value in given.items() if value is not None},
    }


def rubric_of(teacher: EndpointTeacher) -> str:
    """The text of the rubric that the teacher judges by."""
    path = RUBRICS / f"{teacher.rubric}.txt"
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(f"{PLACE}.rubric", f"{path} cannot be read ({error})", "write it there") from error


def score(reply: str) -> float | None:
    """The last {"score": n} of a reply; None where there is none, or n is not on the scale."""
    found = _SCORE.findall(reply)
    number = float(found[-1]) if found else None
    return number if number is not None and SCALE[0] <= number <= SCALE[1] else None


def replies(
    teacher: EndpointTeacher,
    requests: Sequence[Request],
    verdicts: Verdicts,
    say: Callable[[str], None],
    step: Callable[[int, int], None],
) -> list[str]:
    """A reply to each request, in their order; only those without a verdict are sent."""
    missing = {key_of(one): one for one in requests if verdicts.reply(one) is None}
    if missing:
        say(f"{len(missing)} requests to make to {teacher.model} at {teacher.url}; {KEPT}")
        _ask(teacher, list(missing.values()), verdicts, step)
    return [str(verdicts.reply(one)) for one in requests]


def _ask(
    teacher: EndpointTeacher,
    requests: Sequence[Request],
    verdicts: Verdicts,
    step: Callable[[int, int], None],
) -> None:
    """Nothing; every reply is kept by the thread that gets it, so that whatever ends this loses none that is paid."""
    from openai import OpenAI

    given = {"timeout": teacher.timeout_seconds, "max_retries": teacher.max_attempts - 1}
    # a local server asks for no key, and the client for some
    with OpenAI(base_url=teacher.url, api_key=os.environ.get(KEY) or "none", **given) as client:
        pool = ThreadPoolExecutor(teacher.concurrency)
        try:
            asked = [pool.submit(_reply, client, one, verdicts) for one in requests]
            for number, done in enumerate(as_completed(asked), start=1):
                done.result()
                step(number, len(requests))
        finally:
            pool.shutdown(cancel_futures=True)


def _reply(client: Any, request: Request, verdicts: Verdicts) -> None:
    from openai import OpenAIError

    try:
        answer = client.chat.completions.create(**request)
        verdicts.keep(request, answer.choices[0].message.content or "")
    except OpenAIError as error:
        raise _refusal(error) from error
    except (AttributeError, IndexError, TypeError) as error:
        cause = "does not answer as the OpenAI API does"
        raise Refusal(f"{PLACE}.url", cause, "check the address; most end in /v1") from error


def _refusal(error: Exception) -> Refusal:
    """Why the endpoint gave no verdict; its own words may hold a key, and are told without."""
    status = getattr(error, "status_code", None)
    if status in (401, 403):
        known = "this key" if os.environ.get(KEY) else "a request without a key"
        return Refusal(f"{PLACE}.url", f"refuses {known} ({status})", f"set {KEY}; {KEPT}")
    words = " ".join(str(error).split())[:200].replace(os.environ.get(KEY) or "\0", "...")
    if status is None:
        cause = f"cannot be reached ({words})"
        return Refusal(f"{PLACE}.url", cause, f"start the server, or mend the address; {KEPT}")
    if status in (408, 409, 429) or status >= 500:
        cause = f"still fails after every attempt ({words})"
        return Refusal(f"{PLACE}.url", cause, f"run it again later, or lower concurrency; {KEPT}")
    return Refusal(PLACE, f"its request is refused ({words})", f"check url, model and what is null; {KEPT}")
