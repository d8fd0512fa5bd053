"""Notes of two organisations over MCP, right or wrong in one way that the command line chooses.

usage: server.py [FLAW]

    fetch      get_note finds notes of every organisation
    search     search_notes looks through notes of every organisation
    global     the caller's organisation is kept in a global while the database is waited for
    cache      recent_notes is cached without the organisation in the key
    error      an error names the organisation that a note belongs to
    anonymous  whoever has no token is served as the first organisation

Prints its URL as one line. Without a flaw it is the safe twin.
"""

import asyncio
import sys
import time
import uuid

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from starlette.responses import JSONResponse

FLAW = sys.argv[1] if len(sys.argv) > 1 else ""
TOKENS = {"token-of-acme": "acme-1001", "token-of-bolt": "bolt-2002"}
WORDS = ["invoice", "printer", "contract", "holiday", "password"]


def make(org, seed):
    """Notes with ids of their own, and some titles that both organisations have."""
    notes = []
    for number, word in enumerate(WORDS):
        note_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{seed}/{number}"))
        notes.append({
            "id": note_id,
            "org": org,
            "title": f"About the {word}",
            "body": f"{seed.capitalize()} wrote about the {word}, file {seed[:2].upper()}-{4711 + number * 17}.",
        })
    return notes


NOTES = make("acme-1001", "acme") + make("bolt-2002", "bolt")
READS = ToolAnnotations(read_only_hint=True)
WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=True)

server = MCPServer("notes")
current = {"org": None}
cached = {}


async def org_of(ctx):
    header = (ctx.headers or {}).get("authorization", "")
    org = TOKENS.get(header.removeprefix("Bearer "))
    if org is None and FLAW == "anonymous":
        org = "acme-1001"
    if org is None:
        raise ToolError("not signed in")
    if FLAW == "global":
        current["org"] = org
        await asyncio.sleep(0.01)
        return current["org"]
    await asyncio.sleep(0.002)
    return org


def shown(note):
    return {"id": note["id"], "title": note["title"], "body": note["body"]}


@server.tool(annotations=READS)
async def list_notes(ctx: Context) -> list[dict]:
    """The notes of your organization."""
    org = await org_of(ctx)
    return [{"id": note["id"], "title": note["title"]} for note in NOTES if note["org"] == org]


@server.tool(annotations=READS)
async def get_note(note_id: str, ctx: Context) -> dict:
    """One note, by its id."""
    org = await org_of(ctx)
    note = next((note for note in NOTES if note["id"] == note_id), None)
    if note is not None and note["org"] != org:
        if FLAW == "error":
            raise ToolError(f"note {note_id} belongs to organization {note['org']}")
        if FLAW != "fetch":
            note = None
    if note is None:
        raise ToolError(f"there is no note {note_id}")
    return shown(note)


@server.tool(annotations=READS)
async def search_notes(query: str, ctx: Context) -> list[dict]:
    """Notes whose title or body has these words."""
    org = await org_of(ctx)
    found = [note for note in NOTES if query.lower() in (note["title"] + note["body"]).lower()]
    return [shown(note) for note in found if FLAW == "search" or note["org"] == org]


@server.tool(annotations=READS)
async def recent_notes(ctx: Context) -> list[dict]:
    """The last notes."""
    org = await org_of(ctx)
    key = "recent" if FLAW == "cache" else org
    if key not in cached:
        cached[key] = [shown(note) for note in NOTES if note["org"] == org][-3:]
    return cached[key]


@server.tool(annotations=READS)
async def list_plans() -> list[dict]:
    """What we sell: the same for everybody."""
    return [{"name": "free", "price": 0}, {"name": "team", "price": 12}]


@server.tool(annotations=READS)
async def server_status() -> dict:
    """How the server is."""
    return {"time": time.time(), "request": str(uuid.uuid4()), "version": "v1.22.3", "healthy": True}


@server.tool(annotations=READS)
async def echo(text: str) -> str:
    """Says what you say."""
    return f"You said: {text}"


@server.tool(annotations=WRITES)
async def delete_note(note_id: str, ctx: Context) -> str:
    """Deletes a note."""
    print("CALLED delete_note", file=sys.stderr, flush=True)
    NOTES[:] = [note for note in NOTES if note["id"] != note_id]
    return "deleted"


@server.resource("notes://{note_id}", mime_type="text/plain")
async def note(note_id: str, ctx: Context) -> str:
    """The text of a note."""
    org = await org_of(ctx)
    found = next((note for note in NOTES if note["id"] == note_id and note["org"] == org), None)
    if found is None:
        raise ValueError("not found")
    return found["body"]


@server.prompt()
async def answer_note(note_id: str, ctx: Context) -> str:
    """Drafts an answer to a note."""
    org = await org_of(ctx)
    found = next((note for note in NOTES if note["id"] == note_id and note["org"] == org), None)
    if found is None:
        raise ValueError("not found")
    return f"Answer this note: {found['body']}"


def guarded(app):
    """No token, no answer; except where that is the flaw."""

    async def guard(scope, receive, send):
        if scope["type"] == "http" and FLAW != "anonymous":
            headers = dict(scope["headers"])
            token = headers.get(b"authorization", b"").decode().removeprefix("Bearer ")
            if token not in TOKENS:
                await JSONResponse({"error": "unauthorized"}, status_code=401)(scope, receive, send)
                return
        await app(scope, receive, send)

    return guard


async def main():
    # Stateless towards older clients too: sessions are for the other server of these tests.
    app = server.streamable_http_app(stateless_http=True, json_response=True)
    config = uvicorn.Config(guarded(app), host="127.0.0.1", port=0, log_level="error")
    running = uvicorn.Server(config)
    task = asyncio.create_task(running.serve())
    while not running.started:
        await asyncio.sleep(0.01)
    port = running.servers[0].sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}/mcp", flush=True)
    await task


asyncio.run(main())
