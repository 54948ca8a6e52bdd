"""A level's manifest: what is wrong is told with file and line; which model stands for which actor."""

import re
from pathlib import Path

import pytest

from imitation.common.settings import UserError
from imitation.data.records import Cuboid
from sim_actors.scene.records import Actor, Environment
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.unrealcv.manifest import Manifest, Model, Sky, chosen, read_manifest
from sim_actors.simulators.unrealcv.settings import UnrealSettings
from tests.sim_actors.simulators.unrealcv.fake_level import MANIFEST
from tests.snippets import ROOT, all_blocks

CAR = """\
- category: car
    model: sedan
    spawn: BP_Sedan_C
    size: {length: 4.6, width: 1.8, height: 1.45}
"""


def written(folder: Path, text: str) -> str:
    (folder / "unreal.yaml").write_text(text)
    return str(folder / "unreal.yaml")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("actors: []\n", 1, "actors: .*at least 1 item"),
        ("place: {x: 0}\n", 1, "actors: this field is required"),
        (
            "actors:\n  - category: car\n    model: a b\n",
            3,
            r"actors\[0\].model: a name in Unreal is one word",
        ),
        ("actors:\n  - category: car\n    modell: sedan\n", 3, "no such field; did you mean 'model'"),
        (f"actors:\n  {CAR}    turn: 45\n", 6, r"actors\[0\].turn: .*found 45"),
        (f"actors:\n  {CAR}    path: /Game/Sedan\n", 2, "one of spawn .*, path .* and placed"),
        (f"actors:\n  {CAR}  {CAR}", 1, "car/sedan stands twice"),
        (f"weathers: [sunny]\nactors:\n  {CAR}", 1, r"weathers\[0\]: .*found 'sunny'"),
        (f"sky:\n  object: Sky\n  calls: ['Set {{our}}']\nactors:\n  {CAR}", 1, "filled in stands in braces"),
        (f"actors:\n  {CAR.replace('4.6', '460')}", 5, "size.length: .*less than 100, found 460"),
        ("actors: [\n", 2, "not valid YAML"),
        ("", 1, "valid dictionary"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, text, line, message):
    uri = written(tmp_path, text)
    with pytest.raises(UserError, match=message) as caught:
        read_manifest(uri)
    assert f"unreal.yaml:{line}: " in str(caught.value) or "line" in str(caught.value)


def test_a_missing_manifest_is_named_before_anything_starts():
    spec = SimulatorSpec("unrealcv", {"manifest": "no-such.yaml"})
    assert "no-such.yaml" in spec.ask("preflight")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "manifest: this field is required"),
        ({"manifest": MANIFEST, "endpoints": ["render-1"]}, "\"host:port\", such as .*, found 'render-1'"),
        ({"manifest": MANIFEST, "endpoints": ["a:1", "a:1"]}, "'a:1' stands twice"),
        ({"manifest": MANIFEST, "endpoints": []}, "at least 1 item"),
        ({"manifest": MANIFEST, "amodel": "move"}, "did you mean 'amodal'"),
    ],
)
def test_options_are_validated(options, message):
    with pytest.raises(UserError, match=message):
        SimulatorSpec("unrealcv", options).settings()


def test_the_catalog_is_the_manifests():
    assert SimulatorSpec("unrealcv", {"manifest": MANIFEST}).catalog() == {
        "car",
        "van",
        "truck",
        "pedestrian",
    }


def test_the_page_shows_the_stand_ins_manifest(tmp_path):
    (block,) = (b for b in all_blocks() if b.page == "unreal.md" and b.language == "yaml")
    assert read_manifest(written(tmp_path, block.text))[0] == read_manifest(MANIFEST)[0]


def test_the_page_names_every_field_and_option():
    text = (ROOT / "docs" / "unreal.md").read_text()
    named = re.findall(r"`(\w+)`", "".join(line for line in text.splitlines() if line.startswith("|")))
    options = set(UnrealSettings.model_fields)
    fields = {*Model.model_fields, *Manifest.model_fields} - {"actors"}
    assert options | fields <= set(named)


def test_the_model_of_the_nearest_proportions_is_chosen_and_placed_ones_run_out(tmp_path):
    limousine = (
        CAR.replace("sedan", "long").replace("spawn: BP_Sedan_C", "placed: [Limo_1]").replace("4.6", "6.0")
    )
    manifest, _ = read_manifest(written(tmp_path, f"actors:\n  {CAR}  {limousine}"))
    long, short = (Actor("Car", Cuboid(0, 0, 9, length, 1.8, 1.45, 0)) for length in (5.9, 4.4))
    huge = Actor("vehicle", Cuboid(0, 0, 9, 12.0, 1.8, 1.45, 0))
    named = Actor("car", short.cuboid, model="long")
    found = chosen(manifest, [long, short, long, named, huge, Actor("tram", short.cuboid)], 1.5)
    assert [each if isinstance(each, str) else each.model for each in found[:3]] == ["long", "sedan", "sedan"]
    assert found[3] == ".category: all placed actors of car/long are taken by others of this scene"
    assert "would be scaled by 2.00" in found[4]
    assert found[5] == ".category: the level has no 'tram'; it has car"


def test_the_sky_is_called_with_numbers_that_the_plugin_reads():
    sky = Sky(object="Sky", calls=("Sun {sun_yaw} {hour}", "Air {weather} {haze}"))
    light = Environment(hour=13.25, sun_azimuth=1.0, weather="fog", haze=0.00001)
    assert sky.commands(light, 350.0) == ["vbp Sky Sun 47.29578 13.25000", "vbp Sky Air fog 0.00001"]
