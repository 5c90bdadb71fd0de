"""A repair at home: what is broken, when the repairer comes, what it costs, and who does what."""

from tasks.corpus.matters.matter import HOURS, SOON, Matter

MATTER = Matter(
    name="repair",
    head="수리",
    slots={
        "item": ("세탁기", "냉장고", "에어컨", "보일러", "텔레비전", "컴퓨터", "정수기"),
        "amount": ("2만 원", "3만 원", "4만 원", "5만 원", "6만 원", "7만 원", "8만 원", "9만 원"),
        "day": SOON,
        "time": HOURS,
    },
    openings={
        "polite": (
            (("a", "{item:이} 고장 났어요."), ("b", "수리비는 {amount} 정도예요."), ("a", "네, 부탁드려요.")),
            (("a", "{item} 수리 되나요?"), ("b", "네, 비용은 {amount}입니다."), ("a", "알겠어요.")),
            (
                ("a", "{item:이} 안 켜져요. 얼마나 들까요?"),
                ("b", "{amount} 들어요."),
                ("a", "그럼 고쳐 주세요."),
            ),
        ),
    },
    stages=("when",),
    counters=(),
    changes=("day", "time", "amount"),
    labels={"day": "방문일", "time": "방문 시간", "amount": "비용"},
    parts=("day", "time", "item"),
    cancelled_parts=("day", "item"),
    agreed=(
        "{people:은} {day} {time}에 {amount:을} 내고 {item:을} 고치기로 했다",
        "{people:은} {item} 수리를 {day} {time}에 {amount}에 받기로 했다",
        "{people}의 {item:은} {day} {time}에 {amount}에 수리하기로 했다",
        "{day} {time}에 {people}의 {item:을} {amount}에 고치기로 했다",
        "{people:이} {amount}에 {item} 수리를 맡겨 {day} {time}에 방문받기로 했다",
        "{item:이} 고장 난 {people:은} {day} {time}에 {amount}에 수리받기로 했다",
    ),
    deeds=(
        ("부품", "가져오"),
        ("사진", "보내"),
        ("설명서", "찾"),
        ("사다리", "준비"),
        ("문자", "보내"),
        ("공구", "준비"),
    ),
    cancelled_deeds=(("문자", "보내"), ("새 날짜", "알아보"), ("설명서", "찾")),
    staff="기사",
    alone=True,
    phrases={
        "day": "{time}에 {amount:으로} 잡은 {item} 수리의",
        "time": "{day:날} {amount:으로} 잡은 {item} 수리의",
        "amount": "{day} {time} {item} 수리",
    },
)
