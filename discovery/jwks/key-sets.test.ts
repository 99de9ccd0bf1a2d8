import { describe, expect, it } from "vitest";
import { FakeClock, settlePromises } from "../../mesh/fake-clock-fixture.ts";
import type { KeySource } from "../../mesh/policy/request-authentication/key-source.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { ChangingSource } from "../discovery-fixture.ts";
import type { FetchedKeySet } from "./fetch-key-set.ts";
import { KeySets } from "./key-sets.ts";

const MINUTE = 60_000;

/** A RequestAuthentication with these rules. */
function tokens(name: string, ...rules: readonly object[]): string {
  return tokensOf("ns1", name, ...rules);
}

function tokensOf(namespace: string, name: string, ...rules: readonly object[]): string {
  const metadata = { name, namespace };
  return JSON.stringify({
    apiVersion: "security.istio.io/v1",
    kind: "RequestAuthentication",
    metadata,
    spec: { jwtRules: rules },
  });
}

const A = { issuer: "a", jwksUri: "https://a.example/keys?secret=1" };
const B = { issuer: "b", jwksUri: "https://b.example/keys" };

function setup(...texts: readonly string[]) {
  const source = new ChangingSource(...texts.map((text) => `${text}\n`));
  const clock = new FakeClock();
  const log = new RecordingLogger();
  const fetched: string[] = [];
  const published: (readonly string[])[] = [];
  const pending = new Map<string, (result: FetchedKeySet) => void>();
  const results = new Map<string, FetchedKeySet | "hangs">();
  const counted: string[] = [];
  const keySets = new KeySets({
    config: source,
    fetch: ({ url }: KeySource, signal) => {
      fetched.push(url);
      const result = results.get(url) ?? { kind: "key_set", text: `keys of ${url}`, keys: 1 };
      if (result !== "hangs") return Promise.resolve(result);
      return new Promise((resolve) => {
        pending.set(url, resolve);
        signal.addEventListener("abort", () => resolve({ kind: "failed", reason: "it took too long" }));
      });
    },
    clock,
    random: () => 0.5,
    log,
    onFetched: (result) => void counted.push(result),
  });
  keySets.subscribe((keys) => void published.push(keys));
  return {
    ...{ keySets, clock, log, fetched, published, results, counted },
    apply: async (...next: readonly string[]) => {
      source.change(...next.map((text) => `${text}\n`));
      await settlePromises();
    },
    settle: () => settlePromises(),
  };
}

const failure = (reason: string): FetchedKeySet => ({ kind: "failed", reason });

describe("the key sets of all rules", () => {
  it("are fetched once for each address, and not for rules with keys", async () => {
    const { keySets, fetched, published, settle } = setup(
      tokens("one", A, B),
      tokens("two", A, { issuer: "c", jwks: '{"keys":[]}' }),
    );
    await settle();
    expect(fetched).toEqual([A.jwksUri, B.jwksUri]);
    expect(Object.fromEntries(keySets.current())).toEqual({
      [A.jwksUri]: `keys of ${A.jwksUri}`,
      [B.jwksUri]: `keys of ${B.jwksUri}`,
    });
    expect(published).toEqual([[A.jwksUri], [B.jwksUri]]);
  });

  it("are fetched by the issuer if a rule has no address", async () => {
    const { fetched, keySets, settle } = setup(tokens("one", { issuer: "https://a.example/" }));
    await settle();
    expect(fetched).toEqual(["https://a.example/.well-known/openid-configuration"]);
    expect([...keySets.current().keys()]).toEqual(["openid https://a.example/"]);
  });

  it("are fetched again after 20 minutes, and published only if they differ", async () => {
    const { clock, fetched, published, results, settle } = setup(tokens("one", A));
    await settle();
    await clock.advance(20 * MINUTE);
    expect([fetched.length, published.length]).toEqual([2, 1]);
    results.set(A.jwksUri, { kind: "key_set", text: "rotated", keys: 1 });
    await clock.advance(20 * MINUTE);
    expect([fetched.length, published.length]).toEqual([3, 2]);
  });

  it("are forgotten with the last rule that needs them, and others are left alone", async () => {
    const { keySets, apply, fetched, published, clock, settle } = setup(tokens("one", A, B));
    await settle();
    await apply(tokens("one", B));
    expect([...keySets.current().keys()]).toEqual([B.jwksUri]);
    expect(published.at(-1)).toEqual([A.jwksUri]);
    await clock.advance(21 * MINUTE);
    expect(fetched).toEqual([A.jwksUri, B.jwksUri, B.jwksUri]);
  });

  it("that were fetched for a rule that is gone do not come back", async () => {
    const { keySets, apply, results, published, settle } = setup();
    results.set(A.jwksUri, "hangs");
    await apply(tokens("one", A));
    await apply();
    await settle();
    expect([keySets.current().size, published, keySets.status().sources]).toEqual([0, [], 0]);
  });

  it("stay as they are when something else changes", async () => {
    const { apply, fetched, settle } = setup(tokens("one", A));
    await settle();
    await apply(tokens("one", { ...A, audiences: ["x"] }));
    expect(fetched).toHaveLength(1);
  });
});

describe("a server that fails", () => {
  it("leaves the last good keys in use, and is asked again at growing intervals", async () => {
    const { keySets, clock, fetched, results, settle, log } = setup(tokens("one", A));
    await settle();
    results.set(A.jwksUri, failure("the server responded with the status 500"));
    await clock.advance(20 * MINUTE);
    expect(keySets.current().size).toBe(1);
    expect(keySets.status()).toMatchObject({ sources: 1, missing: 0, stale: 1, oldestMs: 20 * MINUTE });
    await clock.advance(MINUTE);
    expect(fetched.length).toBe(2 + 5);
    await clock.advance(60 * MINUTE);
    expect(fetched.length).toBeLessThan(2 + 9 + 12 + 1);
    expect(log.find("the last good keys stay in use")[0]?.fields).toMatchObject({
      code: "jwks_fetch_failed",
      issuer: "a",
    });
    expect(log.find("secret")).toEqual([]);
    results.delete(A.jwksUri);
    await clock.advance(5 * MINUTE);
    expect(keySets.status()).toMatchObject({ stale: 0 });
  });

  it("from the start leaves its rules without keys, never with others", async () => {
    const { keySets, clock, results, apply, counted, published, log } = setup();
    results.set(A.jwksUri, failure("no route"));
    await apply(tokens("one", A, B));
    expect([...keySets.current().keys()]).toEqual([B.jwksUri]);
    expect(keySets.status()).toMatchObject({ sources: 2, missing: 1, stale: 0 });
    expect(log.find("its tokens are refused")).toHaveLength(1);
    results.delete(A.jwksUri);
    await clock.advance(1000);
    expect(keySets.current().size).toBe(2);
    expect(counted).toEqual(["failure", "success", "success"]);
    expect(published).toEqual([[B.jwksUri], [A.jwksUri]]);
  });

  it.each([
    { name: "5 seconds", rules: [A], limitMs: 5000 },
    { name: "its rule's timeout", rules: [{ ...A, timeout: "2s" }], limitMs: 2000 },
    {
      name: "the longest of its rules'",
      rules: [
        { ...A, timeout: "2s" },
        { ...A, timeout: "7s" },
      ],
      limitMs: 7000,
    },
  ])("to respond is given up after $name", async ({ rules, limitMs }) => {
    const { clock, results, apply, counted } = setup();
    results.set(A.jwksUri, "hangs");
    await apply(tokens("one", ...rules));
    await clock.advance(limitMs - 1);
    expect(counted).toEqual([]);
    await clock.advance(1);
    expect(counted).toEqual(["failure"]);
  });

  it("does not keep others of its namespace waiting, until two are asked at the same time", async () => {
    const { fetched, results, apply, clock } = setup();
    const rules = silentRules(5);
    for (const { jwksUri } of rules) results.set(jwksUri, "hangs");
    await apply(tokens("one", ...rules));
    expect(fetched).toHaveLength(2);
    await clock.advance(5000);
    expect(new Set(fetched).size).toBe(4);
  });

  it("keeps no other namespace waiting, however many of them there are and whatever their timeout", async () => {
    const { fetched, results, apply, clock } = setup();
    const rules = silentRules(100).map((rule) => ({ ...rule, timeout: "1h" }));
    for (const { jwksUri } of rules) results.set(jwksUri, "hangs");
    await apply(tokensOf("evil", "many", ...rules));
    await apply(tokensOf("evil", "many", ...rules), tokensOf("ns2", "one", A));
    expect(fetched).toContain(A.jwksUri);
    expect(fetched).toHaveLength(3);
    await clock.advance(30_000);
    expect(fetched).toHaveLength(5);
  });

  it("is asked in the turn of a namespace that names it later than one with many", async () => {
    const { fetched, results, apply } = setup();
    const rules = silentRules(100);
    for (const { jwksUri } of rules) results.set(jwksUri, "hangs");
    await apply(tokensOf("evil", "many", ...rules, A));
    expect(fetched).not.toContain(A.jwksUri);
    await apply(tokensOf("evil", "many", ...rules, A), tokensOf("ns2", "one", A));
    await apply(tokensOf("evil", "many", ...rules, A), tokensOf("ns2", "one", A, B));
    expect(fetched).toContain(A.jwksUri);
    expect(fetched).toContain(B.jwksUri);
  });
});

/** Of servers that a test makes silent. */
function silentRules(count: number) {
  return Array.from({ length: count }, (_, index) => ({ issuer: "a", jwksUri: `https://silent.example/${index}` }));
}

it("nothing is left after the stop", async () => {
  const { keySets, clock, results, apply } = setup(tokens("one", B));
  results.set(A.jwksUri, "hangs");
  await apply(tokens("one", A, B));
  keySets.stop();
  await settlePromises();
  expect(clock.pendingTimers).toBe(0);
});
