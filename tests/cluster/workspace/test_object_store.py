"""The whole loop on an S3-compatible object store on loopback: nothing of it is on a disk of ours."""

import json
import logging
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[3]
TINY = [
    "world.train=8",
    "world.val=4",
    "world.test=4",
    "world.width=160",
    "world.height=64",
    "detector.backbone=resnet10",
    "detector.weights=null",
    "train.steps=4",
    "train.batch_size=4",
    "train.threads=1",
    "evaluate.threads=1",
    "loop.cycles=1",
    "loop.twin=false",
    "simulate.frames_per_file=4",
    "aggregation.synthetic_per_cycle=0.5",
    "report.gallery=2",
]

DRIVER = '''
"""Runs commands of `imitate` one after the other, in one process with one Ray, and writes down every string
in whatever the driver hands to Ray: arguments of tasks and actors, and objects that are put."""
import json, pickletools, sys

import ray
from ray import cloudpickle
from ray._private.serialization import SerializationContext

handed = {}  # string -> in what kind of thing


def strings(data, kind):
    for _, argument, _ in pickletools.genops(data):
        if isinstance(argument, str):
            handed.setdefault(argument, kind)
        elif isinstance(argument, bytes) and argument[:1] == b"\\x80":  # a pickle in a pickle
            try:
                strings(argument, kind)
            except ValueError:
                pass


serialize = SerializationContext.serialize


def seen(self, value):
    strings(cloudpickle.dumps(value), f"{type(value).__module__}.{type(value).__qualname__}")
    return serialize(self, value)


SerializationContext.serialize = seen

from cluster.cli.main import main

for words in json.loads(sys.argv[1]):
    if code := main(words):
        sys.exit(code)
with open(sys.argv[2], "w") as out:
    json.dump(handed, out)
'''


@dataclass(frozen=True)
class Store:
    """An S3 endpoint with a bucket, and what it takes to reach it."""

    port: int
    env: dict[str, str]

    def uri(self, path: str) -> str:
        return f"s3://bucket/{path}?endpoint_override=127.0.0.1:{self.port}&scheme=http"

    def objects(self) -> dict[str, bytes]:
        import boto3

        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
        )
        pages = client.get_paginator("list_objects_v2").paginate(Bucket="bucket")
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return {key: client.get_object(Bucket="bucket", Key=key)["Body"].read() for key in keys}


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # or a failure's report has every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    env = {
        "AWS_ACCESS_KEY_ID": f"KEY{secrets.token_hex(12)}",
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(24),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    try:
        boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        ).create_bucket(Bucket="bucket")
        yield Store(port, env)
    finally:
        server.stop()


@dataclass(frozen=True)
class Done:
    """What is left of the commands: what they printed, what they handed to Ray, the objects."""

    said: str
    handed: dict[str, str]
    objects: dict[str, bytes]
    folder: Path


@pytest.fixture(scope="module")
def done(store, tmp_path_factory) -> Done:
    folder = tmp_path_factory.mktemp("driver")
    for name in ("cwd", "tmp"):
        (folder / name).mkdir()
    run, data = store.uri("runs/remote"), f"run.storage={store.uri('runs')}"
    commands: list[list[str]] = [
        ["run", str(ROOT / "ray_config.yaml"), data, "run.name=remote", *TINY],
        ["evaluate", store.uri("runs/remote/best"), "--split", "val", "--out", store.uri("evaluated")],
        ["report", run],
        ["export", run, "--to", "coco", "--out", store.uri("exported")],
    ]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "AWS_"))}
    env |= store.env | {"TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)}
    env["RAY_TMPDIR"] = tempfile.mkdtemp(prefix="r-", dir="/tmp")  # sockets have short paths
    process = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(commands), str(folder / "handed.json")],
        env=env,
        cwd=folder / "cwd",
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    shutil.rmtree(env["RAY_TMPDIR"], ignore_errors=True)
    said = process.stdout + process.stderr
    assert process.returncode == 0, said
    return Done(said, json.loads((folder / "handed.json").read_text()), store.objects(), folder)


def rows(done: Done, prefix: str) -> list[dict[str, Any]]:
    import pyarrow as pa

    keys = [key for key in done.objects if key.startswith(prefix) and key.endswith(".parquet")]
    return [row for key in keys for row in pq.read_table(pa.BufferReader(done.objects[key])).to_pylist()]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_run_on_an_object_store_is_whole(done):
    summary = json.loads(done.objects["runs/remote/summary.json"])
    assert [cycle["synthetic_frames"] for cycle in summary["cycles"]] == [0, 4]
    assert len({row["frame_id"] for row in rows(done, "runs/remote/cycle-001/synthetic/")}) == 4
    assert json.loads(done.objects["runs/remote/best/detector.json"])["categories"]
    assert len(done.objects["runs/remote/report.html"]) > 10_000
    assert {row["split"] for row in rows(done, "evaluated/detections")} == {"val"}
    labels = [
        json.loads(done.objects[f"exported/annotations/instances_{split}.json"])
        for split in ("train", "val", "test")
    ]
    assert [len(listed["images"]) for listed in labels] == [8 + 4, 4, 4]
    leftovers = [key for key in done.objects if ".partial" in key or ".ray/" in key or ".lock" in key]
    assert leftovers == []


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_no_local_path_is_handed_to_a_node(done):
    for whole in ("data/train", "data/val", "cycle-001/synthetic", "cycle-000/detector/main"):
        assert any(f"s3://bucket/runs/remote/{whole}" in text for text in done.handed), f"{whole} is not seen"
    # What Ray Data hands on of its own: a pickled LocalFileSystem, which has no path in it, and the names of
    # the source files of functions pickled by value.
    own = ("file:///_", f"{sys.prefix}/")
    handed = {text: kind for text, kind in done.handed.items() if not text.startswith(own)}
    local = ("/tmp", "~", "file:", "runs/")
    assert {text: kind for text, kind in handed.items() if text.startswith(local)} == {}
    for ours in (str(done.folder), str(ROOT)):
        assert {text: kind for text, kind in handed.items() if ours in text} == {}
    assert {text: kind for text, kind in handed.items() if text[:1] == "/" and os.path.exists(text)} == {}
    assert sorted(done.folder.rglob("cwd/*")) == []
    left = [path.name for path in done.folder.rglob("tmp/*")]
    assert [name for name in left if not name.startswith("torchinductor_")] == []  # torch keeps a cache there


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_credentials_stay_in_the_environment(store, done):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        value = store.env[name]
        assert value not in done.said
        assert not any(value in text for text in done.handed)
        assert [key for key, data in done.objects.items() if value.encode() in data] == []
