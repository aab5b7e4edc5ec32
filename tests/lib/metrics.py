"""Prometheus text, parsed by Prometheus's own client."""

from prometheus_client.parser import text_string_to_metric_families


def scrape(api) -> dict[tuple, float]:
    """(sample name, sorted label pairs) -> value."""
    reply = api.get("/metrics")
    assert reply.status_code == 200, reply.text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def value(samples: dict[tuple, float], name: str, **labels: str) -> float:
    """The sum of the samples of that name which carry these labels."""
    wanted = set(labels.items())
    return sum(v for (n, pairs), v in samples.items() if n == name and wanted <= set(pairs))
