"""`/metrics` for Prometheus: requests, live calls, clients, journal. One registry a server, none shared with the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import Scope

from api.audit_trail import client_address
from api.errors import NotSignedInError
from api.permissions import Action, Resource
from api.security import reach_of
from core.addresses import is_loopback

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class _Labelled(Collector):
    """A figure whose labels come and go."""

    def __init__(self, name: str, help_text: str, label: str, values: Callable[[], Mapping[str, float]]) -> None:
        self._name, self._help, self._label, self._values = name, help_text, label, values

    def collect(self) -> Iterator[Metric]:
        """Return the figure with its labels of now."""
        kind = CounterMetricFamily if self._name.endswith("_total") else GaugeMetricFamily
        family = kind(self._name, self._help, labels=[self._label])
        for label, value in self._values().items():
            family.add_metric([label], value)
        yield family


class Metrics:
    """The figures of one server. Rooms add gauges with `watch`."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        Gauge("ramal_build_info", "The version that runs.", ["version"], registry=self.registry).labels(version).set(1)
        self._requests = Counter(
            "ramal_http_requests_total", "Requests answered.", ["method", "operation", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "ramal_http_request_seconds", "Time to answer.", ["method"], buckets=_BUCKETS, registry=self.registry
        )
        self.live_clients = Gauge("ramal_live_clients", "Event WebSockets open.", registry=self.registry)
        self.live_dropped = Counter(
            "ramal_live_clients_dropped_total",
            "Event WebSockets dropped for reading too slowly.",
            registry=self.registry,
        )

    def watch(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """Show a gauge that is read when it is asked for."""
        Gauge(name, help_text, registry=self.registry).set_function(value)

    def watch_each(self, name: str, help_text: str, label: str, values: Callable[[], Mapping[str, float]]) -> None:
        """Show a figure for each value of a label that there is when it is asked for: a counter where the name ends in `_total`."""
        self.registry.register(_Labelled(name, help_text, label, values))

    def request(self, scope: Scope, status: int, seconds: float) -> None:
        """Count an answered request under its operation, so that ids don't multiply the series."""
        method = scope["method"] if scope["method"] in {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"} else "other"
        operation = getattr(scope.get("route"), "name", "other")
        self._requests.labels(method, operation, str(status)).inc()
        self._seconds.labels(method).observe(seconds)


router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Return all figures in Prometheus' text format; asked from another machine, to those who may see how the server fares.

    They tell which carriers there are, how busy the company is, and which attacks fail.
    """
    if not is_loopback(client_address(request.scope)):
        principal = await request.app.state.authenticator.identify(request.headers)
        if principal is None:
            raise NotSignedInError
        reach_of(principal, Resource.METRICS, Action.READ)
    figures: Metrics = request.app.state.metrics
    return Response(generate_latest(figures.registry), media_type=CONTENT_TYPE_LATEST)
