"""How many simulators a cluster holds, on lists of nodes as Ray gives them."""

import socket

import pytest

from cluster.config.simulate import MAX_ACTORS, SimulateSettings
from cluster.simulation import autoscaling
from cluster.simulation.autoscaling import PoolSize, actor_count, node_is_gone


def cluster(monkeypatch, *nodes):
    rows = [
        {"NodeID": f"n{i}", "Alive": True, "Resources": {key: float(value) for key, value in node.items()}}
        for i, node in enumerate(nodes)
    ]
    monkeypatch.setattr(autoscaling.ray, "nodes", lambda: rows)
    return rows


@pytest.mark.parametrize(
    ("nodes", "settings", "count"),
    [
        ([{"CPU": 4}], {}, 3),  # one CPU kept free
        ([{"CPU": 4}], {"cpus_per_actor": 0.5}, 6),
        ([{"CPU": 1}], {}, 1),  # at least one
        ([{}], {}, 1),
        ([{"CPU": 8}, {"CPU": 8}], {}, 15),  # one of the cluster's, not one a node
        ([{"CPU": 0}, {"CPU": 8}], {}, 7),
        ([{"CPU": 3}, {"CPU": 3}, {"CPU": 3}], {"cpus_per_actor": 2}, 3),  # an actor does not span nodes
        ([{"CPU": 64}], {"actors": 7}, 7),
        ([{"CPU": 64, "GPU": 2}], {"gpus_per_actor": 0.25}, 8),
        ([{"CPU": 64, "GPU": 2}], {"gpus_per_actor": 0.6}, 2),  # nor do its fractions span GPUs
        ([{"CPU": 64, "GPU": 2}], {"gpus_per_actor": 1 / 3}, 6),
        ([{"CPU": 64, "GPU": 8}], {"gpus_per_actor": 2}, 4),
        ([{"CPU": 4, "GPU": 8}], {"gpus_per_actor": 0.25}, 3),  # the scarcer of both
        ([{"CPU": 64}, {"CPU": 8, "GPU": 4}], {"gpus_per_actor": 1}, 4),  # both on one node
        ([{"CPU": 2, "GPU": 2}], {"gpus_per_actor": 0.5, "cpus_per_actor": 0}, 4),
        ([{"CPU": 9000}], {}, MAX_ACTORS),
        ([{"CPU": 64}], {"max_actors": 16}, 16),
        ([{"CPU": 64}], {"max_actors": 16, "actors": 20}, 20),  # of `auto` alone
    ],
)
def test_auto_is_what_the_nodes_hold(nodes, settings, count, monkeypatch):
    cluster(monkeypatch, *nodes)
    assert actor_count(SimulateSettings(**settings)) == count


def test_nodes_that_are_dead_or_found_gone_do_not_count(monkeypatch):
    rows = cluster(monkeypatch, {"CPU": 4}, {"CPU": 8}, {"CPU": 16})
    rows[1]["Alive"] = False
    assert actor_count(SimulateSettings()) == 19
    assert actor_count(SimulateSettings(), without={"n2"}) == 3


def test_auto_needs_something_to_count():
    with pytest.raises(ValueError, match="give actors as a number"):
        SimulateSettings(cpus_per_actor=0)
    assert SimulateSettings(cpus_per_actor=0, actors=3).actors == 3


def test_a_node_is_gone_when_ray_says_so_or_when_it_does_not_answer(monkeypatch):
    (row,) = cluster(monkeypatch, {"CPU": 4})
    with socket.create_server(("127.0.0.1", 0)) as raylet:
        row |= {"NodeManagerAddress": "127.0.0.1", "NodeManagerPort": raylet.getsockname()[1]}
        assert not node_is_gone("n0")
        row["Alive"] = False
        assert node_is_gone("n0")
        row["Alive"] = True
    assert node_is_gone("n0")  # nobody listens there any more
    assert not node_is_gone("")  # an actor that was never placed


@pytest.mark.parametrize(
    ("most", "settings", "count"),
    [
        (None, {}, 15),
        (3, {}, 3),  # engines, or licences
        (40, {}, 15),
        (3, {"actors": 8}, 3),
        (7, {"scenes_per_actor": 2}, 3),  # a worker holds two of them
        (1, {"scenes_per_actor": 2}, 1),
    ],
)
def test_no_more_workers_than_can_run_at_once(monkeypatch, most, settings, count):
    cluster(monkeypatch, {"CPU": 16})
    assert PoolSize(SimulateSettings(**settings), most).workers() == count
