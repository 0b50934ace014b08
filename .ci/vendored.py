"""Adds what the package carries of others, beside what it depends on, to a bill of materials.

Usage: python .ci/vendored.py BOM.json, a CycloneDX file, which is written anew. Names, versions and
licences are read from the carried files themselves; one that does not say them is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path

VENDOR = Path(__file__).parents[1] / "mmbot/observe/page/vendor"


def components() -> list[dict[str, object]]:
    """Return every carried library as CycloneDX has it."""
    return [_component(directory) for directory in sorted(VENDOR.iterdir())]


def _component(directory: Path) -> dict[str, object]:
    licence = (directory / "LICENSE").read_text(encoding="utf-8")
    if "MIT License" not in licence.splitlines()[0]:
        raise SystemExit(f"{directory}/LICENSE is not MIT's; say what it is in .ci/vendored.py")
    (script,) = directory.glob("*.js")
    version = re.search(r"\(v([0-9.]+)\)", script.read_text(encoding="utf-8")[:200])
    if version is None:
        raise SystemExit(f"{script} does not say its version")
    name = f"{directory.name}@{version[1]}"
    return {
        "type": "library",
        "bom-ref": f"vendored-{name}",
        "name": directory.name,
        "version": version[1],
        "purl": f"pkg:npm/{name}",
        "licenses": [{"license": {"id": "MIT"}}],
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(script.read_bytes()).hexdigest()}],
    }


def add(path: Path) -> None:
    """Add them to a bill of materials."""
    bill = json.loads(path.read_text(encoding="utf-8"))
    found = components()
    bill["components"] = [*bill.get("components", ()), *found]
    bill.setdefault("dependencies", []).extend({"ref": each["bom-ref"]} for each in found)
    path.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    add(Path(sys.argv[1]))
