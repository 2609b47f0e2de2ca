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
import pathlib
import re
import sys
import time

from checking import Check, conduct, parser
from hass import SPEAKS_MQTT5, HomeAssistant
from processes import (
    STOP_LIMIT,
    Mosquitto,
    Program,
    address,
    mqtt_client,
    newest_request,
    publish_message,
    writes,
)


def demo(program: pathlib.Path, broker: tuple[str, int] | None, folder: pathlib.Path) -> Program:
    """The bridge's demo, on its own broker or on the one given."""
    where = ["--mqtt", f"{broker[0]}:{broker[1]}"] if broker else []
    return Program(program, ["demo", "--json", *where], folder / "bridge.log")


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


class DemoCheck(Check):
    """Judges what the demo shows."""

    async def entities(self, minimum: int, cars: int) -> None:
        """Enough of them, of each car and of the bridge, all with a state, and none with the name of another or of its
        device."""
        async def announced() -> bool:
            return len({entry["device_id"] for entry in await self.hass.mqtt_entities()}) > cars

        await self.hass.until(announced, self.patience)
        await self.settled(minimum)
        entries = await self.hass.mqtt_entities()
        self.expect(len(entries) >= minimum, f"{len(entries)} entities, at least {minimum} expected")
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
        found = len({entry["device_id"] for entry in entries})
        self.expect(found == cars + 1, f"{found} devices, expected {cars + 1}: one for each car and one for the bridge")
        print(f"  {len(entries)} entities of {found} devices", flush=True)

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

        before = await asyncio.to_thread(newest_request, control_url)
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

        found = await asyncio.to_thread(writes, control_url, before)
        contents = [(int(write["cmd_id"]), json.loads(write["cmd_content"])) for write in found]
        self.expect(contents == [(110, {"value": "unlock"})], f"lock.unlock made these writes: {contents}")
        print(f"  {lock}: {' → '.join(shown)}, {len(contents)} write(s)", flush=True)

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
            await asyncio.to_thread(publish_message, broker, topic, json.dumps(config).encode(), retain=True)
            self.expect(await self.hass.until(registered, self.patience), "the obsolete component did not appear")

        await restart(without_bridge)
        self.expect(await self.hass.until(gone, self.patience), "the obsolete component was not removed")
        self.expect(await self.hass.until(back, self.patience), f"unavailable after a restart: {await self.unavailable()}")
        print("  restarted: obsolete component removed, all entities back", flush=True)


async def run(arguments: argparse.Namespace, folder: pathlib.Path, stack: contextlib.ExitStack) -> list[str]:
    broker = None
    if arguments.mosquitto:
        mosquitto = Mosquitto(folder)
        stack.callback(mosquitto.stop)
        broker = mosquitto.address

    running = [demo(arguments.bridge, broker, folder)]
    stack.callback(lambda: running[0].stop())
    line = running[0].line()
    car = line["cars"][0]

    async with HomeAssistant(folder / "hass", broker or address(line["mqtt" if SPEAKS_MQTT5 else "mqtt311"])) as hass:
        check = DemoCheck(hass, arguments.patience)
        await check.entities(arguments.min_entities, len(line["cars"]))
        await check.unlock(car["vin"], line["control_url"])

        if broker:
            async def restart(meanwhile) -> None:
                stopped = await asyncio.to_thread(running[0].stop)
                check.expect(stopped, f"the bridge did not stop within {STOP_LIMIT} s")
                await meanwhile()
                running[0] = demo(arguments.bridge, broker, folder)
                await asyncio.to_thread(running[0].line)

            await check.removal(car["vin"], broker, restart)
        check.log()
        return check.findings


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--mosquitto", action="store_true", help="use mosquitto as broker and restart the bridge on it")
    options.add_argument("--min-entities", type=int, default=180, metavar="N")
    arguments = options.parse_args()
    broker = "mosquitto" if arguments.mosquitto else "the embedded broker"
    return conduct(f"MQTT {'5' if SPEAKS_MQTT5 else '3.1.1'}, {broker}", arguments, run)


if __name__ == "__main__":
    sys.exit(main())
