"""Actors in a CARLA server's world: spawned far above it, and taken out again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imitation.common.settings import UserError
from sim_actors.simulators.carla.leases import OURS
from sim_actors.simulators.carla.town.geometry import Pose

SKY_M = 400.0
"""How far above everything a body is looked at alone, and kept until it is needed."""
_SPACING_M = 40.0  # between bodies that are kept there


class Actors:
    """What is spawned into a world by us."""

    def __init__(self, carla: Any, client: Any, world: Any, height: float = 2 * SKY_M) -> None:
        self._carla, self._client, self._world, self._height = carla, client, world, height

    def spawn(self, blueprints: Sequence[Any]) -> list[int]:
        """One actor of each, far above the town and without physics; their ids. Raises UserError where one
        cannot be spawned; none is there then."""
        tried = self.tried(blueprints)
        ids = [one for one in tried if isinstance(one, int)]
        for blueprint, one in zip(blueprints, tried):
            if isinstance(one, str):
                self.remove(ids)
                raise UserError(f"CARLA cannot spawn {blueprint.id}: {one}")
        return ids

    def tried(self, blueprints: Sequence[Any]) -> list[int | str]:
        """As `spawn`: the id of each that could be spawned, and why the others could not."""
        carla, command = self._carla, self._carla.command
        batch = []
        for index, blueprint in enumerate(blueprints):
            blueprint.set_attribute("role_name", OURS)
            at = carla.Location(x=_SPACING_M * (index % 16), y=_SPACING_M * (index // 16), z=self._height)
            still = command.SetSimulatePhysics(command.FutureActor, False)
            batch.append(command.SpawnActor(blueprint, carla.Transform(at)).then(still))
        answers = self._client.apply_batch_sync(batch, False)
        return [str(answer.error) if answer.error else int(answer.actor_id) for answer in answers]

    def known(self, ids: Sequence[int]) -> list[Any]:
        """The actors of these ids, in their order."""
        known = {int(actor.id): actor for actor in self._world.get_actors(list(ids))}
        if missing := [one for one in ids if one not in known]:
            raise UserError(f"CARLA spawned actors {missing} and does not know them")
        return [known[one] for one in ids]

    def remove(self, ids: Sequence[int]) -> None:
        """Takes actors out of the world."""
        if ids:
            destroy = self._carla.command.DestroyActor
            self._client.apply_batch_sync([destroy(one) for one in ids], False)


def transform(carla: Any, pose: Pose) -> Any:
    """A pose as CARLA's."""
    return carla.Transform(
        carla.Location(x=pose.x, y=pose.y, z=pose.z), carla.Rotation(pitch=pose.pitch, yaw=pose.yaw, roll=0.0)
    )
