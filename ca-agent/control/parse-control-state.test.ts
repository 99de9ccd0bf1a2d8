import { describe, expect, it } from "vitest";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { MAX_REVOCATIONS, type Revocation } from "./control-state.ts";
import { formatControlTexts, parseControlDocument, parseControlTexts } from "./parse-control-state.ts";

const AT = '"revokedAt": "2026-11-26T18:44:32Z"';

function parse(entry: string): Revocation | undefined {
  return parseControlTexts({ revocations: `[{${entry}}]`, rotation: undefined }).revocations[0];
}

describe("an entry", () => {
  it.each<{ name: string; entry: string; what: Revocation["what"] }>([
    { name: "a certificate", entry: `"serial": "4F0A", ${AT}`, what: { kind: "serial", serialNumber: "4F0A" } },
    {
      name: "a certificate of a revoked pod, as an earlier version has stored it",
      entry: `"serial": "4F0A", "ofPod": "ns1/hello-0", ${AT}`,
      what: { kind: "serial", serialNumber: "4F0A" },
    },
    {
      name: "an identity",
      entry: `"identity": "spiffe://cluster.local/ns/ns1/sa/hello", ${AT}`,
      what: { kind: "identity", identity: parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello") },
    },
    {
      name: "a pod",
      entry: `"pod": "ns1/hello-0", "uid": "u-1", ${AT}`,
      what: { kind: "pod", namespace: "ns1", name: "hello-0", uid: "u-1" },
    },
    {
      name: "every pod of a name",
      entry: `"pod": "ns1/hello.a-0", ${AT}`,
      what: { kind: "pod", namespace: "ns1", name: "hello.a-0" },
    },
  ])("revokes $name", ({ entry, what }) => {
    expect(parse(entry)).toEqual({ what, revokedAt: "2026-11-26T18:44:32Z" });
  });

  it("may have an end and a reason", () => {
    expect(parse(`"serial": "4F", ${AT}, "expiresAt": "2026-11-27T18:44:32.5Z", "reason": "stolen, see é"`)).toEqual({
      what: { kind: "serial", serialNumber: "4F" },
      revokedAt: "2026-11-26T18:44:32Z",
      expiresAt: "2026-11-27T18:44:32.5Z",
      reason: "stolen, see é",
    });
  });

  it.each([
    { name: "two targets", entry: `"serial": "4F", "pod": "ns1/a", ${AT}`, reason: "exactly one" },
    { name: "no target", entry: AT, reason: "exactly one" },
    { name: "the same key twice", entry: `"serial": "4F", "serial": "5F", ${AT}`, reason: "the same key twice" },
    { name: "an unknown field", entry: `"serial": "4F", "expires": "x", ${AT}`, reason: 'unknown field \\"expires\\"' },
    { name: "a serial in lower case", entry: `"serial": "4f", ${AT}`, reason: "serial has an invalid value" },
    { name: "a serial with a leading zero", entry: `"serial": "04F", ${AT}`, reason: "serial has an invalid value" },
    { name: "a serial as a number", entry: `"serial": 79, ${AT}`, reason: "serial must be a text" },
    { name: "an empty serial", entry: `"serial": "", ${AT}`, reason: "serial must be a text" },
    { name: "half an identity", entry: `"identity": "spiffe://cluster.local/ns/ns1", ${AT}`, reason: "spiffe_id" },
    { name: "a pod without a namespace", entry: `"pod": "hello-0", ${AT}`, reason: "pod must be NAMESPACE/NAME" },
    { name: "a pod with a slash more", entry: `"pod": "ns1/a/b", ${AT}`, reason: "pod must be NAMESPACE/NAME" },
    { name: "a uid of an identity", entry: `"serial": "4F", "uid": "u", ${AT}`, reason: "a uid without a pod" },
    {
      name: "a pod's mark without a serial",
      entry: `"pod": "ns1/a", "ofPod": "ns1/a", ${AT}`,
      reason: "ofPod without",
    },
    { name: "no time", entry: '"serial": "4F"', reason: "no revokedAt" },
    {
      name: "a local time",
      entry: '"serial": "4F", "revokedAt": "2026-11-26 18:44"',
      reason: "revokedAt has an invalid",
    },
    {
      name: "a day that does not exist",
      entry: '"serial": "4F", "revokedAt": "2026-13-41T00:00:00Z"',
      reason: "not a time",
    },
    {
      name: "a reason of two lines",
      entry: `"serial": "4F", ${AT}, "reason": "a\\nb"`,
      reason: "reason has an invalid",
    },
  ])("with $name makes the whole list unreadable", ({ entry, reason }) => {
    expect(() => parse(entry)).toThrow(new RegExp(`^control_state: .*${reason}`));
  });
});

describe("a state", () => {
  it.each([
    { name: "a list that is not JSON", revocations: "[", reason: "the list of revocations is not JSON" },
    { name: "an object for a list", revocations: "{}", reason: "the list of revocations is not a JSON array" },
    { name: "a list of texts", revocations: '["4F"]', reason: "revocation 1 is not a JSON object" },
    { name: "nothing", revocations: "", reason: "the list of revocations is not JSON" },
    { name: "null", revocations: "null", reason: "the list of revocations is not a JSON array" },
  ])("with $name is unreadable", ({ revocations, reason }) => {
    expect(() => parseControlTexts({ revocations, rotation: undefined })).toThrow(`control_state: ${reason}`);
  });

  it("has at most ten thousand revocations", () => {
    const entry = '{"serial":"4F","revokedAt":"2026-11-26T18:44:32Z"}';
    const revocations = `[${Array(MAX_REVOCATIONS + 1).fill(entry)}]`;
    expect(() => parseControlTexts({ revocations, rotation: undefined })).toThrow(
      "has 10001 entries, the limit is 10000",
    );
  });

  it("that is too large for a ConfigMap is not stored", () => {
    const what = { kind: "serial", serialNumber: "4F" } as const;
    const revocations = Array<Revocation>(9000).fill({
      ...{ what, revokedAt: "2026-11-26T18:44:32Z", expiresAt: "2026-11-26T18:44:32Z", reason: "x".repeat(200) },
    });
    expect(() => formatControlTexts({ revocations, rotation: undefined })).toThrow("control_limit: 9000 revocations");
  });

  it.each([
    { rotation: "{}", reason: "needs a requestId and a requestedAt" },
    { rotation: '{"requestId":"a b","requestedAt":"2026-11-26T18:44:32Z"}', reason: "requestId has an invalid value" },
    { rotation: '{"requestId":"a","requestedAt":"2026-11-26T18:44:32Z","by":"me"}', reason: "unknown field" },
    {
      rotation: '{"kind":"undo","requestId":"a","requestedAt":"2026-11-26T18:44:32Z"}',
      reason: 'kind has an invalid value "undo"',
    },
    { rotation: "null", reason: "is not a JSON object" },
  ])("with the request $rotation is unreadable", ({ rotation, reason }) => {
    expect(() => parseControlTexts({ revocations: "[]", rotation })).toThrow(reason);
  });

  it("that could not be read again is not stored", () => {
    const revocation = { what: { kind: "serial", serialNumber: "4F" }, revokedAt: "2026-11-26T18:44:32Z" } as const;
    for (const broken of [
      { ...revocation, reason: "a\nb" },
      { ...revocation, revokedAt: "now" },
    ]) {
      expect(() => formatControlTexts({ revocations: [broken], rotation: undefined })).toThrow(
        "control_state: revocation 1",
      );
    }
  });

  it.each([
    "",
    "[]",
    "[0]",
    "[1,2]",
    "[2,2]",
    "[2.5]",
    "[-1]",
    '["1"]',
    "1",
    "[1000000000000000]",
    `[${Array(65).fill(1)}]`,
  ])("with the revisions %s is unreadable", (revisions) => {
    const texts = { revocations: "[]", rotation: undefined, revisions };
    expect(() => parseControlTexts(texts)).toThrow("control_state: the list of revisions");
  });

  it("in one document needs its list", () => {
    expect(() => parseControlDocument('{"rotation":{}}')).toThrow("control_state: the file has no revocations");
    expect(() => parseControlDocument('{"revocations":[],"revocation":[]}')).toThrow("unknown field");
    expect(() => parseControlDocument('{"revocations":[{}],"revocations":[]}')).toThrow("the same key twice");
  });
});
