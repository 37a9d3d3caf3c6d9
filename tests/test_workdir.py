"""The work directory knows all file names, and touches nothing outside."""

import pytest

from psyrun.exceptions import UsageError
from psyrun.workdir import Workdir, check_task_name

NAMES = [
    "mc",
    "two words",
    " ",
    "-v",
    "--help",
    "*",
    "a*",
    "[a]",
    "ünïcødé",
    "数",
    "a\nb",
    "%a",
    "...",
]


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_have_directories_of_their_own(tmp_path, name):
    workdir = Workdir(tmp_path, name)
    assert workdir.path == tmp_path / name
    files = workdir.new_plan_dir(7)
    files.create()
    files.head.write_text("{}")
    assert workdir.plan_heads() == [files.head]
    journal = files.new_journal("process:3")
    journal.touch()
    assert files.all_journals() == [journal]
    assert set(workdir.files()) == {files.head, journal}
    other = Workdir(tmp_path, f"{name}b")
    other.path.mkdir()
    workdir.remove()
    assert not workdir.path.exists()
    assert other.path.exists()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/a", "a/", "../a", "a\0b", "ü" * 101, "\ud800", 3, None, b"a"]
)
def test_names_that_would_lead_elsewhere_are_refused(tmp_path, name):
    with pytest.raises(UsageError, match=r"name"):
        check_task_name(name)
    with pytest.raises(UsageError):
        Workdir(tmp_path, name)


def test_a_relative_root_stays_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workdir = Workdir("psy-work", "a")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert workdir.path == tmp_path / "psy-work" / "a"


def test_removing_does_not_follow_a_link_in_place_of_the_task_directory(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    workdir = Workdir(tmp_path / "work", "a")
    workdir.root.mkdir()
    workdir.path.symlink_to(outside)
    workdir.remove()
    assert (outside / "precious").exists()
    assert not workdir.path.is_symlink()


def test_removing_does_not_follow_links_inside_of_the_task_directory(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    workdir = Workdir(tmp_path / "work", "a")
    files = workdir.new_plan_dir(1)
    files.create()
    files.head.touch()
    files.logs.rmdir()
    files.logs.symlink_to(outside)
    (files.journals / "link").symlink_to(outside / "precious")
    workdir.remove()
    assert list(workdir.root.iterdir()) == []
    assert (outside / "precious").exists()


def test_removing_what_is_not_there_is_fine(tmp_path):
    Workdir(tmp_path / "work", "a").remove()
    assert not (tmp_path / "work").exists()


def test_plans_are_ordered_by_number(tmp_path):
    workdir = Workdir(tmp_path, "a")
    all_files = [workdir.new_plan_dir(number) for number in (9, 10, 9999, 10_000, 100_000)]
    for files in reversed(all_files):
        files.create()
        files.head.touch()
    workdir.plans.joinpath("notes.json").touch()
    assert workdir.plan_heads() == [files.head for files in all_files]


def test_older_plans_are_deleted_and_no_others(tmp_path):
    workdir = Workdir(tmp_path, "a")
    all_files = [workdir.new_plan_dir(number) for number in (1, 2, 3)]
    for files in all_files:
        files.create()
        files.head.touch()
    workdir.remove_plans_before(all_files[1])
    assert workdir.plan_heads() == [files.head for files in all_files[1:]]
    assert [files.path.exists() for files in all_files] == [False, True, True]


def test_files_of_different_steps_differ(tmp_path):
    files = Workdir(tmp_path, "a").new_plan_dir(1)
    steps = ["process:1", "process:10", "merge"]
    assert len({files.log(step) for step in steps}) == 3
    assert len({files.job(step) for step in steps}) == 3
    assert files.log("process:%a").name == "process-%a.log"
    assert files.new_journal("process:1") != files.new_journal("process:1")


def test_a_plan_knows_its_work_directory(tmp_path):
    workdir = Workdir(tmp_path, "a")
    files = workdir.new_plan_dir(1)
    assert Workdir.of_plan(files, "a").path == workdir.path
