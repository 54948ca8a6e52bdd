"""`imitate export --to usd|glb`: scenes as files that other programs open."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.cli.common import config_of
from imitation.common import storage
from imitation.common.errors import UserError

if TYPE_CHECKING:
    from cluster.config.schema import Config
    from cluster.observability.console import Reporter
    from sim_actors.export.formats import SceneFormat
    from sim_actors.scene.records import Scene


def export_scenes(args: argparse.Namespace) -> None:
    """Writes the scenes of a scene file, of a requests file, of a run, or of frames that were rendered."""
    from cluster.observability.console import Reporter
    from imitation.common.wording import counted
    from sim_actors.export.content import Baker
    from sim_actors.export.formats import FORMATS
    from sim_actors.simulators.opengl.supported import problems

    form = FORMATS.load(args.to)
    form.need()
    if args.source is None:
        raise UserError(
            f"--to {args.to} writes scenes: name a scene (YAML or JSON), the requests.json of imitate mine, "
            "a run's folder, or Parquet frames that were rendered"
        )
    out = _target(args.out, form)
    config, reporter = _config(args), Reporter()
    total, scenes = _scenes(args, config, reporter)
    if out.suffix and total > 1:
        raise UserError(f"{args.source}: {total} scenes do not go into one file; give --out a folder")
    written: list[Path] = []
    done = 0
    try:
        with Baker(config.renderer) as baker, reporter.bar("exporting", total) as bar:
            for scene in scenes:
                if reasons := problems(scene):  # a run's own simulator may have staged what ours cannot
                    reporter.say(f"left out: scene {scene.scene_id!r}: {'; '.join(reasons)}")
                    continue
                file = out if out.suffix else _named(out, scene, form)
                storage.make_folder(str(file.parent))
                written += form.write(baker.content(scene), file)
                done += 1
                bar.update(done)
                if total == 1:
                    reporter.say(f"{file.name}: {_told(scene)}")
    except BaseException:  # half an export looks like a whole one
        for file in written:
            file.unlink(missing_ok=True)
        raise
    if not done:
        raise UserError(f"{args.source}: none of its scenes could be staged")
    print(out if out.suffix else f"{out}: {counted(done, 'scene')}")


def _target(out: str, form: type[SceneFormat]) -> Path:
    """The file or folder to write, which may not be there yet; a folder has no ending."""
    from imitation.datasets.export import refuse_used

    if not storage.is_local(out):
        raise UserError(f"--out {out}: scenes are written to a local folder; copy them from there")
    path = Path(out)
    if path.suffix and path.suffix.lower() not in form.endings:
        known = ", ".join(form.endings)
        raise UserError(f"--out {out}: a file of this format ends in {known}; a folder has no ending")
    if not path.suffix:
        refuse_used(out)
    elif path.exists():
        raise UserError(f"--out {out}: is there already; delete it, or name another")
    return path


def _named(folder: Path, scene: Scene, form: type[SceneFormat]) -> Path:
    """The file of a scene in a folder. Raises UserError for an id that leads elsewhere."""
    name = Path(f"{scene.scene_id}{form.endings[0]}")
    if name.is_absolute() or ".." in name.parts:
        raise UserError(f"scene {scene.scene_id!r}: its id leads out of the folder; it cannot name a file")
    return folder / name


def _config(args: argparse.Namespace) -> Config:
    """The settings, with the bodies that a run had where they say nothing else."""
    from cluster.simulation.recorded_scenes import bodies_of_run, is_run

    config = config_of(args)
    if config.renderer.bodies is None and storage.is_folder(args.source) and is_run(args.source):
        own = config.renderer.model_copy(update={"bodies": bodies_of_run(args.source)})
        return config.model_copy(update={"renderer": own})
    return config


def _scenes(args: argparse.Namespace, config: Config, reporter: Reporter) -> tuple[int, Iterator[Scene]]:
    """How many scenes a source has, and they."""
    from cluster.config.simulator import simulator_spec
    from sim_actors.simulators.registry import EMBEDDED
    from sim_actors.staging.scene_file import load_scene

    simulator_spec(config, EMBEDDED).catalog()  # reads bodies of one's own: scenes by hand may name them
    suffix = Path(args.source).suffix.lower()
    if suffix == ".json" and "requests" in storage.read_json(args.source):
        from cluster.simulation.requests_file import requested_jobs

        total, jobs = requested_jobs(args.source, config, args.count, reporter)
        return total, (job.scene for _, job in jobs)
    if suffix in (".yaml", ".yml", ".json"):
        return 1, iter([load_scene(args.source)])
    return _recorded(args, config)


def _recorded(args: argparse.Namespace, config: Config) -> tuple[int, Iterator[Scene]]:
    """The scenes of a run's frames, or of Parquet frames."""
    from cluster.simulation.recorded_scenes import is_run, photos_of_run, places_of, recorded, with_photo

    scenes = [
        replace(scene, scene_id=name) for name, scene in islice(recorded(places_of(args.source)), args.count)
    ]
    if not scenes:
        raise UserError(f"{args.source}: no frame of it was rendered, so there is no scene to export")
    wanted = {scene.backdrop.frame_id for scene in scenes if scene.backdrop is not None}
    where = args.source
    if not wanted:
        return len(scenes), iter(scenes)
    if is_run(args.source):
        found = photos_of_run(args.source, wanted)
    elif config.data.root:
        from imitation.datasets.base import frames_of

        where = config.data.root
        found = frames_of(config.data.open().undivide(), ("train", "mine"), None, wanted)
    else:
        raise UserError(
            f"{args.source}: its scenes are set into photos; name the dataset that has them "
            "(data.kind=kitti data.root=FOLDER)"
        )
    photos = {frame.frame_id: frame for frame in found}
    return len(scenes), (with_photo(scene, photos, where) for scene in scenes)


def _told(scene: Scene) -> str:
    """What a scene holds, in a few words."""
    from imitation.common.wording import counted

    where = "" if scene.backdrop is None else f", in the photo of frame {scene.backdrop.frame_id}"
    return f"{counted(len(scene.actors), 'actor')}, {counted(len(scene.props), 'prop')}{where}"
