import { afterEach, describe, expect, it } from "vitest";
import { policyOf } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntil, sendRaw } from "../../../net/raw-client-fixture.ts";
import { HOP_VERSIONS } from "../../http/paths/two-sidecars-fixture.ts";
import { dialHttp2, requestOf } from "../../http/raw-http2-client-fixture.ts";
import { dataFrame } from "../../http2/frames/frame-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";
import { JUDGED_PATHS } from "./judged-paths-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const HOST = "Host: shop.example\r\n";
const LAST = `${HOST}Connection: close\r\n\r\n`;
const DENIED_BODY = "RBAC: access denied";
/** Requests of GET to `/public`, from anybody. */
const POLICIES = [policyOf("ALLOW", [{ to: [{ methods: ["GET"], paths: ["/public", "/public/*"] }] }])];
const DENIED = "rbac_access_denied_matched_policy[none]";

describe.each(JUDGED_PATHS)("$name, a request of HTTP/1.1", ({ start }) => {
  it("that is denied gets 403 with Istio's text, and never reaches the application", async () => {
    const { port, side, upstream } = await start(cleanup, { policies: POLICIES });
    const response = await sendRaw(cleanup, port, `POST /public HTTP/1.1\r\n${LAST}`);
    expect(response).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/);
    expect(response).toContain("\r\ncontent-length: 19\r\n");
    expect(response.split("\r\n\r\n")[1]).toBe(DENIED_BODY);
    expect(response).not.toContain("entente-");
    expect(upstream.executed).toEqual([]);
    expect(side.http.logged).toMatchObject([
      { status: 403, flags: "-", details: DENIED, authorization: { kind: "denied", ruleId: "none" } },
    ]);
    expect(side.http.counted).toMatchObject([{ status: 403, flags: "-" }]);
    expect(side.http.verdicts).toMatchObject([{ kind: "denied" }]);
  });

  it("that is allowed is served, with the rule that allows it in the log", async () => {
    const { port, side, upstream } = await start(cleanup, { policies: POLICIES });
    expect(await sendRaw(cleanup, port, `GET /public?a=b HTTP/1.1\r\n${LAST}`)).toMatch(/^HTTP\/1\.1 200 /);
    expect(upstream.executed).toMatchObject([{ line: "GET /public?a=b HTTP/1.1" }]);
    expect(side.http.logged).toMatchObject([
      { status: 200, details: "", authorization: { kind: "allowed", ruleId: "ns[foo]-policy[allow]-rule[0]" } },
    ]);
  });

  it("that is denied leaves the connection to the next one", async () => {
    const { port, upstream } = await start(cleanup, { policies: POLICIES });
    const client = await dialRaw(cleanup, port);
    client.write(`POST /public HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`);
    await readUntil(client, DENIED_BODY);
    client.write(`GET /public/1 HTTP/1.1\r\n${HOST}\r\n`);
    await readUntil(client, "served GET /public/1");
    client.write(`GET /secret HTTP/1.1\r\n${HOST}\r\n`);
    await readUntil(client, DENIED_BODY);
    expect(upstream.executed.map(({ line }) => line)).toEqual(["GET /public/1 HTTP/1.1"]);
  });

  it("behind another one in the same packet is judged by itself", async () => {
    const { port, upstream } = await start(cleanup, { policies: POLICIES });
    const chunked = `GET /public HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`;
    const bytes = `${chunked}DELETE /public HTTP/1.1\r\n${HOST}\r\nGET /public/2 HTTP/1.1\r\n${LAST}`;
    const response = await sendRaw(cleanup, port, bytes);
    expect(response).toMatch(/200 OK.*403 Forbidden.*200 OK/s);
    expect(upstream.executed.map(({ line }) => line)).toEqual(["GET /public HTTP/1.1", "GET /public/2 HTTP/1.1"]);
  });

  it("whose body looks like an allowed request is one request", async () => {
    const { port, upstream } = await start(cleanup, { policies: POLICIES });
    const smuggled = `GET /public HTTP/1.1\r\n${LAST}`;
    const length = `Content-Length: ${smuggled.length + 200_000}\r\n`;
    const head = `POST /secret HTTP/1.1\r\n${length}${LAST}`;
    const response = await sendRaw(cleanup, port, head + smuggled + "x".repeat(200_000));
    expect(response.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(response).toMatch(/^HTTP\/1\.1 403 /);
    expect(upstream.executed).toEqual([]);
  });

  it("that expects 100-continue is not asked for its body", async () => {
    const { port, upstream } = await start(cleanup, { policies: POLICIES });
    const head = `POST /public HTTP/1.1\r\n${HOST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`;
    expect(await sendRaw(cleanup, port, head)).toMatch(/^HTTP\/1\.1 403 .*connection: close/s);
    expect(upstream.executed).toEqual([]);
  });

  it("HEAD that is denied gets a head alone", async () => {
    const { port } = await start(cleanup, { policies: POLICIES });
    const response = await sendRaw(cleanup, port, `HEAD /public HTTP/1.1\r\n${LAST}`);
    expect(response).toMatch(/^HTTP\/1\.1 403 .*content-length: 19\r\n.*\r\n\r\n$/s);
  });
});

describe.each(JUDGED_PATHS)("$name, a request of HTTP/2", ({ start }) => {
  it("that is denied gets 403, and its neighbours are served", async () => {
    const { port, side, upstream } = await start(cleanup, { policies: POLICIES });
    const client = await dialHttp2(cleanup, port);
    client.send(
      client.headers(1, requestOf("/secret")),
      client.headers(3, requestOf("/public")),
      client.headers(5, requestOf("/public", [], "POST"), { ends: false }),
      dataFrame(5, "abc", true),
    );
    expect(await client.ended(1)).toMatchObject({ statuses: ["403"], content: DENIED_BODY, resetCode: undefined });
    expect(await client.ended(3)).toMatchObject({ statuses: ["200"] });
    expect(await client.ended(5)).toMatchObject({ statuses: ["403"], content: DENIED_BODY });
    expect(upstream.executed.map(({ line }) => line)).toEqual(["GET /public HTTP/1.1"]);
    expect(side.http.logged.map(({ status, flags, details }) => [status, flags, details]).sort()).toEqual([
      [200, "-", ""],
      [403, "-", DENIED],
      [403, "-", DENIED],
    ]);
  });

  it("that is a call of gRPC ends with PERMISSION_DENIED", async () => {
    const { port, side } = await start(cleanup, { policies: POLICIES });
    const client = await dialHttp2(cleanup, port);
    const call = requestOf("/shop.Orders/List", [["content-type", "application/grpc"]], "POST");
    const response = await client.ask(1, call, "\0\0\0\0\0");
    expect(response).toMatchObject({ statuses: ["200"], content: "", trailers: [] });
    expect(response.fields).toEqual(
      expect.arrayContaining([
        ["grpc-status", "7"],
        ["grpc-message", DENIED_BODY],
      ]),
    );
    expect(side.http.calls).toMatchObject([{ status: 200, grpcStatus: 7, flags: "-" }]);
    expect(side.http.logged).toMatchObject([{ details: DENIED, grpcStatus: 7 }]);
  });
});

describe("a request to a pod with policies", () => {
  it("is judged by the verified identity of its client", async () => {
    const policies = [policyOf("ALLOW", [{ from: [{ principals: ["cluster.local/ns/ns1/sa/default"] }] }])];
    const [plaintext, twoSidecars] = JUDGED_PATHS;
    const denied = await plaintext?.start(cleanup, { policies });
    const allowed = await twoSidecars?.start(cleanup, { policies });
    expect(await sendRaw(cleanup, denied?.port ?? 0, `GET / HTTP/1.1\r\n${LAST}`)).toMatch(/^HTTP\/1\.1 403 /);
    expect(await sendRaw(cleanup, allowed?.port ?? 0, `GET / HTTP/1.1\r\n${LAST}`)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it.each([
    { port: "of the pod", ok: true },
    { port: "of a Service", ok: false },
  ])("is judged by the port $port: $ok", async ({ ok }) => {
    const [plaintext] = JUDGED_PATHS;
    const path = await plaintext?.start(cleanup, { policies: [policyOf("DENY", [])] });
    if (path === undefined) throw new Error("no path");
    const port = ok ? path.upstream.port : path.side.port;
    path.side.setPolicies([policyOf("ALLOW", [{ to: [{ ports: [String(port)] }] }])]);
    const response = await sendRaw(cleanup, path.port, `GET / HTTP/1.1\r\n${LAST}`);
    expect(response).toMatch(ok ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 403 /);
  });

  it("on an undeclared port is judged as a request", async () => {
    const [plaintext] = JUDGED_PATHS;
    const path = await plaintext?.start(cleanup, { policies: POLICIES, protocol: "undeclared" });
    if (path === undefined) throw new Error("no path");
    expect(await sendRaw(cleanup, path.port, `GET /public HTTP/1.1\r\n${LAST}`)).toMatch(/^HTTP\/1\.1 200 /);
    expect(await sendRaw(cleanup, path.port, `GET /secret HTTP/1.1\r\n${LAST}`)).toMatch(/^HTTP\/1\.1 403 /);
    const client = await dialHttp2(cleanup, path.port);
    expect((await client.ask(1, requestOf("/secret"))).statuses).toEqual(["403"]);
    expect(path.upstream.executed).toHaveLength(1);
  });

  it("is not judged where no policy applies", async () => {
    const [plaintext] = JUDGED_PATHS;
    const path = await plaintext?.start(cleanup, { policies: [] });
    if (path === undefined) throw new Error("no path");
    expect(await sendRaw(cleanup, path.port, `GET / HTTP/1.1\r\n${LAST}`)).toMatch(/^HTTP\/1\.1 200 /);
    expect([path.side.http.verdicts, path.side.http.logged[0]?.authorization]).toEqual([[], undefined]);
  });
});

describe.each(HOP_VERSIONS)(
  "with HTTP/%s between the sidecars, a request that one of two pods denies",
  (httpVersion) => {
    async function startPods() {
      const upstream = await startLenientUpstream(cleanup, () => undefined);
      const startPod = () =>
        startInboundSide(cleanup, { mode: "STRICT", applicationPort: upstream.port, protocol: "http" });
      const pods = [await startPod(), await startPod()] as const;
      const overrides = { protocol: "http", connectionPool: { httpVersion } } as const;
      const destination = meshDestination(
        pods.map(({ port }) => port),
        { overrides },
      );
      return { pods, upstream, outbound: await startOutboundSide(cleanup, { destination }) };
    }

    it("is not sent to the other one", async () => {
      const { pods, upstream, outbound } = await startPods();
      for (const pod of pods) pod.setPolicies([policyOf("DENY", [{}])]);
      expect(await sendRaw(cleanup, outbound.port, `GET / HTTP/1.1\r\n${LAST}`)).toMatch(/^HTTP\/1\.1 403 /);
      expect(pods.map(({ http }) => http.logged.length).sort()).toEqual([0, 1]);
      expect(upstream.executed).toEqual([]);
    });

    it("is not sent to the other one either when new policies deny it in progress", async () => {
      const { pods, upstream, outbound } = await startPods();
      const response = sendRaw(cleanup, outbound.port, `GET / HTTP/1.1\r\n${LAST}`);
      await upstream.next("request");
      for (const pod of pods) pod.setPolicies([policyOf("DENY", [{}])]);
      expect(await response).toMatch(/^HTTP\/1\.1 403 /);
      expect(pods.map(({ http }) => http.logged.length).sort()).toEqual([0, 1]);
      expect(upstream.executed).toHaveLength(1);
    });
  },
);
