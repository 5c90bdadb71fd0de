"""A booking at a clinic: which department, when, and who prepares or sends what."""

from tasks.corpus.matters.matter import HOURS, SOON, Matter

MATTER = Matter(
    name="clinic",
    head="예약",
    slots={"item": ("치과", "내과", "안과", "피부과", "정형외과", "이비인후과"), "day": SOON, "time": HOURS},
    openings={
        "polite": (
            (("a", "안녕하세요, {item} 진료 예약하고 싶어요."), ("b", "네, 안내해 드릴게요.")),
            (("a", "{item} 예약 되나요?"), ("b", "네, 됩니다.")),
            (("a", "{item} 진료를 받으려고 하는데요."), ("b", "네, 예약 도와드릴게요.")),
            (("a", "{item} 예약 가능할까요?"), ("b", "네, 성함이 어떻게 되세요?"), ("a", "{a}입니다.")),
        ),
    },
    stages=("when",),
    counters=(),
    changes=("day", "time", "time"),
    labels={"day": "날짜", "time": "시간"},
    parts=("day", "time", "item"),
    cancelled_parts=("day", "item"),
    agreed=(
        "{people:은} {day} {time}에 {item} 진료를 예약했다",
        "{people:은} {item} 예약을 {day} {time:으로} 잡았다",
        "{people:이} {day} {time}에 {item} 진료를 받기로 했다",
        "{day} {time}에 {people}의 {item} 진료가 예약됐다",
        "{people}의 {item} 진료 예약은 {day} {time:으로} 정해졌다",
        "{people:은} {item}에서 {day} {time}에 진료를 받기로 했다",
        "{item} 진료를 원한 {people:은} {day} {time}에 예약했다",
    ),
    deeds=(
        ("문자", "보내"),
        ("서류", "준비"),
        ("검사 결과", "찾"),
        ("약 목록", "정리"),
        ("진료 기록", "찾"),
        ("주소", "보내"),
    ),
    cancelled_deeds=(("문자", "보내"), ("새 날짜", "알아보"), ("진료 기록", "정리")),
    staff="간호사",
    alone=True,
    main=("예약", "a", ""),
)
