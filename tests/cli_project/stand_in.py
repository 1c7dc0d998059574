"""A program in dbt's place that ends as it is told to, for endings that real dbt does not have on demand."""

from __future__ import annotations

import json
import sys
import textwrap

RESULTS = "https://schemas.getdbt.com/dbt/run-results/v6.json"


def stand_in(folder, *, succeeded=(), failed=(), exit_code=0, body="", invocation_id="this-run", which="build"):
    """Write the program; it writes run_results.json into target/ of where it runs, then runs `body`, then ends.

    What it was called with it keeps in ``call.json`` beside itself. Without `invocation_id` it writes no results.
    """
    folder.mkdir(exist_ok=True)
    results = [{"unique_id": each, "status": "success"} for each in succeeded]
    results += [{"unique_id": each, "status": "error"} for each in failed]
    written = run_results(invocation_id, results, which) if invocation_id else ""
    program = folder / "dbt"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, os, pathlib, signal, sys, time\n"
        f"here = pathlib.Path({str(folder)!r})\n"
        "kept = {name: value for name, value in os.environ.items() if name.startswith('DBT_')}\n"
        "call = {'arguments': sys.argv[1:], 'folder': os.getcwd(), 'environ': kept}\n"
        "(here / 'call.json').write_text(json.dumps(call))\n"
        "print('dbt says something', flush=True)\n"
        f"written = {written!r}\n"
        "if written:\n"
        "    pathlib.Path('target').mkdir(exist_ok=True)\n"
        "    pathlib.Path('target/run_results.json').write_text(written)\n"
        f"{textwrap.dedent(body)}\n"
        f"sys.exit({exit_code})\n"
    )
    program.chmod(0o755)
    return {"DBT_EXECUTABLE": str(program)}


def run_results(invocation_id, results, which="build"):
    """The text of dbt's run_results.json."""
    metadata = {"dbt_schema_version": RESULTS, "dbt_version": "1.11.16", "invocation_id": invocation_id}
    return json.dumps({"metadata": metadata, "results": results, "args": {"which": which}})


def call_of(folder):
    """What the program was called with."""
    return json.loads((folder / "call.json").read_text())
