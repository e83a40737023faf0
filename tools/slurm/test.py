"""Run an experiment through a real Slurm into a real object store while things go wrong, and compare with a run on this machine.

    python3 tools/slurm/test.py THAW [--epochs N] [--nodes N] [--log FILE]

Needs Debian's slurm-wlm and munge, and `pip install 'moto[server]' numpy polars` (`just test-slurm` makes an environment). While 24 cells train, a
worker is killed, a job is queued again, one is asked to stop, a node is drained, and the object server does not answer for ten seconds. Then every
metric column has to be the same to the last bit, nothing may be missing, and no cell may have been trained twice.
"""

import argparse
import collections
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import boto3
import polars

HERE = pathlib.Path(__file__).resolve().parent
PORT = 5056
# What a clock or the system measures, and so differs from run to run.
MEASURED = ["seconds", "images_per_second", "peak_memory_bytes"]
SITE = """
[launcher.slurm]
partition = "short"
cpus = 1
time = "1:00:00"
"""


class Test:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.start = time.time()
        self.log_file = open(options.log, "w", encoding="utf-8") if options.log else None
        self.counts = folder / "counts.json"
        self.cells = ["--epochs", str(options.epochs), "--seeds", "0"]
        self.environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{PORT}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "THAW_RESULTS": "s3://thaw/runs",
            "THAW_CACHE": "s3://thaw/cache",
            "TMPDIR": str(folder / "scratch"),
        }
        (folder / "scratch").mkdir()

    def say(self, line):
        line = f"{time.time() - self.start:7.1f} s  {line}"
        for output in filter(None, [sys.stdout, self.log_file]):
            print(line, file=output, flush=True)

    def call(self, *words, check=True, environment=None):
        done = subprocess.run(
            list(map(str, words)), cwd=self.folder, env=environment or self.environment, capture_output=True, text=True
        )
        if check and done.returncode != 0:
            raise SystemExit(f"{' '.join(map(str, words))}: code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def serve(self):
        self.server = subprocess.Popen(
            [sys.executable, HERE.parent / "store" / "server.py", str(PORT), self.counts], stdout=subprocess.PIPE, text=True
        )
        if "serving" not in self.server.stdout.readline():
            raise SystemExit(f"the object server does not come up; is port {PORT} taken?")
        self.s3 = boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{PORT}", aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
        )
        self.s3.create_bucket(Bucket="thaw")

    def begin_cluster(self):
        printed = self.call(HERE / "cluster.sh", "start", self.folder / "slurm", self.options.nodes)
        self.environment["SLURM_CONF"] = re.search(r"SLURM_CONF='(.*)'", printed)[1]

    def printed(self, task):
        log = self.folder / "thaw-slurm" / f"{task}.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def running(self):
        """The tasks that run, as (task, node)."""
        lines = self.call("squeue", "--noheader", "--array", "--states=RUNNING", "--format=%i %N").splitlines()
        return [line.split() for line in lines]

    def training(self):
        """The processes that train cells now."""
        listed = subprocess.run(["pgrep", "-f", f"{self.options.thaw} worker"], capture_output=True, text=True).stdout.split()
        return [int(pid) for pid in listed if self.is_of_this_cluster(pid)]

    def is_of_this_cluster(self, pid):
        try:
            return str(self.folder).encode() in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False

    def has_begun_cells(self, count):
        found = self.s3.list_objects_v2(Bucket="thaw", Prefix="runs/miniature/cells/")
        keys = [entry["Key"] for entry in found.get("Contents", [])]
        return sum(key.endswith("epochs.parquet") for key in keys) >= count

    def wait_for(self, what, condition, seconds=600):
        end = time.time() + seconds
        while not condition():
            if time.time() > end:
                raise SystemExit(f"{what} does not come; see {self.folder}\n{self.call('squeue', check=False)}")
            time.sleep(0.3)

    def disturb(self):
        """What goes wrong, one after the other."""
        self.wait_for("the first cell", lambda: self.has_begun_cells(1) and self.training())
        pid = self.training()[0]
        os.kill(pid, signal.SIGKILL)
        self.say(f"SIGKILL to a worker (process {pid})")
        self.wait_for("the next cells", lambda: self.has_begun_cells(4) and self.running())
        self.wait_for("a task that takes a signal", self.terminate)
        self.wait_for("the next cells", lambda: self.has_begun_cells(4) and self.running())
        os.kill(self.server.pid, signal.SIGUSR1)
        self.say("the object server closes its port for ten seconds")
        time.sleep(12)
        self.say(f"{len(self.running())} tasks run still, {len(self.training())} workers live")
        self.wait_for("the next cells", lambda: self.has_begun_cells(6) and self.running())
        task, node = self.running()[0]
        self.call("scontrol", "requeue", task)
        self.say(f"scontrol requeue {task}, which ran on {node}")
        self.wait_for("the next cells", lambda: self.has_begun_cells(10))
        self.call("scontrol", "update", "nodename=node2", "state=drain", "reason=test")
        self.say("scontrol update nodename=node2 state=drain: " + self.call("sinfo", "--noheader", "--format=%N %T").replace("\n", ", "))

    def terminate(self):
        """Sends SIGTERM to a task; one that is about to end takes none."""
        for task, node in self.running():
            # To the script and to the worker, as Slurm itself sends it.
            done = subprocess.run(["scancel", "--full", "--signal=TERM", task], env=self.environment, capture_output=True)
            if done.returncode == 0:
                self.say(f"SIGTERM to {task} on {node}, to its script and its worker")
                self.wait_for("the word of the job", lambda: "is queued again" in self.printed(task), 60)
                words = [line for line in self.printed(task).splitlines() if "is queued again" in line]
                self.say(f"{task} printed: {words[-1]}")
                return True
        return False

    def finish(self):
        self.wait_for("the end of the queue", lambda: not self.call("squeue", "--noheader"), 1200)

    def counted(self):
        return json.loads(self.counts.read_text()) if self.counts.exists() else {}

    def compare(self):
        """The records of both runs, column by column."""
        local = self.folder / "local" / "miniature" / "cells"
        cells = sorted(path.name for path in local.iterdir())
        found = set()
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket="thaw", Prefix="runs/miniature/")
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        columns = rows = 0
        for cell in cells:
            for path in sorted((local / cell).iterdir()):
                key = f"runs/miniature/cells/{cell}/{path.name}"
                assert key in keys, f"{key} is missing"
                found.add(key)
                if path.suffix != ".parquet":
                    continue
                theirs = polars.read_parquet(io.BytesIO(self.s3.get_object(Bucket="thaw", Key=key)["Body"].read()))
                ours = polars.read_parquet(path)
                assert ours.columns == theirs.columns, key
                for column in ours.columns:
                    if column in MEASURED:
                        continue
                    one, other = ours[column], theirs[column]
                    if one.dtype.is_float():
                        one, other = (column.to_numpy().tobytes() for column in (one, other))
                        assert one == other, f"{key}: {column} differs"
                    else:
                        assert one.equals(other, null_equal=True), f"{key}: {column} differs"
                    columns += 1
                rows += len(ours)
        surplus = [key for key in keys if "/cells/" in key and key not in found]
        assert not surplus, f"in the store alone: {surplus}"
        claims = [key for key in keys if "/claims/" in key]
        assert not claims, f"claims that were not given back: {claims}"
        self.say(f"{len(cells)} cells: {columns} columns with {rows} rows are the same to the last bit; no claim is left")

    def trained(self):
        """How often each step was done, as the jobs printed it."""
        times = collections.Counter()
        lines = 0
        for log in (self.folder / "thaw-slurm").iterdir():
            for line in log.read_text(errors="replace").splitlines():
                done = re.search(r"\] ((?:decode|extract|train) .*?) · (completed|THAWED.*?|done) ·", line)
                lines += 1
                if done:
                    times[done[1]] += 1
        twice = {step: count for step, count in times.items() if count > 1}
        assert not twice, f"ran twice: {twice}"
        self.say(f"{len(times)} steps were done, none twice ({lines} lines of logs)")
        return times

    def run(self):
        thaw = self.options.thaw
        self.say("on this machine alone")
        local = {**os.environ, "THAW_CACHE": "local-cache", "THAW_RESULTS": "local"}
        self.call(thaw, "sweep", "--quiet", *self.cells, environment=local)
        self.serve()
        self.begin_cluster()
        (self.folder / "site.toml").write_text(SITE)
        self.say(f"the cluster: " + self.call("sinfo", "--noheader", "--format=%N %T %c cores").replace("\n", ", "))
        before = time.time()
        printed = self.call(
            thaw, "sweep", "--launcher", "slurm", "--launcher-settings", "site.toml", "--retries", "3", *self.cells
        )
        for line in printed.splitlines():
            self.say(line)
        again = subprocess.run([thaw, "sweep", "--launcher", "slurm", "--launcher-settings", "site.toml", *self.cells],
                               cwd=self.folder, env=self.environment, capture_output=True, text=True)
        assert again.returncode == 75, again
        self.say(f"the same once more: {again.stderr.strip()} (code {again.returncode})")
        if not self.options.undisturbed:
            self.disturb()
        self.finish()
        self.say(f"the queue is empty after {time.time() - before:.0f} s")
        told = self.call(thaw, "status", *self.cells)
        self.say(told.splitlines()[0])
        counts = self.counted()
        cells = len(list((self.folder / "local" / "miniature" / "cells").iterdir()))
        requests = sum(count["requests"] for count in counts.values())
        self.say(f"requests: " + ", ".join(f"{count['requests']} {method}" for method, count in sorted(counts.items()))
                 + f"; {requests / cells:.0f} for each cell")
        moved = sum(count["received"] + count["sent"] for count in counts.values())
        self.say(f"bytes: {moved / 1e6:.1f} MB, {moved / cells / 1e6:.2f} MB for each cell")
        self.compare()
        times = self.trained()
        assert sum(step.startswith("train ") for step in times) == cells, times
        self.call(thaw, "report", *self.cells)
        self.say("thaw report draws them")

    def end(self):
        if "SLURM_CONF" in self.environment:
            subprocess.run(["scancel", "--me"], env=self.environment, check=False)
            time.sleep(3)
        subprocess.run([HERE / "cluster.sh", "stop", self.folder / "slurm"], check=False)
        if hasattr(self, "server"):
            self.server.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("thaw", type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--undisturbed", action="store_true", help="nothing goes wrong")
    parser.add_argument("--log", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="thaw-slurm-", ignore_cleanup_errors=True) as folder:
        test = Test(options, pathlib.Path(folder))
        try:
            test.run()
        except BaseException:
            # Where to look.
            kept = pathlib.Path(tempfile.mkdtemp(prefix="thaw-slurm-failed-"))
            subprocess.run(["cp", "-r", folder, kept], check=False)
            print(f"the jobs' logs are kept in {kept}", file=sys.stderr)
            raise
        finally:
            test.end()


main()
