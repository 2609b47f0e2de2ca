"""What each blueprint is put to: its inputs, what the simulated car then does, and what must come of it.

Every scenario is one automation of its own. Cars are shared where their scenarios do not touch each other.
"""

import asyncio
import datetime
import re
import zoneinfo
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from checking import Check
from processes import SimulatedCloud

#: The models of the simulated cars, in the order of [`Cars`].
MODELS = ["T03", "B10", "C10", "C10", "C10-REEV", "B10"]

#: Where the test itself publishes the price of electricity.
PRICE_TOPIC = "prices/now"
DEAR, CHEAP = "0.40", "0.10"

#: Helpers of Home Assistant that the scenarios use.
CONFIGURATION = f"""
automation: !include automations.yaml
input_datetime:
  departure:
    has_date: true
    has_time: true
mqtt:
  sensor:
    - name: Price
      unique_id: price
      state_topic: {PRICE_TOPIC}
      unit_of_measurement: EUR/kWh
"""

TIME_ZONE = zoneinfo.ZoneInfo("Europe/Rome")
SIDES = ("front_left", "front_right", "rear_left", "rear_right")
OPENINGS = [*(f"door_{side}" for side in SIDES), *(f"window_{side}" for side in SIDES), "trunk", "door_lock"]
TIRES = ["tire_pressure_fl", "tire_pressure_fr", "tire_pressure_rl", "tire_pressure_rr"]

#: Commands at the cloud: their number and content.
START, STOP = r'193 .*"start".*', r'193 .*"stop".*'
LIMIT = r'190 .*"chargesoc":{}.*'
CLIMATE = r'170 (?=.*"mode":"{}")(?=.*"temperature":"{}").*'
CLIMATE_OFF = r'170 .*"off".*'

#: Signals of the simulated cars.
LOCKED, TRUNK, BATTERY = "1298", "1281", "1204"
PRESSURE_FRONT_LEFT, PRESSURE_REAR_RIGHT, ALARM_FRONT_LEFT = "2646", "2667", "2655"


async def nothing() -> None:
    """For an automation that acts by the time of the day, or must not act at all."""


@dataclass
class Scenario:
    """One automation made from a blueprint, and what it must do, no more and no less."""

    name: str
    blueprint: str
    inputs: dict
    act: Callable[[], Awaitable[None]] = nothing
    #: Patterns of the messages, in their order.
    messages: list[str] = field(default_factory=list)
    #: Patterns of the commands that reach the cloud, in their order, by the car they are for.
    commands: dict[str, list[str]] = field(default_factory=dict)
    #: Whether its messages go where the blueprint itself sends them, and not to the check.
    as_shipped: bool = False


class Car:
    """A simulated car and its entities in Home Assistant."""

    def __init__(self, check: Check, cloud: SimulatedCloud, vin: str, entities: dict[str, str]) -> None:
        self.vin = vin
        self._check = check
        self._cloud = cloud
        self._entities = entities

    def __getitem__(self, key: str) -> str:
        """The entity id of one of its values."""
        return self._entities[f"leapmotor2mqtt_{self.vin}_{key}"]

    def named(self, key: str) -> str:
        """A pattern for the name of one of its entities."""
        return re.escape(self._check.hass.attributes[self[key]]["friendly_name"])

    async def is_known(self) -> None:
        """Waits until it was read."""
        heard = self["last_vehicle_update"]
        await self._check.waits(lambda: self._check.hass.states[heard] != "unknown", f"{heard} to be known")

    async def plays(self, scenario: str) -> None:
        await asyncio.to_thread(self._cloud.scenario, self.vin, scenario)

    async def sends(self, signals: dict[str, float]) -> None:
        await asyncio.to_thread(self._cloud.patch, self.vin, signals)

    async def shows(self, key: str, state: str) -> None:
        """Waits until Home Assistant shows a state."""
        await self._check.waits(lambda: self._check.hass.states.get(self[key]) == state, f"{self[key]} to be {state}")

    async def tells(self, event: str) -> None:
        """Waits for a vehicle event."""
        entity = self["event_vehicle"]
        await self._check.waits(lambda: self._check.hass.attributes[entity].get("event_type") == event,
                                f"{entity} to tell {event}")


class Scenarios:
    """All scenarios, for cars that Home Assistant knows by now: `entities` has the entity id of every unique id."""

    def __init__(self, check: Check, cloud: SimulatedCloud, entities: dict[str, str],
                 price: Callable[[str], None]) -> None:
        self._hass = check.hass
        self._price = price
        self._cars = [Car(check, cloud, vin, entities) for vin in cloud.vins]
        self.silent, self.open, self.full, self.nightly, self.priced, self.unheard = self._cars

    async def known(self) -> None:
        """Waits until every car was read."""
        for car in self._cars:
            await car.is_known()

    def all(self) -> list[Scenario]:
        return [
            *self.plain(),
            *self.left_open(),
            *self.charges(),
            *self.not_plugged_in(),
            self.low_pressure(),
            *self.departures(),
            self.by_price(),
            self.by_times(),
            *self.silences(),
        ]

    def plain(self) -> list[Scenario]:
        """Every blueprint with nothing chosen that need not be: for a car to which nothing of it happens, and for entities
        that do not exist.
        """
        car = self.silent
        required = {
            "left_open": {"driving": car["driving"], "watched": [car[key] for key in OPENINGS]},
            "charge_ended": {"events": car["event_vehicle"], "battery": car["battery_level"]},
            "not_plugged_in": {"cable": car["plugged_in"], "battery": car["battery_level"]},
            "tire_pressure": {"tires": [car[key] for key in TIRES]},
            "preheat": {"climate": car["climate"], "cable": car["plugged_in"], "battery": car["battery_level"]},
            "cheap_charging": {"charging": car["charging_switch"], "cable": car["plugged_in"],
                               "battery": car["battery_level"]},
            "not_reporting": {"silent": car["frame_frozen"], "heard": car["last_vehicle_update"]},
        }
        soon = {"not_plugged_in": {"time": clock(in_seconds(15))}}
        nowhere = {
            blueprint: {name: missing(entity) for name, entity in inputs.items()} | soon.get(blueprint, {})
            for blueprint, inputs in required.items()
        }
        return [
            Scenario(f"{kind} {blueprint}", blueprint, inputs, as_shipped=True)
            for kind, chosen in (("plain", required), ("missing", nowhere))
            for blueprint, inputs in chosen.items()
        ]

    def left_open(self) -> list[Scenario]:
        car = self.open
        inputs = {"driving": car["driving"], "watched": [car[key] for key in OPENINGS], "patience": {"seconds": 2}}

        async def act() -> None:
            await car.sends({TRUNK: 1, LOCKED: 0})

        message = f"Not closed or not locked: {car.named('trunk')}, {car.named('door_lock')}."
        return [
            Scenario("left open", "left_open", inputs, act, [message]),
            Scenario("left open, as shipped", "left_open", inputs, nothing, [message], as_shipped=True),
        ]

    def charges(self) -> list[Scenario]:
        """One that reaches its limit. The other is stopped by [`Scenarios.by_price`], and then by hand."""
        finished, interrupted = self.full, self.priced

        async def act() -> None:
            await finished.sends({BATTERY: 79})
            await finished.plays("charge_ac")

        def inputs(car: Car) -> dict:
            return {"events": car["event_vehicle"], "battery": car["battery_level"]}

        return [
            Scenario("charge finished", "charge_ended", inputs(finished), act,
                     [r"The charge is finished, the battery is at 80 %\."]),
            Scenario("charge interrupted", "charge_ended", inputs(interrupted), nothing,
                     [r"The charge was interrupted before its limit, the battery is at \d\d %\."] * 2),
            Scenario("only finished charges", "charge_ended", inputs(interrupted) | {"kinds": ["charging_completed"]}),
        ]

    def not_plugged_in(self) -> list[Scenario]:
        """The car stands at home, another elsewhere."""
        home, elsewhere = self.open, self.full
        inputs = {"cable": home["plugged_in"], "battery": home["battery_level"], "time": clock(in_seconds(15)), "below": 70}
        message = r"The car is not plugged in and the battery is at 64 %\."
        return [
            Scenario("not plugged in", "not_plugged_in", inputs | {"present": [home["location"]]}, nothing, [message]),
            Scenario("battery full enough", "not_plugged_in", inputs | {"below": 60}),
            Scenario("not at home", "not_plugged_in", inputs | {"present": [elsewhere["location"]]}),
        ]

    def low_pressure(self) -> Scenario:
        """Two tyres and the warning at once are one message, and so is the next step down."""
        car = self.open
        inputs = {"tires": [car[key] for key in TIRES], "warning": car["tire_problem"]}

        async def act() -> None:
            await car.sends({PRESSURE_FRONT_LEFT: 190, PRESSURE_REAR_RIGHT: 210, ALARM_FRONT_LEFT: 1})
            await car.shows("tire_problem", "on")
            await car.sends({PRESSURE_FRONT_LEFT: 185})

        tires = rf"{car.named('tire_pressure_fl')} 1\.(90|9|85) bar, {car.named('tire_pressure_rr')} 2\.10? bar"
        return Scenario("low pressure", "tire_pressure", inputs, act, [rf"Low tyre pressure: {tires}\."])

    def departures(self) -> list[Scenario]:
        """By a helper that is set, and by the time of the day; both cars are switched off again after their start."""
        heated, cooled = self.open, self.full

        def inputs(car: Car, name: str, more: dict) -> dict:
            return {"climate": car["climate"], "cable": car["plugged_in"], "battery": car["battery_level"], "lead": 30,
                    "then": publish(name, "{{ mode }}"), **more}

        async def by_helper() -> None:
            leaving = in_seconds(600).strftime("%Y-%m-%d %H:%M:%S")
            await self._hass.call("call_service", domain="input_datetime", service="set_datetime",
                                  target={"entity_id": "input_datetime.departure"}, service_data={"datetime": leaving})
            await switch_off(heated, "heat")

        async def by_time() -> None:
            await switch_off(cooled, "cool")

        async def switch_off(car: Car, mode: str) -> None:
            await car.shows("climate", mode)
            await self._hass.call("call_service", domain="climate", service="set_hvac_mode",
                                  target={"entity_id": car["climate"]}, service_data={"hvac_mode": "off"})
            await car.shows("climate", "off")

        # The time is looked at when a minute begins.
        leaving = clock(in_seconds(70).replace(second=0) + datetime.timedelta(minutes=30))
        every_day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        at_hand = {"clock": "input_datetime.departure", "target": 23, "cold": 19, "hot": 30}
        at_a_time = {"time": leaving, "days": every_day, "target": 18, "cold": 0, "hot": 20}
        return [
            Scenario("heat", "preheat", inputs(heated, "heat", at_hand), by_helper, ["heat"],
                     {heated.vin: [CLIMATE.format("hot", 23), CLIMATE_OFF]}),
            Scenario("cool", "preheat", inputs(cooled, "cool", at_a_time), by_time, ["cool"],
                     {cooled.vin: [CLIMATE.format("cold", 18), CLIMATE_OFF]}),
            Scenario("mild", "preheat", inputs(heated, "mild", at_hand | {"cold": 0})),
            Scenario("empty", "preheat", inputs(heated, "empty", at_hand | {"unplugged_above": 101})),
            Scenario("no day", "preheat", inputs(cooled, "no day", at_a_time | {"days": []})),
        ]

    def by_price(self) -> Scenario:
        """Cheap, dear, cheap again; then the owner stops the charge, and it stays stopped while it is cheap."""
        car = self.priced
        inputs = self._charging(car) | {"tariff": "sensor.price", "limit": car["charge_limit"], "percent": 90}

        async def act() -> None:
            await car.plays("plugged")
            await car.shows("plugged_in", "on")
            for price, event in ((CHEAP, "charging_started"), (DEAR, "charging_interrupted"), (CHEAP, "charging_started")):
                await asyncio.to_thread(self._price, price)
                await car.tells(event)
            await car.plays("plugged")

        commands = {car.vin: [LIMIT.format(90), START, STOP, START]}
        return Scenario("by price", "cheap_charging", inputs, act, commands=commands)

    def by_times(self) -> Scenario:
        """Plugged in before the cheap time, the car is stopped; later it charges for as long as the cheap time lasts."""
        car = self.nightly
        inputs = self._charging(car) | {"begin": clock(in_seconds(35)), "end": clock(in_seconds(55))}

        async def act() -> None:
            await car.plays("charge_ac")

        commands = {car.vin: [STOP, START, STOP]}
        return Scenario("by times", "cheap_charging", inputs, act, commands=commands)

    def silences(self) -> list[Scenario]:
        """One car falls silent while it drives. The other was silent from the beginning."""
        car = self.silent

        async def act() -> None:
            await car.plays("drive")
            await car.shows("driving", "on")
            await car.plays("offline")

        def inputs(car: Car, **more: object) -> dict:
            return {"silent": car["frame_frozen"], "heard": car["last_vehicle_update"], **more}

        heard = datetime.datetime.fromisoformat(self._hass.states[self.unheard["last_vehicle_update"]])
        hours = (in_seconds(8) - heard).total_seconds() / 3600
        when = r" Last heard \d{4}-\d\d-\d\d \d\d:\d\d\."
        return [
            Scenario("silent", "not_reporting", inputs(car, silent_for={"seconds": 1}), act,
                     [rf"The car has fallen silent\.{when}"]),
            Scenario("unheard", "not_reporting", inputs(self.unheard, unheard_hours=hours), nothing,
                     [rf"Nothing was heard of the car for long\.{when}"]),
        ]

    def gone(self) -> Scenario:
        """For a bridge that is gone longer than this."""
        car = self.silent
        inputs = {"silent": car["frame_frozen"], "heard": car["last_vehicle_update"], "unavailable_for": {"seconds": 2}}
        return Scenario("gone", "not_reporting", inputs, nothing, [r"The car is unavailable: .* is gone\."])

    @staticmethod
    def _charging(car: Car) -> dict:
        return {"charging": car["charging_switch"], "cable": car["plugged_in"], "battery": car["battery_level"]}


def publish(name: str, text: str) -> list[dict]:
    """The action that lets the check hear of a scenario, also while it is not connected to Home Assistant."""
    return [{"action": "mqtt.publish", "data": {"topic": f"blueprints/{name}", "payload": text, "qos": 1}}]


def missing(entities: str | list[str]) -> str | list[str]:
    """Entities of the same kind that do not exist."""
    if isinstance(entities, list):
        return [missing(entity) for entity in entities]
    return entities.split(".")[0] + ".missing"


def in_seconds(seconds: float) -> datetime.datetime:
    """A moment from now, by the time zone of Home Assistant."""
    return datetime.datetime.now(TIME_ZONE) + datetime.timedelta(seconds=seconds)


def clock(moment: datetime.datetime) -> str:
    """The time of the day of a moment."""
    return moment.strftime("%H:%M:%S")
