// Orders of two organisations in PostgreSQL, under row-level security, over MCP.
//
// usage: pool.js [FLAW]      with DATABASE_URL of the application's role
//
//   acquire   the tenant is set for the session where a connection is taken from the pool, and nothing is
//             reset where it is given back: whatever goes around that runs as the caller before
//
// Prints its URL as one line. Without a flaw it resets on release as well, and is the safe twin.

import { createServer } from "node:http";
import { AddressInfo } from "node:net";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import pg from "pg";
import { z } from "zod";

const flaw = process.argv[2] ?? "";
const ORGS: Record<string, string> = { "token-of-acme": "acme", "token-of-bolt": "bolt" };
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 3 });

async function scoped<T>(org: string, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query("SELECT set_config('app.tenant_id', $1, false)", [org]);
    return await work(client);
  } finally {
    if (flaw !== "acquire") await client.query("RESET app.tenant_id");
    client.release();
  }
}

const answer = (value: object) => ({ content: [{ type: "text" as const, text: JSON.stringify(value) }] });

function build(org: string) {
  const server = new McpServer({ name: "orders", version: "1.0.0" });
  const tool = { inputSchema: z.strictObject({}), annotations: { readOnlyHint: true } };
  server.registerTool("list_orders", { ...tool, description: "Your orders" }, () =>
    scoped(org, async (client) => answer({ orders: (await client.query("SELECT id, item FROM orders ORDER BY id")).rows })));
  // It was written in a hurry, and trusts row-level security.
  server.registerTool("late_orders", { ...tool, description: "Your orders that are late" }, async () =>
    answer({ orders: (await pool.query("SELECT id, item FROM orders WHERE late ORDER BY id")).rows }));
  return server;
}

const server = createServer(async (request, response) => {
  const org = ORGS[String(request.headers.authorization ?? "").replace("Bearer ", "")];
  if (!org) return void response.writeHead(401, { "www-authenticate": "Bearer" }).end();
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  const mcp = build(org);
  response.on("close", () => void mcp.close());
  await mcp.connect(transport);
  await transport.handleRequest(request, response);
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`));
