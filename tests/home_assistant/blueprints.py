#!/usr/bin/env python3
"""Puts every blueprint to use in a real Home Assistant, with simulated cars that give it reason to act.

    blueprints.py --bridge target/release/leapmotor2mqtt

One Home Assistant, one mosquitto, the simulated cloud on a fast clock, and the bridge. Each blueprint is imported and
made into automations (scenarios.py); the cars give each its reason; each must say its text or send its commands exactly
once. Then Home Assistant is restarted, and the bridge, while all reasons last: nothing more may come of that. Run it with
the Python of an environment made by scripts/install-home-assistant. Exit status: 0 all well, 1 findings, 2 the check
could not run.
"""

import argparse
import asyncio
import collections
import contextlib
import json
import pathlib
import re
import shutil
import sys
from collections.abc import Awaitable, Callable

from checking import Check, conduct, parser
from hass import HomeAssistant
from processes import Listener, Mosquitto, SimulatedCloud, newest_request, publish_message, writes
from scenarios import CONFIGURATION, DEAR, MODELS, PRICE_TOPIC, Scenario, Scenarios, publish

SHIPPED = pathlib.Path(__file__).resolve().parents[2] / "blueprints" / "automation" / "leapmotor2mqtt"
FOLDER = pathlib.PurePath("leapmotor2mqtt")
SOURCE = "https://github.com/leapmotor2mqtt/leapmotor2mqtt/blob/main/blueprints/automation/leapmotor2mqtt/"

#: Blueprints that command the car instead of telling something.
COMMANDING = ("preheat", "cheap_charging")

#: What the automations made Home Assistant itself show.
SHOWN = "Home Assistant showed"

#: What it shows of its own accord: what it could not set up, and what it found in the network.
OWN = ("invalid_config", "config_entry_discovery")

#: How long to listen for what must not come. Longer than any blueprint of the scenarios waits.
QUIET = 7

#: Every car is read about once a second; what the account may ask in a day is not what is tested here.
SETTINGS = {
    "polling": {"daily_requests": 100_000, "parked_seconds": 15, "driving_seconds": 15, "charging_seconds": 15},
}


class Blueprints(Check):
    """Judges what the automations do."""

    def __init__(self, hass: HomeAssistant, patience: float, url: str, messages: Listener) -> None:
        super().__init__(hass, patience)
        self._url = url
        self._messages = messages
        self._automations: list[dict] = []
        #: How many messages, and which request to the cloud, were judged already.
        self._judged = (0, 0)

    async def imported(self, folder: pathlib.Path) -> None:
        """Home Assistant takes every blueprint, and each says where it is from and what it needs."""
        known = await self.hass.call("blueprint/list", domain="automation")
        for file in sorted(folder.glob("*.yaml")):
            found = known.get(str(FOLDER / file.name), {"error": "not found"})
            self.expect("error" not in found, f"{file.name}: {found.get('error')}")
            metadata = found.get("metadata", {})
            self.expect(metadata.get("source_url") == SOURCE + file.name, f"{file.name}: wrong source_url")
            self.expect("homeassistant" in metadata, f"{file.name}: names no version of Home Assistant")

    async def instantiate(self, scenarios: list[Scenario]) -> None:
        """Makes the automations, beside those that are there."""
        self._automations += map(automation, scenarios)
        # Every JSON document is a YAML document.
        (self.hass.folder / "automations.yaml").write_text(json.dumps(self._automations))
        await self.hass.call("call_service", domain="automation", service="reload")
        running = sum(state == "on" for entity, state in self.hass.states.items() if entity.startswith("automation."))
        self.expect(running == len(self._automations), f"{running} of {len(self._automations)} automations run")

    async def returned(self, when: str, minimum: int = 1) -> None:
        """All entities have a state."""
        self.expect(await self.settled(minimum), f"{when}, unavailable: {await self.unavailable()}")

    async def judge(self, when: str, scenarios: list[Scenario]) -> None:
        """Waits for what these scenarios must do, listens for more, and compares."""
        expected = collections.defaultdict(list)
        for scenario in scenarios:
            expected[SHOWN if scenario.as_shipped else f"`{scenario.name}` said"] += scenario.messages
            for vin, patterns in scenario.commands.items():
                expected[f"the cloud received for {vin}"] += patterns

        async def complete() -> bool:
            done = await self._done()
            return all(len(done[what]) >= len(patterns) for what, patterns in expected.items())

        await self.hass.until(complete, self.patience)
        await asyncio.sleep(QUIET)
        done = await self._done()
        for what in sorted(done.keys() | expected.keys()):
            patterns = expected[what]
            same = len(done[what]) == len(patterns) and all(map(re.fullmatch, patterns, done[what]))
            self.expect(same, f"{when}, {what} {done[what]}, expected {patterns}")
        self._judged = len(self._messages.heard), await asyncio.to_thread(newest_request, self._url)
        print(f"  {when}: {sum(map(len, done.values()))} messages and commands", flush=True)

    async def _done(self) -> dict[str, list[str]]:
        """What the automations did that was not judged yet."""
        done = collections.defaultdict(list)
        # A restart of Home Assistant forgets what was shown before.
        shown = await self.hass.call("persistent_notification/get")
        done[SHOWN] += [each["message"] for each in shown if each["notification_id"] not in OWN]
        for topic, payload in self._messages.heard[self._judged[0]:]:
            done[f"`{topic.removeprefix('blueprints/')}` said"].append(payload.decode())
        for write in await asyncio.to_thread(writes, self._url, self._judged[1]):
            done[f"the cloud received for {write['vin']}"].append(f"{write['cmd_id']} {write['cmd_content']}")
        return done


def automation(scenario: Scenario) -> dict:
    """The automation of a scenario. If its blueprint tells something, the check is told."""
    told = {} if scenario.as_shipped or scenario.blueprint in COMMANDING else {
        "notification": publish(scenario.name, "{{ message }}")}
    return {"id": scenario.name, "alias": scenario.name, "use_blueprint": {
        "path": str(FOLDER / f"{scenario.blueprint}.yaml"), "input": scenario.inputs | told}}


async def run(arguments: argparse.Namespace, folder: pathlib.Path, stack: contextlib.ExitStack) -> list[str]:
    mosquitto = Mosquitto(folder)
    stack.callback(mosquitto.stop)
    broker = mosquitto.address
    messages = Listener(broker, "blueprints/#")
    stack.callback(messages.stop)
    cloud = SimulatedCloud(arguments.bridge, folder, MODELS, arguments.speed)
    stack.callback(cloud.stop)
    # The last car says one thing, and never anything again.
    cloud.scenario(cloud.vins[-1], "offline")
    running = [cloud.bridge(broker, SETTINGS)]
    stack.callback(lambda: running[0].stop())

    async def stop() -> None:
        await asyncio.to_thread(running[0].stop)
        await check.waits(lambda: "unavailable" in hass.states.values(), "Home Assistant to miss the bridge")

    def start() -> None:
        running[0] = cloud.bridge(broker, SETTINGS)

    def price(value: str) -> None:
        publish_message(broker, PRICE_TOPIC, value.encode(), retain=True)

    price(DEAR)
    hass = HomeAssistant(folder / "hass", broker, CONFIGURATION)
    shutil.copytree(arguments.blueprints, hass.folder / "blueprints" / "automation" / FOLDER)
    (hass.folder / "automations.yaml").write_text("[]")
    async with hass:
        check = Blueprints(hass, arguments.patience, cloud.url, messages)
        await check.imported(arguments.blueprints)
        await check.returned("at first", len(MODELS) * 100)
        entities = {entry["unique_id"]: entry["entity_id"] for entry in await hass.mqtt_entities()}
        scenarios = Scenarios(check, cloud, entities, price)
        await scenarios.known()
        chosen = [scenario for scenario in scenarios.all() if scenario.name in (arguments.only or [scenario.name])]
        await check.instantiate(chosen)
        await asyncio.gather(*(scenario.act() for scenario in chosen))
        await check.judge("when the cars give reason", chosen)
        await restarts(check, scenarios, stop, start)
        check.log()
        return check.findings


async def restarts(check: Blueprints, scenarios: Scenarios, stop: Callable[[], Awaitable[None]],
                   start: Callable[[], None]) -> None:
    """All reasons last, and nothing may come of a restart; only that the bridge stays away is news at last."""
    await check.hass.restart()
    await check.returned("after a restart of Home Assistant")
    await check.judge("after a restart of Home Assistant", [])

    await stop()
    start()
    await check.returned("after a restart of the bridge")
    await check.judge("after a restart of the bridge", [])

    gone = [scenarios.gone()]
    await check.instantiate(gone)
    await stop()
    await check.judge("without the bridge", gone)


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--blueprints", type=pathlib.Path, default=SHIPPED, metavar="FOLDER")
    options.add_argument("--only", nargs="*", metavar="SCENARIO", help="the names of some scenarios instead of all")
    options.add_argument("--speed", type=float, default=15, metavar="FACTOR", help="simulated seconds per second")
    return conduct("every blueprint", options.parse_args(), run)


if __name__ == "__main__":
    sys.exit(main())
