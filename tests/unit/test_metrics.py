"""The metrics as declared, against what is written about them and what is built on them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from dockbox import metrics
from dockbox.metrics.shared import Shared
from dockbox.runtime.client import operation

from ..support.run import ROOT

DOCS = (ROOT / "docs" / "metrics.md").read_text()
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())
ENDS = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}


def declared() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Name, type and labels of every metric."""
    for one in vars(metrics).values():
        if isinstance(one, MetricWrapperBase):
            family = one.describe()[0]  # type: ignore[no-untyped-call]
            name = family.name + "_total" * (family.type == "counter")
            yield name, family.type, tuple(one._labelnames)
    for family in Shared().describe():
        yield family.name, family.type, tuple(getattr(family, "_labelnames", ()))


def samples() -> set[str]:
    """The names that queries may use."""
    return {name.removesuffix("_total") + end for name, kind, _ in declared() for end in ENDS[kind]}


def test_every_metric_is_in_the_docs_as_it_is_and_no_other() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", DOCS, re.MULTILINE)
    told = {(name, kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert told == set(declared())
    assert len(told) == len(rows) > 25


def queries() -> dict[str, str]:
    """Each query of the alerts and of the dashboard, and where it stands."""
    targets = [
        (one["title"], target) for one in DASHBOARD["panels"] for target in one.get("targets", [])
    ]
    return {
        **{rule["expr"]: rule["alert"] for rule in ALERTS},
        **{target["expr"]: title for title, target in targets},
    }


def test_alerts_and_dashboard_ask_only_for_what_there_is() -> None:
    labels = {label for _, _, labels in declared() for label in labels} | {"job", "instance", "le"}
    assert len(queries()) > 35
    for query, place in queries().items():
        bare = re.sub(r'"[^"]*"', "", query)
        assert {*re.findall(r"\bdockbox_\w+", bare)} <= samples(), place
        assert {*re.findall(r"(\w+)(?:=~|!=|!~|=)", bare)} <= labels, place
        for group in re.findall(r"by \(([^)]*)\)", bare):
            assert {*re.split(r",\s*", group)} <= labels, place


def test_every_alert_has_a_summary_and_a_section_that_says_what_to_do() -> None:
    sections = {
        f"docs/metrics.md#{title.lower()}" for title in re.findall(r"^### (\w+)$", DOCS, re.M)
    }
    assert {rule["annotations"]["runbook_url"] for rule in ALERTS} == sections
    for rule in ALERTS:
        assert rule["annotations"]["runbook_url"].endswith(f"#{rule['alert'].lower()}")
        assert rule["annotations"]["summary"] and rule["labels"]["severity"]


class Request:
    def __init__(self, method: str, path_url: str) -> None:
        self.method, self.path_url = method, path_url


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/v1.41/containers/4f5e/start", "containers_start"),
        ("POST", "/v1.41/containers/create?name=dockbox-x", "containers_create"),
        ("GET", "/v1.41/containers/json?all=1", "containers_json"),
        ("DELETE", "/v1.41/containers/start", "containers_start"),
        ("DELETE", "/v1.41/containers/dockbox-4f5e?v=True", "containers_delete"),
        ("GET", "/v1.41/images/example.org/team/image:1/json", "images_json"),
        ("POST", "/v1.41/exec/4f5e/start", "exec_start"),
        ("GET", "/v1.41/_ping", "ping"),
        ("GET", "/version", "version"),
        ("GET", "/v1.41/networks/dockbox", "networks_get"),
    ],
)
def test_a_docker_request_is_named_by_what_it_does(method: str, path: str, name: str) -> None:
    request: Any = Request(method, path)
    assert operation(request) == name
