"""What stands around Home Assistant in a check: a broker, the bridge's program, and the simulated cloud behind it.

Each is a child process that is ended by `stop`; everything listens on 127.0.0.1.
"""

import contextlib
import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import paho.mqtt.client as paho

from hass import SPEAKS_MQTT5, free_port

START_LIMIT = 60
STOP_LIMIT = 20


class Program:
    """The bridge's program as a child process."""

    def __init__(self, program: pathlib.Path, arguments: list[str], log: pathlib.Path) -> None:
        interpreter = [sys.executable] if program.suffix == ".py" else []
        self._log = log
        self._file = log.open("ab")
        self._process = subprocess.Popen([*interpreter, str(program.resolve()), *arguments], stdout=subprocess.PIPE,
                                         stderr=self._file, text=True)

    def line(self) -> dict:
        """The one line of JSON that `demo --json` and `simulate` print when they are ready."""
        ready, _, _ = select.select([self._process.stdout], [], [], START_LIMIT)
        text = self._process.stdout.readline() if ready else ""
        if not text:
            self.stop()
            raise RuntimeError("\n".join(["no line was printed", *tail(self._log)]))
        return json.loads(text)

    def stop(self) -> bool:
        """Ends it as a supervisor would; whether it went by itself."""
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT)
            return True
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        finally:
            self._process.stdout.close()
            self._file.close()


class SimulatedCloud:
    """The simulated cloud with one account, and the configuration of a bridge for it."""

    def __init__(self, program: pathlib.Path, folder: pathlib.Path, models: list[str], speed: float) -> None:
        self._program = program
        self._folder = folder
        cars = [argument for model in models for argument in ("--car", model)]
        self._process = Program(program, ["simulate", "--dir", str(folder / "cloud"), "--speed", str(speed), *cars],
                                folder / "simulate.log")
        self._description = self._process.line()
        self._account = self._description["accounts"][0]
        self.url = self._description["control_url"]
        #: The identification numbers of the cars, in the order of the models.
        self.vins: list[str] = [car["vin"] for car in self._account["cars"]]

    def scenario(self, vin: str, name: str) -> None:
        """Makes a car do something else."""
        control(self.url, "POST", f"/cars/{vin}/scenario", {"name": name})

    def patch(self, vin: str, signals: dict[str, float]) -> None:
        """Puts values into a car."""
        control(self.url, "PATCH", f"/cars/{vin}/signals", signals)

    def bridge(self, broker: tuple[str, int], settings: dict | None = None) -> Program:
        """A bridge for all cars on the broker. A second one after the first takes over what that has stored."""
        cloud, account = self._description, self._account
        clock = self._folder / "clock.json"
        clock.write_text(json.dumps(cloud["clock"]))
        configuration = self._folder / "bridge.yaml"
        # Every JSON document is a YAML document.
        configuration.write_text(json.dumps({
            "accounts": [{"username": account["username"], "password": account["password"],
                          "cars": [{"vin": car["vin"], "pin": car["pin"]} for car in account["cars"]]}],
            "certificates": {"app_cert": cloud["app_cert"], "app_key": cloud["app_key"]},
            "cloud": {"base_url": cloud["base_url"], "server_ca": cloud["server_ca"]},
            "mqtt": {"host": broker[0], "port": broker[1]},
            "data_dir": str(self._folder / "data"),
            **(settings or {}),
        }))
        return Program(self._program, ["run", "--config", str(configuration), "--simulated-clock", str(clock)],
                       self._folder / "bridge.log")

    def stop(self) -> None:
        self._process.stop()


class Mosquitto:
    """A broker of our own on a free port of the loopback interface."""

    def __init__(self, folder: pathlib.Path) -> None:
        program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
        if not program:
            raise RuntimeError("mosquitto is not installed")
        self.address = ("127.0.0.1", free_port())
        configuration = folder / "mosquitto.conf"
        configuration.write_text(f"listener {self.address[1]} 127.0.0.1\nallow_anonymous true\nlog_type warning\n"
                                 "max_inflight_messages 0\nmax_queued_messages 0\n")
        self._log = (folder / "mosquitto.log").open("wb")
        self._process = subprocess.Popen([program, "-c", str(configuration)], stdout=self._log, stderr=self._log)
        deadline = time.monotonic() + STOP_LIMIT
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(self.address, 1):
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"mosquitto did not start: {(folder / 'mosquitto.log').read_text()[-1000:]}")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(STOP_LIMIT)
        self._log.close()


class Listener:
    """Hears one topic filter for as long as it lives; retained messages are left out."""

    def __init__(self, broker: tuple[str, int], topics: str) -> None:
        #: Topic and payload of everything heard, oldest first.
        self.heard: list[tuple[str, bytes]] = []
        self._client = mqtt_client()
        self._client.on_connect = lambda client, *_: client.subscribe(topics, 1)
        self._client.on_message = self._hear
        self._client.connect(*broker)
        self._client.loop_start()

    def _hear(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        if not message.retain:
            self.heard.append((message.topic, message.payload))

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def control(url: str, method: str, path: str, body: dict | None = None) -> object:
    """The answer of the simulated cloud's control interface."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def writes(url: str, since: int = 0) -> list[dict]:
    """The commands that reached the simulated cloud after the request with the number `since`."""
    requests = control(url, "GET", f"/requests?since={since}")
    return [request for request in requests if request.get("cmd_id") is not None]


def newest_request(url: str) -> int:
    """The number of the newest request to the simulated cloud."""
    return max((request["n"] for request in control(url, "GET", "/requests")), default=0)


def publish_message(broker: tuple[str, int], topic: str, payload: bytes, *, retain: bool) -> None:
    """Publishes one message and waits until the broker has it."""
    client = mqtt_client()
    client.connect(*broker)
    client.loop_start()
    client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def address(text: str) -> tuple[str, int]:
    """Host and port of HOST:PORT."""
    host, _, port = text.rpartition(":")
    return host, int(port)


def mqtt_client() -> paho.Client:
    """An MQTT client that speaks the version this Home Assistant speaks."""
    version = paho.MQTTv5 if SPEAKS_MQTT5 else paho.MQTTv311
    return paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=version)


def tail(log: pathlib.Path) -> list[str]:
    """The last lines of a log."""
    return log.read_text(errors="replace").splitlines()[-20:] if log.exists() else []
