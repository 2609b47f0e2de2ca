#!/usr/bin/env python3
"""Proves blueprints.py: it finds blueprints that speak up after a restart, tell nobody where they are from, or leave
warnings in the log.

    blueprints_self_test.py --bridge target/release/leapmotor2mqtt

Run it with the Python of an environment made by scripts/install-home-assistant. Exit status: 0 all mistakes were found,
1 not all of them.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

from blueprints import SHIPPED, SOURCE

HERE = pathlib.Path(__file__).parent

#: File, what is taken out of it, what is put in instead, and what the check must say of it.
MISTAKES = [
    ("left_open.yaml", "trigger.from_state.state not in ['unavailable', 'unknown']", "true",
     "after a restart of Home Assistant, `left open` said ['Not closed"),
    ("left_open.yaml", "Not closed or not locked", "Not closed",
     "when the cars give reason, `left open` said ['Not closed: "),
    ("tire_pressure.yaml", "variables:\n", "variables:\n  mistake: '{{ nothing_of_that_name }}'\n",
     "'nothing_of_that_name' is undefined"),
    ("preheat.yaml", SOURCE, "https://example.com/", "preheat.yaml: wrong source_url"),
    ("charge_ended.yaml", "  domain: automation\n", "", "charge_ended.yaml: "),
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bridge", required=True, metavar="PROGRAM")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="leapmotor2mqtt-blueprints-") as folder:
        broken = pathlib.Path(shutil.copytree(SHIPPED, pathlib.Path(folder) / "broken"))
        for name, right, wrong, _ in MISTAKES:
            text = (broken / name).read_text()
            assert right in text, f"{name} does not contain {right!r} any more"
            (broken / name).write_text(text.replace(right, wrong, 1))
        command = [sys.executable, str(HERE / "blueprints.py"), "--bridge", arguments.bridge, "--blueprints", str(broken),
                   "--only", "left open", "low pressure"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    missed = [finding for *_, finding in MISTAKES if finding not in result.stdout]
    if result.returncode == 1 and not missed:
        print(f"all {len(MISTAKES)} mistakes were found")
        return 0
    print(f"exit status {result.returncode}, not found: {missed}", result.stdout, result.stderr, sep="\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
