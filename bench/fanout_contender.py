"""One command on many hosts with parallel-ssh, from cold: ``python -m bench.fanout_contender SERVER``."""

from __future__ import annotations

import json
import resource
import sys

from pssh.clients import ParallelSSHClient
from pssh.config import HostConfig

from bench.servers import Server

_SPARE = 200
"""Descriptors beside one for each host."""


def main() -> int:
    """Run ``true`` everywhere, take the output, and return 0 where all of it went well."""
    server = Server(**json.loads(sys.argv[1]))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, len(server.ports) + _SPARE), hard))
    configs = [HostConfig(user=server.user, port=port, private_key=server.key) for port in server.ports]
    hosts = [server.host] * len(configs)
    client = ParallelSSHClient(hosts, host_config=configs, pool_size=100, allow_agent=False, identity_auth=False)
    outputs = client.run_command("true")
    client.join(outputs)
    for output in outputs:
        sys.stdout.writelines(f"{line}\n" for stream in (output.stdout, output.stderr) for line in stream)
    return int(any(output.exit_code != 0 for output in outputs))


if __name__ == "__main__":
    sys.exit(main())
