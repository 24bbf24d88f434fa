import numpy as np

from tests.cli.conftest import call


def test_a_page_and_its_verdict(empty):
    np.savez(empty / "petals.npz", x=np.random.default_rng(0).standard_normal((30, 3)))
    called = call("explore", "petals.npz")
    assert called.code == 0
    verdict, page = called.out.strip().split("\n\n")
    assert verdict.startswith("30 rows of 3 columns: 3 of 3 directions hold 90 % of their variance")
    assert page == "runs/petals-explored/explore.html"
    assert (empty / page).is_file()
    assert "copies" in called.err
    assert call("explore", "petals.npz", "--quiet").out == ""
    other = call("report", "runs/petals-explored")
    assert other.code == 2
    assert other.complaint.startswith("attar: runs/petals-explored: an exploration; ")


def test_groups_tell_recordings_apart(empty):
    rng = np.random.default_rng(0)
    rows = [f"{who},{a:.3f},{b:.3f}" for who in "pqr" for a, b in rng.standard_normal((40, 2))]
    (empty / "log.csv").write_text("\n".join(["who,a,b", *rows]))
    called = call("explore", "log.csv", "--window", "8", "--group-column", "who", "--time", "1s")
    assert called.code == 0
    assert "3 recordings are cut into 27 windows" in called.err
    assert "cluster 1" in (empty / "runs/log-explored/explore.html").read_text()
    (empty / "who.csv").write_text("id,group\nlog,p\n")
    assert "are of 1 group\n" in call("explore", "log.csv", "--window", "8", "--groups", "who.csv", "--time", "1s").err


def test_what_is_doubtful_is_told_with_what_leaves_it_out(empty):
    rng = np.random.default_rng(0)
    rows = [f"{i + 100},{i % 2 + 0.01 * rng.normal():.4f},7,{rng.normal():.3f},{'ab'[i % 2]}" for i in range(60)]
    (empty / "t.csv").write_text("\n".join(["case no,leak,same,size,label", *rows]))
    called = call("explore", "t.csv", "--time", "1s")
    for said in (
        "1 of 4 columns never changes (column 'same'); --ignore same leaves it out",
        "'case no': another value in every row, like an id; --ignore 'case no' leaves it out.",
        "'leak': alone tells nearly every label. Is it known before the label is? If not, --ignore leak leaves it out.",
    ):
        assert said in " ".join(called.err.split())
    called = call("explore", "t.csv", "--time", "1s", "--ignore", "case no,same", "--ignore", "leak")
    assert called.code == 0
    assert "leaves it out" not in called.err
    assert called.out.strip().endswith("runs/t-explored-2/explore.html")


def test_bad_input_is_one_line_and_leaves_nothing(empty):
    np.save(empty / "one.npy", np.ones((1, 3)))
    for source, said in (("one.npy", "one sample"), ("nowhere", "no such file or folder")):
        called = call("explore", source)
        assert called.code == 2
        assert said in called.complaint
    assert call("explore", "one.npy", "--time", "soon").code == 2
    assert [path.name for path in empty.iterdir()] == ["one.npy"]
