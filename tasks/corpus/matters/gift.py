"""A present from two people: for whom, what, how much, when given, and who takes on which job."""

from tasks.corpus.matters.matter import DATES, SOON, Matter

MATTER = Matter(
    name="gift",
    head="선물",
    slots={
        "target": ("어머니", "아버지", "선생님", "팀장님", "할머니", "선배", "동생", "사촌"),
        "item": ("꽃다발", "지갑", "목도리", "화분", "시계", "향수", "찻잔", "만년필"),
        "amount": ("2만 원", "3만 원", "4만 원", "5만 원", "6만 원", "7만 원", "8만 원", "10만 원"),
        "day": SOON + DATES[22:32],
    },
    openings={
        "casual": (
            (("a", "{target} 선물 뭐가 좋을까?"), ("b", "{item} 어때?"), ("a", "좋다.")),
            (("a", "{target} 생일인데 {item} 줄까?"), ("b", "그래, 좋아.")),
            (("a", "{target} 선물로 {item:을} 사자."), ("b", "좋은 생각이야.")),
        ),
        "polite": (
            (("a", "{target} 선물로 {item} 어때요?"), ("b", "네, 좋아요.")),
            (("a", "{target} 선물을 같이 준비해요."), ("b", "{item} 어떨까요?"), ("a", "좋아요.")),
        ),
    },
    stages=("amount", "day"),
    counters=("item",),
    changes=("item", "amount", "day"),
    labels={"item": "품목", "amount": "예산", "day": "주는 날"},
    parts=("day", "target", "amount", "item"),
    cancelled_parts=("day", "target", "item"),
    agreed=(
        "{people:은} {day} {target} 선물로 {amount}짜리 {item:을} 주기로 했다",
        "{people:은} {target}에게 {day} {amount}짜리 {item:을} 선물하기로 했다",
        "{people:이} {amount}에 {item:을} 골라 {day} {target}에게 선물하기로 했다",
        "{target} 선물은 {amount}짜리 {item:으로} 정해 {day} 주기로 했다",
        "{people:은} {target}에게 줄 {item:을} {amount}에 사서 {day} 주기로 했다",
        "{day} {target}에게 줄 선물은 {amount}짜리 {item:으로} 정했다",
        "{people:은} {target} 선물로 {item:을} {amount}에 준비해 {day} 주기로 했다",
    ),
    deeds=(
        ("카드", "쓰"),
        ("상자", "포장"),
        ("케이크", "사"),
        ("식당", "예약"),
        ("풍선", "준비"),
        ("편지", "쓰"),
    ),
    cancelled_deeds=(("환불", "신청"), ("카드", "쓰"), ("새 날짜", "알아보")),
    phrases={
        "item": "{day} {target}에게 줄 {amount}짜리 선물의",
        "amount": "{day} {target}에게 줄 {item}의",
        "day": "{target}에게 {amount}짜리 {item:을}",
        "cancelled": "{day} {target}에게 줄 {item} 선물",
    },
)
