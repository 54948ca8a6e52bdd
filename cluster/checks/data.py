"""The data: its splits, the first labels of each, and what of them can be staged.

`imitate inspect` reads a dataset through; this looks at its beginning. Both ask here what a run would refuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from cluster.config.schema import Config
from cluster.data.stageable import Feasible, Labels, Teller, feasible, look
from imitation.aggregation import check_budgets
from imitation.common.contracts import Contract, Finding, Found, Step, carried_out
from imitation.common.settings import DataError, UserError
from imitation.data.categories import CategoryMap
from imitation.data.images import load_frame_image
from imitation.data.splits import folds
from imitation.datasets.category_map import categories_of
from imitation.datasets.inspection.demands import USED
from imitation.datasets.inspection.statistics import Inspection, problem_of

ABOUT = "data"
FRAMES = 50  # of each split


def findings(config: Config) -> Iterator[Finding]:
    """Looks at the dataset that the configuration names."""
    yield from carried_out(ABOUT, contract(config))


def contract(config: Config) -> Contract:
    """What is tried."""
    data = config.data
    if data.is_stand_in:
        world = config.world
        yield Step("the embedded stand-in world")
        yield Found(f"{world.train} train, {world.val} val, {world.test} test frames are rendered for a run")
        return
    yield Step(f"listing the frames of {data.root}")
    dataset = data.open()
    splits = dataset.splits()
    sizes = ", ".join(f"{len(names):,} {split}" for split, names in splits.items())
    yield Found(f"{sizes}. {dataset.note()}")
    for split in USED:
        yield Step(f"the first {FRAMES} labels of {split}, and an image")
        frames = list(islice(dataset.frames(split, names=splits[split][:FRAMES]), FRAMES))
        if frames and data.verify_images:
            load_frame_image(frames[0])
        yield Found(f"{len(frames)} frames, {sum(len(frame.objects) for frame in frames)} objects")
    yield Step("the detector's categories")
    staging = look(config, dataset)
    if staging is None:
        raise UserError(f"{dataset.root}: the first frames of train have no object to learn from")
    categories = categories_of(data, dataset.frames("train", lambda problem: None, splits["train"][:FRAMES]))
    yield Found(f"{', '.join(categories.categories)}, by those frames; imitate inspect reads all of them")
    yield Step("what of it can be staged")
    if why := refused_staging(config, staging):
        raise why
    for sentence in staging.sentences():
        yield Found(sentence, note=sentence.startswith("cannot"))


def staging_of(config: Config, inspection: Inspection, categories: CategoryMap) -> Feasible:
    """What can be staged of an inspected dataset's training frames."""
    parts = USED["train"]
    counts = {
        name: count
        for name, category in inspection.categories.items()
        if (count := sum(category.objects[part] for part in parts))
    }
    frames = sum(inspection.splits[part].frames for part in parts if part in inspection.splits)
    cuboids, cameras = (
        sum(count[part] for part in parts) for count in (inspection.cuboids, inspection.with_camera)
    )
    return feasible(config, categories, Labels(counts, cuboids, frames, cameras))


def refused_staging(config: Config, staging: Feasible) -> UserError | None:
    """What a run says where nothing can be staged; None where it goes on, or stages nothing anyway."""
    try:
        Teller(config, lambda sentence: None)(staging, True)
    except UserError as error:
        return error
    return None


def refusals(
    config: Config, inspection: Inspection, mined: list[str], categories: CategoryMap | None
) -> list[DataError]:
    """What a run of these settings refuses beyond `run_problems`: too few groups to mine in, budgets beyond
    the cap, nothing that can be staged. `mined` are the frames of the dataset's split `mine`."""
    problems: list[UserError] = []
    if config.loop.cycles:
        ids = sorted(set(mined) & inspection.learnt.keys())
        try:
            folds(ids, [inspection.learnt[i] for i in ids], config.mining.folds, config.run.seed)
        except UserError as error:
            problems.append(UserError(f"mining.folds: {error}"))
    train = sum(inspection.splits[part].frames for part in USED["train"] if part in inspection.splits)
    try:
        check_budgets(config.aggregation.budgets or (), config.aggregation, train)
    except UserError as error:
        problems.append(error)
    if categories is not None:
        try:
            why = refused_staging(config, staging_of(config, inspection, categories))
        except UserError as error:  # bodies that cannot be read
            why = error
        problems += [why] if why else []
    return [problem_of(problem, inspection.root) for problem in problems]
