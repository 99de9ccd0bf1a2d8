import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { mintRoot } from "../../../mesh/identity/mint-certificate-fixture.ts";
import { formatListPem, mintRevocationList } from "../../../mesh/identity/mint-revocation-list-fixture.ts";
import { hashIssuerName } from "../../../mesh/policy/authentication/revocations.ts";
import { readSubjectName } from "../../x509/subject-name.ts";
import {
  createLists,
  intermediate,
  type ListsUnderTest,
  one,
  listsPem as pem,
  root,
  two,
  unknownRoot,
} from "./live-lists-fixture.ts";

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

let given: ListsUnderTest;
beforeEach(() => {
  given = createLists();
});
afterEach(() => given.stop.abort());

/** With another last byte, which is of the signature. */
function damaged(der: Buffer): Buffer {
  return Buffer.concat([der.subarray(0, -1), Buffer.from([(der.at(-1) ?? 0) ^ 1])]);
}

describe("an operator's lists", () => {
  it("are in force for certificates of their issuer alone", async () => {
    given.take(pem(one));
    await given.lists.opened();
    const issuer = hashIssuerName(readSubjectName(root.certificate.raw));
    expect(given.lists.entries()).toEqual([{ serialNumber: "4F", issuer }]);
  });

  it("may be several, with text of openssl between them, and of an intermediate", () => {
    given.take(
      `${pem(one)}\nCertificate Revocation List (CRL):\n${pem({ issuer: intermediate, ...two })}`,
      intermediate.pem,
    );
    expect(given.listed()).toEqual(["4F", "4F", "50"]);
  });

  it("of one issuer are added up", () => {
    given.take(pem(two, { ...one, entries: [{ serialNumber: "51" }] }));
    expect(given.listed().toSorted()).toEqual(["4F", "50", "51"]);
    expect(given.lists.nextUpdateMs()).toBe(Date.parse("2040-01-01T00:00:00Z"));
  });

  it.each([
    {
      name: "of an authority that is not the mesh's",
      text: pem({ issuer: unknownRoot }),
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
    given.take(pem(two));
    const seen: number[] = [];
    given.lists.subscribe(() => seen.push(given.lists.entries().length));
    given.take(text);
    given.take(text);
    expect(given.listed()).toEqual(["4F", "50"]);
    expect(given.lists.fault()).toContain(`revocation_list: /etc/cacerts/ca-crl.pem: `);
    expect(given.lists.fault()).toContain(reason);
    expect(given.log.find("the last ones stay in force")).toHaveLength(1);
    given.take(pem({ ...two, entries: [{ serialNumber: "51" }], thisUpdate: new Date("2026-03-01T00:00:00Z") }));
    expect([given.lists.fault(), given.listed()]).toEqual([undefined, ["51"]]);
    expect(seen).toEqual([1]);
  });

  it("that are refused at the start are waited for", async () => {
    let isOpen = false;
    const opening = given.lists.opened().then(() => {
      isOpen = true;
    });
    given.take(pem({ issuer: unknownRoot }));
    await given.clock.advance(60_000);
    expect(isOpen).toBe(false);
    expect(given.waiting.at(-1)).toContain("no authority of the mesh");
    given.take(pem(one));
    await opening;
    expect(given.listed()).toEqual(["4F"]);
  });

  it("are usable as soon as the authority that signed them is in force", async () => {
    given.take(pem({ issuer: unknownRoot, ...one }));
    expect(given.lists.fault()).toContain("no authority of the mesh");
    given.changeRoots([root, unknownRoot].map(({ certificate }) => certificate.toString()));
    await given.lists.opened();
    expect(given.listed()).toEqual(["4F"]);
  });

  it("are not opened by a change of the roots before they were looked for", async () => {
    given.changeRoots();
    given.stop.abort(new Error("stopped"));
    await expect(given.lists.opened()).rejects.toThrow("stopped");
  });

  it("need an authority that may sign lists", () => {
    given.changeRoots([certificatesOnly.certificate.toString()]);
    given.take(pem({ issuer: certificatesOnly }));
    expect(given.lists.fault()).toContain("issue that certificate again with cRLSign");
  });

  it("stay in force when they have expired, with a warning", async () => {
    given.take(pem({ ...one, nextUpdate: new Date(given.clock.now() + 3_600_000) }));
    expect(given.log.find("has expired")).toEqual([]);
    await given.clock.advance(3_600_000 + 60_000);
    expect(given.log.find("a revocation list has expired; it stays in force")).toHaveLength(1);
    expect(given.listed()).toEqual(["4F"]);
    await given.clock.advance(86_400_000);
    expect(given.log.find("has expired")).toHaveLength(1);
  });

  it("may be none at all", async () => {
    given.lists.take({ kind: "absent" });
    await given.lists.opened();
    expect(given.lists.entries()).toEqual([]);
  });
});
