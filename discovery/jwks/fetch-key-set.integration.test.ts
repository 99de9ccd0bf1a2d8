import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { type JwtRule, keySourceOf } from "../../mesh/policy/request-authentication/key-source.ts";
import { createIssuerKey, keySetOf, publicJwk } from "../../mesh/policy/request-authentication/token-issuer-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { createDocumentFetcher } from "../documents/fetch-document.ts";
import { sendJson, startKeyServer } from "../documents/key-server-fixture.ts";
import { fetchKeySet } from "./fetch-key-set.ts";

const KEY = createIssuerKey("one", "ES256");
const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function fetchFrom(
  rule: Pick<JwtRule, "issuer" | "jwksUri">,
  options: { limitMs?: number; allowsLocal?: boolean } = {},
) {
  const fetcher = createDocumentFetcher(options.allowsLocal === false ? "none" : "all");
  cleanup.add(() => fetcher.close());
  const source = keySourceOf(rule);
  if (source === undefined) throw new Error("the rule has no source");
  return await fetchKeySet(source, fetcher, AbortSignal.timeout(options.limitMs ?? 5000));
}

async function reasonOf(respond: (response: ServerResponse) => void, limitMs?: number): Promise<string> {
  const server = await startKeyServer(cleanup, (_request, response) => respond(response));
  const rule = { issuer: "https://issuer.example", jwksUri: `${server.origin}/keys` };
  const result = await fetchFrom(rule, limitMs === undefined ? {} : { limitMs });
  return result.kind === "failed" ? result.reason : "";
}

describe("keys", () => {
  it("are fetched by their address, without a private part that the server publishes", async () => {
    const jwk = { ...publicJwk(KEY), ...KEY.privateKey.export({ format: "jwk" }) };
    const server = await startKeyServer(cleanup, (_request, response) => sendJson(response, { keys: [jwk] }));
    const result = await fetchFrom({ issuer: "x", jwksUri: `${server.origin}/keys?v=1` });
    expect(result).toMatchObject({ kind: "key_set", keys: 1 });
    expect(result.kind === "key_set" && result.text).not.toContain('"d"');
    expect(server.requests).toEqual(["/keys?v=1"]);
  });

  it("are found by the issuer's discovery document", async () => {
    const server = await startKeyServer(cleanup, ({ url }, response) => {
      if (url === "/a/keys") response.end(keySetOf(KEY));
      else sendJson(response, { issuer: `${server.origin}/a/`, jwks_uri: `${server.origin}/a/keys` });
    });
    expect(await fetchFrom({ issuer: `${server.origin}/a/` })).toMatchObject({ kind: "key_set" });
    expect(server.requests).toEqual(["/a/.well-known/openid-configuration", "/a/keys"]);
  });

  it.each([
    {
      name: "of another issuer",
      document: { issuer: "https://other.example", jwks_uri: "http://127.0.0.1:1/" },
      reason: "another issuer",
    },
    { name: "without an address", document: { jwks_uri: 1 }, reason: "no jwks_uri" },
    { name: "that is a list", document: [], reason: "not a JSON object" },
    { name: "that leads to a file", document: { jwks_uri: "file:///etc/passwd" }, reason: "has the scheme file:" },
  ])("are not found by a discovery document $name", async ({ document, reason }) => {
    const server = await startKeyServer(cleanup, (_request, response) =>
      sendJson(response, Array.isArray(document) ? document : { issuer: server.origin, ...document }),
    );
    const result = await fetchFrom({ issuer: server.origin });
    expect(result).toMatchObject({ kind: "failed", reason: expect.stringContaining(reason) });
  });

  it("are found behind redirects, but not behind many", async () => {
    const server = await startKeyServer(cleanup, ({ url = "" }, response) => {
      const left = Number(url.slice(1));
      if (left === 0) response.end(keySetOf(KEY));
      else response.writeHead(302, { location: `/${left - 1}` }).end();
    });
    expect(await fetchFrom({ issuer: "x", jwksUri: `${server.origin}/3` })).toMatchObject({ kind: "key_set" });
    expect(await fetchFrom({ issuer: "x", jwksUri: `${server.origin}/4` })).toMatchObject({
      kind: "failed",
      reason: "it redirects more than 3 times",
    });
  });

  it.each([
    { name: "a redirect to another scheme", location: "ftp://127.0.0.1/keys", reason: "has the scheme ftp:" },
    { name: "a redirect to a file", location: "file:///etc/passwd", reason: "has the scheme file:" },
    {
      name: "a redirect with credentials",
      location: "http://user:secret@127.0.0.1/",
      reason: "contains a user or a password",
    },
  ])("are refused behind $name", async ({ location, reason }) => {
    const found = await reasonOf((response) => response.writeHead(307, { location }).end());
    expect(found).toContain(reason);
    expect(found).not.toContain("secret");
  });

  it.each([
    {
      name: "500",
      respond: (response: ServerResponse) => response.writeHead(500).end(keySetOf(KEY)),
      reason: "the server responded with the status 500",
    },
    {
      name: "304",
      respond: (response: ServerResponse) => response.writeHead(304).end(),
      reason: "the server responded with the status 304",
    },
    {
      name: "a web page",
      respond: (response: ServerResponse) => response.end("<html>"),
      reason: "the response is not a JSON Web Key Set",
    },
    {
      name: "other JSON",
      respond: (response: ServerResponse) => response.end('{"secret":1}'),
      reason: "the response is not a JSON Web Key Set",
    },
    {
      name: "no keys",
      respond: (response: ServerResponse) => response.end('{"keys":[]}'),
      reason: "the key set has no public key that is accepted",
    },
    {
      name: "secrets alone",
      respond: (response: ServerResponse) => response.end('{"keys":[{"kty":"oct","k":"AAAA"}]}'),
      reason: "the key set has no public key that is accepted",
    },
    {
      name: "more than 1 MB",
      respond: (response: ServerResponse) => response.end(`{"keys":[${" ".repeat(1_100_000)}]}`),
      reason: "the response has more than 1048576 bytes",
    },
    { name: "an endless body", respond: flood, reason: "the response has more than 1048576 bytes" },
  ])("are refused if the server sends $name", async ({ respond, reason }) => {
    expect(await reasonOf(respond)).toBe(reason);
  });

  it.each([
    { name: "never responds", respond: () => undefined },
    { name: "never ends its body", respond: (response: ServerResponse) => void response.write("{") },
  ])("are given up if the server $name", async ({ respond }) => {
    expect(await reasonOf(respond, 100)).toBe("it took too long");
  });

  it("are not fetched with a reason that nobody can read if nothing listens", async () => {
    const result = await fetchFrom({ issuer: "x", jwksUri: "http://127.0.0.1:1/keys" });
    expect(result).toMatchObject({ kind: "failed", reason: expect.stringContaining("ECONNREFUSED") });
  });
});

function flood(response: ServerResponse): void {
  const write = (): void => {
    if (response.destroyed) return;
    if (response.write(" ".repeat(65_536))) setImmediate(write);
    else response.once("drain", write);
  };
  write();
}

describe("a server on the control plane's own machine", () => {
  it.each(["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "0x7f.1"])(
    "is not asked as %s, unless the configuration is the machine's own",
    async (host) => {
      const server = await startKeyServer(cleanup, (_request, response) => void response.end(keySetOf(KEY)));
      const result = await fetchFrom(
        { issuer: "x", jwksUri: `http://${host}:${server.port}/` },
        { allowsLocal: false },
      );
      expect(result).toMatchObject({ kind: "failed", reason: expect.stringContaining("own machine") });
      expect(server.requests).toEqual([]);
    },
  );

  it("is not asked through a redirect either, nor is the metadata of a cloud", async () => {
    const rule = { issuer: "x", jwksUri: "http://169.254.169.254/latest/meta-data/" };
    expect(await fetchFrom(rule, { allowsLocal: false })).toMatchObject({
      kind: "failed",
      reason: expect.stringContaining("link-local"),
    });
  });
});
