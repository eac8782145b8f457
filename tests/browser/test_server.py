"""Who may look: asked of a real server, by HTTP, by websocket and in Chromium."""

import http.client
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from afl_core.ui.guard import Guard

ROOT = Path(__file__).parents[2]
ROUTES = (
    "/",
    "/compare",
    "/static/js/none.js",
    "/media/x.png",
    "/component/x/y",
    "/_stcore/host-config",
    "/favicon.png",
    "/thumbnail/demo/Brats18_SYN_test_000",
    "/part/0123456789abcdef",
)


@pytest.fixture
def url(serve):
    return serve(ROOT / "app.py")


@pytest.fixture
def ask(url):
    """`ask(path, method, **headers)`: status, headers and body; no redirect is followed."""

    def request(path, method="GET", **headers):
        with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)) as connection:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return (
                answer.status,
                {name.lower(): value for name, value in answer.getheaders()},
                answer.read().decode(errors="replace"),
            )

    return request


@pytest.fixture
def cookie(url, token):
    return f"afl-workbench-{urlsplit(url).port}={Guard(None, token).pass_mark}"


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=the+token+of+the+test", "?token=%00%ff"])
def test_without_the_token_nothing_is_answered_but_how_to_get_in(ask, path, query):
    status, headers, body = ask(path + query)
    assert status == 403
    assert "a link that ends in <code>?token=...</code> in the terminal" in body
    assert "set-cookie" not in headers


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "HEAD", "OPTIONS"])
def test_other_methods_need_the_cookie_too(ask, token, method):
    assert ask("/_stcore/upload_file/a/b", method)[0] == 403
    assert ask(f"/?token={quote(token)}", method)[0] == 403


def test_the_first_visit_gets_a_cookie_and_an_address_without_the_token(ask, token, url, cookie):
    status, headers, _ = ask(f"/compare?case=a%26b&token={quote(token)}&results=demo")
    assert (status, headers["location"]) == (303, "/compare?case=a%26b&results=demo")
    assert headers["set-cookie"] == f"{cookie}; HttpOnly; Path=/; SameSite=strict"
    assert headers["cache-control"] == "no-store"
    assert token not in headers["set-cookie"]
    status, headers, _ = ask(f"//evil.example/?token={quote(token)}")
    assert (status, headers["location"]) == (303, "/evil.example/")


def test_with_the_cookie_the_pages_are_there(ask, cookie):
    assert ask("/", Cookie=cookie)[0] == 200
    assert ask("/", Cookie=cookie[:-1])[0] == 403
    assert ask("/", Cookie=cookie.replace("workbench-", "workbench-1"))[0] == 403
    assert ask("/_stcore/host-config", Cookie=cookie)[0] == 200
    assert ask("/_stcore/health")[0] == 200


@pytest.mark.parametrize("path", [*ROUTES, "/_stcore/health", "/?token=wrong"])
@pytest.mark.parametrize("known", [True, False])
def test_the_headers_are_on_every_answer(ask, cookie, path, known):
    _, headers, _ = ask(path, **({"Cookie": cookie} if known else {}))
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe-eval" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize("path", [*ROUTES, "/_stcore/health"])
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1@evil.example", "", "[::2]"])
def test_another_name_for_this_machine_is_refused(ask, cookie, path, host):
    """As a page does that has its own name point here."""
    assert ask(path, Host=host, Cookie=cookie)[0] in (400, 403)


@pytest.mark.parametrize(
    "origin", ["http://127.0.0.1:9", "http://localhost", "https://evil.example", "null", "http://"]
)
def test_pages_of_another_port_or_site_are_refused(ask, url, cookie, origin):
    assert ask("/", Origin=origin, Cookie=cookie)[0] == 403
    assert ask("/", Origin=url, Cookie=cookie)[0] == 200
    with pytest.raises(InvalidStatus) as caught:
        stream(url, {"Cookie": cookie, "Origin": origin})
    assert caught.value.response.status_code == 403


def stream(url, headers):
    socket = f"ws://{urlsplit(url).netloc}/_stcore/stream"
    with connect(socket, additional_headers=headers, subprotocols=["streamlit"], proxy=None) as connection:
        return connection.subprotocol


def test_the_websocket_needs_the_cookie_as_well(url, token, cookie):
    for headers in ({}, {"Cookie": cookie + "0"}, {"Authorization": token}):
        with pytest.raises(InvalidStatus) as caught:
            stream(url, headers)
        assert caught.value.response.status_code == 403
    assert stream(url, {"Cookie": cookie, "Origin": url}) == "streamlit"
    with pytest.raises(InvalidStatus):
        stream(url, {"Cookie": cookie, "Host": "evil.example"})


def test_a_link_with_the_token_opens_the_page_and_leaves_the_address(browser, url, token, demo):
    page = browser.new_context().new_page()
    wrong = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.goto(f"{url}/?token={quote(token)}&results=demo")
    page.get_by_role("link", name="Compare").first.wait_for()
    assert "token" not in page.url
    assert page.evaluate("document.cookie").count("afl") == 0  # scripts cannot read it
    assert wrong == []
    page.context.close()


def test_no_page_frames_the_workbench(browser, url, give_pass, demo):
    page = browser.new_context().new_page()
    give_pass(page, url)
    page.goto(f"{url}/_stcore/health")
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.route(
        "**/outer", lambda route: route.fulfill(body=f"<iframe src='{url}/'></iframe>", content_type="text/html")
    )
    page.goto(f"{url}/outer")
    page.wait_for_timeout(1000)
    assert any("frame-ancestors" in text for text in said)
    page.context.close()


def test_without_a_token_only_this_machine_is_served(serve):
    url = serve(ROOT / "app.py", "--", "--no-token")
    with connect(f"ws://{urlsplit(url).netloc}/_stcore/stream", subprotocols=["streamlit"], proxy=None):
        pass
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.address", "0.0.0.0", "--server.port", "0"]
    done = subprocess.run(
        [*command, "--", "--no-token"], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode
    assert "A server that other machines reach needs a token (received: 0.0.0.0)" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_page_that_fails_is_one_message_and_the_traceback_is_in_a_file(browser, serve, give_pass, tmp_path):
    url = serve(ROOT / "tests" / "browser" / "failing_app.py", AFL_HOME=str(tmp_path), AFL_RESULTS=str(tmp_path))
    page = browser.new_context().new_page()
    give_pass(page, url)
    page.goto(url)
    page.get_by_text("Something went wrong that the workbench did not expect (RuntimeError)").wait_for()
    expect(page.get_by_role("heading", name="Before")).to_be_visible()
    text = page.inner_text("body")
    assert str(tmp_path / "data" / "logs" / "server.log") in text
    assert "secret" not in text
    assert "Traceback" not in text
    assert "RuntimeError: the secret of /home/patient" in (tmp_path / "data" / "logs" / "server.log").read_text()
    page.context.close()
