"""Signing in at a provider of OpenID Connect that runs beside the test; who is let in as what, and what is said to the others."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import pytest
import requests

from front import in_front_of
from lib.errors import InputError, SettingsError
from lib.server.accounts import Account, hash_password, read_accounts, write_accounts
from lib.server.config import ServerConfig
from lib.server.provider_settings import ProviderSettings
from serving import free_port
from signing_on import come_back, running_provider
from standin import PASSWORDS, cookie_of

pytestmark = pytest.mark.slow  # seconds in all

PATH = "/ohif/monai-label?StudyInstanceUIDs=1.2.3"


@pytest.fixture(scope="module")
def running():
    with running_provider() as provider:
        yield provider


@pytest.fixture
def provider(running):
    """The provider, answering as it should."""
    running.forge, running.publish, running.key, running.withheld = None, None, None, ()
    return running


@pytest.fixture
def front(provider, tmp_path):
    with in_front_of(None, tmp_path / "front", sign_on=provider.settings(tmp_path)) as started:
        yield started


def signed_in(front, person: str = "u-1", path: str = PATH) -> tuple[requests.Session, requests.Response]:
    browser = requests.Session()
    back = come_back(browser, f"{front.url}/sign-on?next={path}", person)
    assert back.startswith(f"{front.url}/sign-on/back?")
    return browser, browser.get(back, allow_redirects=False, timeout=30)


def refused(front, status: int, person: str = "u-1") -> str:
    """The page's sentence for somebody who is not let in."""
    browser, answer = signed_in(front, person)
    assert answer.status_code == status, answer.text
    assert not [name for name in browser.cookies.keys() if "session" in name]  # noqa: SIM118 (a jar, not a dict)
    assert 'name="password"' in answer.text  # and by password they may
    return re.search(r'role="alert">(.*?)</p>', answer.text)[1]


def test_the_login_page_offers_it_and_whoever_signs_in_there_is_known_here(front):
    page = requests.get(f"{front.url}/login?next={PATH}", timeout=30).text
    assert 'href="/sign-on?next=/ohif/monai-label%3FStudyInstanceUIDs%3D1.2.3"' in page
    assert "Sign in with the clinic&#x27;s account" in page
    browser, answer = signed_in(front)
    assert answer.status_code == 200
    # a redirect would count as the provider's, and the browser keep the session's cookie back
    assert f'content="0;url={PATH}"' in answer.text
    who = browser.get(f"{front.url}/auth/token/valid", timeout=30).json()
    assert (who["username"], who["roles"]) == ("anna", ["reader"])
    assert front.app.service.audit.events == [("login", "anna")]
    assert not [name for name in browser.cookies.keys() if "sign_on" in name]  # noqa: SIM118
    assert browser.get(f"{front.url}/vhi/models", timeout=30).status_code == 403
    assert browser.post(f"{front.url}/activelearning/first", json={}, timeout=30).status_code == 403  # without the mark
    mark = {"X-CSRF-Token": cookie_of(browser)}
    assert browser.post(f"{front.url}/activelearning/first", json={}, headers=mark, timeout=30).status_code == 200


def test_the_role_is_the_greatest_that_the_claim_gives(front):
    browser, _ = signed_in(front, "u-2")
    assert browser.get(f"{front.url}/auth/token/valid", timeout=30).json()["roles"] == ["admin"]


def test_claims_inside_others_and_claims_that_are_told_apart_from_the_token_count_too(provider, tmp_path):
    provider.withheld = ("realm", "preferred_username")
    with in_front_of(None, tmp_path / "front", sign_on=provider.settings(tmp_path, role_claim="realm.roles")) as front:
        browser, answer = signed_in(front, "u-5")
        assert answer.status_code == 200
        assert browser.get(f"{front.url}/auth/token/valid", timeout=30).json()["username"] == "bela"


def test_what_is_kept_while_somebody_signs_in_is_the_browsers_own_and_counts_once(front):
    browser = requests.Session()
    back = come_back(browser, f"{front.url}/sign-on")
    (kept,) = (one for one in browser.cookies if "sign_on" in one.name)
    assert kept.path == "/sign-on"
    assert kept.has_nonstandard_attr("HttpOnly")
    assert kept.get_nonstandard_attr("SameSite") == "lax"
    stranger = requests.get(back, timeout=30)
    assert stranger.status_code == 400
    assert "not begun in this browser" in stranger.text
    assert browser.get(back.replace("state=", "state=x"), timeout=30).status_code == 400
    assert browser.get(back, timeout=30).status_code == 400  # a wrong try ends it


def test_a_code_is_not_taken_twice(front):
    browser = requests.Session()
    back = come_back(browser, f"{front.url}/sign-on")
    kept = dict(browser.cookies)
    assert browser.get(back, timeout=30).status_code == 200
    again = requests.get(back, cookies=kept, timeout=30)
    assert again.status_code == 403
    assert "did not accept the sign-on (invalid_grant)" in again.text


def test_who_is_let_in_by_nobody_is_told_so(front):
    browser = requests.Session()
    answer = browser.get(come_back(browser, f"{front.url}/sign-on", action="deny"), timeout=30)
    assert answer.status_code == 403
    assert "The sign-on service let nobody in (access_denied)" in answer.text


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"aud": "another"}, "it is meant for another application than vhi"),
        ({"aud": ["vhi", "another"], "azp": "another"}, "it is meant for another application than vhi"),
        ({"iss": "http://localhost:1"}, "it was made by another provider"),
        ({"nonce": "another"}, "it belongs to another sign-on"),
        ({"exp": 1_000_000_000}, "it has expired; the clocks of both may differ"),
    ],
)
def test_an_answer_that_is_not_meant_for_this_sign_on_lets_nobody_in(front, provider, changed, why):
    provider.forge = lambda claims: {**claims, **changed}
    said = refused(front, 403)
    assert re.fullmatch(
        r"The sign-on service localhost:\d+ signed nobody in: its answer cannot be used: (.*?)\. Try again, .*", said
    )
    assert why in said


def test_an_answer_that_another_key_signed_lets_nobody_in(front, provider):
    from joserfc.jwk import RSAKey

    provider.key = RSAKey.generate_key(2048)
    assert "its answer is not signed by it" in refused(front, 403)


def test_keys_that_cannot_be_used_are_passed_over(front, provider):
    unusable = [{"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"}, {"kty": "unheard of"}, {}, "no key", {"kty": "RSA", "n": 5}]
    provider.publish = lambda published: {"keys": [*unusable, *published["keys"], *unusable]}
    assert signed_in(front)[1].status_code == 200


@pytest.mark.parametrize("published", [{}, {"keys": []}, {"keys": 5}, {"keys": [{"kty": "EC", "crv": "P-999"}]}])
def test_a_provider_without_a_key_that_can_be_used_lets_nobody_in(front, provider, published):
    provider.publish = lambda _: published
    assert "its answer is not signed by it" in refused(front, 403)


def test_who_has_no_role_or_no_name_here_is_told_whom_to_ask(front):
    assert "guest has no role on this server: the claim groups" in refused(front, 403, "u-3")
    assert "names nobody who can be a reader" in refused(front, 403, "u-4")


def test_a_disabled_account_is_refused_and_its_logins_end_at_once(front, tmp_path):
    browser, _ = signed_in(front)
    file = tmp_path / "front" / "accounts.json"
    before = read_accounts(file)
    for known in (before, [one for one in before if one.name != "anna"]):
        write_accounts(file, known)
        browser, answer = signed_in(front)
        assert answer.status_code == 200
        anna = next((one for one in known if one.name == "anna"), Account("anna", "reader", "!"))
        write_accounts(file, [*(one for one in known if one.name != "anna"), anna.disabled()])
        assert browser.get(f"{front.url}/info/", timeout=30).status_code == 401
        assert refused(front, 403) == "The account anna is disabled on this server; ask its administrator."
    by_password = {"username": "anna", "password": PASSWORDS["anna"]}
    assert requests.post(f"{front.url}/auth/token", data=by_password, timeout=30).status_code == 401  # none, and none is said
    write_accounts(file, [Account("anna", "reader", hash_password(PASSWORDS["anna"])).disabled()])
    answer = requests.post(f"{front.url}/auth/token", data=by_password, timeout=30)
    assert (answer.status_code, "is disabled" in answer.json()["detail"]) == (403, True)


def test_signing_out_ends_the_session_here_and_leads_to_the_providers_own(front, provider):
    browser, _ = signed_in(front)
    kept = dict(browser.cookies)
    answer = browser.post(f"{front.url}/logout", headers={"X-CSRF-Token": cookie_of(browser)}, timeout=30)
    assert answer.status_code == 200
    leaving = answer.json()["next"]
    assert leaving.startswith(f"{provider.issuer}/oauth2/end_session?")
    assert requests.get(leaving, timeout=30).status_code == 200
    assert requests.get(f"{front.url}/info/", cookies=kept, timeout=30).status_code == 401


@pytest.fixture
def restarted(front, provider, tmp_path):
    """The server started again, and what a login from before is proven by."""
    browser, _ = signed_in(front)
    (token,) = (one.value for one in browser.cookies if "session" in one.name)
    known = {"sign_on": provider.settings(tmp_path), "accounts": tmp_path / "front" / "accounts.json"}
    with in_front_of(None, tmp_path / "front", **known) as again:
        yield again, {"Authorization": f"Bearer {token}"}


def test_signing_out_leads_to_the_providers_own_page_after_a_restart_too(restarted, provider):
    front, bearer = restarted
    answer = requests.post(f"{front.url}/logout", headers=bearer, timeout=30)
    assert answer.status_code == 200
    assert answer.json()["next"].startswith(f"{provider.issuer}/oauth2/end_session?")


def test_signing_out_does_not_wait_for_a_provider_that_is_silent(restarted, provider, monkeypatch):
    front, bearer = restarted
    may_answer = threading.Event()
    provider.publish = lambda published: published if may_answer.wait(20) else {}
    monkeypatch.setattr("lib.server.sessions.LEAVING_S", 0.2)
    try:
        assert requests.post(f"{front.url}/logout", headers=bearer, timeout=15).status_code == 204
        assert requests.get(f"{front.url}/info/", headers=bearer, timeout=15).status_code == 401
    finally:
        may_answer.set()


def test_local_accounts_and_slicers_token_stay(front):
    assert front.session("root").get(f"{front.url}/auth/token/valid", timeout=30).json()["roles"] == ["admin"]
    browser = requests.Session()
    form = {"username": "anna", "password": PASSWORDS["anna"]}
    assert browser.post(f"{front.url}/login", data=form, allow_redirects=False, timeout=30).status_code == 303
    assert browser.post(f"{front.url}/logout", headers={"X-CSRF-Token": cookie_of(browser)}, timeout=30).status_code == 204


def test_a_provider_that_does_not_answer_is_said_and_passwords_still_do(provider, tmp_path):
    file = provider.settings(tmp_path, issuer=f"http://localhost:{free_port()}")
    with in_front_of(None, tmp_path / "front", sign_on=file) as front:
        answer = requests.get(f"{front.url}/sign-on", allow_redirects=False, timeout=30)
        assert answer.status_code == 502
        assert "cannot be reached or does not answer as one" in answer.text
        assert front.session("anna").get(f"{front.url}/info/", timeout=30).status_code == 200


def test_a_provider_that_calls_itself_otherwise_is_not_believed(provider, tmp_path):
    with in_front_of(None, tmp_path / "front", sign_on=provider.settings(tmp_path, issuer=provider.issuer + "/")) as front:
        answer = requests.get(f"{front.url}/sign-on", allow_redirects=False, timeout=30)
        assert answer.status_code == 403
        assert "it calls itself" in answer.text


def test_tokens_of_sign_ons_count_no_more_once_the_server_has_no_provider(front, tmp_path):
    browser, _ = signed_in(front)
    (token,) = (one.value for one in browser.cookies if "session" in one.name)
    bearer = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{front.url}/info/", headers=bearer, timeout=30).status_code == 200
    with in_front_of(None, tmp_path / "front", accounts=tmp_path / "front" / "accounts.json") as without:
        assert requests.get(f"{without.url}/info/", headers=bearer, timeout=30).status_code == 401
        assert requests.get(f"{without.url}/sign-on", timeout=30).status_code == 404
        assert "/sign-on" not in requests.get(f"{without.url}/login", timeout=30).text


def test_a_sign_on_that_waited_too_long_is_begun_again(front, monkeypatch):
    from lib.server import sign_on

    browser, late = requests.Session(), time.time() - 2 * sign_on.LASTS_S
    with monkeypatch.context() as patch:
        patch.setattr(sign_on.time, "time", lambda: late)
        leaving = browser.get(f"{front.url}/sign-on", allow_redirects=False, timeout=30)
    assert leaving.status_code == 303
    (state,) = re.findall(r"state=([^&]+)", leaving.headers["Location"])
    kept = {one.name: one.value for one in browser.cookies}
    answer = requests.get(f"{front.url}/sign-on/back?code=x&state={state}", cookies=kept, timeout=30)
    assert (answer.status_code, "over ten minutes ago" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("issuer = ", InputError, "is no TOML file"),
        ('issuer = "https://sso"\n[roles]\na = "admin"', SettingsError, "names no client_id"),
        ('issuer = "http://sso"\nclient_id = "vhi"\n[roles]\na = "admin"', SettingsError, "it must begin with https://"),
        ('issuer = "https://sso"\nclient_id = "vhi"\n[roles]\na = "owner"', SettingsError, "roles holds 'owner'"),
        ('issuer = "https://sso"\nclient_id = "vhi"\n[roles]', SettingsError, "roles holds nothing"),
        ('issuer = "https://sso"\nclient_id = 7\n[roles]\na = "admin"', SettingsError, "client_id = 7 is no setting"),
        ('isuer = "https://sso"', SettingsError, "isuer = 'https://sso' is no setting of sign-on"),
        ('client_secret_file = "/nowhere/secret"', InputError, "/nowhere/secret cannot be read"),
        (
            'scope = "profile"\nissuer = "https://sso"\nclient_id = "vhi"\n[roles]\na = "admin"',
            SettingsError,
            "does not hold openid",
        ),
    ],
)
def test_a_description_of_a_provider_that_cannot_be_used_is_refused_with_why(tmp_path, text, kind, said):
    path = tmp_path / "sign-on.toml"
    path.write_text(text)
    with pytest.raises(kind, match=re.escape(said)):
        ProviderSettings.read(path)


def test_the_example_of_the_deployment_folder_is_one(tmp_path):
    text = (Path(__file__).parents[2] / "deploy" / "sign-on.toml").read_text()
    (tmp_path / "secret").write_text("s3cret\n")
    assert "/srv/vhi/secrets/sign-on" in text
    (tmp_path / "sign-on.toml").write_text(text.replace("/srv/vhi/secrets/sign-on", str(tmp_path / "secret")))
    found = ProviderSettings.read(tmp_path / "sign-on.toml")
    assert (found.client_secret, dict(found.roles)) == ("s3cret", {"vhi-readers": "reader", "vhi-admins": "admin"})
    assert "s3cret" not in repr(found)


def test_sign_on_needs_accounts_for_slicer(tmp_path):
    with pytest.raises(SettingsError, match="--sign-on needs --accounts"):
        ServerConfig(sign_on=tmp_path / "sign-on.toml")
