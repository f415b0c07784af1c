"""A stand-in of the Hugging Face hub: listing, revisions, LFS redirects, and its refusals."""

import hashlib
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from file_server import FileServer, Handler

COMMIT = "c0ffee" + "0" * 34
OTHER_COMMIT = "beef" + "1" * 36
LFS_SUFFIXES = (".safetensors", ".onnx", ".bin", ".data", "_data")
PAGE = 3


@dataclass
class Repository:
    files: dict
    commit: str = COMMIT
    card: dict = field(default_factory=lambda: {"license": "apache-2.0"})
    refusal: tuple | None = None
    listed: dict | None = None
    old: dict = field(default_factory=dict)
    next_page: str | None = None

    def commits(self):
        return {self.commit: self.files, **self.old}


def git_sha1(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class HubHandler(Handler):
    def route(self):  # noqa: PLR0911
        url = urlsplit(self.path)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        if parts[0] == "cdn":
            return self.send_file(parts[-1], self.server.blobs[parts[1]])
        is_api = parts[:2] == ["api", "models"]
        name = "/".join(parts[2:4] if is_api else parts[:2])
        repository = self.server.repositories.get(name)
        if repository is None:
            return self.answer(404 if self.headers.get("Authorization") else 401, X_Error_Code="RepoNotFound")
        if repository.refusal:
            status, headers = repository.refusal
            return self.answer(status, **headers)
        rest = parts[4:] if is_api else parts[2:]
        revision = repository.commit if len(rest) < 2 or rest[1] == "main" else rest[1]
        if revision not in repository.commits():
            return self.answer(404, X_Error_Code="RevisionNotFound")
        if is_api and rest[:1] == ["tree"]:
            return self.tree(repository, revision, parse_qs(url.query))
        if is_api:
            return self.info(name, repository, revision)
        return self.file(name, repository, revision, "/".join(rest[2:]))

    def info(self, name, repository, revision):
        siblings = [{"rfilename": file} for file in repository.files]
        self.answer(200, {"id": name, "sha": revision, "siblings": siblings, "cardData": repository.card})

    def tree(self, repository, revision, query):
        listed = []
        for file, content in sorted((repository.listed or repository.commits()[revision]).items()):
            entry = {"type": "file", "path": file, "size": len(content), "oid": git_sha1(content)}
            if file.endswith(LFS_SUFFIXES):
                oid = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 130}
            listed.append(entry)
        at = int(query.get("cursor", ["0"])[0])
        page = f"{self.server.url}{urlsplit(self.path).path}?recursive=true&cursor={at + PAGE}"
        more = {"Link": f'<{page}>; rel="next"'} if at + PAGE < len(listed) else {}
        if repository.next_page:
            more = {"Link": f'<{repository.next_page}>; rel="next"'}
        self.answer(200, listed[at : at + PAGE], **more)

    def file(self, name, repository, revision, file):
        content = repository.commits()[revision].get(file)
        if content is None:
            return self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=revision)
        if not file.endswith(LFS_SUFFIXES):
            return self.send_file(file, content, ETag=f'"{git_sha1(content)}"', X_Repo_Commit=revision)
        digest = hashlib.sha256(content).hexdigest()
        self.server.blobs[digest] = content
        return self.answer(
            302,
            Location=f"{self.server.cdn}/cdn/{digest}/{file.rpartition('/')[2]}",
            X_Repo_Commit=revision,
            X_Linked_Etag=f'"{digest}"',
            X_Linked_Size=len(content),
        )


class HubServer(FileServer):
    """`repositories` by org/name; large files are redirected to `cdn`, a second address of this machine."""

    def __init__(self):
        super().__init__(HubHandler)
        self.repositories = {}
        self.blobs = {}
        self.cdn = self.url.replace("127.0.0.1", "localhost")
