"""What is handed from run to run is bounded, and what is known by a digest is told apart."""

import json
from dataclasses import asdict

from checkout.domain.commands import Cancel, ResolvePayment, RetryPayment, SubmitPayment
from checkout.domain.resume import MAX_TIMELINE, MAX_TIMELINE_BYTES, bounded_timeline, digest_of
from checkout.domain.view import TimelineEntry, TimelineKind


def entries(count: int, reason: str | None = None) -> list[TimelineEntry]:
    return [
        TimelineEntry("2026-01-01T00:00:00.000+00:00", TimelineKind.STAFF, f"{n}", "support:desk", reason)
        for n in range(count)
    ]


def test_hundreds_of_entries_are_kept_whole() -> None:
    assert bounded_timeline(entries(MAX_TIMELINE, "ticket 4711")) == tuple(entries(MAX_TIMELINE, "ticket 4711"))


def test_of_more_the_first_and_the_last_are_kept() -> None:
    kept = bounded_timeline(entries(5000))
    assert len(kept) <= MAX_TIMELINE
    assert (kept[0].what, kept[-1].what) == ("0", "4999")
    again = bounded_timeline([*kept, *entries(10)])
    assert sum("left out" in entry.what for entry in again) == 1


def test_long_reasons_do_not_make_it_too_large() -> None:
    kept = bounded_timeline(entries(MAX_TIMELINE, "\N{GRINNING FACE}" * 500))
    assert len(json.dumps([asdict(entry) for entry in kept])) <= MAX_TIMELINE_BYTES
    assert (kept[0].what, kept[-1].what) == ("0", f"{MAX_TIMELINE - 1}")


def test_a_digest_tells_what_is_asked_apart() -> None:
    asked = [
        SubmitPayment("pm_a"),
        SubmitPayment("pm_b"),
        RetryPayment("support:desk", "why", "pm_a"),
        RetryPayment("support:desk", "why"),
        RetryPayment("support:other", "why"),
        ResolvePayment("support:desk", "why", captured=True),
        ResolvePayment("support:desk", "why", captured=False),
        Cancel(),
    ]
    assert len({digest_of(each) for each in asked}) == len(asked)
    assert digest_of(SubmitPayment("pm_a")) == digest_of(SubmitPayment("pm_a"))
