"""Faults planted in a Korean summary: two speakers exchanged, the last deed denied."""

from __future__ import annotations

import re

import pytest

from tasks.corpus.korean import FORMS, particle
from tasks.corpus.matters import lexicon

AFTER_CLOSED = {form: closed for closed, pair in FORMS.items() for form in pair}
PARTICLES = "|".join(sorted(AFTER_CLOSED, key=len, reverse=True))
STEMS = {verb.now: verb.stem for verb in lexicon.VERBS.values()}


@pytest.fixture(scope="session")
def exchanged():
    """A function of summary and two names: the summary with the names exchanged, each with its particle mended."""

    def exchange(summary: str, one: str, other: str) -> str:
        def mended(match: re.Match[str]) -> str:
            name, form = other if match[1] == one else one, match[2] or ""
            return name + (particle(name, AFTER_CLOSED[form]) if form else "")

        return re.sub(rf"(?<![가-힣])({one}|{other})({PARTICLES})?(?![가-힣])", mended, summary)

    return exchange


@pytest.fixture(scope="session")
def denied():
    """A function of summary: the same with its last deed denied; unchanged where it ends with none."""

    def deny(summary: str) -> str:
        told = re.sub(r"기로 (했|정했)다\.$", r"지 않기로 \1다.", summary)
        now = re.search(r"([가-힣]+)다\.$", summary)
        if told == summary and now and now[1] in STEMS:
            told = f"{summary[: now.start()]}{STEMS[now[1]]}지 않는다."
        return re.sub(r"맡는다\.$", "맡지 않는다.", told)

    return deny
