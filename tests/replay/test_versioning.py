"""As which version of itself a worker runs: none without the two settings, and every workflow stays where it began."""

import pytest
from temporalio.client import Client
from temporalio.common import VersioningBehavior
from temporalio.worker import WorkerConfig

from checkout.config.settings import DatabaseSettings, WorkerSettings, load
from checkout.db.session import Database, create_engine
from checkout.domain.errors import ConfigurationError
from checkout_lab.stack.plan import Plan, Ports
from checkout_lab.stack.secrets import DevSecrets
from tests.support.scripted_gateway import ScriptedGateway
from worker import build_worker

NAME, BUILD = "CHECKOUT_WORKER_DEPLOYMENT_NAME", "CHECKOUT_WORKER_BUILD_ID"


def config_of(client: Client, settings: WorkerSettings) -> WorkerConfig:
    engine = create_engine(DatabaseSettings.model_validate({"url": "postgresql://nobody@127.0.0.1/never_asked"}))
    return build_worker(client, Database(engine), ScriptedGateway(), settings).config()


@pytest.mark.parametrize(("name", "value"), [(NAME, "checkout"), (BUILD, "0.2.0")])
def test_half_a_version_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"set both {NAME} and {BUILD}, or neither"):
        load(WorkerSettings)


@pytest.mark.parametrize(("name", "value"), [(NAME, "check.out"), (NAME, "a b"), (BUILD, "1:2"), (BUILD, "x" * 65)])
def test_what_temporal_would_misread_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    for each, good in ((NAME, "checkout"), (BUILD, "0.2.0"), (name, value)):
        monkeypatch.setenv(each, good)
    with pytest.raises(ConfigurationError, match=f"^{name} is malformed"):
        load(WorkerSettings)


async def test_without_the_settings_a_worker_has_no_version(temporal_client: Client) -> None:
    assert config_of(temporal_client, WorkerSettings())["deployment_config"] is None


async def test_every_workflow_stays_on_the_version_it_began_on(
    temporal_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, "checkout")
    monkeypatch.setenv(BUILD, "0.2.0+7")
    config = config_of(temporal_client, load(WorkerSettings))
    deployment = config["deployment_config"]

    assert deployment is not None
    assert deployment.version.to_canonical_string() == "checkout.0.2.0+7"
    assert deployment.use_worker_versioning
    assert deployment.default_versioning_behavior == VersioningBehavior.PINNED
    definitions = [getattr(workflow, "__temporal_workflow_definition") for workflow in config["workflows"]]
    assert {each.versioning_behavior for each in definitions} == {VersioningBehavior.UNSPECIFIED}


def test_a_version_of_the_shell_is_not_that_of_the_development_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """No version of it would be current, and its worker would be given nothing to do."""
    monkeypatch.setenv(NAME, "checkout")
    monkeypatch.setenv(BUILD, "0.2.0")
    plan = Plan(Ports(), DevSecrets("a", "b", "c", "d", "e"), "postgresql://x", "default", "ledger")

    assert {NAME, BUILD} & set(plan.worker().environment) == set()
