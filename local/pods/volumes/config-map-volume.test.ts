import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../../mesh/recording-logger-fixture.ts";
import { keepConfigMap } from "./config-map-volume.ts";

let folder: string;
let files: Readonly<Record<string, string>>;
let clock: FakeClock;
let fault: Error | undefined;
const OWN = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, mode: 0o644 };
const log = new RecordingLogger();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "entente-volume-"));
  files = { "root-cert.pem": "old", other: "same" };
  clock = new FakeClock();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const read = async () => {
  if (fault !== undefined) throw fault;
  return files;
};
const start = () => keepConfigMap({ folder, access: OWN, read, clock, log });
const content = () => readFileSync(join(folder, "root-cert.pem"), "utf8");

it("a changed ConfigMap is written again, and what has not changed is not", async () => {
  await start();
  expect(content()).toBe("old");
  rmSync(join(folder, "other"));
  files = { ...files, "root-cert.pem": "new" };
  await clock.advance(1000);
  expect([content(), existsSync(join(folder, "other"))]).toEqual(["new", false]);
});

it("a ConfigMap that cannot be read changes nothing, and is read again", async () => {
  await start();
  fault = new Error("gone");
  await clock.advance(2000);
  expect(content()).toBe("old");
  expect(log.find("gone").length).toBeGreaterThan(0);
  fault = undefined;
  files = { ...files, "root-cert.pem": "new" };
  await clock.advance(1000);
  expect(content()).toBe("new");
});

it("nothing is written after the pod's end", async () => {
  const kept = await start();
  kept.stop();
  files = { "root-cert.pem": "new" };
  await clock.advance(5000);
  expect([content(), clock.pendingTimers]).toEqual(["old", 0]);
});
