"""What the analyses of a study are given, from files: through `vhi.read_cohort` as through the command line."""

from lib.interface import read_cohort

TABLE = """subject,visit,reader,vhi_mm3,inclusion
S1,baseline,a,100,
S2,baseline,a,400,withdrawn
S3,baseline,a,300,excluded
"""


def test_who_is_not_in_the_study_is_left_out_whoever_asks(tmp_path):
    source = tmp_path / "t.csv"
    source.write_text(TABLE)
    cohort = read_cohort(source)
    assert cohort.left_out == {"S2": "withdrawn", "S3": "excluded"}
    assert cohort.whole_table().subjects == ("S1",)
