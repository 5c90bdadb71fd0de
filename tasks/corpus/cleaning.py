"""Text as every later stage sees it: NFC, one line break, nothing invisible, no literal special token."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

# What a model may read as a command and not as text: <|im_end|>, <｜end▁of▁sentence｜>, [|endofturn|], </s>,
# <pad>, <start_of_turn>, <extra_id_0>, [SEP], [/INST], <<SYS>>. Case matters: [Sep] may be a month.
SPECIAL_TOKENS = re.compile(
    r"(?:<\|[A-Za-z0-9_.:/-]{1,40}\|>|<｜[A-Za-z0-9_.:/▁-]{1,40}｜>|\[\|[A-Za-z0-9_.:/-]{1,40}\|\]"
    r"|</?s>|<(?:pad|unk|bos|eos|mask|cls|sep)>"
    r"|<(?:start_of_turn|end_of_turn|extra_id_[0-9]{1,3}|unused[0-9]{1,4})>"
    r"|\[(?:PAD|UNK|CLS|SEP|MASK|BOS|EOS|/?INST)\]|<</?SYS>>)+"
)
_STEPS = (
    ("line_breaks", re.compile("\r\n?|[\v\f\x85\u2028\u2029]"), "\n"),
    # soft hyphen, Hangul choseong and jungseong fillers, joiners, direction marks, BOM, invisible tags
    (
        "zero_width",
        re.compile(
            "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
            "\ufff9-\ufffb\U000e0000-\U000e007f]"
        ),
        "",
    ),
    ("blank_glyphs", re.compile("[\t\u3164\uffa0\u2800]"), " "),
    ("control_characters", re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]"), ""),
)
MENDED = frozenset(
    {*(name for name, _, _ in _STEPS), "not_nfc", "special_tokens"}
)  # notes of what was changed
_SENTENCE_END = re.compile(r"[.!?。！？…][\"'”’)\]」』]{0,3}(?=\s)|(?=\n)")


def clean(text: str) -> tuple[str, Counter[str]]:
    """The text, mended, and how often in what way; a lone surrogate is a UnicodeEncodeError."""
    text.encode("utf-8")
    notes: Counter[str] = Counter()
    for name, pattern, replacement in _STEPS:
        text, notes[name] = pattern.subn(replacement, text)
    if not unicodedata.is_normalized("NFC", text):
        text, notes["not_nfc"] = unicodedata.normalize("NFC", text), 1
    text, notes["special_tokens"] = SPECIAL_TOKENS.subn(_gap, text)
    trimmed = "\n".join(line.rstrip() for line in text.split("\n")).strip()
    notes["edge_spaces"] = int(trimmed != text)
    notes["replacement_characters"] = trimmed.count(
        "\ufffd"
    )  # kept: an earlier decoding lost what stood there
    return trimmed, +notes


def _gap(match: re.Match[str]) -> str:
    """A space where two words would grow together, so that no new token forms around an old one."""
    before = match.string[max(match.start() - 1, 0) : match.start()]
    after = match.string[match.end() : match.end() + 1]
    return " " if before.strip() and after.strip() else ""


def truncate(text: str, limit: int) -> str:
    """At most `limit` characters, to the last line or sentence end; without one, to the last space."""
    if len(text) <= limit:
        return text
    ends = [match.end() for match in _SENTENCE_END.finditer(text, 0, limit + 1) if 0 < match.end() <= limit]
    if ends:
        return text[: ends[-1]].rstrip()
    space = max(text.rfind(" ", 0, limit + 1), 0)
    return text[: space or limit].rstrip()
