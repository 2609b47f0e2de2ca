"""What scripts/memory and scripts/figures measure on: mosquitto, the simulated cloud and the bridge, as processes."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time
import urllib.request

#: How long, in seconds, anything may take before it counts as failed.
LIMIT = 30

#: No detour through a proxy: everything is on this machine.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NotMeasured(RuntimeError):
    """A figure that could not be had, and why."""


class Children:
    """Processes of ours, ended when the block is left."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._running: list[subprocess.Popen] = []

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running):
            self.stop(process)

    def start(self, arguments: list[str], **options: object) -> subprocess.Popen:
        log = (self._folder / f"{pathlib.Path(arguments[0]).name}.log").open("ab")
        environment = {**os.environ, "LEAPMOTOR2MQTT_LOOPBACK_ONLY": "true"}
        process = subprocess.Popen(arguments, cwd=self._folder, env=environment, stderr=log, **options)
        self._running.append(process)
        return process

    @staticmethod
    def stop(process: subprocess.Popen) -> None:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LIMIT)
                return
            process.kill()
            process.wait()


def tool(name: str) -> str:
    """The path of a program that has to be installed."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if not found:
        raise NotMeasured(f"{name} is not installed")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_broker(children: Children, folder: pathlib.Path, port: int) -> subprocess.Popen:
    configuration = folder / "mosquitto.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_type error\nmax_queued_messages 100000\n")
    broker = children.start([tool("mosquitto"), "-c", str(configuration)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline and broker.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return broker
        time.sleep(0.05)
    raise NotMeasured("mosquitto does not listen")


class Cloud:
    """The simulated cloud, and what a bridge needs to use it."""

    def __init__(self, children: Children, folder: pathlib.Path, program: str, *options: str) -> None:
        self._folder = folder
        arguments = [program, "simulate", "--dir", str(folder / "cloud"), *options]
        process = children.start(arguments, stdout=subprocess.PIPE, text=True)
        line = process.stdout.readline()
        if not line:
            raise NotMeasured("the simulated cloud did not start")
        self.world = json.loads(line)
        self.vins = [car["vin"] for account in self.world["accounts"] for car in account["cars"]]

    def start_bridge(self, children: Children, program: str, broker_port: int, **settings: object) -> subprocess.Popen:
        """A bridge for all accounts with a fresh data folder; `settings` go above the usual ones."""
        accounts = [
            {"username": account["username"], "password": account["password"],
             "cars": [{"vin": car["vin"], "pin": car["pin"]} for car in account["cars"]]}
            for account in self.world["accounts"]
        ]
        shutil.rmtree(self._folder / "data", ignore_errors=True)
        configuration = {
            "accounts": accounts,
            "certificates": {"app_cert": self.world["app_cert"], "app_key": self.world["app_key"]},
            "cloud": {"base_url": self.world["base_url"], "server_ca": self.world["server_ca"]},
            "mqtt": {"host": "127.0.0.1", "port": broker_port},
            "health": {"listen": f"127.0.0.1:{free_port()}"},
            "data_dir": str(self._folder / "data"),
            **settings,
        }
        (self._folder / "bridge.yaml").write_text(json.dumps(configuration))
        (self._folder / "clock.json").write_text(json.dumps(self.world["clock"]))
        return children.start([program, "run", "--config", str(self._folder / "bridge.yaml"), "--simulated-clock",
                               str(self._folder / "clock.json")], stdout=subprocess.DEVNULL)

    def requests(self, since: int = 0) -> list[dict]:
        """What the cloud was asked, oldest first."""
        url = f"{self.world['control_url']}/requests?since={since}"
        return json.load(DIRECT.open(url, timeout=LIMIT))

    def play(self, vin: str, scenario: str) -> None:
        body = json.dumps({"name": scenario}).encode()
        url = f"{self.world['control_url']}/cars/{vin}/scenario"
        DIRECT.open(urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=LIMIT)


def memory_mib(process: subprocess.Popen) -> dict[str, float]:
    """Resident memory of a process, and what of it is its own (anonymous), in MiB."""
    wanted = {"VmRSS:": "resident", "RssAnon:": "anonymous"}
    found = {}
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        name, *rest = line.split()
        if name in wanted:
            found[wanted[name]] = int(rest[0]) / 1024
    if len(found) != len(wanted):
        raise NotMeasured("the bridge has ended")
    return found


def cpu_seconds(process: subprocess.Popen) -> float:
    """Processor time of a process so far, all its threads together."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
