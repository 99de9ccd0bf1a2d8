import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { formatSequence } from "./der-writer.ts";
import { type MintedCertificate, mintLeaf, mintRoot } from "./mint-certificate-fixture.ts";
import { type ChainVerdict, verifyChain } from "./verify-chain.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const validity = { notBefore: new Date("2025-12-31"), notAfter: new Date("2026-01-02") };
const past = { notBefore: new Date("2020-01-01"), notAfter: new Date("2025-12-31") };

function leafOf(issuer: MintedCertificate): MintedCertificate {
  return mintLeaf({ issuer, uriSans: ["spiffe://cluster.local/ns/a/sa/b"], ...validity });
}

function verify(
  leaf: MintedCertificate,
  intermediates: readonly MintedCertificate[],
  roots: readonly MintedCertificate[],
): ChainVerdict {
  return verifyChain({
    leaf: leaf.certificate,
    intermediates: intermediates.map(({ certificate }) => certificate),
    roots: roots.map(({ certificate }) => certificate),
    nowMs: NOW,
  });
}

function reasonOf(verdict: ChainVerdict): string {
  return verdict.kind === "broken" ? verdict.reason : verdict.kind;
}

describe("verifyChain", () => {
  const root = mintRoot();

  it("accepts a leaf of a root, and returns when the chain expires", () => {
    const leaf = leafOf(root);
    const verdict = verify(leaf, [], [root]);
    expect(verdict).toMatchObject({ kind: "chained", notAfterMs: validity.notAfter.getTime() });
  });

  it("returns the earliest expiry of its certificates", () => {
    const short = mintRoot({ issuer: root, commonName: "short", notAfter: new Date("2026-01-01T06:00:00Z") });
    expect(verify(leafOf(short), [short], [root])).toMatchObject({ notAfterMs: Date.parse("2026-01-01T06:00:00Z") });
  });

  it("accepts intermediates in any order, and ignores unrelated certificates", () => {
    const upper = mintRoot({ issuer: root, commonName: "upper" });
    const lower = mintRoot({ issuer: upper, commonName: "lower" });
    const unrelated = mintRoot({ commonName: "unrelated" });
    expect(verify(leafOf(lower), [unrelated, upper, lower], [root]).kind).toBe("chained");
  });

  it("tries every root of one name: both are trusted during a root rotation", () => {
    const next = mintRoot();
    expect(verify(leafOf(next), [], [root, next]).kind).toBe("chained");
    expect(verify(leafOf(root), [], [root, next]).kind).toBe("chained");
  });

  it("accepts a cross certificate of the new root by the old one", () => {
    const next = mintRoot({ commonName: "next root" });
    const cross = mintRoot({ issuer: root, commonName: "next root", key: next.key });
    expect(verify(leafOf(next), [cross], [root]).kind).toBe("chained");
  });

  it("accepts a root that was renewed with the same key", () => {
    const renewed = mintRoot({ key: root.key });
    expect(verify(leafOf(root), [], [renewed]).kind).toBe("chained");
  });

  it("accepts CA certificates with RSA keys of 2048 bits", () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const rsa = mintRoot({ key: privateKey });
    expect(verify(leafOf(rsa), [], [rsa]).kind).toBe("chained");
  });

  it.each([
    {
      name: "a root of the same name and another key",
      chain: () => [leafOf(mintRoot()), [], [root]],
      reason: "unknown_root",
    },
    { name: "no roots", chain: () => [leafOf(root), [], []], reason: "unknown_root" },
    {
      name: "a missing intermediate",
      chain: () => [leafOf(mintRoot({ issuer: root, commonName: "sub" })), [], [root]],
      reason: "unknown_root",
    },
    {
      name: "a self-signed leaf",
      chain: () => {
        const self = mintRoot({ ca: false, commonName: "self" });
        return [self, [self], [root]];
      },
      reason: "unknown_root",
    },
    {
      name: "a workload certificate as issuer",
      chain: () => {
        const workload = mintRoot({ issuer: root, ca: false, commonName: "workload" });
        return [leafOf(workload), [workload], [root]];
      },
      reason: "not_an_authority",
    },
    {
      name: "an expired leaf",
      chain: () => [mintLeaf({ issuer: root, uriSans: [], ...past }), [], [root]],
      reason: "expired",
    },
    {
      name: "a leaf that is not valid yet",
      chain: () => [
        mintLeaf({ issuer: root, uriSans: [], notBefore: new Date("2026-01-02"), notAfter: new Date("2026-01-03") }),
        [],
        [root],
      ],
      reason: "not_yet_valid",
    },
    {
      name: "an expired intermediate",
      chain: () => {
        const old = mintRoot({ issuer: root, commonName: "old", ...past });
        return [leafOf(old), [old], [root]];
      },
      reason: "expired",
    },
    {
      name: "an expired root",
      chain: () => {
        const old = mintRoot(past);
        return [leafOf(old), [], [old]];
      },
      reason: "expired",
    },
    {
      name: "an intermediate below a CA certificate that allows none",
      chain: () => {
        const narrow = mintRoot({ pathLength: 0, commonName: "narrow" });
        const sub = mintRoot({ issuer: narrow, commonName: "sub" });
        return [leafOf(sub), [sub], [narrow]];
      },
      reason: "unsupported_constraint",
    },
    {
      name: "name constraints, which are not evaluated",
      chain: () => {
        const extensions = [{ oid: "2.5.29.30", critical: true, der: formatSequence() }];
        const bound = mintRoot({ extensions, commonName: "bound" });
        return [leafOf(bound), [], [bound]];
      },
      reason: "unsupported_constraint",
    },
    {
      name: "a CA certificate with an RSA key of 1024 bits",
      chain: () => {
        const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
        const weak = mintRoot({ key: privateKey, commonName: "weak" });
        return [leafOf(weak), [], [weak]];
      },
      reason: "weak_key",
    },
    {
      name: "five intermediates",
      chain: () => [leafOf(root), Array.from({ length: 5 }, () => mintRoot({ issuer: root })), [root]],
      reason: "chain_too_long",
    },
    {
      name: "a chain of seven certificates",
      chain: () => {
        const chain = [root];
        for (let depth = 1; depth <= 5; depth += 1) {
          chain.unshift(mintRoot({ issuer: chain[0] ?? root, commonName: `depth ${depth}` }));
        }
        return [leafOf(chain[0] ?? root), chain.slice(0, -1), [root]];
      },
      reason: "chain_too_long",
    },
  ] satisfies { name: string; chain: () => Parameters<typeof verify>; reason: string }[])(
    "refuses $name",
    ({ chain, reason }) => {
      expect(reasonOf(verify(...chain()))).toBe(reason);
    },
  );

  it("refuses a certificate whose name was changed after signing", () => {
    const der = Buffer.from(leafOf(root).certificate.raw);
    der.write("c", der.indexOf("spiffe://cluster.local/ns/a/sa/b") + "spiffe://cluster.local/ns/a/sa/".length);
    const leaf = new X509Certificate(der);
    expect(leaf.checkIssued(root.certificate)).toBe(true);
    const verdict = verifyChain({ leaf, intermediates: [], roots: [root.certificate], nowMs: NOW });
    expect(reasonOf(verdict)).toBe("unknown_root");
  });

  it("refuses a root with another name and the same key", () => {
    const renamed = mintRoot({ key: root.key, commonName: "another name" });
    expect(reasonOf(verify(leafOf(root), [], [renamed]))).toBe("unknown_root");
  });

  it("reports now, notBefore and notAfter for an expired certificate", () => {
    const verdict = verify(mintLeaf({ issuer: root, uriSans: [], ...past }), [], [root]);
    expect(verdict.kind === "broken" && verdict.message).toMatch(
      /now 2026-01-01T00:00:00.000Z, notBefore 2020-01-01T00:00:00.000Z, notAfter 2025-12-31T00:00:00.000Z/,
    );
  });
});
