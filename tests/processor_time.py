"""What each test costs in processor seconds: `--cpu 30` prints the 30 dearest, and what the folders take.

Processor time, not time on the clock: it is nearly the same on a busy machine. It holds what a test's own
processes took, if they have ended and somebody has waited for them, as subprocess does; a Ray's daemons are
not in it. What a fixture of a whole session takes is on the bill of the test that asks first. Nothing fails
by it.
"""

import os
from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest


def spent() -> float:
    """Seconds that this process and its ended children have taken, user and system."""
    return sum(os.times()[:4])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cpu", type=int, metavar="N", help="print the N dearest tests in processor seconds")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("cpu") is not None:
        config.pluginmanager.register(Bill(config), "processor time")


class Bill:
    """In a worker it writes each report's share; where the reports arrive, it adds them up."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.last = 0.0
        self.tests: Counter[str] = Counter()
        self.before = 0.0  # imports and collection, all workers together

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.last = spent()
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["cpu_before"] = self.last
        else:
            self.before += self.last

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, Any, Any]:
        report = yield
        now = spent()
        report.cpu_seconds, self.last = now - self.last, now
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.tests[report.nodeid] += getattr(report, "cpu_seconds", 0.0)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        self.before += getattr(node, "workeroutput", {}).get("cpu_before", 0.0)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.tests:
            return
        tell = terminalreporter.write_line
        total = sum(self.tests.values())
        terminalreporter.section("processor seconds")
        tell(
            f"{total:.1f} s in {len(self.tests)} tests, {total / len(self.tests):.3f} s a test; "
            f"{self.before:.1f} s before the first one, with imports and collection"
        )
        folders: Counter[str] = Counter()
        for test, seconds in self.tests.items():
            folders[test.split("::")[0].rpartition("/")[0]] += seconds
        for kind, bill in (("folders", folders), ("tests", self.tests)):
            tell(f"dearest {kind}:")
            for name, seconds in bill.most_common(self.config.getoption("cpu")):
                tell(f"{seconds:8.2f}  {name}")
