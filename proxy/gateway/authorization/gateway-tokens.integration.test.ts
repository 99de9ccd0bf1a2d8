import { afterEach, describe, expect, it } from "vitest";
import { policyOf } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import {
  createIssuerKey,
  hmacToken,
  ISSUER,
  keySetOf,
  SUBJECT,
  signToken,
  testTokenRule,
  unsignedToken,
} from "../../../mesh/policy/request-authentication/token-issuer-fixture.ts";
import type { HttpMatch } from "../../../mesh/policy/routing/http-route.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { dialRaw, readUntil, sendRaw } from "../../../net/raw-client-fixture.ts";
import type { AccessLogEntry } from "../../telemetry/request-meter.ts";
import { formatRequest, startLenientGateway, type TestGatewayOptions } from "../gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const KEY = createIssuerKey("one");
const TOKEN = signToken(KEY);
const EXPIRED = signToken(KEY, { claims: { exp: 1 } });
const RULE = testTokenRule({
  jwks: keySetOf(KEY),
  outputPayloadToHeader: "x-payload",
  outputClaimToHeaders: [{ header: "x-sub", claim: "sub" }],
});
const AUTHORIZATION = {
  policies: [policyOf("ALLOW", [{ from: [{ requestPrincipals: [`${ISSUER}/${SUBJECT}`] }] }])],
};
/** Matches `/only`. */
const ONLY: HttpMatch = {
  uri: { kind: "exact", value: "/only" },
  headers: [],
  withoutHeaders: [],
  queryParams: [],
  ignoreUriCase: false,
};
const CLOSE = "Connection: close\r\n";

async function start(options: TestGatewayOptions & { readonly reply?: () => string } = {}) {
  const logged: AccessLogEntry[] = [];
  const gateway = await startLenientGateway(cleanup, {
    tokenRules: [RULE],
    accessLog: { write: (entry) => void logged.push(entry) },
    ...options,
  });
  const send = (path: string, headers: string) =>
    sendRaw(cleanup, gateway.port, formatRequest(path, { headers: headers + CLOSE }));
  return { ...gateway, logged, send };
}

function bearer(token: string): string {
  return `Authorization: Bearer ${token}\r\n`;
}

describe("a request to the gateway", () => {
  it("with a genuine token is its subject's, and the service gets what the rule says, without the token", async () => {
    const { send, upstream } = await start({ authorization: AUTHORIZATION });
    const forged = "X-Sub: admin\r\nX_Sub: admin\r\nX-Payload: forged\r\nConnection: x-sub, x-payload\r\n";
    expect(await send("/p", bearer(TOKEN) + forged)).toMatch(/^HTTP\/1\.1 200 /);
    const head = upstream.executed[0]?.head.toLowerCase() ?? "";
    expect(head).toContain(`x-sub: ${SUBJECT}`);
    expect(head).toContain(`x-payload: ${TOKEN.split(".")[1]}`.toLowerCase());
    expect(head).not.toMatch(/admin|forged|authorization/);
  });

  it("without one is judged as anonymous, and has no field of the client's own that would carry what was verified", async () => {
    const { send, upstream } = await start({ authorization: AUTHORIZATION });
    expect(await send("/p", "")).toMatch(/^HTTP\/1\.1 403 .*RBAC: access denied/s);
    const { send: sendAnonymous, upstream: second } = await start();
    expect(await sendAnonymous("/p", "X-Sub: admin\r\nx.payload: forged\r\n")).toMatch(/^HTTP\/1\.1 200 /);
    expect(upstream.executed).toEqual([]);
    expect(second.executed[0]?.head).not.toMatch(/admin|forged/);
  });

  it("with a forged output of a token is judged without it", async () => {
    const policies = [policyOf("ALLOW", [{ when: { "request.headers[x-sub]": [SUBJECT] } }])];
    const { send } = await start({ authorization: { policies } });
    expect(await send("/p", `X-Sub: ${SUBJECT}\r\n`)).toMatch(/^HTTP\/1\.1 403 /);
    expect(await send("/p", bearer(TOKEN))).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("has no such field in its trailers either", async () => {
    const { port, upstream } = await start();
    const chunks = "3\r\nabc\r\n0\r\nX-Sub: forged\r\nx_payload: forged\r\nchecksum: kept\r\n\r\n";
    const headers = `Transfer-Encoding: chunked\r\n${bearer(TOKEN)}${CLOSE}`;
    expect(await sendRaw(cleanup, port, formatRequest("/p", { method: "POST", headers, body: chunks }))).toMatch(
      / 200 /,
    );
    expect(upstream.executed[0]?.body).toContain("kept");
    expect(upstream.executed[0]?.body).not.toContain("forged");
  });

  it("with a token in the query loses it there, and in the log", async () => {
    const { send, upstream, logged } = await start();
    expect(await send(`/p?a=1&access_token=${TOKEN}&b=2`, "")).toMatch(/^HTTP\/1\.1 200 /);
    expect(upstream.executed[0]?.line).toBe("GET /p?a=1&b=2 HTTP/1.1");
    expect(logged).toMatchObject([{ path: "/p?a=1&access_token=[redacted]&b=2" }]);
  });

  it("that is a CORS preflight is not authenticated", async () => {
    const { port, upstream } = await start();
    const headers = `Origin: https://a\r\nAccess-Control-Request-Method: PUT\r\n${bearer("x")}${CLOSE}`;
    await sendRaw(cleanup, port, formatRequest("/p", { method: "OPTIONS", headers }));
    expect(upstream.executed).toHaveLength(1);
  });

  const pem = KEY.publicKey.export({ type: "spki", format: "pem" });
  it.each([
    {
      name: "the algorithm none",
      path: "/p",
      headers: bearer(`${unsignedToken({ alg: "none" }, { iss: ISSUER })}.`),
      text: "Jwt header [alg] is not supported",
    },
    {
      name: "HS256 with the public key",
      path: "/p",
      headers: bearer(hmacToken(pem)),
      text: "Jwt header [alg] is not supported",
    },
    {
      name: "another key with the same id",
      path: "/p",
      headers: bearer(signToken(createIssuerKey("one"))),
      text: "Jwt verification fails",
    },
    { name: "expired", path: "/p", headers: bearer(EXPIRED), text: "Jwt is expired" },
    {
      name: "an unknown issuer",
      path: "/p",
      headers: bearer(signToken(KEY, { claims: { iss: "x" } })),
      text: "Jwt issuer is not configured",
    },
    { name: "two fields", path: "/p", headers: bearer(TOKEN) + bearer(EXPIRED), text: "Found multiple Jwt tokens" },
    {
      name: "another one in the query",
      path: `/p?access_token=${EXPIRED}`,
      headers: bearer(TOKEN),
      text: "Found multiple Jwt tokens",
    },
    { name: "17 KB", path: "/p", headers: bearer("a".repeat(17_000)), text: "Jwt is too long" },
  ])("with a bad token never reaches a service: $name", async ({ path, headers, text }) => {
    const { send, upstream, answers, logged } = await start();
    const response = await send(path, headers);
    expect(response).toMatch(/^HTTP\/1\.1 401 /);
    expect(response.split("\r\n\r\n")[1]).toBe(text);
    expect(response.toLowerCase()).toContain(
      'www-authenticate: bearer realm="http://shop.example/p", error="invalid_token"',
    );
    expect([upstream.executed, answers]).toEqual([[], ["gateway 401 jwt_authn"]]);
    expect(logged).toMatchObject([{ status: 401, details: `jwt_authn_access_denied{${text.replaceAll(" ", "_")}}` }]);
    expect(JSON.stringify(logged)).not.toContain(EXPIRED);
  });

  it("for which no route is there learns that only with a good token", async () => {
    const { send } = await start({ route: { matches: [ONLY] } });
    expect(await send("/other", bearer(EXPIRED))).toMatch(/^HTTP\/1\.1 401 /);
    expect(await send("/other", bearer(TOKEN))).toMatch(/^HTTP\/1\.1 404 /);
  });

  it("that expects 100-continue is not asked for its body before its token is verified", async () => {
    const { port, upstream } = await start();
    const head = (token: string): string =>
      formatRequest("/p", { method: "POST", headers: `${bearer(token)}Content-Length: 3\r\nExpect: 100-continue\r\n` });
    expect(await sendRaw(cleanup, port, head(EXPIRED))).toMatch(/^HTTP\/1\.1 401 /);
    const client = await dialRaw(cleanup, port);
    client.write(head(TOKEN));
    await readUntil(client, "HTTP/1.1 100 Continue");
    client.write("abc");
    await readUntil(client, "served POST /p");
    expect(upstream.executed).toMatchObject([{ body: "abc" }]);
  });

  it("whose client leaves while its token is verified goes nowhere", async () => {
    const { port, gateway, dialer } = await start();
    for (let index = 0; index < 20; index += 1) {
      const client = await dialRaw(cleanup, port);
      client.write(formatRequest("/p", { headers: bearer(signToken(KEY, { claims: { index } })) }));
      client.resetAndDestroy();
    }
    await expect.poll(() => gateway.connections).toBe(0);
    expect(dialer.dials.length).toBeLessThanOrEqual(20);
  });
});

describe("an upgrade through the gateway", () => {
  const UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n";
  it("needs a good token, too, and its application does not receive it", async () => {
    const reply = () => "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello";
    const { port, upstream } = await start({ authorization: AUTHORIZATION, reply });
    const refused = await sendRaw(cleanup, port, formatRequest("/ws", { headers: UPGRADE + bearer(EXPIRED) }));
    expect(refused).toMatch(/^HTTP\/1\.1 401 .*Jwt is expired/s);
    const client = await dialRaw(cleanup, port);
    client.write(formatRequest("/ws", { headers: UPGRADE + bearer(TOKEN) }));
    await readUntil(client, "hello");
    expect(upstream.executed.map(({ line }) => line)).toEqual(["GET /ws HTTP/1.1"]);
    expect(upstream.executed[0]?.head).not.toContain(TOKEN);
  });
});
