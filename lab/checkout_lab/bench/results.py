"""The figures of a run, as scripts read them: what ``checkout bench --json`` prints."""

from collections.abc import Mapping, Sequence
from typing import Any

from checkout_lab.bench.environment.environment import BenchEnvironment
from checkout_lab.bench.growth.growth import Point
from checkout_lab.bench.load.samples import cpu_figures, latency_figures, load_figures, median, percentile, rounded
from checkout_lab.bench.rounds import CLIENTS, HALF, SHARES, Measured

Json = dict[str, Any]
_SUBJECTS = ("checkout", "baseline")
_ALL = (*_SUBJECTS, "lower_bound")


def comparison(measured: Measured) -> Json:
    """Checkout beside baseline: the figures, their ratios, and every round for who wants to see the spread. The
    lower bound's ratios are what a checkout with empty steps would have.
    """
    figures: Json = {subject: _closed(measured, subject) for subject in _ALL}
    checkout, baseline, lower_bound = (figures[subject] for subject in _ALL)
    cpu = {subject: cpu_figures(measured.samples[subject, "c32"]) for subject in _ALL}
    accept, start = _p50_ms(measured.accept_seconds), _p50_ms(measured.start_seconds)
    return figures | {
        "ratio_throughput_c32": _ratio(checkout["c32"]["per_second"], baseline["c32"]["per_second"]),
        "ratio_p50_c1": _ratio(checkout["c1"]["p50_ms"], baseline["c1"]["p50_ms"]),
        "ratio_throughput_c32_lower_bound": _ratio(lower_bound["c32"]["per_second"], baseline["c32"]["per_second"]),
        "ratio_p50_c1_lower_bound": _ratio(lower_bound["c1"]["p50_ms"], baseline["c1"]["p50_ms"]),
        "p99_to_p50_c32": _ratio(checkout["c32"]["p99_ms"], checkout["c32"]["p50_ms"]),
        "accept_p50_ms": accept,
        "start_workflow_p50_ms": start,
        "ratio_accept": _ratio(accept, start),
        "cpu_ms": cpu,
        "ratio_cpu_c32": _ratio(cpu["checkout"]["total"], cpu["baseline"]["total"]),
        "drain_seconds_c32": rounded(median(s.drain_seconds for s in measured.samples["checkout", "c32"])),
        "open_loop": {subject: _open(measured, subject, HALF) for subject in _SUBJECTS},
        "curve": {subject: [_open(measured, subject, share) for share in (*SHARES, HALF)] for subject in _SUBJECTS},
        "each_round": {subject: _each_round(measured, subject) for subject in _ALL},
    }


def _closed(measured: Measured, subject: str) -> Json:
    return {
        "c1": latency_figures(measured.samples[subject, "c1"]),
        "c32": load_figures(measured.samples[subject, "c32"]),
    }


def _open(measured: Measured, subject: str, share: float) -> Json:
    offered = rounded(median(measured.offered[subject, share]))
    samples = measured.samples[subject, share]
    return {"share_of_capacity": share, "offered_per_second": offered} | latency_figures(samples)


def _each_round(measured: Measured, subject: str) -> Json:
    return {load: [load_figures([sample]) for sample in measured.samples[subject, load]] for load in CLIENTS}


def _p50_ms(rounds: Sequence[Sequence[float]]) -> float:
    return rounded(median(percentile(seconds, 50) for seconds in rounds) * 1000)


def growth(what: str, points: Sequence[Point]) -> Json:
    """What a checkout costs at each point, and at the last one as a multiple of the first."""
    rows = [_point(point) for point in points]
    first, last = rows[0]["checkout"], rows[-1]["checkout"]
    cpu = {name: rows[-1][name]["cpu_ms"]["total"] / rows[0][name]["cpu_ms"]["total"] for name in _SUBJECTS}
    return {
        "growth": what,
        "points": rows,
        "last_to_first": {
            "cpu": rounded(cpu["checkout"]),
            "cpu_beside_baseline": _ratio(cpu["checkout"], cpu["baseline"]),
            "cpu_of_postgres": _ratio(last["cpu_ms"]["postgres"], first["cpu_ms"]["postgres"]),
            "p50": _ratio(last["p50_ms"], first["p50_ms"]),
            "throughput": _ratio(last["per_second"], first["per_second"]),
        },
    }


def _point(point: Point) -> Json:
    figures = {
        name: load_figures(samples) | {"cpu_ms": cpu_figures(samples)}
        for name, samples in (("checkout", point.checkout), ("baseline", point.baseline))
    }
    return {"amount": point.amount, **figures}


async def endings(environment: BenchEnvironment) -> Json:
    """How the checkouts of the bench ended; ``as_wanted`` when each accepted one is confirmed or waits on purpose."""
    found = await environment.database.endings()
    wanted = {"confirmed": environment.tally.accepted, "awaiting_payment": environment.parked}
    as_wanted = found == {status: count for status, count in wanted.items() if count}
    return {
        "accepted": environment.tally.accepted,
        "parked": environment.parked,
        "as_wanted": as_wanted,
        "found": found,
    }


def pressure(environment: BenchEnvironment) -> Json:
    """What the API did not take or did not finish in time: ``shed`` by HTTP status, and ``unsettled``."""
    shed: Mapping[int, int] = environment.tally.shed
    return {"shed": {str(status): count for status, count in shed.items()}, "unsettled": environment.tally.unsettled}


def _ratio(one: float, other: float) -> float:
    return rounded(one / other)
