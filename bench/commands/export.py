"""`bench export`: a network of the latest sweep as files that others can run, with a model card."""

import argparse
from pathlib import Path

from bench.commands.arguments import latest_run
from bench.deploy import run_network, saved_network
from bench.deploy.export import export
from bench.errors import UserError
from bench.sweep.settings import find_task
from tuning import runtime


def run(arguments: argparse.Namespace) -> int:
    """Export and say how far the formats agree."""
    task = find_task(arguments.task)
    runtime.configure()
    chosen = run_network.choose(latest_run(arguments), arguments.model)
    if chosen.ensemble:
        raise UserError(f"MODEL={arguments.model}: found an ensemble; expected a single network, by its name")
    folder = Path(arguments.output or f"{arguments.runs}/models/{task.name}-{chosen.assessment.name}")
    with saved_network.replaced(folder, "run") as building:
        facts = export(task, chosen, building)
    for name, found in facts["agreement"].items():
        print(f"{name}: the same classes in {found['cases']} test cases, within {found['difference']:.1e}")
    command = saved_network.command(task, folder, chosen.architecture)
    print(f"{folder}: {facts['title']}" + (f"; apply it with `{command}`" * task.reads_files()))
    return 0
