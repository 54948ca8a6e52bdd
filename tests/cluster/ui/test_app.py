"""The page through the application's own test client: what it shows, to whom, and what it never does."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image
from yarl import URL

from cluster.cli.main import main
from cluster.ui.app import make_app, sparkline
from cluster.ui.guard import COOKIE, is_loopback
from cluster.workspace.lock import RunLock
from imitation.common.settings import UserError
from tests.cluster.inventory.test_cleaning import files_of
from tests.cluster.inventory.test_entries import make_run
from tests.cluster.ui.made import HOSTILE, ODD, make_storage, picture, set_work

EVERYWHERE = ".".join("0000")
Script = Callable[[TestClient], Awaitable[None]]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    outside = tmp_path / "outside.png"
    outside.write_bytes(picture(1))
    return make_storage(tmp_path / "runs", outside)


def drive(app: object, script: Script) -> None:
    """Runs a script against an application that listens on loopback."""

    async def go() -> None:
        async with TestClient(TestServer(app, host="127.0.0.1")) as client:
            await script(client)

    asyncio.run(go())


async def text_of(client: TestClient, path: str, status: int = 200) -> str:
    answer = await client.get(URL(path, encoded=True))
    assert answer.status == status, await answer.text()
    return await answer.text()


def test_the_pages_show_what_the_folders_say(runs):
    async def script(client: TestClient) -> None:
        index = await text_of(client, "/")
        for said in ("/run/done", "/run/broken", "/run/cmp", "40.0", "20 + 5", "kitti KITTI", "1 finished"):
            assert said in index
        run = await text_of(client, "/run/done")
        for said in (
            "mAP50 on val, best so far",
            "40.0",
            "mAP50 over the cycles",
            "Training loss",
            "Missed: car",
        ):
            assert said in run
        assert run.count('src="/frame/1/done') == 2
        assert run.count('src="/failure/0/done') == 2
        assert 'href="/file/report.html/done"' in run
        comparison = await text_of(client, "/run/cmp")
        assert "/run/cmp/trials/real-0" in comparison
        assert "20.0" in await text_of(client, "/run/cmp/trials/real-0")
        assert "Failed" in await text_of(client, "/run/broken")

    drive(make_app(str(runs)), script)


def test_one_at_work_says_what_it_is_at(runs):
    async def script(client: TestClient) -> None:
        set_work(runs / "broken", 60)
        with RunLock(str(runs / "broken")):
            for page in ("/", "/run/broken"):
                shown = await text_of(client, page)
                assert "cycle 1: training" in shown
                assert "60 of 150" in shown
                assert 'value="0.400"' in shown
        assert "60 of 150" not in await text_of(client, "/")

    drive(make_app(str(runs)), script)


def test_a_baseline_that_is_computed_for_all_is_seen_at_work(runs):
    async def script(client: TestClient) -> None:
        base = make_run(runs / "cmp" / "baselines" / "0123abcd")
        set_work(base, 75)
        assert "75 of 150" not in await text_of(client, "/run/cmp"), "nobody holds it"
        with RunLock(str(base)):
            shown = await text_of(client, "/run/cmp")
            assert "baseline 0123abcd" in shown
            assert "75 of 150" in shown
            assert "75 of 150" in await text_of(client, "/run/cmp/baselines/0123abcd")

    drive(make_app(str(runs)), script)


def test_pictures_are_pictures_and_an_unknown_one_is_none(runs):
    async def script(client: TestClient) -> None:
        for path in (f"/frame/1/done?id={quote(ODD)}", f"/failure/0/done?id={quote('a#missed-o0')}"):
            answer = await client.get(URL(path, encoded=True))
            assert answer.content_type == "image/jpeg"
            assert Image.open(io.BytesIO(await answer.read())).width >= 64
        for path in (
            "/frame/1/done?id=x",
            "/frame/7/done?id=a",
            "/failure/0/done?id=x",
            "/frame/1/none?id=x",
        ):
            await text_of(client, path, 404)

    drive(make_app(str(runs)), script)


def test_a_picture_outside_of_the_storage_is_shown_only_where_that_is_allowed(runs, tmp_path):
    found: list[bytes] = []

    async def script(client: TestClient) -> None:
        answer = await client.get(URL(f"/failure/0/done?id={quote('b#missed-o0')}", encoded=True))
        found.append(await answer.read())

    drive(make_app(str(runs)), script)
    drive(make_app(str(runs), pictures=[str(tmp_path)]), script)
    sizes = [Image.open(io.BytesIO(data)).size for data in found]
    assert sizes == [(480, 160), (480, 480)], "words, then the picture"
    elsewhere = tmp_path / "other" / "outside.png"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(picture(2))
    (tmp_path / "outside.png").unlink()
    (tmp_path / "outside.png").symlink_to(elsewhere)
    drive(make_app(str(runs), pictures=[str(runs / "done")]), script)
    assert Image.open(io.BytesIO(found[-1])).size == (480, 160), "a link leads out"


def test_what_comes_from_folders_is_text(runs):
    (runs / "done").rename(runs / "a<b>&'\"")

    async def script(client: TestClient) -> None:
        name = quote("a<b>&'\"")
        for path in ("/", f"/run/{name}", "/run/broken"):
            shown = await text_of(client, path)
            assert HOSTILE not in shown
            assert "<b>" not in shown
        assert "&lt;script&gt;" in await text_of(client, "/run/broken")
        assert "&lt;b&gt;" in await text_of(client, f"/run/{name}")

    drive(make_app(str(runs)), script)


@pytest.mark.parametrize(
    "path",
    [
        "/run/../../etc/passwd", "/run/%2e%2e/outside.png", "/run/..%2f..%2fetc", "/run/done/cycle-000",
        "/run/.", "/run/%00", "/file/report.html/..", "/file/report.html/done/..%2fdone",
        "/file/..%2f..%2foutside.png/done", "/file/driver.json/done", "/file/outside.png/..",
        "/static/..%2fapp.py", "/static/app.py", "/static/", "/frame/1/..?id=x", "/frame/-1/done?id=x",
        "/frame/1/done/..%2f..?id=x", "/none",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_storage(runs, path):
    async def script(client: TestClient) -> None:
        answer = await client.get(URL(path, encoded=True))
        assert answer.status == 404, await answer.text()

    drive(make_app(str(runs)), script)


def test_nothing_is_changed_and_nothing_but_reading_is_answered(runs):
    before = files_of(runs)

    async def script(client: TestClient) -> None:
        for path in ("/", "/run/done", "/run/broken", "/run/cmp", "/file/report.html/done"):
            await text_of(client, path)
            assert (await client.head(path)).status == 200
            for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                assert (await client.request(method, path)).status == 405

    drive(make_app(str(runs)), script)
    assert files_of(runs) == before


def test_a_page_may_load_nothing_from_elsewhere_and_a_report_has_no_origin(runs):
    async def script(client: TestClient) -> None:
        for path in ("/", "/run/done", "/none", "/static/live.js"):
            headers = (await client.get(path)).headers
            assert headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert "script-src 'self'" in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"
        report = await client.get("/file/report.html/done")
        policy = report.headers["Content-Security-Policy"]
        assert policy.startswith("sandbox allow-scripts")
        assert "allow-same-origin" not in policy

    drive(make_app(str(runs)), script)


@pytest.mark.parametrize(
    ("listening", "header", "status"),
    [
        ("127.0.0.1", "127.0.0.1:8400", 200), ("127.0.0.1", "localhost:8400", 200), ("127.0.0.1",
        "[::1]:8400", 200), ("127.0.0.1", "evil.example:8400", 421), ("127.0.0.1", "127.0.0.1.evil.example",
        421), ("127.0.0.1", "192.168.0.7:8400", 421), ("127.0.0.1", "", 421), ("127.0.0.1",
        "localhost.evil.example", 421), (EVERYWHERE, "192.168.0.7:8400", 401), (EVERYWHERE, "evil.example",
        421), ("box.lan", "box.lan:80", 401),
    ],
)  # fmt: skip
def test_a_name_that_was_made_to_lead_here_is_refused(runs, listening, header, status):
    async def script(client: TestClient) -> None:
        assert (await client.get("/", headers={"Host": header})).status == status

    token = None if is_loopback(listening) else "secret"
    drive(make_app(str(runs), listening, token), script)


def test_a_token_is_asked_for_once_and_then_kept_from_scripts(runs):
    async def script(client: TestClient) -> None:
        for path in ("/", "/run/done", "/file/report.html/done", "/?token=wrong", "/static/live.js", "/none"):
            assert (await client.get(path)).status == 401
        answer = await client.get("/run/done?token=secret&part=1", allow_redirects=False)
        assert answer.status == 303
        assert answer.headers["Location"] == "/run/done?part=1"
        cookie = answer.cookies[COOKIE]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
        assert (await client.get("/", cookies={COOKIE: cookie.value})).status == 200
        assert (await client.get("/", cookies={COOKIE: "wrong"})).status == 401

    drive(make_app(str(runs), "127.0.0.1", "secret"), script)


def test_a_part_that_has_not_changed_is_not_sent_again(runs):
    async def script(client: TestClient) -> None:
        first = await client.get("/run/done?part")
        text, tag = await first.text(), first.headers["ETag"]
        assert "<html" not in text
        again = await client.get("/run/done?part", headers={"If-None-Match": tag})
        assert (again.status, await again.read()) == (304, b"")
        (runs / "done" / "driver.json").unlink()
        assert (await client.get("/run/done?part", headers={"If-None-Match": tag})).status == 200

    drive(make_app(str(runs)), script)


def test_a_storage_that_has_gone_is_said_and_comes_back(runs):
    async def script(client: TestClient) -> None:
        runs.rename(runs.parent / "away")
        assert "no folder of runs here" in await text_of(client, "/", 503)
        (runs.parent / "away").rename(runs)
        assert "/run/done" in await text_of(client, "/")

    drive(make_app(str(runs)), script)


def test_a_storage_that_is_not_there_is_refused_at_the_start(tmp_path, capsys):
    with pytest.raises(UserError, match="no folder of runs here"):
        make_app(str(tmp_path / "none"))
    assert main(["ui", str(tmp_path / "none"), "--port", "0"]) == 1
    assert "no folder of runs here" in capsys.readouterr().err


def test_a_port_that_is_taken_is_said(tmp_path, capsys):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["ui", str(tmp_path), "--port", str(port)]) == 1
    assert f"127.0.0.1:{port} cannot be listened on" in capsys.readouterr().err


def test_a_sparkline_stays_in_its_box():
    assert sparkline([]) == ""
    assert sparkline([None, None]) == ""
    for values in ([0.0], [0.0, 0.0], [0.2, None, 0.9], [0.5] * 40):
        points = str(sparkline(values)).split('points="')[1].split('"')[0].split()
        assert len(points) == sum(value is not None for value in values)
        for point in points:
            x, y = map(float, point.split(","))
            assert 0 <= x <= 84
            assert 0 <= y <= 22
