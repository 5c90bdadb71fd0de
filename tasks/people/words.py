"""The words of the page, English and Korean; it is no part of the report, so they do not stand in its ko.yaml."""

from __future__ import annotations

from tasks.measures.language import ENGLISH, KOREAN

WORDS = {
    ENGLISH: {
        "title": "Which summary is better?",
        "hint": "Take the one you would rather have, had you no time for the document: right, and with what matters.",
        "document": "Document",
        "left": "Left",
        "right": "Right",
        "choose_left": "Left is better",
        "choose_right": "Right is better",
        "tie": "Equally good",
        "skip": "Skip",
        "undo": "Undo",
        "progress": "{done} of {total} answered",
        "end": "All questions are answered.",
        "end_hint": "Thank you. Undo takes the last answer back; Ctrl-C in the terminal ends and tells the result.",
        "space": "space",
    },
    KOREAN: {
        "title": "어느 요약이 더 낫습니까?",
        "hint": "문서를 읽을 시간이 없을 때 받고 싶은 요약을 고르세요. 내용이 맞고 중요한 것이 담긴 쪽입니다.",
        "document": "문서",
        "left": "왼쪽",
        "right": "오른쪽",
        "choose_left": "왼쪽이 낫다",
        "choose_right": "오른쪽이 낫다",
        "tie": "비슷하다",
        "skip": "건너뛰기",
        "undo": "되돌리기",
        "progress": "{total}개 중 {done}개 답함",
        "end": "모든 질문에 답했습니다.",
        "end_hint": "고맙습니다. 되돌리기는 마지막 답을 취소합니다. 터미널에서 Ctrl-C를 누르면 끝나고 결과가 나옵니다.",
        "space": "스페이스",
    },
}
