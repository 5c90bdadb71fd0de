"""What the comparison says in words: its title, a sentence for every pair, how it was computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.measures import certainty, tables
from tasks.measures.comparison import SAME
from tasks.measures.evaluations import SFT
from tasks.measures.tables import Found, label

FRONTIER = (
    "Each point is one training, on sampled summaries. The flat dashed line is sft. "
    "Up on the right while down on the left is over-optimisation."
)
BEST_OF = (
    " The grey line with marks is sft's best of n by fold A's reward model (n beside each mark), drawn at an upper "
    "bound of its KL: it may lie further to the left, never further to the right."
)
MEANS = "Each model's own interval. Two of these may overlap while their paired difference is clear of 0."
PAIRED = (
    "Left minus right, prompt by prompt, each with its own interval. Where it crosses 0, the two cannot be told apart; "
    "where it does not, the p-value after Holm decides."
)
PROMPTS = "How many prompts (up) differ from sft by how much (across), greedy, mean over seeds."
SEEDS = "One mark a training. Where these lie further apart than two branches, believe the marks."
EXAMPLES = (
    "The largest gains and losses against sft, then some drawn at random. Greedy texts of the first seed "
    "with their score; in brackets the mean over all seeds. Words that sft's summary has not in that place are "
    "marked. Extremes show what can happen, not what is usual."
)
JUDGES = {
    "exact": "The exact judge holds a summary against the known facts of its document.",
    "rouge": "The judge is the mean of ROUGE-1, -2 and -L against the reference.",
}
NO_GOLD = "These documents have no gold score, so ROUGE-L stands in."


def frontier(found: Found) -> str:
    """What the frontier's plot shows."""
    return FRONTIER + (BEST_OF if found["best_of"] else "")


def title(found: Found) -> str:
    """What was compared."""
    return f"{', '.join(tables.names(found))} against {SFT}"


def subtitle(found: Found) -> str:
    """On how much it stands."""
    seeds, plural = found["seeds"], "s" if len(found["seeds"]) > 1 else ""
    return (
        f"{found['prompts']} prompts, one greedy and {found['samples']} sampled summaries each; {len(seeds)} "
        f"training{plural} a branch (seed{plural} {', '.join(map(str, seeds))}); "
        f"headline: {label(found['headline'])} of the greedy summaries"
    )


def sentence(found: Found, greedy: Mapping[str, Any], sampled: Mapping[str, Any]) -> str:
    """The verdict on one pair."""
    left, right, measure = greedy["left"], greedy["right"], label(found["headline"])
    said = tables.interval(greedy, "difference", "+")
    if greedy["verdict"] == SAME:
        text = f"{left} and {right}: {SAME} on {measure}, {said}{certainty.reason(found, greedy)}."
    else:
        text = f"{left} is {greedy['verdict']} than {right} on {measure}, {said}; {_seeds(found, greedy)}"
        text += f"{certainty.reason(found, greedy)}."
    if sampled["verdict"] != greedy["verdict"]:
        words = SAME if sampled["verdict"] == SAME else f"{left} is {sampled['verdict']}"
        text += f" Sampled summaries: {words}, {tables.interval(sampled, 'difference', '+')}."
    return text


def method(found: Found) -> list[str]:
    """How the numbers came about, one paragraph each."""
    bootstrap = found["bootstrap"]
    gold = JUDGES.get(found["judge"], "") if found["headline"] == "gold" else NO_GOLD
    return [
        f"Intervals: {100 * bootstrap['confidence']:g} % {bootstrap['method']} bootstrap over the {found['prompts']} "
        f"prompts ({bootstrap['resamples']} resamples, seed {bootstrap['seed']}). Samples of a prompt and seeds are "
        "averaged first; differences are paired prompt by prompt.",
        "The estimand is the mean over prompts for these seeds and this sft: look at the seeds' spread before you "
        f"believe a small difference. {certainty.claim(found)}",
        *certainty.method(found),
        f"Headline: {label(found['headline'])}. {gold}",
        "Reward: a reward model trained on other preference pairs (fold B) than the branches saw. "
        "Over-optimisation is reported where reward lies above sft's and the headline below, both intervals "
        "clear of 0.",
        "KL: log p(branch) - log p(sft) summed over the tokens of a sampled summary, EOS included, in nats "
        "(k1: its mean is unbiased, one text may be below 0). Greedy summaries estimate no KL.",
        "ROUGE: F1 on Kiwi's morphemes without punctuation, after NFC, speaker tags as one placeholder; it "
        "cannot see who did what. Repetition: share of 3-grams of characters seen before in the summary. "
        "Invented numbers: how many numbers of a summary its document does not hold.",
    ]


def _seeds(found: Found, row: Mapping[str, Any]) -> str:
    agreeing, total = row["seeds_agreeing"], len(found["seeds"])
    if total == 1:
        return "one seed"
    return f"all {total} seeds agree" if agreeing == total else f"only {agreeing} of {total} seeds agree"
