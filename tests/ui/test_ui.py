"""`make ui` and the flow behind the Run button, on a real Prefect server, by the calls that its pages make."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from flows import worktree

ONE = {"branches": ["dpo"], "seeds": [0]}


def beta(value: float) -> dict:
    return {"branches": {"pairs": {"dpo": {"beta": value}}}}


@pytest.fixture(autouse=True)
def clean(desk):
    """No training is held and none is noted."""
    for path in desk.notes.iterdir():
        path.unlink()
    yield
    for path in desk.notes.glob("*.hold"):
        path.unlink()


@pytest.fixture
def main_tree(desk):
    """What the user's files say; unchanged when the test ends."""

    def told():
        return desk.do("git", "status", "--porcelain"), (desk.folder / "params.yaml").read_text()

    before = told()
    yield
    assert told() == before


@pytest.fixture(scope="module", autouse=True)
def abandoned(tmp_path_factory, new_desk, wait):
    """A `make run` elsewhere whose server is gone for good; it takes minutes to give up, so the last test looks."""
    other = new_desk(tmp_path_factory.mktemp("abandoned"))
    other.hold("dpo-0")
    with other.said.open("w") as said:
        flow = subprocess.Popen(
            (sys.executable, "-m", "flows.pipeline"),
            cwd=other.folder,
            env=other.environment,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    wait(lambda: other.held("dpo-0") or flow.poll() is not None, 120)
    for number in other.processes("prefect", "server"):
        os.kill(number, signal.SIGKILL)
    other.release("dpo-0")
    yield other, flow
    flow.kill()
    flow.wait()


def done(desk, run: str) -> bool:
    return desk.ask(f"flow_runs/{run}")["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def message(desk, run: str) -> str:
    return desk.ask(f"flow_runs/{run}")["state"]["message"]


def experiments(desk) -> dict[str, dict]:
    """Name -> params and metrics, as `dvc exp show` has them."""
    shown = json.loads(desk.do(sys.executable, "-m", "dvc", "exp", "show", "--json"))
    return {
        one["revs"][0]["name"]: one["revs"][0]["data"]
        for commit in shown
        for one in commit.get("experiments") or []
    }


def runs_left(desk) -> list[str]:
    folder = desk.folder / ".state/runs"
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def artifacts(desk, run: str) -> dict[str, str]:
    found = desk.ask("artifacts/filter", {"flow_runs": {"id": {"any_": [run]}}})
    return {one["key"]: one["data"] for one in found if one["key"]}


def test_the_form_is_params_yaml_with_its_bounds_and_says_its_commit(desk):
    form = desk.ask("deployments/name/experiment/gallim")
    commit = desk.do("git", "rev-parse", "--short=10", "HEAD").strip()
    assert form["version"] == commit
    assert f"`{commit}`" in form["description"]
    schema = form["parameter_openapi_schema"]
    assert schema["properties"]["until"]["enum"] == [
        "everything",
        "sft",
        "align-online",
        "align-pairs",
        "compare",
    ]
    assert schema["properties"]["branches"]["items"]["enum"] == ["dpo", "rloo"]
    assert schema["properties"]["seeds"]["default"] == [0, 1, 2]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"parameters": beta(50)}, "50 is greater than the maximum of 10"),
        ({"parameters": beta("much")}, "'much' is not of type 'number'"),
        ({"parameters": {"sft": {"sauce": 1}}}, "'sauce' was unexpected"),
        ({"branches": ["dpp"]}, "'dpp' is not one of"),
        ({"branches": []}, "should be non-empty|too short"),
        ({"seeds": [-1]}, "-1 is less than the minimum of 0"),
        ({"until": "lunch"}, "'lunch' is not one of"),
    ],
)
def test_a_bad_value_is_refused_before_a_run_exists(desk, wrong, said):
    before = desk.ask("flow_runs/count", {})
    with pytest.raises(ValueError, match=said):
        desk.press_run(**wrong)
    assert desk.ask("flow_runs/count", {}) == before


def test_a_page_of_elsewhere_cannot_press_the_button(desk):
    with pytest.raises(ValueError, match=r"403: .*CSRF"):
        desk.ask("flow_runs/count", {}, token=False)


def test_a_stage_of_a_branch_that_was_not_chosen_is_refused(desk, wait):
    run = desk.press_run(**ONE, until="align-online")
    wait(lambda: done(desk, run))
    assert desk.state(run) == "Failed"
    assert "none of the chosen branches has this stage" in message(desk, run)
    assert runs_left(desk) == []
    assert desk.trained("sft") == []


def test_a_run_ends_as_an_experiment_and_leaves_the_main_tree_alone(desk, wait, main_tree):
    (desk.folder / "tasks" / "sft.py").write_text("edited, not committed")
    try:
        run = desk.press_run(**ONE, parameters=beta(0.25))
        wait(lambda: done(desk, run))
    finally:
        desk.do("git", "checkout", "--", "tasks/sft.py")
    assert desk.state(run) == "Completed", message(desk, run)
    assert desk.stages(run) == dict.fromkeys(["sft", "align-pairs@dpo-0", "compare"], "Completed")
    name = message(desk, run).partition("experiment ")[2].partition(":")[0]
    found = experiments(desk)[name]
    assert found["params"]["params.yaml"]["data"]["branches"]["pairs"]["dpo"]["beta"] == 0.25
    compared = found["metrics"]["reports/comparison.json"]["data"]
    assert compared == {"betas": {"dpo": 0.25}, "own": "the user's own"}
    assert runs_left(desk) == []
    assert desk.do("git", "worktree", "list").count("\n") == 1

    tags = desk.ask(f"flow_runs/{run}")["tags"]
    assert f"commit:{desk.do('git', 'rev-parse', '--short=10', 'HEAD').strip()}" in tags
    assert any(tag.startswith("sft:000000") for tag in tags)
    shown = artifacts(desk, run)
    assert "'dpo': 0.25" in shown["score-table"]
    assert not (desk.folder / ".state/prefect/storage").exists(), "no result is pickled"
    assert desk.link("MLflow") in shown["report"]


def test_what_an_earlier_run_made_comes_from_the_cache_and_the_experiment_can_be_applied(desk, wait):
    run = desk.press_run(**ONE, parameters=beta(0.25))
    wait(lambda: done(desk, run))
    assert set(desk.stages(run).values()) == {"RunCache"}
    assert desk.trained("sft") == []
    name = message(desk, run).partition("experiment ")[2].partition(":")[0]
    desk.do(sys.executable, "-m", "dvc", "exp", "apply", name)
    try:
        assert json.loads(desk.do(sys.executable, "-m", "dvc", "status", "--json")) == {}
        assert (desk.folder / "models/dpo-0/manifest.json").exists()
    finally:
        desk.do("git", "checkout", "--", ".")
        desk.do("git", "clean", "--quiet", "--force", "dvc.lock", "reports")


def test_one_stage_alone_is_no_experiment(desk, wait):
    before = experiments(desk)
    run = desk.press_run(until="sft", parameters={"sft": {"source": {"neftune_noise_alpha": 1.5}}})
    wait(lambda: done(desk, run))
    assert desk.stages(run) == {"sft": "Completed"}
    assert "no experiment is saved" in message(desk, run)
    assert experiments(desk) == before
    assert runs_left(desk) == []


def test_cancel_kills_all_within_ten_seconds_and_retry_goes_on_from_the_checkpoint(desk, wait, main_tree):
    desk.hold("dpo-0")
    run = desk.press_run(**ONE, parameters=beta(0.5))
    wait(lambda: desk.held("dpo-0"))
    assert len(desk.processes("-m tasks align")) >= 1
    desk.set_state(run, "CANCELLING", "Cancelling")
    asked = time.monotonic()
    wait(lambda: not desk.processes("-m dvc") and not desk.processes("-m tasks"), 30)
    took = time.monotonic() - asked
    wait(lambda: desk.state(run) == "Cancelled", 40)
    assert took < 10
    assert runs_left(desk) == [run]

    desk.release("dpo-0")
    desk.retry(run)
    wait(lambda: desk.state(run) == "Completed")
    assert desk.trained("dpo-0") == [0, 10]
    assert runs_left(desk) == []


def test_two_runs_at_once_train_their_common_sft_model_once(desk, wait, main_tree):
    noise = {"sft": {"source": {"neftune_noise_alpha": 2.5}}}
    desk.hold("sft")
    runs = [desk.press_run(**ONE, parameters=noise | beta(value)) for value in (0.6, 0.7)]
    wait(lambda: desk.held("sft"))
    wait(lambda: all(desk.state(run) == "Running" and "sft" in desk.stages(run) for run in runs))
    time.sleep(3)  # time enough for the second to begin, if it would
    assert desk.trained("sft") == [0]
    desk.release("sft")
    wait(lambda: all(done(desk, run) for run in runs))
    assert [desk.state(run) for run in runs] == ["Completed"] * 2
    assert desk.trained("sft") == [0]
    assert sorted(desk.stages(run)["sft"] for run in runs) == ["Completed", "RunCache"]
    assert desk.trained("dpo-0") == [0, 0]


def test_a_killed_worker_takes_its_run_along_and_a_new_one_retries_it(desk, wait):
    desk.hold("dpo-0")
    run = desk.press_run(**ONE, parameters=beta(0.8))
    wait(lambda: desk.held("dpo-0"))
    worker = min(desk.processes("prefect", "worker", "start"))
    os.kill(worker, signal.SIGKILL)
    wait(lambda: not desk.processes("-m dvc") and not desk.processes("-m tasks"), 20)
    desk.release("dpo-0")
    wait(lambda: desk.processes("prefect", "worker", "start"))
    wait(lambda: desk.state(run) != "Running")
    desk.retry(run)
    wait(lambda: desk.state(run) == "Completed")
    assert desk.trained("dpo-0") == [0, 10]


def test_a_server_that_dies_meanwhile_is_started_again_and_the_run_gets_through(desk, wait):
    desk.hold("dpo-0")
    run = desk.press_run(**ONE, parameters=beta(0.9))
    wait(lambda: desk.held("dpo-0"))
    os.kill(min(desk.processes("prefect", "server", "start")), signal.SIGKILL)
    for number in desk.processes("prefect.server"):
        os.kill(number, signal.SIGKILL)
    time.sleep(2)
    desk.release("dpo-0")

    def completed():
        try:
            return done(desk, run)
        except OSError:
            return False  # it is still away

    wait(completed)
    assert desk.state(run) == "Completed", message(desk, run)
    assert desk.trained("dpo-0") == [0]


def test_a_form_older_than_heads_parameters_is_refused_until_it_is_made_anew(desk, wait):
    params = desk.folder / "params.yaml"
    before = params.read_text()
    params.write_text(before.replace("      beta: 0.1", "      beta: 0.15", 1))
    desk.commit("another beta")
    run = desk.press_run(**ONE)
    wait(lambda: done(desk, run))
    assert desk.state(run) == "Failed"
    assert "HEAD has changed since: params.yaml; run `make deploy`" in message(desk, run)
    assert run not in runs_left(desk)
    desk.do(sys.executable, "-m", "flows.deploy")
    run = desk.press_run(**ONE)
    wait(lambda: done(desk, run))
    assert desk.state(run) == "Completed", message(desk, run)


def test_a_failed_run_keeps_its_worktree_and_no_more_than_a_few_are_kept(desk, wait):
    sft = desk.folder / "tasks" / "sft.py"
    before = sft.read_text()
    sft.write_text("def run(sft, compute):\n    raise OSError('a broken stage')\n")
    desk.commit("break it")
    desk.do(sys.executable, "-m", "flows.deploy")
    for name in ("a", "b", "c", "d", "e", "f"):
        (desk.folder / ".state/runs" / name).mkdir(parents=True)
    try:
        run = desk.press_run(**ONE)
        wait(lambda: done(desk, run))
        assert desk.state(run) == "Failed"
        assert "a broken stage" in message(desk, run)
        assert run in runs_left(desk)
        assert len(runs_left(desk)) == worktree.KEPT
    finally:
        sft.write_text(before)
        desk.commit("mend it")
        desk.do(sys.executable, "-m", "flows.deploy")


def test_a_second_start_shows_the_links_of_the_first(desk):
    done = subprocess.run(
        (sys.executable, "-m", "flows.ui"),
        cwd=desk.folder,
        env=desk.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert "already at work" in done.stdout
    assert desk.link("Prefect") in done.stdout
    assert desk.link("MLflow") in done.stdout


def test_the_pages_know_their_own_port(desk):
    from urllib.request import urlopen

    with urlopen(f"{desk.link('Prefect')}/ui-settings", timeout=10) as answer:
        assert json.loads(answer.read())["api_url"] == f"{desk.link('Prefect')}/api"


def test_ports_that_are_taken_are_passed_over():
    from flows import local

    with socket.create_server((local.HOST, 0)) as other:
        taken = other.getsockname()[1]
        assert taken < local.free_port(taken) <= taken + 20


def test_ctrl_c_leaves_nobody(made, wait, desk):
    """The last of this module: it and the next stop what the others use."""
    desk.hold("dpo-0")
    run = desk.press_run(**ONE, parameters=beta(0.95))
    wait(lambda: desk.held("dpo-0"))
    desk.process.send_signal(signal.SIGINT)
    assert desk.process.wait(60) == 0
    wait(lambda: not desk.processes(), 20)
    assert run in runs_left(desk)
    desk.release("dpo-0")
    desk.process = desk.start()
    wait(lambda: "Ctrl-C stops" in desk.said.read_text())
    assert desk.state(run) in ("Crashed", "Cancelled"), "nobody is at work on it, so it can be retried"
    desk.retry(run)
    wait(lambda: desk.state(run) == "Completed")
    assert desk.trained("dpo-0") == [0, 10]
    desk.process.send_signal(signal.SIGINT)
    assert desk.process.wait(60) == 0


def test_a_password_is_asked_for_and_a_killed_make_ui_leaves_nobody_either(made, wait, desk):
    again = made.start(GALLIM_UI_AUTH="me:secret word")
    wait(lambda: "Ctrl-C stops" in made.said.read_text())
    assert "registered: the form" in made.said.read_text()
    with pytest.raises(ValueError, match="Unauthorized"):
        made.press_run(**ONE)
    every = made.said.read_text() + "".join(log.read_text() for log in made.folder.glob(".state/logs/*.log"))
    assert "secret word" not in every
    again.kill()
    again.wait()
    wait(lambda: not made.processes(), 20)


def test_a_server_that_is_gone_for_good_ends_the_flow_and_dvc_does_the_rest(abandoned, wait):
    other, flow = abandoned
    wait(lambda: flow.poll() is not None, 300)
    said = other.said.read_text()
    assert flow.returncode == 2, said
    assert "Prefect: its server is gone; what is finished is recorded" in said
    assert not other.processes()
    assert other.trained("sft") == [0]
    other.do(sys.executable, "-m", "dvc", "repro")
    assert other.trained("sft") == [0], "it was recorded"
    assert json.loads(other.do(sys.executable, "-m", "dvc", "status", "--json")) == {}
