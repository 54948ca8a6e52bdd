"""No decision depends on what a clock or a file's time stamp says: machines of a cluster disagree on both.

Durations are measured with clocks that only run forwards (`time.monotonic`, `time.perf_counter`).
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ("imitation", "sim_actors", "cluster")
WALL_CLOCK = {
    *("time.time", "time.time_ns", "time.gmtime", "time.localtime", "time.ctime", "time.strftime"),
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("os.path.getmtime", "os.path.getctime", "os.path.getatime"),
}
STAMPS = {"st_mtime", "st_mtime_ns", "st_ctime", "st_ctime_ns", "st_atime", "mtime", "mtime_ns"}
# What is written down for people to read, and read by nothing.
FOR_PEOPLE = {
    ("cluster/workspace/run_folder.py", "time.gmtime"),
    ("cluster/workspace/run_folder.py", "time.strftime"),
    ("cluster/workspace/driven.py", "time.gmtime"),
    ("cluster/workspace/driven.py", "time.strftime"),
    ("cluster/observability/progress_file.py", "time.gmtime"),
    ("cluster/observability/progress_file.py", "time.strftime"),
    # shown on a table and on the live page: when a run began, how long ago that is
    ("cluster/cli/text/runs.py", "time.strftime"),
    ("cluster/ui/app.py", "datetime.now"),
    ("cluster/ui/board.py", "datetime.now"),
    # when a point of a curve was measured
    ("cluster/observability/trackers/event_file.py", "time.time"),
    ("cluster/observability/trackers/event_file.py", "time.time_ns"),
    ("cluster/observability/trackers/mlflow.py", "time.time"),
}
# Compared with itself alone: this process asks whether a file of its own, or a folder that Python imports
# from, has changed since it last looked.
OWN_FILES = {
    ("cluster/observability/trackers/mirrored_folder.py", "st_mtime_ns"),
    ("imitation/common/registry.py", "st_mtime_ns"),
}


def dotted(node: ast.AST) -> str:
    """ "time.time" for the attribute of a module; "" for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def uses(source: str) -> set[str]:
    """Names of wall clocks and time stamps in a piece of Python."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            name = dotted(node)
            found |= {clock for clock in WALL_CLOCK if name == clock or name.endswith("." + clock)}
            if node.attr in STAMPS:
                found.add(node.attr)
        if isinstance(node, ast.ImportFrom) and node.module in ("time", "os.path"):
            found |= {f"{node.module}.{item.name}" for item in node.names} & WALL_CLOCK
    return found


def test_no_logic_reads_the_wall_clock_or_a_files_time() -> None:
    found = {
        (str(path.relative_to(ROOT)), name)
        for floor in FLOORS
        for path in sorted((ROOT / floor).rglob("*.py"))
        for name in uses(path.read_text())
    }
    assert found - FOR_PEOPLE - OWN_FILES == set()


def test_the_search_finds_what_it_is_for() -> None:
    assert uses("import time\nlate = time.time() > 3") == {"time.time"}
    assert uses("from time import time_ns as now\nnow()") == {"time.time_ns"}
    assert uses("import datetime\ndatetime.datetime.now()") == {"datetime.now"}
    assert uses("newest = max(files, key=lambda f: f.stat().st_mtime)") == {"st_mtime"}
    assert uses("info.mtime") == {"mtime"}
    assert uses("import time\ntime.monotonic() - time.perf_counter()") == set()
