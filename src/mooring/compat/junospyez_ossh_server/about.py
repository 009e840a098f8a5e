"""Whose place this takes."""

from __future__ import annotations

from typing import Final

__all__ = ["package_name", "package_version"]

package_name: Final = "junospyez-ossh-server"
package_version: Final = "0.1.2"
