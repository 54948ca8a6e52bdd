"""What a run relies on, tried before it begins: by `imitate check`, and by `run`, `sweep` and `compare`.

One file for each thing that people bring along; each gives findings (`imitation.common.contracts.Finding`).
Code of somebody's own runs in a child process (`cluster.checks.child`): it may hang, crash, draw from global
generators or load libraries that must not meet ours.
"""
