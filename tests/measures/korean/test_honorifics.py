"""Speech levels by their endings."""

from __future__ import annotations

import pytest

from tasks.measures.korean.honorifics import levels, mixed_levels


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("회의를 했습니다. 내일은 쉬어요. 모레 간다. 자료를 정리함.", ["합니다", "해요", "한다", "함"]),
        ("갑시다. 언제 갑니까? 오십시오.", ["합니다"] * 3),
        ("가죠. 가네요. 가세요?", ["해요"] * 3),
        ("내가 갈게. 벌써 갔네.", ["해"] * 2),
        ("취소됐다", ["한다"]),
        ("회의를 하고", []),
        ("OK. Let us go.", []),
        ("", []),
    ],
)
def test_levels(text, expected):
    assert levels(text) == expected


def test_mixed_levels_are_those_beside_the_most_common():
    assert mixed_levels("갔다. 왔다. 봤다.") == 0.0
    assert mixed_levels("갔다. 왔다. 봤습니다.") == pytest.approx(1 / 3)
    assert mixed_levels("") == 0.0
