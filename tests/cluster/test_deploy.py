"""deploy/ as far as one machine can tell: it parses, keeps to the schemas, and all that it names is there.
No Kubernetes, no cloud and no container engine is at hand: docs/clusters.md says what was never run."""

import argparse
import copy
import re
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.cli.arguments import parser, split_options
from cluster.cli.registry import COMMANDS
from cluster.config.parse import load
from cluster.run.storage_checks import check_lasting

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
RAY_JOB, RAY_CLUSTER = DEPLOY / "kuberay/rayjob.yaml", DEPLOY / "kuberay/raycluster.yaml"
DATA, STORAGE = DEPLOY / "kuberay/data.yaml", DEPLOY / "kuberay/storage.yaml"
IMAGE_HOME = "/home/ray/imitation"

# Fields by KubeRay's API reference (ray.io/v1, 1.5): what it does not know, the API server drops in silence.
CLUSTER = "rayVersion authOptions enableInTreeAutoscaling autoscalerOptions headGroupSpec workerGroupSpecs"
AUTOSCALER = (
    "resources image imagePullPolicy securityContext idleTimeoutSeconds upscalingMode version env envFrom "
    "volumeMounts"
)
HEAD = "template headService enableIngress rayStartParams serviceType"
WORKERS = "groupName replicas minReplicas maxReplicas numOfHosts idleTimeoutSeconds rayStartParams template"
JOB = (
    "activeDeadlineSeconds backoffLimit rayClusterSpec submitterPodTemplate metadata clusterSelector suspend "
    "submitterConfig managedBy runtimeEnvYAML jobId submissionMode entrypointResources entrypointNumCpus "
    "entrypointNumGpus entrypoint ttlSecondsAfterFinished shutdownAfterJobFinishes"
)


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def spec_of(path: Path) -> dict[str, Any]:
    """The RayClusterSpec in a manifest."""
    (manifest,) = documents(path)
    return manifest["spec"].get("rayClusterSpec", manifest["spec"])


def commands(path: Path) -> list[list[str]]:
    """The commands of this project in a file, comments and entry points alike, without the program's name."""
    text = path.read_text(encoding="utf-8")
    lines = [line.lstrip("# ").partition(" &")[0] for line in text.splitlines()]
    found = [line.partition("imitate ")[2] for line in lines if re.match(r"(\w+=\w+ )*imitate ", line)]
    if path == RAY_JOB:
        entrypoint = documents(path)[0]["spec"]["entrypoint"]
        assert entrypoint.startswith("python -m cluster ")
        found.append(entrypoint.removeprefix("python -m cluster "))
    return [shlex.split(command) for command in found]


def check_command(words: list[str]) -> None:
    """Parses; its configuration file is there, and the settings are valid and last."""
    flags, options = split_options(words)
    args = parser().parse_args(flags)
    assert args.command in COMMANDS
    config = args.words[0] if args.command == "submit" else args.config
    path = Path(config.replace(IMAGE_HOME, str(ROOT)))
    check_lasting(load(path if path.is_absolute() else ROOT / path, options))


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("*.yaml")), ids=lambda path: path.name)
def test_every_command_in_deploy_would_be_accepted(path):
    assert documents(path)
    for words in commands(path):
        check_command(words)


def test_the_check_of_commands_sees_mistakes():
    assert sum(len(commands(path)) for path in DEPLOY.rglob("*.yaml")) >= 3
    with pytest.raises(Exception, match=r"the nearest is 'train\.steps'"):
        check_command(["run", "ray_config.yaml", "run.storage=/shared/runs", "train.step=1"])
    with pytest.raises(Exception, match="temporary copy"):
        check_command(["run", "ray_config.yaml"])
    with pytest.raises(SystemExit):
        check_command(["submit", "--adress", "http://x", "ray_config.yaml"])


@pytest.mark.parametrize("path", [RAY_JOB, RAY_CLUSTER], ids=lambda path: path.name)
def test_kuberay_manifests_have_the_fields_of_its_api(path):
    (manifest,) = documents(path)
    assert manifest["apiVersion"] == "ray.io/v1"
    assert manifest["kind"] == {RAY_JOB: "RayJob", RAY_CLUSTER: "RayCluster"}[path]
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", manifest["metadata"]["name"])
    if path == RAY_JOB:
        assert manifest["spec"].keys() <= set(JOB.split())
        env = yaml.safe_load(manifest["spec"]["runtimeEnvYAML"])
        assert env.keys() == {"env_vars"}
        assert all(isinstance(value, str) for value in env["env_vars"].values())
    spec = spec_of(path)
    assert spec.keys() <= set(CLUSTER.split())
    assert spec["rayVersion"] == version("ray") == pinned("ray")
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["autoscalerOptions"].keys() <= set(AUTOSCALER.split())
    assert spec["headGroupSpec"].keys() <= set(HEAD.split())
    groups = {group["groupName"]: group for group in spec["workerGroupSpecs"]}
    assert groups.keys() == {"simulators", "training"}
    for group in groups.values():
        assert group.keys() <= set(WORKERS.split())
        assert 0 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    assert groups["training"]["minReplicas"] == groups["training"]["replicas"] == 0, (
        "GPUs that are used alone"
    )
    assert groups["simulators"]["minReplicas"] < groups["simulators"]["maxReplicas"]
    assert spec["autoscalerOptions"]["idleTimeoutSeconds"] > 0
    gpus = {
        name: container(group)["resources"]["limits"].get("nvidia.com/gpu") for name, group in groups.items()
    }
    assert gpus == {"simulators": None, "training": "1"}
    for group in (spec["headGroupSpec"], *groups.values()):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        assert {f"--{name}" for name in group["rayStartParams"]} <= ray_start_options()
        check_pod(group["template"]["spec"], path)


def container(group: dict[str, Any]) -> dict[str, Any]:
    (only,) = group["template"]["spec"]["containers"]
    return only


def check_pod(pod: dict[str, Any], path: Path) -> None:
    """One container of the image of deploy/Dockerfile, not root; its mounts are there, and all that the entry
    point names lies in the image or on a mount."""
    (only,) = pod["containers"]
    assert only["image"] == image()
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert f"--uid {pod['securityContext']['runAsUser']} " in (DEPLOY / "Dockerfile").read_text()
    limits, requests = only["resources"]["limits"], only["resources"]["requests"]
    assert limits["memory"] == requests["memory"], "Ray takes the limit for what there is"
    assert limits.get("nvidia.com/gpu") == requests.get("nvidia.com/gpu")
    assert float(requests["cpu"]) <= 7, "of a node's 8 CPUs Kubernetes keeps some for itself"
    assert int(requests["memory"].removesuffix("Gi")) in (12, 26), "of 16 and 32 GiB as well"
    volumes = {volume["name"]: volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in only["volumeMounts"]}
    assert mounts.keys() == volumes.keys()
    (claim,) = documents(STORAGE)
    assert set(volumes.values()) == {claim["metadata"]["name"]}
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["spec"]["storageClassName"], "a cluster's default is mostly a disk of one node"
    for words in commands(path):
        for place in re.findall(r"(?:^|=)(/[^\s:]+)", "\n".join(words), re.MULTILINE):
            assert place.startswith((IMAGE_HOME, *mounts.values())), f"{place} is on no node"


def pods(path: Path) -> dict[str, dict[str, Any]]:
    """Every PodSpec in a manifest, by where it stands."""
    found: dict[str, dict[str, Any]] = {}

    def look(value: Any, where: str) -> None:
        if isinstance(value, dict):
            if "containers" in value:
                found[where] = value
            for name, inner in value.items():
                look(inner, f"{where}.{name}")
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                look(inner, f"{where}[{number}]")

    for document in documents(path):
        look(document, document["kind"])
    return found


def unrestricted(pod: dict[str, Any]) -> list[str]:
    """What Kubernetes' Pod Security Standard "restricted" has against a PodSpec, by its published list."""
    problems = []
    of_pod = pod.get("securityContext", {})
    problems += [f"{name}: true" for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    volumes = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
    }
    for volume in pod.get("volumes", []):
        kinds = volume.keys() - {"name"} - volumes - {"secret"}
        problems += [f"volume of kind {kind}" for kind in sorted(kinds)]
    for only in (*pod["containers"], *pod.get("initContainers", [])):
        own = only.get("securityContext", {})
        either = of_pod | own
        if either.get("runAsNonRoot") is not True:
            problems.append("runAsNonRoot is not true")
        if either.get("runAsUser", 1) == 0:
            problems.append("runAsUser is 0")
        if either.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            problems.append("no seccompProfile")
        if own.get("allowPrivilegeEscalation") is not False:
            problems.append("allowPrivilegeEscalation is not false")
        if own.get("capabilities", {}).get("drop") != ["ALL"]:
            problems.append("capabilities are not dropped")
        if set(own.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}:
            problems.append("capabilities are added")
        if own.get("privileged"):
            problems.append("privileged")
        problems += ["hostPort" for port in only.get("ports", []) if port.get("hostPort")]
    return problems


@pytest.mark.parametrize(
    ("path", "count"), [(RAY_JOB, 4), (RAY_CLUSTER, 3), (DATA, 1)], ids=lambda x: str(x)[-12:]
)
def test_every_pod_meets_the_restricted_profile(path, count):
    """Those of KubeRay's own making too: the submitter has a template, the autoscaler a context."""
    found = pods(path)
    assert len(found) == count, sorted(found)
    assert {where: unrestricted(pod) for where, pod in found.items() if unrestricted(pod)} == {}
    if path != DATA:
        sidecar = spec_of(path)["autoscalerOptions"]["securityContext"]
        head = spec_of(path)["headGroupSpec"]["template"]["spec"]
        assert unrestricted(head | {"containers": [{"securityContext": sidecar}]}) == []
    if path == RAY_JOB:
        assert found["RayJob.spec.submitterPodTemplate.spec"]["restartPolicy"] == "Never"


def test_the_check_of_the_restricted_profile_sees_what_it_refuses():
    (pod,) = pods(DATA).values()
    for change, problem in (
        ({"securityContext": {}}, "runAsNonRoot is not true"),
        ({"hostNetwork": True}, "hostNetwork: true"),
        ({"volumes": [{"name": "x", "hostPath": {"path": "/"}}]}, "volume of kind hostPath"),
        ({"containers": [{}]}, "allowPrivilegeEscalation is not false"),
        ({"containers": [{}]}, "capabilities are not dropped"),
    ):
        assert problem in unrestricted(pod | change)


@pytest.mark.parametrize("path", [RAY_JOB, RAY_CLUSTER, DATA, STORAGE], ids=lambda path: path.name)
def test_what_is_kubernetes_own_keeps_to_its_published_schema(path):
    """Pods and claims, strictly: a misspelt field is refused. KubeRay's own fields are checked above."""
    validator = pytest.importorskip("kubernetes_validate")
    latest = validator.latest_version()
    whole = [document for document in documents(path) if document["apiVersion"] == "v1"]
    for pod in pods(path).values():
        whole.append({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod})
    assert whole
    for document in whole:
        validator.validate(document, latest, strict=True)
    wrong = copy.deepcopy(whole[0])
    wrong["spec"]["storageClass"] = "fast"
    with pytest.raises(validator.ValidationError, match="storageClass"):
        validator.validate(wrong, latest, strict=True)


def test_head_and_workers_of_both_manifests_are_the_same_cluster():
    assert spec_of(RAY_JOB) == spec_of(RAY_CLUSTER)


def test_the_cluster_launchers_file_keeps_to_rays_schema():
    from ray.autoscaler._private.util import prepare_config, validate_config

    (config,) = documents(DEPLOY / "ray-up.yaml")
    whole = prepare_config(copy.deepcopy(config))
    validate_config(whole)
    types = config["available_node_types"]
    assert config["head_node_type"] in types
    assert types["training"]["resources"]["GPU"] == 1
    assert "GPU" not in types["simulators"]["resources"]
    assert config["docker"]["image"] == image()
    for command in (*config["head_start_ray_commands"], *config["worker_start_ray_commands"]):
        assert set(re.findall(r"--[a-z-]+", command)) <= ray_start_options()
    with pytest.raises(Exception, match="no_such_key"):
        validate_config(whole | {"no_such_key": 1})


def ray_start_options() -> set[str]:
    """The options of `ray start`."""
    from ray.scripts.scripts import start

    return {option for parameter in start.params for option in parameter.opts}


def image() -> str:
    """The name that the Dockerfile says to build."""
    match = re.search(r"-t (\S+) \.", (DEPLOY / "Dockerfile").read_text())
    assert match is not None
    return match[1]


def pinned(package: str) -> str:
    match = re.search(rf"^{package}==(\S+)", (ROOT / "requirements/run.txt").read_text(), re.MULTILINE)
    assert match is not None
    return match[1]


def test_the_dockerfile_copies_what_is_there_and_all_that_is_needed():
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    instructions = re.sub(r"\\\n", " ", text)
    sources = [
        source
        for line in re.findall(r"^COPY (.+)$", instructions, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert all((ROOT / source).exists() for source in sources)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert not set(sources) & set(ignored)
    assert {"imitation", "sim_actors", "cluster", "pyproject.toml", "ray_config.yaml"} <= set(sources)
    for package in ("libegl1", "libgl1-mesa-dri"):
        assert package in instructions
    assert "NVIDIA_DRIVER_CAPABILITIES=graphics,compute,utility" in instructions
    assert "NVIDIA_VISIBLE_DEVICES" not in instructions, "it would give GPUs to pods that ask for none"
    users = re.findall(r"^USER (\S+)", instructions, re.MULTILINE)
    assert users
    assert users[-1] != "root"
    home = re.search(r"^WORKDIR (\S+)", instructions, re.MULTILINE)
    assert home is not None
    assert home[1] == IMAGE_HOME
    for script in re.findall(r"python (\S+\.py)", instructions):
        assert (ROOT / script).exists()
    assert image().rpartition(":")[2] == pyproject_version()


def pyproject_version() -> str:
    import tomllib

    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def test_what_is_left_at_home_is_not_what_a_job_needs():
    """.rayignore: the code and its files travel; runs, virtual environment, history and tests do not."""
    from ray._private.runtime_env.packaging import get_excludes_from_ignore_files

    excludes = get_excludes_from_ignore_files(ROOT, include_gitignore=True)

    def stays(name: str) -> bool:
        return any(exclude(ROOT / name) for exclude in excludes)

    assert all(map(stays, ("runs/default/best/weights.pt", ".venv/bin/python", ".git", "shared/data/x.png")))
    assert stays("tests/cluster/test_deploy.py")
    needed = [*ROOT.glob("cluster/**/*.py"), *ROOT.glob("sim_actors/**/*.glsl"), ROOT / "ray_config.yaml"]
    needed += [ROOT / "my_own_detector.py", *ROOT.glob("imitation/**/*.j2")]
    assert len(needed) > 50
    assert [path for path in needed if stays(str(path.relative_to(ROOT)))] == []


def test_commands_in_the_documentation_of_clusters_are_accepted():
    text = (ROOT / "docs/clusters.md").read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines() if re.match(r" {4}(\S+=\S+ )*imitate ", line)]
    assert len(lines) >= 3
    for line in lines:
        words = shlex.split(line.partition("imitate ")[2], comments=True)
        flags, _ = split_options(words)
        args: argparse.Namespace = parser().parse_args(flags)
        assert args.command in COMMANDS
    for name in re.findall(r"\]\(\.\./([\w./-]+)\)", text):
        assert (ROOT / name).exists(), name
