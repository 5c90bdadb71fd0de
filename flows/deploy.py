"""`make deploy`: the form behind Prefect's Run button, made anew from what HEAD holds, and the pool it runs in."""

import sys
from contextlib import suppress
from pathlib import Path

if __name__ == "__main__":  # before prefect is imported, which reads its settings then
    from flows import local

    local.settle()

from dvc.exceptions import DvcException
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists

from flows import form, graph
from flows.repository import git
from tasks import parameters
from tasks.ledger import state
from tasks.measures.quoted import plain
from tasks.refusal import Refusal

POOL = "gallim"
FLOW, NAME = "experiment", "gallim"
ENTRYPOINT = "flows/experiment.py:experiment"


def main() -> int:
    """0 when the form is registered, 2 when it cannot be."""
    from flows import local
    from flows.service import answers

    try:
        if not answers(local.health()):
            raise Refusal(
                "Prefect", "its server is not at work", "start `make ui`; it registers the form too"
            )
        with get_client(sync_client=True) as client:
            print(register(client, state.main_tree()))
    except Refusal as refusal:
        print(f"gallim: {refusal}", file=sys.stderr)
        return 2
    return 0


def register(client: SyncPrefectClient, root: Path) -> str:
    """Makes or renews the pool and the deployment of the project at `root`; says of which commit."""
    commit = git(root, "rev-parse", "--short=10", "HEAD")
    given = parameters.parse(
        parameters.Parameters, git(root, "show", "HEAD:params.yaml"), f"params.yaml at {commit}"
    )
    try:
        stages = graph.groups(root)
    except DvcException as error:
        cause = " ".join(str(error).split())
        raise Refusal("dvc.yaml", f"DVC cannot read it ({cause})", "mend it") from error
    with suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
    client.create_deployment(
        client.create_flow_from_name(FLOW),
        NAME,
        version=commit,
        description=_description(commit, git(root, "log", "-1", "--format=%s", "HEAD")),
        tags=[f"commit:{commit}"],
        work_pool_name=POOL,
        path=str(root),
        entrypoint=ENTRYPOINT,
        pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(root)}}],
        parameter_openapi_schema=form.schema(given, stages, commit),
        enforce_parameter_schema=True,
    )
    return f"registered: the form of commit {commit}"


def _description(commit: str, subject: str) -> str:
    return (
        f"The form shows `params.yaml` of commit `{commit}` ({plain(subject)}). After another commit of params.yaml or "
        "of a method, `make deploy` renews it.\n\nA run works in a git worktree of that commit, not in your "
        "files, and ends as a DVC experiment: `dvc exp show`, `dvc exp apply NAME`."
    )


if __name__ == "__main__":
    sys.exit(main())
