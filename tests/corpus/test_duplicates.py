import random
from itertools import combinations

import pytest

from tasks.corpus import duplicates


def shingle_set(text):
    return {text[start : start + 5] for start in range(max(len(text) - 4, 1))}


def sentences(rng, count):
    words = ("오늘", "회의", "시청", "결정", "예산", "사업", "주민", "정부", "발표", "계획", "지원", "금융")
    return " ".join(rng.choice(words) + str(rng.randrange(50)) for _ in range(count))


def edited(rng, text, changes):
    letters = list(text)
    for place in rng.sample(range(len(letters)), changes):
        letters[place] = rng.choice("가나다라마")
    return "".join(letters)


def test_fingerprints_count_the_shingles_and_compare_like_them():
    rng = random.Random(0)
    one = sentences(rng, 100)
    other = edited(rng, one, 9)
    a, b = shingle_set(one), shingle_set(other)
    assert len(duplicates.shingles(one)) == len(a)
    measured = duplicates.jaccard(duplicates.shingles(one), duplicates.shingles(other), 0)
    assert measured == len(a & b) / len(a | b)


def test_sizes_alone_may_rule_a_pair_out():
    one, other = duplicates.shingles("가나다라마바사아자차카타"), duplicates.shingles("가나다라마바")
    assert duplicates.jaccard(one, other, 0.9) == 0
    assert duplicates.jaccard(one, other, 0.2) == 0.25


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.7, 0.9, 1.0])
def test_groups_are_those_of_comparing_every_pair(similarity):
    rng = random.Random(1)
    texts = []
    for _ in range(30):
        base = sentences(rng, 60)
        texts += [base, *(edited(rng, base, changes) for changes in (1, 3, 8, 20, 45))]
    rng.shuffle(texts)
    sets = [shingle_set(text) for text in texts]
    leaders = list(range(len(texts)))
    for a, b in combinations(range(len(texts)), 2):
        if len(sets[a] & sets[b]) / len(sets[a] | sets[b]) >= similarity:
            old, new = max(leaders[a], leaders[b]), min(leaders[a], leaders[b])
            leaders = [new if leader == old else leader for leader in leaders]
    assert duplicates.groups(texts, similarity) == leaders


def test_short_texts_and_white_space():
    assert duplicates.groups(
        ["가", "나", "가", "가나다라", "가나 다라", " 가\n나  다 ", "가 나 다"], 0.9
    ) == [0, 1, 0, 3, 4, 5, 5]
    assert duplicates.groups([], 0.9) == []


def test_many_equal_documents_are_one_group():
    assert set(duplicates.groups(["같은 글이 또 왔다"] * 5000, 0.9)) == {0}


def test_a_giant_document_is_hashed_in_pieces():
    rng = random.Random(2)
    giant = "".join(chr(0xAC00 + rng.randrange(11172)) for _ in range(150_000))
    assert duplicates.groups([giant, "짧은 글이다", giant[:-3]], 0.9) == [0, 1, 0]
