"""How people hand out who does what, in the casual and the polite register; braces as in `talk`."""

from tasks.corpus.matters.talk import Exchange

# Who does what. x starts, y answers; the key says who ends up doing it.
DEEDS: dict[str, dict[str, tuple[Exchange, ...]]] = {
    "casual": {
        "x": (
            (("x", "{obj:은} 내가 {will}게."), ("y", "고마워.")),
            (("x", "{obj:은} 네가 {will}래?"), ("y", "난 요즘 바빠서 힘들어."), ("x", "그럼 내가 {will}게.")),
            (("x", "{obj:은} 누가 {will}까?"), ("y", "네가 {please} 줄래?"), ("x", "응, 알았어.")),
            (("x", "{y:아}, {obj:은} 내가 {will}게."), ("y", "그래, 부탁해.")),
            (("x", "{obj:은} 어쩌지? 네가 할래?"), ("y", "아니, 네가 해 줘."), ("x", "그래, 내가 {will}게.")),
        ),
        "y": (
            (("x", "{obj} 좀 {please} 줄래?"), ("y", "응, 내가 {will}게.")),
            (
                ("x", "{obj:은} 내가 {will}게."),
                ("y", "아니야, 이번엔 내가 {will}게."),
                ("x", "그래, 고마워."),
            ),
            (("x", "{obj:은} 내가 {will}까?"), ("y", "내가 하는 게 빨라. 내가 {will}게.")),
            (("x", "{y:아}, {obj:은} 네가 {please} 줘."), ("y", "알았어.")),
            (("x", "{obj:은} 누가 {will}까?"), ("y", "그건 내가 {will}게.")),
        ),
    },
    "polite": {
        "x": (
            (("x", "{obj:은} 제가 {will}게요."), ("y", "감사합니다.")),
            (
                ("x", "{obj:은} 누가 {will}까요?"),
                ("y", "{please} 주시겠어요?"),
                ("x", "네, 제가 {will}게요."),
            ),
            (("x", "{obj:은} 제가 {will}까요?"), ("y", "네, 부탁드려요.")),
        ),
        "y": (
            (("x", "{obj} 좀 {please} 주시겠어요?"), ("y", "네, 제가 {will}게요.")),
            (("x", "{obj:은} 제가 {will}까요?"), ("y", "아니요, 제가 {will}게요.")),
            (("x", "{obj:은} {please} 주실 수 있죠?"), ("y", "네, 그럴게요.")),
            (("x", "{obj:은} 어떻게 하죠?"), ("y", "제가 {will}게요.")),
        ),
    },
}

# A third person z is asked first or steps in; the key says who ends up doing it.
DEEDS_OF_THREE: dict[str, dict[str, tuple[Exchange, ...]]] = {
    "casual": {
        "z": (
            (("x", "{obj:은} 누가 {will}까?"), ("z", "내가 {will}게."), ("y", "고마워, {z:아}.")),
            (("x", "{obj:은} 내가 {will}까?"), ("z", "아니, 내가 {will}게.")),
            (("x", "{z:아}, {obj} 좀 {please} 줄래?"), ("z", "응, 알았어.")),
        ),
        "y": (
            (("x", "{z:아}, {obj} 좀 {please} 줄래?"), ("z", "난 그날 바빠."), ("y", "그럼 내가 {will}게.")),
            (("z", "{obj:은} 누가 {will}래?"), ("y", "내가 {will}게.")),
        ),
        "x": ((("z", "{obj:은} {x:이} {please} 줘."), ("x", "그래, 내가 {will}게.")),),
    },
    "polite": {
        "z": (
            (("x", "{obj:은} 누가 {will}까요?"), ("z", "제가 {will}게요.")),
            (("x", "{z} 씨, {obj} 좀 {please} 주세요."), ("z", "네, 알겠어요.")),
        ),
        "y": (
            (
                ("x", "{z} 씨, {obj} 좀 {please} 주실래요?"),
                ("z", "저는 바빠서요."),
                ("y", "그럼 제가 {will}게요."),
            ),
        ),
        "x": ((("z", "{obj:은} {x} 씨가 {please} 주세요."), ("x", "네, 제가 {will}게요.")),),
    },
}
