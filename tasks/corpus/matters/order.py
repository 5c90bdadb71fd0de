"""Food ordered together: what, how many, for when, and who pays or fetches it."""

from tasks.corpus.matters.matter import HOURS, Matter

_COUNTS = tuple(f"{count}개" for count in range(2, 10))

MATTER = Matter(
    name="order",
    head="주문",
    slots={
        "item": ("피자", "치킨", "김밥", "도시락", "샌드위치", "햄버거", "만두", "케이크"),
        "count": _COUNTS,
        "time": HOURS,
        "place": ("사무실", "동아리방", "휴게실", "도서관", "체육관"),
    },
    openings={
        "casual": (
            (("a", "배고픈데 {item} 시킬까?"), ("b", "좋아. {place:으로} 시키자.")),
            (("a", "{place}에서 먹을 {item} 주문하자."), ("b", "그래, 좋은 생각이야.")),
            (("a", "모임 때 뭐 먹지?"), ("b", "{item} 어때? {place:으로} 배달시키자."), ("a", "좋네.")),
        ),
        "polite": (
            (("a", "{place:으로} {item} 시킬까요?"), ("b", "네, 좋아요.")),
            (("a", "모임 간식으로 {item:을} 주문해요."), ("b", "네, {place:으로} 받으면 되겠네요.")),
        ),
    },
    stages=("count", "time"),
    counters=("item",),
    changes=("item", "count", "time"),
    labels={"item": "메뉴", "count": "개수", "time": "배달 시간"},
    parts=("time", "place", "item", "count"),
    cancelled_parts=("place", "item", "count"),
    agreed=(
        "{people:은} {item} {count:을} {time}에 {place:으로} 주문하기로 했다",
        "{people:은} {place:으로} {time}에 {item} {count:을} 시키기로 했다",
        "{time}에 {place:으로} {item} {count:을} 배달시키기로 했다",
        "{people:이} {time} {place} 배달로 {item} {count:을} 주문하기로 했다",
        "{item} {count:이} {time}에 {place:으로} 오도록 주문하기로 했다",
        "{people:은} {place}에서 먹을 {item} {count:을} {time}에 받도록 주문하기로 했다",
    ),
    deeds=(
        ("돈", "내"),
        ("음료", "사"),
        ("접시", "챙기"),
        ("배달비", "내"),
        ("컵", "가져오"),
        ("쿠폰", "찾"),
    ),
    cancelled_deeds=(("환불", "신청"), ("다른 간식", "사")),
)
