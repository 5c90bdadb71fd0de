"""The words of the report for someone who never saw the code."""

from __future__ import annotations

from tasks.measures.language import phrase, say
from tasks.measures.tables import Found, Table

WORDS = {
    phrase("sft"): phrase(
        "The model after supervised fine-tuning: trained to imitate reference summaries. Every branch is measured "
        "against it, and nearly every one was trained from it."
    ),
    phrase("branch"): phrase(
        "One way of preference tuning with its settings: a method (DPO, RLOO and so on) trained from sft."
    ),
    phrase("seed"): phrase(
        "The number that fixes all chance in one training. A branch is trained once for each seed; what differs "
        "between its seeds is luck."
    ),
    phrase("prompt"): phrase("One document that no model was trained on, with the request to summarize it."),
    phrase("greedy, sampled"): phrase(
        "Two ways to let a model write: always the likeliest next token, or drawn at random by its probabilities. "
        "Verdicts are on greedy summaries."
    ),
    phrase("headline"): phrase("The one measure that verdicts are about; all the others stand beside it."),
    phrase("gold"): phrase(
        "The judge's score of a summary from 0 to 1. The exact judge holds it against the facts that its document is "
        "known to contain."
    ),
    phrase("reward"): phrase(
        "The score of a reward model: a network that learned from pairs which of two summaries is preferred. It can be "
        "fooled."
    ),
    phrase("fold A, fold B"): phrase(
        "The preference pairs, split by prompt. Fold A trains the branches and the reward model that some of them "
        "climb. Fold B trains another reward model that only scores: no branch has seen it."
    ),
    phrase("over-optimisation"): phrase(
        "The reward rises while the headline falls: the reward model was fooled."
    ),
    phrase("KL, nats, k1"): phrase(
        "How far a model has moved away from sft: by how much likelier its summaries are to itself than to sft, in "
        "nats (natural logarithm). k1 is the plain mean of that over sampled summaries."
    ),
    phrase("interval, BCa bootstrap"): phrase(
        "Where the true mean may lie: the prompts are drawn anew thousands of times, with repetition. BCa corrects for "
        "bias and skew."
    ),
    phrase("p, Holm"): phrase(
        "How often chance alone would show a difference this large. Holm's correction raises it, because many pairs "
        "are looked at."
    ),
    phrase("win rate"): phrase(
        "The share of prompts on which one model's summary beats another's, to one judge."
    ),
    phrase("contract"): phrase("What must be the same for all models, or they are not compared at all."),
    phrase("best of n"): phrase(
        "sft draws n summaries and a reward model picks one: what can be had without training, at n times the cost."
    ),
}


def table(_: Found) -> Table:
    """One row a word."""
    rows = [[say(word), say(meaning)] for word, meaning in WORDS.items()]
    return Table(say("Words"), [say("word"), say("meaning")], rows, words=True)
