"""What `imitate check simulator` says of a level whose manifest, or whose plugin, is not as it says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from imitation.common.contracts import Found
from sim_actors.simulators.conformance import labels, visibility
from sim_actors.simulators.conformance.bench import Bench
from sim_actors.simulators.registry import SimulatorSpec
from tests.sim_actors.simulators.unrealcv.fake_level import MANIFEST, World
from tests.sim_actors.simulators.unrealcv.fake_unreal import FakeUnreal

pytestmark = pytest.mark.slow


def judged(world: World, judge: Callable[[Bench], Found], folder: Path, change: tuple[str, str]) -> Found:
    text = Path(MANIFEST).read_text()
    assert change[0] in text
    (folder / "m.yaml").write_text(text.replace(*change, 1))
    with FakeUnreal(world) as server:
        options = {
            "manifest": str(folder / "m.yaml"),
            "endpoints": [server.endpoint],
            "warm_frames": 0,
            "stretch": 4,
        }
        bench = Bench(SimulatorSpec("unrealcv", options), ("car",))
        try:
            return judge(bench)
        finally:
            bench.simulator.close()


SIZE = "size: {length: 4.6, width: 1.8, height: 1.45}"


@pytest.mark.long
@pytest.mark.parametrize(
    ("judge", "change", "says"),
    [
        (labels.yaw, (SIZE, f"{SIZE}\n    turn: 90"), "a quarter turn off"),
        (
            labels.cuboids,
            (SIZE, f"{SIZE}\n    pivot: [0, 0, 0.7]"),
            "bottom is taken for its middle|meet their",
        ),
        (labels.cuboids, (SIZE, SIZE.replace("4.6", "2.2")), "whole boxes meet their cuboids with an IoU of"),
        (labels.distance, (SIZE, SIZE.replace("1.45", "0.7")), "times as high as their cuboids"),
    ],
)
def test_a_wrong_manifest_is_caught(tmp_path, judge, change, says):
    found = judged(World(), judge, tmp_path, change)
    assert found.wrong, found.text
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(found.text)
    assert not judged(World(), judge, tmp_path, (SIZE, SIZE)).wrong


class SeesOnlyWhatShows(World):
    """Its oneobjmask leaves out what others hide."""

    def one_object_mask(self, camera: str, kind: str, name: str) -> bytes:
        everything = list(self.things.values())
        shown = 255 * (self.ids(everything) == everything.index(self.thing(name)) + 1).astype(np.uint8)
        return self.encoded(np.repeat(shown[:, :, None], 3, axis=2))


def test_a_mask_of_what_shows_alone_is_caught(tmp_path):
    found = judged(SeesOnlyWhatShows(plus=True), visibility.hiding, tmp_path, (SIZE, SIZE))
    assert found.wrong, found.text
    assert "0% of the far one" in found.text
    assert not judged(World(plus=True), visibility.hiding, tmp_path, (SIZE, SIZE)).wrong
