"""The double's Web API: arguments however they come, tokens, scopes, rate limits, and the methods that bots use."""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.slack_double.blockcheck import check_message, check_view
from tests.slack_double.workspace import Channel, File, Post, Refused, View, Workspace

Args = dict[str, Any]
_NEEDS = {"chat.": "chat:write", "conversations.open": "im:write", "users.info": "users:read", "files.": "files:write"}
TRIGGER_SECONDS = 3.0
_LISTS = ("blocks", "view", "users", "files")


class WebApi:
    """`POST /api/{method}`."""

    def __init__(
        self, workspace: Workspace, open_socket: Callable[[], str], base: Callable[[], str], burst: int
    ) -> None:
        """`base`: where files are uploaded. `burst`: posts to one channel at once before it is one a second."""
        self._w = workspace
        self._base = base
        self._open_socket = open_socket
        self._burst = burst
        self._exchanged: set[str] = set()
        self._buckets: dict[str, tuple[float, float]] = {}
        self._methods: dict[str, Callable[[Args], dict[str, Any]]] = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.delete": self._delete,
            "chat.postEphemeral": self._post_ephemeral,
            "conversations.open": self._open,
            "users.info": self._user,
            "files.getUploadURLExternal": self._upload_url,
            "files.completeUploadExternal": self._upload_done,
            "views.open": self._open_view,
            "views.publish": self._publish,
            "apps.connections.open": lambda args: {"url": self._open_socket()},
        }

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one call as Slack would."""
        method = request.match_info["method"]
        try:
            args = await _arguments(request)
            answer = {"ok": True, **self._call(method, request, args)}
        except Refused as refused:
            headers = {"Retry-After": str(refused.retry_after)} if refused.retry_after is not None else {}
            body = {"ok": False, "error": refused.error, **refused.extra}
            return web.json_response(body, status=refused.status, headers=headers)
        return web.json_response(answer)

    def _call(self, method: str, request: web.Request, args: Args) -> dict[str, Any]:
        self._check_token(method, request, args)
        for planned in self._w.failures:
            if planned[0] == method:
                self._w.failures.remove(planned)
                raise planned[1]
        if method not in self._methods:
            self._w.complaints.append(f"unknown method {method}")
            raise Refused("unknown_method", req_method=method)
        for prefix, scope in _NEEDS.items():
            if method.startswith(prefix) and scope not in self._w.scopes:
                raise Refused("missing_scope", needed=scope, provided=",".join(sorted(self._w.scopes)))
        self._w.calls.append((method, args))
        return self._methods[method](args)

    def _check_token(self, method: str, request: web.Request, args: Args) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ") or args.pop("token", "")
        if not given:
            raise Refused("not_authed")
        app_level = method == "apps.connections.open"
        if given not in (self._w.bot_token, self._w.app_token):
            raise Refused("invalid_auth")
        if given != (self._w.app_token if app_level else self._w.bot_token):
            raise Refused("not_allowed_token_type")

    def _limit(self, key: str, burst: float, per_second: float) -> None:
        """A token bucket for each key."""
        now = self._w.now()
        left, at = self._buckets.get(key, (burst, now))
        left = min(burst, left + (now - at) * per_second)
        self._buckets[key] = (left, now)
        if left < 1:
            raise Refused("ratelimited", status=429, retry_after=1)
        self._buckets[key] = (left - 1, now)

    def _auth_test(self, _: Args) -> dict[str, Any]:
        w = self._w
        who = {"user": w.users[w.bot], "user_id": w.bot, "bot_id": w.bot_id}
        return {"url": f"https://{w.domain}.slack.com/", "team": w.domain, "team_id": w.team, **who}

    def _post(self, args: Args) -> dict[str, Any]:
        channel = self._channel(str(args.get("channel", "")), open_user=True)
        self._may_write(channel)
        text, blocks = self._content(args)
        thread = self._thread(channel, args)
        self._limit(f"post {channel.id}", self._burst, 1)
        post = self._w.store(channel.id, self._w.bot, text, blocks or [], thread=thread)
        return {"channel": channel.id, "ts": post.ts, "message": self._shown(post)}

    def _update(self, args: Args) -> dict[str, Any]:
        channel = self._channel(str(args.get("channel", "")), open_user=False)
        post = self._find(channel, str(args.get("ts", "")))
        if post.author != self._w.bot:
            raise Refused("cant_update_message")
        text, blocks = self._content(args, edit=True)
        self._limit("update", 50, 50 / 60)
        self._w.edit(post, text if "text" in args else None, blocks)
        return {"channel": channel.id, "ts": post.ts, "text": post.text, "message": self._shown(post)}

    def _delete(self, args: Args) -> dict[str, Any]:
        channel = self._channel(str(args.get("channel", "")), open_user=False)
        post = self._find(channel, str(args.get("ts", "")))
        if post.author != self._w.bot:
            raise Refused("cant_delete_message")
        post.deleted = True
        self._w.ring()
        return {"channel": channel.id, "ts": post.ts}

    def _post_ephemeral(self, args: Args) -> dict[str, Any]:
        channel = self._channel(str(args.get("channel", "")), open_user=False)
        self._may_write(channel)
        user = str(args.get("user", ""))
        if user not in channel.members:
            raise Refused("user_not_in_channel")
        text, blocks = self._content(args)
        return {"message_ts": self._w.store(channel.id, self._w.bot, text, blocks or [], only_for=user).ts}

    def _open(self, args: Args) -> dict[str, Any]:
        users = args.get("users", "")
        wanted = users.split(",") if isinstance(users, str) else list(users)
        if not wanted or not wanted[0]:
            raise Refused("users_list_not_supplied")
        if any(user not in self._w.users for user in wanted):
            raise Refused("user_not_found")
        if self._w.deactivated.intersection(wanted):
            raise Refused("user_disabled")
        return {"channel": {"id": self._w.direct(wanted[0])}}

    def _user(self, args: Args) -> dict[str, Any]:
        user = str(args.get("user", ""))
        if user not in self._w.users:
            raise Refused("user_not_found")
        name = self._w.users[user]
        known = {"id": user, "team_id": self._w.team, "name": name, "real_name": name}
        gone = user in self._w.deactivated
        return {"user": {**known, "deleted": gone, **({} if gone else {"tz": self._w.zones.get(user, "Etc/UTC")})}}

    def _upload_url(self, args: Args) -> dict[str, Any]:
        name, length = str(args.get("filename", "")), int(args.get("length") or 0)
        if not name or length <= 0:
            raise Refused("invalid_arguments")
        file = File(f"F{self._w.next():03}", name, length)
        self._w.files[file.id] = file
        return {"upload_url": f"{self._base()}/upload/{file.id}", "file_id": file.id}

    async def take_file(self, request: web.Request) -> web.Response:
        """`POST /upload/{id}`: the bytes, of just the length that was announced."""
        file, content = self._w.files.get(request.match_info["id"]), await request.read()
        if file is None or len(content) != file.length:
            return web.Response(status=400, text="length does not match")
        file.content = content
        return web.Response(text=f"OK - {len(content)}")

    def _upload_done(self, args: Args) -> dict[str, Any]:
        channel = self._channel(str(args.get("channel_id", "")), open_user=False)
        self._may_write(channel)
        shared: list[File] = []
        for said in args.get("files") or []:
            file = self._w.files.get(said["id"])
            if file is None or not file.content:
                raise Refused("file_not_found")
            file.title = said.get("title") or file.name
            shared.append(file)
        thread = self._thread(channel, args)
        self._w.store(channel.id, self._w.bot, str(args.get("initial_comment") or ""), [], thread=thread).files = shared
        self._w.ring()
        return {"files": [{"id": file.id, "title": file.title} for file in shared]}

    def _open_view(self, args: Args) -> dict[str, Any]:
        """A trigger is good once, for three seconds."""
        trigger = str(args.get("trigger_id", ""))
        user, born = self._w.triggers.pop(trigger, ("", 0.0))
        if not user:
            raise Refused("exchanged_trigger_id" if trigger in self._exchanged else "invalid_trigger_id")
        self._exchanged.add(trigger)
        if self._w.now() - born > TRIGGER_SECONDS:
            raise Refused("expired_trigger_id")
        view = self._view(args, user, "modal")
        self._w.views.append(view)
        self._w.ring()
        return {"view": {**view.view, "id": view.id, "hash": view.hash}}

    def _publish(self, args: Args) -> dict[str, Any]:
        user = str(args.get("user_id", ""))
        if user not in self._w.users:
            raise Refused("user_not_found")
        former = self._w.homes.get(user)
        if args.get("hash") and former is not None and args["hash"] != former.hash:
            raise Refused("hash_conflict")
        view = self._w.homes[user] = self._view(args, user, "home")
        self._w.published += 1
        self._w.ring()
        return {"view": {**view.view, "id": view.id, "hash": view.hash}}

    def _view(self, args: Args, user: str, kind: str) -> View:
        view = args.get("view")
        problems = check_view(view)
        if not problems and view["type"] != kind:
            problems = [f"view.type must be {kind}"]
        if problems:
            self._w.complaints.append(f"invalid view: {problems}")
            raise Refused("invalid_arguments", response_metadata={"messages": [f"[ERROR] {p}" for p in problems]})
        if len(json.dumps(view)) > 250_000:
            raise Refused("view_too_large")
        number = self._w.next()
        return View(f"V{number}", user, f"{number}.hash", view, self._w.named(view["blocks"]))

    def _content(self, args: Args, *, edit: bool = False) -> tuple[str, list[Any] | None]:
        text, blocks = str(args.get("text", "") or ""), args.get("blocks")
        if not text and not blocks and not edit:
            raise Refused("no_text")
        if not text:
            self._w.complaints.append("missing_text_in_message")
        if len(text) > 40_000:
            raise Refused("msg_too_long")
        refused = [block["type"] for block in blocks or [] if block.get("type") in self._w.refused_blocks]
        if refused:
            raise Refused("invalid_blocks", errors=[f"unsupported type: {kind}" for kind in refused])
        problems = check_message(blocks) if blocks else []
        if problems:
            self._w.complaints.append(f"invalid_blocks: {problems}")
            error = "msg_blocks_too_long" if problems == ["msg_blocks_too_long"] else "invalid_blocks"
            raise Refused(
                error, errors=problems, response_metadata={"messages": [f"[ERROR] {problem}" for problem in problems]}
            )
        return text, blocks

    def _channel(self, wanted: str, *, open_user: bool) -> Channel:
        """Posting takes a user id for a direct message; nothing else does."""
        if wanted in self._w.channels:
            return self._w.channels[wanted]
        if open_user and wanted in self._w.users:
            return self._w.channels[self._w.direct(wanted)]
        raise Refused("channel_not_found")

    def _thread(self, channel: Channel, args: Args) -> str | None:
        wanted = args.get("thread_ts")
        if not wanted:
            return None
        parents = [post for post in self._w.posts if post.channel == channel.id and post.ts == wanted]
        if not parents or parents[0].deleted or parents[0].only_for is not None:
            raise Refused("cannot_reply_to_message")
        if parents[0].thread:
            self._w.complaints.append("thread_ts is that of a reply; Slack wants its parent's")
        return parents[0].thread or parents[0].ts

    def _may_write(self, channel: Channel) -> None:
        if channel.archived:
            raise Refused("is_archived")
        if self._w.bot not in channel.members:
            raise Refused("not_in_channel")

    def _find(self, channel: Channel, ts: str) -> Post:
        """Ephemeral messages cannot be found by ts: response URLs are the only way to them."""
        for post in self._w.posts:
            if post.channel == channel.id and post.ts == ts and not post.deleted and post.only_for is None:
                return post
        raise Refused("message_not_found")

    def _shown(self, post: Post) -> dict[str, Any]:
        return {"type": "message", "user": post.author, "bot_id": self._w.bot_id, "ts": post.ts, "text": post.text}


async def _arguments(request: web.Request) -> Args:
    """From query, form, multipart or JSON; in all but JSON, lists and objects come as JSON in a string."""
    args: Args = dict(request.query)
    if request.content_type == "application/json":
        args |= await request.json()
    else:
        args |= dict(await request.post())
    for key in _LISTS:
        if isinstance(args.get(key), str) and args[key][:1] in ("[", "{"):
            args[key] = json.loads(args[key])
    return args
