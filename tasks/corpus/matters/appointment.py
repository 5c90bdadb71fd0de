"""An appointment among friends: what to do, when, where, and who takes care of a detail."""

from tasks.corpus.matters import lexicon
from tasks.corpus.matters.matter import HOURS, SOON, Matter

_OBJECT = {
    "영화": ("영화를 보", "보러"),
    "전시": ("전시를 보", "보러"),
    "야구": ("야구를 보", "보러"),
    "연극": ("연극을 보", "보러"),
    "파스타": ("파스타를 먹", "먹으러"),
    "냉면": ("냉면을 먹", "먹으러"),
    "볼링": ("볼링을 치", "치러"),
    "뮤지컬": ("뮤지컬을 보", "보러"),
}

MATTER = Matter(
    name="appointment",
    head="약속",
    slots={"day": SOON, "time": HOURS, "place": lexicon.MEETING_PLACES, "item": tuple(_OBJECT)},
    openings={
        "casual": (
            (("a", "우리 {item} {go} 갈래?"), ("b", "좋아, 어디서 볼까?"), ("a", "{place}에서 보자.")),
            (("a", "{item} {go} 가자. {place} 어때?"), ("b", "{place} 좋지.")),
            (("a", "요즘 시간 있어? {item} {go} 가고 싶어."), ("b", "나도! {place}에서 만나자.")),
            (("a", "{place}에서 {item} {go} 안 갈래?"), ("b", "응, 가고 싶어.")),
        ),
    },
    stages=("when",),
    counters=("place", "item"),
    changes=("day", "time", "time", "place"),
    labels={"day": "날짜", "time": "시간", "place": "장소"},
    parts=("day", "time", "place", "item"),
    cancelled_parts=("day", "place", "item"),
    agreed=(
        "{people:은} {day} {time}에 {place}에서 만나 {doing}기로 했다",
        "{people:은} {day} {time} {place}에서 {doing}기로 했다",
        "{day} {time}에 {people:이} {place}에서 만나 {doing}기로 했다",
        "{people:은} {doing_to} {day} {time}에 {place}에서 만나기로 했다",
        "{people}의 {item} 약속은 {day} {time} {place:으로} 잡혔다",
        "{people:이} {place}에서 {day} {time}에 {doing}기로 약속했다",
        "{day} {time}, {people:은} {place}에서 {doing}기로 했다",
        "{people:은} {item} 약속을 {day} {time} {place:으로} 정했다",
    ),
    deeds=(
        ("표", "예매"),
        ("식당", "예약"),
        ("간식", "챙기"),
        ("자리", "예약"),
        ("할인권", "챙기"),
        ("음료", "사"),
    ),
    cancelled_deeds=(("환불", "신청"), ("새 날짜", "알아보")),
    forms={
        item: {"doing": doing, "go": go, "doing_to": f"{doing.split()[0]} {go}"}
        for item, (doing, go) in _OBJECT.items()
    },
)
