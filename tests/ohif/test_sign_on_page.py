"""Signing in at a provider in a real browser: another site leads back here, and the session's cookie is kept and sent."""

from __future__ import annotations

import pytest

from front import in_front_of
from signing_on import running_provider

pytestmark = [pytest.mark.browser]


def test_a_reader_signs_in_at_the_provider_of_another_site_and_comes_back_signed_in(page, watch, tmp_path):
    page.route("https://cdn.jsdelivr.net/**", lambda route: route.fulfill(body=""))  # the provider's style, from the internet
    with running_provider() as provider, in_front_of(None, tmp_path / "front", sign_on=provider.settings(tmp_path)) as front:
        page.goto(f"{front.url}/login?next=/auth/token/valid")
        page.get_by_role("link", name="Sign in with the clinic's account").click()
        page.wait_for_url(f"{provider.issuer}/**")  # localhost is another site than 127.0.0.1
        page.get_by_role("button", name="u-1").click()
        page.wait_for_url(f"{front.url}/auth/token/valid")
        assert '"username":"anna"' in page.content()
        assert front.app.service.audit.events == [("login", "anna")]
        cookies = {one["name"].rpartition("_")[0]: one for one in page.context.cookies(front.url)}
        assert (cookies["vhi_session"]["sameSite"], cookies["vhi_session"]["httpOnly"]) == ("Strict", True)
        assert "vhi_sign_on" not in cookies
    watch.errors = [one for one in watch.errors if "favicon.ico" not in one]
