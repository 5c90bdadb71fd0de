"""A small world of evaluations and trainings that the fairness contract can be tried on."""

import copy

import pyarrow as pa
import pytest

from tasks.measures import contract
from tasks.measures.evaluations import Evaluation
from tasks.refusal import Refusal

SFT, BASE, CLIMBED, OTHER = "5" * 64, "b" * 64, "c" * 64, "f" * 64
SEEDS = [0, 1]
SUMMARY = {
    "reference_sha256": SFT,
    "prompts_sha256": "2" * 64,
    "reward_sha256": "3" * 64,
    "rows": 2,
    "split": "test",
    "judge": "exact",
    "contract": {
        "documents_sha256": "4" * 64,
        "tokenizer_sha256": "6" * 64,
        "model_tokenizer_sha256": "6" * 64,
        "template_sha256": "7" * 64,
        "decoding": {"max_new_tokens": 64, "samples": 1, "seed": 0, "temperature": 1.0},
        "judge_sha256": "8" * 64,
        "reward_scale": {"mean": 0.25, "deviation": 0.5},
        "dtype": "float32",
        "device": "cpu",
        "numerics": "shared prompts, block",
    },
}
RUN = {
    **{"start_sha256": SFT, "reference_sha256": SFT, "data_sha256": "a" * 64, "engine": "gallim"},
    **{"steps": 36, "examples": 1152, "tokens": 1000, "generated_tokens": 0, "reward_calls": 0},
}
DRAWN = {
    "generated_tokens": 500,
    "reward_calls": 40,
    "reward": "model",
    "climbed_sha256": CLIMBED,
    "steps": 24,
}


def rows(*keys):
    ids, decodings, samples = zip(*keys, strict=True)
    return pa.table({"id": ids, "decoding": decodings, "sample": samples})


KEYS = [("x", "greedy", 0), ("y", "greedy", 0), ("x", "sampled", 0), ("y", "sampled", 0)]


class World:
    """Evaluations of sft, dpo and rloo, which are alike, and the records of their trainings."""

    def __init__(self):
        self.branches = {}
        self.records = {"base": {"weights_sha256": BASE}, "reward-a": {"weights_sha256": CLIMBED}}
        self.evaluations = {}
        self._evaluated("sft", SFT)
        self.add("dpo", "pairs")
        self.add("rloo", "online", "the pairs' reward model", settings={"reward": "model"}, **DRAWN)

    def _evaluated(self, model, weights):
        summary = copy.deepcopy(SUMMARY) | {"model_sha256": weights}
        self.evaluations[model] = Evaluation(model, rows(*KEYS), summary)

    def add(self, name, family, information="pairs", settings=None, trials=0, **told):
        self.branches[name] = {
            **{"name": name, "family": family, "information": information, "trials": trials},
            "start": "models/base" if family == "base" else "models/sft",
            "settings": {"optimisation.steps": told.get("steps", RUN["steps"]), **(settings or {})},
        }
        for seed in SEEDS:
            self._evaluated(f"{name}-{seed}", f"{name} {seed}")
            self.records[f"align-{name}-{seed}"] = RUN | {"weights_sha256": f"{name} {seed}"} | told

    def add_families(self):
        """A branch from the base, two on rows of their own, and one that TRL trained."""
        self.add("orpo", "base", start_sha256=BASE, reference_sha256=None)
        self.add("bon", "best", "the pairs' reward model", {"reward": "model"}, data_sha256="9" * 64)
        self.add("zephyr", "feedback", "a teacher's scores", data_sha256="e" * 64)
        self.add("stock", "pairs", engine="trl")
        drawn = {"generated_tokens": 700, "reward_calls": 20, "reward": "model", "climbed_sha256": CLIMBED}
        self.records["best-bon"] = {"data_sha256": "9" * 64, "pairs_sha256": RUN["data_sha256"], **drawn}
        taught = {"data_sha256": "e" * 64, "teacher": "exact", "teacher_is_judge": True}
        self.records["feedback-zephyr"] = taught

    def agreed(self):
        every = list(self.evaluations.values())
        return contract.agreed(every, list(self.branches.values()), SEEDS, self.records)

    def change(self, model, name, value):
        """A term of an evaluation, wherever it stands in its summary."""
        summary = self.evaluations[model].summary
        (summary["contract"] if name in summary["contract"] else summary)[name] = value

    def refused(self):
        """The refusal, in words."""
        with pytest.raises(Refusal) as caught:
            self.agreed()
        return str(caught.value)

    def table(self, model, *keys):
        summary = self.evaluations[model].summary
        self.evaluations[model] = Evaluation(model, rows(*keys), summary)


@pytest.fixture
def world():
    return World()
