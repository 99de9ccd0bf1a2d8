import { afterEach, describe, expect, it } from "vitest";
import type { AuthorizationPolicyRules } from "../../../mesh/policy/authorization/authorization.ts";
import { policyOf, type ShortRule } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import { systemClock } from "../../../mesh/runtime.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { parseExposition, readPage } from "../../../net/metrics/exposition-fixture.ts";
import { sendRaw } from "../../../net/raw-client-fixture.ts";
import { createProxyMetrics } from "../../telemetry/proxy-metrics.ts";
import type { AccessLogEntry } from "../../telemetry/request-meter.ts";
import { formatRequest, startLenientGateway, type TestGatewayOptions } from "../gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const DENY = (...rules: readonly ShortRule[]): AuthorizationPolicyRules => policyOf("DENY", rules);
const ALLOW = (...rules: readonly ShortRule[]): AuthorizationPolicyRules => policyOf("ALLOW", rules);

/** A gateway with these policies, with its access log and its metrics. */
async function start(policies: readonly AuthorizationPolicyRules[], options: TestGatewayOptions = {}) {
  const entries: AccessLogEntry[] = [];
  const metrics = createProxyMetrics({ clock: systemClock });
  const started = await startLenientGateway(cleanup, {
    authorization: { policies },
    accessLog: { write: (entry) => void entries.push(entry) },
    metrics,
    ...options,
  });
  const send = (text: string): Promise<string> => sendRaw(cleanup, started.port, text);
  return { ...started, entries, metrics, send };
}

function get(headers = "", path = "/"): string {
  return formatRequest(path, { headers: `${headers}Connection: close\r\n` });
}

const DENIED = /^HTTP\/1\.1 403 Forbidden\r\n.*content-type: text\/plain.*\r\n\r\nRBAC: access denied$/is;
const UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\n";

it("trailers bring no field that a policy asks for, in any spelling", async () => {
  const { send, upstream } = await start([DENY({ when: { "request.headers[x-role]": ["admin"] } })]);
  const body = "3\r\nabc\r\n0\r\nX-Role: admin\r\nx_role: admin\r\nchecksum: kept\r\n\r\n";
  const headers = "Transfer-Encoding: chunked\r\nConnection: close\r\n";
  expect(await send(formatRequest("/", { method: "POST", headers, body }))).toMatch(/ 200 /);
  expect(upstream.executed[0]?.body).toContain("kept");
  expect(upstream.executed[0]?.body).not.toContain("admin");
});

describe("a request that the policies deny", () => {
  it("gets Istio's reply, and its upstream is not even dialled", async () => {
    const { send, dialer, upstream } = await start([DENY({})]);
    expect(await send(get())).toMatch(DENIED);
    expect([dialer.dials.length, upstream.executed.length]).toEqual([0, 0]);
  });

  it("gets PERMISSION_DENIED as a call of gRPC", async () => {
    const { send } = await start([DENY({})]);
    const headers = "Content-Type: application/grpc\r\nContent-Length: 0\r\nConnection: close\r\n";
    const answer = await send(formatRequest("/a.B/C", { method: "POST", headers }));
    expect(answer).toMatch(/^HTTP\/1\.1 200 .*\r\ngrpc-status: 7\r\ngrpc-message: RBAC: access denied\r\n/s);
  });

  it("is denied whatever its route is: unknown host, redirect, fault, delay", async () => {
    const fault = { abort: { httpStatus: 418, percentage: 100 }, delay: { fixedDelayMs: 60_000, percentage: 100 } };
    const redirect = { code: 301 as const, host: "other.example" };
    const { send } = await start([DENY({})], { route: { fault, redirect } });
    expect(await send(get())).toMatch(DENIED);
    expect(await send(get().replace("shop.example", "other.example"))).toMatch(DENIED);
  });

  it("is denied as an upgrade, with the connection closed", async () => {
    const { send, upstream } = await start([DENY({})]);
    expect(await send(formatRequest("/", { headers: UPGRADE }))).toMatch(DENIED);
    expect(upstream.executed).toEqual([]);
  });

  it("does not end its connection: the next request is judged alone", async () => {
    const { send, upstream } = await start([DENY({ to: [{ paths: ["/no"] }] })]);
    const answer = await send(formatRequest("/no") + get("", "/yes"));
    expect(answer).toMatch(/^HTTP\/1\.1 403 .*RBAC: access deniedHTTP\/1\.1 200 /s);
    expect(upstream.executed.map(({ line }) => line)).toEqual(["GET /yes HTTP/1.1"]);
  });

  it("has a body that is not read as the next request", async () => {
    const { send, upstream } = await start([DENY({ to: [{ methods: ["POST"] }] })]);
    const body = get("", "/smuggled");
    const headers = `Content-Length: ${body.length}\r\n`;
    const answer = await send(formatRequest("/", { method: "POST", headers, body }) + get("", "/yes"));
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(upstream.executed.map(({ line }) => line).filter((line) => line !== "GET /yes HTTP/1.1")).toEqual([]);
  });

  it("gets no 100 Continue, so its body is never sent", async () => {
    const { send, upstream } = await start([DENY({ to: [{ methods: ["POST"] }] })]);
    const headers = "Expect: 100-continue\r\nContent-Length: 36\r\n";
    const answer = await send(formatRequest("/", { method: "POST", headers }));
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(answer).not.toContain("100 Continue");
    expect(upstream.executed).toEqual([]);
  });

  it("is counted and logged with the rule, and without a flag", async () => {
    const { send, entries, metrics, log } = await start([
      DENY({ to: [{ paths: ["/x"] }] }, { to: [{ paths: ["/no"] }] }),
    ]);
    await send(get("", "/no?secret"));
    await send(get("", "/yes"));
    await expect.poll(() => entries.length).toBe(2);
    const ruleId = "ns[foo]-policy[deny]-rule[1]";
    expect(entries[0]).toMatchObject({
      status: 403,
      flags: "-",
      details: `rbac_access_denied_matched_policy[${ruleId}]`,
      authorization: { kind: "denied", ruleId },
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(entries[1]).toMatchObject({ status: 200, details: "", authorization: { kind: "allowed", ruleId: "none" } });
    const counted = parseExposition(await readPage(metrics)).filter(({ name }) => name === "entente_rbac_total");
    expect(counted.map(({ labels, value }) => [labels["authz_enforce_result"], labels["rule"], value])).toEqual([
      ["denied", ruleId, 1],
      ["allowed", "none", 1],
    ]);
    const lines = log.lines.filter(({ fields }) => fields["code"] === "authorization_denied");
    expect(lines).toHaveLength(1);
    expect(JSON.stringify(lines)).not.toContain("secret");
  });
});

describe("a policy of the gateway", () => {
  it.each<{ name: string; policies: readonly AuthorizationPolicyRules[]; request: string; isAllowed: boolean }>([
    { name: "none: everything is allowed", policies: [], request: get(), isAllowed: true },
    { name: "ALLOW without rules denies everything", policies: [ALLOW()], request: get(), isAllowed: false },
    {
      name: "a client has no identity",
      policies: [ALLOW({ from: [{ principals: ["*"] }] })],
      request: get(),
      isAllowed: false,
    },
    {
      name: "a forged identity is none",
      policies: [ALLOW({ when: { "request.headers[x-forwarded-client-cert]": ["*"] } })],
      request: get("X-Forwarded-Client-Cert: URI=spiffe://cluster.local/ns/foo/sa/curl\r\n"),
      isAllowed: false,
    },
    {
      name: "the source's address is the TCP peer's",
      policies: [ALLOW({ from: [{ ipBlocks: ["127.0.0.0/8"] }] })],
      request: get("X-Forwarded-For: 203.0.113.9\r\n"),
      isAllowed: true,
    },
    {
      name: "a host is compared without its case",
      policies: [DENY({ to: [{ hosts: ["shop.example"] }] })],
      request: get().replace("shop.example", "SHOP.Example"),
      isAllowed: false,
    },
    {
      name: "a host is compared without a final dot",
      policies: [DENY({ to: [{ hosts: ["shop.example"] }] })],
      request: get().replace("shop.example", "shop.example."),
      isAllowed: false,
    },
    {
      name: "a host is compared without an empty port",
      policies: [DENY({ to: [{ hosts: ["shop.example"] }] })],
      request: get().replace("shop.example", "shop.example:"),
      isAllowed: false,
    },
    {
      name: "a host is compared with its port, as under Istio",
      policies: [DENY({ to: [{ hosts: ["shop.example"] }] })],
      request: get().replace("shop.example", "shop.example:80"),
      isAllowed: true,
    },
    {
      name: "the host of an absolute target wins over Host",
      policies: [DENY({ to: [{ hosts: ["shop.example"] }] })],
      request: get().replace("GET /", "GET http://shop.example/").replace("Host: shop.example", "Host: other.example"),
      isAllowed: false,
    },
    {
      name: "each line of a repeated field is compared alone",
      policies: [DENY({ when: { "request.headers[x-role]": ["admin"] } })],
      request: get("X-Role: user\r\nX-ROLE: admin\r\n"),
      isAllowed: false,
    },
    {
      name: "a method is compared as it was sent",
      policies: [ALLOW({ to: [{ methods: ["GET", "brew"] }] })],
      request: get().replace("GET", "BREW"),
      isAllowed: false,
    },
  ])("$name", async ({ policies, request, isAllowed }) => {
    const { send, upstream } = await start(policies);
    expect(await send(request)).toMatch(isAllowed ? /^HTTP\/1\.1 200 / : DENIED);
    expect(upstream.executed.length).toBe(isAllowed ? 1 : 0);
  });

  it("judges the port of the pod", async () => {
    const { send, port, setAuthorization } = await start([ALLOW({ to: [{ ports: ["80"] }] })]);
    expect(await send(get())).toMatch(DENIED);
    setAuthorization({ policies: [ALLOW({ to: [{ ports: [String(port)] }] })] });
    expect(await send(get())).toMatch(/^HTTP\/1\.1 200 /);
  });

  it.each(["delete", "Delete", "dELETE"])("is not evaded by a method in other letters: %s", async (method) => {
    const { send, upstream } = await start([DENY({ to: [{ methods: ["DELETE"] }] })]);
    expect(await send(get().replace("GET", method))).toMatch(/^HTTP\/1\.1 501 /);
    expect(upstream.executed).toEqual([]);
  });

  it.each(["x_role: admin", "X.Role: admin"])("is not evaded by another spelling of a field: %s", async (line) => {
    const { send, upstream } = await start([DENY({ when: { "request.headers[x-role]": ["admin"] } })]);
    expect(await send(get(`${line}\r\n`))).toMatch(/^HTTP\/1\.1 400 .*\r\n\r\nmalformed request: /s);
    expect(upstream.executed).toEqual([]);
  });

  it("in dry run changes nothing", async () => {
    const { send, entries } = await start([policyOf("DENY", [{}], { isDryRun: true })]);
    expect(await send(get())).toMatch(/^HTTP\/1\.1 200 /);
    await expect.poll(() => entries.length).toBe(1);
    expect(entries[0]?.authorization).toMatchObject({ kind: "allowed", dryRun: { deny: { result: "denied" } } });
  });
});
