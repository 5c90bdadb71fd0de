"""The kinds of matter that the embedded corpus talks about, one file each."""

from tasks.corpus.matters import appointment, clinic, gift, loan, meeting, moving, order, refund, repair, trip

MATTERS = tuple(
    module.MATTER
    for module in (appointment, order, trip, clinic, meeting, refund, repair, moving, loan, gift)
)
