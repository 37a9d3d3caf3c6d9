"""Pictures: what is chosen for which parameters, what is computed, and what is drawn."""

from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot

import psyrun
from psyrun import Param
from psyrun.cli.parser_of_results import FORMS, SPREADS
from psyrun.exceptions import UnknownColumnError, UsageError
from psyrun.plotting.choice import choose, is_replicate
from psyrun.plotting.columns import Kind, Table, make_column
from psyrun.plotting.description import Asked, Form
from psyrun.plotting.drawing import describe, save
from psyrun.plotting.groups import Spread
from psyrun.plotting.scales import is_log
from psyrun.plotting.terminal import draw_text
from psyrun.results import Result
from psyrun.rows import RowSet
from psyrun.sampling import uniform


@pytest.fixture(autouse=True)
def figures(monkeypatch):
    """Draw without a window, and leave no figures behind."""
    with mpl.rc_context({"backend": "Agg"}):
        yield
    pyplot.close("all")


def result_of(space, execute, failed=(), **options):
    """Evaluate a space; rows that fail are not in the columns."""
    done = [row for row in range(len(space)) if row not in failed]
    rows = [{**space[row], **execute(**space[row])} for row in done]
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else space.keys())}
    arrays = {
        name: np.array(values) if not isinstance(values[0], list) else values
        for name, values in columns.items()
        if values
    }
    return Result(
        "study",
        space,
        list(space.keys()),
        [name for name in arrays if name not in space[0]],
        arrays,
        completed=RowSet(done),
        failed=RowSet(list(failed)),
        scope=RowSet.span(0, len(space)),
        total=len(space),
        **options,
    )


def chosen(space, y="y", **asked):
    """Choose a picture of a space, with an output that differs in each row."""
    table = Table.of(space.build() | {"y": np.arange(len(space), dtype=float)}, list(space.keys()))
    panels = asked.pop("panels", True)
    return choose(table, Asked(y, **asked), panels=panels)


A, B, C = (Param(**{name: range(n)}) for name, n in (("a", 9), ("b", 7), ("c", 3)))
METHOD, SOLVER = Param(method=["x", "y", "z"]), Param(solver=["lu", "cg"])
TRIAL, SEED = Param(trial=range(5)), Param(seed=[1, 2])


@pytest.mark.parametrize(
    ("space", "form", "shown", "over"),
    [
        (A, Form.LINES, "a", ""),
        (A * TRIAL, Form.LINES, "a", "trial"),
        (TRIAL * A * SEED, Form.LINES, "a", "trial seed"),
        (A * B, Form.HEATMAP, "a b", ""),
        (B * A * TRIAL, Form.HEATMAP, "b a", "trial"),
        (A * C * TRIAL, Form.LINES, "a c", "trial"),
        (A * METHOD * TRIAL, Form.LINES, "a method", "trial"),
        (METHOD * SOLVER * A, Form.LINES, "a method solver", ""),
        (A * B * METHOD * SEED, Form.HEATMAP, "a b method", "seed"),
        (A * B * C * METHOD, Form.HEATMAP, "a b method", "c"),
        (METHOD, Form.BARS, "method", ""),
        (METHOD * TRIAL, Form.STRIPS, "method", "trial"),
        (SOLVER * METHOD * TRIAL, Form.STRIPS, "method solver", "trial"),
        (METHOD * Param(k=[1, 2]) * TRIAL, Form.STRIPS, "method k", "trial"),
        (TRIAL, Form.HISTOGRAM, "", "trial"),
        (A * Param(gain=3), Form.LINES, "a", ""),
        # Two names of the same thing are one parameter.
        (Param(a=range(5), label=list("pqrst")) * SEED, Form.LINES, "a", "seed"),
        (Param(a=range(5), square=[0, 1, 4, 9, 16]), Form.LINES, "a", ""),
        # Values that all differ make no lines.
        (uniform(40, seed=1, p=(0, 1), q=(0, 1)), Form.SCATTER, "p q", ""),
        # Rows without a value are left out rather than averaged over.
        (Param(a=range(9)) + Param(b=range(3)), Form.LINES, "a", ""),
    ],
    ids=repr,
)
def test_a_space_has_the_picture_that_a_person_would_draw(space, form, shown, over):
    choice = chosen(space)
    assert choice.form is form
    assert choice.shown == shown.split()
    assert [name for name, _ in choice.over] == over.split()
    for name, n in choice.over:
        assert n == len(set(space.build()[name]))


def test_what_is_asked_for_is_drawn():
    space = A * B * METHOD * SOLVER * TRIAL
    assert chosen(space, x="b").shown == ["b", "method", "solver"]
    assert chosen(space, x=("b", "a")).shown[:2] == ["b", "a"]
    assert chosen(space, x="a", color="b", facet=("solver", "method")).shown == [
        *("a", "b", "solver", "method")
    ]
    assert chosen(space, x="method").form is Form.STRIPS
    assert chosen(space, form=Form.HISTOGRAM).shown == []
    assert chosen(space, x="trial", color="solver", panels=False).facet == ()
    assert chosen(METHOD * SOLVER, form=Form.HEATMAP).shown == ["method", "solver"]
    # Against an output each row is a point.
    table = Table.of(A.build() | {"y": np.arange(9.0), "z": np.arange(9.0) ** 2}, ["a"])
    assert choose(table, Asked("z", "y")).form is Form.SCATTER


def test_categories_that_cannot_be_told_apart_are_averaged():
    choice = chosen(A * Param(name=[f"n{i}" for i in range(20)]))
    assert choice.shown == ["a"]
    assert choice.over == (("name", 20),)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"y": "label"}, "'label' holds categories"),
        ({"y": "y", "x": "y"}, "'y' is given twice"),
        ({"y": "y", "color": "yy"}, "There is no column 'yy'; did you mean 'y'?"),
        ({"y": "y", "facet": ("many",)}, "'many' has 50 values"),
        ({"y": "y", "facet": ("a", "label", "n")}, "two columns at most"),
        ({"y": "y", "x": "label", "form": Form.LINES}, "lines need numbers"),
        ({"y": "y", "x": ("a", "n"), "color": "label"}, "leave out 'label'"),
        ({"y": "y", "x": "a", "form": Form.HISTOGRAM}, "leave out 'a'"),
        ({"y": "y", "x": ("a", "n"), "form": Form.BARS}, "Two columns"),
        ({"y": "y", "style": "n", "form": Form.HEATMAP}, "leave out 'n'"),
        ({"y": "y", "style": "many"}, "'many' has 50 values, and 5"),
        ({"y": "y", "x": "a", "error": "label"}, "errors are numbers"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(asked, message):
    n = 50
    columns = {"a": [0, 1] * 25, "n": [1, 2, 3, 4, 5] * 10, "label": ["p", "q"] * 25}
    table = Table.of(
        columns | {"many": [f"m{i}" for i in range(n)], "y": np.ones(n)}, list(columns)
    )
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        choose(table, Asked(**asked))


def test_repetitions_are_known_by_their_names():
    yes = ("trial", "seed", "Replicate", "run_id", "rngSeed", "rep", "fold", "sample")
    no = ("n_trials", "sample_size", "time", "n", "seeds", "resolution")
    assert all(is_replicate(make_column(name, [0, 1])) for name in yes)
    assert not any(is_replicate(make_column(name, [0, 1])) for name in no)
    assert not is_replicate(make_column("seed", [0.5, 1.5]))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.arange(3), Kind.NUMBER),
        ([1, None, 2.5], Kind.NUMBER),
        (np.array([True, False, True]), Kind.CATEGORY),
        (np.array(["a", "b", "a"]), Kind.CATEGORY),
        ([(1, 2), None, [3.0]], Kind.CURVE),
        (np.ones((3, 4)), Kind.CURVE),
        (np.ones((3, 4, 2)), Kind.MATRIX),
        (np.ones((3, 4, 2, 2)), Kind.OTHER),
        ([{"a": 1}, {"a": 2}, {"a": 1}], Kind.CATEGORY),
    ],
)
def test_columns_are_known_by_what_they_hold(values, kind):
    column = make_column("c", values)
    assert column.kind is kind
    assert len(column) == 3


def test_categories_keep_their_order_and_truth_has_its_own():
    assert make_column("c", ["z", "a", "z", "m"]).level_names() == ["z", "a", "m"]
    assert make_column("c", [True, False]).levels == [False, True]
    assert make_column("c", [True, False, True]).values.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("levels", "log"),
    [
        ([1, 10, 100], True),
        ([1, 2, 4, 8, 16], True),
        ([1, 3, 10, 30, 100, 300], True),
        (np.logspace(-6, -1, 11), True),
        (range(1, 100), False),
        ([0, 1, 10, 100], False),
        ([0.1, 0.2, 0.5], False),
        ([-1, 1], False),
    ],
)
def test_geometric_steps_call_for_a_log_axis(levels, log):
    levels = np.asarray(levels, dtype=float)
    assert is_log(levels, levels) is log


def test_lines_show_the_mean_and_its_standard_error():
    result = result_of(A * TRIAL, lambda a, trial: {"y": a + trial}, units={"a": "m", "y": "s"})
    axes = psyrun.plot(result, "y")
    (line,) = axes.get_lines()
    assert line.get_xdata().tolist() == list(range(9))
    assert line.get_ydata().tolist() == [a + 2 for a in range(9)]
    (band,) = axes.collections
    sem = np.std(range(5), ddof=1) / np.sqrt(5)
    assert band.get_paths()[0].get_extents().ymin == pytest.approx(2 - sem)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("a [m]", "y [s]")
    (caption,) = axes.figure.texts
    assert caption.get_text() == "study: mean and standard error over trial (5)"
    assert all(tick % 1 == 0 for tick in axes.get_xticks())


@pytest.mark.parametrize(
    ("spread", "middle", "low", "high"),
    [("std", 2, 2 - np.sqrt(2.5), 2 + np.sqrt(2.5)), ("quartiles", 2, 1, 3), ("range", 2, 0, 4)],
)
def test_the_spread_can_be_chosen(spread, middle, low, high):
    result = result_of(Param(a=[1.0, 2.0]) * TRIAL, lambda a, trial: {"y": trial})
    picture, _ = describe(result, Asked("y", "a"), spread)
    (part,) = picture.panels[0].parts
    for got, wanted in ((part.y, middle), (part.low, low), (part.high, high)):
        assert got.tolist() == pytest.approx([wanted] * 2)


def test_each_repetition_can_have_a_line():
    result = result_of(A * TRIAL, lambda a, trial: {"y": a + trial})
    axes = psyrun.plot(result, "y", spread="each")
    assert len(axes.get_lines()) == 5
    assert "a line for each trial (5)" in axes.figure.texts[0].get_text()


def test_two_parameters_make_a_heat_map_with_gaps():
    space = Param(cost=np.logspace(-2, 3, 6)) * Param(gamma=np.logspace(-6, -1, 5))
    result = result_of(
        space,
        lambda cost, gamma: {"score": np.log(cost * gamma)},
        failed=[4],
        units={"gamma": "1/s"},
    )
    axes = psyrun.plot(result, "score")
    (mesh,) = axes.collections
    assert mesh.get_array().shape == (5, 6)
    assert np.flatnonzero(mesh.get_array().mask).tolist() == [4 * 6]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_ylabel() == "gamma [1/s]"
    assert axes.figure.axes[1].get_ylabel() == "score"  # the colour bar
    assert axes.figure.texts[0].get_text() == "study: 1 of 30 rows failed"


def test_colours_and_panels_tell_the_others():
    space = A * METHOD * SOLVER * SEED
    result = result_of(space, lambda a, method, solver, seed: {"y": a * len(solver) * ord(method)})
    axes = psyrun.plot(result, "y")
    assert axes.shape == (1, 2)
    assert [panel.get_title() for panel in axes.flat] == ["solver = lu", "solver = cg"]
    (legend,) = axes[0, 0].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["x", "y", "z"]
    assert legend.get_title().get_text() == "method"
    grid = psyrun.plot(result, "y", facet=("method", "solver"), color="seed")
    assert grid.shape == (3, 2)


def test_panels_that_are_left_over_are_hidden():
    result = result_of(A * Param(k=list("pqrst")), lambda a, k: {"y": a})
    axes = psyrun.plot(result, "y", facet="k")
    assert [panel.get_visible() for panel in axes.flat] == [True] * 5 + [False]


def test_strips_show_all_points_and_bars_the_only_one():
    space = METHOD * TRIAL
    result = result_of(space, lambda method, trial: {"y": trial}, failed=[0])
    axes = psyrun.plot(result, "y")
    assert [text.get_text() for text in axes.get_xticklabels()] == ["x", "y", "z"]
    points = axes.get_lines()[0]
    assert len(points.get_xdata()) == 14
    assert np.array_equal(np.round(points.get_xdata()), np.repeat([0, 1, 2], [4, 5, 5]))
    assert "1 of 15 rows failed" in axes.figure.texts[0].get_text()

    axes = psyrun.plot(result_of(METHOD, lambda method: {"y": 3.0}), "y")
    assert [bar.get_height() for bar in axes.patches] == [3, 3, 3]
    assert axes.get_ylim()[0] == 0


def test_a_random_design_makes_points():
    result = result_of(uniform(30, seed=1, p=(0, 1), q=(0, 1)), lambda p, q: {"y": p * q})
    axes = psyrun.plot(result, "y")
    (points,) = axes.collections
    assert len(points.get_offsets()) == 30
    assert axes.figure.axes[1].get_ylabel() == "q"


def test_arrays_make_curves():
    def execute(gain, trial):
        return {"path": [gain * i + trial for i in range(4 + trial)]}

    result = result_of(Param(gain=[1, 2]) * Param(trial=[0, 1]), execute)
    axes = psyrun.plot(result, "path")
    assert axes.get_xlabel() == "index of path"
    assert [line.get_ydata().tolist() for line in axes.get_lines()] == [
        [0.5, 1.5, 2.5, 3.5, 5.0],
        [0.5, 2.5, 4.5, 6.5, 9.0],
    ]


def test_arrays_are_drawn_over_others_and_not_averaged_where_these_differ():
    def execute(trial):
        return {"time": [trial * i / 2 for i in range(3)], "path": [1.0, 2.0, 3.0], "n": trial}

    result = result_of(Param(trial=[1, 2, 3]), execute)
    axes = psyrun.plot(result, "path", x="time")
    assert [line.get_xdata().tolist() for line in axes.get_lines()] == [
        [0.0, 0.5, 1.0],
        [0.0, 1.0, 2.0],
        [0.0, 1.5, 3.0],
    ]
    with pytest.raises(UsageError, match="'n' has to hold arrays of the same lengths"):
        psyrun.plot(result, "path", x="n")


def test_arrays_of_two_dimensions_make_heat_maps():
    def execute(gain, trial):
        return {"image": gain * np.arange(6).reshape(2, 3) + trial}

    result = result_of(Param(gain=[1, 2]) * Param(trial=[0, 2]), execute)
    axes = psyrun.plot(result, "image")
    assert [panel.get_title() for panel in axes.flat] == ["gain = 1", "gain = 2"]
    assert axes[0, 0].get_xlabel() == "second index of image"
    (mesh,) = axes[0, 1].collections
    assert mesh.get_array().tolist() == [[1, 3, 5], [7, 9, 11]]


def test_several_outputs_are_told_apart():
    result = result_of(A * TRIAL, lambda a, trial: {"low": a - trial, "high": a + trial})
    axes = psyrun.plot(result, ["low", "high"])
    assert [line.get_ydata()[0] for line in axes.get_lines()] == [-2, 2]
    assert axes.get_ylabel() == "low, high"
    (legend,) = axes.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["low", "high"]
    assert psyrun.plot(result, ["low", "high"], facet="output").shape == (1, 2)
    with pytest.raises(UsageError, match="tell 'output' apart"):
        psyrun.plot(result, ["low", "high"], color="trial", ax=pyplot.figure().subplots())


def test_styles_tell_a_further_parameter():
    result = result_of(A * METHOD * SOLVER, lambda a, method, solver: {"y": a * len(solver)})
    axes = psyrun.plot(result, "y", color="method", style="solver")
    assert len(axes.get_lines()) == 6
    assert {line.get_linestyle() for line in axes.get_lines()} == {"-", "--"}
    (legend,) = axes.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        *("x", "y", "z"),
        *("solver", "lu", "cg"),
    ]
    text = draw_text(
        *describe(result, Asked("y", style="solver")), 80, colors=False, ascii_only=True
    )
    assert "method, solver:  o x, lu  + x, cg  x y, lu" in text.plain
    assert max(map(len, text.plain.splitlines())) <= 80


def test_an_output_can_be_the_error_of_another():
    result = result_of(A * SEED, lambda a, seed: {"y": a, "noise": 0.5})
    picture, caption = describe(result, Asked("y", color="seed", error="noise"))
    part = picture.panels[0].parts[0]
    assert (part.y - part.low).tolist() == (part.high - part.y).tolist() == [0.5] * 9
    assert caption == "study: with noise above and below"
    with pytest.raises(UsageError, match="averaged, as they are here over seed"):
        psyrun.plot(result, "y", error="noise")


def test_the_scale_of_axes_can_be_chosen():
    result = result_of(Param(x=[1, 10, 100, 1000]), lambda x: {"y": x - 1})
    axes = psyrun.plot(result, "y")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")
    assert psyrun.plot(result, "y", log="none").get_xscale() == "linear"
    with pytest.raises(UsageError, match="'y' cannot be drawn on a logarithmic axis"):
        psyrun.plot(result, "y", log="xy")


def test_values_over_many_decades_have_a_log_axis():
    result = result_of(Param(t=np.linspace(0, 20, 50)), lambda t: {"left": np.exp(-t)})
    assert psyrun.plot(result, "left").get_yscale() == "log"


def test_axes_that_are_given_are_drawn_into():
    _, (left, right) = pyplot.subplots(1, 2)
    result = result_of(A * METHOD * SOLVER, lambda a, method, solver: {"y": a})
    assert psyrun.plot(result, "y", ax=right) is right
    assert right.get_title("left").replace("\n", " ") == (
        "study: mean and standard error over solver (2)"
    )
    assert not left.has_data()
    with pytest.raises(UsageError, match="leave out ax"):
        psyrun.plot(result, "y", facet="solver", ax=left)


def test_rows_that_are_not_there_are_told():
    result = result_of(
        A * Param(k=[1, 2]), lambda a, k: {"y": float("nan") if a == 3 else a}, failed=[0]
    ).where("a < 6")
    _, caption = describe(result, Asked("y"))
    assert caption == "study: 2 rows left out: no number in y; 1 of 12 rows failed"
    with pytest.raises(UsageError, match="There is no number to draw in 'y'"):
        describe(result.where("a == 3"), Asked("y"))
    empty = result_of(A, lambda a: {"y": a}, failed=range(9))
    with pytest.raises(UsageError, match="No row of 'study' is completed"):
        describe(empty, Asked("y"))


def test_unknown_columns_are_an_error_with_close_names():
    result = result_of(A, lambda a: {"energy": a})
    with pytest.raises(UnknownColumnError, match=r"did you mean 'energy'\?"):
        psyrun.plot(result, "enrgy")
    with pytest.raises(UsageError, match="There is no form 'pie'; there are lines"):
        psyrun.plot(result, "energy", form="pie")


def test_a_file_that_psyrun_knows_nothing_of_can_be_drawn(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, x=np.repeat(np.arange(6), 4), y=np.arange(24.0))
    axes = psyrun.plot(path, "y", x="x")
    (line,) = axes.get_lines()
    assert line.get_ydata().tolist() == [4 * x + 1.5 for x in range(6)]


PICTURES = {
    "lines": (A * TRIAL, {}),
    "lines by colour and panel": (A * METHOD * SOLVER * TRIAL, {}),
    "heat map": (A * B, {}),
    "strips": (METHOD * SOLVER * TRIAL, {}),
    "bars": (METHOD * SOLVER, {}),
    "scatter": (uniform(30, seed=1, a=(0, 1), b=(0, 1)), {}),
    "histogram": (TRIAL, {}),
    "hard names": (
        Param(m=["$a_b^$", "<&>", "\\frac", "long " * 20, "two\nlines", ""]) * TRIAL,
        {},
    ),
    "one value": (Param(a=[3]), {"x": "a"}),
    "many categories": (Param(a=range(3)) * Param(k=[f"k{i}" for i in range(12)]), {"color": "k"}),
}


@pytest.fixture(params=PICTURES)
def picture(request):
    space, asked = PICTURES[request.param]
    rng = np.random.default_rng(0)
    return describe(result_of(space, lambda **_: {"y": rng.normal()}), Asked("y", **asked))


@pytest.mark.parametrize(
    ("extension", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_files_of_all_formats_are_written_the_same_each_time(picture, extension, magic, tmp_path):
    contents = []
    for name in ("first", "second"):
        save(*picture, tmp_path / f"{name}{extension}")
        contents.append((tmp_path / f"{name}{extension}").read_bytes())
    assert contents[0].startswith(magic)
    assert len(contents[0]) > 2000
    assert contents[0] == contents[1]


def test_other_formats_are_refused(picture, tmp_path):
    with pytest.raises(UsageError, match=r"choose one of \.png, \.svg, \.pdf"):
        save(*picture, tmp_path / "picture.doc")
    assert list(tmp_path.iterdir()) == []


def test_text_does_not_overlap_and_is_not_cut_off(picture):
    from psyrun.plotting.figure import draw_figure

    axes = draw_figure(*picture, interactive=True)
    figure = axes.flat[0].figure
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.texts]
    for panel in filter(lambda panel: panel.get_visible(), axes.flat):
        boxes += [panel.get_tightbbox(renderer)]
        if not any(label.get_rotation() for label in panel.get_xticklabels()):
            labels = [text for text in panel.get_xticklabels() if text.get_text()]
            ends = [text.get_window_extent(renderer) for text in labels]
            ends = [end for end in ends if end.width]
            assert all(a.x1 < b.x0 for a, b in pairwise(ends))
    for box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.bbox.width + 1 and box.y1 <= figure.bbox.height + 1
    caption = boxes[0]
    assert all(box.y0 >= caption.y1 - 1 for box in boxes[1:])
    for legend in figure.legends:
        covered = legend.get_window_extent(renderer)
        assert all(
            not covered.overlaps(panel.get_window_extent(renderer))
            for panel in axes.flat
            if panel.get_visible()
        )


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("colors", [False, True])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_pictures_in_the_terminal_fit_into_its_lines(picture, width, colors, ascii_only):
    text = draw_text(*picture, width, colors=colors, ascii_only=ascii_only)
    lines = text.plain.splitlines()
    if width == 80:
        assert max(map(len, lines)) <= width
    assert len(lines) > 2
    assert "study" in text.plain
    assert not ascii_only or text.plain.isascii()
    assert colors or not any(span.style not in ("bold", "dim") for span in text.spans)


def test_bars_in_the_terminal_have_names_and_lengths():
    result = result_of(METHOD * SOLVER, lambda method, solver: {"y": 2 + (solver == "cg") * 2})
    picture, caption = describe(result, Asked("y"))
    text = draw_text(picture, caption, 60, colors=False, ascii_only=False).plain
    lines = [line.split() for line in text.splitlines()[1:-1]]
    assert [line[-2] for line in lines] == ["2", "4"] * 3
    lengths = [len(line[-1]) for line in lines]
    assert lengths == [lengths[0], 2 * lengths[0]] * 3


def test_a_large_heat_map_in_the_terminal_is_thinned_and_says_so():
    space = Param(a=range(100)) * Param(b=range(50))
    picture, caption = describe(result_of(space, lambda a, b: {"y": a + b}), Asked("y"))
    text = draw_text(picture, caption, 80, colors=False, ascii_only=False).plain
    assert max(map(len, text.splitlines())) <= 80
    assert "each cell stands for the mean of 2 × 3" in text


def test_the_command_line_knows_what_can_be_drawn():
    assert tuple(form.value for form in Form) == FORMS
    assert tuple(spread.value for spread in Spread) == SPREADS
