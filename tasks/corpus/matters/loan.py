"""Something lent: what, by whom to whom, handed over when and where, and who brings an extra."""

from tasks.corpus.matters import lexicon
from tasks.corpus.matters.matter import SOON, Matter

MATTER = Matter(
    name="loan",
    head="대여",
    slots={
        "item": ("카메라", "텐트", "기타", "자전거", "노트북", "소설책", "우산", "캐리어"),
        "day": SOON,
        "place": lexicon.MEETING_PLACES,
    },
    openings={
        "casual": (
            (("b", "혹시 {item} 좀 빌려줄 수 있어?"), ("a", "응, {place}에서 줄게.")),
            (
                ("b", "{item:이} 필요한데 빌릴 수 있을까?"),
                ("a", "내 거 써. {place}에서 만나."),
                ("b", "고마워."),
            ),
            (("a", "내 {item} 안 쓰는데 빌려줄까?"), ("b", "정말? {place}에서 받을게.")),
        ),
        "polite": (
            (("b", "{item} 좀 빌려주실 수 있어요?"), ("a", "네, {place}에서 드릴게요.")),
            (("a", "제 {item} 빌려드릴까요?"), ("b", "네, {place}에서 받을게요.")),
        ),
    },
    stages=("day",),
    counters=("place",),
    changes=("day", "place", "item"),
    labels={"day": "날짜", "place": "장소", "item": "물건"},
    parts=("item",),
    cancelled_parts=("day", "place", "item"),
    agreed=(
        "{a:이} {b}에게 {day} {place}에서 {item:을} 빌려주기로 했다",
        "{a:은} {day} {place}에서 {b}에게 {item:을} 빌려주기로 했다",
        "{b:은} {a}에게 {day} {place}에서 {item:을} 빌리기로 했다",
        "{b:이} {day} {place}에서 {a}에게서 {item:을} 빌리기로 했다",
        "{day} {place}에서 {a:이} {b}에게 {item:을} 빌려주기로 했다",
        "{a:은} {b}에게 {item:을} {day} {place}에서 빌려주기로 했다",
        "{b:은} {item:을} {a}에게 {day} {place}에서 빌리기로 했다",
    ),
    deeds=(("충전기", "챙기"), ("설명서", "찾"), ("커피", "사"), ("가방", "가져오"), ("간식", "사")),
    cancelled_deeds=(("새 날짜", "알아보"), ("다른 사람", "찾")),
    main=("빌려주", "a", "b"),
    phrases={
        "day": "{b}에게 {place}에서 {item:을} 빌려줄",
        "place": "{b}에게 {day} {item:을} 빌려줄",
        "item": "{b}에게 {day} {place}에서 빌려줄",
    },
)
