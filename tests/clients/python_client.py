"""Lists and calls the tools of a running server with the official Python client.

usage: python_client.py SERVE_JSON MODE      MODE: auto (2026-07-28) or legacy (2025 eras)

Both organisations are connected at the same time; each one's answers are searched for the other's
tenant id. Exits non-zero with a sentence when anything is not as it should be.
"""

import asyncio
import json
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


def fail(message):
    print(f"python client: {message}", file=sys.stderr)
    raise SystemExit(1)


async def visit(url, org, foreign_ids, mode):
    headers = {"Authorization": f"Bearer {org['token']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            tools = (await client.list_tools()).tools
            if len(tools) < 10:
                fail(f"{org['name']} sees {len(tools)} tools, expected at least 10")
            called = 0
            for tool in tools:
                schema = tool.input_schema
                if schema.get("additionalProperties") is not False:
                    fail(f"{tool.name} accepts arguments that it does not name")
                if schema.get("required") or not (tool.annotations and tool.annotations.read_only_hint):
                    continue
                answer = await client.call_tool(tool.name, {})
                if answer.is_error:
                    fail(f"{tool.name} failed for {org['name']}: {answer.content}")
                called += 1
                text = answer.model_dump_json()
                for foreign in [*foreign_ids, org["tenant_id"]]:
                    if foreign in text:
                        fail(f"{tool.name} shows the tenant id {foreign} to {org['name']}")
                probe = await client.call_tool(tool.name, {"tenant_id": foreign_ids[0]})
                if not probe.is_error:
                    fail(f"{tool.name} accepted a tenant id as an extra argument")
            if called == 0:
                fail("no read-only tool without required arguments was found")
            return client.protocol_version, len(tools), called


async def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        serve = json.loads(file.readline())
    organisations = serve["organisations"]
    ids = [org["tenant_id"] for org in organisations]
    visits = [
        visit(serve["url"], org, [i for i in ids if i != org["tenant_id"]], sys.argv[2])
        for org in organisations
    ]
    for org, (version, tools, called) in zip(organisations, await asyncio.gather(*visits)):
        print(f"python client, {sys.argv[2]}: {org['name']} speaks {version}, sees {tools} tools, called {called}")


asyncio.run(main())
