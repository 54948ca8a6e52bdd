"""The trainings of a cycle: its detector, one for each fold of mining, and the baseline's twin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cluster.stages.context import RunContext
from cluster.stages.cycle import Detectors, twin_seed
from cluster.training.train_loop import TrainSpec, train_detector
from imitation.aggregation import Dataset, Part
from imitation.common import storage
from imitation.common.names import MAIN, TWIN, fold_name, train_stage
from imitation.datasets.parquet.files import read_frames
from imitation.detectors.settings import DetectorSettings
from imitation.diagnosis.settings import MiningSettings
from imitation.training.settings import TrainSettings


@dataclass(frozen=True)
class Training:
    """Trains for one run. `skip_bad`:
    another frame is drawn for one that cannot be read."""

    run: RunContext
    settings: TrainSettings
    detector: DetectorSettings
    mining: MiningSettings
    skip_bad: bool

    def train(self, dataset: Dataset, cycle: int, sim: Part | None, *, twin: bool, folds: bool) -> Detectors:
        """The cycle's detector; with `folds` one for each, for a frame is mined only by a detector that saw
        neither it nor what was re-staged from it. `sim`: frames to train on in place of all others."""
        main = self._train(dataset, cycle, MAIN, (), sim)
        second = self._train(dataset, cycle, TWIN, (), sim) if twin else None
        return Detectors(main, self.folds(dataset, cycle, sim) if folds else (), second)

    def folds(self, dataset: Dataset, cycle: int, sim: Part | None = None) -> tuple[str, ...]:
        """The detectors that mine in a cycle: trained in it, or in the last that trained any
        (`mining.folds_every`)."""
        held_out, trained = self.run.data.held_out, self.mining.trained_in(cycle)
        if trained < cycle:
            return tuple(self.run.path(trained, "detector", fold_name(k)) for k in range(len(held_out)))
        return tuple(self._train(dataset, cycle, fold_name(k), ids, sim) for k, ids in enumerate(held_out))

    def _train(
        self, dataset: Dataset, cycle: int, name: str, held_out: Sequence[str], sim: Part | None
    ) -> str:
        run, settings = self.run, self.settings
        output = run.path(cycle, "detector", name)
        steps = settings.steps_of(cycle)
        if held_out:
            steps = self.mining.steps_of_fold(settings.steps, cycle)
        settings = settings.model_copy(update={"steps": steps})
        before = self._before(cycle, name, fold=bool(held_out))
        spec = TrainSpec(
            output=output,
            categories=run.data.categories,
            detector=self.detector.sized(run.data.width, run.data.height),
            train=settings,
            real=(dataset.real.uri,) if sim is None else (),
            synthetic=tuple(part.uri for part in (dataset.synthetic if sim is None else (sim,))),
            repeats=_repeats(dataset),
            seed=self._seed(cycle, name, warm=before is not None),
            exclude=_unseen(dataset, held_out),
            initial=before,
            purpose=f"cycle {cycle}, {name}",
            skip_bad=self.skip_bad,
        )

        def work() -> dict[str, Any]:
            what = {MAIN: "", TWIN: " its twin of another seed"}.get(name, f" {name} for mining")
            with run.watch.training(f"cycle {cycle}: training{what}", cycle, name, settings) as progress:
                result = train_detector(spec, run.services.launcher(), progress)
            return {k: v for k, v in asdict(result).items() if k != "folder"}

        run.commit(cycle, train_stage(name), work)
        return output

    def _before(self, cycle: int, name: str, *, fold: bool) -> str | None:
        """The checkpoint that a warm start begins with; None: from scratch."""
        warm = self.settings.warm_start or (fold and self.mining.fold_start == "before")
        if not warm or cycle == 0:
            return None
        last = self.mining.trained_in(cycle - 1) if fold else cycle - 1
        return self.run.path(last, "detector", name)

    def _seed(self, cycle: int, name: str, *, warm: bool) -> int:
        """From scratch every cycle starts from the same weights, so that data alone differs; a warm start
        goes on, and must not see the same frames in the same order again."""
        if name == TWIN:
            return twin_seed(self.run.seed)
        if not warm:
            return self.run.seed
        return int(self.run.rng("train", cycle).integers(2**31))


def _unseen(dataset: Dataset, held_out: Sequence[str]) -> frozenset[str]:
    """What a fold's detector must not train on: its frames, and synthetic ones re-staged from them."""
    if not held_out:
        return frozenset()
    parents = set(held_out)
    children = {
        frame.frame_id
        for part in dataset.synthetic
        for frame in read_frames(part.uri, ("frame_id", "origin"))
        if frame.origin is not None and frame.origin.parent in parents
    }
    return frozenset(parents | children)


def _repeats(dataset: Dataset) -> dict[str, int]:
    """How many more times each real frame is trained on, of all cycles so far."""
    repeats = Counter[str]()
    for part in dataset.repeated:
        repeats.update(storage.read_json(part.uri)["repeats"])
    return dict(sorted(repeats.items()))
