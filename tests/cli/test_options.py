from attar.cli.options import names_of


def test_names_may_have_spaces_around_them():
    assert names_of("simclr, masked") == names_of(" simclr,masked ,") == ("simclr", "masked")
    assert names_of("none") == names_of(" none ") == names_of("") == ()
