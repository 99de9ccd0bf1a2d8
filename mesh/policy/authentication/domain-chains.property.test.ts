import type { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDer, formatOid, formatSequence } from "../../identity/der-writer.ts";
import { type MintedCertificate, mintLeaf, mintRoot } from "../../identity/mint-certificate-fixture.ts";
import { nameKeyOf } from "../../identity/name-key.ts";
import { parseTrustDomain, type TrustDomain } from "../../identity/spiffe-id.ts";
import { type ChainVerdict, verifyChain } from "../../identity/verify-chain.ts";
import { federateRoots } from "./peer-trust.ts";
import { type PeerEvidence, type PeerVerdict, verifyPeer } from "./verify-peer.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const TIMES = { notBefore: new Date("2025-12-31"), notAfter: new Date("2026-01-02") };
const [OWN, ...FOREIGN] = ["own.example", "a.example", "b.example", "c.example", "d.example"].map(parseTrustDomain);

/** One name in spellings that OpenSSL takes for the same, and two others. */
const NAMES = [
  formatName(0x0c, Buffer.from("Mesh CA")),
  formatName(0x13, Buffer.from("mesh  ca")),
  formatName(0x1e, Buffer.from("MESH CA", "utf16le").swap16()),
  formatName(0x14, Buffer.from(" Mesh CA ")),
  formatName(0x16, Buffer.from("mesh CA")),
  formatName(0x0c, Buffer.from("Mesh, CA")),
  formatName(0x0c, Buffer.from("other")),
];

function formatName(tag: number, text: Buffer): Buffer {
  return formatSequence(formatDer(0x31, formatSequence(formatOid("2.5.4.3"), formatDer(tag, text))));
}

/** How an authority is made from earlier ones, and how its name is spelled in what it issues. */
interface Recipe {
  readonly name: number;
  readonly spelled: number;
  /** The earlier authority that signs it; itself if there is none. */
  readonly issuer: number;
  /** The earlier authority whose key it has, as a cross certificate; its own if there is none. */
  readonly sharesKeyOf: number;
  readonly isIdentified: boolean;
  readonly isAuthority: boolean;
  readonly isExpired: boolean;
}

const recipe: fc.Arbitrary<Recipe> = fc.record({
  name: fc.nat(NAMES.length - 1),
  spelled: fc.nat(NAMES.length - 1),
  issuer: fc.nat(11),
  sharesKeyOf: fc.nat(19),
  isIdentified: fc.boolean(),
  isAuthority: fc.integer({ min: 0, max: 9 }).map((dice) => dice > 0),
  isExpired: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0),
});

/** Issuers of the same name are used by their own spelling or by another one. */
function spell(of: Recipe | undefined, spelled: number): Buffer | undefined {
  return of === undefined || of.name > 4 || spelled > 4 ? undefined : NAMES[spelled];
}

function mintAll(recipes: readonly Recipe[]): readonly MintedCertificate[] {
  const minted: MintedCertificate[] = [];
  for (const { name, spelled, issuer, sharesKeyOf, isIdentified, isAuthority, isExpired } of recipes) {
    const [subject, signer, twin] = [NAMES[name], minted[issuer], minted[sharesKeyOf]];
    const issuerName = spell(recipes[issuer], spelled);
    minted.push(
      mintRoot({
        ...(subject && { subject }),
        ...(twin && { key: twin.key }),
        ...(signer && { issuer: signer, ...(issuerName && { issuerName }) }),
        ...(!isIdentified && { keyIdentifier: "none" as const }),
        ...(isExpired && { notAfter: new Date("2025-01-01") }),
        ca: isAuthority,
      }),
    );
  }
  return minted;
}

/** The simple way: all domains are asked, then that of the identity. */
function verifySimply(evidence: PeerEvidence): {
  readonly found: ChainVerdict;
  readonly of: (domain: TrustDomain) => ChainVerdict;
} {
  const [leaf, ...intermediates] = evidence.certificates;
  if (leaf === undefined) throw new Error("there is a leaf");
  const by = (roots: readonly X509Certificate[]) => verifyChain({ leaf, intermediates, roots, nowMs: evidence.nowMs });
  const own = by(evidence.roots);
  const all = [own, ...(evidence.federated ?? []).map(({ roots }) => by(roots))];
  const found =
    all.find(({ kind }) => kind === "chained") ??
    all.find((verdict) => verdict.kind === "broken" && verdict.reason !== "unknown_root") ??
    own;
  const rootsOf = (domain: TrustDomain) =>
    domain === OWN
      ? evidence.roots
      : (evidence.federated?.find(({ trustDomain }) => trustDomain === domain)?.roots ?? []);
  return { found, of: (domain) => by(rootsOf(domain)) };
}

function expectSame(verdict: PeerVerdict, evidence: PeerEvidence, domain: TrustDomain): void {
  const { found, of } = verifySimply(evidence);
  const own = of(domain);
  if (found.kind === "broken")
    expect(verdict).toEqual({ kind: "refused", reason: found.reason, message: found.message });
  else if (own.kind === "broken") expect(verdict).toMatchObject({ kind: "refused", reason: "wrong_authority" });
  else expect(verdict).toMatchObject({ kind: "trusted", path: own.path, notAfterMs: own.notAfterMs });
}

/** The same in every run, because keys take long to make; what is done with them differs. */
const MESHES = fc
  .sample(fc.array(recipe, { minLength: 8, maxLength: 10 }), { numRuns: 12, seed: 1 })
  .map((recipes) => ({ recipes, authorities: mintAll(recipes) }));
const LEAF_KEY = mintRoot().key;

/** A peer's chain in one of the meshes, and who owns which authority there. */
const peer = fc.record({
  mesh: fc.constantFrom(...MESHES),
  /** By the index of their domain; what is beyond is nobody's root. */
  owners: fc.array(fc.nat(FOREIGN.length + 2), { minLength: 10, maxLength: 10 }),
  issuer: fc.nat(7),
  spelled: fc.nat(NAMES.length - 1),
  claim: fc.constantFrom(...[OWN, ...FOREIGN].filter((domain) => domain !== undefined)),
  sent: fc.uniqueArray(fc.nat(9), { maxLength: 4 }),
});
type Peer = typeof peer extends fc.Arbitrary<infer Value> ? Value : never;

function evidenceOf({ mesh, owners, issuer, spelled, claim, sent }: Peer): PeerEvidence {
  const { recipes, authorities } = mesh;
  const [signer, made] = [authorities[issuer], recipes[issuer]];
  if (signer === undefined || OWN === undefined) throw new Error("there are at least eight authorities");
  const issuerName = spell(made, spelled);
  const leaf = mintLeaf({
    ...{ key: LEAF_KEY, issuer: signer, uriSans: [`spiffe://${claim}/ns/a/sa/b`], ...TIMES },
    ...(issuerName && { issuerName }),
    ...(made?.isIdentified === false && { keyIdentifier: "none" }),
  });
  const ownedBy = (domain: number) =>
    authorities.filter((_, index) => owners[index] === domain).map(({ certificate }) => certificate);
  return {
    certificates: [leaf.certificate, ...sent.flatMap((index) => authorities[index]?.certificate ?? [])],
    ...{ sessionReused: false, nowMs: NOW, roots: ownedBy(0), trustDomains: [OWN] },
    federated: FOREIGN.map((domain, index) => federateRoots(domain, ownedBy(index + 1))),
  };
}

describe("roots that a chain does not name", () => {
  it("are left out without a difference: names in several spellings, cross certificates, no key identifiers", () => {
    const reasons = new Set<string>();
    const judge = (drawn: Peer): void => {
      const evidence = evidenceOf(drawn);
      const verdict = verifyPeer(evidence);
      const reason = verdict.kind === "refused" ? verdict.reason : verdict.kind;
      // Seven roots of one name, and four certificates that name them: beyond the limit of signatures, one in thousands.
      if (reason === "ambiguous_issuer") return;
      reasons.add(reason);
      expectSame(verdict, evidence, drawn.claim);
    };
    fc.assert(fc.property(peer, judge), { numRuns: 250 });
    // The property says nothing unless all of these occur.
    const expected = ["trusted", "wrong_authority", "unknown_root", "expired", "not_an_authority"];
    expect([...reasons]).toEqual(expect.arrayContaining(expected));
  });
});

describe("nameKeyOf", () => {
  it("is the same for all names that OpenSSL takes for the same", () => {
    const text = fc.string({ unit: fc.constantFrom(...'aAbZ09 \t\\,#+"<>;=éΣß\u4e00'), minLength: 1, maxLength: 8 });
    const tag = fc.constantFrom(0x0c, 0x13, 0x14, 0x16, 0x1c, 0x1e);
    const encode = (type: number, value: string): Buffer => {
      if (type === 0x0c) return Buffer.from(value, "utf8");
      if (type === 0x1e) return Buffer.from(value, "utf16le").swap16();
      if (type === 0x1c) return Buffer.concat([...value].map((one) => Buffer.from([0, 0, ...encode(0x1e, one)])));
      return Buffer.from(value, "latin1");
    };
    const respell = (value: string): string => value.toUpperCase().replaceAll(" ", "  ").replaceAll("\t", " ");
    const key = mintRoot().key;
    let equal = 0;
    fc.assert(
      fc.property(text, tag, tag, fc.boolean(), (value, one, other, isRespelled) => {
        const second = isRespelled ? respell(value) : value;
        const issuer = mintRoot({ key, subject: formatName(one, encode(one, value)), keyIdentifier: "none" });
        const issued = mintRoot({
          key,
          issuer,
          issuerName: formatName(other, encode(other, second)),
          keyIdentifier: "none",
        });
        if (!issued.certificate.checkIssued(issuer.certificate)) return;
        equal += 1;
        expect(nameKeyOf(issued.certificate.issuer)).toBe(nameKeyOf(issuer.certificate.subject));
      }),
      { numRuns: 300 },
    );
    expect(equal).toBeGreaterThan(50);
  });
});
