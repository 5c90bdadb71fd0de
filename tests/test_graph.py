"""dvc.yaml against the code: the floors, each stage's dependencies and parameters, and what an edit runs again."""

import ast
import json
import os
import shutil
import sys
import warnings
from contextlib import chdir, contextmanager
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo, lock_repo
from dvc.utils.serialize import parse_yaml
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
TASKS = ROOT / "tasks"
FLOORS = [
    "corpus",
    "measures",
    "engine",
    "methods",
    "ledger",
    "people",
    "preflight",
    "stages",
    "__main__",
    "flows",
]
GROUND = {  # what every floor stands on
    "parameters",
    "plain_yaml",
    "redaction",
    "refusal",
    "sections",
    "settings",
    "whole",
}
DOORS = {
    "prefect": ("flows/",),
    "mlflow": ("tasks/ledger/",),
    "dvc": ("flows/", "tasks/ledger/"),
    "starlette": ("tasks/people/",),
    "uvicorn": ("tasks/people/",),
    "trl": ("tasks/engine/", "tasks/sft.py", "tasks/reward.py"),
}
# No dependency in dvc.yaml, and rightly so: sections of params.yaml and what reads them are dependencies by value
# (`params:`), neither a refusal nor how a file is put in place changes a number, a method is tied to its branches by
# the stage `method`, and the ledger keeps records of results.
NO_DEPENDENCY = (
    "tasks/parameters.py",
    "tasks/plain_yaml.py",
    "tasks/redaction.py",
    "tasks/sections/",
    "tasks/settings.py",
    "tasks/refusal.py",
    "tasks/whole.py",
    "tasks/methods/",
    "tasks/ledger/",
)
JUDGED = (
    "reports/iterated",
    "reports/agreement",
    "reports/duels",
    "reports/strength",
)  # folders that are there before anything is judged
JUDGE = {
    "kind": "endpoint",
    "url": "http://localhost:8000/v1",
    "model": "m",
    "rubric": "en",
    "temperature": 0.0,
}
JUDGE |= {"reply_tokens": 64, "concurrency": 1, "max_attempts": 1, "timeout_seconds": 60.0}
JUDGE |= {"requests_per_minute": None}
JUDGE |= {"price": {"input": 0.0, "output": 0.0, "reply_tokens": 64, "max_cost": 0.0}}
JUDGING = {"duel@grader", "compare"}  # which run after any evaluation
# In place of tasks/__main__.py: every output is a digest of all that the stage may depend on.
FAKE = """
import hashlib, json, os, sys
from pathlib import Path
name = os.environ["DVC_STAGE"].rpartition(":")[2]
stage = json.loads(Path("stages.json").read_text())[name]
found = hashlib.sha256(json.dumps(stage["params"]).encode())
for dep in stage["deps"]:
    for path in sorted(p for p in [Path(dep), *Path(dep).rglob("*")] if p.is_file()):
        found.update(path.read_bytes())
for out in stage["outs"]:
    path = Path(out) if Path(out).suffix else Path(out) / "file"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{out} {found.hexdigest()}")
if name == "prepare":
    for split in ("train", "validation", "test", "unlabelled"):
        Path(f"data/prepared/{split}.parquet").write_text(split + found.hexdigest())
if name == "pairs":
    for fold in ("a", "a_holdout", "b", "b_holdout"):
        Path(f"data/pairs/{fold}.parquet").write_text(fold + found.hexdigest())
if name.startswith("collect"):  # of each seed's own model
    seeds = {f"{seed}.json" for seed in stage["params"].pop("seeds")}
    for seed in seeds:
        own = hashlib.sha256(json.dumps([seed, stage["params"]]).encode())
        for dep in stage["deps"]:
            for path in sorted(p for p in [Path(dep), *Path(dep).rglob("*")] if p.is_file()):
                own.update(path.read_bytes() if path.name not in seeds - {seed} else b"")
        Path(stage["outs"][0], seed).with_suffix(".parquet").write_text(own.hexdigest())
with open("ran.txt", "a") as file:
    file.write(name + "\\n")
"""


@contextmanager
def rewritten(path, **_):
    """dvc.lock's content, which is written back after the block, as JSON, which is YAML too.

    DVC's own way keeps people's comments, token by token in Python: 2 s a stage for a file that has none.
    """
    path = Path(path)
    content = json.loads(path.read_text()) if path.exists() else {}
    yield content
    path.write_text(json.dumps(content))


parsed_once = cache(parse_yaml)


def parsed(*given, **more):
    """As DVC parses YAML; params.yaml, which it reads several times a stage, only once."""
    return deepcopy(parsed_once(*given, **more))


def sources():
    return [path for folder in ("tasks", "flows") for path in sorted((ROOT / folder).rglob("*.py"))]


def name_of(path):
    return path.relative_to(ROOT).as_posix()


@cache
def imports(path):
    """Dotted names that a file imports, wherever in it; a module from a package stands with the package's name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def modules(path):
    """Files of the project that a file imports."""
    places = (
        ROOT.joinpath(*name.split(".")) for name in imports(path) if name.split(".")[0] in ("tasks", "flows")
    )
    files = {file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")}
    return {
        file for file in files if file.is_file() and file.stat().st_size
    }  # an empty __init__.py is nothing


def floor_of(path):
    parts = path.relative_to(ROOT).parts
    if parts[0] == "flows":
        return "flows"
    if len(parts) == 2:
        return path.stem if path.stem in ("__main__", *GROUND) else "stages"
    return parts[1]


def changes_numbers(path):
    return not name_of(path).startswith(NO_DEPENDENCY)


def closure(*starts):
    """The files that these import, directly or not, and data files that one of them reads, as paths in the project."""
    found, waiting = set(), [TASKS / start for start in starts]
    while waiting:
        path = waiting.pop()
        if path not in found and changes_numbers(path):
            found.add(path)
            waiting += modules(path)
    beside = [
        p for p in TASKS.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc") and changes_numbers(p)
    ]
    return {
        name_of(path)
        for path in [*found, *(one for one in beside if any(reads(path, one) for path in found))]
    }


def reads(path, data):
    """Whether a module names a data file, or its suffix where they have one name."""
    text = path.read_text(encoding="utf-8")
    return f'"{data.name}"' in text or (path.stem == data.stem and f'"{data.suffix}"' in text)


# Floors


def test_imports_point_down():
    up = [
        f"{name_of(path)} imports {name_of(target)}"
        for path in sources()
        for target in modules(path)
        if floor_of(path) not in GROUND and floor_of(target) not in GROUND
        if FLOORS.index(floor_of(target)) > FLOORS.index(floor_of(path))
    ]
    assert up == []


def test_the_ground_stands_on_nothing_but_methods():
    """sections/branches.py reads a branch by its method's own Config."""
    files = [path for path in TASKS.rglob("*.py") if floor_of(path) in GROUND]
    assert {name_of(path).split("/")[1].removesuffix(".py") for path in files} == GROUND
    for path in files:
        above = {floor_of(target) for target in modules(path)} - GROUND
        assert above <= ({"methods"} if path.stem == "branches" else set()), path


def test_stages_never_import_each_other():
    stages = {path for path in TASKS.glob("*.py") if floor_of(path) == "stages" and path.stat().st_size}
    assert {"sft", "align", "compare"} <= {path.stem for path in stages}
    assert {path.stem: [other.stem for other in modules(path) & stages] for path in stages} == {
        p.stem: [] for p in stages
    }


def test_methods_and_engine_do_not_know_each_other():
    for path in sorted((TASKS / "engine").rglob("*.py")):
        assert not {floor_of(target) for target in modules(path)} & {"methods", "ledger"}, path
    for path in sorted((TASKS / "methods").rglob("*.py")):
        assert {floor_of(target) for target in modules(path)} <= GROUND | {"methods"}, path


@pytest.mark.parametrize("library", DOORS)
def test_a_foreign_library_has_one_door(library):
    using = {
        name_of(path) for path in sources() if any(name.split(".")[0] == library for name in imports(path))
    }
    assert using
    assert {name for name in using if not name.startswith(DOORS[library])} == set()


def test_the_import_walk_sees_through_functions_and_packages():
    assert TASKS / "corpus/exact_judge.py" in modules(TASKS / "measures/gold.py")
    assert TASKS / "ledger/tracking.py" in modules(TASKS / "__main__.py")
    assert "tasks/corpus/matters/lexicon.py" in closure("prepare.py")


# The graph, in a copy whose stages write digests


class Graph:
    """A copy of dvc.yaml, params.yaml and tasks/ with small settings and a stage that costs nothing."""

    def __init__(self, folder):
        self.folder = folder
        shutil.copytree(TASKS, folder / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("dvc.yaml", "params.yaml", ".dvcignore"):
            shutil.copy(ROOT / name, folder / name)
        given = self.params()
        for name in given["own"].values():
            (folder / name).mkdir(parents=True)
        for name in ("assets/base", "assets/duels", "assets/judging", "assets/rubrics", *JUDGED):
            (folder / name).mkdir(parents=True)
        (folder / "assets/duels/en.txt").write_text("rubric")
        (folder / "assets/judging/ko.short.txt").write_text("rubric")
        (folder / "assets/rubrics/summary.txt").write_text("rubric")
        (folder / "assets/base/model").write_text("weights")
        (folder / "assets/pretrained_on.sha256").write_text("seen")
        (folder / "tasks/__main__.py").write_text(FAKE)
        walk = given["branches"]["pairs"]["dpo"]["optimisation"]
        cure = {
            "strength": "strict",
            "drop": 0.1,
            "flip": 0.1,
            "flip_anyway": False,
            "smooth": 0.0,
            "alpha": 0.0,
            "margin": 0.0,
        }
        ipo = {"method": "ipo", "tau": 0.1, "optimisation": walk, "cure": cure}
        kto = {"beta": 0.1, "desirable_weight": 1.0, "undesirable_weight": 1.0, "ratings": "pairs"}
        rewarded = {"reward": "model", "eos_penalty": 1.0, "optimisation": walk}
        ppo = {
            "beta": 0.1,
            "completions": 1,
            "epochs": 4,
            "clip": 0.2,
            "value_clip": 0.2,
            "value_weight": 0.1,
        }
        ppo |= {"discount": 1.0, "trace": 0.95, "critic_learning_rate": 1e-3}
        again = {"method": "dpo", "beta": 0.1, "judge": "self", "optimisation": walk}
        given["branches"] = {
            "pairs": {"dpo": given["branches"]["pairs"]["dpo"]},
            "base": {"orpo_from_base": {"method": "orpo", "weight": 0.1, "optimisation": walk}},
            "feedback": {"ddpo": given["branches"]["pairs"]["dpo"] | {"beta": 0.1}},
            "cured": {"cured_ipo": ipo},
            "unpaired": {"kto": {"method": "kto", **kto, "optimisation": walk}},
            "best": {"bo2": {"method": "best_of_n", "best_of": 2, "reward": "model", "optimisation": walk}},
            "online": {"rloo": given["branches"]["online"]["rloo"]},
            "distil": {"jbond": {"method": "jbond", **rewarded, "beta": 0.5, "gamma": 1.0, "eta": 0.1}},
            "critic": {"ppo": {"method": "ppo", **rewarded, **ppo}},
            "taught": {"m1": {"method": "supervised", "optimisation": walk}},
            "iterated": {"m2": {**again, "after": "m1"}, "m3": {**again, "after": "m2"}},
        }
        given["duel"]["judges"] = {"grader": JUDGE}
        given["strength"] |= {"members": [0, 1], "votes": {"strict": {"kind": "kfold", "folds": 2}}}
        self.write(given | {"seeds": [0]})
        (folder / "bin").mkdir()
        quick = folder / "bin/python"  # without site-packages it starts in no time
        quick.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
        quick.chmod(0o755)
        with self.repository(Repo.init, str(folder), no_scm=True):
            pass

    def params(self):
        return YAML(typ="safe").load((self.folder / "params.yaml").read_text(encoding="utf-8"))

    def write(self, given):
        with (self.folder / "params.yaml").open("w", encoding="utf-8") as file:
            YAML().dump(given, file)

    @contextmanager
    def repository(self, opened=Repo, *words, **more):
        """DVC's own, in its folder; its warnings are not ours."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        with chdir(self.folder), pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            patch.setenv("PATH", path)
            patch.setattr("dvc.dvcfile.modify_yaml", rewritten)
            patch.setattr("dvc.utils.serialize._yaml.parse_yaml", parsed)
            with opened(*words, **more) as repo:
                yield repo

    def stages(self):
        """Every stage by name, as DVC resolves it: command, dependencies, parameters, outputs."""
        with self.repository() as repo:
            return described(repo)

    def repro(self, **options):
        """The names of the stages that ran; one that DVC remembers from an earlier run is not among them."""
        (self.folder / "ran.txt").write_text("")
        with self.repository() as repo, lock_repo(repo):  # a lock for both, or dvc.yaml would be read twice
            (self.folder / "stages.json").write_text(json.dumps(described(repo)))
            repo.reproduce(**options)
        return set((self.folder / "ran.txt").read_text().split())


def described(repo):
    found = {}
    for stage in repo.index.stages:
        params = [dep for dep in stage.deps if isinstance(dep, ParamsDependency)]
        found[stage.name] = {
            "cmd": stage.cmd,
            "deps": [os.path.relpath(dep.fs_path) for dep in stage.deps if dep not in params],
            "params": {name: value for dep in params for name, value in dep.read_params().items()},
            "outs": [os.path.relpath(out.fs_path) for out in stage.outs],
        }
    return found


class Clone(Graph):
    """What git brings to another machine: code, parameters, dvc.lock and comparison.json, and no other artifact."""

    def __init__(self, graph, folder):
        self.folder = folder
        artifacts = shutil.ignore_patterns(
            "cache", "tmp", "prepared", "*.parquet", "pairs", "reports", "__pycache__"
        )
        shutil.copytree(graph.folder, folder, ignore=artifacts)
        for name in (*graph.params()["own"].values(), *JUDGED):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for path in (folder / "models").iterdir():
            if path.name != "own":
                shutil.rmtree(path)
        shutil.copy(graph.folder / "reports/comparison.json", folder / "reports")


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    graph = Graph(tmp_path_factory.mktemp("graph"))
    assert graph.repro() == set(graph.stages())
    return graph


@pytest.fixture(scope="session")
def kept(made, tmp_path_factory):
    """The copy as it is when every stage has run."""
    return shutil.copytree(made.folder, tmp_path_factory.mktemp("kept") / "graph")


@pytest.fixture
def graph(made, kept):
    """The copy, every stage of it up to date; what a test does to it is put back."""
    yield made
    shutil.rmtree(made.folder)
    shutil.copytree(kept, made.folder)


@pytest.fixture(scope="session")
def stages(made):
    return made.stages()


def of(names, *starts):
    return {name for name in names if name.startswith(starts)}


def target_of(stage):
    from tasks.ledger.target import of_command

    return of_command(stage["cmd"])


def code_of(stage):
    return {dep for dep in stage["deps"] if dep.startswith("tasks/")}


def test_each_stage_depends_on_the_code_that_it_imports_and_on_no_other(stages):
    """A folder stands for all of it, where its parts are too entangled to tell apart."""
    for name, stage in stages.items():
        target = target_of(stage)
        starts = [f"{target.stage}.py"]
        if target.stage == "align":
            chosen = [f"engine/{engine}/{target.family}.py" for engine in ("families", "stock")]
            starts += [path for path in chosen if (TASKS / path).exists()]  # by name, not imported
        imported = closure(*starts)
        listed = code_of(stage)
        if target.stage == "method":
            listed.remove(
                f"tasks/methods/{stage['params'][f'branches.{target.family}.{target.branch}']['method']}.py"
            )
        for folder in listed & {"tasks/corpus", "tasks/measures/korean"}:
            assert any(path.startswith(f"{folder}/") for path in imported), name
            imported = {path for path in imported if not path.startswith(f"{folder}/")} | {folder}
        assert listed == imported, name


def test_each_stage_names_the_parameters_that_its_run_asks_for(stages, made, monkeypatch):
    """`own` is no parameter there: DVC watches the bytes at its paths."""
    from tasks.ledger.signature import Signature

    monkeypatch.chdir(made.folder)
    for name, stage in stages.items():
        asked = Signature(target_of(stage), TASKS).settings().keys() - {"own"}
        assert set(stage["params"]) == asked, name


def test_what_an_output_was_is_found_in_the_cache_when_dvc_has_removed_it(made, monkeypatch):
    from tasks.ledger import graph
    from tasks.ledger.target import Target

    monkeypatch.chdir(made.folder)
    graph._stage.cache_clear()
    path = Path("data/feedback/ddpo.verdicts.jsonl")
    content, target = path.read_bytes(), Target("feedback", "feedback", "ddpo")
    found = graph.former(target, path)
    assert found.read_bytes() == content
    assert made.folder / ".dvc/cache" in found.parents
    assert graph.former(target, Path("data/feedback/other.jsonl")) is None
    found.rename(found.with_suffix(".gone"))
    try:
        assert graph.former(target, path) is None
    finally:
        found.with_suffix(".gone").rename(found)
        graph._stage.cache_clear()


def test_no_shell_stands_between_dvc_and_a_stage(stages):
    """Debian's /bin/sh stays as the parent of what it runs; a killed dvc would leave the stage at work."""
    assert [name for name, stage in stages.items() if not stage["cmd"].startswith("exec ")] == []


def test_each_stage_of_the_code_is_a_stage_of_the_graph(stages):
    # for people, not for DVC
    commands = {"agreement", "card", "check", "pretrain", "rate", "summarize", "verify"}
    files = {path.stem for path in TASKS.glob("*.py") if floor_of(path) == "stages" and path.stat().st_size}
    assert {target_of(stage).stage for stage in stages.values()} == files - commands


def test_each_stage_writes_its_own_metrics(stages):
    written = [out for stage in stages.values() for out in stage["outs"]]
    assert len(written) == len(set(written))
    for name, stage in stages.items():
        metrics = f"reports/metrics/{target_of(stage).record}.json"
        assert (metrics in stage["outs"]) == (target_of(stage).stage not in ("method", "compare")), name


def test_what_the_stages_write_is_what_the_graph_says(project, stages):
    """But for a curve of a stage that did not train, which `python -m tasks` leaves empty."""
    for words in (
        "prepare",
        "base",
        "sft",
        "sample",
        "judge",
        "pairs",
        "reward-a",
        "align-pairs@dpo-0",
        "compare",
    ):
        name = "reward@a" if words == "reward-a" else words
        for out in stages[name]["outs"]:
            assert (project.folder / out).exists(), out


def test_a_second_run_runs_nothing(graph):
    assert graph.repro() == set()
    with graph.repository() as repo:
        assert repo.status() == {}


def test_one_branchs_coefficient_runs_that_branch(graph, stages):
    given = graph.params()
    given["branches"]["pairs"]["dpo"]["beta"] *= 2
    graph.write(given)
    assert graph.repro() == of(
        stages, "method-pairs@dpo", "align-pairs@dpo-", "evaluate-pairs@dpo-", "duel", "compare"
    )


def test_the_reward_models_settings_run_no_training_of_pairs(graph, stages):
    given = graph.params()
    given["reward"]["source"]["center"] += 0.01
    graph.write(given)
    assert graph.repro() == of(
        stages,
        *("reward", "feedback", "best", "align-feedback", "align-best", "align-online"),
        *("member", "strength", "cured", "align-cured", "collect", "align-iterated"),
        *("align-distil", "align-critic"),
        *("evaluate", "duel", "compare"),
    )


def test_the_evaluations_settings_run_no_training(graph, stages):
    given = graph.params()
    given["evaluate"]["samples"] += 1
    graph.write(given)
    assert graph.repro() == of(stages, "evaluate", "duel", "compare")


def test_a_new_branch_and_a_new_method_run_no_other_branch(graph, stages):
    given = graph.params()
    given["branches"]["pairs"]["softer"] = given["branches"]["pairs"]["dpo"] | {"beta": 0.01}
    graph.write(given)
    (graph.folder / "tasks/methods/newest.py").write_text('"""A method that no branch uses yet."""\n')
    ran = graph.repro()
    assert ran == {"method-pairs@softer", "align-pairs@softer-0", "evaluate-pairs@softer-0"} | JUDGING


def test_a_new_seed_runs_that_seed(graph, stages):
    given = graph.params()
    given["seeds"] = [0, 7]
    graph.write(given)
    branches = [f"{family}@{name}" for family, entries in given["branches"].items() for name in entries]
    new = {f"{stage}-{name}-7" for stage in ("align", "evaluate") for name in branches}
    rounds = {"collect@m2", "collect@m3"}  # whose answers are of every seed
    assert graph.repro() == new | rounds | JUDGING


@pytest.mark.parametrize(
    ("file", "again"),
    [
        (
            "methods/dpo.py",
            (
                *("method-pairs@dpo", "align-pairs@dpo-", "evaluate-pairs@dpo-"),
                *(
                    "method-feedback@ddpo",
                    "align-feedback@ddpo-",
                    "evaluate-feedback@ddpo-",
                    *("method-iterated", "collect", "align-iterated", "evaluate-iterated"),
                    "duel",
                    "compare",
                ),
            ),
        ),
        ("engine/families/distil.py", ("align-distil", "evaluate-distil", "duel", "compare")),
        ("measures/surface.py", ("evaluate", "duel", "compare")),
        ("measures/pairwise.py", ("duel", "compare")),
        ("measures/words.py", ("compare",)),
    ],
)
def test_an_edited_file_runs_what_it_changes(file, again, graph, stages):
    with (graph.folder / "tasks" / file).open("a", encoding="utf-8") as opened:
        opened.write("\nEDITED = True\n")
    assert graph.repro() == of(stages, *again)


def test_an_edited_file_that_changes_no_number_runs_nothing(graph):
    for file in (
        "parameters.py",
        "sections/trunk.py",
        "settings.py",
        "ledger/journal.py",
        "summarize.py",
        "methods/__init__.py",
    ):
        with (graph.folder / "tasks" / file).open("a", encoding="utf-8") as opened:
            opened.write("\nEDITED = True\n")
    assert graph.repro() == set()


def test_a_second_clone_fetches_what_another_machine_made(graph, tmp_path):
    """`dvc push` to a folder, `dvc pull` elsewhere: nothing runs again, and what an edit runs finds all it reads.

    `dvc repro --pull --allow-missing` fetches only what an edit reads, and of a folder that is half there nothing.
    """
    clone = Clone(graph, tmp_path / "clone")
    for each in (graph, clone):
        remote = f"[core]\nremote = shared\n['remote \"shared\"']\nurl = {tmp_path / 'shared'}\n"
        (each.folder / ".dvc/config.local").write_text(remote)
    try:
        with graph.repository() as repo:
            assert repo.push() > 0
    finally:
        (graph.folder / ".dvc/config.local").unlink()
    with clone.repository() as repo:
        repo.pull()
    evaluated = {path.name for path in (clone.folder / "reports/evaluation").iterdir()}
    assert evaluated == {
        stage["outs"][0].rpartition("/")[2]
        for name, stage in clone.stages().items()
        if name.startswith("evaluate")
    }
    assert clone.repro() == set()
    given = clone.params()
    given["branches"]["online"]["rloo"]["beta"] *= 2
    clone.write(given)
    rloo = ("method-online@rloo", "align-online@rloo-", "evaluate-online@rloo-")
    assert clone.repro() == of(clone.stages(), *rloo, "duel", "compare")
