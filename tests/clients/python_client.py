"""Uses a running server with the official Python client: tools, a resource, a prompt, a completion.

usage: python_client.py SERVE_JSON MODE      MODE: auto (2026-07-28) or legacy (2025 eras)

Both organisations are connected at the same time; each one's answers are searched for the other's
tenant id. Exits non-zero with a sentence when anything is not as it should be.
"""

import asyncio
import json
import sys

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import PromptReference


def fail(message):
    print(f"python client: {message}", file=sys.stderr)
    raise SystemExit(1)


async def visit(url, org, foreign_ids, mode):
    headers = {"Authorization": f"Bearer {org['token']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            page = await client.list_tools()
            tools = page.tools
            while page.next_cursor is not None:
                page = await client.list_tools(cursor=page.next_cursor)
                tools += page.tools
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
            await beside_tools(client, org, foreign_ids)
            return client.protocol_version, len(tools), called


async def beside_tools(client, org, foreign_ids):
    """A resource, a prompt and a completion, of this organisation's own rows."""
    templates = (await client.list_resource_templates()).resource_templates
    if [template.uri_template for template in templates] != ["helpdesk://tickets/{id}"]:
        fail(f"{org['name']} sees the templates {templates}")
    tickets = await client.call_tool("list_tickets", {"limit": 1})
    ticket = tickets.structured_content["result"][0]
    uri = f"helpdesk://tickets/{ticket['id']}"
    contents = (await client.read_resource(uri)).contents[0]
    if contents.mime_type != "application/json" or ticket["subject"] not in contents.text:
        fail(f"{uri} is {contents}")
    prompt = await client.get_prompt("draft_answer", {"number": str(ticket["number"]), "tone": "brief"})
    if ticket["subject"] not in prompt.messages[0].content.text:
        fail(f"the prompt begins with {prompt.messages[0]}")
    for foreign in [*foreign_ids, org["tenant_id"]]:
        if foreign in contents.text or foreign in prompt.model_dump_json():
            fail(f"a ticket shows the tenant id {foreign}")
    reference = PromptReference(type="ref/prompt", name="draft_answer")
    completed = await client.complete(reference, {"name": "number", "value": "1"})
    if not completed.completion.values or not all(v.startswith("1") for v in completed.completion.values):
        fail(f"the completions are {completed}")
    for wrong in ["helpdesk://tickets/00000000-0000-4000-8000-000000000000", "helpdesk://nothing"]:
        try:
            await client.read_resource(wrong)
        except MCPError as error:
            if not str(error).startswith("not found"):
                fail(f"{wrong}: {error}")
        else:
            fail(f"{wrong} was read")


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
