"""Plays all the cases that were selected, once; has the table of them printed at the end."""

import asyncio
import uuid
from pathlib import Path

import pytest

from checkout.config.settings import DatabaseSettings
from checkout.db.session import create_engine
from checkout.domain.reconcile import ReconcileReport
from checkout.temporal.client import connect
from lab.chaos.checker.books import Violation
from lab.chaos.checker.checker import Checker
from lab.stack.servers.postgres import EmbeddedPostgres
from lab.stack.servers.temporal import DevTemporal
from tests.exhaustive.cases import Case, bug, cases
from tests.exhaustive.endings import expected
from tests.exhaustive.faults import ON_HAND, REFUSALS, UNIT_PRICE_MINOR
from tests.exhaustive.played import Played
from tests.exhaustive.table import lines
from tests.exhaustive.verdict import Judged, judge
from tests.exhaustive.world import Shop, open_shop
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
        async with sandbox_server(server_directory) as sandbox, open_shop(client, engine, sandbox) as shop:
            judged, report = await _play(shop, _selected(request.session))
            units = dict.fromkeys(shop.trials, ON_HAND)
            checker = Checker(postgres.url(name), sandbox.url, units, dict.fromkeys(units, UNIT_PRICE_MINOR))
            played = Played(judged, report, await _violations(shop, checker))
    finally:
        await engine.dispose()
    show_at_the_end(request.config, "every step, every fault", list(lines(judged)))
    return played


def _selected(session: pytest.Session) -> list[Case]:
    chosen = {item.callspec.params.get("case") for item in session.items if hasattr(item, "callspec")}
    return [one for one in cases() if one in chosen]


async def _play(shop: Shop, selected: list[Case]) -> tuple[dict[Case, list[Judged]], ReconcileReport | None]:
    untroubled = [Case(STEPS[0], ()), *(Case(trigger.step, (), trigger) for trigger in (bug(STEPS), *REFUSALS))]
    await asyncio.gather(*map(shop.count_touches, untroubled))
    trials = {case: shop.trials_of(case) for case in selected}
    await shop.play([trial for some in trials.values() for trial in some])
    report = await shop.reconciliation.once()
    books = await shop.books.of_all()
    return {case: [judge(trial, books[trial.id]) for trial in some] for case, some in trials.items()}, report


async def _violations(shop: Shop, checker: Checker) -> list[Violation]:
    """What the campaign's checker says of everything together; a workflow that met a planned bug had to fail."""
    failed = {one.id for one in shop.trials.values() if expected(one.case).workflow == "failed"}
    verdict = await checker.eventually([], shop.client)
    return [one for one in verdict.violations if one.subject not in failed or "no workflow fails" not in one.check]
