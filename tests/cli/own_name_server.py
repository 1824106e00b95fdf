"""Runs commands where the only name server is this one: python own_name_server.py LOG COMMANDS.json.

To be started in namespaces of its own (unshare -rmn). Each line of LOG is a name that was asked for.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

_SIOCSIFFLAGS, _UP_AND_RUNNING = 0x8914, 0x1 | 0x40
_HEADER = 12


def name_in(query: bytes) -> str:
    labels, at = [], _HEADER
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode(errors="replace"))
        at += 1 + query[at]
    return ".".join(labels)


def serve(server: socket.socket, log: Path) -> None:
    while True:
        query, sender = server.recvfrom(2048)
        with log.open("a") as file:
            print(name_in(query), file=file)
        no_such_name = query[:2] + b"\x81\x83" + query[4:6] + bytes(6) + query[_HEADER:]
        server.sendto(no_such_name, sender)


def main() -> None:
    log, commands = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fcntl.ioctl(server, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _UP_AND_RUNNING))
    server.bind(("127.0.0.1", 53))
    ours = log.with_name("resolv.conf")
    ours.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", ours, "/etc/resolv.conf"], check=True)
    threading.Thread(target=serve, args=(server, log), daemon=True).start()
    for command in commands:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        print(json.dumps([done.returncode, (done.stdout + done.stderr)[-2000:]]), flush=True)


main()
