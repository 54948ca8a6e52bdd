"""What of the pages is not run as it stands, and why: the lists of test_docs.py."""

ELSEWHERE = "another test runs it: "
CLUSTER = "needs a cluster, a bucket or a cloud; parsed here. " + ELSEWHERE + "test_submit.py, test_jobs.py"
LONG = "takes minutes with any settings; parsed here. " + ELSEWHERE
SWEEP, ARMS = LONG + "sweep/test_tune.py", LONG + "compare/test_command.py"
OWN_FRAMES = "needs the 101 frames of KITTI that are not part of the project; parsed here"
SERVER = "needs a server or an account; parsed here. " + ELSEWHERE + "test_trackers.py"
TRIED = "trains a network for a step; parsed here. " + ELSEWHERE + "test_adding_a_part, checks/test_checks.py"
SAME_RUN = "a run like the one that is run here, with other settings; parsed here"

PIPED = [
    f'imitate check simulator simulate.simulator=command "simulate.options={{command: [{words}]}}"'
    for words in ("python, pipe_boxes.py", "node, pipe_boxes.js")
] + [
    "imitate render --random --count 4 --out mixed "
    '"simulate.simulator=[{name: opengl, weight: 0.8}, {name: command, label: boxes, weight: 0.2, '
    'options: {command: [python, pipe_boxes.py]}}]"'
]
TRACED = (
    "imitate setup blender",
    "imitate check simulator blender",
    "imitate render --random --count 8 --out traced simulate.simulator=blender",
    'imitate run ray_config.yaml simulate.simulator=blender "simulate.options={samples: 4}"',
)
UNREAL = 'simulate.simulator=unrealcv "simulate.options={manifest: unreal.yaml'
UNREALS = (
    f'imitate check simulator {UNREAL}}}"',
    f'imitate render --random --count 4 --out unreal-look {UNREAL}}}"',
    f'imitate run ray_config.yaml {UNREAL}}}" simulate.actors=1',
    f"imitate run ray_config.yaml {UNREAL}, endpoints: ['render-1:9000', 'render-1:9001', "
    "'render-2:9000']}\" simulate.actors=3",
)
CARLAS = (
    "imitate check simulator simulate.simulator=carla \"simulate.options={endpoints: ['127.0.0.1:2000']}\"",
    "imitate render --random --count 4 --out carla-look simulate.simulator=carla",
    "imitate run ray_config.yaml simulate.simulator=carla simulate.actors=1",
)
SUITES = (
    "imitate suite add cases runs/default",
    "imitate suite run cases runs/default",
    "imitate suite show cases",
    "imitate suite run cases runs/default/cycle-000/detector/main --name baseline",
    "imitate suite run cases runs/default --against baseline",
    "imitate suite run cases runs/default/best --name release-7",
    "imitate suite run cases found.json --against release-7 --fail-on-regression",
)
PROBES = (
    "imitate probe runs/default",
    "imitate probe runs/default --mode cyclist",
    "imitate probe runs/default --mode cyclist --failures 40",
    "imitate probe runs/default --cycle 1 --failures 40",
    "imitate probe runs/default --factor my_factor:dry_road --factor clear",
)
MATCHES = (
    "imitate compare --from-matches runs/comparison --out again",
    "imitate compare --from-matches runs/part-0 runs/part-1 runs/part-3 --out whole",
)
AUDITS = (
    "imitate audit runs/default",
    "imitate audit runs/default --tasks 50 --out tasks --to cvat",
    "imitate audit apply tasks corrected.xml --out corrected --to coco",
)
ADVICE = ("imitate advise runs/default --label-cost 0.05 --frame-cost 0.5 --gpu-hour 2",)
NOT_RUN = {
    "imitate submit ray_config.yaml run.storage=s3://bucket/runs": CLUSTER,
    "imitate submit ray_config.yaml run.storage=/shared/runs run.name=kitti data.kind=kitti "
    "data.root=/shared/kitti": CLUSTER,
    "imitate submit --address http://HEAD:8265 ray_config.yaml run.storage=s3://bucket/runs": CLUSTER,
    "imitate submit --address http://127.0.0.1:8265 ray_config.yaml run.storage=/shared/runs": CLUSTER,
    "imitate submit --address http://127.0.0.1:8265 ray_config.yaml run.storage=s3://bucket/runs": CLUSTER,
    "imitate sweep ray_config.yaml "
    '"sweep.space={aggregation.max_synthetic_ratio: {choice: [0.25, 0.5, 1.0]}}"': SWEEP,
    "imitate sweep ray_config.yaml sweep.name=ratio loop.cycles=4 "
    '"sweep.space.aggregation.max_synthetic_ratio={choice: [0.25, 0.5, 1.0]}" '
    '"sweep.space.policy.name={grid: [imitation, random]}"': SWEEP,
    'imitate compare ray_config.yaml "compare.arms=[real, random, imitation]" compare.seeds=3': ARMS,
    "imitate compare ray_config.yaml": ARMS,
    "imitate compare my.yaml compare.folds=3": ARMS,
    'imitate compare my.yaml loop.cycles=1 "compare.budgets=[0.125, 0.25, 0.5, 1, 2]"': ARMS,
    'imitate compare my.yaml "compare.seeds=[3]" compare.name=part-3': ARMS,
    **dict.fromkeys(SUITES, ELSEWHERE + "cluster/probing/test_suite.py, on toys and on a whole run"),
    **dict.fromkeys(PROBES, ELSEWHERE + "cluster/probing/test_probe.py, on toys and on a whole run"),
    **dict.fromkeys(MATCHES, ELSEWHERE + "compare/test_whole.py"),
    **dict.fromkeys(CARLAS, "needs CARLA; parsed here. " + ELSEWHERE + "test_carla_simulator.py"),
    "imitate compare my.yaml compare.folds=4 compare.use_folds=[0,1] compare.name=choosing": ARMS,
    "imitate compare my.yaml compare.folds=4 compare.use_folds=[2,3] compare.name=report": ARMS,
    "imitate compare --record runs/comparison --out record.md": ELSEWHERE + "compare/test_command.py",
    "imitate compare docs/records/kitti101.yaml data.root=KITTI101": OWN_FRAMES,
    "imitate compare docs/records/kitti101-rare.yaml data.root=KITTI101": OWN_FRAMES,
    "imitate compare docs/records/world.yaml": ARMS,
    "imitate run ray_config.yaml data.kind=kitti data.root=KITTI101": OWN_FRAMES,
    "imitate run ray_config.yaml tracking.mlflow=http://mlflow.example:5000": SERVER,
    "imitate run ray_config.yaml tracking.mlflow=/data/mlruns": SERVER,
    "imitate run ray_config.yaml tracking.wandb=my-team/detectors": SERVER,
    "imitate run ray_config.yaml data.kind=kitti data.root=/data/kitti": SAME_RUN,
    "imitate run ray_config.yaml data.kind=coco data.root=/data/coco": SAME_RUN,
    "imitate run ray_config.yaml data.kind=parquet data.root=/data/mine": SAME_RUN,
    "imitate run ray_config.yaml data.kind=my_dataset:Street data.root=/data/boxes run.name=boxes": SAME_RUN,
    "imitate run ray_config.yaml restage.backdrops=0.5": SAME_RUN,
    'imitate run ray_config.yaml "tracking.trackers={my_tracker:Table: {file: all-runs.csv}}"': ELSEWHERE
    + "trackers/test_own_tracker.py",
    "imitate runs": ELSEWHERE + "inventory/test_entries.py",
    "imitate runs s3://bucket/runs --json": CLUSTER,
    "imitate ui": ELSEWHERE + "ui/test_app.py, ui/test_browser.py",
    "imitate ui s3://bucket/runs --port 8400": CLUSTER,
    "imitate runs rerender runs/default FRAME --out again.png": ELSEWHERE + "inventory/test_rerender.py",
    "imitate runs clean": ELSEWHERE + "inventory/test_cleaning.py",
    "imitate runs clean runs/default --yes": ELSEWHERE + "inventory/test_cleaning.py",
    "imitate compare runs/one runs/other": ELSEWHERE + "cli/commands/decide/test_compare.py",
    "imitate power runs/default --effect 2": ELSEWHERE + "cli/commands/decide/test_power.py",
    **dict.fromkeys(AUDITS, ELSEWHERE + "cli/commands/look/test_audit.py"),
    **dict.fromkeys(ADVICE, ELSEWHERE + "cli/commands/decide/test_advise.py"),
    **dict.fromkeys(PIPED, "test_examples.py runs them"),
    "imitate check machine": ELSEWHERE + "checks/test_machine.py",
    "imitate check machine my.yaml --json": ELSEWHERE + "checks/test_machine.py",
    **dict.fromkeys(UNREALS, "needs Unreal; test_unreal_loop.py runs them on what stands in for it"),
    **dict.fromkeys(TRACED, "needs Blender; tests/sim_actors/simulators/blender has one, or a fake"),
    "imitate check detector simulator ray_config.yaml detector.name=my_detector:detector": TRIED,
    "imitate render --requests near/requests.json --out near-frames": "the README's chain does the same",
    "imitate compare ray_config.yaml compare.primary.measure=my_metric:near_recall --dry-run": ELSEWHERE
    + "experiments/compare/test_command.py",
}  # fmt: skip
"""Command lines of `imitate` that are parsed and whose configuration is checked, but that do not run."""

ONE_RUN = (
    "imitate run ray_config.yaml data.root=/data/kitti run.name=kitti",
    "imitate run ray_config.yaml detector.name=my_detector:detector",
    "imitate run ray_config.yaml simulate.simulator=examples.simulator:Boxes "
    '"simulate.options={sky: [90, 130, 200]}"',
    "imitate run ray_config.yaml policy.name=my_policy:NearFirst",
    "imitate run ray_config.yaml loop.metric=my_metric:near_recall",
    "imitate run ray_config.yaml evaluate.operating_threshold=per_category",
)
"""These are run as one, with all their settings: everything of one's own on one's own data."""

OTHER_PROGRAMS = {
    "make run": "a target of the Makefile",
    "make test": "a target of the Makefile",
    "make setup": "a target of the Makefile",
    "pip install": "installs",
    "tensorboard": "a server; test_trackers.py reads what it would show",
    "ray start": "starts a cluster; test_jobs.py does",
    "ray job submit": "needs a cluster; test_jobs.py does it",
    "ray get-auth-token": "needs a cluster; test_jobs.py does it",
    "ray up": "needs a cloud; test_deploy.py checks its file",
    "ray dashboard": "needs a cloud",
    "sudo iptables": "closes a port of this machine",
    "ssh -N": "needs another machine",
    "docker build": "needs Docker; test_deploy.py checks its file",
    "docker tag": "needs Docker and a registry",
    "docker push": "needs Docker and a registry",
    "kubectl": "needs Kubernetes; test_deploy.py checks the files",
    "export RAY_AUTH_MODE": "needs Kubernetes",
    "python examples/classifier.py": "test_examples.py runs it",
    "python -m benchmarks.": "takes minutes to hours; the tests of the benchmarks' parts are elsewhere",
    "python benchmarks/": "takes minutes to hours",
}
"""How command lines of other programs begin, and why they are not run here."""

TEXTS = {
    "architecture.md": ["flowchart"],
    "carla.md": ["./CarlaUE4.sh"],
    "README.md": ["┌──"],
    "comparing.md": ["compare:", "compare.arms=", "data.splits.", "**Detector gate", "To see a difference"],
    "guide.md": ["runs/default/", "pedestrian, missed", "standin-train"],
    "method.md": ["π* =", "D_0 =", "q_m ~", "P(p_m"],
    "scene.md": [" camera axes"],
    "simulator.md": ["→ "],
    "probe.md": ["default, cycle 1, mine"],
    "suite.md": ["cases/", "runs/default on cases"],
    "observing.md": ["cycle 0:", "  cycle 0:", "sum by", "cycle 1:"],
    "sweeps.md": ["runs/kitti-ratio/"],
}
"""How blocks begin that are neither code nor commands: drawings, formulas, folders, output."""

TINY = [
    "world.train=12", "world.val=6", "world.test=6", "world.width=160", "world.height=64",
    "detector.max_width=160", "train.steps=3", "train.batch_size=2", "train.warmup=1", "loop.cycles=1",
    "loop.twin=false", "aggregation.synthetic_per_cycle=0.25", "simulate.actors=1", "report.gallery=1",
    "renderer.supersampling=1",
]  # fmt: skip
NEEDS_RUN = ("runs/default", "model.onnx")
