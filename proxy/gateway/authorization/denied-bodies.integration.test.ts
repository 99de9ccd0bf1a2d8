import { afterEach, describe, expect, it } from "vitest";
import { policyOf } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { sendRaw } from "../../../net/raw-client-fixture.ts";
import { DOORS } from "./bypass-doors-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const DENY_ADMIN = { policies: [policyOf("DENY", [{ to: [{ paths: ["/admin", "/admin/*"] }] }])] };
const HOST = "Host: shop.example\r\n";
const HIDDEN = `GET /admin/x HTTP/1.1\r\n${HOST}\r\n`;
const NEXT = `GET /public HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`;
const CHUNKS = `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`;

function post(path: string, fields: string, body: string): string {
  return `POST ${path} HTTP/1.1\r\n${HOST}${fields}\r\n${body}`;
}

function statusesOf(responses: string): readonly string[] {
  return [...responses.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status = ""]) => status);
}

/** Requests whose bodies contain another one, which is denied too (RFC 9112 §11.2). */
const BODIES = [
  { name: "with a length", fields: `Content-Length: ${HIDDEN.length}\r\n`, body: HIDDEN },
  { name: "in chunks", fields: "Transfer-Encoding: chunked\r\n", body: CHUNKS },
];

describe.each(DOORS.filter(({ name }) => name.endsWith("HTTP/1.1")))("through $name, a body", ({ open }) => {
  it.each(BODIES)(
    "$name of a denied request is no request, and of an allowed one neither",
    async ({ fields, body }) => {
      const { port, upstream } = await open(cleanup, DENY_ADMIN);
      const responses = await sendRaw(cleanup, port, post("/admin", fields, body) + NEXT);
      const served = statusesOf(responses);
      expect(served[0]).toBe("403");
      expect(upstream.executed.map(({ line }) => line)).toEqual(served.slice(1).map(() => "GET /public HTTP/1.1"));
      await sendRaw(cleanup, port, post("/public", `${fields}Connection: close\r\n`, body));
      expect(upstream.executed.filter(({ line }) => line.includes("admin"))).toEqual([]);
    },
  );

  it("that waits for 100 (Continue) is never asked for if its request is denied", async () => {
    const { port, upstream } = await open(cleanup, DENY_ADMIN);
    const fields = "Expect: 100-continue\r\nConnection: close\r\nContent-Length: 5\r\n";
    expect(statusesOf(await sendRaw(cleanup, port, post("/admin", fields, "")))).toEqual(["403"]);
    expect(upstream.executed).toEqual([]);
  });

  it.each(["websocket", "h2c", "TLS/1.0"])(
    "behind an upgrade to %s is not read if its request is denied",
    async (name) => {
      const { port, upstream } = await open(cleanup, DENY_ADMIN);
      const fields = `Connection: Upgrade, HTTP2-Settings\r\nUpgrade: ${name}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n`;
      const responses = await sendRaw(cleanup, port, `GET /admin HTTP/1.1\r\n${HOST}${fields}\r\n${HIDDEN}${NEXT}`);
      expect(statusesOf(responses)[0]).toBe("403");
      expect(upstream.executed.filter(({ line }) => line.includes("admin"))).toEqual([]);
    },
  );
});
