"""Bad rows, files and settings through every door, as `make fuzz` does it, with fewer of the settings."""

import os
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from fuzz import doors, drawn, rows, run, settings
from fuzz.doors import DOORS, Door
from tasks.refusal import Refusal

EVERY = 30  # of the places in a file of settings
FEW = examples(max_examples=40, derandomize=True, deadline=None, database=None)


@pytest.fixture(scope="module")
def tally(tmp_path_factory):
    """All rows and files, and the files of settings."""
    folder, found = tmp_path_factory.mktemp("fuzz"), run.Tally()
    for door in DOORS:
        run.through_rows(found, folder, door, every=3)
        if door.name not in run.LOGS:
            run.through_files(found, folder, door)
    settings.through(found, folder, EVERY, ("params.yaml", "assets/tuning.yaml"))
    return found


def test_every_bad_case_is_refused_or_cleaned_with_a_count_and_no_good_row_is_lost(tally):
    assert tally.faults == []


def test_there_are_as_many_cases_as_are_promised(tally):
    of_settings = sum(
        counts.total() for kind, counts in tally.kinds.items() if kind.partition(":")[0] in settings.READERS
    )
    assert of_settings >= 100
    assert tally.cases - of_settings >= 1000
    outcomes = sum(tally.kinds.values(), Counter())
    assert min(outcomes[doors.REFUSED], outcomes[doors.CLEANED], outcomes[doors.LEFT_OUT]) > 100


def test_the_repositorys_own_files_of_settings_are_good():
    settings.good()


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (lambda good: good[1:], doors.LOST),
        (lambda good: [*good, ("고친 글", "요약")], doors.SILENT),
        (lambda good: [*good, ("글", "요약")], doors.KEPT),
        (lambda good: 1 / 0, doors.TRACEBACK),
        (lambda good: (_ for _ in ()).throw(Refusal("", "cause", "cure")), doors.BARE),
        (lambda good: good, doors.NOTHING),
    ],
)
def test_a_planted_fault_of_a_reader_is_seen(read, what, tmp_path):
    """The bad row is 글, 요약."""
    door = next(one for one in DOORS if one.name == "documents")
    good = [door.good(number) for number in range(3)]

    def reader(_):
        return list(read([doors.arrived(door, row) for row in good])), Counter()

    bad = {"document": "글", "summary": "요약"}
    assert doors.outcome(door._replace(read=reader), tmp_path / "a", good, bad) == what


def test_the_cases_are_the_same_each_time():
    assert list(rows.cases(DOORS[0])) == list(rows.cases(DOORS[0]))


@FEW
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
@given(data=st.data())
def test_any_row_between_good_ones(door: Door, data, tmp_path_factory):
    bad = data.draw(drawn.row(door))
    assert drawn.outcome(door, tmp_path_factory.getbasetemp(), bad) not in doors.FAULTS


@pytest.mark.parametrize(
    "door", [door for door in DOORS if door.name in ("documents", "own pairs", "unlabelled")]
)
def test_a_file_whose_name_no_report_could_hold_is_refused(door, tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.jsonl")
    path.write_bytes(doors.line_of(door.good(1)))
    with pytest.raises(Refusal, match=r"udcff.jsonl: has a name that is not UTF-8; rename the file"):
        door.read(tmp_path)
    with pytest.raises(Refusal):
        door.read(tmp_path / ("x" * 300 + ".jsonl"))
