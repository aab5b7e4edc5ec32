"""A client of the API: httpx over TLS that trusts only the instance's CA."""

import ssl

import httpx

MERGE_PATCH = "application/merge-patch+json"


class Api:
    """One user's connection pool; `user` and `token` are set by login()."""

    def __init__(self, instance, token: str | None = None, source: str | None = None):
        self.instance = instance
        self.token = token
        self.user: dict = {}
        self.email = self.password = ""
        self.reply: dict = {}
        transport = httpx.HTTPTransport(
            verify=ssl.create_default_context(cafile=instance.ca),
            local_address=source,
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=8),
        )
        self.http = httpx.Client(base_url=instance.url, transport=transport, timeout=30)
        if token:
            self.http.headers["authorization"] = f"Bearer {token}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self.http.close()

    def twin(self) -> "Api":
        """Another client with the same session and its own connections."""
        other = Api(self.instance, self.token)
        other.user, other.email, other.password = self.user, self.email, self.password
        return other

    def login(self, email: str, password: str) -> "Api":
        """Log in for a bearer token; must succeed."""
        reply = self.post("/v1/auth/login", {"email": email, "password": password})
        assert reply.status_code == 200, reply.text
        self.email, self.password = email, password
        return self.adopt(reply)

    def adopt(self, reply: httpx.Response) -> "Api":
        """Go on with the token of a LoginReply."""
        assert reply.status_code == 200, reply.text
        self.reply = reply.json()
        self.token, self.user = self.reply["token"], self.reply["user"]
        self.http.headers["authorization"] = f"Bearer {self.token}"
        return self

    def get(self, path: str, **params) -> httpx.Response:
        return self.http.get(path, params=params or None)

    def post(self, path: str, body=None, **more) -> httpx.Response:
        return self.http.post(path, json=body, **more)

    def patch(self, path: str, body=None, **headers) -> httpx.Response:
        return self.http.patch(path, json=body, headers=headers or None)

    def raw(self, method: str, path: str, content: bytes, **headers) -> httpx.Response:
        """A body as it stands, as JSON unless content_type says otherwise."""
        sent = {"content-type": "application/json"}
        sent.update({k.replace("_", "-"): v for k, v in headers.items()})
        return self.http.request(method, path, content=content, headers=sent)

    def made(self, path: str, body: dict) -> dict:
        """POST that must create; the document."""
        reply = self.post(path, body)
        assert reply.status_code == 201, f"{reply.status_code}: {reply.text}"
        return reply.json()


def fresh_replies(api: Api, path: str, times: int) -> list[httpx.Response]:
    """GET over as many new connections, so that every worker gets some."""
    replies = []
    for _ in range(times):
        with api.twin() as other:
            replies.append(other.get(path))
    return replies
