"""sqsub, sqjobs and sqkill as Sharcnet had them; the jobs are run by the engine."""

import getopt
import os
import re
import sys

from engine import ask

STATES = {"running": "R", "queued": "Q", "waiting": "*Q", "ended": "C"}


def sqsub(directory, argv):
    try:
        found, command = getopt.getopt(argv, "r:n:N:o:w:j:q:t", ["mpp=", "idfile=", "test", "gpp="])
    except getopt.GetoptError as err:
        sys.exit(f"sqsub: error: no such option: -{err.opt}")
    options = dict(found)
    if options.get("-q", "serial") not in ("serial", "gpu"):
        sys.exit(f"sqsub: error: queue {options['-q']} does not exist")
    if not re.fullmatch(r"\d+[smhd]?", options["-r"]):
        sys.exit(f"sqsub: error: {options['-r']} is no run time")
    number = ask(
        directory,
        "submit",
        job={
            "command": command,
            "name": options.get("-j") or os.path.basename(command[0]),
            "output": options["-o"],
            "after": [[int(n), None] for n in options.get("-w", "").split(",") if n],
            "directory": os.getcwd(),
            "environment": dict(os.environ),
            "options": options,
        },
    )
    with open(options["--idfile"], "w") as file:
        file.write(f"{number}\n")


def sqjobs(directory, numbers):
    jobs = ask(directory, "list")
    shown = [
        j for j in jobs if str(j["number"]) in numbers or (not numbers and j["state"] != "ended")
    ]
    if not shown:
        sys.exit("no jobs" if not numbers else "no such job")
    print("jobid  queue state ncpus  time command")
    print("------ ----- ----- ----- ----- -------")
    for job in shown:
        state = STATES[job["state"]]
        print(f"{job['number']:>6} serial {state:>5}     1    5s {job['name']}")


def sqkill(directory, numbers):
    for number in numbers:
        if not ask(directory, "end", number=int(number)):
            sys.exit(f"sqkill: job {number} not found")
