"""Lists of hosts that others keep: Ansible's INI and YAML inventories, and the ``Host`` lines of ssh_config.

Nothing in them is run, and no template is filled in. Groups become labels, variables of Ansible become options of the
targets; what cannot be honoured is told, or is an error where a session would lead elsewhere without it.
"""

from __future__ import annotations

from .read import Inventory, read_inventory

__all__ = ["Inventory", "read_inventory"]
