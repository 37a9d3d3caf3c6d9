"""bsub, bjobs, bkill, bhist and bparams as LSF has them; the jobs are run by the engine."""

import getopt
import json
import os
import re
import sys
import time

from engine import ask, spool

QUEUES = {"normal", "short"}
MAX_JOB_ARRAY_SIZE = 1000
KNOWN = [
    "J",
    "Jd",
    "o",
    "e",
    "oo",
    "eo",
    "W",
    "M",
    "R",
    "n",
    "q",
    "P",
    "G",
    "g",
    "m",
    "w",
    "app",
    "gpu",
    "C",
    "c",
    "D",
    "env",
    "cwd",
    "U",
    "sla",
    "u",
    "sp",
    "Q",
    "L",
]
FLAGS = ["r", "H", "x", "N", "B", "K"]
STATES = {"running": "RUN", "queued": "PEND", "waiting": "PEND"}
REASONS = {
    "killed": "TERM_OWNER: job killed by owner",
    "time": "TERM_RUNLIMIT: job killed after reaching LSF run time limit",
    "memory": "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit",
    "preempted": "TERM_PREEMPT: job killed after preemption",
    "node": "TERM_ZOMBIE: job exited while LSF is not available",
}
FIELDS = {
    "jobid",
    "jobindex",
    "stat",
    "job_name",
    "job_description",
    "exit_code",
    "exit_reason",
    "pend_reason",
    "user",
    "queue",
}


def refuse(words):
    sys.stderr.write(words + "\n")
    sys.exit(255)


def bsub(directory, argv):
    options = parse_options(argv)
    queue = options.get("q", "normal")
    if queue not in QUEUES:
        refuse(f"{queue}: No such queue. Job not submitted.")
    if "W" in options and not re.fullmatch(r"(\d+:)?\d+(/\S+)?", options["W"]):
        refuse(f"{options['W']}: Bad RUNLIMIT specification. Job not submitted.")
    if "M" in options and not re.fullmatch(r"\d+([KMGT]B?)?", options["M"]):
        refuse(f"{options['M']}: Bad MEMLIMIT specification. Job not submitted.")
    if "R" in options and not re.fullmatch(
        r"((select|rusage|span|order)\[[^\]]+\] ?)+", options["R"]
    ):
        refuse("Bad resource requirement syntax. Job not submitted.")
    match = re.fullmatch(r"([^\[\]]*)(?:\[(\d+)-(\d+)\](?:%(\d+))?)?", options.get("J", ""))
    if match is None or (match[2] and int(match[3]) > MAX_JOB_ARRAY_SIZE):
        refuse(f"{options['J']}: Bad job array index list or limit. Job not submitted.")
    n = int(match[3]) - int(match[2]) + 1 if match[2] else None
    limit = 0
    for part in options.get("W", "").partition("/")[0].split(":"):
        limit = 60 * limit + int(part or 0)
    inherited = dict(os.environ) if options.get("env", "all") == "all" else {}
    number = ask(
        directory,
        "submit",
        job={
            "command": ["/bin/sh", spool(directory, sys.stdin.read())],
            "name": match[1],
            "output": options.get("o"),
            "after": dependencies(directory, options.get("w")),
            "limit": 60 * limit or None,
            "directory": os.getcwd(),
            "environment": inherited | {"LSB_JOBID": "@NUMBER@", "LSB_JOBINDEX": "@INDEX@"}
            if n
            else inherited | {"LSB_JOBID": "@NUMBER@", "LSB_JOBINDEX": "0"},
            "options": options,
            "queue": queue,
        },
        n=n,
        first=int(match[2] or 0),
        throttle=int(match[4]) if match[4] else None,
    )
    print(f"Job <{number}> is submitted to {'' if 'q' in options else 'default '}queue <{queue}>.")


def parse_options(argv):
    options, argv = {}, list(argv)
    while argv:
        word = argv.pop(0)
        name = word.removeprefix("-")
        if name in FLAGS:
            options[name] = ""
        elif name in KNOWN and word != name and argv:
            options[name] = argv.pop(0)
        else:
            refuse(f"{word}: Illegal option. Job not submitted.")
    return options


def dependencies(directory, condition):
    after = []
    known = {job["number"] for job in ask(directory, "list")}
    for term in condition.split(" && ") if condition else []:
        match = re.fullmatch(r"ended\((\d+)(?:\[(\d+)\])?\)", term)
        if match is None:
            refuse(f"{condition}: Bad dependency condition. Job not submitted.")
        if int(match[1]) not in known:
            refuse(f"{term}: Dependency condition invalid or never satisfied. Job not submitted.")
        after.append([int(match[1]), int(match[2]) if match[2] else None])
    return after


def parse(jobid):
    match = re.fullmatch(r"(\d+)(?:\[(\d+)\])?", jobid)
    if match is None:
        refuse(f"{jobid}: Illegal job ID.")
    return int(match[1]), int(match[2]) if match[2] else None


def id_of(job):
    return f"{job['number']}" + ("" if job["index"] is None else f"[{job['index']}]")


def chosen(directory, jobid):
    number, index = parse(jobid)
    jobs = ask(directory, "list")
    return [j for j in jobs if j["number"] == number and index in (None, j["index"])]


def record(job):
    ended = job["state"] == "ended"
    failed = ended and (job["why"] or job["code"])
    code = job["code"] or 0
    pending = "Job dependency condition not satisfied" if job["state"] == "waiting" else ""
    return {
        "jobid": str(job["number"]),
        "jobindex": str(job["index"] or 0),
        "stat": ("EXIT" if failed else "DONE") if ended else STATES[job["state"]],
        "job_name": job["name"] + ("" if job["index"] is None else f"[{job['index']}]"),
        "job_description": job["options"].get("Jd", ""),
        "exit_code": str(128 - code if code < 0 else code) if failed else "",
        "exit_reason": REASONS.get(job["why"], "") if failed else "",
        "pend_reason": f" {pending};" if pending else "",
        "user": os.environ.get("USER", "root"),
        "queue": job["queue"],
    }


def bjobs(directory, argv):
    try:
        found, ids = getopt.gnu_getopt(argv, "ado:j:u:J:X")
    except getopt.GetoptError as err:
        refuse(f"-{err.opt}: Illegal option.")
    options = dict(found)
    if options.get("-j") != "son":
        refuse("this stand-in prints JSON only")
    fields = options["-o"].split()
    unknown = [field for field in fields if field not in FIELDS]
    if unknown:
        refuse(f"{unknown[0]}: Illegal format field.")
    records, missing = [], 0
    for jobid in ids:
        jobs = [job for job in chosen(directory, jobid) if not job["is_history"]]
        if not jobs:
            records.append({"JOBID": jobid, "ERROR": f"Job <{jobid}> is not found"})
            missing += 1
        records += [show(job, fields) for job in jobs]
    if not ids:
        everything = [job for job in ask(directory, "list") if not job["is_history"]]
        jobs = [job for job in everything if job["state"] != "ended" or "-a" in options]
        records = [show(job, fields) for job in jobs]
    print(json.dumps({"COMMAND": "bjobs", "JOBS": len(records), "RECORDS": records}, indent=2))
    sys.exit(255 if ids and missing == len(ids) else 0)


def show(job, fields):
    told = record(job)
    return {field.upper(): told[field] for field in fields}


def bkill(directory, argv):
    code = 0
    for jobid in argv:
        number, index = parse(jobid)
        if not chosen(directory, jobid):
            sys.stderr.write(f"Job <{jobid}>: No matching job found\n")
            code = 255
        elif not ask(directory, "end", number=number, index=index):
            sys.stderr.write(f"Job <{jobid}>: Job has already finished\n")
            code = 255
        else:
            print(f"Job <{jobid}> is being terminated")
    sys.exit(code)


def bhist(directory, argv):
    """Print what ``bhist -l -UF`` prints, which knows jobs that ``bjobs`` has forgotten."""
    ids = [word for word in argv if not word.startswith("-")]
    told = [job for jobid in ids for job in chosen(directory, jobid)]
    now = time.strftime("%a %b %d %H:%M:%S")
    for job in told:
        about = f"Job <{id_of(job)}>, Job Name <{job['name']}>, User <user>"
        print(f"{about}, Project <default>, Command <sh>")
        where = f"to Queue <{job['queue']}>, CWD <{job['directory']}>"
        print(f"{now}: Submitted from host <host>, {where};")
        code = job["code"] or 0
        if job["state"] == "ended" and (code or job["why"]):
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            print(f"{now}: Exited {how}. The CPU time used is 0.1 seconds;")
            reason = REASONS.get(job["why"], "")
            print(f"{now}: Completed <exit>{'; ' if reason else ''}{reason};")
        elif job["state"] == "ended":
            print(f"{now}: Done successfully. The CPU time used is 0.1 seconds;")
        print()
    if not told:
        refuse("No matching job found")


def bparams(directory, argv):
    print("lsb.params configuration at " + time.strftime("%a %b %d %H:%M:%S %Y"))
    print(f"    CLEAN_PERIOD = 3600\n    MAX_JOB_ARRAY_SIZE = {MAX_JOB_ARRAY_SIZE}")
