"""Whether gains are bought by length: how long each model writes, and what it gains where it writes no longer.

Legend of shapes: S seeds, P prompts.
"""

from __future__ import annotations

import numpy as np

from tasks.measures.comparison import Models
from tasks.measures.evaluations import SFT
from tasks.measures.intervals import difference
from tasks.measures.language import phrase, say
from tasks.measures.tables import Found, Table, interval, label, names
from tasks.measures.tables import difference as paired

CAPTION = phrase(
    "Left: characters of the greedy summaries, all seeds; the dot is the median, the thick line holds half of them, "
    "the thin one 9 of 10. Right: the mean length of each training against its mean {measure}; the dashed line is "
    "sft's. Gains that come with length rise to the right, gains without it straight up."
)
LENGTH = "characters"


def gains(greedy: Models, branch: str, measure: str) -> tuple[float, float | None, float | None]:
    """The share of prompts with a longer summary than SFT's, and the mean gain on those and on all others.

    Characters and `measure` are averaged over seeds first; None where there is no such prompt.
    """
    longer_P = difference(greedy[branch][LENGTH], greedy[SFT][LENGTH]) > 0
    gain_P = difference(greedy[branch][measure], greedy[SFT][measure])
    means = [float(gain_P[which_P].mean()) if which_P.any() else None for which_P in (longer_P, ~longer_P)]
    return float(longer_P.mean()), means[0], means[1]


def table(found: Found, greedy: Models) -> Table:
    """Every branch's length and its difference to SFT's, and its gain where it is longer and where it is not."""
    measure, rows = found["headline"], []
    for name in (SFT, *names(found)):
        mean = f"{found['scores']['greedy'][name][LENGTH]['mean']:.1f}"
        if name == SFT:
            rows.append([name, mean, "", "", "", ""])
            continue
        share, *means = gains(greedy, name, measure)
        row = paired(found, "greedy", name, SFT, LENGTH)
        cells = [interval(row, "difference", "+"), f"{100 * share:.0f} %"]
        rows.append([name, mean, *cells, *("-" if each is None else f"{each:+.3f}" for each in means)])
    header = [say("model"), label(LENGTH), say("against sft"), say("prompts with a longer summary")]
    header += [say("gain in {measure} there", measure=label(measure)), say("gain on the others")]
    note = say(
        "Greedy, seeds averaged. A branch that gains on the longer ones alone may owe its gain to length. Which "
        "prompts become longer is no accident, so that these two columns describe and prove nothing; the win rates at "
        "one length say the same by a model of length."
    )
    return Table(say("Length and gain"), header, rows, note)


def quantiles(values_SP: np.ndarray) -> list[float]:
    """The 5th, 25th, 50th, 75th and 95th percentile of all values."""
    return [float(each) for each in np.percentile(values_SP, [5, 25, 50, 75, 95])]
