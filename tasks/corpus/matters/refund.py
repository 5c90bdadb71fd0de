"""A return to a shop: which item, why, how much back, when it is fetched, and who does what."""

from tasks.corpus.matters.matter import SOON, Matter

MATTER = Matter(
    name="return",
    head="반품",
    slots={
        "item": ("신발", "셔츠", "가방", "바지", "모자", "이불", "의자", "코트"),
        "fault": ("사이즈", "색상", "얼룩", "흠집", "냄새"),
        "amount": ("2만 원", "3만 원", "3만 5천 원", "4만 원", "4만 5천 원", "5만 원", "6만 원", "7만 원"),
        "day": SOON,
    },
    openings={
        "polite": (
            (
                ("a", "주문한 {item:을} 반품하고 싶어요."),
                ("b", "무슨 문제가 있나요?"),
                ("a", "{fault} 때문에요."),
                ("b", "{amount} 환불해 드릴게요."),
            ),
            (("a", "{item} {fault} 문제로 반품하려고요."), ("b", "죄송해요. 환불은 {amount}이에요.")),
            (("a", "{fault} 때문에 {item:을} 반품할게요."), ("b", "네, {amount} 돌려드려요.")),
        ),
    },
    stages=("day",),
    counters=(),
    changes=("day", "amount"),
    labels={"day": "수거일", "amount": "환불 금액"},
    parts=("day", "fault", "item"),
    cancelled_parts=("day", "fault", "item"),
    agreed=(
        "{people:은} {fault} 때문에 {item:을} {day} 반품하고 {amount:을} 환불받기로 했다",
        "{people:은} {fault} 문제로 {item:을} 반품해 {day} 수거 후 {amount:을} 돌려받기로 했다",
        "{people:이} {fault} 때문에 {item} 반품을 신청해 {day} 수거와 {amount} 환불이 정해졌다",
        "{people}의 {item:은} {fault} 문제로 {day} 수거되고 {amount:이} 환불되기로 했다",
        "{fault} 때문에 {item:을} 반품한 {people:은} {day} 수거 후 {amount:을} 환불받기로 했다",
        "{people:은} {item:을} {fault} 때문에 반품하고 {day} 수거, {amount} 환불로 정했다",
    ),
    deeds=(
        ("상자", "준비"),
        ("송장", "보내"),
        ("사진", "보내"),
        ("영수증", "찾"),
        ("접수증", "보내"),
        ("테이프", "준비"),
    ),
    cancelled_deeds=(("쿠폰", "보내"), ("영수증", "챙기"), ("문자", "보내")),
    staff="상담원",
    alone=True,
    reasons=("출장", "여행", "이사"),
    phrases={
        "day": "{fault} 문제로 {amount:을} 환불받는 {item} 반품",
        "amount": "{fault} 문제로 {day} 수거되는 {item}의",
        "cancelled": "{fault} 문제로 신청한 {day} {item} 반품",
    },
)
