// Invoices of two organisations over MCP, right or wrong in one way that the command line chooses.
//
// usage: server.js [FLAW]
//
//   schema    list_invoices takes the organisation as an argument
//   fetch     get_invoice finds invoices of every organisation
//   pool      the organisation is set on one call to the pool and used in the next: connections are made
//             ready when they are taken and not when they are given back
//   error     an error names the tenant that an invoice belongs to
//   session   who opened a session is remembered, and later tokens are not looked at
//   cursor    a cursor of list_payments holds the organisation, and is believed
//
// Prints its URL as one line. Without a flaw it is the safe twin.

import { createServer, IncomingMessage } from "node:http";
import { AddressInfo } from "node:net";
import { createHash, randomUUID } from "node:crypto";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";

const flaw = process.argv[2] ?? "";
const reads = { readOnlyHint: true };

/** Tokens as an issuer makes them; the signature is not what these tests are about. */
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const tokenOf = (org: string) => `${part({ alg: "none" })}.${part({ sub: `user@${org}.example`, org_id: org })}.c2ln`;
const ORGS: Record<string, string> = { [tokenOf("org-acme-17")]: "org-acme-17", [tokenOf("org-bolt-42")]: "org-bolt-42" };

type Invoice = { id: string; org: string; customer: string; total: number };
type Payment = { id: string; org: string; amount: number };

const idOf = (text: string) => {
  const hex = createHash("sha256").update(text).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};
const invoices: Invoice[] = [];
const payments: Payment[] = [];
for (const org of Object.values(ORGS)) {
  for (let n = 1; n <= 4; n++) {
    invoices.push({ id: idOf(`${org} invoice ${n}`), org, customer: `Customer ${n} <buyer${n}@${org}.example>`, total: 100 * n });
  }
  for (let n = 1; n <= 6; n++) payments.push({ id: idOf(`${org} payment ${n}`), org, amount: 10 * n });
}

type Connection = { org: string };

/** A pool as drivers have it: the connection that was given back last is taken first; who waits is served in turn. */
class Pool {
  private idle: Connection[] = [{ org: "" }, { org: "" }, { org: "" }];
  private waiting: ((connection: Connection) => void)[] = [];
  private take(): Promise<Connection> {
    const connection = this.idle.pop();
    return connection ? Promise.resolve(connection) : new Promise((done) => this.waiting.push(done));
  }
  private give(connection: Connection) {
    const next = this.waiting.shift();
    if (next) next(connection);
    else this.idle.push(connection);
  }
  /** One call: whatever connection is free. */
  async query<T>(work: (connection: Connection) => T): Promise<T> {
    const connection = await this.take();
    await new Promise((done) => setTimeout(done, 2));
    const result = work(connection);
    this.give(connection);
    return result;
  }
  /** Several calls on one connection, which is made clean before it is given back. */
  async transaction<T>(org: string, work: (connection: Connection) => T): Promise<T> {
    const connection = await this.take();
    connection.org = org;
    await new Promise((done) => setTimeout(done, 2));
    const result = work(connection);
    connection.org = "";
    this.give(connection);
    return result;
  }
}
const pool = new Pool();

const answer = (value: object) => ({ content: [{ type: "text" as const, text: JSON.stringify(value) }] });
const refuse = (text: string) => ({ content: [{ type: "text" as const, text }], isError: true });
const shown = ({ id, customer, total }: Invoice) => ({ id, customer, total });

const bearer = (headers: Record<string, unknown>) => String(headers["authorization"] ?? "").replace(/^Bearer /, "");

function build(openedBy: string) {
  const server = new McpServer({ name: "invoices", version: "1.0.0" });
  const orgOf = (extra: { requestInfo?: { headers: Record<string, unknown> } }) =>
    flaw === "session" ? openedBy : ORGS[bearer(extra.requestInfo?.headers ?? {})];

  const schema = flaw === "schema" ? z.strictObject({ tenantId: z.string().optional().describe("The tenant's id") }) : z.strictObject({});
  server.registerTool("list_invoices", { description: "Your invoices", inputSchema: schema, annotations: reads }, async (args: { tenantId?: string }, extra) => {
    const org = args.tenantId ?? orgOf(extra);
    return answer({ invoices: invoices.filter((it) => it.org === org).map(({ id, total }) => ({ id, total })) });
  });

  server.registerTool("get_invoice", { description: "One invoice", inputSchema: z.strictObject({ invoice_id: z.string() }), annotations: reads }, async ({ invoice_id }, extra) => {
    const org = orgOf(extra);
    const found = invoices.find((it) => it.id === invoice_id);
    if (found && found.org !== org) {
      if (flaw === "error") return refuse(`invoice ${invoice_id} belongs to tenant ${found.org}`);
      if (flaw !== "fetch") return refuse("invoice not found");
    }
    return found ? answer(shown(found)) : refuse("invoice not found");
  });

  server.registerTool("open_invoices", { description: "Invoices over 150", inputSchema: z.strictObject({}), annotations: reads }, async (_args, extra) => {
    const org = orgOf(extra);
    const rows = (owner: string) => invoices.filter((it) => it.org === owner && it.total > 150).map(shown);
    if (flaw === "pool") {
      await pool.query((connection) => { connection.org = org; });
      return answer({ invoices: await pool.query((connection) => rows(connection.org)) });
    }
    return answer({ invoices: await pool.transaction(org, (connection) => rows(connection.org)) });
  });

  server.registerTool("list_payments", { description: "Your payments, two at a time", inputSchema: z.strictObject({ cursor: z.string().optional() }), annotations: reads }, async ({ cursor }, extra) => {
    const given = cursor ? JSON.parse(Buffer.from(cursor, "base64url").toString()) : { at: 0, org: orgOf(extra) };
    const org = flaw === "cursor" ? given.org : orgOf(extra);
    if (given.org !== org) return refuse("the cursor is not valid");
    const own = payments.filter((it) => it.org === org);
    const next = given.at + 2 < own.length ? Buffer.from(JSON.stringify({ at: given.at + 2, org })).toString("base64url") : undefined;
    return answer({ payments: own.slice(given.at, given.at + 2).map(({ id, amount }) => ({ id, amount })), next_cursor: next });
  });

  server.registerTool("exchange_rates", { description: "The same for everybody", inputSchema: z.strictObject({}), annotations: reads }, async () =>
    answer({ EUR: 1, USD: 1.09, asOf: new Date().toISOString(), trace: randomUUID() }));

  server.registerTool("cancel_invoice", { description: "Cancels an invoice", inputSchema: z.strictObject({ invoice_id: z.string() }) }, async () => {
    console.error("CALLED cancel_invoice");
    return answer({ cancelled: true });
  });
  return server;
}

const sessions = new Map<string, { transport: StreamableHTTPServerTransport; owner: string }>();

async function body(request: IncomingMessage) {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return pieces.length ? JSON.parse(Buffer.concat(pieces).toString()) : undefined;
}

const http = createServer(async (request, response) => {
  const id = request.headers["mcp-session-id"] as string | undefined;
  const org = ORGS[bearer(request.headers)];
  const known = id ? sessions.get(id) : undefined;
  // With the flaw, whoever has a session's id needs no token of its own.
  if (!org && !(flaw === "session" && known)) {
    response.writeHead(401, { "www-authenticate": "Bearer" }).end();
    return;
  }
  if (id && (!known || (known.owner !== org && flaw !== "session"))) {
    response.writeHead(404).end();
    return;
  }
  const message = await body(request);
  if (known) {
    await known.transport.handleRequest(request, response, message);
    return;
  }
  const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    onsessioninitialized: (session) => { sessions.set(session, { transport, owner: org }); },
  });
  await build(org).connect(transport);
  await transport.handleRequest(request, response, message);
});

http.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`));
