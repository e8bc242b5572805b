"""Reads files of /etc/config with netjsonconfig, and prints what it made of them as JSON. usage: netjson.py FILE…"""

import json
import pathlib
import sys

from netjsonconfig import OpenWrt

files = map(pathlib.Path, sys.argv[1:])
native = "\n".join(f"package {file.name}\n\n{file.read_text()}" for file in files)
print(json.dumps(OpenWrt(native=native).config))
