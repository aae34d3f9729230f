"""How long the property tests look, and the stack that they look at.

``HYPOTHESIS_PROFILE`` is ``bounded`` (the same few examples each time, for every run of the suite) or ``long`` (new
ones each time, made smaller when they fail), ``HYPOTHESIS_EXAMPLES`` how many of them. ``make fuzz`` sets both.
"""

from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.property.profile import examples, is_long
from tests.property.stack_client import Json, StackClient, connect_to_stack
from tests.support.dev_process import DevProcess, checkout_dev, temporary_directory

#: Short enough to be waited for, long enough for a customer on a loaded machine.
WAITS = {
    "CHECKOUT_PAYMENT_WINDOW_SECONDS": "4",
    "CHECKOUT_PAYMENT_STUCK_AFTER_SECONDS": "4",
    "CHECKOUT_PROVIDER_TIMEOUT_SECONDS": "2",
    # What is right only once the books have been compared is wrong.
    "CHECKOUT_RECONCILE_EVERY_SECONDS": "86400",
}


def pytest_configure() -> None:
    """No database of examples: what one machine has found would decide what the next one looks at."""
    common = settings(deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck))
    settings.register_profile(
        "bounded",
        common,
        derandomize=True,
        max_examples=examples(8),
        stateful_step_count=12,
        # Making a failure smaller takes minutes, which are better spent by whoever looks into it.
        phases=[Phase.generate],
    )
    settings.register_profile("long", common, max_examples=examples(100), stateful_step_count=30)
    settings.load_profile("long" if is_long() else "bounded")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A long run takes as long as it takes; a bounded one is many tests in one."""
    for item in items:
        if item.path.parent.name == "property":
            item.add_marker(pytest.mark.timeout(0 if is_long() else 300))


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[DevProcess]:
    """One stack for all of them: each machine has articles of its own."""
    async with temporary_directory() as directory, checkout_dev(directory, "--ephemeral", environment=WAITS) as dev:
        yield dev


@pytest.fixture
def stack_info(stack: DevProcess) -> Json:
    """Where the stack is."""
    return stack.info


@pytest.fixture
def stack_client(stack_info: Json) -> Iterator[StackClient]:
    """Its calls block, so a test makes them in a thread."""
    with connect_to_stack(stack_info) as stack_client:
        yield stack_client
