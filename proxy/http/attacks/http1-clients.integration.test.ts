import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { dialRaw, readUntilClosed } from "../../../net/raw-client-fixture.ts";
import { SMUGGLING_REQUESTS, SOUND_REQUESTS } from "../../http1/corpus-fixture.ts";
import { frameRequests } from "../../http1/frame-fixture.ts";
import { LENIENT_REQUESTS } from "../../http1/lenient-corpus-fixture.ts";
import { isSmuggled } from "../../http2/conformance/judge-wire-case-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";
import { namesHost } from "../paths/smuggling-contract-fixture.ts";
import { type AttackOrigin, startHttp2Origin } from "./attack-origin-fixture.ts";

type Start = (cleanup: Cleanup, applicationPort: number) => Promise<{ readonly port: number }>;

function throughTwo(httpVersion: "1.1" | "2"): Start {
  return async (cleanup, applicationPort) => {
    const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort, protocol: "http2" });
    const overrides = { protocol: "http2", connectionPool: { httpVersion } } as const;
    return await startOutboundSide(cleanup, { destination: meshDestination([inbound.port], { overrides }) });
  };
}

const DOORS: readonly { readonly name: string; readonly isVerified: boolean; readonly start: Start }[] = [
  {
    name: "the server's sidecar",
    isVerified: false,
    start: (cleanup, applicationPort) =>
      startInboundSide(cleanup, { mode: "PERMISSIVE", applicationPort, protocol: "http2" }),
  },
  {
    name: "the client's sidecar",
    isVerified: false,
    start: (cleanup, applicationPort) => {
      const overrides = { protocol: "http2", connectionPool: { httpVersion: "2" } } as const;
      const destination = meshDestination([applicationPort], { mutualTls: false, overrides });
      return startOutboundSide(cleanup, { destination });
    },
  },
  { name: "two sidecars with HTTP/1.1 between them", isVerified: true, start: throughTwo("1.1") },
  { name: "two sidecars with HTTP/2 between them", isVerified: true, start: throughTwo("2") },
];

describe.each(DOORS)("an HTTP/1.1 client of an application of HTTP/2, through $name", ({ start, isVerified }) => {
  const cleanup = new Cleanup();
  let origin: AttackOrigin;
  let port: number;
  beforeAll(async () => {
    origin = await startHttp2Origin(cleanup);
    ({ port } = await start(cleanup, origin.port));
  });
  afterAll(() => cleanup.run());

  async function send(bytes: string) {
    const before = origin.executed.length;
    const client = await dialRaw(cleanup, port);
    client.end(bytes, "latin1");
    const answer = await readUntilClosed(client);
    return { answer, executed: origin.executed.slice(before) };
  }

  it.each(SMUGGLING_REQUESTS)("a hidden request is not executed: $name", async ({ bytes }) => {
    const { answer, executed } = await send(bytes);
    expect(answer).toMatch(/^(?:$|HTTP\/1\.1 (?:4\d\d|501|505) )/);
    expect(executed).toEqual([]);
  });

  it.each(SOUND_REQUESTS.filter(({ bytes }) => namesHost(bytes)))(
    "valid requests are executed exactly as often as sent: $name",
    async ({ bytes, requests }) => {
      const { answer, executed } = await send(bytes);
      expect(answer.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(requests);
      expect(executed).toHaveLength(requests);
      expect(executed.filter(isSmuggled)).toEqual([]);
    },
  );

  it.each(LENIENT_REQUESTS.filter(({ bytes }) => namesHost(bytes)))(
    "an unusual request arrives as what it means: $name",
    async ({ bytes, plain, requests }) => {
      const { answer, executed } = await send(bytes);
      expect(answer.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(requests);
      const { heads, contents } = frameRequests([Buffer.from(plain, "latin1")]);
      const expected = heads.map(({ fields: { text } }, at) => {
        const [, method, path] = /^(\S+) (\S+) /.exec(text) ?? [];
        return [method, path, /^host: (.*)\r$/im.exec(text)?.[1], contents[at]];
      });
      expect(executed.map(({ method, path, authority, body }) => [method, path, authority, body.length])).toEqual(
        expected,
      );
    },
  );

  it.each([
    {
      name: "of a connection",
      fields: "Connection: close, X-Hop\r\nX-Hop: hop\r\nKeep-Alive: hop\r\nProxy-Connection: hop\r\n",
    },
    {
      name: "of an upgrade to h2c",
      fields: "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: hop\r\n",
    },
    { name: "of coding", fields: "TE: gzip, hop\r\n" },
    { name: "that forges an identity", fields: "X-Forwarded-CLIENT-Cert: URI=hop\r\n" },
    { name: "between sidecars", fields: "X-Entente-Delivery: hop\r\n" },
  ])("a field $name does not arrive", async ({ fields }) => {
    const { answer, executed } = await send(`GET /x HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(executed).toHaveLength(1);
    const names = executed[0]?.fields.map(([name]) => name) ?? [];
    for (const name of ["connection", "upgrade", "http2-settings", "keep-alive", "proxy-connection", "x-hop"]) {
      expect(names).not.toContain(name);
    }
    expect(names.filter((name) => name === "x-forwarded-client-cert")).toHaveLength(isVerified ? 1 : 0);
    expect(JSON.stringify(executed)).not.toContain("hop");
  });
});
