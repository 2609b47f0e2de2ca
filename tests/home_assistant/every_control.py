#!/usr/bin/env python3
"""Uses every control of a simulated car in Home Assistant, and looks for each use at the simulated cloud.

    every_control.py --bridge target/release/leapmotor2mqtt [--car C10-REEV]

One Home Assistant, one mosquitto, the simulated cloud with one plugged car on a fast clock, and the bridge with all
commands allowed; also what is disabled by default is enabled. Which service is called follows from the entity's domain and its attributes;
each call waits for the result of the one before. What commands the car must be a write at the cloud, taken by it and
not refused by the bridge. Run it with the Python of an environment made by scripts/install-home-assistant.
Exit status: 0 all well, 1 findings, 2 the check could not run.
"""

import argparse
import asyncio
import contextlib
import json
import pathlib
import sys
import time

from checking import Check, conduct, parser
from hass import HomeAssistant, HomeAssistantError
from processes import Listener, Mosquitto, SimulatedCloud, mqtt_client, newest_request, publish_message, writes

#: What a command may end as without being a finding: what was written and not confirmed is said, but may happen.
WRITTEN = ("confirmed", "not_confirmed")

#: What to write into the car's text entities, by key.
TEXTS = {
    "charge_schedule_start": "01:30",
    "charge_schedule_end": "06:30",
    "charge_schedule_days": "1,0,1,0,1,0,1",
    "charge_schedule_json": '{"enabled":true,"start":"02:00","end":"05:00","limit":90,"days":"1,1,1,1,1,0,0"}',
    "climate_schedule_json": '{"start_time":"2030-01-01 07:30:00"}',
    "quiet_hours_start": "23:00",
    "quiet_hours_end": "06:00",
    "send_destination": "45.4642,9.1900,Duomo",
}

#: Features of Home Assistant's entities, by domain, that decide which services they take.
COVER_CLOSE, COVER_POSITION = 2, 4
CLIMATE_TEMPERATURE, CLIMATE_FAN, CLIMATE_PRESET = 1, 8, 16


def announced(broker: tuple[str, int]) -> list[dict]:
    """Every component on the broker, of devices and on its own; heard out when nothing came for a while."""
    configs: list[dict] = []
    client = mqtt_client()
    client.on_connect = lambda *_: client.subscribe("homeassistant/#", 1)
    client.on_message = lambda *message: configs.append(json.loads(message[-1].payload))
    client.connect(*broker)
    known, quiet_since = 0, time.monotonic()
    while time.monotonic() - quiet_since < 2:
        client.loop(0.1)
        if len(configs) > known:
            known, quiet_since = len(configs), time.monotonic()
    client.disconnect()
    components = []
    for config in configs:
        parts = config.get("cmps", {"itself": config}).values()
        components += [{"avty": config.get("avty", [])} | part for part in parts]
    return [component for component in components if "uniq_id" in component]


def another(options: list[str], state: str) -> str:
    """One of the options that is not the present one, the last as it is the least usual."""
    return next(option for option in reversed(options) if option != state)


def calls(domain: str, key: str, state: str, attributes: dict) -> list[tuple[str, dict]]:
    """The services to call on an entity, in order, each with its data."""
    features = attributes.get("supported_features", 0)
    match domain:
        case "button":
            return [("press", {})]
        case "switch":
            return [("turn_on", {}), ("turn_off", {})]
        case "lock":
            return [("unlock", {}), ("lock", {})]
        case "cover":
            position = [("set_cover_position", {"position": 50})] if features & COVER_POSITION else []
            close = [("close_cover", {})] if features & COVER_CLOSE else []
            return [("open_cover", {}), *position, *close]
        case "number":
            low, high, step = (attributes[key] for key in ("min", "max", "step"))
            middle = low + step * ((high - low) // step // 2)
            return [("set_value", {"value": middle if str(middle) != state else middle + step})]
        case "select":
            return [("select_option", {"option": another(attributes["options"], state)})]
        case "climate":
            mode = next(mode for mode in attributes["hvac_modes"] if mode != "off")
            steps = [("set_hvac_mode", {"hvac_mode": mode})]
            if features & CLIMATE_TEMPERATURE:
                steps.append(("set_temperature", {"temperature": attributes["min_temp"] + 4}))
            if features & CLIMATE_FAN:
                steps.append(("set_fan_mode", {"fan_mode": another(attributes["fan_modes"], attributes["fan_mode"])}))
            if features & CLIMATE_PRESET:
                presets = [preset for preset in attributes["preset_modes"] if preset != "none"]
                steps += [("set_preset_mode", {"preset_mode": preset}) for preset in presets]
            return [*steps, ("set_hvac_mode", {"hvac_mode": "off"})]
        case "time":
            return [("set_value", {"time": "06:30:00"})]
        case "text":
            return [("set_value", {"value": TEXTS[key]})]
        case _:
            return []


class EveryControl(Check):
    """Goes through the controls of one car."""

    def __init__(self, hass: HomeAssistant, patience: float, url: str, vin: str, results: Listener) -> None:
        super().__init__(hass, patience)
        self.url = url
        self.vin = vin
        self.results = results
        self.used = 0

    def ended(self) -> list[dict]:
        """The final results of the car's commands, in their order."""
        results = [json.loads(payload) for _, payload in self.results.heard]
        return [result for result in results if result["state"] != "accepted"]

    async def ask(self, broker: tuple[str, int], command: dict) -> None:
        """Has a command carried out as a script would."""
        known = len(self.ended())
        topic = f"leapmotor2mqtt/{self.vin}/command"
        await asyncio.to_thread(publish_message, broker, topic, json.dumps(command).encode(), retain=False)

        async def ended() -> bool:
            return len(self.ended()) > known

        self.expect(await self.hass.until(ended, self.patience), f"{command} had no result")

    async def enable_all(self) -> None:
        """Enables what is disabled by default. Home Assistant takes it in by itself, half a minute after the last."""
        for entry in await self.hass.mqtt_entities():
            if self.vin in entry["unique_id"] and entry["disabled_by"] is not None:
                await self.hass.call("config/entity_registry/update", entity_id=entry["entity_id"], disabled_by=None)
        self.expect(await self.settled(), f"unavailable although enabled: {await self.unavailable()}")

    async def controls(self, broker: tuple[str, int]) -> None:
        """Every control of the car's device, in the order of their names."""
        commanding = f"leapmotor2mqtt/{self.vin}/commands/availability"
        commands = {
            component["uniq_id"]
            for component in await asyncio.to_thread(announced, broker)
            if commanding in json.dumps(component.get("avty", []))
        }
        entries = [
            entry
            for entry in await self.hass.mqtt_entities()
            if self.vin in entry["unique_id"] and entry["disabled_by"] is None
        ]
        for entry in sorted(entries, key=lambda entry: entry["entity_id"]):
            key = entry["unique_id"].removeprefix(f"leapmotor2mqtt_{self.vin}_")
            await self.entity(entry["entity_id"], key, entry["unique_id"] in commands)

    async def entity(self, entity: str, key: str, commands: bool) -> None:
        """Uses one control in every way it takes."""
        states = {state["entity_id"]: state for state in await self.hass.call("get_states")}
        if entity not in states:
            self.expect(False, f"{entity} has no state")
            return
        domain, state = entity.split(".")[0], states[entity]
        uses = calls(domain, key, state["state"], state["attributes"])
        self.used += bool(uses)
        for service, data in uses:
            await self.use(entity, f"{domain}.{service}", data, commands)

    async def use(self, entity: str, service: str, data: dict, commands: bool) -> None:
        domain, name = service.split(".")
        before = await asyncio.to_thread(newest_request, self.url)
        known = len(self.ended())
        try:
            await self.hass.call("call_service", domain=domain, service=name, service_data=data,
                                 target={"entity_id": entity})
        except HomeAssistantError as error:
            self.expect(False, f"{entity}: {service} {data} failed: {error}")
            return
        if not commands:
            print(f"  {entity}: {service} {data or ''} (nothing for the car)", flush=True)
            return

        async def ended() -> bool:
            return len(self.ended()) > known

        if not await self.hass.until(ended, self.patience):
            self.expect(False, f"{entity}: {service} {data} had no result")
            return
        result = self.ended()[known]
        found = await asyncio.to_thread(writes, self.url, before)
        shown = [(write["cmd_id"], write["cmd_content"], write["code"]) for write in found if write["vin"] == self.vin]
        told = f"{entity}: {service} {data or ''}: {result['command']} {result['state']}, {shown}"
        good = [code for *_, code in shown] == [0] and result["state"] in WRITTEN
        self.expect(good, told)
        print(f"  {told}", flush=True)


async def run(arguments: argparse.Namespace, folder: pathlib.Path, stack: contextlib.ExitStack) -> list[str]:
    mosquitto = Mosquitto(folder)
    stack.callback(mosquitto.stop)
    cloud = SimulatedCloud(arguments.bridge, folder, [arguments.car], arguments.speed)
    stack.callback(cloud.stop)
    vin = cloud.vins[0]
    # A charge can only be started with a cable.
    cloud.scenario(vin, "plugged")
    bridge = cloud.bridge(mosquitto.address, {"commands": {"spacing_seconds": 1, "allow": arguments.allow}})
    stack.callback(bridge.stop)
    results = Listener(mosquitto.address, f"leapmotor2mqtt/{vin}/command/result")
    stack.callback(results.stop)

    async with HomeAssistant(folder / "hass", mosquitto.address) as hass:
        check = EveryControl(hass, arguments.patience, cloud.url, vin, results)

        async def found() -> bool:
            return any(vin in entry["unique_id"] for entry in await hass.mqtt_entities())

        check.expect(await hass.until(found, arguments.patience), "the car was not announced")
        check.expect(await check.settled(), f"unavailable: {await check.unavailable()}")
        await check.enable_all()
        # A schedule can only be switched when there is one.
        for command in ("climate-schedule", "prepare-car-schedule"):
            await check.ask(mosquitto.address, {"command": command, "params": {"start_time": "2099-01-01 07:30:00"}})
        await check.controls(mosquitto.address)
        check.log()
        check.expect(check.used >= arguments.min_controls,
                     f"{check.used} controls, at least {arguments.min_controls} expected")
        print(f"  {check.used} controls used", flush=True)
        return check.findings


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--car", default="C10-REEV", metavar="MODEL")
    options.add_argument("--speed", type=float, default=10, metavar="FACTOR", help="simulated seconds per second")
    options.add_argument("--allow", nargs="*", metavar="COMMAND", help="commands of the driving class to allow",
                         default=["on3-on", "on3-off", "autopark", "piloted-parking", "fota-download", "fota-install",
                                  "fota-schedule", "speed-limit", "ble-key-restart"])
    options.add_argument("--min-controls", type=int, default=65, metavar="N")
    arguments = options.parse_args()
    return conduct(f"every control of a {arguments.car}", arguments, run)


if __name__ == "__main__":
    sys.exit(main())
