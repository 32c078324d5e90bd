"""Where the server lies for who asks: below a prefix, on another port, behind proxies that may say so and others that may not."""

from __future__ import annotations

import re

import pytest

from lib.errors import SettingsError
from lib.server.addresses import Addresses
from standin import PASSWORDS, cookie_of, signed_in

pytestmark = pytest.mark.slow  # seconds in all

FORM = {"username": "anna", "password": PASSWORDS["anna"]}
PROXY, STRANGER = "172.30.80.1", "203.0.113.9"
IMAGE = "/datastore/image?image=one_T1W"


@pytest.mark.parametrize(
    ("url", "origin", "prefix"),
    [
        ("https://host", "https://host", ""),
        ("https://HOST.example/", "https://host.example", ""),
        ("https://host:443/vhi/", "https://host", "/vhi"),
        ("http://host:80", "http://host", ""),
        ("https://host:8443/a/b.c", "https://host:8443", "/a/b.c"),
        ("https://[::1]:8443/vhi", "https://[::1]:8443", "/vhi"),
    ],
)
def test_a_public_address_is_an_origin_and_a_prefix(url, origin, prefix):
    assert Addresses.public(url) == Addresses(origin, prefix)


@pytest.mark.parametrize(
    "url",
    [
        "host",
        "ftp://host/",
        "https://",
        "https://a:b@host/",
        "https://host/?a=b",
        "https://host/../x",
        "https://host/a b",
        "https://host:0",
        "https://host:70000",
        "https://host/%2e/",
    ],
)
def test_what_is_no_public_address_is_refused_with_how_to_write_one(url):
    with pytest.raises(SettingsError, match=r"is no public address; write it as https://host, https://host:8443"):
        Addresses.public(url)


@pytest.mark.parametrize("prefix", ["/vhi", "/trial/2"])
@pytest.mark.parametrize("is_taken_off", [True, False])
def test_below_a_prefix_pages_redirects_and_cookies_stay_there(client, accounts, prefix, is_taken_off):
    served = client(accounts=accounts, public_url=f"https://host:8443{prefix}/")
    served.follow_redirects = False
    at = "" if is_taken_off else prefix
    assert served.get(at + "/").headers["location"] == f"{prefix}/vhi/worklist"
    page = served.get(at + "/login").text
    links = re.findall(r'(?:href|src|action)="(/[^"]*)"', page)
    assert links
    assert all(link.startswith(f"{prefix}/") for link in links)
    assert "https://host:8443" + prefix in page
    answer = served.post(at + "/login", data=FORM, headers={"Origin": "https://host:8443"})
    assert answer.headers["location"] == f"{prefix}/vhi/worklist"
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 2
    assert all(f"Path={prefix}/;" in cookie and "Secure" in cookie for cookie in cookies)
    assert served.get(at + "/ohif").headers["location"] == f"{prefix}/ohif/"
    assert f"{prefix}/login" in served.get(at + "/info/").json()["detail"]
    assert f'"prefix": "{prefix}"' in served.get(at + "/ohif/app-config.js").text


def test_signing_in_leads_to_no_other_application_of_the_host(client, accounts):
    served = client(accounts=accounts, public_url="https://host/vhi/")
    for wanted, leads in {"/vhi/ohif/x": "/vhi/ohif/x", "/ohif/": "/vhi/vhi/worklist", "/vhier/": "/vhi/vhi/worklist"}.items():
        answer = served.post("/login", data={**FORM, "next": wanted}, follow_redirects=False)
        assert answer.headers["location"] == leads


def test_the_viewers_page_and_scripts_say_that_they_lie_below_the_prefix_and_the_policy_fits_the_page(client, accounts):
    served = client(accounts=accounts, public_url="https://host/vhi/")
    config = served.get("/ohif/app-config.js").text
    assert "routerBasename: '/vhi/ohif/'" in config
    from lib.server.addresses import set_addresses
    from lib.server.viewer import Viewer

    viewer = Viewer()
    set_addresses(Addresses("https://host", "/vhi"))
    assert not re.search(r"[\"'(]/ohif/", viewer.page)
    assert "window.PUBLIC_URL = '/vhi/ohif/'" in viewer.page
    below = viewer.policy
    set_addresses(Addresses())
    assert viewer.policy != below
    main = re.search(r'src="/ohif/(app\.bundle[\w.-]*\.js)"', viewer.page)[1]
    script = served.get(f"/ohif/{main}")
    assert '__webpack_require__.p = "/vhi/ohif/"' in script.text
    assert '__webpack_require__.p = "/ohif/"' not in script.text
    assert script.headers["cache-control"].startswith("public")


@pytest.mark.parametrize("origin", ["https://host:8443", "http://127.0.0.1:8000"])
def test_pages_of_the_public_address_may_call_the_server_and_others_may_not(client, accounts, origin):
    served = client(accounts=accounts, public_url="https://host:8443/vhi/")
    assert served.post("/login", data=FORM, headers={"Origin": origin}, follow_redirects=False).status_code == 303
    for other in ("https://host", "http://host:8443", "https://host:8443.evil.example"):
        assert served.post("/login", data=FORM, headers={"Origin": other}).status_code == 403


def test_the_public_name_needs_no_allow_host(client, accounts):
    served = client(accounts=accounts, public_url="https://host:8443/vhi/")
    assert served.get("/auth/", headers={"Host": "host:8443"}).status_code == 200
    assert served.get("/auth/", headers={"Host": "evil.example"}).status_code == 400


def through(served, address: str = STRANGER, **more: str) -> dict[str, str]:
    """Headers of a proxy that passes somebody's request on."""
    return {"X-Forwarded-For": address, "X-Forwarded-Proto": "https", **more}


def test_behind_a_trusted_proxy_guesses_lock_out_their_own_address_alone(client, accounts):
    served = client(address=PROXY, accounts=accounts, trusted_proxies=("172.30.80.0/24",))
    wrong = {**FORM, "password": "wrong horse"}
    codes = [served.post("/login", data=wrong, headers=through(served)).status_code for _ in range(6)]
    assert codes == [401] * 5 + [429]
    answer = served.post("/login", data=FORM, headers=through(served, "203.0.113.10"), follow_redirects=False)
    assert answer.status_code == 303
    assert all("Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))
    # what a client writes before the proxy adds its address is nobody
    codes = [served.post("/login", data=FORM, headers=through(served, f"198.51.100.{n}, {STRANGER}")).status_code for n in (1, 2)]
    assert codes == [429, 429]


def test_an_address_written_for_both_protocols_is_the_same_proxy(client, accounts):
    served = client(address=f"::ffff:{PROXY}", accounts=accounts, trusted_proxies=(PROXY,))
    answer = served.post("/login", data=FORM, headers=through(served), follow_redirects=False)
    assert all("Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))


def test_what_a_stranger_forwards_for_themselves_counts_for_nothing(client, accounts):
    served = client(address=STRANGER, accounts=accounts, trusted_proxies=(PROXY,))
    wrong = {**FORM, "password": "wrong horse"}
    told = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil"}
    codes = [served.post("/login", data=wrong, headers=through(served, f"10.0.0.{n}", **told)).status_code for n in range(6)]
    assert codes == [401] * 5 + [429]
    page = served.get("/login", headers=through(served, **told))
    assert "evil" not in page.text
    answer = client(address="198.51.100.4", accounts=accounts).post(
        "/login", data=FORM, headers=through(served), follow_redirects=False
    )
    assert not any("Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))


def test_without_accounts_a_stranger_behind_a_proxy_of_this_machine_is_still_a_stranger(client):
    assert client().get("/info/").status_code == 200
    assert client().get("/info/", headers={"X-Forwarded-For": STRANGER}).status_code == 403


def test_host_and_prefix_of_a_trusted_proxy_make_the_addresses_and_its_host_must_be_known(client, accounts):
    served = client(accounts=accounts, hosts=("site.example",))
    told = {"X-Forwarded-Host": "evil.example, site.example:8443", "X-Forwarded-Prefix": "/vhi/"}
    page = served.get("/login", headers=through(served, **told)).text
    assert "https://site.example:8443/vhi" in page
    assert 'action="/vhi/login"' in page
    bad = served.get("/login", headers=through(served, **{"X-Forwarded-Host": "evil.example"}))
    assert bad.status_code == 400
    climbing = served.get("/login", headers=through(served, **{"X-Forwarded-Prefix": '/"><b>'}))
    assert "<b>" not in climbing.text


@pytest.mark.parametrize("peer", [PROXY, "127.0.0.1"])
def test_behind_a_proxy_that_does_not_tell_the_client_nobody_fetches_without_a_token(client, accounts, peer):
    served = client(address=peer, accounts=accounts)
    via = {"X-Forwarded-For": STRANGER} if peer == PROXY else {"Via": "1.1 proxy"}
    sample = served.post("/activelearning/first", json={}, headers={**signed_in(served), **via}).json()
    assert sample["id"] == "one_T1W"
    assert served.get(IMAGE, headers=via).status_code == 401
    assert served.get(IMAGE).status_code == 401


def test_a_client_whose_address_the_web_server_took_from_a_proxy_of_this_machine_fetches_as_before(client, accounts):
    # as uvicorn passes it on under `monailabel start_server`
    served = client(address=STRANGER, accounts=accounts)
    told = {"X-Forwarded-For": f"198.51.100.1, {STRANGER}"}
    served.post("/activelearning/first", json={}, headers={**signed_in(served), **told})
    assert served.get(IMAGE, headers={"X-Forwarded-For": "198.51.100.1"}).status_code == 401
    assert served.get(IMAGE, headers=told).status_code == 200


def test_a_case_handed_out_in_a_browser_opens_nothing(client, accounts):
    browser = client(accounts=accounts)
    browser.post("/login", data=FORM, follow_redirects=False)
    assert browser.post("/activelearning/first", json={}, headers={"X-CSRF-Token": cookie_of(browser)}).status_code == 200
    browser.cookies.clear()
    assert browser.get(IMAGE).status_code == 401


@pytest.mark.parametrize(
    ("proxies", "said"),
    [
        (("proxy.example",), "'proxy.example' is no address or network of a proxy"),
        (("10.0.0.5/24",), "has host bits set"),
        (("0.0.0.0/0",), "trusts every client to say who it is"),
        (("*",), "is no address or network"),
    ],
)
def test_what_cannot_be_a_trusted_proxy_is_refused(proxies, said):
    from lib.server.config import ServerConfig

    with pytest.raises(SettingsError, match=re.escape(said)):
        ServerConfig(trusted_proxies=proxies)
