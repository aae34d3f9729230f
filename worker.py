"""The worker's composition root: settings, database, provider, activities, workflows. Runs as ``python worker.py``."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkerDeploymentConfig, WorkflowRunner

from activities.audit import AuditActivities
from activities.orders import OrderActivities
from activities.payments.charge import PaymentActivities
from activities.payments.inquiry import PaymentInquiryActivities
from activities.payments.provider_hold import ProviderHoldActivities
from activities.reconciliation.ledger import LedgerActivities
from activities.reconciliation.orphan_payments import OrphanPaymentActivities
from activities.reconciliation.tables import ReconcileActivities
from activities.stock import StockActivities
from checkout.config.settings import DatabaseSettings, PaymentSettings, TemporalSettings, WorkerSettings, load_all
from checkout.db.session import Database, create_engine
from checkout.domain.errors import ConfigurationError, TemporalUnavailable
from checkout.domain.events import OF_TEST_MODE, OwnEvents
from checkout.payments.gateway import PaymentGateway
from checkout.payments.stripe.gateway import StripeGateway
from checkout.temporal.client import connect
from checkout.temporal.names import TASK_QUEUE
from checkout.temporal.polls import ACTIVITY_TASK_POLLS, NEW_WORKFLOW_POLLS_PART, WORKFLOW_TASK_POLLS
from checkout.worker_health import Health
from workflows.checkout import CheckoutWorkflow
from workflows.payment_events import PaymentEventsWorkflow
from workflows.provider_hold import ProviderHoldWorkflow
from workflows.reconcile import ReconcileWorkflow

log = logging.getLogger("checkout.worker")


def build_worker(
    client: Client,
    database: Database,
    gateway: PaymentGateway,
    settings: WorkerSettings,
    runner: WorkflowRunner | None = None,
    own_events: OwnEvents = OF_TEST_MODE,
) -> Worker:
    """A worker with every workflow and activity, ready to run.

    ``own_events``: which of the provider's events count; by default those of its test mode, as the sandbox sends them.
    ``runner``: by default workflows run without the SDK's sandbox, whose imports cost more than a checkout. Tests run
    them within it (`SandboxedWorkflowRunner`), so that what it forbids never gets as far as production.
    """
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[CheckoutWorkflow, PaymentEventsWorkflow, ReconcileWorkflow, ProviderHoldWorkflow],
        activities=_activities(client, database, gateway, own_events),
        workflow_runner=runner or UnsandboxedWorkflowRunner(),
        max_concurrent_activities=settings.max_concurrent_activities,
        max_concurrent_local_activities=settings.max_concurrent_local_activities,
        max_concurrent_workflow_tasks=settings.max_concurrent_workflow_tasks,
        max_cached_workflows=settings.max_cached_workflows,
        max_concurrent_workflow_task_polls=WORKFLOW_TASK_POLLS,
        nonsticky_to_sticky_poll_ratio=NEW_WORKFLOW_POLLS_PART,
        max_concurrent_activity_task_polls=ACTIVITY_TASK_POLLS,
        # A worker that dies takes its cached workflows along; the others are given them after this long.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        graceful_shutdown_timeout=timedelta(seconds=settings.shutdown_seconds),
        deployment_config=_version(settings),
    )


def _activities(
    client: Client, database: Database, gateway: PaymentGateway, own_events: OwnEvents
) -> list[Callable[..., Any]]:
    stock = StockActivities(database)
    orders = OrderActivities(database)
    payments = PaymentActivities(database, gateway)
    inquiry = PaymentInquiryActivities(database, gateway)
    audit = AuditActivities(database, own_events)
    reconcile = ReconcileActivities(database, client)
    ledger = LedgerActivities(database, gateway, client)
    orphans = OrphanPaymentActivities(database, gateway)
    hold = ProviderHoldActivities(database, gateway, client)
    return [
        stock.reserve_stock,
        stock.release_stock,
        orders.create_order,
        orders.cancel_order,
        orders.confirm_order,
        payments.charge_payment,
        payments.refund_payment,
        inquiry.look_up_payment,
        inquiry.settle_payment,
        inquiry.resolve_payment,
        audit.await_whole_task,
        audit.record_status,
        audit.record_staff_action,
        audit.record_payment_events,
        reconcile.compare_workflows,
        reconcile.compare_stock,
        reconcile.compare_endings,
        reconcile.match_events,
        ledger.compare_ledger,
        orphans.refund_orphan_payment,
        orphans.settle_after_end,
        hold.wait_for_provider,
        hold.probe_provider,
        hold.tell_waiting,
    ]


def _version(settings: WorkerSettings) -> WorkerDeploymentConfig | None:
    """Which version this worker is, if it is one of several: whatever starts on a version stays with it to its end."""
    if not (settings.deployment_name and settings.build_id):
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(settings.deployment_name, settings.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


async def main() -> None:
    """Run a worker until SIGTERM or SIGINT; then take nothing new, and let what is under way finish.

    Raises:
        ConfigurationError: settings are missing or malformed; the text has a line for each.
        TemporalUnavailable: Temporal cannot be reached.
    """
    temporal, database_settings, payment_settings, worker_settings = load_all(
        TemporalSettings, DatabaseSettings, PaymentSettings, WorkerSettings
    )
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)

    engine = create_engine(database_settings)
    gateway = StripeGateway(payment_settings)
    try:
        client = await connect(temporal, runtime=_runtime(worker_settings))
        worker = build_worker(
            client, Database(engine), gateway, worker_settings, own_events=payment_settings.own_events
        )
        async with Health(worker_settings.host, worker_settings.port, client, Database(engine)), worker:
            log.info("polling %s at %s, queue %s", temporal.namespace, temporal.address, TASK_QUEUE)
            await stop.wait()
            log.info("stopping: no new work; running activities have up to %g s", worker_settings.shutdown_seconds)
    finally:
        await gateway.close()
        await engine.dispose()


def _runtime(settings: WorkerSettings) -> Runtime | None:
    if settings.metrics_port is None:
        return None
    metrics = PrometheusConfig(bind_address=f"{settings.host}:{settings.metrics_port}")
    return Runtime(telemetry=TelemetryConfig(metrics=metrics))


def run() -> None:
    """The command ``checkout worker``: exits with 2 on a bad setting and 1 when Temporal is away."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    # It tells of every call; Temporal does so where operators look.
    logging.getLogger("stripe").setLevel(logging.WARNING)
    try:
        _run_loop(main())
    except ConfigurationError as error:
        _exit(2, str(error))
    except TemporalUnavailable as error:
        _exit(1, str(error))
    except RuntimeError as error:  # What the SDK raises for a namespace that is not there; it has no class for it.
        _exit(1, f"Temporal refuses the worker: {str(error).splitlines()[0]} (CHECKOUT_TEMPORAL_NAMESPACE)")


def _run_loop(work: Coroutine[Any, Any, None]) -> None:
    """Run it on uvloop where there is one; it takes a fifth off what the SDK costs in processor time."""
    if sys.platform == "win32":
        asyncio.run(work)
    else:
        import uvloop  # noqa: PLC0415 - it is not there on Windows

        uvloop.run(work)


def _exit(code: int, text: str) -> None:
    sys.stderr.writelines(f"checkout: {line}\n" for line in text.splitlines())
    sys.exit(code)


if __name__ == "__main__":
    run()
