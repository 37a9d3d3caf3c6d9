"""The commands of HTCondor, with a small DAGMan; the jobs are run by the engine."""

import json
import os
import re
import subprocess
import sys
import time

from engine import ask

INTEGERS = ("request_cpus", "request_gpus", "allowed_execute_duration", "max_materialize")
KNOWN = {
    "universe",
    "executable",
    "arguments",
    "initialdir",
    "output",
    "error",
    "log",
    "input",
    "getenv",
    "environment",
    "should_transfer_files",
    "transfer_executable",
    "request_cpus",
    "request_gpus",
    "request_memory",
    "request_disk",
    "batch_name",
    "accounting_group",
    "requirements",
    "rank",
    "priority",
    "periodic_remove",
    "notification",
    "allowed_execute_duration",
    "max_materialize",
    "job_max_vacate_time",
}
STATES = {"queued": 1, "waiting": 1, "running": 2}
HOLDS = {"time": (47, 0, "The job exceeded allowed execute duration of 0+00:00:01")}
HOLDS["memory"] = (34, 102, "Error from slot1@host: Job has gone over cgroup memory limit of 1 MB.")


def refuse(words):
    sys.stderr.write(words + "\n")
    sys.exit(1)


def read_description(text):
    """Return the commands of a submit description, and how many jobs it queues."""
    commands, n = {}, None
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line.startswith("#") or not line:
            continue
        if match := re.fullmatch(r"queue(?:\s+(\d+))?", line, re.IGNORECASE):
            n = int(match[1] or 1)
        elif match := re.fullmatch(r"([+\w.]+)\s*=\s*(.*)", line):
            name = match[1] if match[1].startswith(("+", "MY.")) else match[1].lower()
            commands[name] = match[2].replace("$(DOLLAR)", "$")
        else:
            where = f"\nERROR: on Line {number} of submit file: "
            refuse(f"{where}\nERROR: Failed to parse command file (line {number}).")
    if n is None:
        refuse("ERROR: No 'queue' commands found")
    return commands, n


def split_arguments(text):
    """Return the words of arguments in the new syntax."""
    if not (text.startswith('"') and text.endswith('"')):
        return text.split()
    words = re.findall(r"(?:[^\s']|'(?:[^']|'')*')+", text[1:-1].replace('""', '"'))
    return [re.sub(r"'((?:[^']|'')*)'", lambda m: m[1].replace("''", "'"), w) for w in words]


def condor_submit(directory, argv):
    terse, append, names = False, [], []
    argv = list(argv)
    while argv:
        word = argv.pop(0)
        if word == "-terse":
            terse = True
        elif word in ("-append", "-a"):
            append.append(argv.pop(0))
        elif word == "-" or not word.startswith("-"):
            names.append(word)
        else:
            refuse(f"Unknown command line argument: {word}")
    if names in ([], ["-"]):
        text = sys.stdin.read()
    else:
        with open(names[0]) as file:
            text = file.read()
    commands, n = read_description("\n".join([*append, text]))
    number = submit(directory, commands, n)
    if terse:
        print(f"{number}.0 - {number}.{n - 1}")
    else:
        print(f"Submitting job(s).\n{n} job(s) submitted to cluster {number}.")


def submit(directory, commands, n, environment=None):
    for name in INTEGERS:
        if not re.fullmatch(r"\d+", commands.get(name, "1")):
            refuse(f"ERROR: {name}={commands[name]} is invalid, must eval to an integer.")
    if not re.fullmatch(r"\d+([KMGT]B?)?", commands.get("request_memory", "1"), re.IGNORECASE):
        what = f"request_memory={commands['request_memory']}"
        refuse(f"ERROR: {what} is invalid, must eval to an integer.")
    for name in commands:
        if name not in KNOWN and name[0] != "+" and not name.startswith("MY."):
            line = f"{name} = {commands[name]}"
            sys.stderr.write(
                f"\nWARNING: the line '{line}' was unused by condor_submit. Is it a typo?\n"
            )
    where = commands.get("initialdir", os.getcwd())
    if not os.path.isdir(where):
        refuse(f"ERROR: No such directory: {where}")
    executable = os.path.join(where, commands["executable"])
    if not os.path.exists(executable):
        refuse(f"ERROR: Executable file {executable} does not exist")
    if environment is None:
        wanted = re.split(r"[,; ]+", commands.get("getenv", ""))
        environment = {
            name: value
            for name, value in os.environ.items()
            if any(re.fullmatch(pattern.replace("*", ".*"), name) for pattern in wanted)
        }
    arguments = split_arguments(commands.get("arguments", ""))
    output = commands.get("output")
    return ask(
        directory,
        "submit",
        job={
            "command": [
                executable,
                *("@INDEX@" if word == "$(ProcId)" else word for word in arguments),
            ],
            "name": commands.get("batch_name", ""),
            "output": output and os.path.join(where, output),
            "append": False,
            "limit": int(commands.get("allowed_execute_duration", 0)) or None,
            "directory": where,
            "environment": environment,
            "options": commands,
        },
        n=n,
        throttle=int(commands.get("max_materialize", 0)) or None,
    )


def condor_submit_dag(directory, argv):
    """Submit a DAGMan, which submits the nodes of the graph."""
    argv, commands, dag = list(argv), {}, None
    while argv:
        word = argv.pop(0).lower()
        if word in ("-append", "-a"):
            name, _, value = argv.pop(0).partition("=")
            commands[name.strip()] = value.strip()
        elif word == "-batch-name":
            commands["batch_name"] = argv.pop(0)
        elif word in ("-force", "-f", "-usedagdir"):
            pass
        elif word.startswith("-"):
            refuse(f"ERROR: unknown option {word}")
        else:
            dag = word = os.path.abspath(argv[-1] if argv else sys.argv[-1])
    if not os.path.exists(dag):
        refuse(f"ERROR: Can't open DAG file {dag}")
    quoted = "'" + dag.replace("'", "''").replace('"', '""') + "'"
    number = submit(
        directory,
        {
            **commands,
            "universe": "scheduler",
            "executable": sys.argv[0].replace("condor_submit_dag", "condor_dagman"),
            "arguments": '"' + quoted + '"',
            "initialdir": os.path.dirname(dag),
            "output": dag + ".lib.out",
        },
        1,
        {**os.environ, "CONDOR_ID": "@NUMBER@"},
    )
    bar = "-" * 71
    print(f"\n{bar}\nFile for submitting this DAG to HTCondor           : {dag}.condor.sub")
    print(f"Log of DAGMan debugging messages                   : {dag}.dagman.out")
    print(f"\nSubmitting job(s).\n1 job(s) submitted to cluster {number}.\n{bar}")


def condor_dagman(directory, argv):
    """Run the script before a graph's only node, submit the node, and wait for its end."""
    os.chdir(os.path.dirname(argv[0]))
    node = before = None
    with open(argv[0]) as file:
        for line in file:
            words = line.split()
            if words[:1] == ["JOB"]:
                node = words[2]
            elif words[:2] == ["SCRIPT", "PRE"]:
                before = words[3:]
    if before and subprocess.run(before, check=False).returncode:
        sys.exit(1)
    with open(node) as file:
        commands, n = read_description(file.read())
    commands["+DAGManJobId"] = os.environ["CONDOR_ID"]
    number = submit(directory, commands, n)
    while True:
        jobs = [job for job in ask(directory, "list") if job["number"] == number]
        if all(job["state"] == "ended" for job in jobs):
            sys.exit(1 if any(job["why"] or job["code"] for job in jobs) else 0)
        time.sleep(0.05)


def value_of(text):
    return text[1:-1].replace('\\"', '"') if text.startswith('"') else int(text)


def advertise(job, siblings):
    """Return a job's ClassAd."""
    ad = {
        "ClusterId": job["number"],
        "ProcId": job["index"],
        "JobStatus": STATES.get(job["state"], 4),
        "JobUniverse": 7 if job["options"].get("universe") == "scheduler" else 5,
        "Owner": os.environ.get("USER", "root"),
        "TotalSubmitProcs": len(siblings),
    }
    if job["name"]:
        ad["JobBatchName"] = job["name"]
    for name, text in job["options"].items():
        if name.startswith(("+", "MY.")):
            ad[name.removeprefix("+").removeprefix("MY.")] = value_of(text)
    if job["state"] == "ended":
        why, code = job["why"], job["code"]
        if why in HOLDS:
            hold, subcode, reason = HOLDS[why]
            ad["JobStatus"] = 3 if "periodic_remove" in job["options"] else 5
            last = "Last" if ad["JobStatus"] == 3 else ""
            ad |= {f"{last}HoldReasonCode": hold, f"{last}HoldReason": reason}
            ad[f"{last}HoldReasonSubCode"] = subcode
            expression = job["options"].get("periodic_remove")
            if expression:
                ad["RemoveReason"] = (
                    f"The job attribute PeriodicRemove expression '{expression}' evaluated to TRUE"
                )
        elif why == "killed":
            ad |= {"JobStatus": 3, "RemoveReason": f"via condor_rm (by user {ad['Owner']})"}
        elif code is not None and code < 0:
            ad |= {"ExitBySignal": True, "ExitSignal": -code}
        else:
            ad |= {"ExitBySignal": False, "ExitCode": code}
    return ad


def everything(directory):
    """Return the ads in the queue and those in the history."""
    jobs = ask(directory, "list")
    queue, history = [], []
    for job in jobs:
        siblings = [other for other in jobs if other["number"] == job["number"]]
        ad = advertise(job, siblings)
        throttle = job["throttle"]
        unfinished = [other["index"] for other in siblings if other["state"] != "ended"]
        if throttle and job["state"] != "ended" and job["index"] not in unfinished[:throttle]:
            continue  # not yet materialized
        held = job["state"] == "ended" and ad["JobStatus"] == 5
        (history if job["state"] == "ended" and not held else queue).append(ad)
    return queue, history


def show(ads, argv, program):
    argv, wanted, chosen = list(argv), None, []
    as_json = False
    while argv:
        word = argv.pop(0)
        if word == "-json":
            as_json = True
        elif word == "-attributes":
            wanted = argv.pop(0).split(",")
        elif word == "-constraint":
            chosen += re.findall(
                r"(ClusterId|DAGManJobId|PsyrunToken) *== *(\"[^\"]*\"|\d+)", argv.pop(0)
            )
        elif word == "-af":
            wanted = argv
            argv = []
        elif re.fullmatch(r"\d+", word):
            chosen.append(("ClusterId", word))
        elif re.fullmatch(r"\d+\.\d+", word):
            chosen.append(("ProcId", word))
        else:
            refuse(f"{program}: unknown option {word}")
    if chosen:
        ads = [ad for ad in ads if any(matches(ad, name, text) for name, text in chosen)]
    if not as_json:
        for ad in ads:
            print(*[ad.get(name, "undefined") for name in wanted])
    elif ads:
        shown = [{k: v for k, v in ad.items() if wanted is None or k in wanted} for ad in ads]
        print("[\n" + ",\n".join(json.dumps(ad, indent=2) for ad in shown) + "\n]")


def matches(ad, name, text):
    if name == "ProcId":
        return f"{ad['ClusterId']}.{ad['ProcId']}" == text
    return ad.get(name) == value_of(text)


def condor_q(directory, argv):
    show(everything(directory)[0], argv, "condor_q")


def condor_history(directory, argv):
    show(everything(directory)[1], argv, "condor_history")


def condor_rm(directory, argv):
    code, jobs = 1, ask(directory, "list")
    for jobid in argv:
        number, _, index = jobid.partition(".")
        if not ask(directory, "end", number=int(number), index=int(index) if index else None):
            sys.stderr.write(f"Couldn't find/remove all jobs in cluster {jobid}\n")
            continue
        code = 0
        whole = f"All jobs in cluster {jobid} have been marked for removal"
        print(f"Job {jobid} marked for removal" if index else whole)
        for job in jobs:  # what a DAGMan has submitted goes with it
            if job["options"].get("+DAGManJobId") == number:
                ask(directory, "end", number=job["number"])
    sys.exit(code)
