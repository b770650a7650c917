"""Damage that files take, or are given: seeded, so that each can be made again."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from pathlib import Path

__all__ = ["damage"]

_NUMBERS = (0, 1, -1, 2, 127, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
_VALUES: tuple[Any, ...] = (
    *_NUMBERS, None, True, "", "x" * 5000, [], {}, [[]], 1e308, -0.5, float("nan"), 10**400, [10**9] * 3, {"a": {}},
    "|O", "pickle", "../../../etc/passwd",
)  # fmt: skip


def damage(path: Path, random: random.Random) -> str:
    """Change one or several things in a file, or in the files of a folder, and say what was done."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    done = []
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        file = random.choice(files)
        if not file.exists():
            continue
        if path.is_dir() and random.random() < 0.05:
            file.unlink()
            done.append(f"{file.name} removed")
            continue
        data = file.read_bytes()
        text = _as_json(data)
        if text is not None and random.random() < 0.7:
            file.write_bytes(_changed_json(text, random))
            done.append(f"{file.name}: a value of its JSON")
        elif _safetensors_header(data) is not None and random.random() < 0.7:
            file.write_bytes(_changed_safetensors(data, random))
            done.append(f"{file.name}: a value of its header")
        else:
            name, changed = _changed_bytes(data, random)
            file.write_bytes(changed)
            done.append(f"{file.name}: {name}")
    return "; ".join(done) or "nothing"


def _changed_bytes(data: bytes, random: random.Random) -> tuple[str, bytes]:
    """Change bytes; headers, which stand at the beginning or the end, more often than the rest."""
    if not data:
        return "a byte for none", b"\0"
    size = len(data)
    near = min(size, random.choice((16, 64, 512, size)))
    at = random.randrange(near) if random.random() < 0.7 else size - 1 - random.randrange(near)
    kind = random.choice(("bit", "byte", "number", "run", "cut", "insert", "remove", "double", "swap", "text"))
    out = bytearray(data)
    if kind == "bit":
        out[at] ^= 1 << random.randrange(8)
    elif kind == "byte":
        out[at] = random.choice((0, 1, 127, 128, 255, random.randrange(256)))
    elif kind == "number":
        form = random.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
        number = random.choice(_NUMBERS) % (1 << 8 * struct.calcsize(form))
        out[at : at + struct.calcsize(form)] = struct.pack(form, number)
    elif kind == "run":
        length = random.randrange(1, 64)
        out[at : at + length] = bytes([random.choice((0, 255, 65))]) * min(length, size - at)
    elif kind == "cut":
        del out[at:]
    elif kind == "insert":
        out[at:at] = random.randbytes(random.randrange(1, 32))
    elif kind == "remove":
        del out[at : at + random.randrange(1, 32)]
    elif kind == "double":
        out[at:at] = out[at : at + random.randrange(1, 200)]
    elif kind == "swap":
        other = random.randrange(size)
        length = random.randrange(1, 16)
        out[at : at + length], out[other : other + length] = out[other : other + length], out[at : at + length]
    else:
        out[at:at] = b"[" * random.choice((10, 10_000)) if random.random() < 0.5 else b"9" * 5000
    return f"{kind} at {at}", bytes(out)


def _as_json(data: bytes) -> Any:
    if data.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _changed_json(content: Any, random: random.Random) -> bytes:
    """Replace, remove or add one value anywhere in JSON."""
    if random.random() < 0.05:
        return b"[" * 100_000
    places: list[tuple[Any, Any]] = []

    def collect(node: Any) -> None:
        items = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
        for key, value in items:
            places.append((node, key))
            if isinstance(value, (dict, list)):
                collect(value)

    if isinstance(content, (dict, list)):
        collect(content)
    if not places:
        return json.dumps(random.choice(_VALUES)).encode()
    node, key = random.choice(places)
    kind = random.random()
    if kind < 0.15:
        del node[key]
    elif kind < 0.25 and isinstance(node, list):
        node.extend(node[:3] * 2)
    elif kind < 0.35 and isinstance(node, dict):
        node["surprise"] = random.choice(_VALUES)
    else:
        node[key] = random.choice(_VALUES)
    return json.dumps(content).encode()


def _safetensors_header(data: bytes) -> Any:
    if len(data) < 10:
        return None
    (length,) = struct.unpack("<Q", data[:8])
    return _as_json(data[8 : 8 + length]) if length < len(data) else None


def _changed_safetensors(data: bytes, random: random.Random) -> bytes:
    """Change a value in the header of a safetensors file, or in the JSON that one of its texts is."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    texts = header.get("__metadata__") if isinstance(header, dict) else None
    texts = texts if isinstance(texts, dict) else {}
    inner = [name for name, value in texts.items() if isinstance(value, str) and _as_json(value.encode()) is not None]
    if inner and random.random() < 0.7:
        name = random.choice(inner)
        texts[name] = _changed_json(json.loads(texts[name]), random).decode()
        new = json.dumps(header).encode()
    else:
        new = _changed_json(header, random)
    return struct.pack("<Q", len(new)) + new + data[8 + length :]
