"""Accounts, passwords, tokens, and guessing."""

from __future__ import annotations

import stat

import jwt
import pytest

from lib.errors import InputError
from lib.server.accounts import (
    Account,
    Accounts,
    DisabledError,
    _hash,
    hash_password,
    password_matches,
    read_accounts,
    write_accounts,
)
from lib.server.identity import FailedLogins, Tokens, read_or_create_secret
from standin import PASSWORDS


def test_a_password_matches_its_own_hash_alone_and_every_hash_has_its_own_salt():
    first, second = hash_password("correct horse"), hash_password("correct horse")
    assert first != second
    assert password_matches("correct horse", first)
    assert password_matches("correct horse", second)
    assert not password_matches("correct horsf", first)


def test_the_file_holds_no_password_and_only_its_owner_reads_it(accounts):
    assert "battery" not in accounts.read_text()
    assert stat.S_IMODE(accounts.stat().st_mode) == 0o600


def test_a_short_password_is_refused():
    with pytest.raises(InputError, match="has 5 characters; at least 10"):
        hash_password("short")


@pytest.mark.parametrize("name", ["", ".hidden", "../x", "a b", "a" * 65, "a\nb", "-x"])
def test_a_name_that_could_not_be_a_readers_is_refused(name):
    with pytest.raises(InputError, match="cannot be a reader's name"):
        Account(name, "reader", hash_password("long enough password"))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"format": 1, "accounts": [{}]}',
        '{"format": 1, "accounts": [{"name": "a", "role": "reader", "password": "plain"}]}',
    ],
)
def test_a_file_that_is_no_accounts_file_is_refused(tmp_path, content):
    path = tmp_path / "accounts.json"
    path.write_text(content)
    with pytest.raises(InputError):
        read_accounts(path)


def test_an_account_added_or_removed_counts_at_once(accounts):
    known = Accounts(accounts)
    assert known.sign_in("anna", "correct horse battery")
    write_accounts(accounts, [one for one in read_accounts(accounts) if one.name != "anna"])
    assert known.sign_in("anna", "correct horse battery") is None


@pytest.fixture
def tokens(accounts) -> Tokens:
    return Tokens(Accounts(accounts), b"k" * 32, 3600)


def test_a_session_that_has_ended_stays_ended_when_the_server_is_started_again(accounts, tmp_path):
    def started() -> Tokens:
        return Tokens(Accounts(accounts), b"k" * 32, 3600, ended_file=tmp_path / "ended.json")

    first = started()
    left, stayed = first.issue(anna(accounts)), first.issue(anna(accounts))
    first.end(first.identity_of(left).session)
    again = started()
    assert again.identity_of(left) is None
    assert again.identity_of(stayed).name == "anna"
    assert (tmp_path / "ended.json").stat().st_mode & 0o777 == 0o600


def test_a_session_ends_also_where_that_cannot_be_kept_and_the_log_says_so(accounts, tmp_path, caplog):
    tokens = Tokens(Accounts(accounts), b"k" * 32, 3600, ended_file=tmp_path / "gone" / "ended.json")
    token = tokens.issue(anna(accounts))
    tokens.end(tokens.identity_of(token).session)
    assert tokens.identity_of(token) is None
    assert "after a restart" in caplog.text


def anna(path) -> Account:
    return next(one for one in read_accounts(path) if one.name == "anna")


def test_a_token_names_its_account_and_role(tokens, accounts):
    who = tokens.identity_of(tokens.issue(anna(accounts)))
    assert (who.name, who.role) == ("anna", "reader")


def test_a_token_ends_with_the_password_the_role_and_the_account(tokens, accounts):
    for changed in (
        Account("anna", "reader", hash_password("another password")),
        Account("anna", "admin", anna(accounts).password),
        None,
    ):
        before = read_accounts(accounts)
        token = tokens.issue(anna(accounts))
        write_accounts(accounts, [one for one in [changed] if one])
        assert tokens.identity_of(token) is None
        write_accounts(accounts, before)
        assert tokens.identity_of(token)


def change_users(accounts, *words: str, typed: str = "") -> None:
    from typer.testing import CliRunner

    from lib.cli.app import app

    answer = CliRunner().invoke(app, ["users", *words, "--accounts", str(accounts)], input=typed)
    assert answer.exit_code == 0, answer.output


def test_a_login_that_was_ended_by_disabling_does_not_come_back_by_enabling(accounts):
    tokens = Tokens(Accounts(accounts), b"k" * 32, 3600, issuer="https://sso")
    ended = [tokens.issue(anna(accounts)), *(tokens.issue_signed_on(name, "reader") for name in ("anna", "guest"))]
    for name in ("anna", "guest"):
        change_users(accounts, "disable", name)
        change_users(accounts, "enable", name)
    assert [tokens.identity_of(one) for one in ended] == [None, None, None]
    assert tokens.identity_of(tokens.issue(anna(accounts))).name == "anna"
    assert tokens.identity_of(tokens.issue_signed_on("guest", "reader")).name == "guest"


@pytest.mark.parametrize("before", ["add", "disable"])
def test_a_login_at_a_sign_on_service_that_was_ended_does_not_come_back_by_removing_the_account(accounts, before):
    tokens = Tokens(Accounts(accounts), b"k" * 32, 3600, issuer="https://sso")
    ended = tokens.issue_signed_on("guest", "reader")
    change_users(accounts, before, "guest", typed="a good password\n")
    assert tokens.identity_of(ended) is None
    change_users(accounts, "remove", "guest")
    assert tokens.identity_of(ended) is None
    assert tokens.identity_of(tokens.issue_signed_on("guest", "reader")).name == "guest"


def test_forged_unsigned_and_expired_tokens_name_nobody(tokens, accounts):
    good = jwt.decode(tokens.issue(anna(accounts)), options={"verify_signature": False})
    forged = [
        jwt.encode(good, b"x" * 32, algorithm="HS256"),
        jwt.encode(good, None, algorithm="none"),
        jwt.encode({**good, "exp": 1}, b"k" * 32, algorithm="HS256"),
        jwt.encode({key: value for key, value in good.items() if key != "exp"}, b"k" * 32, algorithm="HS256"),
        jwt.encode({**good, "sub": "root"}, b"k" * 32, algorithm="HS256"),
        "",
        "a.b.c",
        "\x00",
    ]
    assert [tokens.identity_of(one) for one in forged] == [None] * len(forged)


def test_the_secret_is_made_once_for_its_owner_alone_and_refused_when_others_may_read_it(tmp_path):
    path = tmp_path / "secret"
    secret = read_or_create_secret(path)
    assert len(secret) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_or_create_secret(path) == secret
    path.chmod(0o640)
    with pytest.raises(InputError, match="can be read by others"):
        read_or_create_secret(path)


def test_after_five_failures_one_address_waits_for_that_account_and_others_do_not():
    failures = FailedLogins()
    for _ in range(5):
        assert failures.wait_s("10.0.0.1", "anna") == 0
        failures.failed("10.0.0.1", "anna")
    assert 290 < failures.wait_s("10.0.0.1", "anna") <= 300
    assert failures.wait_s("10.0.0.2", "anna") == 0
    assert failures.wait_s("10.0.0.1", "bert") == 0


def test_guessing_at_many_accounts_makes_the_address_wait_and_memory_stays_bounded():
    failures = FailedLogins(remembered=20)
    for n in range(50):
        failures.failed("10.0.0.1", f"user{n}")
    assert failures.wait_s("10.0.0.1", "somebody else") > 0
    assert len(failures._failures) <= 20


def test_signing_in_rightly_sixty_times_from_one_address_locks_nobody_out():
    failures = FailedLogins()
    for _ in range(60):
        assert failures.wait_s("10.0.0.1", "anna") == 0
        failures.failed("10.0.0.1", "anna")  # every try counts until its password was right
        failures.succeeded("10.0.0.1", "anna")


def test_ones_own_right_password_clears_no_guesses_at_other_accounts():
    failures = FailedLogins()
    for n in range(50):
        failures.failed("10.0.0.1", "anna")
        failures.succeeded("10.0.0.1", "anna")
        failures.failed("10.0.0.1", f"user{n}")
    assert failures.wait_s("10.0.0.1", "somebody else") > 0


@pytest.mark.slow
def test_accounts_are_kept_by_the_command_line(tmp_path):
    from typer.testing import CliRunner

    from lib.cli.app import app

    path = tmp_path / "accounts.json"

    def run(*words: str, typed: str = ""):
        return CliRunner().invoke(app, ["users", *words, "--accounts", str(path)], input=typed)

    assert run("add", "anna", typed="a good password\n").exit_code == 0
    assert run("add", "root", "--role", "admin", typed="a better password\n").exit_code == 0
    assert run("list").output.split() == ["anna", "reader", "root", "admin"]
    assert Accounts(path).sign_in("root", "a better password").role == "admin"
    assert run("remove", "anna").exit_code == 0
    assert run("list").output.split() == ["root", "admin"]
    assert run("remove", "anna").exit_code == 2
    assert run("add", "bert", typed="short\n").exit_code == 2
    assert run("add", "bert", "--role", "king", typed="a good password\n").exit_code == 2


@pytest.mark.slow
def test_a_password_is_the_same_however_its_letters_are_written_and_old_hashes_work():
    composed, apart = "caf\u00e9 au lait \ufb01n", "cafe\u0301 au lait \ufb01n"
    hashed = hash_password(composed)
    assert password_matches(composed, hashed)
    assert password_matches(apart, hashed)
    assert not password_matches("cafe au lait fin", hashed)
    for typed in (composed, apart):  # made before passwords were brought into one form
        old = _hash(typed, b"0" * 16, 1 << 14, 8, 1)
        assert password_matches(composed, old) == password_matches(typed, old) is True


def test_a_damaged_accounts_file_ends_nobody_s_work_and_is_told(accounts, caplog):
    known = Accounts(accounts)
    whole = accounts.read_bytes()
    accounts.write_bytes(whole[: len(whole) // 2])
    assert known.sign_in("anna", PASSWORDS["anna"]) is not None
    assert "damaged or gone" in (known.problem or "")
    assert str(accounts) not in (known.problem or "")
    assert any(str(accounts) in line for line in caplog.messages)
    accounts.write_bytes(whole)
    assert known.find("anna") is not None
    assert known.problem is None


@pytest.mark.slow
def test_an_account_is_disabled_and_enabled_by_the_command_line_whether_it_has_a_password_or_not(tmp_path):
    from typer.testing import CliRunner

    from lib.cli.app import app

    path = tmp_path / "accounts.json"

    def users(*words: str):
        return CliRunner().invoke(app, ["users", *words, "--accounts", str(path)], input="correct horse battery\n")

    users("add", "anna")
    before = users("list").output
    for name in ("anna", "bela"):  # bela signs in at a sign-on service and has no account here
        for _ in range(2):  # twice is as good as once
            assert f"{name} disabled" in users("disable", name).output
    assert "anna  reader  disabled" in users("list").output
    assert [one.is_disabled for one in read_accounts(path)] == [True, True]
    with pytest.raises(DisabledError, match="The account anna is disabled on this server; ask its administrator"):
        Accounts(path).sign_in("anna", "correct horse battery")
    assert Accounts(path).sign_in("anna", "wrong horse battery") is None
    assert Accounts(path).sign_in("bela", "!") is None
    for name in ("anna", "bela"):
        assert f"{name} may sign in again" in users("enable", name).output
    assert users("list").output == before
    assert Accounts(path).sign_in("anna", "correct horse battery").name == "anna"
    assert Accounts(path).sign_in("bela", "") is None
    assert "has no disabled account 'anna'" in users("enable", "anna").output
