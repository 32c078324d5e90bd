"""Signing in on a page: the two cookies, the mark that goes with them, and who is refused."""

from __future__ import annotations

import pytest

from standin import PASSWORDS, cookie_of, signed_in

pytestmark = pytest.mark.slow  # seconds in all

VIEWER = "/ohif/monai-label?StudyInstanceUIDs=1.2.3"
FORM = {"username": "anna", "password": PASSWORDS["anna"], "next": VIEWER}


@pytest.fixture
def browser(client, accounts):
    """A browser that signed in; redirects are not followed."""
    made = client(accounts=accounts)
    made.follow_redirects = False
    answer = made.post("/login", data=FORM, headers={"Origin": "http://127.0.0.1:8000"})
    assert (answer.status_code, answer.headers["location"]) == (303, VIEWER)
    return made


def mark(browser) -> dict[str, str]:
    return {"X-CSRF-Token": cookie_of(browser)}


def test_the_login_is_a_cookie_that_no_script_reads_and_no_other_site_sends(client, accounts):
    answer = client(accounts=accounts).post("/login", data=FORM, follow_redirects=False)
    session, csrf = sorted(answer.headers.get_list("set-cookie"), reverse=True)
    assert session.startswith("vhi_session_")
    assert "HttpOnly" in session
    assert csrf.startswith("vhi_csrf_")
    assert "HttpOnly" not in csrf
    for cookie in (session, csrf):
        assert "SameSite=strict" in cookie
        assert "Path=/" in cookie
        assert "Max-Age=43200" in cookie
        assert "Secure" not in cookie  # plain HTTP on one's own machine


def test_behind_tls_the_cookies_are_secure(client, accounts):
    answer = client(accounts=accounts, base_url="https://127.0.0.1").post("/login", data=FORM, follow_redirects=False)
    assert all("Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))


def test_what_is_only_read_needs_the_cookie_alone(browser):
    assert browser.get("/auth/token/valid").json()["username"] == "anna"
    assert browser.get("/info/").status_code == 200
    assert browser.get("/vhi/cases").status_code == 403  # a reader's account is a reader's account


@pytest.mark.parametrize("other", ['consent={"necessary":true}', "flag", "a b=c d", "a[b]=1", "=", "x=\xe9"])
def test_cookies_of_other_sites_of_the_domain_leave_the_reader_signed_in(browser, other):
    own = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    cookies = f"{other}; {own}; {other}".encode("latin-1")
    assert browser.get("/auth/token/valid", headers={"Cookie": cookies}).json()["username"] == "anna"


@pytest.mark.parametrize("headers", [{}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "0" * 64}, {"X-CSRF-Token": "\xe9"}])
@pytest.mark.parametrize("path", ["/infer/vhi?image=one_T1W", "/activelearning/first", "/logout", "/proxy/dicom/wado/studies"])
def test_without_the_mark_nothing_is_changed(browser, path, headers):
    answer = browser.post(path, headers={name: value.encode("latin-1") for name, value in headers.items()})
    assert answer.status_code == 403
    assert "X-CSRF-Token" in answer.json()["detail"]
    assert browser.vhi.asked == []


def test_the_mark_of_another_session_is_a_wrong_one(browser, client, accounts):
    theirs = client(accounts=accounts)
    theirs.post("/login", data={**FORM, "username": "root", "password": PASSWORDS["root"]}, follow_redirects=False)
    # planted beside the session, as a neighbouring site could do, it proves nothing either
    browser.cookies.set(next(name for name in browser.cookies if "csrf" in name), cookie_of(theirs), domain="127.0.0.1")
    assert browser.post("/activelearning/first", headers=mark(theirs)).status_code == 403


def test_with_the_mark_the_reader_is_the_login(browser):
    answer = browser.post("/infer/vhi?image=one_T1W&output=json", data={"params": "{}"}, headers=mark(browser))
    assert answer.json()["who"] == "anna"
    file = {"label": ("a.nii.gz", b"voxels")}
    assert browser.put("/datastore/label?image=one_T1W", files=file).status_code == 403
    assert browser.put("/datastore/label?image=one_T1W", files=file, headers=mark(browser)).status_code == 200
    assert [saved[-1] for saved in browser.vhi.store.saved] == ["anna"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_other_sites_have_a_browser_ask_for_is_not_signed_in(browser, site):
    embedded = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
    assert browser.get("/datastore/image?image=one_T1W", headers=embedded).status_code == 401
    assert browser.get("/datastore/image?image=one_T1W", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    opened = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
    assert browser.get("/vhi/submissions?image=one_T1W", headers=opened).status_code != 401


def test_the_browsers_own_dialog_opens_for_pages_alone(client, accounts):
    server = client(accounts=accounts)
    for mode, scheme in {"navigate": "Basic", "cors": "Bearer"}.items():
        answer = server.get("/vhi/submissions?image=one_T1W", headers={"Sec-Fetch-Mode": mode})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith(scheme)


def test_forms_of_other_sites_are_refused_and_sign_nobody_in(browser):
    for origin in ("https://evil.example", "null"):
        answer = browser.post("/login", data=FORM, headers={"Origin": origin})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        assert browser.post("/activelearning/first", headers={"Origin": origin, **mark(browser)}).status_code == 403


def test_a_bearer_token_needs_no_mark_and_goes_before_a_cookie(browser):
    token = signed_in(browser, "root")
    answer = browser.post("/infer/vhi?image=one_T1W&output=json", data={"params": "{}"}, headers=token)
    assert answer.json()["who"] == "root"


def test_signing_out_ends_the_session_itself_not_the_cookie_alone(browser):
    kept = dict(browser.cookies)
    assert browser.post("/logout", headers=mark(browser)).status_code == 204
    assert not browser.cookies
    cookies = "; ".join(f"{name}={value}" for name, value in kept.items())
    assert browser.get("/info/", headers={"Cookie": cookies}).status_code == 401


def test_a_changed_password_ends_the_session(browser, accounts):
    from lib.server.accounts import Account, hash_password, write_accounts

    write_accounts(accounts, [Account("anna", "reader", hash_password("another horse battery"))])
    assert browser.get("/info/").status_code == 401


def test_a_wrong_password_is_told_on_the_page_and_guessing_is_slowed_down(client, accounts):
    browser = client(accounts=accounts)
    wrong = {**FORM, "password": "wrong horse"}
    answers = [browser.post("/login", data=wrong) for _ in range(6)]
    assert [one.status_code for one in answers] == [401] * 5 + [429]
    assert "Name or password is wrong." in answers[0].text
    assert "Too many wrong passwords" in answers[-1].text
    assert VIEWER in answers[0].text
    assert not browser.cookies


@pytest.mark.parametrize(
    "next", ["//evil.example/", "https://evil.example/", "/\\evil.example", "", "/a b", "/x\r\nSet-Cookie: a=b"]
)
def test_signing_in_leads_nowhere_else(client, accounts, next):
    answer = client(accounts=accounts).post("/login", data={**FORM, "next": next}, follow_redirects=False)
    assert answer.headers["location"] == "/vhi/worklist"


def test_what_is_asked_for_is_written_into_the_page_as_text(client, accounts):
    page = client(accounts=accounts).get('/login?next=/ohif/"><script>alert(1)</script>')
    assert "<script" not in page.text
    assert "form-action 'self'" in page.headers["content-security-policy"]
    # with no-referrer a browser would call the page's own origin null
    assert page.headers["referrer-policy"] == "same-origin"


def test_without_accounts_there_is_nothing_to_sign_in_to(client):
    browser = client()
    assert browser.get("/login", follow_redirects=False).headers["location"] == "/vhi/worklist"
    assert browser.post("/login", data=FORM).status_code == 400


def test_a_session_that_ended_stays_ended_however_its_token_is_written(browser):
    (token,) = (value for name, value in browser.cookies.items() if name.startswith("vhi_session"))
    written = [token, token + "=", token + "==", f" {token}"]
    assert {browser.get("/info/", headers={"Authorization": f"Bearer {one}"}).status_code for one in written[:1]} == {200}
    browser.post("/logout", headers=mark(browser))
    for one in written:
        assert browser.get("/info/", headers={"Authorization": f"Bearer {one}"}).status_code == 401


def test_a_bearers_logout_ends_that_login_and_no_other(client, accounts):
    served = client(accounts=accounts)
    ended, other = signed_in(served), signed_in(served)
    assert ended != other
    assert served.post("/logout", headers=ended).status_code == 204
    assert served.get("/info/", headers=ended).status_code == 401
    assert served.get("/info/", headers={"Authorization": ended["Authorization"] + "="}).status_code == 401
    assert served.get("/info/", headers=other).status_code == 200


def test_two_servers_on_one_host_do_not_share_cookies_even_with_one_accounts_file(client, accounts):
    names = set()
    for port in (8000, 8001):
        server = client(accounts=accounts, base_url=f"http://127.0.0.1:{port}")
        server.post("/login", data=FORM, follow_redirects=False)
        names |= set(server.cookies)
    assert len(names) == 4


@pytest.mark.parametrize(
    ("ahead_s", "is_believed"), [(0, True), (2, True), (120, True), (290, True), (310, False), (86400, False)]
)
def test_a_token_is_believed_when_the_clock_was_set_back_a_little_and_never_beyond_its_own_length(
    accounts, monkeypatch, ahead_s, is_believed
):
    import time
    from types import SimpleNamespace

    from lib.server import identity
    from lib.server.accounts import Accounts

    known = Accounts(accounts)
    tokens = identity.Tokens(known, b"k" * 32, 3600.0)
    now = time.time()
    monkeypatch.setattr(identity, "time", SimpleNamespace(time=lambda: now + ahead_s))
    token = tokens.issue(known.find("anna"))
    monkeypatch.setattr(identity, "time", SimpleNamespace(time=lambda: now))
    assert (tokens.identity_of(token) is not None) == is_believed
