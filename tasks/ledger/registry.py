"""The branches that a comparison's verdicts single out, as versions of one registered model in MLflow.

A version points at the weights that DVC holds, by path and hash; nothing is uploaded but MLflow's own description of an
external model, half a page. The aliases say what the project's own comparison says, no more: `champion`, or a
`challenger-<branch>` each where several cannot be told apart (an alias has one version), or none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.ledger import held, run, store
from tasks.ledger.compared import Compared
from tasks.measures.evaluations import SFT
from tasks.measures.standing import Standing, standing

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

NAME = "gallim"
CHAMPION, CHALLENGER = "champion", "challenger"
ABOUT = "Summarizers that a comparison told apart from the SFT model; the weights are DVC's."


def settle(client: MlflowClient, experiment: str, compared: Compared) -> str:
    """Registers whom the verdicts single out, moves the aliases, and says how they stand."""
    stand = standing(compared.found)
    wanted = _aliases(stand)
    registered = _registered(client)
    if registered is None and wanted:
        registered = client.create_registered_model(NAME, description=ABOUT)
    aliases: dict[str, str] = dict(registered.aliases) if registered else {}
    for alias in aliases:
        if alias not in wanted and (alias == CHAMPION or alias.startswith(f"{CHALLENGER}-")):
            client.delete_registered_model_alias(NAME, alias)
    said = [_pointed(client, experiment, compared, alias, wanted[alias], aliases) for alias in wanted]
    return ", ".join(said) or f"no branch is told apart as higher than {SFT}: no champion"


def _aliases(stand: Standing) -> dict[str, str]:
    """Alias -> branch."""
    champion = {CHAMPION: stand.champion} if stand.champion else {}
    return champion | {f"{CHALLENGER}-{branch}": branch for branch in stand.challengers}


def _pointed(
    client: MlflowClient,
    experiment: str,
    compared: Compared,
    alias: str,
    branch: str,
    aliases: Mapping[str, str],
) -> str:
    """Lets the alias point at the branch's version; says so."""
    model = _model(compared, branch)
    if model not in compared.runs:  # its run was deleted in MLflow, and a model without one says nothing
        if alias in aliases:
            client.delete_registered_model_alias(NAME, alias)
        return f"{alias}: {model}, not registered, as the run of its evaluation is not in MLflow"
    version = _version(client, experiment, compared, model)
    tags = {
        "comparison": compared.key,
        "verdict": alias.partition("-")[0],
        "difference": _told(compared, branch),
    }
    for name, value in tags.items():
        if version.tags.get(name) != value:
            client.set_model_version_tag(NAME, version.version, name, value)
    if aliases.get(alias) != str(version.version):
        client.set_registered_model_alias(NAME, alias, version.version)
    return f"{alias}: {model} ({NAME} version {version.version})"


def _model(compared: Compared, branch: str) -> str:
    """The branch's model of the first seed: the verdict is about all seeds, and the best of them would flatter."""
    return f"{branch}-{compared.found['seeds'][0]}"


def _version(client: MlflowClient, experiment: str, compared: Compared, model: str) -> ModelVersion:
    """The version of this evaluation of this model, made where there is none."""
    source = compared.runs[model]
    for version in client.search_model_versions(f"name = '{NAME}' and run_id = '{source.info.run_id}'"):
        return version
    made, tags = _logged(client, experiment, compared, model), _weights(compared, model)
    text = f"{model}: the weights are `{tags['dvc.path']}`; bring them back with `dvc checkout {tags['dvc.path']}`."
    version = client.create_model_version(
        NAME, f"models:/{made}", run_id=source.info.run_id, tags=tags, description=text, model_id=made
    )
    link = json.dumps([{"name": NAME, "version": version.version}])
    client.set_logged_model_tags(made, {"mlflow.modelVersions": link})  # a server does it by itself
    return version


def _logged(client: MlflowClient, experiment: str, compared: Compared, model: str) -> str:
    """The id of the LoggedModel of this evaluation, with its settings and its scores."""
    import mlflow
    from mlflow.entities import LoggedModelOutput

    source, branch = compared.runs[model], compared.branches[_branch(model)]
    for logged in client.search_logged_models([experiment], f"name = '{model}'"):
        if logged.source_run_id == source.info.run_id:  # of a process that was killed before it got further
            return logged.model_id
    mlflow.set_tracking_uri(store.uri())  # for what follows, which asks nobody else
    lineage = ("method", "family", "branch", "seed", "git.sha", "sft.sha256", "data.sha256")
    made = mlflow.create_external_model(
        name=model,
        source_run_id=source.info.run_id,
        tags=_weights(compared, model)
        | {name: source.data.tags[name] for name in lineage if name in source.data.tags},
        params={name: str(value) for name, value in branch["settings"].items()},
        model_type="summarizer",
        experiment_id=experiment,
    )
    for name in made.tags:
        if name.startswith("mlflow.source."):  # this process and its commit, which did not make the model
            client.delete_logged_model_tag(made.model_id, name)
    client.log_batch(source.info.run_id, metrics=_scores(client, source, made.model_id))
    client.log_outputs(source.info.run_id, [LoggedModelOutput(made.model_id, step=0)])
    return made.model_id


def _scores(client: MlflowClient, source: Run, model: str) -> list[Metric]:
    """The run's scores again, tied to the model and to the data; of two equal points MLflow keeps one."""
    from mlflow.entities import Metric

    every = source.inputs.dataset_inputs if source.inputs else []
    inputs = [one for one in every if "evaluation" in (tag.value for tag in one.tags)]
    data = (
        {"dataset_name": inputs[0].dataset.name, "dataset_digest": inputs[0].dataset.digest} if inputs else {}
    )
    names = [name for name in source.data.metrics if name.startswith(run.EVALUATION)]
    points = [client.get_metric_history(source.info.run_id, name)[-1] for name in names]
    return [Metric(one.key, one.value, one.timestamp, one.step, model_id=model, **data) for one in points]


def _weights(compared: Compared, model: str) -> dict[str, str]:
    """Tags that say where the weights are and what they are."""
    path, seeds = f"models/{model}", compared.found["seeds"]
    return {
        "weights.sha256": str(compared.found["hashes"]["models"][model]),
        "dvc.path": path,
        "dvc.md5": held.Lock().md5(Path(path)) or "",
        "dvc.seeds": " ".join(f"models/{_branch(model)}-{seed}" for seed in seeds),
    }


def _branch(model: str) -> str:
    return model.rpartition("-")[0]


def _told(compared: Compared, branch: str) -> str:
    """The branch against SFT, in a sentence."""
    headline = compared.found["headline"]
    for row in compared.found["differences"]["greedy"]:
        if (row["left"], row["right"], row["measure"]) == (branch, SFT, headline):
            interval = f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
            seeds = len(compared.found["seeds"])
            return f"{headline} {interval} against {SFT}, {compared.found['prompts']} prompts, {seeds} seeds"
    raise KeyError(branch)


def _registered(client: MlflowClient) -> RegisteredModel | None:
    found: list[Any] = client.search_registered_models(f"name = '{NAME}'")
    return found[0] if found else None
