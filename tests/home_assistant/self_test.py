#!/usr/bin/env python3
"""Proves check.py: it finds nothing wrong with a good bridge, and every mistake of a bad one.

Run it with the Python of an environment made by scripts/install-home-assistant.
"""

import os
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).parent


def check(faulty: bool, patience: int) -> subprocess.CompletedProcess:
    command = [sys.executable, str(HERE / "check.py"), "--bridge", str(HERE / "fake_bridge.py"), "--mosquitto",
               "--patience", str(patience)]
    environment = os.environ | {"FAKE_BRIDGE_FAULTS": "1" if faulty else "0"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)


class SelfTest(unittest.TestCase):
    def test_a_good_bridge_passes(self) -> None:
        result = check(faulty=False, patience=60)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_every_mistake_of_a_bad_bridge_is_found(self) -> None:
        result = check(faulty=True, patience=10)
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        for finding in (
            "value_1 is enabled but unavailable",
            "its name `Fake car value` repeats the device's",
            "2 sensor entities of one device are named `Value 4`",
            "lock.unlock made these writes: [(110, {'value': 'unlock'}), (110, {'value': 'unlock'})]",
            "the obsolete component was not removed",
            "1 devices, expected 2",
            "Ignoring invalid option received on topic",
        ):
            self.assertIn(finding, result.stdout)


if __name__ == "__main__":
    unittest.main()
