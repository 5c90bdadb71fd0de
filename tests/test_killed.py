"""A training that is killed at any of its writes, and started again, leaves the bytes of one that never stopped.

One process imports everything and forks a child a run, which the child's own SIGKILL ends at the n-th file that it
opens, moves or removes: in the middle of checkpoints, snapshots, curves and models (bench/killed). `make chaos` does
it to every stage, through DVC.
"""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOST = """
import json, os, sys
from pathlib import Path
import torch, transformers, peft, pyarrow.parquet
from bench.killed.sitecustomize import watch
from tasks.engine import fitting, training
from tasks.ledger.journal import Journal
from tasks.ledger.signature import Signature
from tasks.ledger.target import parse

def work(words, at, within):
    os.setsid()
    torch.set_num_threads(1)
    writes, target = watch(at, within), parse(words.split())
    scratch = Path(".state/scratch", target.record)
    scratch.mkdir(parents=True, exist_ok=True)
    found = Signature(target, Path(sys.argv[1])).call(journal=Journal(target.record, scratch), scratch=scratch)
    metrics = Path(f"reports/metrics/{target.record}.json")
    metrics.write_text(json.dumps(found, sort_keys=True))
    return writes()

for line in sys.stdin:
    folder, words, at, within = json.loads(line)
    child = os.fork()
    if not child:
        code = 1
        try:
            os.chdir(folder)
            log = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1), os.dup2(log, 2)
            Path("writes").write_text(str(work(words, at, within)))
            code = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
WALK = {"steps": 6, "checkpoint_every": 2, "batch_size": 4}  # the curve has lines at 1, 5 and 6
LORA = {"rank": 2, "alpha": 4.0, "dropout": 0.0, "modules": "all-linear"}
DRAWN = {"beta": 0.1, "reward": "model", "eos_penalty": 1.0}
PPO = {"completions": 1, "epochs": 2, "clip": 0.2, "value_clip": 0.2, "value_weight": 0.1, "discount": 1.0}
PPO |= {"trace": 0.95, "critic_learning_rate": 1e-3}
BRANCHES = {
    "online": {"rloo": {}, "reinforce": {"completions": 1, **DRAWN}},
    "distil": {"jbond": {"gamma": 1.0, "eta": 0.05, **DRAWN}},
    "critic": {"ppo": {**PPO, **DRAWN}},
    "pairs": {"dpo": {}, "rpo": {"beta": 0.1, "sft_weight": 0.5}},
    "iterated": {"second": {"method": "dpo", "beta": 0.1, "after": "sft", "judge": "reward"}},
}
STAGES = {
    "sft": "sft",
    "reward": "reward --fold b",
    **{
        branch: f"align --family {family} --branch {branch} --seed 0"
        for family, some in BRANCHES.items()
        for branch in some
    },
}
OUTS = {"sft": ["models/sft"], "reward": ["models/reward-b"]}


class Host:
    """The process that forks."""

    def __init__(self):
        words = [sys.executable, "-c", HOST, str(ROOT / "tasks")]
        self._process = subprocess.Popen(
            words, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(self, folder, words, at=None, within=""):
        """0, or -9 when it killed itself; what it said, and its writes."""
        print(json.dumps([str(folder), words, at, within]), file=self._process.stdin, flush=True)
        code, said = int(self._process.stdout.readline()), (folder / "said").read_text()
        assert code in (0, -9), said
        return code, said, None if code else int((folder / "writes").read_text())

    def close(self):
        self._process.communicate()


@pytest.fixture(scope="module")
def host():
    process = Host()
    yield process
    process.close()


@pytest.fixture(scope="module")
def begun(project, host, tmp_path_factory):
    """The miniature with six steps a training, checkpoints every two, and a round's rows."""
    folder = tmp_path_factory.mktemp("killed") / "begun"
    shutil.copytree(project.folder, folder, ignore=shutil.ignore_patterns(".state"))
    made = type(project)(folder)
    walk = made.entry("dpo", **WALK).optimisation.model_dump()
    for family, entries in BRANCHES.items():
        for branch, own in entries.items():
            if own:
                lora = LORA if branch == "rpo" else None
                given = {"method": branch, **own, "optimisation": {**walk, "lora": lora}}
                made.change(f"branches.{family}", **{branch: given})
            else:
                made.change(f"branches.{family}.{branch}.optimisation", **WALK)
    made.change("sft.source.optimisation", **WALK)
    made.change("reward.source.optimisation", **WALK)
    made.change("prepare.source", unlabelled=30)
    made.change("iterate", documents=12, temperature=1.0, top_p=1.0)
    made.change("align", snapshots=2)
    host.run(folder, "prepare")
    host.run(folder, "method --family iterated --branch second")
    host.run(folder, "collect --family iterated --branch second")
    return folder


@pytest.fixture
def copied(begun, tmp_path):
    """A function to a copy of it, as hard links but for what a run writes into."""

    def made(name):
        shutil.copytree(begun, tmp_path / name)
        return tmp_path / name

    return made


def outputs(folder, name):
    """The bytes of all that the stage leaves for DVC."""
    record = {"sft": "sft", "reward": "reward-b"}.get(name, f"align-{name}-0")
    places = OUTS.get(name, [f"models/{name}-0", f"models/{name}-0-snapshots"])
    paths = [folder / f"reports/curves/{record}.jsonl", folder / f"reports/metrics/{record}.json"]
    paths += [path for place in places for path in sorted((folder / place).rglob("*")) if path.is_file()]
    assert len(paths) > 4
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize("name", STAGES)
def test_a_killed_training_ends_as_if_it_had_never_stopped(name, host, copied):
    folder, drawn = copied("whole"), random.Random(name)
    _, _, writes = host.run(folder, STAGES[name])
    expected, folder = outputs(folder, name), copied("killed")
    at = drawn.randint(writes // 3, writes)  # before that nothing is there that could be lost
    assert host.run(folder, STAGES[name], at)[0] == -9
    host.run(folder, STAGES[name], drawn.randint(1, writes // 2))  # once more, if it gets that far
    assert host.run(folder, STAGES[name])[0] == 0
    found = outputs(folder, name)
    assert [path for path in expected if found.get(path) != expected[path]] == []
    assert found.keys() == expected.keys()


@pytest.mark.parametrize("name", ["jbond", "dpo"])
def test_a_kill_in_a_checkpoint_costs_the_steps_since_the_one_before(name, host, copied):
    folder = copied("killed")
    assert host.run(folder, STAGES[name], 5, "unfinished/checkpoint-4")[0] == -9
    scratch = folder / f".state/scratch/align-{name}-0"
    assert [path.name for path in scratch.glob("checkpoint-*")] == ["checkpoint-2"]
    assert list((scratch / "unfinished/checkpoint-4").iterdir())
    _, said, _ = host.run(folder, STAGES[name])
    assert f"align-{name}-0: resuming from step 2\n" in said


def test_a_kill_after_the_last_step_costs_no_step(host, copied):
    """Its record has the tokens of the whole training, though this process made no step."""
    whole, folder = copied("whole"), copied("killed")
    host.run(whole, STAGES["rpo"])
    assert host.run(folder, STAGES["rpo"], 1, "models/.rpo-0.partial")[0] == -9
    assert not (folder / "models/rpo-0").exists()
    _, said, _ = host.run(folder, STAGES["rpo"])
    assert "align-rpo-0: resuming from step 6\n" in said
    assert outputs(folder, "rpo") == outputs(whole, "rpo")
