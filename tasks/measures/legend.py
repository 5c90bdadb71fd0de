"""Two tables of a comparison: every measure of the texts beside its baselines, and how each was computed."""

from __future__ import annotations

from tasks.measures.definitions import DEFINITIONS
from tasks.measures.evaluations import SFT
from tasks.measures.language import say
from tasks.measures.tables import BASELINES, MARKS, Found, Table


def measures(found: Found) -> Table:
    """One row a measure: which way is better, every model's greedy mean, and what needs no model."""
    scores, baselines = found["scores"]["greedy"], found["baselines"]
    to_sft = [row for row in found["differences"]["greedy"] if row["right"] == SFT]
    verdicts = {(row["left"], row["measure"]): row for row in to_sft}
    given = [name for name in BASELINES if name in baselines]
    rows = []
    for name in _told(found):
        cells = [f"{scores[SFT][name]['mean']:.3f}"]
        for model in scores:
            if model != SFT:
                mark = MARKS[verdicts[model, name]["verdict"]] if (model, name) in verdicts else ""
                cells.append(f"{scores[model][name]['mean']:.3f}{mark}")
        cells += [f"{baselines[each][name]:.3f}" if name in baselines[each] else "-" for each in given]
        rows.append([say(DEFINITIONS[name].label), say(DEFINITIONS[name].better), *cells])
    header = [say("measure"), say("better if"), *scores, *(say(BASELINES[name]) for name in given)]
    note = say(
        "Means of greedy summaries. ▲ or ▼: the interval of the paired difference to sft lies above or below 0; "
        "with so many measures some do by chance. Read overlap as the distance from its floor, another document's "
        "reference."
    )
    return Table(say("Measures of the text, greedy"), header, rows, note)


def signed(found: Found) -> Table:
    """What each measure is, and the signature that figures must share to be compared."""
    rows = [
        [say(DEFINITIONS[name].label), say(DEFINITIONS[name].meaning), found["signatures"].get(name, "-")]
        for name in _told(found)
    ]
    header = [say("measure"), say("what it is"), say("signature")]
    return Table(say("Measures and their signatures"), header, rows, words=True)


def _told(found: Found) -> list[str]:
    return [name for name in DEFINITIONS if name in found["scores"]["greedy"][SFT]]
