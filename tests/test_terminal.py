import re

import pytest

from attar._terminal import Terminal, folded


def test_finished_lines_go_to_standard_error(capsys):
    with Terminal() as terminal:
        terminal.say("pca + linear [bold]97 %[/bold] " + "x" * 200)
    told = capsys.readouterr()
    assert not told.out
    # As it is: neither taken for markup nor broken to the width of the terminal.
    assert "pca + linear [bold]97 %[/bold] " + "x" * 200 in told.err.splitlines()


def test_a_task_is_counted_and_taken_away():
    with Terminal() as terminal:
        with terminal.task("simclr", 3) as task:
            (bar,) = terminal._bars.tasks
            task.advance()
            task.advance(2)
            assert (bar.description, bar.completed, bar.total) == ("simclr", 3, 3)
        assert not terminal._bars.tasks


def test_a_task_that_fails_is_taken_away_too():
    def fail(terminal):
        with terminal.task("simclr", 3):
            raise ValueError("in the middle")

    with Terminal() as terminal:
        with pytest.raises(ValueError, match="in the middle"):
            fail(terminal)
        assert not terminal._bars.tasks


def test_what_is_printed_meanwhile_stays_on_standard_output(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal, with bars
    with Terminal():
        print("id,label")
    assert capsys.readouterr().out == "id,label\n"


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_on_a_narrow_terminal_the_numbers_are_whole(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal = Terminal()
    with terminal.task("random convolutions, fine-tuned", 4) as task:
        task.advance()
        terminal._bars.tasks[0].visible = True
        with terminal._console.capture() as shown:
            terminal._console.print(terminal._bars.get_renderable())
    (line,) = shown.get().splitlines()
    assert re.search(r" 25 %\D+0:00:00 left -:--:--", line)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("a model of 38.6 KB, self-trained", ["a model of", "38.6 KB,", "self-trained"]),
        ("note    of one and all", ["note    of one", "        and all"]),
        ("/a/path/without/any/blank is missing", ["/a/path/without/any/blank", "is missing"]),
        ("a  column   kept", ["a  column   kept"]),
        ("\nover\n\nlines\n", ["", "over", "", "lines", ""]),
        ("", [""]),
    ],
)
def test_lines_break_between_words(line, shown):
    assert folded(line, 16).split("\n") == shown


def test_a_terminal_gets_lines_that_are_no_wider(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    with Terminal() as terminal:
        terminal.say("note        three of the pixels are the same in every image")
    assert "note        three of the pixels are the\n            same in every image\n" in capsys.readouterr().err
