"""What `import citadel_kit` costs beside `import ccxt`, each in fresh interpreters."""

from __future__ import annotations

import statistics
import subprocess
import sys

RUNS = 9
STATEMENTS = ("import citadel_kit", "from citadel_kit import Instrument", "import ccxt", "import ccxt.pro")
CLOCKED = """
from time import perf_counter
start = perf_counter()
{statement}
print(perf_counter() - start)
"""


def seconds(statement: str) -> float:
    code = CLOCKED.format(statement=statement)
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)


def main() -> None:
    for statement in STATEMENTS:
        seconds(statement)  # fills the file cache and writes the bytecode
    times: dict[str, list[float]] = {statement: [] for statement in STATEMENTS}
    for _ in range(RUNS):  # in turns, so that a slow moment of the machine meets all of them
        for statement in STATEMENTS:
            times[statement].append(seconds(statement))
    print(f"median and range of {RUNS} fresh interpreters, ms; the bar is 100 ms for `import citadel_kit`")
    for statement, each in times.items():
        low, middle, high = (1000 * value for value in (min(each), statistics.median(each), max(each)))
        print(f"  {statement:<38}{middle:8.1f}   {low:.1f} to {high:.1f}")


if __name__ == "__main__":
    main()
