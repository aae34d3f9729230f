"""Plays all the cases that were selected, once; has the table of them printed at the end."""

import asyncio
import uuid
from pathlib import Path

import pytest

from checkout.config.settings import DatabaseSettings
from checkout.db.session import create_engine
from checkout.domain.reconcile import ReconcileReport
from checkout.temporal.client import connect
from checkout_lab.chaos.checker.books import Violation
from checkout_lab.chaos.checker.checker import Checker
from checkout_lab.stack.servers.postgres import EmbeddedPostgres
from checkout_lab.stack.servers.temporal import DevTemporal
from tests.exhaustive.cases import Case, bug, cases
from tests.exhaustive.endings import expected
from tests.exhaustive.environment import Environment, open_environment
from tests.exhaustive.faults import ON_HAND, REFUSALS, UNIT_PRICE_MINOR
from tests.exhaustive.played import Played
from tests.exhaustive.table import lines
from tests.exhaustive.verdict import Judged, judge
from tests.support.sandbox_server import sandbox_server
from tests.support.summary import show_at_the_end
from workflows.checkout import STEPS


@pytest.fixture(scope="session")
async def played(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres, temporal_server: DevTemporal, server_directory: Path
) -> Played:
    """Every case that is to be tested, played side by side with the others on the same servers."""
    name = f"exhaustive_{uuid.uuid4().hex}"
    await postgres.create_database(name, template="template_checkout")
    engine = create_engine(DatabaseSettings(url=postgres.url(name), pool_size=30))
    client = await connect(temporal_server.settings)
    try:
        async with (
            sandbox_server(server_directory) as sandbox,
            open_environment(client, engine, sandbox) as environment,
        ):
            judged, report = await _play(environment, _selected(request.session))
            units = dict.fromkeys(environment.case_runs, ON_HAND)
            checker = Checker(postgres.url(name), sandbox.url, units, dict.fromkeys(units, UNIT_PRICE_MINOR))
            played = Played(judged, report, await _violations(environment, checker))
    finally:
        await engine.dispose()
    show_at_the_end(request.config, "every step, every fault", list(lines(judged)))
    return played


def _selected(session: pytest.Session) -> list[Case]:
    chosen = {item.callspec.params.get("case") for item in session.items if hasattr(item, "callspec")}
    return [one for one in cases() if one in chosen]


async def _play(
    environment: Environment, selected: list[Case]
) -> tuple[dict[Case, list[Judged]], ReconcileReport | None]:
    untroubled = [Case(STEPS[0], ()), *(Case(trigger.step, (), trigger) for trigger in (bug(STEPS), *REFUSALS))]
    await asyncio.gather(*map(environment.count_touches, untroubled))
    case_runs = {case: environment.case_runs_of(case) for case in selected}
    await environment.play([case_run for some in case_runs.values() for case_run in some])
    report = await environment.reconciliation.once()
    books = await environment.books.of_all()
    return {
        case: [judge(case_run, books[case_run.id]) for case_run in some] for case, some in case_runs.items()
    }, report


async def _violations(environment: Environment, checker: Checker) -> list[Violation]:
    """What the campaign's checker says of everything together; a workflow that met a planned bug had to fail."""
    failed = {one.id for one in environment.case_runs.values() if expected(one.case).workflow == "failed"}
    verdict = await checker.eventually([], environment.client)
    return [one for one in verdict.violations if one.subject not in failed or "no workflow fails" not in one.check]
