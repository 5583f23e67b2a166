"""Shell scripts as processes that can be stopped."""

import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path


def start_script(script: Path, *args: str, env: Mapping[str, str]) -> subprocess.Popen:
    """Start a bash script in a session of its own, with its output in a pipe.

    It obeys the signals that stop a script even where the tests themselves run in the background or under ``nohup``: a
    shell cannot trap what it was told to ignore.
    """
    return subprocess.Popen(
        ['bash', script, *args],
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_obey,
    )


def _obey() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
