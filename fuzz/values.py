"""Values of other types than a field should have, and lines that are no JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fuzz.texts import PLAIN


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    found: Any = []
    for _ in range(depth):
        found = [found]
    return found


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 3.5, 1e308, float("nan"), float("inf"), -(10**30), 10**400),
    *(
        [],
        {},
        [None],
        [[]],
        [1, 2],
        ["가", 1],
        ["가", None, "나"],
        [{}],
        [{"speaker": "가"}],
        {"a": {"b": []}},
    ),
    *(
        [{"speaker": 1, "utterance": "가"}],
        [{"utterance": None}],
        [{"text": ["가"]}],
        [{"speaker": [1], "text": "가"}],
    ),
    *(
        [{"role": "user"}],
        [{"role": 1, "content": "가"}],
        [{"role": "assistant", "content": None}],
        ["가"] * 3,
    ),
    *(
        [{"from": "human", "value": "가"}, {"from": "gpt", "value": "나"}],
        {"summary": "가"},
        nested(60),
        "",
        " ",
    ),
)
TURNS: tuple[Any, ...] = (
    *(
        [{"speaker": speaker, "utterance": "안녕"}] * 2
        for speaker in (1, 2.0, 1.5, True, None, "", "SD2000001", "#Person1#")
    ),
    *([{"화자": "가", "말": text}] for text in ("응", "", "\u200b", "<|im_end|>", "가\r\n나")),
    [
        {"speaker": "가", "utterance": "하나"},
        {"utterance": "둘"},
        {"speaker": "나", "text": "셋", "utterance": "넷"},
    ],
)


def lines(good: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Lines that stand between good ones and are no row, or one in a form that is not told; with their kind."""
    whole = json.dumps(good, ensure_ascii=False).encode()
    yield from (("cut line", whole[:end]) for end in range(1, len(whole), max(1, len(whole) // 40)))
    yield from (("cut line", whole[start:]) for start in range(1, len(whole), max(1, len(whole) // 20)))
    other = (
        b"null",
        b"true",
        b"5",
        b'"text"',
        b"[1]",
        b"[]",
        b"{}",
        b"{'a': 1}",
        whole + b",",
        whole + whole,
    )
    yield from (("no object", raw) for raw in other)
    broken = (
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
        b"\xe3\x81",
        b"\x00",
        b"\x00\x00",
        b"\xfe\xff",
    )
    yield from (("broken bytes", whole[:-2] + raw + whole[-2:]) for raw in broken)
    yield from (("broken bytes", raw) for raw in broken)
    yield from (
        ("encoding", PLAIN[:9].encode(name)) for name in ("cp949", "utf-16", "utf-16-le", "utf-32", "utf-7")
    )
    name = next(iter(good))
    twice = whole[:-1] + b', "' + name.encode() + b'": "' + "다른 글".encode() + b'"}'
    yield from (("name twice", one) for one in (twice, b'{"a": 1, "a": 1}'))
    yield from (("deep", sign * 3000) for sign in (b"[", b'{"a":', b"{"))
    yield ("giant number", b'{"a": ' + b"9" * 5000 + b"}")
    yield ("mark inside", b"\xef\xbb\xbf" + whole[:-1] + b"x}")
    yield from (
        ("not finite", b'{"a": ' + word + b"}") for word in (b"NaN", b"Infinity", b"-Infinity", b"nan")
    )
