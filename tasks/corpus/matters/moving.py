"""Moving house with help: where to, when, and who takes on which of two jobs."""

from tasks.corpus.matters import lexicon
from tasks.corpus.matters.matter import DATES, DAYS, HOURS, Matter

MATTER = Matter(
    name="moving",
    head="이사",
    slots={"place": lexicon.TOWNS, "day": DAYS + DATES[10:22], "time": HOURS[:9]},
    openings={
        "casual": (
            (("a", "나 {place:으로} 이사 가."), ("b", "정말? 내가 도와줄게.")),
            (("a", "{place}에 집 구했어. 이사 좀 도와줄래?"), ("b", "당연하지.")),
            (("a", "곧 {place:으로} 이사하는데 손이 모자라."), ("b", "나도 갈게.")),
        ),
        "polite": (
            (("a", "저 {place:으로} 이사해요."), ("b", "축하해요. 저도 도울게요.")),
            (("a", "{place} 이사를 도와주실 수 있어요?"), ("b", "그럼요, 도와드릴게요.")),
        ),
    },
    stages=("when",),
    counters=(),
    changes=("day", "time", "time"),
    labels={"day": "날짜", "time": "시간"},
    parts=("day", "time", "place"),
    cancelled_parts=("day", "place"),
    agreed=(
        "{a:은} {day} {time}에 {place:으로} 이사하기로 했다",
        "{a:이} {b}의 도움을 받아 {day} {time}에 {place:으로} 이사하기로 했다",
        "{a}의 {place} 이사는 {day} {time:으로} 정해졌다",
        "{day} {time}에 {a:이} {place:으로} 이사하기로 했다",
        "{a:은} {place} 이사를 {day} {time}에 하기로 했다",
        "{a}의 {place} 이사는 {day} {time}에 시작하기로 했다",
        "{place:으로} 이사하는 {a:은} {day} {time}에 옮겨 가기로 했다",
    ),
    deeds=(
        ("트럭", "부르"),
        ("상자", "준비"),
        ("장갑", "사"),
        ("청소", "신청"),
        ("점심", "사"),
        ("짐", "정리"),
        ("테이프", "가져오"),
    ),
    cancelled_deeds=(("트럭 회사", "알아보"), ("환불", "신청"), ("새 날짜", "알아보")),
    alone=True,
    deed_count=2,
)
