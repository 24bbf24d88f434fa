import sys

import pytest

from attar.cli.options import names_of, tell


def test_names_may_have_spaces_around_them():
    assert names_of("simclr, masked") == names_of(" simclr,masked ,") == ("simclr", "masked")
    assert names_of("none") == names_of(" none ") == names_of("") == ()


@pytest.mark.parametrize(("terminal", "shown"), [(True, "right on\n95.7 %\n"), (False, "right on 95.7 %\n")])
def test_a_terminal_alone_gets_sentences_broken_between_words(monkeypatch, capsys, terminal, shown):
    monkeypatch.setenv("COLUMNS", "10")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    tell("right on 95.7 %")
    assert capsys.readouterr().out == shown
