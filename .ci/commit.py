"""Writes the commit that a wheel or an sdist is built from into the package, for `--version`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILE = "mmbot/commit.txt"


class CommitHook(BuildHookInterface):
    """Adds the file; an sdist has it already, and an editable installation asks its repository."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the file where a repository is at hand."""
        if version == "editable":
            return
        root = Path(self.root)
        if (root / ".git").exists():
            command = ("git", "rev-parse", "--short=12", "HEAD")
            found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
            (root / FILE).write_text(found.stdout, encoding="utf-8")
        if (root / FILE).exists():
            build_data["force_include"][str(root / FILE)] = FILE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leave the checkout as it was."""
        if (Path(self.root) / ".git").exists():
            (Path(self.root) / FILE).unlink(missing_ok=True)
