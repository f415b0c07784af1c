"""A stand-in of NGC's API: latest version, files, and the exchange of a key for a token."""

import base64
from urllib.parse import unquote, urlsplit

from file_server import FileServer, Handler


class NgcHandler(Handler):
    def route(self):  # noqa: PLR0911
        path = unquote(urlsplit(self.path).path)
        if path == "/token":
            return self.exchange()
        for name, model in self.server.models.items():
            base = f"/v2/models/{name}"
            if path == base:
                if refusal := self.refusal(model):
                    return self.answer(refusal)
                return self.answer(200, {"model": {"name": name, "latestVersionIdStr": model.get("latest")}})
            for version, files in model["versions"].items():
                place = f"{base}/versions/{version}/files"
                if path.startswith(place) and (refusal := self.refusal(model)):
                    return self.answer(refusal)
                if path == place:
                    listed = [{"path": f, "sizeInBytes": len(content)} for f, content in files.items()]
                    return self.answer(200, {"modelFiles": listed})
                if path.startswith(f"{place}/") and (file := path.removeprefix(f"{place}/")) in files:
                    return self.send_file(file, files[file])
        return self.answer(404)

    def refusal(self, model):
        wanted = model.get("bearer")
        if "status" in model:
            return model["status"]
        if wanted and self.headers.get("Authorization") != f"Bearer {wanted}":
            return 403 if self.headers.get("Authorization") else 401
        return None

    def exchange(self):
        scheme, _, words = self.headers.get("Authorization", "").partition(" ")
        known = scheme == "Basic" and base64.b64decode(words).decode() == f"$oauthtoken:{self.server.key}"
        self.answer(200, {"token": self.server.token}) if known else self.answer(401)


class NgcServer(FileServer):
    """`models` by org/team/name: {"latest": V, "versions": {V: {file: content}}}, and how they refuse."""

    def __init__(self):
        super().__init__(NgcHandler)
        self.models = {}
        self.key, self.token = "legacy-key-for-tests", "session-token-for-tests"
