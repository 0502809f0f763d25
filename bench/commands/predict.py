"""`bench predict`: a saved network, or one of the latest sweep's, on new scans."""

import argparse
from pathlib import Path

from bench.commands.arguments import latest_run
from bench.data.formats.listing import first_few
from bench.deploy import familiarity, run_network, saved_network
from bench.deploy.familiarity import Known
from bench.deploy.predict import find_scans, predict
from bench.deploy.saved_network import Network
from bench.errors import UserError, printable
from bench.sweep.settings import find_task
from bench.tasks import Task
from bench.tasks.contract.plug_ins import find_candidates
from tuning import runtime


def run(arguments: argparse.Namespace) -> int:
    """Predict; says what was found, and every scan that is doubtful. Status 2 where a file could not be read."""
    task = find_task(arguments.task)
    if not arguments.input:
        raise UserError("INPUT: found nothing; expected an image or a folder of images")
    source = Path(arguments.input)
    if not source.exists():
        raise UserError(f"INPUT={source}: found no such file or folder; expected images")
    output = Path(arguments.output or "predictions.csv")
    files, passed_over = find_scans(source, output)
    if passed_over:
        shown = printable(first_few([path.name for path in passed_over]))
        print(f"passed over, as no scans or beside DICOM files: {len(passed_over)} ({shown})")
    runtime.configure()
    network, known = open_network(task, arguments)
    changed = saved_network.changed_code(network.facts, task)
    if changed:
        print(f"{changed}: no probability here can be relied on")
    predictions, pictures = predict(task, network, known, files, output)
    doubtful = [prediction for prediction in predictions if prediction.warnings]
    for prediction in doubtful:
        own = "; ".join(said for said in prediction.warnings if said != changed)
        if own:
            print(printable(f"{prediction.path}: {own}"))
    title = network.facts.get("title", network.facts["architecture"])
    print(printable(f"{output}: {len(predictions)} rows by {title}, {len(doubtful)} of them with warnings"))
    if known is None:
        print("the training data are not at hand: whether these scans are like them was not looked at")
    for picture in pictures:
        print(printable(f"{picture}: what the network looked at"))
    return 0 if all(prediction.probabilities is not None for prediction in predictions) else 2


def open_network(task: Task, arguments: argparse.Namespace) -> tuple[Network, Known | None]:
    """Open what MODEL names, and what its training data were like."""
    model = arguments.model
    own = [candidate.architecture for candidate in find_candidates(arguments.arch, task)]
    if model and Path(model).is_dir():
        network = saved_network.load(Path(model), task, own)
        return network, familiarity.load(Path(model), network)
    if model and "/" in model:
        raise UserError(f"MODEL={model}: found no such folder; expected one with a saved network, or a name")
    chosen = run_network.choose(latest_run(arguments), model)
    network = run_network.open_network(chosen, task, own[0] if arguments.arch else "")
    data = run_network.open_data(chosen, task)
    return network, run_network.learn(data, network) if data else None
