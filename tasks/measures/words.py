"""What the comparison says in words: its title, a sentence for every pair, how it was computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.measures import certainty, tables
from tasks.measures.comparison import HIGHER, LOWER, SAME
from tasks.measures.evaluations import SFT
from tasks.measures.language import phrase, say
from tasks.measures.tables import Found, label

NAMED = 4  # so many branches are named in the title, and more are counted
FRONTIER = phrase(
    "Each point is one training, on sampled summaries. The flat dashed line is sft. "
    "Up on the right while down on the left is over-optimisation."
)
BEST_OF = phrase(
    "The grey line with marks is sft's best of n by fold A's reward model (n beside each mark), drawn at an upper "
    "bound of its KL: it may lie further to the left, never further to the right."
)
MEANS = phrase(
    "Each model's own interval. Two of these may overlap while their paired difference is clear of 0."
)
PAIRED = phrase(
    "Left minus right, prompt by prompt, each with its own interval. Where it crosses 0, the two cannot be told apart; "
    "where it does not, the p-value after Holm decides."
)
PROMPTS = phrase("How many prompts (up) differ from sft by how much (across), greedy, mean over seeds.")
SEEDS = phrase("One mark a training. Where these lie further apart than two branches, believe the marks.")
EXAMPLES = phrase(
    "The largest gains and losses against sft, then some drawn at random. Greedy texts of the first seed "
    "with their score; in brackets the mean over all seeds. Words that sft's summary has not in that place are "
    "marked. Extremes show what can happen, not what is usual."
)
JUDGES = {
    "exact": phrase("The exact judge holds a summary against the known facts of its document."),
    "rouge": phrase("The judge is the mean of ROUGE-1, -2 and -L against the reference."),
}
NO_GOLD = phrase("These documents have no gold score, so ROUGE-L stands in.")
PAIR = {
    HIGHER: phrase("{left} is higher than {right} on {measure}, {said}; {seeds}{reason}."),
    LOWER: phrase("{left} is lower than {right} on {measure}, {said}; {seeds}{reason}."),
    SAME: phrase("{left} and {right}: cannot tell apart on {measure}, {said}{reason}."),
}
SAMPLED = {
    HIGHER: phrase("Sampled summaries: {left} is higher, {said}."),
    LOWER: phrase("Sampled summaries: {left} is lower, {said}."),
    SAME: phrase("Sampled summaries: cannot tell apart, {said}."),
}


def frontier(found: Found) -> str:
    """What the frontier's plot shows."""
    return " ".join([say(FRONTIER), *([say(BEST_OF)] if found["best_of"] else [])])


def title(found: Found) -> str:
    """What was compared."""
    names = tables.names(found)
    if len(names) > NAMED:
        return say("{count} branches against {sft}", count=len(names), sft=SFT)
    return say("{names} against {sft}", names=", ".join(names), sft=SFT)


def subtitle(found: Found) -> str:
    """On how much it stands."""
    seeds = found["seeds"]
    if len(seeds) > 1:
        count = say(
            "{count} trainings a branch (seeds {seeds})", count=len(seeds), seeds=", ".join(map(str, seeds))
        )
    else:
        count = say("1 training a branch (seed {seed})", seed=seeds[0])
    return say(
        "{prompts} prompts, one greedy and {samples} sampled summaries each; {trainings}; headline: {measure} of the "
        "greedy summaries",
        prompts=found["prompts"],
        samples=found["samples"],
        trainings=count,
        measure=label(found["headline"]),
    )


def sentence(found: Found, greedy: Mapping[str, Any], sampled: Mapping[str, Any]) -> str:
    """The verdict on one pair."""
    text = say(
        PAIR[greedy["verdict"]],
        left=greedy["left"],
        right=greedy["right"],
        measure=label(found["headline"]),
        said=tables.interval(greedy, "difference", "+"),
        seeds=_seeds(found, greedy),
        reason=certainty.reason(found, greedy),
    )
    if sampled["verdict"] == greedy["verdict"]:
        return text
    said = tables.interval(sampled, "difference", "+")
    return f"{text} {say(SAMPLED[sampled['verdict']], left=greedy['left'], said=said)}"


def method(found: Found) -> list[str]:
    """How the numbers came about, one paragraph each."""
    bootstrap = found["bootstrap"]
    gold = JUDGES.get(found["judge"]) if found["headline"] == "gold" else NO_GOLD
    headline = say("Headline: {measure}.", measure=label(found["headline"]))
    return [
        say(
            "Intervals: {percent} {method} bootstrap over the {prompts} prompts ({resamples} resamples, seed {seed}). "
            "Samples of a prompt and seeds are averaged first; differences are paired prompt by prompt.",
            percent=tables.percent(found),
            **{name: bootstrap[name] for name in ("method", "resamples", "seed")},
            prompts=found["prompts"],
        ),
        say(
            "The estimand is the mean over prompts for these seeds and this sft: look at the seeds' spread before you "
            "believe a small difference. {claim}",
            claim=certainty.claim(found),
        ),
        *certainty.method(found),
        f"{headline} {say(gold)}" if gold else headline,
        say(
            "Reward: a reward model trained on other preference pairs (fold B) than the branches saw. "
            "Over-optimisation is reported where reward lies above sft's and the headline below, both intervals "
            "clear of 0."
        ),
        say(
            "KL: log p(branch) - log p(sft) summed over the tokens of a sampled summary, EOS included, in nats "
            "(k1: its mean is unbiased, one text may be below 0). Greedy summaries estimate no KL."
        ),
        say(
            "ROUGE: F1 on Kiwi's morphemes without punctuation, after NFC, speaker tags as one placeholder; it "
            "cannot see who did what. Repetition: share of 3-grams of characters seen before in the summary. "
            "Invented numbers: how many numbers of a summary its document does not hold."
        ),
    ]


def _seeds(found: Found, row: Mapping[str, Any]) -> str:
    agreeing, total = row["seeds_agreeing"], len(found["seeds"])
    if total == 1:
        return say("one seed")
    if agreeing == total:
        return say("all {seeds} seeds agree", seeds=total)
    return say("only {agreeing} of {seeds} seeds agree", agreeing=agreeing, seeds=total)
