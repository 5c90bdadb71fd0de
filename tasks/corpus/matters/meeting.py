"""A meeting at work: about what, when, in which room, and who prepares what."""

from tasks.corpus.matters import lexicon
from tasks.corpus.matters.matter import HOURS, SOON, Matter

MATTER = Matter(
    name="meeting",
    head="회의",
    slots={
        "item": ("예산", "신제품", "홍보", "채용", "행사", "교육", "매출"),
        "day": SOON,
        "time": HOURS[:13],
        "place": lexicon.ROOMS,
    },
    openings={
        "polite": (
            (("a", "{item} 회의를 해야 해요."), ("b", "네, {place}에서 할까요?"), ("a", "좋아요.")),
            (("a", "{item} 회의 언제 할까요?"), ("b", "{place:은} 비어 있어요."), ("a", "그럼 거기서 해요.")),
            (("a", "{place}에서 {item} 회의 하시죠."), ("b", "네, 알겠습니다.")),
        ),
        "casual": (
            (("a", "{item} 회의 잡아야 해."), ("b", "{place} 어때?"), ("a", "좋아.")),
            (("a", "{place}에서 {item} 회의 하자."), ("b", "응, 알겠어.")),
        ),
    },
    stages=("when",),
    counters=("place",),
    changes=("day", "time", "place"),
    labels={"day": "날짜", "time": "시간", "place": "장소"},
    parts=("day", "time", "place", "item"),
    cancelled_parts=("day", "place", "item"),
    agreed=(
        "{people:은} {day} {time}에 {place}에서 {item} 회의를 하기로 했다",
        "{people:은} {item} 회의를 {day} {time} {place}에서 열기로 했다",
        "{item} 회의는 {day} {time} {place}에서 열기로 했다",
        "{day} {time}에 {place}에서 {item} 회의를 하기로 정했다",
        "{people}의 {item} 회의는 {day} {time} {place:으로} 잡혔다",
        "{people:이} {place}에서 {day} {time}에 {item} 회의를 열기로 했다",
        "{item} 회의가 {day} {time} {place:으로} 정해졌다",
    ),
    deeds=(
        ("자료", "준비"),
        ("발표", "준비"),
        ("회의록", "쓰"),
        ("노트북", "가져오"),
        ("간식", "사"),
        ("공지", "보내"),
    ),
    cancelled_deeds=(("공지", "보내"), ("자료", "정리"), ("새 날짜", "알아보")),
)
