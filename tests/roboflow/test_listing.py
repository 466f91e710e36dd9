"""The list of a server without pages: what is asked, what is found, and what is said to be out of reach."""

from collections import Counter
from contextlib import asynccontextmanager
from typing import Any

import pytest

from roboflow_evals_async import EvalsClient
from roboflow_evals_async.roboflow.listing import EvalListing
from roboflow_evals_async.roboflow.payloads import ModelEval
from roboflow_evals_async.testing import EvaluationSpec, StandIn, World

from .server import answering


@asynccontextmanager
async def serving(specs: list[EvaluationSpec]) -> Any:
    """A stand-in of these evaluations, and a client of it."""
    async with (
        StandIn(World(evaluations=specs)) as stand_in,
        EvalsClient(
            api_key=stand_in.api_key, workspace=stand_in.workspace, base_url=stand_in.url, max_attempts=1
        ) as client,
    ):
        yield stand_in, client


def specs_of(**counts: int) -> list[EvaluationSpec]:
    """So many evaluations of every `project_status`, the projects mixed; versions count from 0 in each project."""
    left = Counter(counts)
    specs: list[EvaluationSpec] = []
    versions: Counter[str] = Counter()
    while +left:
        for name in sorted(+left):
            project, _, status = name.partition("_")
            specs.append(EvaluationSpec(project=project, status=status, version_id=str(versions[project] % 50)))
            versions[project] += 1
            left[name] -= 1
    return specs


def ids(listing: EvalListing) -> list[str]:
    """The ids in their order."""
    return [ev.eval_id for ev in listing]


def asked(stand_in: StandIn) -> list[dict[str, str]]:
    """The parameters of all requests but the limit, which is the cap."""
    assert {request.query["limit"] for request in stand_in.requests} == {"200"}
    return [{key: value for key, value in request.query.items() if key != "limit"} for request in stand_in.requests]


@pytest.mark.parametrize("count", [0, 1, 199])
async def test_a_list_below_the_cap_is_complete_with_one_request(count: int) -> None:
    async with serving(specs_of(a_done=count)) as (stand_in, client):
        listing = await client.evals()
    assert ids(listing) == list(stand_in.world.eval_ids), "newest first"
    assert (listing.complete, listing.unreached) == (True, ())
    assert asked(stand_in) == [{}]
    assert len(listing) == count


async def test_a_full_answer_is_asked_again_by_status() -> None:
    async with serving(specs_of(a_done=120, b_done=60, a_failed=40, b_running=30)) as (stand_in, client):
        listing = await client.evals()
    assert ids(listing) == list(stand_in.world.eval_ids)
    assert listing.complete
    assert len(listing) == 250
    assert asked(stand_in)[0] == {}
    assert sorted(entry["status"] for entry in asked(stand_in)[1:]) == ["done", "failed", "running"]


async def test_exactly_the_cap_is_looked_into_and_found_complete() -> None:
    async with serving(specs_of(a_done=100, a_failed=100)) as (stand_in, client):
        listing = await client.evals()
    assert (len(listing), listing.complete) == (200, True)
    assert len(stand_in.requests) == 4


async def test_a_full_status_is_asked_again_by_project() -> None:
    counts = {f"{project}_done": 150 for project in "abcde"}
    async with serving(specs_of(**counts, a_failed=75, f_running=75)) as (stand_in, client):
        listing = await client.evals()
    assert len(stand_in.world.eval_ids) == 900
    assert ids(listing) == list(stand_in.world.eval_ids), "all of them, none twice, newest first"
    by_project = [entry for entry in asked(stand_in) if "project" in entry]
    assert sorted(entry["project"] for entry in by_project) == list("abcdef")
    assert {entry["status"] for entry in by_project} == {"done"}
    assert len(stand_in.requests) == 1 + 3 + 6
    assert not listing.complete, "a project all of whose evaluations are old would not have been seen"
    assert listing.unreached == ("done evaluations of projects that were not among the first 200",)


async def test_a_project_with_more_than_the_cap_is_named() -> None:
    async with serving(specs_of(a_done=260, b_done=20)) as (stand_in, client):
        listing = await client.evals()
    assert not listing.complete
    assert len(listing) == 220
    assert listing.unreached == (
        "done evaluations of project 'a' beyond the first 200",
        "done evaluations of projects that were not among the first 200",
    )
    assert ids(listing)[:200] == list(stand_in.world.eval_ids)[:200]


async def test_a_filter_with_more_than_the_cap_is_asked_by_status_only() -> None:
    async with serving(specs_of(a_done=210, a_failed=30, b_done=9)) as (stand_in, client):
        listing = await client.evals(project="a")
    assert asked(stand_in)[0] == {"project": "a"}
    assert sorted(entry.pop("status") for entry in asked(stand_in)[1:]) == ["done", "failed", "running"]
    assert len(listing) == 230
    assert listing.unreached == ("done evaluations beyond the first 200 of this filter",)


async def test_a_status_with_more_than_the_cap_goes_to_projects_at_once() -> None:
    async with serving(specs_of(a_done=150, b_done=150, b_failed=9)) as (stand_in, client):
        listing = await client.evals(status="done")
    assert len(listing) == 300
    assert {ev.status for ev in listing} == {"done"}
    assert asked(stand_in)[0] == {"status": "done"}
    assert sorted(entry["project"] for entry in asked(stand_in)[1:]) == ["a", "b"]
    assert listing.unreached == ("done evaluations of projects that were not among the first 200",)


async def test_a_status_and_a_project_with_more_than_the_cap_cannot_be_narrowed() -> None:
    async with serving(specs_of(a_done=230)) as (stand_in, client):
        listing = await client.evals(project="a", status="done")
    assert len(listing) == 200
    assert len(stand_in.requests) == 1
    assert listing.unreached == ("done evaluations beyond the first 200 of this filter",)


async def test_a_status_that_the_server_cannot_be_asked_for_is_named() -> None:
    specs = [*specs_of(a_done=150), *(EvaluationSpec(project="a", status="queued") for _ in range(80))]
    async with serving(specs) as (_, client):
        listing = await client.evals()
    assert len(listing) == 200
    assert listing.unreached == ("evaluations with status 'queued' beyond the first 200",)


async def test_evaluations_of_deleted_projects_are_listed() -> None:
    specs = [*specs_of(a_done=190), *(EvaluationSpec(project=None) for _ in range(30))]
    async with serving(specs) as (stand_in, client):
        listing = await client.evals()
    assert [entry.get("project") for entry in asked(stand_in)[-1:]] == ["a"], "there is no asking for no project"
    assert not listing.complete
    assert sum(ev.project is None for ev in listing) == 10


async def test_filters_are_combined_here() -> None:
    specs = specs_of(a_done=60, b_done=60, a_failed=20)
    async with serving(specs) as (stand_in, client):
        listing = await client.evals(project="a", version=3)
        assert asked(stand_in) == [{"project": "a"}]
        assert {(ev.project, ev.version_id) for ev in listing} == {("a", "3")}
        assert len(listing) == 2
        done = await client.evals(project="a", version="3", status="done")
        assert {ev.status for ev in done} <= {"done"}
        both = await client.evals(version=3)
        assert {ev.project for ev in both} == {"a", "b"}
        assert (await client.evals(project="nobody")).complete


async def test_a_model_filter_goes_first_and_the_rest_is_matched_here() -> None:
    specs = [EvaluationSpec(project=project, version_id=v, model_id="m1") for project in "ab" for v in "12"]
    async with serving([*specs, EvaluationSpec(project="a", version_id="1", model_id="m2")]) as (stand_in, client):
        listing = await client.evals(project="a", version=1, model="m1")
    assert asked(stand_in) == [{"model": "m1"}]
    assert [(ev.project, ev.version_id, ev.model_id) for ev in listing] == [("a", "1", "m1")]
    assert listing.complete


@pytest.mark.parametrize("limit", [1, 3, 5])
async def test_a_limit_asks_for_no_more_and_says_that_there_may_be_more(limit: int) -> None:
    async with serving(specs_of(a_done=5)) as (stand_in, client):
        listing = await client.evals(limit=limit)
    assert ids(listing) == list(stand_in.world.eval_ids)[:limit]
    assert stand_in.requests[0].query == {"limit": str(limit)}
    assert len(stand_in.requests) == 1
    assert not listing.complete
    assert listing.unreached == (f"evaluations after the first {limit}",)


async def test_a_limit_that_all_fit_into_leaves_the_list_complete() -> None:
    async with serving(specs_of(a_done=5)) as (_, client):
        assert (await client.evals(limit=6)).complete
        # The answer was not full, so it is known that the five are all, though five were asked for.
        listing = await client.evals(project="a", model=None, version=None, limit=6)
        assert (len(listing), listing.complete, listing.unreached) == (5, True, ())
    async with serving(specs_of(a_done=3, b_done=3)) as (_, client):
        listing = await client.evals(project="a", version=0, limit=1)
        assert (len(listing), listing.complete, listing.unreached) == (1, True, ())


async def test_a_limit_with_a_filter_matched_here_looks_further_than_itself() -> None:
    async with serving(specs_of(a_done=150)) as (stand_in, client):
        listing = await client.evals(project="a", version=40, limit=2)
    assert [ev.version_id for ev in listing] == ["40", "40"]
    assert stand_in.requests[0].query["limit"] == "200"
    assert not listing.complete


async def test_a_limit_beyond_the_cap_is_reached_by_narrowing_and_no_further() -> None:
    async with serving(specs_of(a_done=120, b_done=90, a_failed=90)) as (stand_in, client):
        listing = await client.evals(limit=250)
        assert ids(listing) == list(stand_in.world.eval_ids)[:250]
        assert not listing.complete
        stand_in.requests.clear()
        assert len(await client.evals(limit=200)) == 200
        assert len(stand_in.requests) == 1, "what was asked for is there"


async def test_sorting_puts_the_newest_first_and_the_undated_last() -> None:
    rows = [
        {"evalId": "undated"},
        {"evalId": "old", "createdAt": "2024-01-01T00:00:00.000Z"},
        {"evalId": "new", "createdAt": "2026-04-27T20:04:10.904Z"},
        {"evalId": "null", "createdAt": None},
        {"evalId": "middle", "createdAt": "2025-06-01T00:00:00Z"},
        {"evalId": "new", "createdAt": "2026-04-27T20:04:10.904Z"},
    ]
    async with answering({"evals": rows}) as (client, _):
        assert ids(await client.evals()) == ["new", "middle", "old", "undated", "null"]
        assert ids(await client.evals(limit=2)) == ["new", "middle"]


async def test_rows_of_an_older_server_are_read() -> None:
    async with serving([EvaluationSpec(legacy=True, project="old-one"), EvaluationSpec()]) as (stand_in, client):
        listing = await client.evals()
        assert ids(listing) == list(stand_in.world.eval_ids)
        assert {ev.project for ev in listing} == {"old-one", "demo-project"}
        assert ids(await client.evals(project="old-one", version=1)) == [ids(listing)[0]]


async def test_a_listing_is_read_like_a_tuple() -> None:
    async with serving(specs_of(a_done=3)) as (_, client):
        listing = await client.evals()
    assert len(listing) == 3
    assert isinstance(listing[0], ModelEval)
    assert listing[-1] == listing.evals[2]
    assert listing[1:] == listing.evals[1:]
    assert list(listing) == [*listing.evals]
    assert listing.evals[1] in listing
    with pytest.raises(IndexError):
        listing[3]
    assert not EvalListing((), complete=True)


async def test_an_error_while_narrowing_is_raised_plainly() -> None:
    from roboflow_evals_async import ServerError
    from roboflow_evals_async.testing import Fault

    async with serving(specs_of(a_done=150, a_failed=100)) as (stand_in, client):
        stand_in.faults.always(lambda request: "status" in request.query, Fault.server_error(500))
        with pytest.raises(ServerError):
            await client.evals()
