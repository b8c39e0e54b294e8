"""Envoy's text, read as the house's figures."""

from core.gateway.counters import open_requests, parse, port_traffic
from core.model import PortTraffic

TEXT = """\
# TYPE envoy_cluster_upstream_rq_completed counter
envoy_cluster_upstream_rq_completed{envoy_cluster_name="rq_abc-80"} 9
envoy_cluster_upstream_rq_completed{envoy_cluster_name="ws_abc-80"} 7
envoy_cluster_upstream_rq_completed{envoy_cluster_name="wake"} 100
envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="rq_abc-80"} 5
envoy_cluster_upstream_rq_xx{envoy_response_code_class="3",envoy_cluster_name="rq_abc-80"} 1
envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="rq_abc-80"} 3
envoy_cluster_upstream_rq_xx{envoy_response_code_class="1",envoy_cluster_name="ws_abc-80"} 4
envoy_cluster_upstream_rq_xx{envoy_response_code_class="4",envoy_cluster_name="ws_abc-80"} 3
envoy_cluster_upstream_cx_rx_bytes_total{envoy_cluster_name="rq_abc-80"} 12345678901
envoy_cluster_upstream_cx_tx_bytes_total{envoy_cluster_name="rq_abc-80"} 9
envoy_cluster_upstream_cx_rx_bytes_total{envoy_cluster_name="ws_abc-80"} 30
envoy_cluster_upstream_rq_active{envoy_cluster_name="rq_abc-80"} 2
envoy_cluster_upstream_rq_active{envoy_cluster_name="ws_abc-80"} 1
envoy_cluster_upstream_rq_active{envoy_cluster_name="rq_abc-8080"} 1
envoy_cluster_upstream_rq_completed{envoy_cluster_name="ig_abc-80"} 50
envoy_cluster_upstream_cx_total{envoy_cluster_name="tc_abc-22"} 8
envoy_cluster_upstream_cx_active{envoy_cluster_name="tc_abc-22"} 2
envoy_cluster_upstream_cx_rx_bytes_total{envoy_cluster_name="tc_abc-22"} 100
envoy_cluster_upstream_cx_tx_bytes_total{envoy_cluster_name="tc_abc-22"} 11
envoy_http_downstream_rq_active{envoy_http_conn_manager_prefix="gateway"} 4
"""


def test_requests_and_upgrades_are_told_apart() -> None:
    assert port_traffic(parse(TEXT), ["abc-80"]) == {
        "abc-80": PortTraffic(
            completed=12,
            succeeded=6,
            in_flight=2,
            bytes=12345678910,
            upgrades=4,
            upgraded=1,
            upgraded_bytes=30,
            ignored=50,
        )
    }


def test_a_tcp_connection_is_counted_as_an_upgraded_one() -> None:
    assert port_traffic(parse(TEXT), ["abc-22"]) == {
        "abc-22": PortTraffic(upgrades=8, upgraded=2, upgraded_bytes=111),
    }


def test_what_has_no_line_is_zero() -> None:
    assert port_traffic(parse(""), ["abc-80"]) == {"abc-80": PortTraffic()}
    assert port_traffic(parse(TEXT), ["bc-80"]) == {"bc-80": PortTraffic()}


def test_open_requests_of_all_visitors() -> None:
    assert (open_requests(TEXT), open_requests("")) == (4, 0)
