"""Bodies of one's own: the manifest and every file that it names."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.config.schema import Config
from cluster.config.simulator import each_apart, own_section
from imitation.common.contracts import Contract, Finding, Found, Step, carried_out
from sim_actors.scene.category_words import canonical

ABOUT = "bodies"


def findings(config: Config) -> Iterator[Finding]:
    """Reads the manifest that `renderer.bodies` names, and its files."""
    yield from carried_out(ABOUT, contract(config))


def contract(config: Config) -> Contract:
    """What is tried."""
    users = [apart for apart in each_apart(config).values() if own_section(apart) is apart.renderer]
    uri = next((apart.renderer.bodies for apart in users if apart.renderer.bodies), config.renderer.bodies)
    if uri is None:
        yield Step("bodies of your own")
        yield Found("none: renderer.bodies is null")
        return
    from sim_actors.simulators.opengl.assets.user_bodies import install, load_manifest

    yield Step(f"reading {uri}")
    manifest = load_manifest(uri)
    yield Found(f"{len(manifest.bodies)} bodies")
    yield Step("reading the files that it names")
    family = install(uri)
    for category in dict.fromkeys(entry.category for entry in manifest.bodies):
        yield Found(f"{category}: {', '.join(family.bodies[canonical(category)])}")
    if not users:
        yield Found(f"simulate.simulator is {config.simulate.title!r}, which does not use them", note=True)
