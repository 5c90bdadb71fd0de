"""The report's sections in the order in which a reader who never saw the code follows them."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.measures import (
    certainty,
    contract_table,
    expense,
    frontier_told,
    given,
    glossary,
    legend,
    lengths,
    lens_told,
    plots,
    plots_frontier,
    plots_lengths,
    reproduce,
    rounds_told,
    score_tables,
    tables,
    winning,
    words,
)
from tasks.measures.blocks import PAIRS, Block, Commands, Extras, Figure, Folded, Markup, Section, Sentences
from tasks.measures.comparison import SAME
from tasks.measures.evaluations import SFT
from tasks.measures.intervals import difference
from tasks.measures.language import say
from tasks.measures.tables import Found, label


def sections(found: Found, extras: Extras) -> list[Section]:
    """Every section that has something to show."""
    parts = (_verdicts, _compared, _scores, _differences, _length, _frontier, _win_rates, _examples, _cost)
    parts += (
        lens_told.section,
        rounds_told.section,
        _seeds,
        _prompts,
        _measures,
        _likelihood,
        _contract,
        _method,
    )
    parts += (_reproduce,)
    return [part for make in parts for part in make(found, extras) if part.blocks]


def _verdicts(found: Found, extras: Extras) -> Iterator[Section]:
    against, between = (
        Sentences(
            [
                ("same" if pair[0]["verdict"] == SAME else pair[0]["verdict"], words.sentence(found, *pair))
                for pair in tables.pairs(found)
                if (pair[0]["right"] == SFT) is to_sft
            ]
        )
        for to_sft in (True, False)
    )
    general = Sentences([("", said) for said in certainty.sentences(found)])
    blocks: list[Block] = [against]
    count = len(between.items)
    if count:
        heading = (
            say("Between branches: {count} pairs", count=count) if count > 1 else say("Between branches")
        )
        blocks.append(Folded(heading, between) if count + len(against.items) > PAIRS else between)
    many = len(general.items) > PAIRS
    blocks.append(
        Folded(say("In general: {count} pairs", count=len(general.items)), general) if many else general
    )
    question = say(
        "Which branches differ from sft, and from each other, on {measure}?", measure=label(found["headline"])
    )
    yield Section("verdicts", say("Verdicts"), question, blocks)


def _compared(found: Found, _: Extras) -> Iterator[Section]:
    shown = [given.table(found), *contract_table.differences(found), glossary.table(found)]
    question = say("What was trained, from what, and what do the words of this report mean?")
    yield Section("compared", say("What was compared"), question, shown)


def _scores(found: Found, _: Extras) -> Iterator[Section]:
    blocks = [Figure(lambda: plots.means(found), say(words.MEANS))]
    blocks += [score_tables.scores(found, decoding) for decoding in ("greedy", "sampled")]
    yield Section("scores", say("Scores"), say("How does each model do on every measure?"), blocks)


def _differences(found: Found, _: Extras) -> Iterator[Section]:
    blocks = [
        Figure(lambda: plots.differences(found), say(words.PAIRED)),
        score_tables.verdicts(found),
        certainty.table(found),
    ]
    question = say("How large are the differences, how sure are they, and what may have been missed?")
    yield Section("differences", say("Differences"), question, blocks)


def _length(found: Found, extras: Extras) -> Iterator[Section]:
    caption = say(lengths.CAPTION, measure=label(found["headline"]))
    blocks = [
        Figure(lambda: plots_lengths.lengths(found, extras.greedy), caption),
        lengths.table(found, extras.greedy),
    ]
    yield Section("length", say("Length"), say("Are the gains bought by writing longer?"), blocks)


def _frontier(found: Found, _: Extras) -> Iterator[Section]:
    blocks: list[Block] = [Figure(lambda: plots_frontier.ends(found), words.frontier(found))]
    blocks += [score_tables.best_of(found)] if found["best_of"] else []
    if found["frontier"]["points"]:
        blocks.append(Figure(lambda: plots_frontier.ways(found), frontier_told.caption(found)))
        blocks += [frontier_told.onsets(found), frontier_told.points(found)]
    question = say("How far did each training move away from sft, and was a reward model fooled on the way?")
    yield Section("frontier", say("Reward and KL"), question, blocks)


def _win_rates(found: Found, _: Extras) -> Iterator[Section]:
    question = say("How often does one model's summary beat another's, and to whom?")
    blocks = [Markup(winning.matrices(found)), *winning.tables(found)]
    yield Section("wins", say("Win rates"), question, blocks)


def _examples(_: Found, extras: Extras) -> Iterator[Section]:
    blocks = [Sentences([("", say(words.EXAMPLES))]), *extras.examples] if extras.examples else []
    yield Section("examples", say("Examples"), say("What do the summaries look like?"), blocks)


def _cost(found: Found, extras: Extras) -> Iterator[Section]:
    question = say("What does a training cost, and what does a gain cost?")
    yield Section("cost", say("Cost"), question, [expense.table(found, extras.costs)])


def _seeds(found: Found, _: Extras) -> Iterator[Section]:
    blocks: list[Block] = [Figure(lambda: plots.seeds(found), say(words.SEEDS)), score_tables.seeds(found)]
    blocks += [certainty.general(found)] if found["in_general"]["greedy"] else []
    question = say("How far do trainings of one branch lie apart by luck?")
    yield Section("seeds", say("Seeds"), question, blocks)


def _prompts(found: Found, extras: Extras) -> Iterator[Section]:
    measure, greedy = found["headline"], extras.greedy
    by_prompt = {
        name: difference(values[measure], greedy[SFT][measure])
        for name, values in greedy.items()
        if name != SFT
    }
    blocks = [Figure(lambda: plots.distributions(found, by_prompt), say(words.PROMPTS))]
    question = say("Does a branch gain a little everywhere, or much in a few places?")
    yield Section("prompts", say("Prompt by prompt"), question, blocks)


def _measures(found: Found, _: Extras) -> Iterator[Section]:
    blocks = [score_tables.baselines(found), legend.measures(found), legend.signed(found)]
    question = say(
        "What else was measured, what does no model at all reach, and how was each figure computed?"
    )
    yield Section("measures", say("Measures"), question, blocks)


def _likelihood(found: Found, _: Extras) -> Iterator[Section]:
    blocks = [score_tables.displacement(found)] if found["displacement"] else []
    question = say("Did preferred summaries themselves become less likely in training?")
    yield Section("likelihood", say("Likelihood"), question, blocks)


def _contract(found: Found, _: Extras) -> Iterator[Section]:
    question = say("What was the same for all, so that they may be compared?")
    yield Section("contract", say("Contract"), question, contract_table.terms(found))


def _method(found: Found, _: Extras) -> Iterator[Section]:
    question = say("By which statistics do the verdicts come about?")
    said = Sentences([("", text) for text in words.method(found)])
    yield Section("method", say("How it was computed"), question, [said])


def _reproduce(found: Found, extras: Extras) -> Iterator[Section]:
    seeds = ", ".join(map(str, found["seeds"]))
    said = [reproduce.told(extras.costs), say("Seeds of the trainings: {seeds}.", seeds=seeds)]
    said.append(
        say(
            "comparison.json, made again from the same models on the same kind of machine, has the same bytes."
        )
    )
    blocks = [
        Sentences([("", text) for text in said]),
        Commands(reproduce.commands(found, extras.costs)),
        reproduce.switched(found),
        Folded(say("Hashes of what was compared"), reproduce.hashes(found)),
    ]
    question = say("How is this comparison made again, and what did it leave out?")
    yield Section("reproduce", say("How to reproduce"), question, blocks)
