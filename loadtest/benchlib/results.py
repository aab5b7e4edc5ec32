"""Medians over the rounds, their ratios, and how both are shown."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import mean, median

from benchlib.wrk import Run, Scenario

# What a whole request may cost against the floor of its two round trips.
RATIOS = (("c", "b"), ("d", "b"), ("e", "a"), ("e", "b"), ("f", "c"), ("g", "f"), ("h", "d"))
LEAST_RATIO = {("c", "b", 64): 0.5}


@dataclass
class Results:
    scenarios: list[Scenario]
    connections: list[int]
    runs: dict[tuple[str, int], list[Run]] = field(default_factory=dict)

    def add(self, scenario: Scenario, connections: int, run: Run) -> None:
        self.runs.setdefault((scenario.key, connections), []).append(run)

    def ratio(self, over: str, under: str, connections: int) -> float | None:
        """The median of the ratios within one round: rounds differ, pairs less."""
        pairs = zip(
            self.runs.get((over, connections), []),
            self.runs.get((under, connections), []),
            strict=False,
        )
        found = [a.rate / b.rate for a, b in pairs if b.rate > 0]
        return median(found) if found else None

    def ratios(self) -> Iterable[tuple[str, str, int, float]]:
        for connections in self.connections:
            for over, under in RATIOS:
                value = self.ratio(over, under, connections)
                if value is not None:
                    yield over, under, connections, value

    def complaints(self) -> list[str]:
        """What --check holds against these results."""
        found = [
            f"({key}) at {connections} connections: {sum(r.failed for r in runs)} errors"
            for (key, connections), runs in self.runs.items()
            if any(r.failed for r in runs)
        ]
        for (over, under, connections), least in LEAST_RATIO.items():
            value = self.ratio(over, under, connections)
            if value is None:
                found.append(f"({over})/({under}) at {connections} connections: not measured")
            elif value < least:
                found.append(f"({over})/({under}) at {connections}: {value:.2f} < {least:.2f}")
        return found


def middle(runs: list[Run], name: str) -> float:
    return median(getattr(r, name) for r in runs)


def row(title: str, connections: int, runs: list[Run]) -> list[str]:
    rates = [r.rate for r in runs]
    return [
        title,
        str(connections),
        f"{median(rates):,.0f}",
        f"{min(rates):,.0f}-{max(rates):,.0f}",
        *(f"{middle(runs, name):.2f}" for name in ("p50", "p95", "p99")),
        str(sum(r.failed for r in runs)),
    ]


def table(rows: list[list[str]]) -> str:
    """Columns aligned: the first to the left, numbers to the right."""
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    lines = []
    for r in rows:
        cells = [r[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(r[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def cpu_line(runs: list[Run]) -> str:
    names = {name for r in runs for name in r.cpu}
    shares = {name: mean(r.cpu.get(name, 0.0) for r in runs) for name in names}
    top = sorted(shares.items(), key=lambda item: -item[1])[:5]
    return ", ".join(f"{name} {share:.0%}" for name, share in top)


def error_kinds(runs: list[Run]) -> str:
    kinds: dict[str, int] = {}
    for r in runs:
        for kind, count in r.errors.items():
            kinds[kind] = kinds.get(kind, 0) + count
    return ", ".join(f"{kind} {count}" for kind, count in kinds.items() if count)


def costs(results: Results) -> list[str]:
    """What each scenario takes of the whole machine, and how much more than the bare handler."""
    found = []
    for connections in results.connections:
        bare = results.runs.get(("a", connections))
        for s in results.scenarios:
            cost = 1e6 / middle(results.runs[s.key, connections], "rate")
            more = f", {cost - 1e6 / middle(bare, 'rate'):+.1f} us over (a)" if bare else ""
            found.append(f"({s.key}) at {connections:>5} connections: {cost:.1f} us{more}")
    return found


def show(results: Results) -> str:
    rows = [["", "conns", "req/s", "range", "p50 ms", "p95 ms", "p99 ms", "errors"]]
    notes = []
    for connections in results.connections:
        for s in results.scenarios:
            runs = results.runs[s.key, connections]
            rows.append(row(f"({s.key}) {s.title}", connections, runs))
            notes.append(f"({s.key}) {connections:>5}: {cpu_line(runs)}")
            if any(r.failed for r in runs):
                notes.append(f"            errors: {error_kinds(runs)}")
    parts = [table(rows), ""]
    for over, under, connections, value in results.ratios():
        parts.append(f"({over})/({under}) at {connections:>5} connections: {value:.2f}")
    parts += ["", *costs(results)]
    parts += ["", "CPU of the machine:", *notes]
    return "\n".join(parts)


def as_json(results: Results) -> dict:
    return {
        "scenarios": {s.key: s.title for s in results.scenarios},
        "results": [
            {
                "scenario": key,
                "connections": connections,
                "median": {n: middle(runs, n) for n in ("rate", "p50", "p95", "p99")},
                "errors": sum(r.failed for r in runs),
                "rounds": [asdict(r) for r in runs],
            }
            for (key, connections), runs in ordered(results)
        ],
        "ratios": [
            {"over": over, "under": under, "connections": connections, "ratio": value}
            for over, under, connections, value in results.ratios()
        ],
    }


def ordered(results: Results) -> list[tuple[tuple[str, int], list[Run]]]:
    return sorted(results.runs.items(), key=lambda item: (item[0][1], item[0][0]))
