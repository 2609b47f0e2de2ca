#!/usr/bin/env python3
"""Shows the bridge's demo to a real Home Assistant and judges what appears there.

    check.py --bridge target/release/leapmotor2mqtt              on the demo's embedded broker
    check.py --bridge target/release/leapmotor2mqtt --mosquitto  on mosquitto, and restarts the bridge on it
    check.py --bridge tests/home_assistant/fake_bridge.py …      proves the check itself, without the bridge

Run it with the Python of an environment made by scripts/install-home-assistant. What is judged: entities appear, have a
state and names of their own, nothing is logged against them, an unlock in Home Assistant is exactly one write to the
cloud, and a component that is no longer offered disappears. Exit status: 0 all well, 1 findings, 2 the check could not run.
"""

import argparse
import asyncio
import collections
import contextlib
import itertools
import json
import os
import pathlib
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import paho.mqtt.client as paho

from hass import SPEAKS_MQTT5, VERSION, HomeAssistant, HomeAssistantError, free_port

BRIDGE_LIMIT = 60
STOP_LIMIT = 20

#: Records at warning level or above that a bare Home Assistant writes whatever the bridge does.
HARMLESS = [
    re.compile(pattern)
    for pattern in (
        # What --skip-pip itself causes.
        r"Skipping pip installation",
        # Native helpers that are not installed.
        r"zlib_ng|turbojpeg|ffmpeg|FFmpeg",
        # Voice integrations whose requirements the environment leaves out.
        r"(Unable to set up|Setup failed for).*'assist_",
        # A busy machine.
        r"is taking over \d+ seconds|was still running after",
    )
]


class Bridge:
    """The bridge's demo as a child process; its one line of JSON is in `line`."""

    def __init__(self, program: pathlib.Path, broker: tuple[str, int] | None, log: pathlib.Path) -> None:
        interpreter = [sys.executable] if program.suffix == ".py" else []
        arguments = [*interpreter, str(program), "demo", "--json"]
        if broker:
            arguments += ["--mqtt", f"{broker[0]}:{broker[1]}"]
        self._log = log.open("ab")
        self._process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=self._log, text=True)
        self.line = self._read_line(log)

    def _read_line(self, log: pathlib.Path) -> dict:
        ready, _, _ = select.select([self._process.stdout], [], [], BRIDGE_LIMIT)
        text = self._process.stdout.readline() if ready else ""
        if not text:
            self.stop()
            raise RuntimeError("\n".join(["the demo printed no line", *tail(log)]))
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
            self._log.close()


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


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def retained(broker: tuple[str, int], topic: str) -> bytes | None:
    """The retained payload of one topic, or None."""
    found: list[bytes] = []
    client = mqtt_client()
    client.on_connect = lambda *_: client.subscribe(topic, 1)
    client.on_message = lambda *message: found.append(message[-1].payload)
    client.connect(*broker)
    deadline = time.monotonic() + 5
    while not found and time.monotonic() < deadline:
        client.loop(0.1)
    client.disconnect()
    return found[0] if found else None


def publish(broker: tuple[str, int], topic: str, payload: bytes) -> None:
    """Publishes one retained message and waits until the broker has it."""
    client = mqtt_client()
    client.connect(*broker)
    client.loop_start()
    client.publish(topic, payload, qos=1, retain=True).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def tail(log: pathlib.Path) -> list[str]:
    """The last lines of a log."""
    return log.read_text(errors="replace").splitlines()[-20:]


def mqtt_client() -> paho.Client:
    version = paho.MQTTv5 if SPEAKS_MQTT5 else paho.MQTTv311
    return paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=version)


class Check:
    """Collects findings while it goes through the parts of the check."""

    def __init__(self, hass: HomeAssistant, minimum: int, patience: float) -> None:
        self.hass = hass
        self.minimum = minimum
        self.patience = patience
        self.findings: list[str] = []

    def expect(self, holds: bool, finding: str) -> None:
        if not holds:
            self.findings.append(finding)

    async def unavailable(self) -> list[str]:
        """Enabled entities that Home Assistant shows as unavailable, or not at all."""
        enabled = [entry["entity_id"] for entry in await self.hass.mqtt_entities() if entry["disabled_by"] is None]
        return [entity for entity in enabled if self.hass.states.get(entity, "unavailable") == "unavailable"]

    async def entities(self) -> None:
        """Enough of them, all with a state, and none with the name of another or of its device."""
        async def settled() -> bool:
            return len(await self.hass.mqtt_entities()) >= self.minimum and not await self.unavailable()

        await self.hass.until(settled, self.patience)
        entries = await self.hass.mqtt_entities()
        self.expect(len(entries) >= self.minimum, f"{len(entries)} entities, at least {self.minimum} expected")
        for entity in await self.unavailable():
            self.expect(False, f"{entity} is enabled but unavailable")

        devices = {device["id"]: device for device in await self.hass.call("config/device_registry/list")}
        known = {entry["entity_id"] for entry in entries}
        names = collections.Counter()
        for entry in entries:
            entity, name = entry["entity_id"], entry["original_name"]
            device = devices.get(entry["device_id"])
            self.expect(device is not None, f"{entity} belongs to no device")
            if device and name:
                repeats = name.lower().startswith(device["name"].lower())
                self.expect(not repeats, f"{entity}: its name `{name}` repeats the device's")
            names[entry["device_id"], entity.split(".")[0], name] += 1
            clash = re.sub(r"_\d+$", "", entity) in known - {entity}
            self.expect(not clash, f"{entity}: numbered by Home Assistant because another has its name")
        for (_, platform, name), count in names.items():
            self.expect(count == 1, f"{count} {platform} entities of one device are named `{name}`")

        for issue in (await self.hass.call("repairs/list_issues"))["issues"]:
            self.expect(issue["domain"] != "mqtt", f"a repair issue: {issue['issue_id']}")
        print(f"  {len(entries)} entities of {len({entry['device_id'] for entry in entries})} devices", flush=True)

    async def unlock(self, vin: str, control_url: str) -> None:
        """`lock.unlock` shows the pending state, then the confirmed one, and is one write to the cloud."""
        unique_id = f"leapmotor2mqtt_{vin}_door_lock"
        found = [entry["entity_id"] for entry in await self.hass.mqtt_entities() if entry["unique_id"] == unique_id]
        if not found:
            self.findings.append(f"no lock with the unique id {unique_id}")
            return
        lock = found[0]
        if SPEAKS_MQTT5:
            expected = f"lock.leapmotor_{vin[-6:].lower()}_door_lock"
            self.expect(lock == expected, f"the lock is {lock}, expected {expected}")

        before = max((request["n"] for request in await self.requests(control_url)), default=0)
        start = len(self.hass.history)
        await self.hass.call("call_service", domain="lock", service="unlock", target={"entity_id": lock})

        async def unlocked() -> bool:
            return self.hass.states.get(lock) == "unlocked"

        await self.hass.until(unlocked, self.patience)
        changes = [state for entity, state in self.hass.history[start:] if entity == lock]
        # A change of an attribute repeats the state, and so does the bridge when Home Assistant has just started: before
        # the command shows, that is the state the lock had.
        states = [state for state, _ in itertools.groupby(changes)]
        shown = list(itertools.dropwhile(lambda state: state == "locked", states))
        self.expect(shown == ["unlocking", "unlocked"], f"after lock.unlock {lock} showed {shown}")

        new = [request for request in await self.requests(control_url) if request["n"] > before]
        writes = [request for request in new if request.get("cmd_id") is not None]
        contents = [(int(write["cmd_id"]), json.loads(write["cmd_content"])) for write in writes]
        self.expect(contents == [(110, {"value": "unlock"})], f"lock.unlock made these writes: {contents}")
        print(f"  {lock}: {' → '.join(shown)}, {len(contents)} write(s)", flush=True)

    @staticmethod
    async def requests(control_url: str) -> list[dict]:
        """What the simulated cloud was asked so far."""
        def fetch() -> list[dict]:
            with urllib.request.urlopen(f"{control_url}/requests", timeout=10) as answer:
                return json.load(answer)

        return await asyncio.to_thread(fetch)

    async def removal(self, vin: str, broker: tuple[str, int], restart) -> None:
        """A component on the broker that a restarted bridge does not offer disappears, and all others come back."""
        topic = f"homeassistant/device/leapmotor2mqtt_{vin}/config"
        unique_id = f"leapmotor2mqtt_{vin}_obsolete"

        async def registered() -> bool:
            return any(entry["unique_id"] == unique_id for entry in await self.hass.mqtt_entities())

        async def gone() -> bool:
            return not await registered()

        async def back() -> bool:
            return not await self.unavailable()

        async def without_bridge() -> None:
            config = json.loads(await asyncio.to_thread(retained, broker, topic) or "{}")
            components = config.get("cmps") or config.get("components")
            if not components:
                self.findings.append(f"{topic} holds no components")
                return
            components["obsolete"] = {"p": "sensor", "name": "Obsolete", "unique_id": unique_id,
                                      "state_topic": f"leapmotor2mqtt/{vin}/obsolete"}
            await asyncio.to_thread(publish, broker, topic, json.dumps(config).encode())
            self.expect(await self.hass.until(registered, self.patience), "the obsolete component did not appear")

        await restart(without_bridge)
        self.expect(await self.hass.until(gone, self.patience), "the obsolete component was not removed")
        self.expect(await self.hass.until(back, self.patience), f"unavailable after a restart: {await self.unavailable()}")
        print("  restarted: obsolete component removed, all entities back", flush=True)

    def log(self) -> None:
        """Nothing at warning level or above that is not known to be harmless."""
        for level, logger, message in self.hass.log_records():
            record = f"[{logger}] {message}"
            known = any(pattern.search(record) for pattern in HARMLESS)
            if level in ("WARNING", "ERROR", "CRITICAL") and not known:
                self.findings.append(f"logged {level}: {record[:600]}")


async def run(arguments: argparse.Namespace, folder: pathlib.Path, stack: contextlib.ExitStack) -> list[str]:
    broker = None
    if arguments.mosquitto:
        mosquitto = Mosquitto(folder)
        stack.callback(mosquitto.stop)
        broker = mosquitto.address

    running = [Bridge(arguments.bridge, broker, folder / "bridge.log")]
    stack.callback(lambda: running[0].stop())
    line = running[0].line
    car = line["cars"][0]

    async with HomeAssistant(folder / "hass", broker or address(line["mqtt" if SPEAKS_MQTT5 else "mqtt311"])) as hass:
        check = Check(hass, arguments.min_entities, arguments.patience)
        await check.entities()
        await check.unlock(car["vin"], line["control_url"])

        if broker:
            async def restart(meanwhile) -> None:
                stopped = await asyncio.to_thread(running[0].stop)
                check.expect(stopped, f"the bridge did not stop within {STOP_LIMIT} s")
                await meanwhile()
                running[0] = await asyncio.to_thread(Bridge, arguments.bridge, broker, folder / "bridge.log")

            await check.removal(car["vin"], broker, restart)
        check.log()
        return check.findings


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bridge", type=pathlib.Path, required=True, metavar="PROGRAM")
    parser.add_argument("--mosquitto", action="store_true", help="use mosquitto as broker and restart the bridge on it")
    parser.add_argument("--min-entities", type=int, default=180, metavar="N")
    parser.add_argument("--patience", type=float, default=120, metavar="SECONDS", help="how long to wait for each thing")
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder with all logs")
    arguments = parser.parse_args()
    arguments.bridge = arguments.bridge.resolve()

    folder = pathlib.Path(tempfile.mkdtemp(prefix="leapmotor2mqtt-check-"))
    broker = "mosquitto" if arguments.mosquitto else "the embedded broker"
    print(f"Home Assistant {VERSION}, MQTT {'5' if SPEAKS_MQTT5 else '3.1.1'}, {broker}", flush=True)
    started = time.monotonic()
    try:
        with contextlib.ExitStack() as stack:
            findings = asyncio.run(run(arguments, folder, stack))
        if findings:
            print("  the bridge's last words:", *tail(folder / "bridge.log"), sep="\n    ")
    except (HomeAssistantError, OSError, RuntimeError, TimeoutError) as error:
        print(f"the check could not run: {error!r}", file=sys.stderr)
        return 2
    finally:
        if arguments.keep:
            print(f"kept {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    for finding in findings:
        print(f"  finding: {finding}")
    print(f"  {len(findings)} findings in {time.monotonic() - started:.0f} s")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
