"""Bad files of settings: params.yaml and those in assets, as texts, each under the name of its kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from ruamel.yaml import YAML

Texts = Iterator[tuple[str, bytes]]
WRONG: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0.5,
        10**30,
        float("nan"),
        float("inf"),
        -float("inf"),
        "",
        "x",
        "ㄱ",
        "\n",
        "1",
        "1e-4",
        "${own.base}",
    ),
    *([], [1], [[]], {}, {"kind": "x"}, {"": 1}, "../../etc/passwd", "a\u202eb", "<script>", "가" * 5000),
)
NAMES = (
    "../x",
    "a/b",
    "a.b",
    "a-b",
    "a b",
    "",
    ".",
    "..",
    "x;touch owned",
    "$(id)",
    "`id`",
    "sft",
    "한글",
    "a" * 300,
    "<b>",
)
PATHS = ("../x", "a/../../x", "/tmp/../etc", "..", "a\x07b", "a\u200bb")
URLS = (
    "http://me:secret@host/v1",
    "http://host/v1?api_key=sk-1",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "host",
    "",
)
TYPOS: tuple[Callable[[str], str], ...] = (
    lambda name: name[1:],
    lambda name: name + "s",
    lambda name: name.upper(),
    lambda name: name[:1] + name,
    lambda name: f" {name}",
)


def places(block: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a nested block."""
    for name, value in block.items() if isinstance(block, dict) else enumerate(block):
        yield (*before, name)
        if isinstance(value, dict | list):
            yield from places(value, (*before, name))


def written(text: str) -> Texts:
    """Texts that no settings are read from, of a good one: encodings, YAML's own traps, bombs."""
    raw = text.encode()
    for encoding in ("utf-16", "utf-16-le", "utf-32", "cp949"):
        yield "encoding", ("# 한글\n" + text).encode(encoding, "replace")
    yield from (
        ("broken bytes", raw[:200] + bad + raw[200:]) for bad in (b"\xff", b"\x00", b"\xed\xa0\x80", b"\x1b[")
    )
    yield from (
        ("no mapping", bad)
        for bad in (b"", b"# x\n", b"- 1\n", b"5", b"null", b'"text"', b"[]", b"---\n---\n")
    )
    yield from (("cut", raw[:end]) for end in range(100, len(raw), max(1, len(raw) // 12)))
    first = text.index(":")
    yield from (("tab", raw.replace(b"\n  ", b"\n\t", 1)), ("tab", b"\t" + raw))
    name = next(line.partition(":")[0] for line in text.splitlines() if line[:1].isalpha())
    yield "name twice", raw + f"\n{name}: 1\n".encode()
    yield "unknown name", raw + b"\nunheard_of: 1\n"
    bad = (
        "2024-99-99",
        "9" * 5000,
        "!!int x",
        "!!bool x",
        "!!python/object/apply:os.system [id]",
        "!!python/name:os.system",
        "*none",
        "._",
    )
    yield from (("value", f"{name}: {value}\n".encode()) for value in bad)
    yield from (("value", f'{name}: "{value}"\n'.encode()) for value in (r"\0", r"\x1b", r"\ud800", r"\q"))
    yield from (("deep", f"{name}: {sign * 500}".encode()) for sign in "[{")
    yield "deep", "".join("  " * depth + "a:\n" for depth in range(250)).encode()
    yield from (("bomb", bomb) for bomb in _bombs(name))
    yield "long", raw + b"# " + b"x" * 300_000
    yield "directive", b"%YAML 9.9\n---\n" + raw[first:]


def _bombs(name: str) -> Iterator[bytes]:
    """Aliases of aliases of aliases, and an anchor within itself."""
    for first, row in (("[1]", "[{}]"), ("{k: 1}", "{{k: [{}]}}"), ("{k: 1}", "{{<<: [{}]}}")):
        lines = [f"a0: &a0 {first}"]
        lines += [f"a{n}: &a{n} {row.format(', '.join([f'*a{n - 1}'] * 9))}" for n in range(1, 12)]
        yield "\n".join([*lines, f"{name}: *a11"]).encode()
    yield from (f"{name}: &a {row}".encode() for row in ("[*a]", "{a: *a}", "{<<: *a}"))


def changed(given: dict[str, Any], every: int) -> Texts:
    """`given` with one value of each `every`-th place wrong, misspelt or missing; some may be right by chance."""
    found = list(places(given))
    for number, place in enumerate(found[::every]):
        value = WRONG[number % len(WRONG)]
        yield (
            "wrong value",
            _put(given, place, lambda block, name, value=value: block.__setitem__(name, value)),
        )
    for number, place in enumerate(found[1::every]):
        if isinstance(place[-1], str):
            typo = TYPOS[number % len(TYPOS)]
            yield (
                "misspelt",
                _put(
                    given,
                    place,
                    lambda block, name, typo=typo: block.__setitem__(typo(name), block.pop(name)),
                ),
            )
            yield "missing", _put(given, place, lambda block, name: block.pop(name))


def hostile(given: dict[str, Any]) -> Texts:
    """params.yaml with names, paths and addresses that would reach beyond the project; all must be refused."""
    entry = next(iter(given["branches"]["pairs"].values()))
    for name in NAMES:
        yield "branch's name", _dumped(given, ("branches", "pairs", name), entry)
        yield "judge's name", _dumped(given, ("duel", "judges", name), {})
    for name in given["own"]:
        yield from (("own path", _dumped(given, ("own", name), path)) for path in PATHS)
    for method in ("../dpo", "__init__", "dpo.py", "os", "Dpo", "", None, 5, ["dpo"]):
        yield "method", _dumped(given, ("branches", "pairs", "x"), {**entry, "method": method})
    for url in URLS:
        yield "address", _dumped(given, ("feedback", "teacher"), {**_teacher(), "url": url})
    for rubric in ("../x", "/etc/passwd", "a/b", ""):
        yield "rubric", _dumped(given, ("feedback", "teacher"), {**_teacher(), "rubric": rubric})
    yield from (
        ("empty branches", _dumped(given, ("branches",), value)) for value in ({}, None, [], {"pairs": {}})
    )
    for family in given["branches"]:
        yield "empty branches", _dumped(given, ("branches", family), None)
    for name in ("pairs", "sft"):
        yield (
            "repository",
            _dumped(given, (name, "source"), {"kind": "hub", "id": "../x", "revision": "main"}),
        )


def _teacher() -> dict[str, Any]:
    given = {
        "kind": "endpoint",
        "url": "http://localhost/v1",
        "model": "m",
        "rubric": "ko",
        "temperature": 0.0,
    }
    return {**given, "reply_tokens": 9, "concurrency": 1, "max_attempts": 1, "timeout_seconds": 1.0}


def _put(given: dict[str, Any], place: tuple[Any, ...], change: Callable[[Any, Any], Any]) -> bytes:
    found = deepcopy(given)
    block: Any = found
    for name in place[:-1]:
        block = block[name]
    change(block, place[-1])
    return as_yaml(found)


def _dumped(given: dict[str, Any], place: tuple[Any, ...], value: Any) -> bytes:
    return _put(given, place, lambda block, name: block.__setitem__(name, value))


def as_yaml(given: Any) -> bytes:
    """As JSON, which is YAML; numbers that JSON has not are spelled as YAML does."""
    text = json.dumps(given, ensure_ascii=True)
    return text.replace("-Infinity", "-.inf").replace("Infinity", ".inf").replace("NaN", ".nan").encode()


def plain(text: str) -> dict[str, Any]:
    """The values of one of our own files."""
    return json.loads(json.dumps(YAML(typ="safe", pure=True).load(text)))
