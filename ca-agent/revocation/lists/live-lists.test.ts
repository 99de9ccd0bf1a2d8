import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import { mintRoot } from "../../../mesh/identity/mint-certificate-fixture.ts";
import {
  formatListPem,
  type MintListOptions,
  mintRevocationList,
} from "../../../mesh/identity/mint-revocation-list-fixture.ts";
import { hashIssuerName } from "../../../mesh/policy/authentication/revocations.ts";
import { RecordingLogger } from "../../../mesh/recording-logger-fixture.ts";
import { readSubjectName } from "../../x509/subject-name.ts";
import { LiveLists } from "./live-lists.ts";

const root = mintRoot({ commonName: "root" });
const intermediate = mintRoot({ commonName: "intermediate", issuer: root });
const stranger = mintRoot({ commonName: "stranger" });
/** The name of the root, and another key. */
const imposter = mintRoot({ commonName: "root" });
/** keyCertSign without cRLSign. */
const certificatesOnly = mintRoot({
  ...{ commonName: "only", ca: false },
  extensions: [
    { oid: "2.5.29.19", critical: true, der: Buffer.from([0x30, 3, 1, 1, 0xff]) },
    { oid: "2.5.29.15", critical: true, der: Buffer.from([3, 2, 2, 4]) },
  ],
});

let clock: FakeClock;
let log: RecordingLogger;
let waiting: string[];
let roots: readonly string[];
let onRoots: () => void;
let stop: AbortController;
let lists: LiveLists;
beforeEach(() => {
  clock = new FakeClock();
  log = new RecordingLogger();
  waiting = [];
  roots = [root.certificate.toString()];
  stop = new AbortController();
  lists = new LiveLists({
    authority: {
      roots: () => roots,
      subscribe: (listener) => {
        onRoots = listener;
        return () => undefined;
      },
    },
    ...{ clock, log, onWaiting: (reason) => void waiting.push(reason), signal: stop.signal },
  });
});
afterEach(() => stop.abort());

function pem(...minted: readonly Partial<MintListOptions>[]): string {
  return minted.map((options) => formatListPem(mintRevocationList({ issuer: root, ...options }))).join("");
}

/** With another last byte, which is of the signature. */
function damaged(der: Buffer): Buffer {
  return Buffer.concat([der.subarray(0, -1), Buffer.from([(der.at(-1) ?? 0) ^ 1])]);
}

function take(text: string, certificates = ""): void {
  lists.take({ kind: "lists", from: "/etc/cacerts/ca-crl.pem", pem: text, certificates });
}

function listed(): readonly string[] {
  return lists.entries().map(({ serialNumber }) => serialNumber);
}

const one = { entries: [{ serialNumber: "4f" }] };
const two = { entries: [{ serialNumber: "4f" }, { serialNumber: "50" }], thisUpdate: new Date("2026-02-01T00:00:00Z") };

describe("an operator's lists", () => {
  it("are in force for certificates of their issuer alone", async () => {
    take(pem(one));
    await lists.opened();
    const issuer = hashIssuerName(readSubjectName(root.certificate.raw));
    expect(lists.entries()).toEqual([{ serialNumber: "4F", issuer }]);
  });

  it("may be several, with text of openssl between them, and of an intermediate", () => {
    take(`${pem(one)}\nCertificate Revocation List (CRL):\n${pem({ issuer: intermediate, ...two })}`, intermediate.pem);
    expect(listed()).toEqual(["4F", "4F", "50"]);
  });

  it("of one issuer are added up", () => {
    take(pem(two, { ...one, entries: [{ serialNumber: "51" }] }));
    expect(listed().toSorted()).toEqual(["4F", "50", "51"]);
    expect(lists.nextUpdateMs()).toBe(Date.parse("2040-01-01T00:00:00Z"));
  });

  it.each([
    {
      name: "of an authority that is not the mesh's",
      text: pem({ issuer: stranger }),
      reason: "no authority of the mesh",
    },
    { name: "signed by another key", text: pem({ signer: imposter }), reason: "list 1 is not signed by the authority" },
    {
      name: "of an intermediate that is not there",
      text: pem(one, { issuer: intermediate }),
      reason: "list 2 is of an issuer that is no authority of the mesh",
    },
    { name: "cut off", text: pem(two).slice(0, 300), reason: "something other than complete PEM blocks" },
    { name: "with a certificate among them", text: pem(one) + root.pem, reason: "something other than complete" },
    { name: "that are none", text: "hello", reason: "something other than complete PEM blocks" },
    {
      name: "with an entry that is not understood",
      text: pem({ entries: [{ serialNumber: "ff" }] }),
      reason: "list 1 is refused: revocation_list: a serial number is empty, negative",
    },
    {
      name: "that are damaged",
      text: formatListPem(damaged(mintRevocationList({ issuer: root, ...two }))),
      reason: "list 1 is not signed by",
    },
  ])("$name are refused whole, and the last ones stay", async ({ text, reason }) => {
    take(pem(two));
    const seen: number[] = [];
    lists.subscribe(() => seen.push(lists.entries().length));
    take(text);
    take(text);
    expect(listed()).toEqual(["4F", "50"]);
    expect(lists.fault()).toContain(`revocation_list: /etc/cacerts/ca-crl.pem: `);
    expect(lists.fault()).toContain(reason);
    expect(log.find("the last ones stay in force")).toHaveLength(1);
    take(pem({ ...two, entries: [{ serialNumber: "51" }], thisUpdate: new Date("2026-03-01T00:00:00Z") }));
    expect([lists.fault(), listed()]).toEqual([undefined, ["51"]]);
    expect(seen).toEqual([1]);
  });

  it("that are refused at the start are waited for", async () => {
    let isOpen = false;
    const opening = lists.opened().then(() => {
      isOpen = true;
    });
    take(pem({ issuer: stranger }));
    await clock.advance(60_000);
    expect(isOpen).toBe(false);
    expect(waiting.at(-1)).toContain("no authority of the mesh");
    take(pem(one));
    await opening;
    expect(listed()).toEqual(["4F"]);
  });

  it("are usable as soon as the authority that signed them is in force", async () => {
    take(pem({ issuer: stranger, ...one }));
    expect(lists.fault()).toContain("no authority of the mesh");
    roots = [...roots, stranger.certificate.toString()];
    onRoots();
    await lists.opened();
    expect(listed()).toEqual(["4F"]);
  });

  it("are not opened by a change of the roots before they were looked for", async () => {
    onRoots();
    stop.abort(new Error("stopped"));
    await expect(lists.opened()).rejects.toThrow("stopped");
  });

  it("need an authority that may sign lists", () => {
    roots = [certificatesOnly.certificate.toString()];
    take(pem({ issuer: certificatesOnly }));
    expect(lists.fault()).toContain("issue that certificate again with cRLSign");
  });

  it("are never replaced by older ones", () => {
    take(pem(two));
    take(pem(one));
    expect(lists.fault()).toContain("is older than the one in force");
    expect(listed()).toEqual(["4F", "50"]);
  });

  it("stay in force when they are removed", () => {
    take(pem(two, { issuer: intermediate, ...one }), intermediate.pem);
    lists.take({ kind: "absent" });
    expect(listed().toSorted()).toEqual(["4F", "4F", "50"]);
    take(pem(two));
    expect(listed()).toHaveLength(3);
    expect(
      log.find("they stay in force until the control plane starts again").map(({ fields }) => fields["lists"]),
    ).toEqual([2, 1]);
  });

  it("stay in force when they have expired, with a warning", async () => {
    take(pem({ ...one, nextUpdate: new Date(clock.now() + 3_600_000) }));
    expect(log.find("has expired")).toEqual([]);
    await clock.advance(3_600_000 + 60_000);
    expect(log.find("a revocation list has expired; it stays in force")).toHaveLength(1);
    expect(listed()).toEqual(["4F"]);
    await clock.advance(86_400_000);
    expect(log.find("has expired")).toHaveLength(1);
  });

  it("may be none at all", async () => {
    lists.take({ kind: "absent" });
    await lists.opened();
    expect(lists.entries()).toEqual([]);
  });
});
