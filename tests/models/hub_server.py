"""A server on the loopback that speaks as much of the Hugging Face Hub's protocol as its client uses here.

It keeps repositories in memory, records every request, and misbehaves on demand. Large files lie on a second server,
as on the real Hub, which must not receive the client's token.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

LARGE = (".tflite", ".h5")
"""Endings that the Hub's default .gitattributes sends to large file storage."""


@dataclass
class Repository:
    """One repository: branches, and the files of every commit."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    private: bool = False
    gated: bool = False

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        """Add a commit that holds exactly `files`, and return its hash."""
        text = repr((sorted(files.items()), branch, len(self.commits)))
        oid = hashlib.sha1(text.encode()).hexdigest()
        self.commits[oid] = dict(files)
        self.refs[branch] = oid
        return oid

    def find(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.refs.get(revision)


@dataclass
class Request:
    """One request as it arrived, and what was sent back."""

    method: str
    path: str
    token: str | None
    host: str
    status: int = 0
    sent: int = 0
    received: int = 0


Fault = Callable[["_Handler"], bool]
"""Looks at a request; True if it has answered it."""


class HubServer:
    """The Hub. Use as a context manager; `url` is its address."""

    def __init__(self, token: str = "hf_secret") -> None:
        self.token = token
        self.repositories: dict[str, Repository] = {}
        self.renamed: dict[str, str] = {}
        self.storage: dict[str, bytes] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.closing = threading.Event()
        self._servers: list[ThreadingHTTPServer] = []

    def __enter__(self) -> HubServer:
        for handler in (_HubHandler, _StorageHandler):
            server = ThreadingHTTPServer(("127.0.0.1", 0), type(handler.__name__, (handler,), {"hub": self}))
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            self._servers.append(server)
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def release(self) -> None:
        """Close the connections that are kept waiting."""
        self.closing.set()
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._servers[0].server_port}"

    @property
    def storage_url(self) -> str:
        return f"http://127.0.0.1:{self._servers[1].server_port}"

    def add(self, repo_id: str, files: dict[str, bytes], branch: str = "main") -> str:
        """Put a commit into a repository, which is made if need be, and return its hash."""
        return self.repositories.setdefault(repo_id, Repository()).commit(files, branch)

    def asked(self, method: str | None = None) -> list[str]:
        """Return the paths that were asked for."""
        return [request.path for request in self.requests if method in (None, request.method)]


@contextlib.contextmanager
def running_hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def answer(status: int, *, when: str = "", method: str | None = None, times: int = 10**6, **headers: str) -> Fault:
    """Return a fault that answers with a status."""
    return _fault(when, method, times, lambda handler: handler.reply(status, b"{}", headers))


def hang(*, when: str = "", method: str | None = None, times: int = 10**6) -> Fault:
    """Return a fault that accepts the request and never answers."""

    def act(handler: _Handler) -> None:
        handler.hub.closing.wait(60)
        handler.close_connection = True

    return _fault(when, method, times, act)


def disconnect(*, when: str = "", method: str | None = None, times: int = 10**6) -> Fault:
    """Return a fault that closes the connection without an answer."""

    def act(handler: _Handler) -> None:
        handler.close_connection = True
        handler.connection.close()

    return _fault(when, method, times, act)


def truncate(*, when: str, keep: int, then_hang: bool = False, times: int = 10**6) -> Fault:
    """Return a fault that breaks off the body of a download after `keep` bytes, or stops there without a word."""

    def act(handler: _Handler) -> None:
        content = handler.content_of_path()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:keep])
        handler.wfile.flush()
        if then_hang:
            handler.hub.closing.wait(60)
        handler.close_connection = True

    return _fault(when, "GET", times, act)


def _fault(when: str, method: str | None, times: int, act: Callable[[_Handler], object]) -> Fault:
    left = [times]

    def fault(handler: _Handler) -> bool:
        if when not in handler.path or method not in (None, handler.command) or left[0] <= 0:
            return False
        left[0] -= 1
        act(handler)
        return True

    return fault


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().handle_one_request()
            return
        self.close_connection = True

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        if parsed:
            size = int(self.headers.get("Content-Length") or 0)
            self.body = self.rfile.read(size)
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
            self.record = Request(self.command, self.path, token, type(self).__name__, received=len(self.body))
            self.hub.requests.append(self.record)
        return parsed

    def reply(self, status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.record.status = status
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name.replace("_", "-"), value)
        if not any(name.lower() == "content-length" for name in headers or {}):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.record.sent += len(content)
            self.wfile.write(content)

    def reply_json(self, value: object, status: int = 200) -> None:
        self.reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def fail(self, status: int, code: str, message: str = "") -> None:
        self.reply(status, json.dumps({"error": message or code}).encode(), {"X-Error-Code": code})

    def serve(self, content: bytes, headers: dict[str, str]) -> None:
        """Send a file, or the part of it that is asked for."""
        wanted = self.headers.get("Range")
        if not wanted:
            self.reply(200, content, headers)
            return
        start = int(wanted.removeprefix("bytes=").split("-")[0])
        headers = {**headers, "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        self.reply(206, content[start:], headers)

    def handle_any(self) -> None:
        if not any(fault(self) for fault in self.hub.faults):
            self.route()

    do_GET = do_HEAD = do_POST = do_PUT = handle_any  # noqa: N815

    def route(self) -> None:
        raise NotImplementedError

    def content_of_path(self) -> bytes:
        raise NotImplementedError

    def log_message(self, *_: object) -> None:
        pass


class _StorageHandler(_Handler):
    """Large files, addressed by hash."""

    def content_of_path(self) -> bytes:
        return self.hub.storage[urlsplit(self.path).path.strip("/").split("/")[-1]]

    def route(self) -> None:
        oid = urlsplit(self.path).path.strip("/").split("/")[-1]
        if self.command == "PUT":
            if hashlib.sha256(self.body).hexdigest() != oid:
                self.reply(400)
                return
            self.hub.storage[oid] = self.body
            self.reply(200)
        elif oid in self.hub.storage:
            self.serve(self.hub.storage[oid], {"ETag": f'"{oid}"'})
        else:
            self.reply(404)


class _HubHandler(_Handler):
    """Repositories."""

    def route(self) -> None:
        url = urlsplit(self.path)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if parts[:2] == ["api", "repos"]:
            self._create_repository()
        elif parts[:2] == ["api", "validate-yaml"]:
            self._validate_card()
        elif parts[:2] == ["api", "models"]:
            self._api("/".join(parts[2:4]), parts[4:], query)
        elif parts[-3:] == ["lfs", "objects", "batch"]:
            self._large_file_batch()
        elif len(parts) >= 5 and parts[2] == "resolve":
            self._resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self.fail(404, "NotFound", self.path)

    def content_of_path(self) -> bytes:
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        repository = self.hub.repositories["/".join(parts[:2])]
        return repository.commits[repository.find(parts[3]) or ""]["/".join(parts[4:])]

    def _repository(self, repo_id: str) -> Repository | None:
        """Return a repository that the one who asks may see; otherwise answer as the Hub does, and return None."""
        if repo_id in self.hub.renamed:
            self.reply(307, b"", {"Location": self.path.replace(repo_id, self.hub.renamed[repo_id], 1)})
            return None
        repository = self.hub.repositories.get(repo_id)
        token = self.record.token
        if token is not None and token != self.hub.token:
            self.reply(401, b'{"error": "Invalid credentials in Authorization header"}')
            return None
        if repository is None or (repository.private and token is None):
            self.fail(401 if token is None else 404, "RepoNotFound", "Repository not found")
            return None
        return repository

    def _resolve(self, repo_id: str, revision: str, path: str) -> None:
        repository = self._repository(repo_id)
        if repository is None:
            return
        if repository.gated and self.record.token is None:
            self.fail(401, "GatedRepo", "Access to this model is restricted")
            return
        oid = repository.find(revision)
        if oid is None:
            self.fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        content = repository.commits[oid].get(path)
        if content is None:
            body = b'{"error": "Entry not found"}'
            self.reply(404, body, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": oid})
            return
        headers = {"X-Repo-Commit": oid}
        if path.endswith(LARGE):
            digest = hashlib.sha256(content).hexdigest()
            self.hub.storage[digest] = content
            headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content))}
            self.reply(302, b"", {**headers, "Location": f"{self.hub.storage_url}/files/{path}/{digest}"})
        else:
            self.serve(content, {**headers, "ETag": f'"{git_sha1(content)}"'})

    def _create_repository(self) -> None:
        if self.record.token != self.hub.token:
            self.reply(401, b'{"error": "Invalid credentials in Authorization header"}')
            return
        values = json.loads(self.body)
        repo_id = f"{values.get('organization') or 'me'}/{values['name']}"
        if repo_id in self.hub.repositories:
            self.reply_json({"error": "You already created this model repo", "url": f"{self.hub.url}/{repo_id}"}, 409)
            return
        private = values.get("private") is True or values.get("visibility") == "private"
        self.hub.repositories[repo_id] = Repository(private=private)
        self.hub.add(repo_id, {".gitattributes": b"*.tflite filter=lfs\n*.h5 filter=lfs\n"})
        self.reply_json({"url": f"{self.hub.url}/{repo_id}"})

    def _validate_card(self) -> None:
        """Accept cards without metadata, as the Hub does, and refuse metadata that are not YAML."""
        parts = json.loads(self.body)["content"].split("---\n")
        errors = []
        if len(parts) > 2 and parts[0] == "":
            try:
                yaml.safe_load(parts[1])
            except yaml.YAMLError as error:
                errors = [{"message": str(error)}]
        self.reply_json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def _api(self, repo_id: str, action: list[str], query: dict[str, str]) -> None:
        repository = self._repository(repo_id)
        if repository is None:
            return
        kind, argument = (action or ["revision"])[0], "/".join(action[1:]) or "main"
        if self.command == "POST" and self.record.token != self.hub.token:
            self.reply(403, b'{"error": "You do not have the permission"}')
        elif kind in ("revision", "tree") and repository.find(argument) is None:
            self.fail(404, "RevisionNotFound", f"Invalid rev id: {argument}")
        elif kind == "revision":
            oid = repository.find(argument) or ""
            names = [{"rfilename": name} for name in repository.commits[oid]]
            self.reply_json({"id": repo_id, "sha": oid, "siblings": names})
        elif kind == "tree":
            files = repository.commits[repository.find(argument) or ""]
            self.reply_json([self._tree_entry(name, content) for name, content in files.items()])
        elif kind == "branch":
            exists = argument in repository.refs
            if not exists:
                repository.refs[argument] = repository.refs["main"]
            self.reply_json({}, 409 if exists else 201)
        elif kind == "preupload":
            self._preupload(repository, argument)
        elif kind == "commit":
            self._commit(repo_id, repository, argument, "create_pr" in query)
        else:
            self.fail(404, "NotFound", self.path)

    def _tree_entry(self, name: str, content: bytes) -> dict[str, object]:
        entry = {"type": "file", "path": name, "size": len(content), "oid": git_sha1(content)}
        if name.endswith(LARGE):
            entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        return entry

    def _preupload(self, repository: Repository, revision: str) -> None:
        if repository.find(revision) is None:
            self.fail(404, "RevisionNotFound")
            return
        present = repository.commits[repository.find(revision) or ""]
        files = []
        for file in json.loads(self.body)["files"]:
            large = file["path"].endswith(LARGE)
            entry = {"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
            content = present.get(file["path"])
            if content is not None:
                entry["oid"] = hashlib.sha256(content).hexdigest() if large else git_sha1(content)
            files.append(entry)
        self.reply_json({"files": files})

    def _large_file_batch(self) -> None:
        objects = []
        for item in json.loads(self.body)["objects"]:
            entry = dict(item)
            if item["oid"] not in self.hub.storage:
                entry["actions"] = {"upload": {"href": f"{self.hub.storage_url}/upload/{item['oid']}"}}
            objects.append(entry)
        self.reply_json({"objects": objects, "transfer": "basic"})

    def _commit(self, repo_id: str, repository: Repository, branch: str, pull_request: bool) -> None:
        lines = [json.loads(line) for line in self.body.splitlines() if line]
        files = dict(repository.commits[repository.find(branch) or ""])
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.hub.storage:
                    self.reply_json({"error": f"{value['path']} was never uploaded"}, 400)
                    return
                files[value["path"]] = self.hub.storage[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        if pull_request:
            branch = f"refs/pr/{1 + sum(name.startswith('refs/pr/') for name in repository.refs)}"
        oid = repository.commit(files, branch)
        result = {"commitUrl": f"{self.hub.url}/{repo_id}/commit/{oid}", "commitOid": oid, "hookOutput": ""}
        if pull_request:
            result["pullRequestUrl"] = f"{self.hub.url}/{repo_id}/discussions/1"
        self.reply_json(result)
