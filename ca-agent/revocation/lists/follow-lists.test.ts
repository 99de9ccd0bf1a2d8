import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { KINDS } from "../../../kubernetes/kinds.ts";
import { InProcessApi } from "../../../kubernetes/test-server/in-process-api.ts";
import { TestCluster } from "../../../kubernetes/test-server/test-cluster.ts";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import { mintRoot } from "../../../mesh/identity/mint-certificate-fixture.ts";
import { formatListPem, mintRevocationList } from "../../../mesh/identity/mint-revocation-list-fixture.ts";
import { RecordingLogger } from "../../../mesh/recording-logger-fixture.ts";
import { textsOf } from "../../authority/authority-fixture.ts";
import { followDirectoryLists, followSecretLists } from "./follow-lists.ts";
import type { LiveLists } from "./live-lists.ts";

const root = mintRoot({ commonName: "root" });
const signer = mintRoot({ commonName: "signer", issuer: root });
const texts = textsOf({ signer, roots: [root] });
const listOf = (...serialNumbers: readonly string[]): string =>
  formatListPem(
    mintRevocationList({ issuer: signer, entries: serialNumbers.map((serialNumber) => ({ serialNumber })) }),
  );

let clock: FakeClock;
let stop: AbortController;
let folder: string;
let deps: Parameters<typeof followDirectoryLists>[1];
beforeEach(() => {
  clock = new FakeClock();
  stop = new AbortController();
  folder = mkdtempSync(join(tmpdir(), "entente-lists-"));
  deps = {
    authority: { roots: () => [root.certificate.toString()], subscribe: () => () => undefined },
    ...{ clock, log: new RecordingLogger(), onWaiting: () => undefined, signal: stop.signal },
  };
});
afterEach(() => {
  stop.abort();
  rmSync(folder, { recursive: true, force: true });
});

function write(files: Readonly<Record<string, string>>, mode = 0o600): void {
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), mode);
  }
}

function listed(lists: LiveLists): readonly string[] {
  return lists.entries().map(({ serialNumber }) => serialNumber);
}

async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1000) {
    await clock.advance(1000);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}

it("a directory's list comes into force within seconds, signed by the intermediate beside it", async () => {
  write(texts);
  const lists = await followDirectoryLists(folder, deps);
  expect(listed(lists)).toEqual([]);
  write({ "ca-crl.pem": listOf("4f") });
  await pass(7000);
  expect(listed(lists)).toEqual(["4F"]);
  rmSync(join(folder, "ca-crl.pem"));
  await pass(7000);
  expect(listed(lists)).toEqual(["4F"]);
  write({ "ca-crl.pem": "# no other lists\n" });
  await pass(7000);
  expect(listed(lists)).toEqual([]);
});

it("a list that others may write is refused", async () => {
  write(texts);
  const lists = await followDirectoryLists(folder, deps);
  write({ "ca-crl.pem": listOf("4f") }, 0o666);
  // The file is read by the system while the clock's time passes.
  for (let turn = 0; turn < 100 && lists.fault() === undefined; turn += 1) await pass(1000);
  expect(listed(lists)).toEqual([]);
  expect(lists.fault()).toContain('run "chmod go-w');
});

/** The Secret `cacerts`, and what follows its lists. */
function startCluster() {
  const cluster = new TestCluster({ now: () => clock.now() });
  const metadata = { namespace: "istio-system", name: "cacerts" };
  cluster.create(KINDS.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: metadata.namespace } });
  const secret = (files: Readonly<Record<string, string>>) => ({
    ...{ apiVersion: "v1", kind: "Secret", metadata },
    data: Object.fromEntries(Object.entries(files).map(([name, text]) => [name, Buffer.from(text).toString("base64")])),
  });
  cluster.create(KINDS.secrets, secret(texts));
  return {
    write: (list: string) => cluster.replace(KINDS.secrets, secret({ ...texts, "ca-crl.pem": list })),
    follow: async () => {
      const api = new InProcessApi(cluster);
      const starting = followSecretLists({ ...deps, api, namespace: metadata.namespace, random: () => 0.5 });
      await pass(1000);
      return await starting;
    },
  };
}

it("a Secret's list comes into force at once", async () => {
  const { write, follow } = startCluster();
  const { lists } = await follow();
  expect(listed(lists)).toEqual([]);
  write(listOf("4f", "50"));
  await pass(1000);
  expect(listed(lists)).toEqual(["4F", "50"]);
  write("");
  await pass(1000);
  expect(listed(lists)).toEqual(["4F", "50"]);
  const newer = mintRevocationList({ issuer: signer, thisUpdate: new Date("2026-02-01T00:00:00Z") });
  write(formatListPem(newer));
  await pass(1000);
  expect(listed(lists)).toEqual([]);
});

it("control planes that have found the same lists have the same digest, also if one of them ran before a list was removed", async () => {
  const { write, follow } = startCluster();
  const first = await follow();
  const none = first.reading().digest;
  write(listOf("4f"));
  await pass(1000);
  expect(first.reading().digest).not.toBe(none);
  write("");
  await pass(1000);
  const second = await follow();
  expect([listed(first.lists), listed(second.lists)]).toEqual([["4F"], []]);
  expect([first.reading().digest, second.reading().digest]).toEqual([none, none]);
  await pass(30_000);
  write("no list");
  await pass(1000);
  expect(first.lists.fault()).toBeDefined();
  expect(first.reading()).toMatchObject({ digest: none });
  expect(first.reading().ageMs).toBeGreaterThanOrEqual(1000);
});
