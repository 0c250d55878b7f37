"""Services: what a child does wrong becomes an error in the parent, and nothing is left running."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ttgen.errors import DeviceError, Location, PlanError, TTError
from ttgen.service import Pool, Service, describe_status, meaningful_lines

CHILD = Path(__file__).with_name("service_child.py")
ROOT = CHILD.parent.parent
LIMIT = 20.0


def make(log: Path | None = None, name: str = "helper") -> Service:
    return Service([sys.executable, str(CHILD)], name=name, log=log)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "child.log"


@pytest.fixture
def service(log: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with make(log) as service:
        yield service


def gone(*pids: int, within: float = 5.0) -> bool:
    """Whether all of the processes end within some seconds."""
    deadline = time.monotonic() + within
    while any(psutil.pid_exists(pid) and not _zombie(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_calls_are_answered_and_prints_go_to_the_log(service: Service, log: Path) -> None:
    assert service.pid is None, "a service must not start before it is needed"
    assert service.call("add", {"a": 2, "b": 3}, LIMIT) == 5
    pid = service.pid
    assert service.call("add", {"a": 4, "b": 5}, LIMIT) == 9
    assert service.pid == pid
    text = log.read_text()
    assert text.count("a print must not reach the protocol") == 2
    assert text.count("nor must a library's write to file 1") == 2


def test_a_tterror_arrives_as_it_was(service: Service) -> None:
    with pytest.raises(PlanError) as caught:
        service.call("refuse", timeout=LIMIT)
    assert caught.value.message == "not like this"
    assert caught.value.at == Location("k.py", 3, 7)
    assert caught.value.hint == "like that"
    assert service.call("add", {"a": 1, "b": 1}, LIMIT) == 2


def test_any_other_exception_is_short_and_names_the_log(service: Service, log: Path) -> None:
    with pytest.raises(TTError, match=r"helper: 'stumble' failed: ZeroDivisionError") as caught:
        service.call("stumble", timeout=LIMIT)
    assert str(log) in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize(("op", "args"), [("nonsense", {}), ("add", {"a": 1})])
def test_a_wrong_request_is_an_error_not_a_death(
    service: Service, op: str, args: dict[str, int]
) -> None:
    with pytest.raises(TTError, match=op):
        service.call(op, args, LIMIT)
    assert service.call("add", {"a": 1, "b": 1}, LIMIT) == 2


def test_a_death_says_how_and_shows_the_last_words(service: Service) -> None:
    with pytest.raises(DeviceError, match="SIGKILL") as caught:
        service.call("die", {"number": signal.SIGKILL}, LIMIT)
    assert "last words" in str(caught.value)
    assert "'die'" in str(caught.value)
    with pytest.raises(DeviceError, match="exit status 3"):
        service.call("leave", {"status": 3}, LIMIT)
    assert service.call("add", {"a": 1, "b": 1}, LIMIT) == 2, "the next call starts a new child"


def test_a_child_that_cannot_start_is_a_device_error(tmp_path: Path) -> None:
    with (
        Service([str(tmp_path / "no-such-program")], name="absent") as service,
        pytest.raises(DeviceError, match=r"absent: cannot start .*no-such-program"),
    ):
        service.call("add", timeout=LIMIT)
    broken = [sys.executable, "-c", "raise SystemExit('no such module')"]
    with (
        Service(broken, name="broken") as service,
        pytest.raises(DeviceError, match="no such module"),
    ):
        service.call("add", timeout=LIMIT)


def test_silence_is_ended_within_the_limit_with_all_that_it_started(service: Service) -> None:
    pids = service.call("spawn", timeout=LIMIT)
    assert psutil.pid_exists(pids["helper"])
    assert psutil.pid_exists(pids["orphan"])
    guardian = service.pid
    assert guardian is not None
    start = time.monotonic()
    with pytest.raises(DeviceError, match=r"no answer to 'sleep' within 0\.3 s"):
        service.call("sleep", {"seconds": 600}, 0.3)
    assert time.monotonic() - start < 3
    assert gone(guardian, *pids.values(), within=0)
    assert service.call("add", {"a": 1, "b": 1}, LIMIT) == 2


def test_waiting_for_a_processor_is_not_silence(service: Service) -> None:
    start = time.monotonic()
    assert service.call("work", {"seconds": 0.6, "rivals": 3}, 1.2) == "worked"
    assert time.monotonic() - start > 1.2, "the machine was to be busy"
    with pytest.raises(DeviceError, match=r"no answer to 'work' within 0\.3 s"):
        service.call("work", {"seconds": 600, "rivals": 3}, 0.3)


def test_a_worker_that_dies_leaves_nothing(service: Service) -> None:
    pids = service.call("spawn", timeout=LIMIT)
    with pytest.raises(DeviceError, match="SIGSEGV"):
        service.call("die", {"number": signal.SIGSEGV}, LIMIT)
    assert gone(*pids.values(), within=0)


def test_a_guardian_that_is_killed_leaves_nothing(service: Service) -> None:
    pids = service.call("spawn", timeout=LIMIT)
    guardian = service.pid
    assert guardian is not None
    psutil.Process(guardian).kill()
    assert gone(pids["worker"]), "the worker must not outlive its guardian"
    with pytest.raises(DeviceError, match="SIGKILL"):
        service.call("add", {"a": 1, "b": 1}, LIMIT)
    assert gone(*pids.values(), within=0)


def test_closing_leaves_nothing_and_may_be_repeated(service: Service, log: Path) -> None:
    pids = service.call("spawn", timeout=LIMIT)
    guardian = service.pid
    assert guardian is not None
    service.kill()
    assert gone(guardian, *pids.values(), within=0)
    service.call("add", {"a": 1, "b": 1}, LIMIT)
    guardian = service.pid
    assert guardian is not None
    start = time.monotonic()
    service.close()
    service.close()
    assert time.monotonic() - start < 3
    assert gone(guardian, within=0)
    assert "closing" in log.read_text(), "the handler 'close' was not called"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("busy", ["s.call('sleep', {'seconds': 600})", "time.sleep(600)"])
def test_a_parent_that_dies_leaves_nothing(log: Path, number: int, busy: str) -> None:
    code = (
        "import sys, time; from pathlib import Path; from ttgen.service import Service\n"
        "s = Service(sys.argv[1:3], name='x', log=Path(sys.argv[3]))\n"
        f"print(s.call('spawn'), s.pid, flush=True); {busy}"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, sys.executable, str(CHILD), str(log)],
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        words = parent.stdout.readline().replace("{", " ").replace("}", " ").replace(",", " ")
        pids = [int(word) for word in words.split() if word.isdigit()]
        assert len(pids) == 4
        time.sleep(0.3)
        parent.send_signal(number)
        parent.wait(LIMIT)
    assert gone(*pids, within=5)


def test_a_watched_process_that_dies_ends_the_call(service: Service) -> None:
    helper = service.call("depend", timeout=LIMIT)
    start = time.monotonic()
    with pytest.raises(DeviceError, match=r"the helper has died during 'kill_and_sleep'"):
        service.call("kill_and_sleep", {"pid": helper}, 60)
    assert time.monotonic() - start < 5


def test_kill_from_another_thread_ends_a_call(service: Service) -> None:
    service.call("add", {"a": 1, "b": 1}, LIMIT)
    timer = threading.Timer(0.3, service.close)
    timer.start()
    start = time.monotonic()
    with pytest.raises(DeviceError, match="has ended"):
        service.call("sleep", {"seconds": 600}, 60)
    assert time.monotonic() - start < 5
    timer.join()


def test_a_pool_limits_and_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made: list[str] = []
    busy: dict[str, int] = {}
    most: dict[str, int] = {}
    lock = threading.Lock()

    def create(key: str) -> Service:
        made.append(key)
        return make(name=key)

    def use(key: str) -> None:
        with pool.lease(key) as leased:
            with lock:
                busy[key] = busy.get(key, 0) + 1
                most[key] = max(most.get(key, 0), busy[key])
            assert leased.call("add", {"a": 1, "b": 2}, LIMIT) == 3
            leased.call("sleep", {"seconds": 0.05}, LIMIT)
            with lock:
                busy[key] -= 1

    with Pool(create, limit=2, patience=lambda _: 0.0) as pool:
        threads = [threading.Thread(target=use, args=(key,)) for key in "aaaaabb"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pids = [pid for group in pool._all.values() for s in group if (pid := s.pid)]
        assert pids
    assert sorted(made) == ["a", "a", "b", "b"]
    assert most == {"a": 2, "b": 2}
    assert gone(*pids, within=0)


@pytest.mark.parametrize(("seconds", "services"), [(0.0, 1), (3.0, 2)])
def test_a_pool_starts_no_second_service_for_short_requests(
    monkeypatch: pytest.MonkeyPatch, seconds: float, services: int
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made: list[str] = []

    def create(key: str) -> Service:
        made.append(key)
        return make(name=key)

    def use() -> None:
        with pool.lease("a") as leased:
            leased.call("sleep", {"seconds": seconds}, LIMIT)

    with Pool(create, limit=2, patience=lambda _: 1.5) as pool:
        with pool.lease("a") as first:  # a start takes its time on a busy machine
            assert first.call("add", {"a": 1, "b": 2}, LIMIT) == 3
        threads = [threading.Thread(target=use) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(made) == services


def test_a_child_prepares_before_it_is_asked(service: Service, log: Path) -> None:
    service.start()
    assert appears("prepared", log)
    assert service.call("add", {"a": 1, "b": 2}, LIMIT) == 3


def test_what_cannot_be_prepared_is_the_answer_to_the_first_request(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PREPARE", "fail")
    with make(log) as service:
        with pytest.raises(PlanError, match="not like this"):
            service.call("add", {"a": 1, "b": 2}, LIMIT)
        assert service.call("add", {"a": 1, "b": 2}, LIMIT) == 3


def test_one_that_was_never_asked_is_closed_at_once(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PREPARE", "600")
    with make(log) as service:
        service.start()
        guardian = service.pid
        assert guardian is not None
        assert appears("preparing", log)
        start = time.monotonic()
    assert time.monotonic() - start < 3
    assert gone(guardian, within=0)


def test_a_pool_starts_one_service_ahead(monkeypatch: pytest.MonkeyPatch, log: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made: list[str] = []

    def create(key: str) -> Service:
        made.append(key)
        return make(log, name=key)

    with Pool(create, limit=2) as pool:
        pool.start("a")
        assert appears("prepared", log)
        pool.start("a")
        with pool.lease("a") as leased:
            assert leased.call("add", {"a": 1, "b": 2}, LIMIT) == 3
            pool.start("a")  # does not wait for one that is in use
    assert made == ["a"]


def appears(word: str, log: Path) -> bool:
    """Whether a child says so within some seconds."""
    deadline = time.monotonic() + LIMIT
    while word not in log.read_text().split():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_describing() -> None:
    assert describe_status(-9) == "SIGKILL"
    assert describe_status(2) == "exit status 2"
    text = "x | info | UMD | chatter\nreason\n\n - leaked type\nnanobind: leaked\nend\n"
    assert meaningful_lines(text, 5) == ["reason", "end"]
    assert meaningful_lines(text, 1) == ["end"]
