from wsgiref.util import setup_testing_defaults

from app import app


def get(path):
    answer = {}
    environ = {"PATH_INFO": path}
    setup_testing_defaults(environ)

    def start_response(status, headers, exc_info=None):
        answer["status"] = status

    body = b"".join(app(environ, start_response))
    return answer["status"], body.decode()


def test_the_page_greets(monkeypatch):
    monkeypatch.setenv("GREETING", "Good <morning>")
    status, body = get("/")
    assert status == "200 OK"
    assert "Good &lt;morning&gt;" in body


def test_it_says_that_it_serves():
    assert get("/healthz") == ("200 OK", "ok\n")


def test_an_unknown_page_is_not_found():
    assert get("/nothing")[0] == "404 Not Found"
