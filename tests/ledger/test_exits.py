"""However a stage ends, its run in MLflow ends: FINISHED, FAILED or KILLED.

One process imports MLflow and forks a child a case, as the import alone takes seconds.
"""

import json
import shutil
import signal
import sys
from pathlib import Path

import pytest

STAGE = '''
import errno, os, signal, sqlite3, time
from tasks.refusal import Refusal

def asked():
    database = sqlite3.connect(".state/mlflow/mlflow.db")
    try:
        return database.execute("select count(*) from metrics where run_uuid in "
                                "(select run_uuid from runs where status = 'RUNNING')").fetchone()[0]
    finally:
        database.close()

def run(sft, journal):
    """One step, and once MLflow has it the end that ENDS names."""
    journal.step(1, 9, loss=1.0)
    while not asked():
        time.sleep(0.02)
    how = os.environ["ENDS"]
    if how == "refusal":
        raise Refusal("rows", "there are none", "give some")
    if how == "exception":
        raise ValueError("no")
    if how == "memory":
        raise MemoryError
    if how == "disk":
        raise OSError(errno.ENOSPC, "No space left on device")
    if how.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, how))
        time.sleep(60)
    if how == "parent":
        open("go", "w").close()  # for the parent to die
        time.sleep(60)
    return {"loss": float("nan") if how == "nan" else 1.0}
'''
PARENT = '''
import json, os, signal, sqlite3, sys, time
import mlflow, mlflow.tracking, mlflow.store.tracking.sqlalchemy_store
import tasks.parameters
from tasks import __main__ as entry
from tasks.ledger import forwarding

forwarding.Forwarder.__init__.__defaults__ = (0.0,)
forwarding.PAUSE_SECONDS = 0.05

def stage(how):
    """A child that runs the stage and exits with its code."""
    child = os.fork()
    if not child:
        os.environ["ENDS"] = how
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os._exit(entry.main(["ends"]))
    return child

def orphaned(how):
    """A child that dies while its own child runs the stage."""
    child = os.fork()
    if not child:
        stage(how)
        while not os.path.exists("go"):
            time.sleep(0.02)
        os._exit(0)
    return child

def last():
    database = sqlite3.connect(".state/mlflow/mlflow.db")
    try:
        return database.execute("select status from runs order by rowid desc limit 1").fetchone()[0]
    finally:
        database.close()

found = {}
for how in sys.argv[1:]:
    _, status = os.waitpid((orphaned if how == "parent" else stage)(how), 0)
    end = time.monotonic() + 30
    while how == "parent" and last() == "RUNNING" and time.monotonic() < end:
        time.sleep(0.05)
    found[how] = [os.waitstatus_to_exitcode(status), last()]
from tasks.ledger import store, unended
unended.settle(*store.opened(), store.uri())
found["later"] = [0, last()]
print("found " + json.dumps(found))
'''
FAILED, REFUSED = 1, 2
ENDS = {
    "success": (0, "FINISHED"),
    "refusal": (REFUSED, "FAILED"),
    "exception": (FAILED, "FAILED"),
    "memory": (REFUSED, "FAILED"),
    "disk": (REFUSED, "FAILED"),
    "nan": (REFUSED, "FAILED"),
    "SIGTERM": (128 + signal.SIGTERM, "KILLED"),
    "SIGHUP": (128 + signal.SIGTERM, "KILLED"),
    "SIGINT": (128 + signal.SIGINT, "KILLED"),
    "parent": (0, "KILLED"),  # the code is the parent's
    "SIGKILL": (
        -signal.SIGKILL,
        "RUNNING",
    ),  # and out of memory, where the kernel kills; nobody could say a word
    "later": (0, "KILLED"),  # the last one, once anybody looks
}


@pytest.fixture(scope="module")
def found(shared, two_creators: tuple[Path, list[str]]) -> dict[str, list]:
    """How each case ended: its exit code, and its run's status."""
    shutil.copytree(two_creators[0] / "mlflow", shared.folder / ".state/mlflow")
    (shared.folder / "tasks/ends.py").write_text(STAGE)
    cases = [case for case in ENDS if case != "later"]
    done = shared.do(sys.executable, "-c", PARENT, *cases, seconds=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.rpartition("found ")[2])


@pytest.mark.parametrize(("how", "code", "status"), [(how, *end) for how, end in ENDS.items()])
def test_every_way_out_ends_the_run(found: dict[str, list], how: str, code: int, status: str):
    assert found[how] == [code, status]
