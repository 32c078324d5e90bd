"""Searches: what matches, what is told, and that no filter is ever ignored."""

from __future__ import annotations

import re

import pytest

from embedded import JSON, slice_of

PEOPLE = [
    {"PatientID": "A1", "PatientName": "Doe^Jane", "StudyDate": "20250131", "StudyTime": "093000", "StudyDescription": "SIJ"},
    {"PatientID": "a1", "PatientName": "Müller^Zoë", "StudyDate": "20250201", "StudyTime": "235959.5", "StudyDescription": "Hip"},
    {
        "PatientID": "B[1]",
        "PatientName": "Doe^John=ドウ",
        "StudyDate": "20260101",
        "StudyTime": "10",
        "StudyDescription": "SIJ 2",
    },
    {"PatientID": "", "PatientName": "", "StudyDate": "", "StudyTime": "", "StudyDescription": ""},
]


def person(number: int, **changes):
    """A slice of that person's study."""
    labels = {
        **PEOPLE[number - 1],
        "StudyInstanceUID": f"1.2.{number}",
        "SeriesInstanceUID": f"1.2.{number}.1",
        "SpecificCharacterSet": "ISO_IR 192",
        "AccessionNumber": f"ACC{number}",
    }
    return slice_of(**{**labels, **changes})


@pytest.fixture(scope="module")
def people(lasting):
    lasting.store(*(person(number) for number in (1, 2, 3, 4)))
    lasting.store(person(1, SeriesInstanceUID="1.2.1.2", Modality="SEG", SeriesNumber=7), person(1), person(1))
    return lasting


def studies(served, query: str) -> str:
    """The last components of the studies found, as one text."""
    return "".join(sorted(one["0020000D"]["Value"][0][-1] for one in served.matches(f"/studies?{query}")))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "1234"),
        ("PatientID=A1", "1"),  # an id is what it is, capitals too
        ("PatientID=A*", "1"),
        ("PatientID=?1", "12"),
        ("PatientID=B[1]", "3"),  # no brackets of patterns
        ("PatientID=*", "1234"),
        ("PatientID=", "1234"),
        ("PatientID=%25", ""),
        ("PatientID=A1'%20OR%20'1'='1", ""),
        ("PatientName=doe^jane", "1"),
        ("PatientName=DOE*", "13"),
        ("PatientName=m%C3%9CLLER*", "2"),
        ("PatientName=%E3%83%89%E3%82%A6", "3"),  # the ideographic group
        ("PatientName=*j?h*", "3"),
        ("PatientName=doe", ""),
        ("00100010=Doe*", "13"),
        ("StudyDate=20250131", "1"),
        ("StudyDate=20250131-20250201", "12"),
        ("StudyDate=20250201-", "23"),
        ("StudyDate=-20250131", "1"),
        ("StudyTime=0900-0959", "1"),
        ("StudyTime=1000-1100", "3"),  # kept to the hour
        ("StudyTime=10", "3"),
        ("StudyTime=2359", "2"),
        ("StudyTime=-12", "13"),
        ("ModalitiesInStudy=SEG", "1"),
        ("ModalitiesInStudy=MR", "1234"),
        ("ModalitiesInStudy=CT,SEG", "1"),
        ("ModalitiesInStudy=CT%5CSEG", "1"),
        ("ModalitiesInStudy=S*", "1"),
        ("ModalitiesInStudy=M", ""),
        ("StudyInstanceUID=1.2.1,1.2.3", "13"),
        ("StudyInstanceUID=1.2.1%5C1.2.4", "14"),
        ("StudyInstanceUID=1.2.1&StudyInstanceUID=1.2.2", "12"),
        ("0020000D=1.2.2", "2"),
        ("AccessionNumber=ACC2", "2"),
        ("StudyDescription=*SIJ*", "13"),
        ("PatientName=Doe*&StudyDate=20250101-20251231&fuzzymatching=true", "1"),
        ("PatientID=A1&PatientName=M*", ""),
    ],
)
def test_a_search_finds_these_studies(people, query, expected):
    assert studies(people, query) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/series?Modality=SEG", ["1.2.1.2"]),
        ("/series?SeriesNumber=7", ["1.2.1.2"]),
        ("/series?SeriesNumber=007&PatientID=A1", ["1.2.1.2"]),
        ("/series?PatientID=A1", ["1.2.1.1", "1.2.1.2"]),  # by number: 4, 7
        ("/studies/1.2.1/series", ["1.2.1.1", "1.2.1.2"]),
        ("/studies/1.2.1/series?Modality=MR", ["1.2.1.1"]),
        ("/studies/1.2.1/series?SeriesInstanceUID=1.2.1.2,1.2.1.1", ["1.2.1.1", "1.2.1.2"]),
        ("/studies/1.2.2/series?SeriesInstanceUID=1.2.1.2", []),  # of another study
        ("/series?SeriesDescription=ST*&StudyInstanceUID=1.2.3", ["1.2.3.1"]),
    ],
)
def test_a_search_finds_these_series(people, path, expected):
    assert [one["0020000E"]["Value"][0] for one in people.matches(path)] == expected


def test_instances_are_found_by_study_series_and_patient(people):
    counts = {path: len(people.matches(path)) for path in (
        "/instances", "/studies/1.2.1/instances", "/studies/1.2.1/series/1.2.1.1/instances", "/instances?PatientID=a1&Modality=MR",
        "/studies/1.2.2/series/1.2.1.1/instances",
    )}  # fmt: skip
    assert list(counts.values()) == [7, 4, 3, 1, 0]


def test_counts_and_modalities_are_those_of_the_whole_study(people):
    (found,) = people.matches("/studies?PatientID=A1&ModalitiesInStudy=SEG")
    assert found["00080061"] == {"vr": "CS", "Value": ["MR", "SEG"]}
    assert (found["00201206"]["Value"], found["00201208"]["Value"]) == ([2], [4])
    assert found["00081190"]["Value"] == [f"{people.url}/studies/1.2.1"]
    assert found["00080056"]["Value"] == ["ONLINE"]
    assert [one["00201209"]["Value"] for one in people.matches("/studies/1.2.1/series")] == [[3], [1]]


def test_each_level_tells_of_itself(people):
    (study,) = people.matches("/studies?PatientID=A1&includefield=00080060,00081030,SeriesDescription")
    assert "00080060" not in study  # a viewer would show the modality of one series as that of the study
    assert study["00081030"]["Value"] == ["SIJ"]
    series = people.matches("/studies/1.2.1/series")[1]
    assert (series["00080060"]["Value"], series["0020000D"]["Value"]) == (["SEG"], ["1.2.1"])
    assert series["00081190"]["Value"] == [f"{people.url}/studies/1.2.1/series/1.2.1.2"]
    (instance,) = people.matches("/studies/1.2.2/instances")
    assert instance["00280010"]["Value"] == [20]
    assert "00200032" not in instance


def test_further_fields_are_told_on_request(people):
    assert "00080070" not in people.matches("/studies/1.2.1/series")[0]
    for fields in ("includefield=Manufacturer", "includefield=00080070", "includefield=all"):
        assert people.matches(f"/studies/1.2.1/series?{fields}")[0]["00080070"]["Value"] == ["Scanner"]
    (instance,) = people.matches("/studies/1.2.2/instances?includefield=ImagePositionPatient&includefield=00200037")
    assert len(instance["00200032"]["Value"]) == 3
    assert len(instance["00200037"]["Value"]) == 6
    (instance,) = people.matches("/studies/1.2.2/instances?includefield=all")
    assert instance["00180050"]["Value"] == [3.0]
    assert "7FE00010" not in instance


def test_pages_follow_one_order_and_leave_nothing_out(people):
    newest_first = [one["0020000D"]["Value"][0] for one in people.matches("/studies")]
    assert newest_first == ["1.2.3", "1.2.2", "1.2.1", "1.2.4"]
    pages = [people.matches(f"/studies?limit=3&offset={offset}") for offset in (0, 3, 6)]
    assert [one["0020000D"]["Value"][0] for page in pages for one in page] == newest_first
    assert people.matches("/studies?limit=0") == []


def test_fuzzy_matching_is_said_not_to_be_done(people):
    answer = people.get("/studies?PatientName=Doe*&fuzzymatching=true")
    assert "fuzzymatching parameter is not supported" in answer.headers["Warning"]
    assert "Warning" not in people.get("/studies?PatientName=Doe*").headers


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/studies?Modality=MR", "Modality belongs to a series; .* ModalitiesInStudy"),
        ("/studies?Nonsense=1", "'Nonsense' cannot be searched by"),
        ("/studies?PatientWeight=70", "'PatientWeight' cannot be searched by"),
        ("/studies?00101030=70", "cannot be searched by"),
        ("/series?SOPInstanceUID=1.2", "SOPInstanceUID belongs to an instance; search for it below /instances"),
        ("/studies?limit=abc", "limit is a whole number"),
        ("/studies?limit=-1", "limit is a whole number"),
        ("/studies?offset=1e3", "offset is a whole number"),
        ("/studies?StudyDate=yesterday", "StudyDate is searched by 20250131"),
        ("/studies?StudyDate=-", "StudyDate is searched by"),
        ("/studies?StudyTime=9", "StudyTime is searched by"),
        ("/series?SeriesNumber=two", "SeriesNumber is a whole number"),
        ("/studies?includefield=Nonsense", "no attribute of DICOM"),
        ("/studies/..%2f..%2fetc/series", None),
        ("/studies/1.2.x/series", "is no UID"),
        ("/studies/1..2/series", "is no UID"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_a_sentence(people, path, sentence):
    answer = people.get(path)
    assert answer.status_code == (400 if sentence else 404)
    if sentence:
        assert re.search(sentence, answer.json()["detail"])


def test_nothing_found_is_an_empty_list(people):
    answer = people.get("/studies?PatientID=nobody")
    assert (answer.status_code, answer.json(), answer.headers["Content-Type"]) == (200, [], JSON)


def test_a_pattern_of_many_stars_is_answered(people):
    assert studies(people, "PatientName=" + "*a" * 60) == ""


def test_dicomweb_client_searches(people):
    from dicomweb_client.api import DICOMwebClient

    client = DICOMwebClient(people.url)
    studies = client.search_for_studies(
        search_filters={"PatientName": "Doe*", "StudyDate": "20250101-20251231"}, fields=["00081030"]
    )
    assert [one["0020000D"]["Value"] for one in studies] == [["1.2.1"]]
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []
    assert len(client.search_for_instances(limit=2, get_remaining=True)) == 7
    assert len(client.search_for_series("1.2.1", search_filters={"Modality": "SEG"})) == 1
