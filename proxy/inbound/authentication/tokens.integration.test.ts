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
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { dialRaw, readUntil, sendRaw } from "../../../net/raw-client-fixture.ts";
import { dialHttp2, type FieldPairs, requestOf } from "../../http/raw-http2-client-fixture.ts";
import { dataFrame } from "../../http2/frames/frame-fixture.ts";
import { JUDGED_PATHS, type JudgedPath, type JudgedPathOptions } from "../authorization/judged-paths-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const KEY = createIssuerKey("one");
const TOKEN = signToken(KEY);
const RULE = testTokenRule({
  jwks: keySetOf(KEY),
  outputPayloadToHeader: "x-payload",
  outputClaimToHeaders: [{ header: "x-sub", claim: "sub" }],
});
/** Requests of this subject alone. */
const POLICIES = [policyOf("ALLOW", [{ from: [{ requestPrincipals: [`${ISSUER}/${SUBJECT}`] }] }])];

interface Sent {
  readonly path?: string;
  readonly method?: string;
  readonly fields?: FieldPairs;
}

/** Sends a request, and returns status and content. */
type Send = (port: number, sent: Sent) => Promise<string>;

const overHttp1: Send = async (port, { path = "/p", method = "GET", fields = [] }) => {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const text = await sendRaw(
    cleanup,
    port,
    `${method} ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${lines}\r\n`,
  );
  return `${text.split(" ")[1]} ${text.split("\r\n\r\n")[1]}`;
};

const overHttp2: Send = async (port, { path = "/p", method = "GET", fields = [] }) => {
  const client = await dialHttp2(cleanup, port);
  const { statuses, content } = await client.ask(1, requestOf(path, fields, method));
  return `${statuses.join()} ${content}`;
};

interface SentTrailers {
  readonly fields: FieldPairs;
  readonly trailers: Readonly<Record<string, string>>;
}

/** Sends a body, and fields behind it. Resolves when the request is served. */
type SendTrailers = (port: number, sent: SentTrailers) => Promise<unknown>;

const trailersOverHttp1: SendTrailers = async (port, { fields, trailers }) => {
  const lines = (pairs: FieldPairs): string => pairs.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = `POST /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n${lines(fields)}\r\n`;
  const body = `13\r\ncontent of the body\r\n0\r\n${lines(Object.entries(trailers))}\r\n`;
  expect(await sendRaw(cleanup, port, head + body)).toMatch(/^HTTP\/1\.1 200 /);
};

const trailersOverHttp2: SendTrailers = async (port, { fields, trailers }) => {
  const client = await dialHttp2(cleanup, port);
  client.send(
    client.headers(1, requestOf("/p", fields, "POST"), { ends: false }),
    dataFrame(1, "content of the body", false),
    client.headers(1, Object.entries(trailers)),
  );
  expect((await client.ended(1)).statuses).toEqual(["200"]);
};

const CLIENTS = [
  { version: "HTTP/1.1", send: overHttp1, sendTrailers: trailersOverHttp1 },
  { version: "HTTP/2", send: overHttp2, sendTrailers: trailersOverHttp2 },
];
const CASES = JUDGED_PATHS.flatMap((path) => CLIENTS.map((client) => ({ ...path, ...client })));

function bearer(token: string): FieldPairs {
  return [["authorization", `Bearer ${token}`]];
}

/** The head of the only request that the application got, in small letters. */
function headOf({ upstream }: JudgedPath): string {
  expect(upstream.executed).toHaveLength(1);
  return `${upstream.executed[0]?.head.toLowerCase()}\r\n`;
}

describe.each(CASES)("$name, a request of $version", ({ start, send, sendTrailers }) => {
  const open = (options: Partial<JudgedPathOptions> = {}): Promise<JudgedPath> =>
    start(cleanup, { policies: POLICIES, tokenRules: [RULE], ...options });

  it("with a genuine token is its subject's, and the application gets what the rule says, without the token", async () => {
    const path = await open();
    const forged: FieldPairs = [...bearer(TOKEN), ["x-sub", "admin"], ["x_sub", "admin"], ["x.payload", "forged"]];
    expect(await send(path.port, { fields: forged })).toMatch(/^200 /);
    const head = headOf(path);
    expect(head).toContain(`x-sub: ${SUBJECT}\r\n`);
    expect(head).toContain(`x-payload: ${TOKEN.split(".")[1]}\r\n`.toLowerCase());
    expect(head).not.toMatch(/admin|forged|authorization|x_sub|x\.payload/);
    expect(path.side.http.logged).toMatchObject([{ status: 200, details: "" }]);
  });

  it("without one is judged as anonymous", async () => {
    const path = await open();
    expect(await send(path.port, {})).toBe("403 RBAC: access denied");
    expect(path.upstream.executed).toEqual([]);
  });

  it("without one has no field of the client's own that would carry what was verified", async () => {
    const path = await open({ policies: [] });
    const fields: FieldPairs = [
      ["x-sub", "admin"],
      ["x_sub", "admin"],
      ["x.payload", "forged"],
      ["x-other", "kept"],
    ];
    expect(await send(path.port, { fields })).toMatch(/^200 /);
    expect(headOf(path)).not.toMatch(/admin|forged/);
    expect(headOf(path)).toContain("x-other: kept\r\n");
  });

  it("has no such field in its trailers either, and all of its body", async () => {
    const path = await open({ policies: [] });
    const trailers = { "x-sub": "forged", x_payload: "forged", checksum: "kept" };
    for (const fields of [[], bearer(TOKEN)]) await sendTrailers(path.port, { fields, trailers });
    expect(path.upstream.executed).toHaveLength(2);
    for (const { body } of path.upstream.executed) {
      expect(body).toContain("kept");
      expect(body).toContain("content of the body");
      expect(body).not.toContain("forged");
    }
  });

  it("with a token in the query loses it there, and in the log", async () => {
    const path = await open({ tokenRules: [{ ...RULE, fromParams: ["t"] }] });
    expect(await send(path.port, { path: `/p?a=1&t=${TOKEN}&b=2` })).toMatch(/^200 /);
    expect(path.upstream.executed[0]?.line).toBe("GET /p?a=1&b=2 HTTP/1.1");
    expect(path.side.http.logged).toMatchObject([{ path: "/p?a=1&t=[redacted]&b=2" }]);
  });

  it("with a token in a cookie loses only this one", async () => {
    const path = await open({ tokenRules: [{ ...RULE, fromCookies: ["t"] }] });
    const fields: FieldPairs = [["cookie", `a=1; t=${TOKEN}; b=2`]];
    expect(await send(path.port, { fields })).toMatch(/^200 /);
    expect(headOf(path)).toContain("cookie: a=1; b=2\r\n");
    expect(headOf(path).match(/cookie:/g)).toHaveLength(1);
  });

  it("keeps its token if the rule says so", async () => {
    const path = await open({ tokenRules: [{ ...RULE, forwardOriginalToken: true }] });
    expect(await send(path.port, { fields: bearer(TOKEN) })).toMatch(/^200 /);
    expect(headOf(path)).toContain(`authorization: bearer ${TOKEN}`.toLowerCase());
  });

  it("that is a CORS preflight is not authenticated", async () => {
    const path = await open({ policies: [] });
    const fields: FieldPairs = [["origin", "https://a"], ["access-control-request-method", "PUT"], ...bearer("x")];
    expect(await send(path.port, { method: "OPTIONS", fields })).toMatch(/^200 /);
    expect(await send(path.port, { method: "GET", fields })).toMatch(/^401 /);
  });

  const expired = signToken(KEY, { claims: { exp: 1 } });
  const publicPem = KEY.publicKey.export({ type: "spki", format: "pem" });
  const attacker = createIssuerKey("one");
  it.each([
    {
      name: "the algorithm none",
      sent: { fields: bearer(`${unsignedToken({ alg: "none" }, { iss: ISSUER })}.`) },
      text: "401 Jwt header [alg] is not supported",
    },
    {
      name: "HS256 with the public key",
      sent: { fields: bearer(hmacToken(publicPem)) },
      text: "401 Jwt header [alg] is not supported",
    },
    {
      name: "another key with the same id",
      sent: { fields: bearer(signToken(attacker)) },
      text: "401 Jwt verification fails",
    },
    {
      name: "an injected key id",
      sent: { fields: bearer(signToken(attacker, { header: { kid: "../one" } })) },
      text: "401 Jwks doesn't have key to match kid or alg from Jwt",
    },
    { name: "expired", sent: { fields: bearer(expired) }, text: "401 Jwt is expired" },
    {
      name: "an unknown issuer",
      sent: { fields: bearer(signToken(KEY, { claims: { iss: "https://evil.example" } })) },
      text: "401 Jwt issuer is not configured",
    },
    {
      name: "two fields",
      sent: { fields: [...bearer(TOKEN), ...bearer(expired)] },
      text: "401 Found multiple Jwt tokens",
    },
    {
      name: "two in one field",
      sent: { fields: bearer(`${TOKEN}, Bearer ${TOKEN}`) },
      text: "401 Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
    },
    {
      name: "another one in the query",
      sent: { path: `/p?access_token=${expired}`, fields: bearer(TOKEN) },
      text: "401 Found multiple Jwt tokens",
    },
    {
      name: "small letters in its scheme",
      sent: { fields: [["authorization", `bearer ${expired}`]] },
      text: "401 Jwt is expired",
    },
  ] satisfies readonly { name: string; sent: Sent; text: string }[])(
    "with a bad token never reaches the application: $name",
    async ({ sent, text }) => {
      const path = await open({ policies: [] });
      const response = await send(path.port, sent);
      expect(response.startsWith(text)).toBe(true);
      expect(path.upstream.executed).toEqual([]);
      const details = `jwt_authn_access_denied{${text.slice(4).replaceAll(" ", "_")}}`;
      expect(path.side.http.logged).toMatchObject([{ status: 401, flags: "-", details }]);
      expect(JSON.stringify(path.side.http.logged)).not.toContain(expired);
    },
  );

  it("with a token for another audience gets 403", async () => {
    const path = await open({ policies: [], tokenRules: [{ ...RULE, audiences: ["a"] }] });
    const fields = bearer(signToken(KEY, { claims: { aud: ["b"] } }));
    expect(await send(path.port, { fields })).toMatch(/^403 Audiences in Jwt are not allowed/);
  });

  it("with keys that were never fetched is refused (CVE-2026-31837)", async () => {
    const path = await open({ policies: [], tokenRules: [{ ...RULE, jwks: undefined }] });
    expect(await send(path.port, { fields: bearer(TOKEN) })).toMatch(/^401 Jwks remote fetch is failed/);
  });
});

describe("a connection", () => {
  const [plaintext] = JUDGED_PATHS;
  const open = async (options: Partial<JudgedPathOptions> = {}): Promise<JudgedPath> => {
    const path = await plaintext?.start(cleanup, { policies: [], tokenRules: [RULE], ...options });
    if (path === undefined) throw new Error("no path");
    return path;
  };

  it("goes on after a refused token, and its client learns how to authenticate", async () => {
    const path = await open();
    const client = await dialRaw(cleanup, path.port);
    client.write('GET /a"b?access_token=x HTTP/1.1\r\nHost: a\r\n\r\n');
    const refused = await readUntil(client, "3 sections");
    expect(refused).toContain('\r\nwww-authenticate: Bearer realm="http://a/a\\"b", error="invalid_token"\r\n');
    client.write(`GET /next HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`);
    await readUntil(client, "served GET /next");
  });

  it("with a token of 17 KB costs no more than its reading", async () => {
    const path = await open();
    const head = `GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${"a".repeat(17_000)}\r\nConnection: close\r\n\r\n`;
    expect(await sendRaw(cleanup, path.port, head)).toMatch(/^HTTP\/1\.1 401 .*Jwt is too long/s);
    expect(path.upstream.executed).toEqual([]);
  });

  it("whose first token is verified while more requests are in the same packet serves all in order", async () => {
    const path = await open();
    const request = (name: string, token: string): string =>
      `POST /${name} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nAuthorization: Bearer ${token}\r\n\r\nabc`;
    const client = await dialRaw(cleanup, path.port);
    client.write(request("a", TOKEN) + request("b", signToken(KEY, { claims: { n: 1 } })) + request("c", TOKEN));
    await readUntil(client, "served POST /c");
    expect(path.upstream.executed.map(({ line, body }) => `${line} ${body}`)).toEqual([
      "POST /a HTTP/1.1 abc",
      "POST /b HTTP/1.1 abc",
      "POST /c HTTP/1.1 abc",
    ]);
  });

  it("whose client leaves while its token is verified leaves nothing behind", async () => {
    const path = await open();
    for (let index = 0; index < 20; index += 1) {
      const client = await dialRaw(cleanup, path.port);
      const token = signToken(KEY, { claims: { index } });
      client.write(`GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`);
      client.destroy();
    }
    await expect.poll(() => path.side.registry.size).toBe(0);
  });

  it("is served while others flood the proxy with forged tokens, which all have to be verified", async () => {
    const path = await open();
    const forged = (index: number): string => `${signToken(KEY, { claims: { index } }).slice(0, -4)}AAAA`;
    const flood = await Promise.all(
      Array.from({ length: 5 }, async (_, connection) => {
        const client = await dialHttp2(cleanup, path.port);
        const streams = Array.from({ length: 90 }, (_, stream) => 2 * stream + 1);
        client.send(
          ...streams.map((stream) =>
            client.headers(stream, requestOf("/", bearer(forged(connection * 1000 + stream)))),
          ),
        );
        return { client, streams };
      }),
    );
    expect(await overHttp1(path.port, { fields: bearer(TOKEN) })).toMatch(/^200 /);
    for (const { client, streams } of flood) {
      for (const stream of streams) expect((await client.ended(stream)).statuses.join()).toMatch(/^(401|503)$/);
    }
    expect(path.upstream.executed).toHaveLength(1);
  });

  it("is judged by new rules from its next request on", async () => {
    const path = await open();
    const client = await dialRaw(cleanup, path.port);
    const request = `GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`;
    client.write(request);
    await readUntil(client, "served GET /a");
    path.side.setTokenRules([{ ...RULE, jwks: keySetOf(createIssuerKey("two")) }]);
    client.write(request);
    await readUntil(client, "Jwks doesn't have key to match kid or alg from Jwt");
    path.side.setTokenRules([]);
    client.write(request);
    await readUntil(client, "served GET /a");
  });
});

it("a call of gRPC with a bad token ends with UNAUTHENTICATED", async () => {
  const path = await JUDGED_PATHS[0]?.start(cleanup, { policies: [], tokenRules: [RULE] });
  const client = await dialHttp2(cleanup, path?.port ?? 0);
  const fields: FieldPairs = [["content-type", "application/grpc"], ...bearer("a.b.c")];
  const response = await client.ask(1, requestOf("/shop.Orders/List", fields, "POST"), "\0\0\0\0\0");
  expect(response).toMatchObject({ statuses: ["200"], content: "" });
  expect(response.fields).toEqual(
    expect.arrayContaining([
      ["grpc-status", "16"],
      ["grpc-message", "Jwt header is an invalid Base64url encoded"],
    ]),
  );
});
