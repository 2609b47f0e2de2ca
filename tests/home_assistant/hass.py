"""A Home Assistant of our own: its configuration, its process and its API.

Everything listens on 127.0.0.1 and nothing is downloaded: the integrations started are the ones the check needs, and
their requirements are part of the environment that scripts/install-home-assistant makes.
"""

import asyncio
import datetime
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable

import aiohttp
from homeassistant import config_entries
from homeassistant.components.mqtt import const as mqtt_const
from homeassistant.const import __version__ as VERSION

#: Releases from this one on keep MQTT entries in their second form and want MQTT 5; older ones speak 3.1.1 by default.
ENTRY_VERSION = (
    getattr(mqtt_const, "CONFIG_ENTRY_VERSION", 1),
    getattr(mqtt_const, "CONFIG_ENTRY_MINOR_VERSION", 2),
)
SPEAKS_MQTT5 = ENTRY_VERSION >= (2, 1)

BOOT_LIMIT = 180
CALL_LIMIT = 30
STOP_LIMIT = 30
#: Between two looks at what is waited for: many states change at once.
REST = 0.2

#: Home is where the first of the simulated cars stand.
CONFIGURATION = """
homeassistant:
  name: Check
  latitude: 45.4642
  longitude: 9.1914
  elevation: 120
  unit_system: metric
  time_zone: Europe/Rome
  country: IT
  language: en
  currency: EUR
http:
  server_host: 127.0.0.1
  server_port: {port}
logger:
  default: warning
api:
websocket_api:
config:
frontend:
recorder:
  commit_interval: 1
"""

LOG_LINE = re.compile(r"^\S+ \S+ (?P<level>[A-Z]+) \([^)]*\) \[(?P<logger>[^\]]+)\] (?P<message>.*)$")


class HomeAssistantError(Exception):
    """Home Assistant did not do what it was asked."""


def free_port() -> int:
    """A TCP port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class HomeAssistant:
    """One instance in a folder of its own, connected to the broker given. Use it as an async context manager."""

    def __init__(self, folder: pathlib.Path, broker: tuple[str, int], configuration: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.states: dict[str, str] = {}
        #: The attributes of every entity that has a state.
        self.attributes: dict[str, dict] = {}
        #: Every state change since the start, oldest first.
        self.history: list[tuple[str, str]] = []
        self._token: str | None = None
        #: The log of every start.
        self._logs: list[pathlib.Path] = []
        self._answers: dict[int, asyncio.Future] = {}
        self._changed = asyncio.Event()
        (self.folder / ".storage").mkdir(parents=True)
        (self.folder / "configuration.yaml").write_text(CONFIGURATION.format(port=self.port) + configuration)
        self._write_entry(broker)

    def _write_entry(self, broker: tuple[str, int]) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat()
        entry = {
            "created_at": now,
            "modified_at": now,
            "data": {"broker": broker[0], "port": broker[1], "protocol": "5" if SPEAKS_MQTT5 else "3.1.1"},
            "options": {"discovery": True, "discovery_prefix": "homeassistant"},
            "domain": "mqtt",
            "entry_id": uuid.uuid4().hex,
            "version": ENTRY_VERSION[0],
            "minor_version": ENTRY_VERSION[1],
            "title": "broker",
            "source": "user",
            "unique_id": None,
            "disabled_by": None,
            "discovery_keys": {},
            "pref_disable_new_entities": False,
            "pref_disable_polling": False,
            "subentries": [],
        }
        document = {
            "version": config_entries.STORAGE_VERSION,
            "minor_version": config_entries.STORAGE_VERSION_MINOR,
            "key": "core.config_entries",
            "data": {"entries": [entry]},
        }
        (self.folder / ".storage" / "core.config_entries").write_text(json.dumps(document))

    async def __aenter__(self) -> "HomeAssistant":
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_LIMIT))
        try:
            await self._start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()
        await self._session.close()

    async def restart(self) -> None:
        """Ends it as a user would, and starts it again."""
        await self._stop()
        self.states.clear()
        await self._start()

    async def _start(self) -> None:
        self._logs.append(self.folder / f"check-{len(self._logs) + 1}.log")
        self._reader = None
        self._output = (self.folder / "output.txt").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "homeassistant", "--config", str(self.folder), "--skip-pip", "--log-no-color",
             "--log-file", str(self._logs[-1])],
            stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output, start_new_session=True)
        async with asyncio.timeout(BOOT_LIMIT):
            self._token = self._token or await self._answered(self._onboard)
            await self._answered(self._connect)
            await self._until_running()

    async def _stop(self) -> None:
        if self._reader:
            self._reader.cancel()
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(self._process.wait, STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()

    async def _answered[Answer](self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer to a question that is asked until Home Assistant has come so far."""
        while True:
            if self._process.poll() is not None:
                raise HomeAssistantError(f"it ended at once:\n{self._tail()}")
            try:
                return await ask()
            except aiohttp.ClientError:
                await asyncio.sleep(0.2)

    async def _onboard(self) -> str:
        """Creates the owner as a new user would, and returns an access token."""
        owner = {"client_id": f"{self.url}/", "name": "Check", "username": "check", "password": uuid.uuid4().hex,
                 "language": "en"}
        async with self._session.post(f"{self.url}/api/onboarding/users", json=owner) as answer:
            answer.raise_for_status()
            code = (await answer.json())["auth_code"]
        form = {"grant_type": "authorization_code", "code": code, "client_id": owner["client_id"]}
        async with self._session.post(f"{self.url}/auth/token", data=form) as answer:
            answer.raise_for_status()
            return (await answer.json())["access_token"]

    async def _connect(self) -> None:
        self._socket = await self._session.ws_connect(f"{self.url}/api/websocket", max_msg_size=0, heartbeat=20)
        await self._socket.receive_json()
        await self._socket.send_json({"type": "auth", "access_token": self._token})
        answer = await self._socket.receive_json()
        if answer["type"] != "auth_ok":
            raise HomeAssistantError(f"the websocket refused the token: {answer}")
        self._reader = asyncio.create_task(self._read())
        await self.call("subscribe_events", event_type="state_changed")
        for state in await self.call("get_states"):
            self._keep(state)

    async def _read(self) -> None:
        """Owns the receiving side of the websocket; ends with the process or when cancelled by the owner."""
        async for frame in self._socket:
            message = frame.json()
            if message["type"] == "result":
                self._answers.pop(message["id"]).set_result(message)
            elif message["type"] == "event":
                data = message["event"]["data"]
                entity, new = data["entity_id"], data["new_state"]
                if new is None:
                    self.states.pop(entity, None)
                else:
                    self._keep(new)
                    self.history.append((entity, new["state"]))
                self._changed.set()

    def _keep(self, state: dict) -> None:
        self.states[state["entity_id"]] = state["state"]
        self.attributes[state["entity_id"]] = state["attributes"]

    async def _until_running(self) -> None:
        while (config := await self.call("get_config"))["state"] != "RUNNING":
            await asyncio.sleep(0.2)
        if config.get("recovery_mode") or config.get("safe_mode"):
            raise HomeAssistantError(f"it started in recovery mode:\n{self._tail()}")

    async def call(self, kind: str, **arguments: object) -> object:
        """The result of one websocket command."""
        number = self._number = getattr(self, "_number", 0) + 1
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "type": kind, **arguments})
        message = await asyncio.wait_for(answer, CALL_LIMIT)
        if not message["success"]:
            raise HomeAssistantError(f"{kind}: {message['error']}")
        return message["result"]

    async def until(self, condition, limit: float) -> bool:
        """Whether `condition` (a coroutine function) came true within `limit` seconds; looks again when states changed."""
        try:
            async with asyncio.timeout(limit):
                while not await condition():
                    self._changed.clear()
                    await asyncio.sleep(REST)
                    try:
                        await asyncio.wait_for(self._changed.wait(), 1)
                    except TimeoutError:
                        pass
                return True
        except TimeoutError:
            return False

    async def mqtt_entities(self) -> list[dict]:
        """The registry entries of all MQTT entities."""
        entries = await self.call("config/entity_registry/list")
        return [entry for entry in entries if entry["platform"] == "mqtt"]

    def log_records(self) -> list[tuple[str, str, str]]:
        """Level, logger and message of every record logged so far; continuation lines belong to their record."""
        records: list[tuple[str, str, str]] = []
        lines = [line for log in self._logs if log.exists() for line in log.read_text(errors="replace").splitlines()]
        for line in lines:
            if match := LOG_LINE.match(line):
                records.append((match["level"], match["logger"], match["message"]))
            elif records:
                level, logger, message = records[-1]
                records[-1] = (level, logger, f"{message}\n{line}")
        return records

    def _tail(self) -> str:
        return (self.folder / "output.txt").read_text(errors="replace")[-3000:]
