"""Prometheus text, parsed by Prometheus's own client."""

import time

from prometheus_client.parser import text_string_to_metric_families


def scrape(api) -> dict[tuple, float]:
    """(sample name, sorted label pairs) -> value; no series may come twice."""
    reply = api.get("/metrics")
    assert reply.status_code == 200, reply.text
    found: dict[tuple, float] = {}
    for family in text_string_to_metric_families(reply.text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"the series {key} comes twice"
            found[key] = sample.value
    return found


def value(samples: dict[tuple, float], name: str, **labels: str) -> float:
    """The sum of the samples of that name which carry these labels."""
    wanted = set(labels.items())
    return sum(v for (n, pairs), v in samples.items() if n == name and wanted <= set(pairs))


PUBLISHED_S = 0.3  # workers publish these counters by the clock, each 50 ms


def statements(api, work, times: int = 40) -> int:
    """Statements that one work() sends to PostgreSQL, as a mean that is rounded, without those
    that the server sends by itself in as long a time."""

    def sent() -> float:
        time.sleep(PUBLISHED_S)
        return value(scrape(api), "eleusis_db_statements_total")

    work()
    before, began = sent(), time.monotonic()
    for _ in range(times):
        work()
    after, ended = sent(), time.monotonic()
    time.sleep(max(ended - began - PUBLISHED_S, 0))
    by_itself = sent() - after
    return round((after - before - by_itself) / times)
