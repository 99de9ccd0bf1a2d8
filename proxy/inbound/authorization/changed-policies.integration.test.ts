import { once } from "node:events";
import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { policyOf } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import type { Reply } from "../../../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntil, readUntilClosed } from "../../../net/raw-client-fixture.ts";
import { dialHttp2, requestOf } from "../../http/raw-http2-client-fixture.ts";
import { dataFrame } from "../../http2/frames/frame-fixture.ts";
import { ERROR_CODE } from "../../http2/frames/frame-types.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";
import { connectClient, listen, readAll } from "../../raw-sockets-fixture.ts";
import { JUDGED_PATHS, type JudgedPath } from "./judged-paths-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const HOST = "Host: shop.example\r\n";
/** Denies the path `/revoked` alone. */
const REVOKED = policyOf("DENY", [{ to: [{ paths: ["/revoked"] }] }]);
const DENIED = "rbac_access_denied_matched_policy[ns[foo]-policy[deny]-rule[0]]";

/** An application that does not respond by itself. */
function silentApplication(): { readonly reply: Reply; readonly sockets: Map<string, Socket> } {
  const sockets = new Map<string, Socket>();
  const reply: Reply = ({ line }, socket) => {
    sockets.set(line.split(" ")[1] ?? "", socket);
    return undefined;
  };
  return { reply, sockets };
}

interface Started extends JudgedPath {
  /** The application's connections by the path of their request. */
  readonly sockets: Map<string, Socket>;
}

async function startSilent(start: (typeof JUDGED_PATHS)[number]["start"]): Promise<Started> {
  const { reply, sockets } = silentApplication();
  return { ...(await start(cleanup, { policies: [], reply })), sockets };
}

describe.each(JUDGED_PATHS)("$name, when the policies change", ({ start }) => {
  it("a request without a response gets 403 if it is denied now", async () => {
    const { side, port, upstream } = await startSilent(start);
    const client = await dialRaw(cleanup, port);
    client.write(`GET /revoked HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
    await upstream.next("request");
    const gone = upstream.next("closed");
    side.setPolicies([REVOKED]);
    expect(await readUntilClosed(client)).toMatch(/^HTTP\/1\.1 403 .*RBAC: access denied$/s);
    await gone;
    expect(side.http.logged).toMatchObject([
      { status: 403, flags: "-", details: DENIED, authorization: { kind: "denied" } },
    ]);
    expect(upstream.executed).toHaveLength(1);
  });

  it("a request whose body is on its way gets 403, and the application never the end of it", async () => {
    const { side, port, upstream } = await startSilent(start);
    const client = await dialRaw(cleanup, port);
    client.write(`POST /revoked HTTP/1.1\r\n${HOST}Content-Length: 100\r\nConnection: close\r\n\r\nabc`);
    await upstream.next("connection");
    const gone = upstream.next("closed");
    side.setPolicies([REVOKED]);
    expect(await readUntil(client, "denied")).toMatch(/^HTTP\/1\.1 403 /);
    client.write("x".repeat(97));
    await gone;
    expect(upstream.executed).toEqual([]);
  });

  it("a response that has begun breaks off if its request is denied now", async () => {
    const { side, port, upstream, sockets } = await startSilent(start);
    const client = await dialRaw(cleanup, port);
    client.write(`GET /revoked HTTP/1.1\r\n${HOST}\r\n`);
    await upstream.next("request");
    sockets.get("/revoked")?.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
    await readUntil(client, "some");
    const gone = upstream.next("closed");
    const rest = readAll(client);
    side.setPolicies([REVOKED]);
    expect(await rest).toEqual({ text: "", reset: true });
    await gone;
    expect(side.http.logged).toMatchObject([{ status: 200, flags: "DO", details: DENIED }]);
  });

  it("requests that are still allowed go on", async () => {
    const { side, port, upstream, sockets } = await startSilent(start);
    const client = await dialRaw(cleanup, port);
    client.write(`GET /kept HTTP/1.1\r\n${HOST}\r\n`);
    await upstream.next("request");
    side.setPolicies([REVOKED]);
    sockets.get("/kept")?.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nkept");
    await readUntil(client, "kept");
    expect(side.http.logged).toMatchObject([{ status: 200, flags: "-", details: "" }]);
  });

  it("an idle connection stays, and its next request is judged", async () => {
    const { port, side, upstream } = await start(cleanup, { policies: [] });
    const client = await dialRaw(cleanup, port);
    client.write(`GET /revoked HTTP/1.1\r\n${HOST}\r\n`);
    await readUntil(client, "served GET /revoked");
    side.setPolicies([REVOKED]);
    client.write(`GET /revoked HTTP/1.1\r\n${HOST}\r\n`);
    expect(await readUntil(client, "denied")).toMatch(/^HTTP\/1\.1 403 /);
    side.setPolicies([]);
    client.write(`GET /revoked HTTP/1.1\r\n${HOST}\r\n`);
    await readUntil(client, "served GET /revoked");
    expect(upstream.executed).toHaveLength(2);
  });

  it("a tunnel is cut on both sides if its request is denied now", async () => {
    const { side, port, upstream, sockets } = await startSilent(start);
    const client = await dialRaw(cleanup, port);
    client.write(`GET /revoked HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    await upstream.next("request");
    const application = sockets.get("/revoked") ?? client;
    application.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello");
    await readUntil(client, "hello");
    const gone = readAll(application);
    const rest = readAll(client);
    side.setPolicies([policyOf("DENY", [{ to: [{ paths: ["/other"] }] }])]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(client.destroyed).toBe(false);
    side.setPolicies([REVOKED]);
    expect(await rest).toEqual({ text: "", reset: true });
    expect(await gone).toEqual({ text: "", reset: true });
    await expect.poll(() => side.http.logged).toMatchObject([{ status: 101, flags: "DO", details: DENIED }]);
  });

  it("over HTTP/2 only the streams that are denied now end", async () => {
    const { side, port, upstream, sockets } = await startSilent(start);
    const client = await dialHttp2(cleanup, port);
    for (const [index, path] of ["/revoked", "/kept", "/revoked?late"].entries()) {
      const arrived = upstream.next("request");
      client.send(client.headers(2 * index + 1, requestOf(path)));
      await arrived;
    }
    for (const path of ["/revoked", "/kept"]) {
      sockets.get(path)?.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
    }
    await client.until(() => client.response(1).content === "ab" && client.response(3).content === "ab");
    side.setPolicies([REVOKED]);
    expect(await client.ended(1)).toMatchObject({ statuses: ["200"], resetCode: expect.any(Number) });
    expect(client.response(1).resetCode).not.toBe(ERROR_CODE.refusedStream);
    expect(await client.ended(5)).toMatchObject({ statuses: ["403"], content: "RBAC: access denied" });
    sockets.get("/kept")?.write("cd");
    expect(await client.ended(3)).toMatchObject({ statuses: ["200"], content: "abcd", resetCode: undefined });
    expect(client.goaways).toEqual([]);
    const next = upstream.next("request");
    client.send(client.headers(7, requestOf("/next")));
    await next;
  });
});

it("a call of gRPC whose response has begun learns that it is denied now", async () => {
  const path = await JUDGED_PATHS[0]?.start(cleanup, { policies: [], protocol: "undeclared" });
  if (path === undefined) throw new Error("no path");
  const { side, port, upstream } = path;
  const client = await dialHttp2(cleanup, port);
  const call = requestOf("/revoked", [["content-type", "application/grpc"]], "POST");
  const arrived = upstream.next("connection");
  client.send(client.headers(1, call, { ends: false }), dataFrame(1, "\0\0\0\0\0", false));
  await arrived;
  side.setPolicies([REVOKED]);
  const { statuses, fields } = await client.ended(1);
  expect([statuses, fields]).toEqual([["200"], expect.arrayContaining([["grpc-status", "7"]])]);
});

describe("an open stream, when the policies change", () => {
  async function startStreams() {
    const received: string[] = [];
    const applicationPort = await listen(cleanup, (socket) => {
      socket.on("data", (chunk: Buffer) => void received.push(chunk.toString("latin1")));
      socket.pipe(socket);
    });
    const side = await startInboundSide(cleanup, { mode: "PERMISSIVE", applicationPort, protocol: "tcp" });
    const overrides = { protocol: "tcp" } as const;
    const { port } = await startOutboundSide(cleanup, { destination: meshDestination([side.port], { overrides }) });
    const clients = [connectClient(cleanup, side.port), connectClient(cleanup, port)] as const;
    for (const client of clients) {
      client.write("a");
      await once(client, "data");
    }
    return { side, plaintext: clients[0], peer: clients[1], received };
  }

  it("is cut if it is denied now, and others stay", async () => {
    const { side, plaintext, peer, received } = await startStreams();
    const over = readAll(plaintext);
    side.setPolicies([policyOf("ALLOW", [{ from: [{ namespaces: ["ns1"] }] }])]);
    expect(await over).toEqual({ text: "", reset: true });
    expect(side.recorder.cuts).toEqual(["policy_changed"]);
    peer.write("b");
    await once(peer, "data");
    expect(received).toEqual(["a", "a", "b"]);
  });

  it("stays if nothing of it is denied", async () => {
    const { side, plaintext } = await startStreams();
    side.setPolicies([policyOf("DENY", [{ to: [{ ports: ["1"] }] }])]);
    plaintext.write("b");
    await once(plaintext, "data");
    expect(side.recorder.cuts).toEqual([]);
  });
});
