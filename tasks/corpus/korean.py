"""Korean particles: the form a particle takes after a given word, numbers and Latin letters included."""

# The form after a closed syllable, then the form after an open one.
PAIRS = (
    ("은", "는"),
    ("이", "가"),
    ("을", "를"),
    ("과", "와"),
    ("아", "야"),
    ("이나", "나"),
    ("이랑", "랑"),
    ("으로", "로"),
    ("이었던", "였던"),
    ("이에요", "예요"),
    ("이야", "야"),
    ("이라", "라"),
)
FORMS = {closed: (closed, open_) for closed, open_ in PAIRS}

_RIEUL = 8
_FINAL_OF_DIGIT = {"0": 21, "1": 8, "2": 0, "3": 16, "4": 0, "5": 0, "6": 1, "7": 8, "8": 8, "9": 0}
_FINAL_OF_ZEROS = {1: 17, 2: 1, 3: 4, 4: 4, 5: 17, 6: 1, 7: 4, 8: 1}  # 십 백 천 만 십만 백만 천만 억
_FINAL_OF_LETTER = {"L": 8, "M": 16, "N": 4, "R": 8}  # 엘 엠 엔 알; the other letter names end open
_CLOSED_ENDINGS = {"b": 17, "c": 1, "k": 1, "l": 8, "m": 16, "n": 4, "p": 17, "t": 7}


def final_consonant(word: str) -> int:
    """The index of the last syllable's final consonant, 0 when it ends in a vowel, 8 for ㄹ."""
    bare = word.rstrip(" )]}'\"”’」』.,!?")
    if not bare:
        return 0
    last = bare[-1]
    if "가" <= last <= "힣":
        return (ord(last) - ord("가")) % 28
    if "0" <= last <= "9":
        return _final_of_number(bare)
    if last.isascii() and last.isupper():
        return _FINAL_OF_LETTER.get(last, 0)
    return _CLOSED_ENDINGS.get(last, 0)


def _final_of_number(text: str) -> int:
    """The final consonant of a number read aloud: 10 ends like 십, 1000 like 천."""
    digits = ""
    for character in reversed(text):
        if not "0" <= character <= "9" and character != ",":
            break
        digits = character + digits
    digits = digits.replace(",", "")
    zeros = len(digits) - len(digits.rstrip("0"))
    if zeros == 0 or zeros == len(digits):
        return _FINAL_OF_DIGIT[digits[-1]]
    return _FINAL_OF_ZEROS.get(zeros, 1)


def particle(word: str, closed: str) -> str:
    """The form of the particle that fits after the word; `closed` names it by its form after a consonant."""
    after_closed, after_open = FORMS[closed]
    final = final_consonant(word)
    if closed == "으로" and final == _RIEUL:
        return after_open
    return after_closed if final else after_open


class Word(str):
    """A string that takes its particle in a template: `"{item:을}"` gives 커피를 or 도시락을."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        if spec == "날":  # 오늘, 내일, 모레 stand alone; other days take 에
            return str(self) if self[-2:] in ("오늘", "내일", "모레") else f"{self}에"
        return str(self) + particle(self, spec)
