import { describe, expect, it } from "vitest";
import { mintRoot } from "../../../mesh/identity/mint-certificate-fixture.ts";
import { textsOf } from "../../authority/authority-fixture.ts";
import { CaError } from "../../ca-error.ts";
import { INPUT, mintOwnRoot, NEW, OLD, PUBLISHED, SIGNING, STEADY, WITHDRAWING } from "../rotation-fixture.ts";
import { fingerprintOf, type RotationState, trustedRoots } from "../rotation-state.ts";
import { retireRoot, rollBack } from "../rotation-steps.ts";
import { formatOwnAuthority } from "./format-own-authority.ts";
import { parseOwnAuthority, readOwnAuthority } from "./own-authority.ts";

type Texts = Readonly<Record<string, string>>;

const other = mintOwnRoot();
const request = { kind: "rotate", requestId: "7f3a" } as const;
const STATES: readonly { readonly name: string; readonly state: RotationState }[] = [
  { name: "never rotated", state: STEADY },
  { name: "published", state: { ...PUBLISHED, requestId: "7f3a" } },
  { name: "signing", state: SIGNING },
  { name: "signing without a cross-signed certificate", state: { ...SIGNING, crossSignedPem: undefined } },
  { name: "withdrawing", state: WITHDRAWING },
  { name: "completed", state: retireRoot(SIGNING, { ...INPUT, request }) },
  { name: "rolled back", state: rollBack(PUBLISHED, "a reason with\nlines", INPUT) },
  { name: "with another trusted root", state: { ...SIGNING, others: [other.certificatePem] } },
];

function found(texts: Texts) {
  const written = Object.entries(texts).filter(([, text]) => text !== "");
  return { from: "the store", locate: (name: string) => name, texts: new Map(written) };
}

const parse = (texts: Texts) => parseOwnAuthority(found(texts));

describe("the stored state of a rotation", () => {
  it.each(STATES)("is read as it was written: $name", ({ state }) => {
    expect(parse(formatOwnAuthority(state))).toEqual({ kind: "root", state });
  });

  it.each(STATES)("has Istio's keys, as Istio and earlier versions read them: $name", ({ state }) => {
    const texts = formatOwnAuthority(state);
    expect(texts["ca-cert.pem"]).toBe(state.current.certificatePem);
    expect(texts["ca-key.pem"]).toBe(state.current.keyPem);
    expect(texts["root-cert.pem"]).toBe(trustedRoots(state).join(""));
  });

  it("keeps the keys that a later step needs, and no other", () => {
    const keysOf = (state: RotationState) =>
      Object.entries(formatOwnAuthority(state)).filter(([, text]) => text.includes("PRIVATE KEY"));
    expect(keysOf(PUBLISHED).map(([name]) => name)).toEqual(["ca-key.pem", "next-ca-key.pem"]);
    expect(keysOf(SIGNING).map(([name]) => name)).toEqual(["ca-key.pem", "previous-ca-key.pem"]);
    expect(keysOf(WITHDRAWING).map(([name]) => name)).toEqual(["ca-key.pem"]);
    expect(keysOf(retireRoot(SIGNING, INPUT)).map(([name]) => name)).toEqual(["ca-key.pem"]);
  });

  it("tells which roots must stay trusted, and which one has left", () => {
    const markOf = (state: RotationState) => readOwnAuthority(found(formatOwnAuthority(state)))?.rotation;
    const [old, next] = [OLD.certificatePem, NEW.certificatePem];
    expect(markOf(STEADY)).toEqual({ revision: 0, leavesOf: [old], dropped: [] });
    expect(markOf(PUBLISHED)).toEqual({ revision: 1, leavesOf: [old], dropped: [] });
    expect(markOf(SIGNING)).toEqual({ revision: 2, leavesOf: [next, old], dropped: [] });
    expect(markOf(WITHDRAWING)).toEqual({ revision: 3, leavesOf: [old, next], dropped: [] });
    const done = retireRoot(SIGNING, INPUT);
    expect(markOf(done)).toEqual({ revision: 3, leavesOf: [next], dropped: [fingerprintOf(old)] });
  });
});

const published = formatOwnAuthority(PUBLISHED);
const signing = formatOwnAuthority(SIGNING);
const recordWith = (texts: Texts, changes: object): string =>
  JSON.stringify({ ...JSON.parse(texts["rotation.json"] ?? ""), ...changes });
const foreign = mintRoot();

describe("what is not one state of a rotation is refused", () => {
  it.each([
    { name: "an emptied bundle", texts: { ...published, "root-cert.pem": "" }, reason: "root-cert.pem is missing" },
    {
      name: "a bundle that is half written",
      texts: { ...published, "root-cert.pem": `${published["root-cert.pem"]}${foreign.pem.slice(0, 200)}` },
      reason: "root-cert.pem cannot be read: there is a certificate that is incomplete",
    },
    {
      name: "a bundle without the next root",
      texts: { ...published, "root-cert.pem": OLD.certificatePem },
      reason: "root-cert.pem does not contain",
    },
    {
      name: "a bundle without the root that signs",
      texts: { ...signing, "root-cert.pem": OLD.certificatePem },
      reason: "root-cert.pem does not contain",
    },
    {
      name: "a bundle without the previous root",
      texts: { ...signing, "root-cert.pem": NEW.certificatePem },
      reason: "root-cert.pem does not contain",
    },
    {
      name: "a bundle without the root that leaves",
      texts: { ...formatOwnAuthority(WITHDRAWING), "root-cert.pem": OLD.certificatePem },
      reason: "root-cert.pem does not contain",
    },
    {
      name: "a root that another program has replaced",
      texts: { ...published, "ca-cert.pem": foreign.pem, "ca-key.pem": foreign.keyPem },
      reason: "ca-cert.pem is not the root",
    },
    {
      name: "a next root that was replaced",
      texts: { ...published, "next-ca-cert.pem": foreign.pem, "next-ca-key.pem": foreign.keyPem },
      reason: "next-ca-cert.pem is not the root",
    },
    {
      name: "a key of another certificate",
      texts: { ...published, "next-ca-key.pem": OLD.keyPem },
      reason: "next-ca-key.pem is not the key",
    },
    {
      name: "a missing key",
      texts: { ...signing, "previous-ca-key.pem": "" },
      reason: "previous-ca-key.pem is missing",
    },
    { name: "an unreadable key", texts: { ...signing, "previous-ca-key.pem": "x" }, reason: "cannot be read" },
    { name: "a missing record", texts: { ...published, "rotation.json": "" }, reason: "rotation.json is missing" },
    {
      name: "the files of two phases",
      texts: { ...signing, ...published },
      reason: "previous-ca-cert.pem does not belong",
    },
    {
      name: "an authority in another form beside it",
      texts: { ...published, "tls.crt": foreign.pem, "tls.key": foreign.keyPem },
      reason: "tls.crt does not belong",
    },
    {
      name: "several certificates beside the cross-signed one",
      texts: { ...signing, "cert-chain.pem": `${SIGNING.crossSignedPem}${foreign.pem}` },
      reason: "contains more than the cross certificate",
    },
    { name: "nothing", texts: {}, reason: "contains no authority" },
    ...[
      { name: "that is no JSON", record: "{", reason: "is not JSON" },
      { name: "with a key twice", record: '{"kind":"steady","kind":"steady"}', reason: "twice" },
      { name: "of an unknown phase", record: recordWith(published, { kind: "resting" }), reason: "a newer version" },
      { name: "with an unknown field", record: recordWith(published, { later: 1 }), reason: "unknown field" },
      {
        name: "with a field of another phase",
        record: recordWith(published, { previous: "" }),
        reason: "unknown field",
      },
      { name: "without a revision", record: recordWith(published, { revision: undefined }), reason: "revision" },
      { name: "of revision 0", record: recordWith(published, { revision: 0 }), reason: "revision" },
      { name: "of an unknown cause", record: recordWith(published, { cause: "mood" }), reason: "cause" },
      {
        name: "with a time that is none",
        record: recordWith(published, { since: "2026-13-01T00:00:00.000Z" }),
        reason: "since",
      },
      { name: "with a time of another form", record: recordWith(published, { since: "yesterday" }), reason: "since" },
      { name: "with a name that is no fingerprint", record: recordWith(published, { next: "00" }), reason: "next" },
      {
        name: "with a long request id",
        record: recordWith(published, { requestId: "x".repeat(129) }),
        reason: "requestId",
      },
      {
        name: "with a dropped root that is none",
        record: recordWith(published, { dropped: ["00"] }),
        reason: "dropped is not the SHA-256",
      },
      {
        name: "with its version and an unknown field",
        record: recordWith(published, { version: 1, x: 1 }),
        reason: '"x"',
      },
      {
        name: "with a version that is none",
        record: recordWith(published, { version: "2" }),
        reason: "version must be",
      },
      {
        name: "of a later version with an unknown phase",
        record: recordWith(published, { version: 2, minReaderVersion: 1, kind: "resting" }),
        reason: "its kind is none of",
      },
      { name: "that is longer than any", record: " ".repeat(16_385), reason: "limit" },
    ].map(({ name, record, reason }) => ({
      ...{ name: `a record ${name}`, texts: { ...published, "rotation.json": record }, reason },
    })),
  ])("$name", ({ texts, reason }) => {
    expect(() => parse(texts as Texts)).toThrow(CaError);
    expect(() => parse(texts as Texts)).toThrow(reason);
  });
});

describe("a state that a later version has stored", () => {
  const later = { version: 2, minReaderVersion: 1, policy: "strict" };

  it("is read without the fields that are not known, if it allows that", () => {
    const texts = { ...published, "rotation.json": recordWith(published, later) };
    expect(parse(texts)).toEqual({ kind: "root", state: PUBLISHED, laterVersion: 2 });
    expect(readOwnAuthority(found(texts))?.rotation?.revision).toBe(1);
    const done = formatOwnAuthority(retireRoot(SIGNING, INPUT));
    const last = { ...JSON.parse(done["rotation.json"] ?? "").last, by: "someone" };
    expect(parse({ ...done, "rotation.json": recordWith(done, { ...later, last }) })).toMatchObject({
      laterVersion: 2,
    });
  });

  it.each([{ version: 2 }, { version: 5, minReaderVersion: 3 }])(
    "is refused if it is for later readers: %j",
    (versions) => {
      const texts = { ...published, "rotation.json": recordWith(published, versions) };
      expect(() => parse(texts)).toThrow(
        /authority_version: rotation\.json: it was written by a later version.*upgrade it$/,
      );
    },
  );
});

describe("an authority that was never rotated", () => {
  const root = mintRoot();
  const signer = mintRoot({ commonName: "signer", issuer: root });

  it("of an earlier version, without a bundle, is steady", () => {
    const state = { ...STEADY, current: { certificatePem: root.pem, keyPem: root.keyPem } };
    expect(parse({ "ca-cert.pem": root.pem, "ca-key.pem": root.keyPem })).toEqual({ kind: "root", state });
  });

  it("keeps roots that an operator has added to the bundle", () => {
    const own = parse(textsOf({ signer: root, roots: [root, foreign], intermediates: [] }));
    expect(own).toMatchObject({ kind: "root", state: { others: [foreign.pem] } });
  });

  it("is not ours to replace if it is an intermediate", () => {
    expect(parse(textsOf({ signer, roots: [root] }))).toEqual({ kind: "not_a_root" });
  });
});
