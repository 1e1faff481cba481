"""`python -m benchmarks [NAME ...] [--json FILE]`: measure, print a table per benchmark, keep the results."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import audit, audit_search, cli, events, first_deploy, many, policy, push, redeploys, routing
from benchmarks.figures import Figure, load, table

BENCHMARKS: Mapping[str, Callable[[], list[Figure]]] = {
    "push": push.measure,
    "redeploys": redeploys.measure,
    "first-deploy": first_deploy.measure,
    "cli": cli.measure,
    "many": many.measure,
    "routing": routing.measure,
    "events": events.measure,
    "audit-search": audit_search.measure,
    "audit": audit.measure,
    "policy": policy.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all when none is named")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also keep the results here")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    results = []
    for name in options.names or BENCHMARKS:
        began, before = time.monotonic(), load()
        figures = BENCHMARKS[name]()
        print(f"\n{name}  ({time.monotonic() - began:.0f} s; load {before:.1f} before, {load():.1f} after, ", end="")
        print(f"{os.cpu_count()} cores)\n{table(figures)}", flush=True)
        for figure in figures:
            kept = {**asdict(figure), "ratio": figure.ratio, "verdict": figure.verdict}
            results.append({"benchmark": name, "load": before, **kept})
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
