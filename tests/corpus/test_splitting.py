from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tasks.corpus import splitting
from tasks.corpus.rows import Placed, Row


def placed(name, document=None, split=None, group=None, date=None):
    row = Row(name, document or f"글 {name}", "요약", None, date, None, group or name, truncated=False)
    return Placed(row, f"a:{name}", split, Counter())


def splits(rows):
    return {one.row.id: one.split for one in rows}


def sizes(rows):
    return Counter(one.split for one in rows)


def test_near_and_exact_duplicates_share_the_first_ones_id():
    texts = ["서로 아주 많이 닮은 두 글 가운데 하나입니다" * 5, "전혀 다른 글"]
    rows = [placed("1", texts[0]), placed("2", texts[1]), placed("3", texts[0] + "!"), placed("4", texts[1])]
    assert [one.row.group for one in splitting.grouped(rows, 0.9)] == ["1", "2", "1", "2"]


def test_by_document_keeps_groups_whole_and_depends_on_the_seed_alone():
    rows = [placed(f"{n}", group=f"g{n // 4}") for n in range(200)]
    drawn = splitting.assign(rows, "document", 0.1, 0.2, 0)
    assert sizes(drawn) == {"train": 140, "validation": 20, "test": 40}
    assert list(splitting.leaks(drawn)) == []
    assert drawn == splitting.assign(rows, "document", 0.1, 0.2, 0)
    assert drawn != splitting.assign(rows, "document", 0.1, 0.2, 1)


def test_by_document_a_group_larger_than_the_room_stays_in_train():
    rows = [placed(f"{n}", group="big") for n in range(80)] + [placed(f"s{n}") for n in range(20)]
    for seed in range(5):
        drawn = splitting.assign(rows, "document", 0.05, 0.1, seed)
        assert sizes(drawn) == {"train": 85, "validation": 5, "test": 10}


def test_by_date_the_latest_groups_are_the_test():
    rows = [placed(f"{n}", date=f"20{n:02}-01") for n in range(10)]
    rows.append(placed("old", group="9", date="1999"))
    drawn = splits(splitting.assign(rows, "date", 0.2, 0.2, 0))
    assert {name for name, split in drawn.items() if split == "test"} == {"9", "old"}
    assert {name for name, split in drawn.items() if split == "validation"} == {"8", "7"}


def test_a_share_of_nothing_gives_nothing_and_a_small_one_gives_a_row():
    rows = [placed(f"{n}") for n in range(5)]
    assert sizes(splitting.assign(rows, "document", 0.0, 0.01, 0)) == {"train": 4, "test": 1}


def test_training_then_validation_rows_yield_to_the_test():
    rows = [
        placed("a", "같은 글", "train", "t"),
        placed("b", "닮은 글", "validation", "t"),
        placed("t", "같은 글", "test", "t"),
        placed("c", "다른 글", "train", "v"),
        placed("v", "다른 글!", "validation", "v"),
        placed("d", "홀로", "train", "d"),
    ]
    kept, refused = splitting.separate(rows)
    assert [one.row.id for one in kept] == ["t", "v", "d"]
    assert [(refusal.place, refusal.cause) for refusal in refused] == [
        ("a:a", "exact duplicate of test row (t)"),
        ("a:b", "near duplicate of test row (t)"),
        ("a:c", "near duplicate of validation row (v)"),
    ]
    assert all(refusal.cure for refusal in refused)


def test_a_leak_is_found_by_id_group_and_document():
    found = list(splitting.leaks([placed("1", "글", "train", "g"), placed("1", "글", "test", "g")]))
    assert [leak.split()[0] for leak in found] == ["id", "group", "document"]


def test_sampling_keeps_order_and_tests():
    rows = [placed(f"{n}", split="train") for n in range(50)] + [placed("t", split="test")]
    few = splitting.sampled(rows, 10, 0)
    assert sizes(few) == {"train": 10, "test": 1}
    assert few == [one for one in rows if one in few]
    assert few == splitting.sampled(rows, 10, 0)
    assert splitting.sampled(rows, 500, 0) == rows


MEMBERS = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from(["train", "validation", "test"])), max_size=30
)


@given(MEMBERS)
def test_after_separation_nothing_leaks_and_every_row_is_kept_or_refused(members):
    rows = [placed(f"{n}", split=split, group=f"{group}") for n, (group, split) in enumerate(members)]
    kept, refused = splitting.separate(rows)
    assert list(splitting.leaks(kept)) == []
    assert sorted([one.place for one in kept] + [one.place for one in refused]) == sorted(
        one.place for one in rows
    )


@given(MEMBERS, st.sampled_from(["document", "date"]), st.floats(0, 0.5), st.floats(0, 0.4))
def test_an_assignment_never_leaks(members, by, validation, test):
    rows = [placed(f"{n}", group=f"{group}", date=f"20{group:02}") for n, (group, _) in enumerate(members)]
    assert list(splitting.leaks(splitting.assign(rows, by, validation, test, 0))) == []
