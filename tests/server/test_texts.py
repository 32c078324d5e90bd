"""The words of the browser pages: one table, which no module goes round, and every other language whole beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.cohort.table import VERDICTS
from lib.core.anatomy import SIDES
from lib.core.change import FATES
from lib.datastores.conf import service_of
from lib.errors import SettingsError
from lib.readings.submission import RATINGS
from lib.server.texts import ENGLISH, TABLES, languages, module_of, texts_in

MODULES = TABLES.parent
SCRIPTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(MODULES.glob("*.js"))}
OTHERS = [one for one in languages() if one != ENGLISH]
PLURALS = {"zero", "one", "two", "few", "many", "other"}
# groups of texts that are looked up by what the server, or the page, calls something
NAMED = {"verdict": VERDICTS, "side": SIDES, "fate": FATES, "rating": RATINGS}
# what stands in the modules as it is called everywhere, and no reader is shown as words
IDENTIFIERS = {
    *("disease region", "normal bone", "inflammation (proposed to remove)"),
    *("on slice", "beyond line", "sacroiliac joint space", "above L5/S1", "lumbar vertebrae", "facet joint"),
    *("unsigned char", "space directions", "space origin", "paper, with changed settings"),
    *("No.", "Slice", "Side", "Lesions", "Reliability", "Display", "Draw", "Normal bone as drawn", "Brush", "Eraser", "Shapes"),
    *("Tab", "Enter", "Escape", "Ctrl+", "Modality", "Labelmap", "Inactive", "Segmentations"),
    *("Segmentation", "Basic Viewer"),  # the viewer's own modes
    # headers
    *(
        'multipart/related; type="application/dicom"; transfer-syntax=*',
        "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1",
    ),
}
# one in every language
SHOWN_AS_IT_IS = {"mm³", "VHI"}
STYLE = re.compile(
    r"[a-z-]+: ?[^;]*;|^\n\.vhi|^border: ?2px|^; box-sizing|^(?:(?:line|note|tight|grow|main|good|small|grades|behind) ?)+$"
)
# of shaders
GLSL = re.compile(r"^#define |\bvoid main\(|\bfragOutput0\b")
SELECTOR = re.compile(r"^(?:#vhi|tbody tr|input[,\[])")

STRING = {quote: re.compile(rf"(?:\\.|[^\\{quote}])*", re.DOTALL) for quote in "'\""}
TEMPLATE = re.compile(r"(?:\\.|\$(?!\{)|[^\\`$])*", re.DOTALL)
PATTERN = re.compile(r"(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\[\n])+/[a-z]*")


def scanned(source: str) -> tuple[str, list[str]]:
    """A script without its comments, each text in it as `«n»`; and the texts, a template's in their parts."""
    code: list[str] = []
    texts: list[str] = []
    open_templates: list[int] = []
    at = depth = 0

    def take(text: str) -> None:
        code.append(f"«{len(texts)}»")
        texts.append(text)

    while at < len(source):
        letter, pair = source[at], source[at : at + 2]
        before = "".join(code).rstrip()[-1:] if letter == "/" else ""
        if pair == "//":
            at = source.index("\n", at)
        elif pair == "/*":
            at = source.index("*/", at) + 2
        elif letter in STRING:
            match = STRING[letter].match(source, at + 1)
            take(match[0])
            at = match.end() + 1
        elif letter == "/" and (not before or before in "(,=:[!&|?{};>"):
            code.append("RegExp")
            at = PATTERN.match(source, at + 1).end()
        elif letter == "`" or (letter == "}" and open_templates and open_templates[-1] == depth):
            if letter == "}":
                open_templates.pop()
                code.append(")")
            match = TEMPLATE.match(source, at + 1)
            take(match[0])
            at = match.end() + 1
            if source[at - 1 : at + 1] == "${":
                open_templates.append(depth)
                code.append("+(")
                at += 1
        else:
            depth += (letter == "{") - (letter == "}")
            code.append(letter)
            at += 1
    return "".join(code), texts


def arguments(code: str, start: int) -> list[str]:
    """The arguments between a bracket at `start` and its end, divided by commas."""
    found, depth, begin = [], 0, start + 1
    for at in range(start, len(code)):
        depth += (code[at] in "([{") - (code[at] in ")]}")
        if depth == 0 or (depth == 1 and code[at] == ","):
            found.append(code[begin:at].strip())
            begin = at + 1
        if depth == 0:
            break
    return [one for one in found if one]


def expression(code: str, start: int) -> str:
    """The text from a place on until a comma, a semicolon or a bracket ends it."""
    depth = 0
    for at in range(start, len(code)):
        if depth == 0 and code[at] in ",;)]}":
            return code[start:at]
        depth += (code[at] in "([{") - (code[at] in ")]}")
    return code[start:]


def bare(code: str) -> str:
    """An expression without what stands in its brackets."""
    left, depth = [], 0
    for letter in code:
        depth -= letter in ")]}"
        if depth == 0:
            left.append(letter)
        depth += letter in "([{"
    return "".join(left)


def names_passed(call: list[str]) -> set[str]:
    values = arguments(call[1], 0) if len(call) > 1 else []
    assert not any(one.startswith("...") for one in values), f"values are written out where a text is asked for: {call}"
    return {re.match(r"\w+", one)[0] for one in values}


def calls(code: str, function: str) -> Iterator[list[str]]:
    return (arguments(code, match.end() - 1) for match in re.finditer(rf"(?<![\w.#]){function}\(", code))


def placeholders(text: str | dict[str, str]) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text if isinstance(text, str) else " ".join(text.values())))


def table(language: str) -> dict[str, str | dict[str, str]]:
    """A language's own table; a key that stands twice is a fault."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        keys = [key for key, _ in pairs]
        assert len(set(keys)) == len(keys), sorted(key for key in keys if keys.count(key) > 1)
        return dict(pairs)

    return json.loads((TABLES / f"{language}.json").read_text(encoding="utf-8"), object_pairs_hook=once)


def texts_asked_for() -> Iterator[tuple[str, str, set[str]]]:
    for name, source in SCRIPTS.items():
        if name == "texts":
            continue
        code, texts = scanned(source)
        for call in calls(code, "t"):
            key = re.fullmatch(r"«(\d+)»", call[0])
            assert key, f"{name}.js asks for a text by {call[0]}; write its key out"
            yield name, texts[int(key[1])], names_passed(call)


def groups_asked_for() -> set[str]:
    scripts = (scanned(source) for name, source in SCRIPTS.items() if name != "texts")
    # other functions of that name are no business of ours: they are given no text first
    found = ((texts, call[0]) for code, texts in scripts for call in calls(code, "named") if call[0].startswith("«"))
    return {texts[int(group[1:-1])] for texts, group in found}


def keys_of_pages() -> set[str]:
    """Those that the server itself asks for."""
    found = (
        re.findall(r"texts\[['\"]([^'\"]+)['\"]\]", path.read_text(encoding="utf-8")) for path in MODULES.parent.glob("*.py")
    )
    return {key for keys in found for key in keys}


def areas() -> set[str]:
    code, texts = scanned(SCRIPTS["gestures"])
    (entries,) = (arguments(code, match.end() - 1) for match in re.finditer(r"const AREAS = \{", code))
    keys = (one.split(":")[0] for one in entries)
    return {texts[int(key[1:-1])] if key.startswith("«") else key for key in keys}


def test_every_text_that_a_module_asks_for_stands_in_the_table_and_gets_its_values():
    english = table(ENGLISH)
    asked = list(texts_asked_for())
    assert len(asked) > 200
    for module, key, names in asked:
        assert key in english, f"{module}.js asks for {key}"
        assert names == placeholders(english[key]) | ({"count"} if isinstance(english[key], dict) else set()), (
            f"{module}.js: {key}"
        )


def test_every_text_of_the_table_is_asked_for():
    groups = groups_asked_for()
    used = {key for _, key, _ in texts_asked_for()} | keys_of_pages()
    left = {key for key in table(ENGLISH) if key not in used and key.partition(".")[0] not in groups}
    assert left == set()


def test_what_the_server_names_has_words_each_and_no_other():
    vocabularies = {**NAMED, "area": areas()}
    assert groups_asked_for() == set(vocabularies)
    asked = {key for _, key, _ in texts_asked_for()}
    for group, names in vocabularies.items():
        assert {f"{group}.{name}" for name in names} <= set(table(ENGLISH))
        more = {key for key in table(ENGLISH) if key.startswith(f"{group}.")} - {f"{group}.{name}" for name in names}
        assert more <= asked


@pytest.mark.parametrize("language", OTHERS)
def test_another_language_has_every_text_with_the_same_values(language):
    english, own = table(ENGLISH), table(language)
    assert list(own) == list(english)  # in one order, so that two tables can be read side by side
    for key, text in own.items():
        assert isinstance(text, dict) == isinstance(english[key], dict), key
        assert placeholders(text) == placeholders(english[key]), key
        forms = text.values() if isinstance(text, dict) else [text]
        assert all(form and form == form.strip() for form in forms), key


@pytest.mark.parametrize("language", languages())
def test_forms_of_a_count_are_those_of_plural_rules_with_one_for_all_else(language):
    forms = [set(text) for text in table(language).values() if isinstance(text, dict)]
    assert forms
    assert all("other" in one and one <= PLURALS for one in forms)


def test_german_is_german():
    """Words that are alike in both languages are few."""
    english, german = table("en"), table("de")
    alike = [key for key in english if english[key] == german[key]]
    assert len(alike) < 20, alike


def reads_as_words(text: str) -> bool:
    words = re.search(r"[^\W\d_]{2,}[,.;:]? +[^\W\d_]", text) or re.fullmatch(r"\W*[A-Z][a-z]+\W*", text)
    return bool(words) and text not in IDENTIFIERS and not any(one.search(text) for one in (STYLE, SELECTOR, GLSL))


@pytest.mark.parametrize("name", sorted(set(SCRIPTS) - {"texts"}))
def test_no_module_holds_words_of_its_own(name):
    assert [text for text in scanned(SCRIPTS[name])[1] if reads_as_words(text)] == []


def words_shown(script: str) -> list[str]:
    """Words that a script itself gives to an element or a sentence; what is compared with, and what lies in brackets, is none."""
    code, texts = scanned(script)
    shown = (re.findall(r"«(\d+)»", re.sub(r"[!=]== «\d+»", "", bare(one))) for one in shown_in(code))
    written = [texts[int(n)] for found in shown for n in found]
    return [text for text in written if re.search(r"[^\W\d_]{2}", text) and text not in SHOWN_AS_IT_IS | IDENTIFIERS]


def shown_in(code: str) -> Iterator[str]:
    """Expressions whose texts a reader sees: content of elements, what describes them, sentences."""
    for call in calls(code, "el"):
        yield from call[2:]
    for call in calls(code, "button"):
        yield call[0]
    for function in ("showBanner", "Error", "confirm", "say"):
        for call in calls(code, rf"(?:\w+\.)*{function}"):
            yield call[0] if call else ""
    for match in re.finditer(r"\b(?:title|ariaLabel|placeholder|alt|text|label|message|displayName|textContent)(?::| =) ", code):
        yield expression(code, match.end())


@pytest.mark.parametrize("name", sorted(set(SCRIPTS) - {"texts"}))
def test_no_element_is_given_words_that_stand_in_a_module(name):
    assert words_shown(SCRIPTS[name]) == []


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("el('p', {}, 'painted');", True),
        ("el('p', {}, isDone ? t('a') : 'painted');", True),
        ("el('p', {}, `${n} painted`);", True),
        ("button('close', work);", True),
        ("button(`${mark} ${t('close')}`, work);", False),
        ("el('p', { title: isDone ? '' : 'again' });", True),
        ("study_folder.say('again');", True),
        ("button(busy === 'closing' ? t('busy') : t('close'), work);", False),
        ("throw new Error(`broken ${n}`);", True),
        ("note.textContent = 'again';", True),
        ("el('tr', { class: 'painted', data: { of: 'x1' } }, t('list.painted'));", False),
    ],
)
def test_the_search_finds_words_that_are_shown(script, found):
    assert bool(words_shown(script)) == found


def test_a_text_that_another_language_lacks_is_english(tmp_path: Path):
    (tmp_path / "en.json").write_text(json.dumps({"a": "one", "b": "two"}))
    (tmp_path / "xx.json").write_text(json.dumps({"b": "zwei"}))
    assert texts_in("xx", tmp_path) == {"a": "one", "b": "zwei"}
    assert languages(tmp_path) == ["en", "xx"]


@pytest.mark.parametrize("language", ["fr", "../en", ""])
def test_a_language_without_a_table_is_refused_in_one_sentence_before_the_server_starts(language, tmp_path):
    with pytest.raises(SettingsError, match=r"language is '.*'; the panel has words in de and en\. Choose one of these\."):
        service_of(str(tmp_path), {"language": language})


def test_the_language_is_set_as_other_settings_of_the_server_are(tmp_path):
    assert service_of(str(tmp_path), {"language": "de"}).config.language == "de"
    assert service_of(str(tmp_path), {}).config.language == ENGLISH
    assert module_of("de").startswith('export const LANGUAGE = "de";\nexport const TEXTS = {"close": "Schließen"')
