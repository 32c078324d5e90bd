"""The viewer's own modules as functions: label maps in, label maps out. They run in the browser, without the viewer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from handmade import PROVENANCE
from lib.core.numbers import vhi_numbers
from lib.core.volume import Grid
from lib.server.texts import module_of
from lib.server.viewer import Viewer
from lib.studies.nrrd import nrrd_labels
from reports.test_stages_in_forms import of_stage

pytestmark = pytest.mark.browser

MODULES = Path(__file__).parents[2] / "apps/vhi/lib/server/ohif"
HOST = "http://modules.invalid"
OBLIQUE = np.array([[-0.9, 0.1, 0.2, 80.0], [0.1, -0.7, 0.9, 40.0], [0.05, 0.6, 3.2, -30.0], [0.0, 0.0, 0.0, 1.0]])


@pytest.fixture
def js(page):
    """Runs an expression with a module's exports in scope as `m` and arguments as `a`; arrays as Uint8Array of their lists."""

    def serve(route: Any) -> None:
        name = route.request.url.removeprefix(f"{HOST}/")
        if name == "language.js":
            route.fulfill(body=module_of("en"), content_type="text/javascript; charset=utf-8")
        elif name:
            route.fulfill(path=MODULES / name, content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html><script>window.vhi = { prefix: '' };</script>", content_type="text/html")

    page.route(f"{HOST}/**", serve)
    page.goto(f"{HOST}/")

    def run(module: str, expression: str, *arguments: Any) -> Any:
        code = f"async (a) => {{ const m = await import('{HOST}/{module}.js'); const u = (x) => Uint8Array.from(x);"
        return page.evaluate(f"{code} const l = (x) => x && Array.from(x); return ({expression}); }}", list(arguments))

    return run


def test_a_label_map_of_the_server_is_read_with_its_place(js):
    labels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    content = nrrd_labels(labels, Grid((2, 3, 4), OBLIQUE), compress=False)
    found = js("nrrd", "((r) => ({ ...r, data: l(r.data) }))(m.parseNrrd(u(a[0]).buffer))", list(content))
    assert found["sizes"] == [2, 3, 4]
    np.testing.assert_array_equal(found["data"], labels.ravel(order="F"))
    to_lps = np.diag([-1.0, -1.0, 1.0])
    np.testing.assert_allclose(found["origin"], to_lps @ OBLIQUE[:3, 3])
    np.testing.assert_allclose(np.array(found["directions"]).T, to_lps @ OBLIQUE[:3, :3])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html>\n\n", "something else than a label map"),
        (b"NRRD0004", "something else than a label map"),
        (b"NRRD0004\ntype: int16\nencoding: raw\n\n", "int16, raw; uint8, raw is needed"),
        (b"NRRD0004\ntype: uint8\nencoding: raw\nspace: left-posterior-superior\nsizes: 2 2 2\n\n1234567", "broke off"),
    ],
)
def test_an_answer_that_is_no_label_map_is_refused_in_one_sentence(js, content, said):
    message = js("nrrd", "(() => { try { m.parseNrrd(u(a[0]).buffer); } catch (e) { return e.message; } })()", list(content))
    assert said in message


def test_a_submitted_label_map_lies_where_it_was_drawn(js, tmp_path):
    labels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    lps = np.diag([-1.0, -1.0, 1.0])
    place = {"sizes": [2, 3, 4], "directions": (lps @ OBLIQUE[:3, :3]).T.tolist(), "origin": (lps @ OBLIQUE[:3, 3]).tolist()}
    written = js(
        "nifti", "new Response(m.niftiOf(u(a[0]), a[1])).arrayBuffer().then((b) => l(u(new Uint8Array(b))))",
        labels.ravel(order="F").tolist(), place,
    )  # fmt: skip
    (tmp_path / "label.nii").write_bytes(bytes(written))
    found = nibabel.load(tmp_path / "label.nii")
    assert found.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(found.dataobj), labels)
    np.testing.assert_allclose(found.affine, OBLIQUE, atol=1e-5)
    again = js("nifti", "((r) => ({ ...r, data: l(r.data) }))(m.parseNifti(u(a[0]).buffer))", written)
    assert (again["sizes"], again["data"]) == ([2, 3, 4], labels.ravel(order="F").tolist())
    np.testing.assert_allclose(again["directions"], place["directions"], atol=1e-5)
    np.testing.assert_allclose(again["origin"], place["origin"], atol=1e-5)


def test_a_map_that_was_flipped_along_the_slices_lies_elsewhere(js):
    place = {"sizes": [2, 3, 4], "directions": [[1, 0, 0], [0, 1, 0], [0, 0, 3]], "origin": [0, 0, 0]}
    flipped = {**place, "directions": [[1, 0, 0], [0, 1, 0], [0, 0, -3]], "origin": [0, 0, 9]}
    assert js("labelmap", "m.farthest(a[0], a[0])", place) == 0
    assert js("labelmap", "m.farthest(a[0], a[1])", place, flipped) == pytest.approx(9)


def test_a_case_hangs_stir_beside_t1w_and_another_study_whatever_mr_it_has(js):
    protocol = js("hanging", "m.protocolOf({ stir: '1.2', t1w: '1.3' })")
    (stage,) = protocol["stages"]
    assert stage["viewportStructure"]["properties"] == {"rows": 1, "columns": 2}
    shown = [protocol["displaySetSelectors"][one["displaySets"][0]["id"]] for one in stage["viewports"]]
    assert [one["seriesMatchingRules"][0]["constraint"]["equals"]["value"] for one in shown] == ["1.2", "1.3"]
    assert {one["viewportOptions"]["orientation"] for one in stage["viewports"]} == {"acquisition"}
    other = js("hanging", "m.protocolOf(null)")
    assert len(other["stages"][0]["viewports"]) == 1


def test_images_are_sorted_for_export_by_their_place_along_the_normal(js):
    plane = {"rowCosines": [1, 0, 0], "columnCosines": [0, 0, -1], "imagePositionPatient": [7, 5, 3]}
    assert js("exporting", "m.along(a[0])", plane) == 5.0  # x cross -z is y


def test_an_option_is_sent_only_where_it_differs_from_the_default(js):
    run = """((sent) => {
      const set = (name, value) => sent.push([name, value === undefined ? 'default' : value]);
      const change = (node, change) => { change(node); node.dispatchEvent(new Event('change')); };
      change(m.input('connectivity', ['8', '4'], set), (node) => { node.value = '4'; });
      change(m.input('connectivity', ['8', '4'], set), (node) => { node.value = '8'; });
      change(m.input('fill_holes', false, set), (node) => { node.checked = true; });
      change(m.input('min_pixels', '4', set), (node) => { node.value = '6'; });
      change(m.input('min_pixels', '4', set), (node) => { node.value = '4.0'; });
      change(m.input('min_pixels', '4', set), (node) => { node.value = 'six'; });
      return sent;
    })([])"""
    expected = [
        ["connectivity", "4"],
        ["connectivity", "default"],
        ["fill_holes", True],
        ["min_pixels", 6],
        ["min_pixels", "default"],
        ["min_pixels", "default"],
    ]
    assert js("panel-options", run) == expected


@pytest.mark.parametrize(
    ("name", "told"), [("paper", False), ("paper, with changed settings", False), ("strict", True), ("paper2", True)]
)
def test_the_panel_says_beside_the_number_that_another_chain_made_it(js, name, told):
    numbers = {"vhi_mm3": {"sensitive": 72, "conservative": 24}, "provenance": {"post_transforms": {"name": name}}}
    text = js("other_chain", "m.otherChain(a[0])?.textContent ?? ''", numbers)
    assert ("Not made by the paper's chain of post-transforms" in text) == told
    assert (f"“{name}”" in text) == told


PANEL = """(() => {
  const reading = { now: a[0], facts: a[0], bone: null, options: {}, isBehind: false, clicks: [] };
  const viewer_server = { reading, models: { vhi: { config: {} } } };
  return [m.numberSection(viewer_server), m.reliabilitySection(viewer_server)].map((part) => part?.textContent ?? '').join(' ');
})()"""


@pytest.mark.parametrize("stage", ["raw", "proposed", "cleaned"])
def test_the_panel_calls_vhi_only_what_a_reader_cleaned(js, stage):
    numbers = vhi_numbers(of_stage(stage), PROVENANCE, reader="anna")
    text = js("panel-answer", PANEL, json.loads(json.dumps(numbers, allow_nan=False)))
    title = {"raw": "Uncleaned volume", "proposed": "Proposed volume", "cleaned": "VHI (cleaned by anna, not submitted)"}[stage]
    assert title in text
    assert ("It is not VHI" in text) == (stage != "cleaned")
    if stage != "cleaned":
        assert "VHI" not in text.replace("It is not VHI", "")


def test_with_a_proposed_normal_bone_the_panel_does_not_say_stable(js):
    numbers = vhi_numbers(of_stage("raw"), PROVENANCE)
    told = {
        stable: js("panel-answer", PANEL, {**numbers, "stability": {**numbers["stability"], "stable": stable, "reasons": []}})
        for stable in (True, None)
    }
    assert "Stable:" in told[True]
    assert "Stable" not in told[None]
    assert "Stability not judged" in told[None]


CHANGE = {
    "earlier_title": "VHI (cleaned by anna)",
    "earlier_date": "2024-06-01",
    "earlier_mm3": 1000,
    "change_mm3": -400,
    "factor": 0.6,
    "exceeds_reader_variation": True,
    "doubts": [],
    "counts": {"new": 0, "grown": 0, "unchanged": 2, "shrunk": 1, "resolved": 3},
}
EARLIER = "Earlier visit of 2024-06-01: VHI (cleaned by anna) 1,000 mm³."


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({}, ""),
        (
            {"change": CHANGE},
            f"{EARLIER} Since then −400 mm³ (× 0.60), more than two readers differ by. Lesions: 2 unchanged, 1 shrunk, 3 resolved.",
        ),
        ({"change": {**CHANGE, "doubts": ["a", "b"]}}, f"{EARLIER} The two may not be compared: a; b."),
        ({"no_change_because": "No date."}, "No date."),
    ],
)
def test_the_panel_says_what_changed_since_the_earlier_visit(js, numbers, words):
    assert js("earlier_visit", "m.earlierVisit(a[0])?.textContent ?? ''", numbers) == words


def test_the_report_of_the_earlier_visit_is_one_click_away_where_it_is_the_readers_own(js):
    run = "m.earlierVisit(a[0]).querySelector('a')?.getAttribute('href') ?? null"
    report = {"image": "1.2", "submission": "0003-anna", "reader": "anna"}
    link = js("earlier_visit", run, {"change": CHANGE, "earlier": {"case": "1", "report": report}})
    assert link.endswith("/vhi/report?image=1.2&submission=0003-anna&reader=anna&form=html")
    assert js("earlier_visit", run, {"change": CHANGE, "earlier": {"case": "1", "report": None}}) is None


@pytest.mark.parametrize(
    ("numbers", "offered"),
    [
        ({"change": CHANGE, "earlier": {"case": "1", "report": None}}, True),
        ({"no_change_because": "Other settings.", "earlier": {"case": "1", "report": None}}, True),
        ({"no_change_because": "No date."}, False),
    ],
)
def test_the_earlier_scan_is_offered_beside_where_a_reading_of_it_is_known(js, numbers, offered):
    run = "Boolean(m.earlierVisit(a[0], { isShown: false, isComing: false })?.querySelector('#vhi-beside'))"
    assert js("earlier_visit", run, numbers) == offered


def test_effort_counts_clicks_and_seconds_from_the_opening_of_the_case(js):
    run = """((e) => {
      const press = () => window.dispatchEvent(new Event('pointerdown'));
      press(); e.restart(); press(); press(); e.strokes += 1;
      return e.facts();
    })(new m.Effort())"""
    told = js("effort", run)
    assert (told["clicks"], told["boundary_edits"]) == (2, 1)
    assert told["seconds"] >= 0


OPENING = """(async () => {
  const engine = { drawn: 0, _render() { this.drawn += 1; }, _resizeOffScreenCanvas: (canvases) => canvases.length };
  const draws = [];
  engine.offscreenMultiRenderWindow = { getRenderers: () => [{ renderer: { setDraw: (draw) => draws.push(draw) } }] };
  const told = [];
  const drawOften = m.drawSeldom(engine);
  engine._render();
  engine._render();
  told.push(engine.drawn, engine._resizeOffScreenCanvas([1, 2]), draws);
  drawOften();
  told.push(engine.drawn);
  engine._render();
  told.push(engine.drawn);
  return told;
})()"""


def test_while_a_case_opens_drawings_wait_and_then_one_is_made_for_all(js):
    assert js("opening", f"await {OPENING}") == [0, 2, [False], 1, 2]


def test_drawings_that_wait_are_made_after_a_while_when_a_case_is_long_in_opening(js):
    code = "await (async (engine) => { m.drawSeldom(engine); engine._render(); return engine.done; })"
    engine = (
        "((engine) => { engine.done = new Promise((done) => { engine._render = () => done('drawn'); }); return engine; })({})"
    )
    assert js("opening", f"{code}({engine})") == "drawn"


def test_the_longer_a_drawing_took_the_later_comes_the_next_one_while_a_case_opens(js):
    code = """await (async () => {
      const waited = [];
      const plain = window.setTimeout;
      window.setTimeout = (work, ms) => { waited.push(ms); return plain(work, 0); };
      try {
        const engine = {};
        engine.done = new Promise((done) => (engine.isDone = done));
        engine._renderFlaggedViewports = () => {
          const end = performance.now() + 500;
          while (performance.now() < end);
        };
        engine._render = () => {
          engine.asked(); // once more, before the drawing has begun
          engine._renderFlaggedViewports();
          engine.isDone();
        };
        const drawOften = m.drawSeldom(engine);
        engine.asked = engine._render;
        engine._render();
        await engine.done;
        engine.hasBeenDestroyed = true;
        drawOften();
        return [waited[0] === 2000, waited[1] === 2000, waited[2] >= 2500, waited.length];
      } finally {
        window.setTimeout = plain;
      }
    })()"""
    assert js("opening", code) == [True, True, True, 3]


def test_what_comes_soon_is_waited_for_and_what_does_not_is_left(js):
    code = """await (async () => {
      const told = [];
      await m.soon(new Promise((resolve) => setTimeout(() => resolve(told.push('soon')))));
      await m.soon(new Promise(() => {}));
      return [...told, 'left'];
    })()"""
    assert js("opening", code) == ["soon", "left"]


def test_who_scrolls_in_an_image_while_its_case_opens_waits_for_no_drawing(js):
    code = """((engine) => {
      const element = document.body.appendChild(document.createElement('div'));
      Object.assign(engine, { drawn: 0, getViewports: () => [{ element }], _render() { this.drawn += 1; } });
      const drawOften = m.drawSeldom(engine);
      const told = [];
      for (const one of [document.body, element, element]) {
        engine._render();
        one.dispatchEvent(new Event('wheel', { bubbles: true }));
        told.push(engine.drawn);
      }
      drawOften();
      return [...told, engine.drawn];
    })({})"""
    assert js("opening", code) == [0, 1, 2, 2]


def test_something_is_waited_for_until_the_viewer_tells_that_it_is_so(js):
    code = """await (async () => {
      const target = new EventTarget();
      let [value, listening] = [null, 0];
      const waited = m.until(() => value, (again) => {
        listening += 1;
        target.addEventListener('change', again);
        return () => { listening -= 1; target.removeEventListener('change', again); };
      });
      target.dispatchEvent(new Event('change'));
      value = 'there';
      target.dispatchEvent(new Event('change'));
      return [await waited, listening, await m.until(() => 'at once', () => () => {})];
    })()"""
    assert js("opening", code) == ["there", 0, "at once"]


@pytest.mark.parametrize(
    ("point", "slice_", "moved"),
    [
        ([5.0, 6.0, 14.0], 1, [5.0, 6.0, 13.0]),  # slices at 10, 13, 16
        ([5.0, 6.0, 14.6], 2, [5.0, 6.0, 16.0]),
        ([5.0, 6.0, -40.0], 0, [5.0, 6.0, 10.0]),  # beyond the first
        ([5.0, 6.0, 99.0], 2, [5.0, 6.0, 16.0]),
    ],
)
def test_the_nearest_slice_is_found_by_its_place_and_the_point_moves_along_the_normal_alone(js, point, slice_, moved):
    volume = {"dimensions": [4, 4, 3], "spacing": [1, 1, 3], "direction": [1, 0, 0, 0, 1, 0, 0, 0, 1], "origin": [0, 0, 10]}
    for normal in ([0, 0, 1], [0, 0, -1]):
        found = js("slices", "m.nearestSlice(a[0], a[1], a[2])", volume, point, normal)
        assert (found["slice"], found["point"]) == (slice_, moved)
        assert found["away"] == pytest.approx(abs(point[2] - moved[2]))


def test_a_plane_across_the_slices_is_moved_to_none_of_them(js):
    volume = {"dimensions": [4, 4, 3], "spacing": [1, 1, 3], "direction": [1, 0, 0, 0, 1, 0, 0, 0, 1], "origin": [0, 0, 10]}
    found = js("slices", "m.nearestSlice(a[0], a[1], a[2])", volume, [1.0, 2.0, 11.4], [1, 0, 0])
    assert (found["slice"], found["point"]) == (None, [1.0, 2.0, 11.4])


# the viewer's own library, from its script, with the modules that it needs
LIBRARY = """() => {
  const modules = Object.assign({}, ...self.webpackChunk.map(([, found]) => found));
  const [id] = Object.entries(modules).find(([, one]) => String(one).includes('compileConstructor'));
  const load = (wanted) => { const module = { exports: {} }; modules[wanted](module, module.exports, load); return module.exports; };
  self.views = () => load(id);
}"""
# a view written through and read back, by its places and by its array
USED = """(ndarray) => {
  const seen = [];
  for (const [shape, stride, offset] of [[[3, 4]], [[2, 3, 2]], [[5]], [[2, 3], [1, 2], 3]]) {
    const view = ndarray(new Uint8Array(24).map((_, n) => n), shape, stride, offset);
    const at = shape.map((size) => size - 1);
    view.set(...at, 77);
    view.set(...shape.map(() => 0), 78);
    const { dimension, size, offset: begins } = view;
    seen.push([[...view.data], view.get(...at), view.index(...at), [...view.shape], [...view.stride], dimension, size, begins]);
  }
  return seen;
}"""


def test_views_of_arrays_are_those_that_the_viewers_library_compiles(page, js):
    chunks = (path for path in Viewer().folder.glob("[0-9]*.bundle.*.js"))
    script = next(text for path in chunks if "function compileConstructor(" in (text := path.read_text("utf-8")))
    page.evaluate("self.webpackChunk = []")
    page.add_script_tag(content=script)
    page.evaluate(LIBRARY)
    compiled = page.evaluate(f"({USED})(views())")
    page.evaluate(f"import('{HOST}/array_views.js').then((m) => m.provideViews())")
    assert page.evaluate("new Function('return 5')()") == 5  # all else is left to the page's policy
    assert page.evaluate("views()(new Uint8Array(4), [2, 2]).constructor.name") == "View"
    assert page.evaluate(f"({USED})(views())") == compiled
