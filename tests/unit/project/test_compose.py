"""docker-compose.yml and its neighbours, checked as far as it can be done without an engine."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from checkout.config.settings import PaymentSettings, load
from checkout.domain.errors import ConfigurationError
from checkout_lab.stack.servers import temporal as dev_temporal
from tests.support.project_facts import PROCESSES, ROOT, all_settings, commands, settings_of

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("durable-checkout")}
THEIRS = {name: service for name, service in SERVICES.items() if name not in OURS}
ONE_SHOT = {"temporal-schema", "temporal-namespace", "migrate", "catalogue"}

#: Not in compose, because its Temporal is its own and speaks plainly.
LEFT_OUT = re.compile(r"CHECKOUT_TEMPORAL_(TLS.*|API_KEY)")

OPTIONAL = {
    *("CHECKOUT_PAYMENT_RETURN_URL", "CHECKOUT_STRIPE_ACCOUNT", "CHECKOUT_STRIPE_ACCOUNT_SINCE"),
    *("CHECKOUT_WORKER_DEPLOYMENT_NAME", "CHECKOUT_WORKER_BUILD_ID"),
}
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<kind>:\?|:-)(?P<rest>[^}]*)\}")
SECRETS = {
    "POSTGRES_PASSWORD": "a1",
    "TEMPORAL_DB_PASSWORD": "b2",
    "ORDERS_DB_PASSWORD": "c3",
    "CHECKOUT_API_KEYS": "shop:storefront:0123456789abcdef",
    "CHECKOUT_ID_SECRET": "0123456789abcdef",
    "CHECKOUT_STRIPE_API_KEY": "sk_test_1",
    "CHECKOUT_STRIPE_WEBHOOK_SECRET": "whsec_0123456789abcdef",
}


def example() -> dict[str, str]:
    """.env.example as docker compose would read it."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def interpolated(value: str, environment: dict[str, str]) -> str:
    """Compose's own interpolation, in the two forms that the file uses."""

    def replace(match: re.Match[str]) -> str:
        found = environment.get(match["name"])
        if not found and match["kind"] == ":?":
            raise KeyError(match["name"])
        return found or match["rest"]

    return _VARIABLE.sub(replace, value)


def environment_of(service: dict[str, Any], environment: dict[str, str]) -> dict[str, str]:
    """What the service's process sees; a name without a value is passed on when it is set."""
    given = service.get("environment", {})
    passed = {name: environment[name] for name, value in given.items() if value is None and name in environment}
    return passed | {name: interpolated(value, environment) for name, value in given.items() if value is not None}


def test_every_process_of_ours_is_there() -> None:
    # Temporal compares the books on a schedule, and people do now and then.
    assert set(OURS) == set(PROCESSES) - {"reconcile", "support"}


@pytest.mark.parametrize("name", OURS)
def test_every_command_of_ours_exists(name: str) -> None:
    command = " ".join(OURS[name]["command"])

    assert any(command == known or command.startswith(f"{known} ") for known in commands())


@pytest.mark.parametrize("name", OURS)
def test_every_setting_is_given_and_none_is_unknown(name: str) -> None:
    given = {variable for variable in OURS[name]["environment"] if variable.startswith("CHECKOUT_")}
    known = set(settings_of(*PROCESSES[name]))

    assert given - known == set()
    assert {variable for variable in known - given if not LEFT_OUT.fullmatch(variable)} == set()


@pytest.mark.parametrize("name", OURS)
def test_every_process_accepts_what_the_example_gives_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in environment_of(OURS[name], example() | SECRETS).items():
        monkeypatch.setenv(variable, value)

    for group in PROCESSES[name]:
        group()


def test_what_is_to_be_set_for_stripe_is_all_that_the_worker_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that docs/guides/run-it.md names under "For Stripe instead of the sandbox"."""
    documented = (
        (ROOT / "docs/guides/run-it.md").read_text().split("For Stripe instead of the sandbox: ")[1].split("\n\n")[0]
    )
    stripe = {"CHECKOUT_STRIPE_API_BASE": "https://api.stripe.com"}
    returning = {"CHECKOUT_PAYMENT_RETURN_URL": "https://shop.example/paid"}
    assert set(re.findall(r"CHECKOUT_[A-Z_]+", documented)) == set(stripe | returning)
    for variable, value in environment_of(OURS["worker"], example() | SECRETS | stripe).items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=r"^CHECKOUT_PAYMENT_RETURN_URL is not set"):
        load(PaymentSettings)

    for variable, value in returning.items():
        monkeypatch.setenv(variable, value)
    assert load(PaymentSettings).payment_return_url


def test_the_example_explains_every_variable_of_the_file_and_no_other() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    passed_on = {n for s in SERVICES.values() for n, v in s.get("environment", {}).items() if v is None}
    used = {match["name"] for match in _VARIABLE.finditer(text)} | passed_on

    assert used | {"COMPOSE_PROFILES"} == set(example())
    assert {name for name in used if name.startswith("CHECKOUT_")} <= set(all_settings())


@pytest.mark.parametrize("missing", SECRETS)
def test_nothing_starts_while_a_secret_is_missing(missing: str) -> None:
    environment = example() | SECRETS | {missing: ""}

    with pytest.raises(KeyError, match=missing):
        [environment_of(service, environment) for service in SERVICES.values()]


def test_the_example_holds_no_secret() -> None:
    assert {name for name, value in example().items() if not value} - OPTIONAL == set(SECRETS)


def test_every_image_is_pinned_and_ours_is_this_release() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    base_images = {source for source, _ in stages} - {stage for _, stage in stages}

    assert {service["image"] for service in OURS.values()} == {
        f"durable-checkout:{version}",
        f"durable-checkout-lab:{version}",
    }
    for image in [*base_images, *(service["image"] for service in THEIRS.values())]:
        assert re.fullmatch(r"[a-z/-]+:\d+\.\d+[\w.-]*", image), image


def test_the_sandbox_runs_from_the_image_of_the_laboratory_and_everything_else_from_the_products() -> None:
    built = {name: (service["image"].split(":")[0], service["build"]["target"]) for name, service in OURS.items()}

    assert built.pop("sandbox") == ("durable-checkout-lab", "lab")
    assert set(built.values()) == {("durable-checkout", "product")}


def test_the_image_of_the_product_is_the_default_and_nothing_of_the_laboratory_is_in_it() -> None:
    texts = re.split(r"^(?=FROM )", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
    stages = {text.split()[3]: text for text in texts}

    def made_of(stage: str) -> set[str]:
        sources = {stages[stage].split()[1], *re.findall(r"--from=(\S+)", stages[stage])} & set(stages)
        return {stage}.union(*(made_of(source) for source in sources))

    assert list(stages)[-1] == "product"
    assert made_of("product") == {"product", "base", "build-product"}
    assert [stage for stage in made_of("product") if re.search(r"^COPY .*\blab\b", stages[stage], re.MULTILINE)] == []
    assert made_of("lab") >= {"build-lab"}


def test_temporals_server_and_tools_are_of_one_release() -> None:
    tags = {
        s["image"].split(":")[1]
        for s in THEIRS.values()
        if s["image"].startswith(("temporalio/server", "temporalio/admin"))
    }

    assert len(tags) == 1


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_ends_by_itself_or_tells_its_health(name: str) -> None:
    service = SERVICES[name]

    assert ("healthcheck" in service) != (name in ONE_SHOT)
    assert service["restart"] in ({"on-failure:5", "no"} if name in ONE_SHOT else {"unless-stopped"})


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_waits_for_the_right_sign_of_those_it_needs(name: str) -> None:
    for needed, wait in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
        assert wait["condition"] == expected
        # A service of a profile is not always there.
        assert wait.get("required", True) != ("profiles" in SERVICES[needed])


@pytest.mark.parametrize("name", [name for name in OURS if name not in ONE_SHOT])
def test_every_health_check_of_ours_asks_the_port_that_the_process_has(name: str) -> None:
    program, script, url = OURS[name]["healthcheck"]["test"][1:]
    port = OURS[name]["environment"][f"CHECKOUT_{name.upper()}_PORT"]

    assert (program, script) == ("python", "/opt/probe.py")
    assert re.fullmatch(rf"http://127\.0\.0\.1:{port}/(healthz|readyz)", url)
    assert "COPY docker/probe.py /opt/probe.py" in (ROOT / "Dockerfile").read_text()


def test_only_the_api_and_the_ui_are_published_and_only_on_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert set(published) == {"api", "temporal-ui"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_a_worker_may_finish_before_it_is_killed() -> None:
    worker = OURS["worker"]

    grace_seconds = int(worker["stop_grace_period"].removesuffix("s"))
    assert grace_seconds > int(worker["environment"]["CHECKOUT_WORKER_SHUTDOWN_SECONDS"])


def test_our_processes_have_no_rights_to_spare() -> None:
    for service in OURS.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"]
    assert re.search(r"^USER \d+:\d+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_every_volume_and_every_file_is_there() -> None:
    sources = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())]
    files = {source for source in sources if source.startswith("./")}

    assert {source for source in sources if source not in files} == set(COMPOSE["volumes"])
    assert [source for source in files if not (ROOT / source).is_file()] == []


def test_the_server_is_tuned_like_the_one_of_the_development_stack() -> None:
    configured = yaml.safe_load((ROOT / "docker/temporal/dynamic-config.yaml").read_text())

    assert {name: value for name, [value] in configured.items()} == {
        name: {"value": value} for name, value in dev_temporal.DYNAMIC_CONFIG.items()
    }


def test_the_scripts_can_be_run_and_are_plain_shell() -> None:
    for script in (ROOT / "docker/temporal").glob("*.sh"):
        assert os.access(script, os.X_OK)
        assert script.read_text().startswith("#!/bin/sh\n")


def test_everything_that_the_image_copies_is_let_into_its_build() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)

    assert {source for line in copies for source in line.split()} == allowed
    assert [source for source in allowed if not Path(ROOT, source).exists()] == []
