"""The gateway's own words."""

import pytest

from core.gateway.base import Route, RouteState
from core.gateway.pages import STARTING_PAGE, sleeping_page
from core.gateway.resources import scope


def test_a_sleeping_page_names_the_pod_that_was_asked_for() -> None:
    assert "/pod resume 2s56cp0pof1rmt<" in sleeping_page("2s56cp0pof1rmt-8080")


@pytest.mark.parametrize("key", [None, "", "<script>-80", "a b-80", "x" * 99 + "-80", "abc", "abc-80\n"])
def test_a_sleeping_page_repeats_nothing_strange(key: str | None) -> None:
    assert sleeping_page(key) == sleeping_page(None)


def test_the_starting_page_fits_into_envoy() -> None:
    assert len(STARTING_PAGE.encode()) < 4096
    assert "%" not in STARTING_PAGE


def test_pods_behind_another_front_are_told_https() -> None:
    route = Route(pod_id="abc", port=80, state=RouteState.STARTING)
    assert "request_headers_to_add" not in scope(route, "x")["route_configuration"]
    table = scope(route, "x", https=True)["route_configuration"]
    assert table["request_headers_to_add"][0]["header"] == {"key": "x-forwarded-proto", "value": "https"}
