"""The TCP sockets on which this process and its descendants listen, from Linux's /proc."""

import ipaddress
import os
from pathlib import Path
from typing import Any


def descendants(root: int) -> set[int]:
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def listening(root: int | None = None) -> list[dict[str, Any]]:
    """Each socket with its address, port and the program that has it open."""
    owners: dict[str, int] = {}
    for pid in descendants(root or os.getpid()):
        try:
            for handle in Path(f"/proc/{pid}/fd").iterdir():
                target = os.readlink(handle)
                if target.startswith("socket:["):
                    owners[target[8:-1]] = pid
        except OSError:
            continue
    found: list[dict[str, Any]] = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] != "0A" or words[9] not in owners:
                continue
            packed, _, port = words[1].partition(":")
            address = _address(packed)
            plain = getattr(address, "ipv4_mapped", None) or address
            pid = owners[words[9]]
            program = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:80]
            found.append(
                {
                    "address": str(plain),
                    "port": int(port, 16),
                    "loopback": plain.is_loopback,
                    "program": program,
                }
            )
    return found


def _address(packed: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The kernel's hexadecimal words of four bytes, each in the machine's (little-endian) order."""
    words = bytes.fromhex(packed)
    return ipaddress.ip_address(b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4)))
