"""Any order of what customers, support, bank and provider may do ends as a small model says it may."""

import asyncio

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.machine import machine_on
from tests.property.stack_client import StackClient


async def test_the_model_allows_whatever_happens(stack_client: StackClient) -> None:
    await asyncio.to_thread(run_state_machine_as_test, machine_on(stack_client), settings=settings())
