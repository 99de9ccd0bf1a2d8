import { rm, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import { parseTrustDomain } from "../../../mesh/identity/spiffe-id.ts";
import { type Clock, systemClock } from "../../../mesh/runtime.ts";
import { createSvidKey, formatCertificateRequest } from "../csr.ts";
import { svidFromIssued } from "../issued-certificate.ts";
import { createSecureContextSource } from "../secure-context-source.ts";
import { parseCertificates } from "../trust-anchors.ts";
import { createCertificateClient } from "./control-plane-client.ts";
import { ControlPlaneFixture, HELLO } from "./control-plane-fixture.ts";

let plane: ControlPlaneFixture;
const signal = AbortSignal.timeout(120_000);
const key = createSvidKey();
const csrPem = formatCertificateRequest(key, HELLO);
const trustDomains = [parseTrustDomain("cluster.local")];

beforeEach(async () => {
  plane = await ControlPlaneFixture.start();
});

afterEach(async () => {
  await plane.dispose();
});

interface ClientOptions {
  readonly timeoutMs?: number;
  readonly responseTimeoutMs?: number;
  readonly lifetimeMs?: number;
  /** @default the system's */
  readonly clock?: Clock;
}

/** A client, and the own certificate that it got with its token. */
async function startClient({ lifetimeMs, clock = systemClock, ...limits }: ClientOptions = {}) {
  const roots = parseCertificates(plane.authority.roots().join(""), "the root");
  const source = createSecureContextSource({ trust: { roots, trustDomains }, clock });
  const request = createCertificateClient({
    ...{ address: plane.address, rootCertificateFile: plane.rootFile, tokenFile: plane.tokenFile, clock },
    ...limits,
    ...(lifetimeMs !== undefined && { lifetimeMs }),
    contextTrusting: (rootsPem) => source.contextTrusting(rootsPem),
  });
  const ask = async (): Promise<void> => {
    const { chain } = await request(csrPem, signal);
    const trust = { roots, trustDomains };
    source.setSvid(svidFromIssued({ chain, privateKey: key, identity: HELLO, trust, nowMs: clock.now() }));
  };
  await ask();
  return { source, ask };
}

describe("renewal without a usable token", () => {
  it.each([
    { name: "is refused", damage: () => writeFile(plane.tokenFile, "expired-token"), reason: /unauthenticated/ },
    { name: "is missing", damage: () => rm(plane.tokenFile), reason: /token_file/ },
    {
      name: "cannot be judged, because the API that judges it is away",
      damage: async () => {
        plane.judgeToken = async () => ({ kind: "unavailable", reason: "api_failed", message: "the API is away" });
      },
      reason: /unavailable/,
    },
    {
      name: "is not judged, because its address has had too many tokens judged",
      damage: async () => {
        plane.judgeToken = async () => ({ kind: "unavailable", reason: "too_many_reviews", message: "too many" });
      },
      reason: /resource_exhausted/,
    },
  ])("shows the valid certificate in the next call if the token $name", async ({ damage, reason }) => {
    const { source, ask } = await startClient();
    await damage();
    for (let renewal = 2; renewal <= 4; renewal += 1) {
      await expect(ask()).rejects.toThrow(reason);
      await ask();
      expect(source.current()?.generation).toBe(renewal);
    }
    expect(plane.log.find("refused a caller").length + plane.log.find("could not authenticate").length).toBeLessThan(4);
  });

  it("shows the valid certificate in the next call if the token is judged for longer than a call may take", async () => {
    const { source, ask } = await startClient({ responseTimeoutMs: 2000 });
    plane.judgeToken = () => new Promise(() => undefined);
    await expect(ask()).rejects.toThrow(/deadline_exceeded|timed_out/);
    await ask();
    expect(source.current()?.generation).toBe(2);
  });

  it("sends no token with the certificate, and goes back to the token afterwards", async () => {
    const { ask } = await startClient();
    await writeFile(plane.tokenFile, "expired-token");
    await expect(ask()).rejects.toThrow(/unauthenticated/);
    await writeFile(plane.tokenFile, "good-token-2");
    await ask();
    expect(plane.tokens).toEqual(["good-token-1", "expired-token"]);
    await ask();
    expect(plane.tokens).toEqual(["good-token-1", "expired-token", "good-token-2"]);
  });

  it("asks with the token again if the certificate is refused too, and says which proof was refused", async () => {
    const { ask } = await startClient();
    await writeFile(plane.tokenFile, "expired-token");
    await expect(ask()).rejects.toThrow(/unauthenticated/);
    await plane.stop();
    await expect(ask()).rejects.toThrow(
      /renewal_by_certificate: the own certificate instead of the token.*ECONNREFUSED/,
    );
    await plane.listen();
    await writeFile(plane.tokenFile, "good-token-2");
    await ask();
    expect(plane.tokens.at(-1)).toBe("good-token-2");
  });

  it("is impossible with an expired certificate: the token is the only proof", async () => {
    await plane.dispose();
    const clock = new FakeClock(Date.now());
    plane = await ControlPlaneFixture.start({ clock });
    const { source, ask } = await startClient({ lifetimeMs: 60_000, clock });
    await writeFile(plane.tokenFile, "expired-token");
    expect(source.current()).toBeDefined();
    await clock.advance(61_000);
    expect(source.current()).toBeUndefined();
    for (let attempt = 0; attempt < 3; attempt += 1) await expect(ask()).rejects.toThrow(/unauthenticated/);
    expect(plane.tokens.slice(1)).toEqual(["expired-token", "expired-token", "expired-token"]);
    await writeFile(plane.tokenFile, "good-token-2");
    await ask();
    expect(source.current()).toBeDefined();
  });

  it("is not tried after a connection that failed: that was not the token's fault", async () => {
    const { ask } = await startClient();
    await plane.stop();
    await expect(ask()).rejects.toThrow(/ECONNREFUSED/);
    await plane.listen();
    await ask();
    expect(plane.tokens).toEqual(["good-token-1", "good-token-1"]);
  });
});

describe("the connection of a call", () => {
  it("is a new one for each call, also after a failure", async () => {
    const sessions = new Set<unknown>();
    const judge = plane.judgeToken;
    plane.judgeToken = (token) => {
      for (const session of plane.sessions.keys()) sessions.add(session);
      return judge(token);
    };
    const { ask } = await startClient();
    await writeFile(plane.tokenFile, "expired-token");
    await expect(ask()).rejects.toThrow(/unauthenticated/);
    await ask();
    await expect(ask()).rejects.toThrow(/unauthenticated/);
    expect(sessions.size).toBe(3);
  });

  it("may take longer to respond than to connect: a busy authority is awaited", async () => {
    const clock = new FakeClock(Date.now());
    const judge = plane.judgeToken;
    plane.judgeToken = async (token) => {
      await clock.advance(600);
      return await judge(token);
    };
    const { source } = await startClient({ timeoutMs: 300, responseTimeoutMs: 60_000, clock });
    expect(source.current()?.identity).toBe(HELLO);
    plane.judgeToken = () => new Promise(() => undefined);
    await expect(startClient({ responseTimeoutMs: 100 })).rejects.toThrow(/deadline|did not|100 ms/);
  });

  it("is cut in the middle of a call by a control plane that is killed, and the next call succeeds", async () => {
    const { source, ask } = await startClient();
    const judge = plane.judgeToken;
    let killed: Promise<void> | undefined;
    plane.judgeToken = (token) => {
      killed = plane.stop();
      return judge(token);
    };
    const before = source.current();
    await expect(ask()).rejects.toThrow();
    await killed;
    expect(source.current()).toBe(before);
    plane.judgeToken = judge;
    await plane.listen();
    await ask();
    expect(source.current()?.generation).toBe(2);
  });
});
