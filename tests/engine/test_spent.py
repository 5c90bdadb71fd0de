"""What a training draws and has judged: by hand on a tiny rollout, and the same after a training was cut off."""

import shutil

import pytest
import torch
from transformers import TrainerCallback

from tasks import methods
from tasks.engine.families.online import Drawing, Reference, Rollouts
from tasks.engine.fitting import GroupTrainer
from tasks.engine.groups import Group
from tasks.engine.scoring import Scorer
from tasks.engine.spent import Spent
from tasks.engine.training import arguments, fit


def reward(some):
    return torch.tensor([float(len(ids)) for group in some for ids in group.completions])


def test_two_prompts_with_two_completions_each_by_hand():
    spent = Spent()
    counted = spent.counted(reward, reward="judge")
    rollout = [Group((5, 6, 7), ((8, 1), (9, 9, 9, 1))), Group((5,), ((1,), (8, 8, 1)))]
    assert counted(rollout).tolist() == [2, 4, 1, 3]  # the reward's own word
    assert spent.told() == {"generated_tokens": 2 + 4 + 1 + 3, "reward_calls": 4, "reward": "judge"}
    counted(rollout[1:])
    assert (spent.generated_tokens, spent.reward_calls) == (10 + 4, 6)


def test_who_has_drawn_nothing_tells_so():
    assert Spent().told() == {"generated_tokens": 0, "reward_calls": 0}


class Kept(TrainerCallback):
    """A copy of the checkpoint after the second step, as a kill would leave it."""

    def on_save(self, args, state, control, **_):
        if state.global_step == 2:
            folder = f"{args.output_dir}/checkpoint-2"
            shutil.copytree(folder, f"{args.output_dir}/../kept/checkpoint-2")


@pytest.fixture
def train(build, walk, machine, tokenizer, notes, ragged):
    """A function that trains RLOO for 5 steps from the last checkpoint of a folder; what was spent."""

    def made(folder):
        spent, compute = Spent(), machine()
        walked = walk(steps=5, batch_size=2, checkpoint_every=2, learning_rate=1e-3)
        own = {"beta": 0.05, "completions": 3, "reward": "judge", "eos_penalty": 0.1}
        method = methods.load("rloo")
        entry = method.Config.model_validate({"method": "rloo", "optimisation": walked, **own})
        drawing = Drawing(spent.counted(reward), eos=1, max_new_tokens=8, tokens_at_once=10_000, seed=3)
        trainer = GroupTrainer(
            build("llama"),
            Rollouts(method, entry, drawing, Reference(Scorer(build("llama", seed=1)))),
            [group._replace(completions=()) for group in ragged(1)],
            arguments(walked, compute, 0, folder),
            walked,
            compute,
            tokenizer,
            dropout=False,
        )
        trainer.add_callback(spent)
        trainer.add_callback(Kept())
        fit(trainer, notes, folder)
        return spent.told(), notes.said

    return made


def test_a_training_that_goes_on_from_a_checkpoint_has_spent_as_much_as_one_that_was_never_cut_off(
    train, scratch
):
    whole, said = train(scratch)
    assert said == []
    assert whole["reward_calls"] == 5 * 2 * 3  # steps, prompts, completions
    resumed, said = train(scratch.parent / "kept")
    assert said == ["resuming from step 2", "resumed from 2"]
    assert resumed == whole
