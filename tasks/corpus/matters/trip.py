"""A trip: where to, when to leave, by what, and who books or brings what."""

from tasks.corpus.matters import lexicon
from tasks.corpus.matters.matter import DATES, DAYS, HOURS, Matter

MATTER = Matter(
    name="trip",
    head="여행",
    slots={
        "place": lexicon.DESTINATIONS,
        "day": DAYS + DATES[:10],
        "time": HOURS[:9],
        "item": ("기차", "버스", "자동차", "캠핑카"),
    },
    openings={
        "casual": (
            (("a", "이번에 {place} 여행 갈까?"), ("b", "좋아! {item:으로} 가자.")),
            (("a", "{place} 가 봤어? 같이 가자."), ("b", "응, 가자. {item} 타고 가면 되지?"), ("a", "그래.")),
            (("a", "여행 어디로 갈까?"), ("b", "{place} 어때? {item:으로} 가면 편해."), ("a", "좋은데?")),
            (("a", "{item} 타고 {place} 놀러 가자."), ("b", "와, 재밌겠다.")),
        ),
    },
    stages=("when",),
    counters=("place", "item"),
    changes=("place", "day", "time", "item"),
    labels={"day": "출발일", "time": "출발 시간", "place": "목적지", "item": "교통편"},
    parts=("day", "time", "place", "item"),
    cancelled_parts=("day", "place"),
    agreed=(
        "{people:은} {day} {time}에 {item:으로} {place} 여행을 떠나기로 했다",
        "{people:은} {day} {time}에 {item:을} 타고 {place:으로} 여행을 가기로 했다",
        "{day} {time}에 {people:이} {item:으로} {place}에 가기로 했다",
        "{people}의 {place} 여행은 {day} {time}에 {item:으로} 출발하기로 했다",
        "{people:이} {place:으로} {day} {time}에 {item:을} 타고 떠나기로 했다",
        "{people:은} {item:으로} {day} {time}에 {place:으로} 떠나기로 정했다",
        "{place} 여행을 가기로 한 {people:은} {day} {time}에 {item:을} 타기로 했다",
    ),
    deeds=(
        ("숙소", "예약"),
        ("표", "예매"),
        ("간식", "챙기"),
        ("지도", "찾"),
        ("카메라", "가져오"),
        ("식당", "알아보"),
    ),
    cancelled_deeds=(("환불", "신청"), ("새 날짜", "알아보")),
    phrases={
        "place": "{day} {time}에 {item:으로} 가는 여행의",
        "item": "{day} {time} {place} 여행의",
        "day": "{time}에 {item:으로} 가는 {place} 여행의",
        "time": "{day} {item:으로} 가는 {place} 여행의",
    },
)
