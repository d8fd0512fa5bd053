// Tickets of two organisations over MCP, written by hand: right, or wrong in one way that the command
// line chooses. Nothing but Node is needed.
//
// usage: server.mjs [FLAW] [stdio]
//
//   choice        list_tickets with {"status": "archived"} forgets the filter
//   nested        find_ticket finds tickets of every organisation
//   prompt        the prompt `reply` does too
//   link          so do the addresses that list_files links to
//   completion    completions are of every organisation
//   error         an error names the person whose ticket it is
//   column        an error prints the condition with the tenant's number
//   meta          `_meta` of list_tickets tells what was listed last
//   encoded       an export holds all tickets, in base64
//   once          from the second call on the dashboard is the one that was made last
//   key           the summary is cached by month alone
//   last          overdue runs on the connection as the last caller left it
//   description   the list of tools is cached, with the organisation's name in a description
//   broadcast     log messages go to every session
//   subscription  updates go to whoever subscribed
//   replay        events are replayed to every session
//   task          tasks answer to everybody
//   listed        the list of tasks is everybody's
//   state         a request state is believed; `sealed` is its twin, as both speak 2026-07-28
//   cursor        a cursor of tools/list is believed
//
// Prints its URL as one line. Without a flaw it is the safe twin.

import { createServer } from "node:http";
import { createHmac, randomUUID } from "node:crypto";
import { createInterface } from "node:readline";

const flaw = process.argv[2] || "none";
const ORGS = { "token-of-acme": "acme", "token-of-bolt": "bolt" };
const COMPANY = { acme: "Acme Explosives Ltd", bolt: "Bolt Fasteners GmbH" };
const NUMBER = { acme: 7, bolt: 9 };
const TICKETS = [
  { id: "tkt_01HZX3", org: "acme", status: "open", subject: "Rocket skates squeak", person: "Wile E. Coyote" },
  { id: "tkt_01HZX9", org: "acme", status: "archived", subject: "Anvil too light", person: "Porky Pig" },
  { id: "tkt_01HZX5", org: "bolt", status: "open", subject: "Left-hand thread mislabelled", person: "Hanna Schraube" },
  { id: "tkt_01HZXC", org: "bolt", status: "archived", subject: "Pallet 17 is missing", person: "Jens Mutter" },
];
const seal = (text) => createHmac("sha256", "only here").update(text).digest("hex").slice(0, 16);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

class Refused extends Error {
  constructor(text, code = -32602) { super(text); this.code = code; }
}

const sessions = new Map(); // id -> { org, stream, watched: Set of addresses }
const tasks = new Map(); // id -> org
const events = new Map(); // id -> { session, message }
const summaries = new Map();
const seen = new Set();
let dashboard, listedLast, offered, connection;

const of = (org, wrong) => TICKETS.filter((it) => flaw === wrong || it.org === org);
const shown = ({ id, subject, person }) => ({ id, subject, person });
const text = (value) => ({ content: [{ type: "text", text: JSON.stringify(value) }] });

function found(org, id, wrong) {
  const ticket = TICKETS.find((it) => it.id === id);
  if (ticket && ticket.org !== org && flaw === "error") throw new Refused(`${id} is a ticket of ${ticket.person}`);
  if (flaw === "column" && ticket?.org !== org) throw new Refused(`no row for "tenant_id" = ${NUMBER[org]} and id = '${id}'`);
  if (!ticket || (ticket.org !== org && flaw !== wrong)) throw new Refused("ticket not found");
  return ticket;
}

function tell(session, method, params) {
  const to = flaw === "broadcast" ? [...sessions.values()] : [session];
  for (const { stream } of to) stream?.write(`data: ${JSON.stringify({ jsonrpc: "2.0", method, params })}\n\n`);
}

const TOOLS = {
  whoami: { call: (org) => ({ company: COMPANY[org] }) },
  list_tickets: {
    input: { type: "object", properties: { status: { type: "string", enum: ["open", "archived", "any"], default: "any" } }, additionalProperties: false },
    call: (org, { status = "any" }, session) => {
      const rows = of(org, status === "archived" ? "choice" : "").filter((it) => status === "any" || it.status === status);
      tell(session, "notifications/message", { level: "info", data: `read ${rows.length}, the first is ${rows[0]?.subject}` });
      const uri = `ticket://${rows[0]?.id}`;
      for (const other of sessions.values()) {
        const may = flaw === "subscription" || other.org === org;
        if (may && other.watched.has(uri)) other.stream?.write(`data: ${JSON.stringify({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } })}\n\n`);
      }
      const result = text({ tickets: rows.map(shown), ...(flaw === "encoded" ? { export: Buffer.from(JSON.stringify(TICKETS)).toString("base64") } : {}) });
      if (flaw === "meta") { result._meta = { previous: listedLast }; listedLast = rows.map((it) => it.id); }
      return result;
    },
  },
  find_ticket: {
    input: {
      type: "object", required: ["lookup", "format"], additionalProperties: false,
      properties: {
        lookup: { $ref: "#/$defs/Lookup" },
        format: { anyOf: [{ const: "short" }, { const: "long" }] },
      },
      $defs: { Lookup: { type: "object", required: ["by", "value"], properties: { by: { enum: ["id"] }, value: { type: "string", pattern: "^tkt_[0-9A-Z]{6}$" } } } },
    },
    call: (org, { lookup, format }) => {
      const ticket = found(org, lookup?.value, "nested");
      return format === "short" ? { subject: ticket.subject } : shown(ticket);
    },
  },
  list_files: { call: (org) => ({ content: of(org, "").map((it) => ({ type: "resource_link", uri: `ticket-file://${it.id}`, name: it.subject })) }) },
  dashboard: {
    call: (org) => {
      const fresh = of(org, "").map(shown);
      if (flaw !== "once" || !seen.has(org)) { seen.add(org); dashboard = fresh; return { widgets: fresh }; }
      return { widgets: dashboard };
    },
  },
  summary: {
    input: { type: "object", required: ["month"], properties: { month: { enum: ["2026-08", "2026-09", "2026-10"] } }, additionalProperties: false },
    call: (org, { month }) => {
      const key = flaw === "key" ? month : `${org} ${month}`;
      if (!summaries.has(key)) summaries.set(key, { month, of: `${COMPANY[org]}, ${NUMBER[org]} tickets` });
      return summaries.get(key);
    },
  },
  overdue: {
    call: (org) => ({ overdue: TICKETS.filter((it) => it.org === (flaw === "last" ? connection : org) && it.status === "open").map(shown) }),
  },
  make_report: { extra: { execution: { taskSupport: "optional" } }, call: (org) => ({ report: of(org, "").map((it) => it.subject) }) },
  // The same for everybody, and each of them a trap for who accuses too soon.
  public_catalogue: { call: () => [1, 2, 3].map((n) => ({ id: `0b1c2d3e-0000-4000-8000-00000000000${n}`, name: `Part ${n}` })) },
  echo: { input: { type: "object", required: ["message"], properties: { message: { type: "string" } } }, call: (_, { message }) => ({ message }) },
  server_status: { call: () => ({ now: new Date().toISOString(), request: randomUUID(), host: "node-7f9c6d5b8-x2x9z" }) },
};

/** The tools of one organisation: each has one of its own, so that pages differ. */
function tools(org) {
  const all = Object.entries(TOOLS).map(([name, it]) => ({
    name, description: name === "whoami" ? `Who you are at ${COMPANY[org]}` : name,
    inputSchema: it.input ?? { type: "object", properties: {}, additionalProperties: false },
    annotations: { readOnlyHint: true }, ...it.extra,
  }));
  all.push({ name: `delete_all_of_${org}`, description: "not for tests", inputSchema: { type: "object" }, annotations: { destructiveHint: true } });
  return all;
}

async function answer(method, params, org, session) {
  switch (method) {
    case "server/discover":
      if (flaw !== "state" && flaw !== "sealed") break;
      return { supportedVersions: ["2026-07-28"], capabilities: { tools: {} } };
    case "initialize":
      return {
        protocolVersion: "2025-11-25", serverInfo: { name: "tickets", version: "1.0.0" },
        capabilities: { tools: {}, prompts: {}, completions: {}, logging: {}, resources: { subscribe: true }, tasks: { list: {}, requests: { tools: { call: {} } } } },
      };
    case "tools/list": {
      let [whose, at] = [org, 0];
      if (params.cursor) {
        const [given, page, sealed] = params.cursor.split(".");
        if (flaw !== "cursor" && sealed !== seal(org)) throw new Refused("invalid cursor");
        [whose, at] = [given, Number(page)];
      }
      const all = flaw === "description" ? (offered ??= tools(org)) : tools(whose);
      const next = at + 6 < all.length ? { nextCursor: `${whose}.${at + 6}.${seal(whose)}` } : {};
      return { tools: all.slice(at, at + 6), ...next };
    }
    case "tools/call": {
      if (params.task) {
        const id = randomUUID();
        tasks.set(id, org);
        return { task: { taskId: id, status: "completed", ttl: 60000, createdAt: new Date().toISOString() } };
      }
      if (params.name === "report_of") {
        if (!params.requestState) return { resultType: "input_required", inputRequests: {}, requestState: `${org}.${seal(org)}` };
        const [whose, sealed] = params.requestState.split(".");
        if (!ORGS[`token-of-${whose}`] || (flaw !== "state" && sealed !== seal(org))) throw new Refused("invalid state");
        return text({ tickets: of(whose, "").map(shown) });
      }
      const tool = Object.hasOwn(TOOLS, params.name) ? TOOLS[params.name] : undefined;
      if (!tool) { process.stderr.write(`CALLED ${params.name}\n`); throw new Refused("unknown tool"); }
      if (params.name !== "overdue") connection = org;
      await sleep(1);
      const result = tool.call(org, params.arguments ?? {}, session);
      return result.content ? result : text(result);
    }
    case "tasks/list":
      return { tasks: [...tasks].filter(([, whose]) => flaw === "listed" || whose === org).map(([taskId]) => ({ taskId, status: "completed" })) };
    case "tasks/get":
      if (!tasks.has(params.taskId) || (flaw !== "task" && tasks.get(params.taskId) !== org)) throw new Refused("no such task");
      return { taskId: params.taskId, status: "completed" };
    case "resources/list":
      return { resources: of(org, "").map((it) => ({ uri: `ticket://${it.id}`, name: it.subject })) };
    case "resources/templates/list":
      return { resourceTemplates: [{ uriTemplate: "ticket-file://{id}", name: "file" }] };
    case "resources/read": {
      const ticket = found(org, params.uri.split("://")[1], params.uri.startsWith("ticket-file") ? "link" : "");
      return { contents: [{ uri: params.uri, mimeType: "application/octet-stream", blob: Buffer.from(`The whole story of ${ticket.subject}`).toString("base64") }] };
    }
    case "resources/subscribe":
      session.watched.add(params.uri);
      return {};
    case "prompts/list":
      return { prompts: [{ name: "reply", arguments: [{ name: "ticket", required: true }] }] };
    case "prompts/get": {
      const ticket = found(org, params.arguments?.ticket, "prompt");
      return { messages: [{ role: "user", content: { type: "text", text: `Answer ${ticket.person} about "${ticket.subject}".` } }] };
    }
    case "completion/complete": {
      const ids = of(org, "completion").map((it) => it.id).filter((it) => it.startsWith(params.argument.value));
      return { completion: { values: ids, total: ids.length, hasMore: false } };
    }
  }
  throw new Refused("no such method", -32601);
}

async function reply(message, org, session) {
  try {
    return { jsonrpc: "2.0", id: message.id, result: await answer(message.method, message.params ?? {}, org, session) };
  } catch (error) {
    return { jsonrpc: "2.0", id: message.id, error: { code: error.code ?? -32603, message: error.message } };
  }
}

/** Requests that wait for input are of the revision without sessions alone. */
if (flaw === "state" || flaw === "sealed") TOOLS.report_of = {};

if (process.argv[3] === "stdio") {
  const org = ORGS[process.env.TICKETS_TOKEN];
  const session = { watched: new Set() };
  createInterface({ input: process.stdin }).on("line", async (line) => {
    const message = JSON.parse(line);
    if (message.id !== undefined && message.method) process.stdout.write(JSON.stringify(await reply(message, org, session)) + "\n");
  });
} else {
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const org = ORGS[(request.headers.authorization ?? "").replace("Bearer ", "")];
    if (!org) return response.writeHead(401, { "www-authenticate": "Bearer" }).end();
    const modern = request.headers["mcp-protocol-version"] === "2026-07-28";
    let id = request.headers["mcp-session-id"];
    let session = sessions.get(id);
    if (request.method === "DELETE") return sessions.delete(id), response.writeHead(204).end();
    if (request.method === "GET") {
      if (session?.org !== org) return response.writeHead(404).end();
      response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      const event = events.get(request.headers["last-event-id"]);
      if (!event) session.stream = response;
      else if (flaw === "replay" || event.session === id) response.write(`data: ${JSON.stringify(event.message)}\n\n`);
      return;
    }
    const message = JSON.parse(Buffer.concat(chunks));
    if (message.method === "initialize") {
      id = randomUUID();
      session = { org, watched: new Set() };
      sessions.set(id, session);
      response.setHeader("mcp-session-id", id);
    } else if (!modern && message.method !== "server/discover" && session?.org !== org) {
      return response.writeHead(404).end();
    }
    if (message.id === undefined) return response.writeHead(202).end();
    const whole = await reply(message, org, session ?? { watched: new Set() });
    response.writeHead(200, { "content-type": "text/event-stream" });
    const event = randomUUID();
    events.set(event, { session: id, message: whole });
    response.end(`id: ${event}\ndata:\n\ndata: ${JSON.stringify(whole)}\n\n`);
  });
  server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/mcp`));
}
