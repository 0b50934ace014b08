"""Puts the commit that a wheel or an sdist is built from into the package, for `--version`."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILE = "mmbot/commit.txt"


class CommitHook(BuildHookInterface):
    """Adds the file; an sdist has it already, and an editable installation asks its repository."""

    PLUGIN_NAME = "custom"
    # The checkout is left as it is, as another build may be going on in it.
    _outside = Path()

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the file where a repository is at hand."""
        root = Path(self.root)
        if version == "editable":
            return
        source = root / FILE
        if (root / ".git").exists():
            command = ("git", "rev-parse", "--short=12", "HEAD")
            found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
            self._outside = Path(tempfile.mkdtemp())
            source = self._outside / "commit.txt"
            source.write_text(found.stdout, encoding="utf-8")
        if source.exists():
            build_data["force_include"][str(source)] = FILE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Take away what was written."""
        if self._outside != Path():
            shutil.rmtree(self._outside, ignore_errors=True)
