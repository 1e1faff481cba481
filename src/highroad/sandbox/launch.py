"""The program between supervisord (or `run`) and a confined command: `python -I -S -E launch.py ORDERS`.

It ends what an earlier start of the same program left behind, enters the cgroup, sets the limits, connects the output
with the log pipe, leaves a record of its process, and becomes bubblewrap (or the bare command) by `exec`. Nothing of
Python stays in memory. It runs once per start of an instance, so it imports only what is built in: `json`, `signal`
and `subprocess` would each double its 10 ms. For the same reason ORDERS is not JSON but pairs of NUL-ended strings
(see `prepare.encode`), which may occur several times:

    argv WORD        env NAME=VALUE     cgroup DIRECTORY     write PATH=TEXT    rlimit NAME=N
    pipe FIFO        record PATH        grace SECONDS        stdin null         hold-term 1
    ports N,N,...
"""

import os
import sys
import time

_TERM, _KILL = 15, 9

# linux/landlock.h and the system call table, where these three numbers are the same on every architecture
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION, _BIND_TCP, _RULE_OF_PORT = 1, 1, 2
PORTS_VERSION = 4  # of Landlock's interface, Linux 6.7: the first that knows TCP ports
_SET_NO_NEW_PRIVS = 38  # linux/prctl.h


def read_orders(path: str) -> dict[str, list[str]]:
    with open(path, "rb") as file:  # noqa: PTH123  # pathlib costs 10 ms
        words = file.read().split(b"\0")
    orders: dict[str, list[str]] = {}
    for key, value in zip(words[0::2], words[1::2], strict=False):
        orders.setdefault(key.decode(), []).append(os.fsdecode(value))
    return orders


def started(pid: int) -> str:
    """Start time of a live process in ticks since boot (proc(5), stat field 22); "" when it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            fields = file.read().rpartition(b") ")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()


def boot() -> str:
    with open("/proc/sys/kernel/random/boot_id", "rb") as file:  # noqa: PTH123
        return file.read().strip().decode()


def recorded(path: str) -> int:
    """The process that the record names, if it is alive and still the same one; else 0."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            pid, start, of_boot = file.read().decode().split()
    except (OSError, ValueError):
        return 0
    return int(pid) if start and started(int(pid)) == start and boot() == of_boot else 0


def end_group(pid: int, grace: float) -> None:
    """SIGTERM to the process group that `pid` leads, SIGKILL after `grace` seconds; returns when `pid` is gone."""
    start = started(pid)
    for number, patience in ((_TERM, grace), (_KILL, 10.0)):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if started(pid) != start or not start:
                return
            time.sleep(0.01)


def empty_cgroup(directory: str, seconds: float = 5.0) -> bool:
    """SIGKILL to every process in the cgroup until there is none; True when it is empty or does not exist."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with open(directory + "/cgroup.procs", "rb") as file:  # noqa: PTH123
                pids = [int(line) for line in file.read().split()]
        except OSError:
            return True
        if not pids:
            return True
        if time.monotonic() > deadline:
            return False
        for pid in pids:
            try:
                os.kill(pid, _KILL)
            except ProcessLookupError:
                continue
        time.sleep(0.005)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _connect(orders: dict[str, list[str]]) -> None:
    for fifo in orders.get("pipe", ()):
        # Both ways: with a reader of its own the app neither blocks at the start nor dies of SIGPIPE without collector.
        descriptor = os.open(fifo, os.O_RDWR)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)
    if orders.get("stdin"):
        descriptor = os.open("/dev/null", os.O_RDONLY)
        if descriptor != 0:
            os.dup2(descriptor, 0)
            os.close(descriptor)


def _end_previous(orders: dict[str, list[str]]) -> None:
    grace = float(orders.get("grace", ["5"])[0])
    for path in orders.get("record", ()):
        previous = recorded(path)
        if previous and previous != os.getpid():
            end_group(previous, grace)
    for directory in orders.get("cgroup", ()):
        empty_cgroup(directory)


def _enter_cgroups(orders: dict[str, list[str]]) -> None:
    for directory in orders.get("cgroup", ()):
        for _ in range(10):
            try:
                os.makedirs(directory, 0o755, exist_ok=True)  # noqa: PTH103
                break
            except FileNotFoundError:
                continue  # another command was the last in the directory above, and took that with it
    for order in orders.get("write", ()):
        path, _, text = order.partition("=")
        if os.access(path, os.W_OK):  # swap accounting is a kernel option
            _write(path, text)
    for directory in orders.get("cgroup", ()):
        _write(directory + "/cgroup.procs", str(os.getpid()))


def _limit(orders: dict[str, list[str]]) -> None:
    if not orders.get("rlimit"):
        return
    import resource  # 1 ms that not every program needs

    for order in orders["rlimit"]:
        name, _, number = order.partition("=")
        which = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(which)[1]
        value = int(number) if hard == resource.RLIM_INFINITY else min(int(number), hard)
        resource.setrlimit(which, (value, value))


def landlock_version() -> int:
    """Version of the kernel's Landlock interface; 0 when it has none, or does not let us use it."""
    import ctypes  # 2 ms that not every program needs

    call = ctypes.CDLL(None).syscall
    version: int = call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))
    return max(version, 0)


def confine_ports(ports: list[int]) -> None:
    """From now on this process and its children can bind these TCP ports only, whatever the address; 0 stands for a
    free one that the kernel picks. Other sockets, connections and mounts stay as they are.

    A kernel without it is no error here: orders outlive a change of kernels, and `level` tells the operator.
    """
    if landlock_version() < PORTS_VERSION:
        return
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)

    def call(function: str, *words: int | bytes | None) -> int:
        answer: int = getattr(library, function)(
            *(ctypes.c_long(each) if isinstance(each, int) else each for each in words)
        )
        if answer < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return answer

    def pair(first: int, second: int) -> bytes:
        return first.to_bytes(8, sys.byteorder) + second.to_bytes(8, sys.byteorder)

    ruleset = call("syscall", _CREATE_RULESET, pair(0, _BIND_TCP), 16, 0)  # access to files, access to the network
    for port in ports:
        call("syscall", _ADD_RULE, ruleset, _RULE_OF_PORT, pair(_BIND_TCP, port), 0)
    call("prctl", _SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    call("syscall", _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _record(orders: dict[str, list[str]]) -> None:
    for path in orders.get("record", ()):
        descriptor = os.open(path + ".partial", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(descriptor, f"{os.getpid()} {started(os.getpid())} {boot()}\n".encode())
        os.close(descriptor)
        os.replace(path + ".partial", path)  # noqa: PTH105


def _become(orders: dict[str, list[str]]) -> None:
    import _signal  # type: ignore[import-not-found]  # `signal` imports enum, 5 ms; this half has no stub

    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)
    if orders.get("hold-term"):
        # The outer bubblewrap must outlive a SIGTERM to the group: its end would SIGKILL the app in the middle of its
        # shutdown. `env --default-signal` inside gives the app its SIGTERM back.
        for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
            _signal.signal(number, _signal.SIG_IGN)
    os.umask(0o022)
    env = dict(pair.partition("=")[::2] for pair in orders.get("env", ()))
    os.execvpe(orders["argv"][0], orders["argv"], env)  # noqa: S606


def main() -> None:
    orders = read_orders(sys.argv[1])
    step = "connecting the output"
    try:
        _connect(orders)
        step = "ending the previous process"
        _end_previous(orders)
        step = "entering the cgroup"
        _enter_cgroups(orders)
        step = "setting limits"
        _limit(orders)
        step = "confining it to its ports"
        for order in orders.get("ports", ()):
            confine_ports([int(word) for word in order.split(",") if word])
        step = "recording the process"
        _record(orders)
        step = "starting " + orders["argv"][0]
        _become(orders)
    except OSError as error:
        os.write(2, f"highroad: {step} failed: {error}\n".encode())
        raise SystemExit(126) from None


if __name__ == "__main__":
    main()
