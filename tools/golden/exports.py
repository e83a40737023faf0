"""Opens exports of thaw with the real TensorBoard and MLflow and compares what they read with the exports as CSV and JSON.

    thaw export EXPERIMENT --format csv --output FOLDER/runs.csv
    thaw export EXPERIMENT --format json --output FOLDER/runs.json
    thaw export EXPERIMENT --format tensorboard --output FOLDER/board
    thaw export EXPERIMENT --format mlflow --output FOLDER/mlruns
    python tools/golden/exports.py FOLDER

Run with tensorboard 2.21.0 and mlflow 3.17.2, and with mlflow-skinny 2.
"""

import csv
import json
import os
import sys

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
import mlflow
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

folder = os.path.abspath(sys.argv[1])
with open(os.path.join(folder, "runs.csv")) as file:
    rows = list(csv.DictReader(file))
with open(os.path.join(folder, "runs.json")) as file:
    as_json = {run["id"]: run for run in json.load(file)}
by_run = {}
for row in rows:
    by_run.setdefault((row["run"], row["id"]), []).append(row)

SCALARS = [
    ("train", "epoch_accuracy", "acc"), ("train", "epoch_loss", "loss"), ("train", "base/drift_maximum", "drift"),
    ("validation", "epoch_accuracy", "val_acc"), ("validation", "epoch_loss", "val_loss"),
    ("test", "epoch_accuracy", "test_acc"), ("test", "epoch_loss", "test_loss"),
]
compared = 0
for (name, _), epochs in by_run.items():
    for split, tag, column in SCALARS:
        if column not in epochs[0]:
            continue
        board = EventAccumulator(os.path.join(folder, "board", name.replace(" ", "_"), split))
        board.Reload()
        events = board.Scalars(tag)
        # Test images may have been evaluated after the last epoch alone.
        told = [(step, row) for step, row in enumerate(epochs) if row[column] != ""]
        assert [event.step for event in events] == [step for step, _ in told], (name, tag)
        for event, (_, row) in zip(events, told):
            value = float(row[column])
            assert abs(event.value - value) <= 1e-7 * max(1, abs(value)), (name, tag, event, value)
            compared += 1
print(f"TensorBoard: {len(by_run)} runs, {compared} values")

mlflow.set_tracking_uri("file://" + os.path.join(folder, "mlruns"))
client = mlflow.MlflowClient()
experiments = [experiment.experiment_id for experiment in client.search_experiments()]
runs = {run.info.run_id: run for run in client.search_runs(experiments, max_results=10_000)}
assert len(runs) == len(by_run), (len(runs), len(by_run))
compared, compared_parameters = 0, 0
COLUMNS = {"train_accuracy": "acc", "train_loss": "loss", "validation_accuracy": "val_acc", "validation_loss": "val_loss", "drift_maximum": "drift"}
COLUMNS |= {metric: column for metric, column in (("test_accuracy", "test_acc"), ("test_loss", "test_loss")) if column in rows[0]}
for (name, identity), epochs in by_run.items():
    run = runs[identity]
    assert run.info.run_name == name and run.info.status == "FINISHED" and run.data.params["seed"] == epochs[0]["seed"]
    assert run.data.tags["thaw.status"] == epochs[0]["status"]
    parameters = as_json[identity]["parameters"] | as_json[identity]["levels"]
    for parameter, value in parameters.items():
        assert run.data.params[parameter.replace("[", ".").replace("]", "")] == value, (name, parameter)
        compared_parameters += 1
    for metric, column in COLUMNS.items():
        history = sorted(client.get_metric_history(identity, metric), key=lambda entry: entry.step)
        told = [row for row in epochs if row[column] != ""]
        assert [entry.step for entry in history] == [int(row["epoch"]) for row in told]
        assert [entry.value for entry in history] == [float(row[column]) for row in told], (name, metric)
        compared += len(history)
print(f"MLflow {mlflow.__version__}: {len(runs)} runs, {compared} values, {compared_parameters} parameters")
