#!/usr/bin/env python3
"""Stands in for the bridge's demo so that check.py itself can be tested: one car, a lock and many sensors, and the bridge.

    fake_bridge.py demo --json [--mqtt HOST:PORT]

It prints the same line as the demo and answers `GET /requests`. With FAKE_BRIDGE_FAULTS=1 it makes the mistakes that
check.py must find: a value outside its options, an entity without a state, a repeated name, a second write, an obsolete
component that it leaves in place, and a bridge that has no device.
"""

import argparse
import http.server
import json
import os
import pathlib
import signal
import sys
import tempfile
import threading

import paho.mqtt.client as paho

from processes import Mosquitto, address

VIN = "LFZFAKE0000ABC123"
TOPIC = f"leapmotor2mqtt/{VIN}"
CONFIG = f"homeassistant/device/leapmotor2mqtt_{VIN}/config"
BRIDGE_CONFIG = "homeassistant/device/leapmotor2mqtt_bridge/config"
FAULTY = os.environ.get("FAKE_BRIDGE_FAULTS") == "1"


def components() -> dict:
    found = {
        "door_lock": {"p": "lock", "uniq_id": f"leapmotor2mqtt_{VIN}_door_lock", "name": "Doors",
                      "stat_t": f"{TOPIC}/door_lock", "cmd_t": f"{TOPIC}/door_lock/set",
                      "def_ent_id": f"lock.leapmotor_{VIN[-6:].lower()}_door_lock"},
    }
    for number in range(200):
        key = f"value_{number}"
        found[key] = {"p": "sensor", "uniq_id": f"leapmotor2mqtt_{VIN}_{key}", "name": f"Value {number}",
                      "stat_t": f"{TOPIC}/{key}", "def_ent_id": f"sensor.leapmotor_{VIN[-6:].lower()}_{key}"}
    if FAULTY:
        found["value_0"] |= {"dev_cla": "enum", "ops": ["a", "b"]}
        found["value_1"] |= {"avty_t": f"{TOPIC}/nowhere"}
        found["value_2"] |= {"name": "Fake car value"}
        found["value_3"] |= {"name": "Value 4"}
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["demo"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--mqtt", type=address)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    folder = tempfile.TemporaryDirectory(prefix="fake-bridge-")
    mosquitto = None if arguments.mqtt else Mosquitto(pathlib.Path(folder.name))
    broker = arguments.mqtt or mosquitto.address
    requests: list[dict] = []

    class Control(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(requests).encode())

        def log_message(self, *_: object) -> None:
            pass

    control = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Control)
    threading.Thread(target=control.serve_forever, daemon=True).start()

    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    old: dict = {}

    def publish_all() -> None:
        offered = components()
        removed = {key: {"p": value["p"]} for key, value in old.items() if key not in offered and not FAULTY}
        for part in ([removed] if removed else []) + [{}]:
            client.publish(CONFIG, json.dumps({
                "dev": {"ids": [f"leapmotor2mqtt_{VIN}"], "name": "Fake car"}, "o": {"name": "fake"},
                "avty_t": "leapmotor2mqtt/bridge/state", "cmps": offered | part}), 1, True)
        if not FAULTY:
            client.publish(BRIDGE_CONFIG, json.dumps({
                "dev": {"ids": ["leapmotor2mqtt_bridge"], "name": "Fake bridge"}, "o": {"name": "fake"},
                "cmps": {"cars": {"p": "sensor", "uniq_id": "leapmotor2mqtt_bridge_cars", "name": "Cars",
                                  "stat_t": "leapmotor2mqtt/bridge/cars",
                                  "def_ent_id": "sensor.leapmotor_bridge_cars"}}}), 1, True)
            client.publish("leapmotor2mqtt/bridge/cars", "1", 1, True)
        for number in range(200):
            client.publish(f"{TOPIC}/value_{number}", str(number), 0, True)
        client.publish(f"{TOPIC}/door_lock", "LOCKED", 1, True)
        client.publish("leapmotor2mqtt/bridge/state", "online", 1, True)

    def on_message(_client: object, _data: object, message: paho.MQTTMessage) -> None:
        if message.topic == CONFIG:
            old.update(json.loads(message.payload)["cmps"])
        elif message.payload == b"UNLOCK":
            for _ in range(2 if FAULTY else 1):
                requests.append({"n": len(requests) + 1, "cmd_id": 110, "cmd_content": '{"value":"unlock"}'})
            client.publish(f"{TOPIC}/door_lock", "UNLOCKING", 1, True)
            client.publish(f"{TOPIC}/door_lock", "UNLOCKED", 1, True)

    def on_subscribe(*_: object) -> None:
        threading.Timer(1, publish_all).start()

    client.on_connect = lambda *_: client.subscribe([(CONFIG, 1), (f"{TOPIC}/door_lock/set", 1)])
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    client.will_set("leapmotor2mqtt/bridge/state", "offline", 1, True)
    client.connect(*broker)
    client.loop_start()

    where = f"{broker[0]}:{broker[1]}"
    print(json.dumps({"mqtt": where, "mqtt311": where, "admin_url": None,
                      "control_url": f"http://127.0.0.1:{control.server_port}",
                      "cars": [{"vin": VIN, "model": "T03", "powertrain": "bev", "pin": "1234"}]}), flush=True)
    try:
        signal.pause()
    finally:
        client.publish("leapmotor2mqtt/bridge/state", "offline", 1, True).wait_for_publish(5)
        client.disconnect()
        client.loop_stop()
        if mosquitto:
            mosquitto.stop()


if __name__ == "__main__":
    main()
